"""Differences: what a resubmission changes against the version it replaces, down to the cell.

Belongs here: the one comparison of two versions of a filing, and the tables `ledger.difference`,
`ledger.changed_cell`, `ledger.difference_total` it fills for the submissions of a settlement. GEN-P03 (restatement),
ENV-S06 (a resubmission that changes nothing), receipts and the revision report read its outcome; nobody compares again.
Does not belong here: which version is in force (`settlement`), what a change does to figures (`publication`).

Two versions are compared on the typed values of `store.<form>`, a correction as the full file it stands for;
`updated_at` and `record_action` tell how a row came, not what it says, and are left out. Equal rows are set off against
each other first, copy by copy. What is left over is paired by the form's key, the n-th row of a key with its n-th: a
pair is `changed`, the rest `added` or `removed`. So rows without a key and rows that repeat one are neither lost nor
counted twice; how many there were is told. Every changed cell is kept, none is capped: an added or removed row is one
line without a column, since the row itself stays readable in its version.
"""

from __future__ import annotations

import duckdb

from pipelines.contracts.model import Catalogue, Column, Form
from pipelines.validation.marks import CLEAR_TEXT_PERSON
from pipelines.warehouse.schema import undeleted

#: Columns that tell how a row came to be filed, not what it says.
SILENT_COLUMNS = frozenset({"updated_at", "record_action"})
#: The reporter is the same in both versions and no part of a record's name.
_REPORTER = "reporter_code"


