"""Gathering: what receipts of many submissions say, from the public views, in a fixed number of queries whatever their
number.

Belongs here: which relation each part of a receipt comes from, and the limits on what is listed (counts are always of
everything). Everything but the filed rows is read from `filing.*` and `registry.*`, so a release answers as well as the
build database. Does not belong here: what receipts are made of (`gathered`), how they look, when they are written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import duckdb

from pipelines.contracts.model import Catalogue, Column, Form
from pipelines.filing.receipts import content
from pipelines.filing.receipts.content import Dossier, FiledRow, FiledRows
from pipelines.filing.receipts.gathered import Gathered, Row, Rule
from pipelines.validation.screening import shown_sql

_UNKNOWN_RULE = Rule(None, None, None)

_HEADS = """
WITH dated AS (
    SELECT form, period, reporter_code, due_date, lead(period) OVER w AS next_period, lead(due_date) OVER w AS next_due
    FROM filing.obligations
    WINDOW w AS (PARTITION BY form, reporter_code ORDER BY period))
SELECT s.submission_id, s.form, s.form_version, s.reporter_code, s.period, s.kind, s.sequence_no, s.supersedes,
    s.reason_code, s.base_submission_id, s.source_name, s.sha256, s.times_received, s.signed_at, s.nil_streak,
    s.ruleset_version, s.state, s.in_force, s.rows_read, s.rows_accepted, s.rows_quarantined, s.rows_rejected,
    s.rows_in_force, f.title_zh, f.title_en, r.name AS reporter_name, d.due_date, d.next_period, d.next_due
FROM filing.submissions AS s
LEFT JOIN filing.forms AS f ON f.form = s.form
LEFT JOIN registry.reporters AS r ON r.org_code = s.reporter_code
LEFT JOIN dated AS d ON d.form = s.form AND d.period = s.period AND d.reporter_code = s.reporter_code
WHERE s.submission_id IN (SELECT unnest(?))
ORDER BY s.submission_id"""

#: Where findings are read from: the public view, or in the build database (of which a release is a copy) what gives the
#: same of the submissions asked for at the cost of theirs alone.
_IN_RELEASE, _IN_BUILD = "filing.findings WHERE submission_id IN (SELECT unnest(?))", "ledger.findings_of(?)"

_COUNTS = """
SELECT submission_id, rule_code, any_value(rule_class) AS rule_class, coalesce(any_value(severity), 'E') AS severity,
    count(*) AS findings, min(waived_by) AS waived_by, min(explained_by) AS explained_by
FROM {found}
GROUP BY submission_id, rule_code ORDER BY submission_id, coalesce(any_value(severity), 'E'), rule_code"""

_DETAILS = (
    "submission_id, rule_code, sheet, row_no, column_name, header, cell, filed_in, value, expected, message_zh, "
    "message_en, fix_zh, fix_en"
)
_IN_ORDER = "row_no NULLS FIRST, filed_in NULLS FIRST, column_name NULLS FIRST, value, expected, message_zh"

_FINDINGS = f"""
SELECT {_DETAILS}
FROM {{found}}
ORDER BY submission_id, rule_code, {_IN_ORDER}"""

# Every rule keeps its first findings when a receipt is full: places go round the rules, not to the first rules alone.
_FIRST_FINDINGS = f"""
WITH numbered AS (
    SELECT *, row_number() OVER (PARTITION BY submission_id, rule_code ORDER BY {_IN_ORDER}) AS nth
    FROM {{found}})
SELECT {_DETAILS}
FROM numbered WHERE nth <= {content.RULE_LIMIT}
QUALIFY row_number() OVER (PARTITION BY submission_id ORDER BY nth, severity, rule_code) <= {content.RECEIPT_LIMIT}
ORDER BY submission_id, rule_code, nth"""

_VERDICTS = """
SELECT submission_id, rule_code, verdict, reason_zh, reason AS reason_en, findings
FROM filing.verdicts WHERE submission_id IN (SELECT unnest(?)) ORDER BY submission_id, rule_code"""

_CONTROL_TOTALS = """
SELECT submission_id, column_name, header, declared, ours, agrees
FROM filing.control_totals WHERE submission_id IN (SELECT unnest(?)) ORDER BY submission_id, column_name"""

_EXCUSES = """
SELECT submission_id, rule_code, kind, excuse_id, reason, granted_at, last_period
FROM filing.excuses WHERE submission_id IN (SELECT unnest(?)) ORDER BY submission_id, rule_code, kind, excuse_id"""

_DIFFERENCES = """
SELECT submission_id, against_submission_id, in_effect, rows_added, rows_removed, rows_changed, rows_unchanged
FROM filing.differences WHERE submission_id IN (SELECT unnest(?)) ORDER BY submission_id"""

_CHANGED_CELLS = f"""
SELECT submission_id, change, record_key, row_no, old_row_no, old_filed_in, column_name, header, old_value, new_value,
    count(*) OVER (PARTITION BY submission_id) AS changes
