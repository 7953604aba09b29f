"""What of a filed cell may be shown outside the archive: SQL that masks by the column's class and content.

Belongs here: the one expression that quarantine, findings and receipts use. Does not belong here: telling the filer
about a clear identity (rule GEN-I04), text without a column (`contracts.identities`).
A name alone in a free text cannot be told from other words; it is masked in personal columns, beside a clear identity,
and in columns that never hold words (codes, numbers, dates).
"""

from __future__ import annotations

from pipelines.contracts.model import Column
from pipelines.validation.marks import CLEAR_TEXT_PERSON

#: A cell of two to five Chinese characters and nothing else: a name, in a column that never holds words.
_NAME = "^[\u4e00-\u9fff·]{2,5}$"
_WORDLESS = ("code", "hash", "boolean", "date", "timestamp", "integer", "decimal")


def shown_sql(column: Column, filed: str) -> str:
    """SQL of a filed cell as it may be shown; `filed` is the SQL of its text (VARCHAR or NULL).

    Personal columns are always masked; any other cell is masked as a whole when it holds a clear identity, or looks
    like a name where no words belong. An amount with decimals may have the length of an identity and is none.
    """
    if column.personal:
        return f"ledger.masked({filed})"
    told = f"regexp_matches({filed}, '{CLEAR_TEXT_PERSON}')"
    if column.kind == "decimal":
        told = f"({told} AND NOT regexp_full_match({filed}, '-?[0-9]+[.][0-9]+'))"
    if column.kind in _WORDLESS:
        told += f" OR regexp_matches({filed}, '{_NAME}')"
    return f"CASE WHEN {told} THEN ledger.masked({filed}) ELSE {filed} END"


def evidence_sql(value: str) -> str:
    """SQL of a value that a rule found, not a cell as filed; masked as a whole when it holds a clear identity."""
    return f"CASE WHEN regexp_matches({value}, '{CLEAR_TEXT_PERSON}') THEN ledger.masked({value}) ELSE {value} END"