def record_differences(con: duckdb.DuckDBPyConnection, catalogue: Catalogue) -> None:
    """Renew the differences of the submissions judged in this settlement (temp table `checked`).

    Each stored resubmission, correction, nil report or withdrawal is compared with the accepted version of the
    greatest lower sequence number of its form, period and reporter; a correction, unfolded, with its base. `in_effect`
    is false for a refused one: that is what it would have changed. Runs inside the settlement's transaction, after
    states and versions are known; what it costs follows the submissions judged.
    """
    for table in ("difference", "changed_cell", "difference_total"):
        con.execute(f"DELETE FROM ledger.{table} WHERE submission_no IN (SELECT submission_no FROM checked)")
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE compared AS
        SELECT n.submission_no, coalesce(b.base_no, o.submission_no) AS against_no, n.form,
            s.sys_from IS NOT NULL AS in_effect
        FROM checked
        JOIN ledger.parcel AS n USING (submission_no)
        JOIN ledger.standing AS s USING (submission_no)
        JOIN ledger.reading AS r ON r.submission_no = n.submission_no AND r.stored
        JOIN ledger.parcel AS o ON o.form = n.form AND o.period = n.period AND o.reporter_code = n.reporter_code
            AND o.sequence_no < n.sequence_no
        JOIN ledger.standing AS t ON t.submission_no = o.submission_no AND t.sys_from IS NOT NULL
        LEFT JOIN ledger.base AS b ON b.submission_no = n.submission_no AND b.file_rows IS NOT NULL
        WHERE n.kind <> 'CORRECTION' OR b.base_no IS NOT NULL
        QUALIFY row_number() OVER (
            PARTITION BY n.submission_no ORDER BY o.sequence_no DESC, o.submission_no DESC) = 1"""
    )
    for form in forms_compared(con, catalogue):
        align(con, form)
        _record_counts(con, form)
        _record_cells(con, form)
        _record_totals(con, form)


def find_unchanged(con: duckdb.DuckDBPyConnection, catalogue: Catalogue) -> None:
    """Fill the temp table `unchanged` (submission_no): pairs of the temp table `compared` that do not differ.

    `compared` (submission_no, against_no, form, in_effect) is the caller's question, so that ENV-S06 can ask it before
    any state is known.
    """
    con.execute("CREATE OR REPLACE TEMP TABLE unchanged (submission_no UINTEGER)")
    for form in forms_compared(con, catalogue):
        align(con, form)
        con.execute(
            """
            INSERT INTO unchanged
            SELECT submission_no FROM compared
            WHERE form = ? AND submission_no NOT IN (SELECT submission_no FROM leftover)
            ORDER BY submission_no""",
            [form.code],
        )


def forms_compared(con: duckdb.DuckDBPyConnection, catalogue: Catalogue) -> list[Form]:
    """Forms of the pairs in the temp table `compared`."""
    rows = con.execute("SELECT DISTINCT form FROM compared ORDER BY form").fetchall()
    return [catalogue.forms[code] for (code,) in rows if code in catalogue.forms]


def align(con: duckdb.DuckDBPyConnection, form: Form) -> None:
    """One pass over both versions of every pair of the form in the temp table `compared`; fills two temp tables.

    `tally` (submission_no, keys, n_old, n_new): each different row content and how often either version holds it.
    `leftover` (submission_no, is_keyed, row_no, old_row_no, new, old): rows that differ, paired; `new` and `old` are
    the rows' values, NULL where a side is absent.
    """
    columns = _compared_columns(form)
    values = ", ".join(column.name for column in columns)
    keyed = " AND ".join(f"{name} IS NOT NULL" for name in form.key)
    key = ", ".join(form.key)
    filed = ", ".join(f"r.{column.name}" for column in columns)
    content = "{" + ", ".join(f"'{column.name}': {column.name}" for column in columns) + "}"
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE tally AS
        SELECT submission_no, {values}, {keyed} AS is_keyed,
            coalesce(list(row_no ORDER BY row_no) FILTER (is_new), []) AS new_rows,
            coalesce(list(row_no ORDER BY row_no) FILTER (NOT is_new), []) AS old_rows
        FROM (
            SELECT c.submission_no, true AS is_new, r.row_no, {filed}
            FROM compared AS c JOIN store.{form.table} AS r ON r.submission_no = c.submission_no
            WHERE c.form = '{form.code}' AND {undeleted("r")}
            UNION ALL
            SELECT c.submission_no, false, r.row_no, {filed}
            FROM compared AS c JOIN store.{form.table} AS r ON r.submission_no = c.against_no
            WHERE c.form = '{form.code}' AND {undeleted("r")})
        GROUP BY submission_no, {values};
        CREATE OR REPLACE TEMP TABLE leftover AS
        WITH single AS (
            SELECT submission_no, {key}, is_keyed, true AS is_new, {content} AS content,
                unnest(new_rows[len(old_rows) + 1:]) AS row_no
            FROM tally WHERE len(new_rows) > len(old_rows)
            UNION ALL
            SELECT submission_no, {key}, is_keyed, false, {content}, unnest(old_rows[len(new_rows) + 1:])
            FROM tally WHERE len(old_rows) > len(new_rows)),
        numbered AS (
            SELECT *, row_number() OVER (PARTITION BY submission_no, is_new, {key} ORDER BY row_no) AS nth
            FROM single)
        SELECT submission_no, is_keyed, n.row_no, o.row_no AS old_row_no, n.content AS new, o.content AS old
        FROM (SELECT * FROM numbered WHERE is_new) AS n
        FULL JOIN (SELECT * FROM numbered WHERE NOT is_new) AS o USING (submission_no, is_keyed, nth, {key});
        """
    )