FROM filing.changed_cells WHERE submission_id IN (SELECT unnest(?))
QUALIFY row_number() OVER (
    PARTITION BY submission_id
    ORDER BY record_key, change, column_name NULLS FIRST, row_no, old_row_no, old_value, new_value
    ) <= {content.CHANGE_LIMIT}
ORDER BY submission_id, record_key, change, column_name NULLS FIRST, row_no, old_row_no, old_value, new_value"""

_CHANGED_TOTALS = """
SELECT submission_id, column_name, header, old_total::VARCHAR AS old_total, new_total::VARCHAR AS new_total
FROM filing.difference_totals WHERE submission_id IN (SELECT unnest(?)) ORDER BY submission_id, column_name"""


def dossiers(
    con: duckdb.DuckDBPyConnection,
    submission_ids: Sequence[str],
    *,
    catalogue: Catalogue | None = None,
    kpi_effects: Mapping[str, Sequence[content.KpiEffect]] | None = None,
) -> Iterator[Dossier]:
    """Receipts of the named submissions in order of id; see `gather`."""
    return (
        one.dossier() for one in gather(con, submission_ids, catalogue=catalogue, kpi_effects=kpi_effects)
    )


def gather(
    con: duckdb.DuckDBPyConnection,
    submission_ids: Sequence[str],
    *,
    catalogue: Catalogue | None = None,
    kpi_effects: Mapping[str, Sequence[content.KpiEffect]] | None = None,
) -> Iterator[Gathered]:
    """What receipts of the named submissions are made of, in order of id; unknown ids give none.

    With `catalogue`, `con` is the build database and each receipt carries the filed rows that have findings; without
    it `con` may be a release, which holds no filed rows. `kpi_effects`: submission -> the KPI cells it moved; those of
    a submission that is missing are not known.
    """
    asked = list(submission_ids)
    heads = _rows(con, _HEADS, asked)
    rules = {
        (form, code): Rule(*words)
        for form, code, *words in con.execute(
            "SELECT form, rule_code, severity, text_zh, text_en FROM filing.rules"
        ).fetchall()
    }
    place = _IN_BUILD if catalogue else _IN_RELEASE
    counts = _by_submission(_rows(con, _COUNTS.format(found=place), asked))
    found = _found(con, place, counts)
    verdicts = _by_submission(_rows(con, _VERDICTS, asked))
    totals = _by_submission(_rows(con, _CONTROL_TOTALS, asked))
    excuses = _by_submission(_rows(con, _EXCUSES, asked))
    differences = _by_submission(_rows(con, _DIFFERENCES, asked))
    changes = _by_submission(_rows(con, _CHANGED_CELLS, asked))
    changed_totals = _by_submission(_rows(con, _CHANGED_TOTALS, asked))
    filed = _filed_rows(con, catalogue, heads, found) if catalogue else None
    for head in heads:
        own = head["submission_id"]
        told = {row["rule_code"] for row in (*counts[own], *verdicts[own])}
        yield Gathered(
            submission_id=own,
            head=head,
            rules={code: _rule(rules, head["form"], code) for code in told},
            counts=counts[own],
            found=found[own],
            verdicts=verdicts[own],
            totals=totals[own],
            excuses=excuses[own],
            differences=differences[own],
            changes=changes[own],
            changed_totals=changed_totals[own],
            kpi_effects=(kpi_effects or {}).get(own),
            rows=None if filed is None else filed.get(own, FiledRows((), ())),
        )


def _rows(con: duckdb.DuckDBPyConnection, sql: str, asked: list[str]) -> list[Row]:
    cursor = con.execute(sql, [asked])
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]


def _by_submission(rows: list[Row]) -> defaultdict[str, list[Row]]:
    """Rows by their submission, in order; the id itself is taken off."""
    grouped: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        grouped[row.pop("submission_id")].append(row)
    return grouped


def _found(
    con: duckdb.DuckDBPyConnection, place: str, counts: Mapping[str, list[Row]]
) -> defaultdict[str, list[Row]]:
    """Findings by submission, in order; most have so few that none has to be left out, which is the dearer query."""
    found: list[Row] = []
    full = {own for own, rules in counts.items() if _is_full([rule["findings"] for rule in rules])}
    for sql, asked in (
        (_FINDINGS, [own for own in counts if own not in full]),
        (_FIRST_FINDINGS, sorted(full)),
    ):
        if asked:
            found += _rows(con, sql.format(found=place), asked)
    return _by_submission(found)


def _is_full(counts: list[int]) -> bool:
    """Whether a receipt has more findings, by rule, than it lists."""
    return max(counts) > content.RULE_LIMIT or sum(counts) > content.RECEIPT_LIMIT


def _rule(rules: Mapping[tuple[str, str], Rule], form: str | None, code: str) -> Rule:
    """The rule's words; rules of the envelope also stand under no form, for files whose form is unknown."""
    return rules.get((form or "", code)) or rules.get(("", code)) or _UNKNOWN_RULE


