"""Receipts: what an insurer is told about one submission, as JSON that is the same byte for byte each time.

Belongs here: gathering a receipt from the ledger and writing receipts of judged submissions. Does not belong here:
wording of findings (contracts) or of states (`states`), terminal rendering (`cli`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb

from pipelines.filing.states import STATES

_SUBMISSION = (
    "submission_id",
    "form",
    "form_version",
    "reporter_code",
    "period",
    "kind",
    "sequence_no",
    "supersedes",
    "state",
    "rows_read",
    "rows_accepted",
    "rows_quarantined",
    "rows_rejected",
    "error_count",
    "warning_count",
    "late_days",
    "sha256",
    "signed_at",
    "ruleset_version",
)
_FINDING = (
    "rule_code",
    "severity",
    "sheet",
    "cell",
    "row_no",
    "column_name",
    "header",
    "value",
    "expected",
    "message_zh",
    "message_en",
    "fix_zh",
    "fix_en",
)


def receipts(con: duckdb.DuckDBPyConnection, submission_ids: list[str]) -> Iterator[dict[str, Any]]:
    """Receipts of the named submissions, in order of id: the submission, its state in words, and every finding."""
    asked = [submission_ids]
    heads = con.execute(
        f"SELECT {', '.join(_SUBMISSION)} FROM filing.submissions WHERE submission_id IN (SELECT unnest(?)) "
        "ORDER BY submission_id",
        asked,
    ).fetchall()
    rows = con.execute(
        f"SELECT submission_id, {', '.join(_FINDING)} FROM filing.findings "
        "WHERE submission_id IN (SELECT unnest(?)) "
        "ORDER BY submission_id, severity, rule_code, row_no NULLS FIRST, column_name NULLS FIRST, value, expected",
        asked,
    ).fetchall()
    findings = {
        submission_id: [dict(zip(_FINDING, row[1:], strict=True)) for row in group]
        for submission_id, group in groupby(rows, key=lambda row: row[0])
    }
    for head in heads:
        submission = dict(zip(_SUBMISSION, head, strict=True))
        state = STATES[submission["state"]]
        yield {
            "receipt": submission,
            "verdict": {
                "state": state.code,
                "label_zh": state.label_zh,
                "sentence_zh": state.sentence_zh,
                "sentence_en": state.sentence_en,
                "actor": state.actor,
                "next_zh": state.next_zh,
                "next_en": state.next_en,
            },
            "findings": findings.get(submission["submission_id"], []),
        }


def write_receipts(con: duckdb.DuckDBPyConnection, outbox: Path) -> int:
    """Write `outbox/<reporter>/<submission>.json` for every submission judged in this settlement; returns how many."""
    judged = [
        row[0]
        for row in con.execute(
            "SELECT p.submission_id FROM checked JOIN ledger.parcel AS p USING (submission_no) ORDER BY 1"
        ).fetchall()
    ]
    written = 0
    for start in range(0, len(judged), 1000):
        for receipt in receipts(con, judged[start : start + 1000]):
            submission = receipt["receipt"]
            folder = outbox / _folder(submission["reporter_code"])
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"{submission['submission_id']}.json"
            body = json.dumps(receipt, ensure_ascii=False, indent=1, default=str).encode()
            if not path.exists() or path.read_bytes() != body:
                part = path.with_suffix(".part")
                part.write_bytes(body)
                os.replace(part, path)  # noqa: PTH105 - atomic, also over an existing file
            written += 1
    return written


def _folder(reporter_code: str | None) -> str:
    safe = (reporter_code or "").strip()
    return safe if safe.isalnum() and len(safe) <= 40 else "unidentified"  # noqa: PLR2004 - a sane folder name