def _record_counts(con: duckdb.DuckDBPyConnection, form: Form) -> None:
    """One line per pair: every row of either version is added, removed, changed or unchanged."""
    con.execute(
        f"""
        INSERT INTO ledger.difference
        WITH apart AS (
            SELECT submission_no, count(*) FILTER (old_row_no IS NULL) AS added,
                count(*) FILTER (row_no IS NULL) AS removed,
                count(*) FILTER (row_no IS NOT NULL AND old_row_no IS NOT NULL) AS changed
            FROM leftover GROUP BY ALL),
        by_key AS (
            SELECT submission_no, is_keyed, sum(least(len(new_rows), len(old_rows))) AS same,
                sum(len(new_rows)) AS n_new, sum(len(old_rows)) AS n_old
            FROM tally GROUP BY submission_no, is_keyed, {", ".join(form.key)}),
        told AS (
            SELECT submission_no, sum(same) AS unchanged, sum(n_new + n_old) FILTER (NOT is_keyed) AS without_key,
                sum(CASE WHEN n_new > 1 THEN n_new ELSE 0 END + CASE WHEN n_old > 1 THEN n_old ELSE 0 END)
                    FILTER (is_keyed) AS repeating
            FROM by_key GROUP BY ALL)
        SELECT c.submission_no, c.against_no, coalesce(a.added, 0), coalesce(a.removed, 0), coalesce(a.changed, 0),
            coalesce(t.unchanged, 0), coalesce(t.without_key, 0), coalesce(t.repeating, 0), c.in_effect
        FROM compared AS c LEFT JOIN apart AS a USING (submission_no) LEFT JOIN told AS t USING (submission_no)
        WHERE c.form = ?
        ORDER BY c.submission_no""",
        [form.code],
    )


def _record_cells(con: duckdb.DuckDBPyConnection, form: Form) -> None:
    """A line per changed cell, and one without a column per added or removed row."""
    named = [form.column(name) for name in form.key if name != _REPORTER] or [form.column(_REPORTER)]
    record_key = ", ".join(_shown(column, f"coalesce(new, old).{column.name}") for column in named)
    cells = ", ".join(
        f"{{'column_name': '{column.name}', 'differs': new.{column.name} IS DISTINCT FROM old.{column.name}, "
        f"'old_value': {_shown(column, 'old.' + column.name)}, 'new_value': {_shown(column, 'new.' + column.name)}}}"
        for column in _compared_columns(form)
    )
    con.execute(
        f"""
        INSERT INTO ledger.changed_cell
        WITH named AS (
            SELECT *, CASE WHEN is_keyed THEN concat_ws('|', {record_key}) END AS record_key FROM leftover)
        SELECT submission_no, 'changed', record_key, row_no, old_row_no, cell.column_name, cell.old_value,
            cell.new_value
        FROM (
            SELECT submission_no, record_key, row_no, old_row_no, unnest([{cells}]) AS cell
            FROM named WHERE row_no IS NOT NULL AND old_row_no IS NOT NULL)
        WHERE cell.differs
        UNION ALL
        SELECT submission_no, CASE WHEN old_row_no IS NULL THEN 'added' ELSE 'removed' END, record_key, row_no,
            old_row_no, NULL, NULL, NULL
        FROM named WHERE row_no IS NULL OR old_row_no IS NULL
        ORDER BY ALL"""
    )


def _record_totals(con: duckdb.DuckDBPyConnection, form: Form) -> None:
    """The form's control totals over the typed cells of either version."""
    for name in form.control_totals:
        total = f"coalesce(sum({name} * {{}}), 0)::DECIMAL(38, 6)"
        con.execute(
            f"""
            INSERT INTO ledger.difference_total
            SELECT c.submission_no, '{name}', {total.format("len(t.old_rows)")}, {total.format("len(t.new_rows)")}
            FROM compared AS c LEFT JOIN tally AS t USING (submission_no)
            WHERE c.form = ? GROUP BY c.submission_no ORDER BY c.submission_no""",
            [form.code],
        )


def _compared_columns(form: Form) -> list[Column]:
    return [column for column in form.columns if column.name not in SILENT_COLUMNS]


def _shown(column: Column, value: str) -> str:
    """A typed value as text that may leave the archive: personal columns and clear identities are masked."""
    text = f"({value})::VARCHAR"
    if column.personal:
        return f"ledger.masked({text})"
    if column.kind == "text":
        return f"CASE WHEN regexp_matches({text}, '{CLEAR_TEXT_PERSON}') THEN ledger.masked({text}) ELSE {text} END"
    return text