def _filed_rows(
    con: duckdb.DuckDBPyConnection,
    catalogue: Catalogue,
    heads: list[Row],
    found: Mapping[str, list[Row]],
) -> dict[str, FiledRows]:
    """Filed rows of every submission whose listed findings name rows; one query a form that has any."""
    wanted: defaultdict[str, dict[tuple[str, str | None, int], None]] = defaultdict(dict)
    for head in heads:
        if head["form"] in catalogue.forms:
            for finding in found.get(head["submission_id"], ()):
                if finding["row_no"] is not None:
                    place = (head["submission_id"], finding["filed_in"], finding["row_no"])
                    wanted[head["form"]][place] = None
    if not wanted:
        return {}
    told = [submission_id for places in wanted.values() for submission_id, _, _ in places]
    headers = _headers(con, list(dict.fromkeys(told)))
    tables: dict[str, FiledRows] = {}
    for code, places in wanted.items():
        form = catalogue.forms[code]
        texts = _texts_of(con, form, sorted({(filed_in or own, row_no) for own, filed_in, row_no in places}))
        rows: defaultdict[str, list[tuple[int, str | None]]] = defaultdict(list)
        for own, filed_in, row_no in places:
            if (filed_in or own, row_no) in texts:
                rows[own].append((row_no, filed_in))
        at = {column.name: place for place, column in enumerate(form.columns)}
        for own, lines in rows.items():
            columns = headers.get(own) or [(column.name, column.title_zh) for column in form.columns]
            order = [at[name] for name, _ in columns]
            tables[own] = FiledRows(
                tuple(columns),
                tuple(
                    FiledRow(
                        row_no, filed_in, tuple(texts[filed_in or own, row_no][place] for place in order)
                    )
                    for row_no, filed_in in sorted(lines, key=lambda line: (line[1] or "", line[0]))
                ),
            )
    return tables


def _headers(con: duckdb.DuckDBPyConnection, submission_ids: list[str]) -> dict[str, list[tuple[str, str]]]:
    """Columns of each file as filed: (English name, header), in the order of the file."""
    found: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for submission_id, name, header in con.execute(
        """
        SELECT p.submission_id, h.column_name, h.header
        FROM ledger.header AS h JOIN ledger.parcel AS p USING (submission_no)
        WHERE p.submission_id IN (SELECT unnest(?)) ORDER BY p.submission_id, h.position""",
        [submission_ids],
    ).fetchall():
        found[submission_id].append((name, header))
    return found


def _texts_of(
    con: duckdb.DuckDBPyConnection, form: Form, places: list[tuple[str, int]]
) -> dict[tuple[str, int], tuple[str | None, ...]]:
    """(submission, row) -> its cells in the contract's order, columns of persons masked.

    The filed text where quarantine keeps it. Every other row could be read in full (what cannot be read is held back),
    so its typed values say the same.
    """
    cells = ", ".join(
        f"CASE WHEN q.row_no IS NOT NULL THEN q.{column.name} ELSE {shown_sql(column, _as_filed(column))} END"
        for column in form.columns
    )
    rows = con.execute(
        f"""
        WITH wanted AS (
            SELECT p.submission_id, p.submission_no, w.row_no
            FROM (SELECT unnest(?::VARCHAR[]) AS submission_id, unnest(?::UINTEGER[]) AS row_no) AS w
            JOIN ledger.parcel AS p USING (submission_id))
        SELECT w.submission_id, w.row_no, {cells}
        FROM wanted AS w
        LEFT JOIN quarantine.{form.table} AS q USING (submission_no, row_no)
        LEFT JOIN store.{form.table} AS t USING (submission_no, row_no)
        WHERE q.row_no IS NOT NULL OR t.row_no IS NOT NULL""",
        [[submission_id for submission_id, _ in places], [row_no for _, row_no in places]],
    ).fetchall()
    return {(row[0], row[1]): row[2:] for row in rows}


def _as_filed(column: Column) -> str:
    """SQL of a typed value as its form writes it."""
    value = f"t.{column.name}"
    if column.kind == "boolean":
        return f"CASE WHEN {value} THEN 'Y' WHEN NOT {value} THEN 'N' END"
    if column.kind == "decimal":  # whole numbers without decimals: they may be no amounts at all
        return f"CASE WHEN {value} = trunc({value}) THEN {value}::DECIMAL(38, 0)::VARCHAR ELSE {value}::VARCHAR END"
    return f"{value}::VARCHAR"
