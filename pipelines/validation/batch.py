"""One batch of files of one form: read, judged as files, typed and marked in one pass, stored with findings.

Belongs here: the path from archived bytes to `store.<form>`, `quarantine.<form>` and findings of the stages
`read` and `rows`. A batch is one transaction and replaces whatever an earlier attempt left for its submissions.
Does not belong here: what is read and when (`read_ahead`), rules that look at other rows or forms (`references`),
states (`filing`).
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

import duckdb
import polars as pl
import pyarrow as pa

from pipelines.contracts.model import Catalogue, Form
from pipelines.intake.canonical import Cells, joined
from pipelines.intake.faults import Fault
from pipelines.intake.grid import Grid
from pipelines.intake.normalise import normalise
from pipelines.intake.persons import hide_damages, hide_persons
from pipelines.validation.marks import BATCH_CONSTANTS, CLEAR_TEXT_PERSON, MarkPlan, compile_marks
from pipelines.validation.read_ahead import Failed, Found, Reader, Unread
from pipelines.validation.screening import shown_sql
from pipelines.validation.structure import judge_file
from pipelines.validation.suite import rows_of_batch, validate_marks
from pipelines.warehouse.connection import transaction
from pipelines.warehouse.schema import MARK_WORDS, insert_rows, store_columns

#: Columns that repeat what the envelope says: the rule broken where they say something else, and their name.
_ON_ENVELOPE = {"period": ("ENV-S03", "报告期"), "reporter_code": ("ENV-S04", "报送机构")}
#: Rows of a piece, on average, below which pieces are joined before DuckDB looks at them: every statement over `staged`
#: costs it a fraction of a millisecond a piece.
_SMALL_PIECE_ROWS = 4096
#: Cells that would have to be looked at one by one, for the sake of other files, from which on a batch is stored in two
#: parts: each part costs a fifth of a second.
_MANY_CELLS = 500_000


def load_batches(
    con: duckdb.DuckDBPyConnection,
    catalogue: Catalogue,
    form: Form,
    parcels: Sequence[Unread],
    reader: Reader,
    *,
    following: Callable[[], tuple[Form, Sequence[Unread]] | None] = lambda: None,
    program_version: str = "",
    evidence: Callable[[int, str], None] | None = None,
    prove: bool = True,
) -> Iterator[tuple[int, int]]:
    """Read, check and store the files of a form in batches; gives files and rows read of each as it is committed.

    `following`: see `Reader.read`. `evidence` receives a batch's first submission number and the GX result as JSON
    text. A file on which our own reader fails is set aside (`ledger.failure`) and does not delay the others.

    Findings come from the marks alone. `prove` lets Great Expectations count the same marks again and hold the suite's
    evidence; without it (a filer's own check) nothing is found differently and seconds of start-up are saved.
    """
    for outcomes in reader.read(con, form, parcels, following):
        for part in _parts(outcomes):
            rows, result = _load(con, catalogue, form, part, program_version, prove=prove)
            if evidence and result is not None:
                evidence(part[0].parcel.submission_no, result)
            yield len(part), rows
        del part, outcomes
        # what Great Expectations raised and caught holds, in a cycle, the frames that called it and all they held
        gc.collect(1)
        pa.default_memory_pool().release_unused()  # the next batch, and models, need it elsewhere


def _parts(outcomes: Sequence[Found | Failed]) -> list[Sequence[Found | Failed]]:
    """A batch as a whole, or in two parts when a few of its files have columns that are canonical in the many others.

    A column is typed for all files of a part or looked at cell by cell in all of them (`canonical.joined`).
    """
    known = {
        place: frozenset.intersection(*(piece.canonical for piece in pieces))
        for place, found in enumerate(outcomes)
        if isinstance(found, Found)
        and (pieces := [piece for piece in found.grid.pieces or () if piece.table.num_rows])
    }
    if not known:
        return [outcomes]
    most = frozenset[str]().union(*known.values())
    lacking = {place for place, canonical in known.items() if canonical != most}
    rows = sum(
        found.grid.rows_read
        for place, found in enumerate(outcomes)
        if isinstance(found, Found) and place not in lacking
    )
    if rows * len(most - frozenset.intersection(*known.values())) < _MANY_CELLS:
        return [outcomes]
    return [
        [found for place, found in enumerate(outcomes) if place not in lacking],
        [found for place, found in enumerate(outcomes) if place in lacking],
    ]


def _load(
    con: duckdb.DuckDBPyConnection,
    catalogue: Catalogue,
    form: Form,
    outcomes: Sequence[Found | Failed],
    program_version: str,
    *,
    prove: bool,
) -> tuple[int, str | None]:
    """Judge and store a batch that was read; returns its rows and the GX result."""
    failed = [(found.parcel.submission_no, found.error) for found in outcomes if isinstance(found, Failed)]
    was_read = [found for found in outcomes if isinstance(found, Found)]
    parcels, grids = [found.parcel for found in was_read], [found.grid for found in was_read]
    faults: dict[int, list[Fault]] = {}
    for parcel, grid in zip(parcels, grids, strict=True):
        told = judge_file(
            grid,
            kind=parcel.kind,
            declared_rows=parcel.declared_rows,
            declared_sha256=parcel.declared_sha256,
            sha256=parcel.sha256,
        )
        if told:
            faults[parcel.submission_no] = told
    clean = {
        found.parcel.submission_no: found.grid.pieces or []
        for found in was_read
        if found.parcel.submission_no not in faults
    }
    with transaction(con):
        _note_failures(con, failed, [parcel.submission_no for parcel in parcels], program_version)
        _forget(con, form, [parcel.submission_no for parcel in parcels])
        staged, damages = _stage(con, form, clean)
        plan = compile_marks(catalogue, form, staged.canonical)
        _store(con, plan)
        for number, told in _disagreements(con, plan).items():
            faults.setdefault(number, []).extend(told)
        stored = [number for number in clean if number not in faults]
        _keep_only(con, form, stored)
        _note_readings(con, catalogue, parcels, grids, set(stored))
        _note_findings(con, plan, faults, damages, stored, staged.table)
        result = validate_marks(con, catalogue, plan) if prove else None
        for table in ("batch", "broken_rows"):
            con.execute(f"DROP TABLE IF EXISTS {table}")
        con.unregister("staged")  # after a statement that leaves nothing open, which DuckDB 2.0 insists on
    return sum(grid.rows_read for grid in grids), result


def _note_failures(
    con: duckdb.DuckDBPyConnection, failed: list[tuple[int, str]], read: list[int], program_version: str
) -> None:
    """Open a failure for what could not be read; what could be read after a failure has been retried."""
    now = datetime.now(tz=UTC).replace(tzinfo=None)
    close_failures(con, [*read, *(number for number, _ in failed)])
    insert_rows(
        con,
        "ledger.failure",
        [(number, "read", error, program_version, now, True) for number, error in failed],
    )


def close_failures(con: duckdb.DuckDBPyConnection, numbers: Sequence[int]) -> int:
    """Let files be read again that we failed on (event `retry`); returns how many there were."""
    con.execute(
        """
        INSERT INTO ledger.event
        SELECT nextval('ledger.event_no'), submission_no, 'retry', (SELECT as_of FROM reference.run), NULL, NULL,
            now()::TIMESTAMP
        FROM ledger.current_state WHERE state = 'quarantined' AND submission_no IN (SELECT unnest(?::UINTEGER[]))
        ORDER BY submission_no""",
        [list(numbers)],
    )
    row = con.execute(
        "UPDATE ledger.failure SET is_open = false WHERE is_open AND submission_no IN (SELECT unnest(?::UINTEGER[]))",
        [list(numbers)],
    ).fetchone()
    return int(row[0]) if row else 0


def _forget(con: duckdb.DuckDBPyConnection, form: Form, numbers: list[int]) -> None:
    for table in (f"store.{form.table}", f"quarantine.{form.table}", "ledger.reading", "ledger.header"):
        con.execute(f"DELETE FROM {table} WHERE submission_no IN (SELECT unnest(?))", [numbers])
    con.execute(
        "DELETE FROM ledger.finding WHERE stage IN ('read', 'rows') AND submission_no IN (SELECT unnest(?))",
        [numbers],
    )


def _stage(
    con: duckdb.DuckDBPyConnection, form: Form, clean: dict[int, list[Cells]]
) -> tuple[Cells, pl.DataFrame]:
    """Show DuckDB the cells of all clean files as `staged`, where they lie in memory; what is read of it is read once.

    `staged` has the contract's columns (in their type those that are canonical in all files, else as text put right),
    `text_facts` of persons, `row_no`, `submission_no`. Returns it, and the cells that were put right.
    The temp table `batch` tells of each file what its envelope says.
    """
    filled = [(number, piece) for number, pieces in clean.items() for piece in pieces if piece.table.num_rows]
    cells = joined(form, filled)
    as_text = [column.name for column in form.columns if column.name not in cells.canonical]
    frame = pl.DataFrame(pl.from_arrow(cells.table.select([*as_text, "row_no", "submission_no"])))
    frame, damages = normalise(form, frame)
    # from here on no person stands in clear: what DuckDB reads may be spilled to disk
    damages = hide_damages(form, damages)
    text = hide_persons(form, frame, CLEAR_TEXT_PERSON).to_arrow()
    table = cells.table.drop_columns([*as_text, "row_no", "submission_no"])
    for name in text.column_names:
        table = table.append_column(name, text.column(name))
    if table.num_rows < _SMALL_PIECE_ROWS * len(filled):
        table = table.combine_chunks()
    con.register("staged", table)
    con.execute("CREATE OR REPLACE TEMP TABLE batch (submission_no UINTEGER)")
    insert_rows(con, "batch", [(number,) for number in clean])
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE batch AS
        SELECT submission_no, p.period, p.reporter_code, p.period_start, p.period_end,
            coalesce(p.signed_at, TIMESTAMP '9999-12-31') AS signed_at,
            coalesce(p.signed_at, TIMESTAMP '9999-12-31')::DATE AS signed_on,
            p.prepared_by_key, p.reviewed_by_key, p.approved_by_key
        FROM batch JOIN ledger.parcel AS p USING (submission_no)"""
    )
    return Cells(table, cells.canonical), damages


def _disagreements(con: duckdb.DuckDBPyConnection, plan: MarkPlan) -> dict[int, list[Fault]]:
    """Files whose rows name another period or reporter than the envelope, or whose sums differ from its totals."""
    faults: dict[int, list[Fault]] = {}
    for column, (rule_code, label) in _ON_ENVELOPE.items():
        others = con.execute(
            f"""
            SELECT submission_no, count(*), min(s.{column}), any_value(b.{column}), min(row_no)
            FROM staged AS s JOIN batch AS b USING (submission_no)
            WHERE s.{column} <> b.{column} GROUP BY submission_no ORDER BY submission_no"""
        ).fetchall()
        for number, count, found, needed, first in others:
            faults.setdefault(number, []).append(
                Fault(
                    rule_code,
                    f"{count} 行的{label}与信封不符(首见于第 {first} 行)",
                    value=found,
                    expected=needed,
                )
            )
    _add_up(con, plan)
    unequal = con.execute(
        """
        SELECT submission_no, column_name, declared, coalesce(ours, '无此列或不可合计')
        FROM ledger.control_total JOIN batch USING (submission_no)
        WHERE declared IS NOT NULL AND (ours IS NULL OR declared::DECIMAL(38, 6) <> ours::DECIMAL(38, 6))
        ORDER BY submission_no, column_name"""
    ).fetchall()
    for number, name, declared, ours in unequal:
        faults.setdefault(number, []).append(
            Fault("ENV-S02", f"{name} 合计 {declared}", value=f"{name} total {declared}", expected=ours)
        )
    return faults


def _add_up(con: duckdb.DuckDBPyConnection, plan: MarkPlan) -> None:
    """Answer every control total of the form, and every other declared one, with our own sum.

    Only readable numbers add up; a name that is no number column of the form has no sum (`ours` NULL). A number can be
    readable and yet not fit its column (too many decimals): files whose filled cells were all typed are summed as
    typed, of the others the text is cast once more.
    """
    form = plan.form
    declared = con.execute(
        "SELECT DISTINCT column_name FROM ledger.control_total JOIN batch USING (submission_no)"
    ).fetchall()
    summable = {c.name for c in form.columns if c.kind in ("integer", "decimal")}
    names = sorted(summable & ({*form.control_totals} | {name for (name,) in declared}))
    if not names:
        return
    counts = ", ".join(f"count({name})::UINTEGER AS {name}" for name in names)
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE odd AS
        SELECT submission_no FROM (
            SELECT submission_no, {counts} FROM staged GROUP BY submission_no
            EXCEPT SELECT submission_no, {counts} FROM {rows_of_batch(form)} GROUP BY submission_no)
        WHERE {str(not plan.canonical.issuperset(names)).lower()}"""
    )
    typed = ", ".join(f"sum({name})::DECIMAL(38, 6) AS {name}" for name in names)
    as_text = ", ".join(f"sum(try_cast({name} AS DECIMAL(38, 6))) AS {name}" for name in names)
    sums = ", ".join(f"coalesce({name}, 0) AS {name}" for name in names)
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE added AS
        UNPIVOT (
            SELECT submission_no, {sums} FROM batch LEFT JOIN (
                SELECT submission_no, {typed} FROM {rows_of_batch(form)}
                WHERE submission_no NOT IN (FROM odd) GROUP BY submission_no
                UNION ALL
                SELECT submission_no, {as_text} FROM staged
                WHERE submission_no IN (FROM odd) GROUP BY submission_no) USING (submission_no))
        ON {", ".join(names)} INTO NAME column_name VALUE total;
        UPDATE ledger.control_total AS t SET ours = ledger.trim_zeros(a.total)
        FROM added AS a WHERE a.submission_no = t.submission_no AND a.column_name = t.column_name;
        INSERT INTO ledger.control_total
        SELECT submission_no, column_name, NULL, ledger.trim_zeros(total) FROM added AS a
        WHERE column_name IN ({", ".join(f"'{name}'" for name in form.control_totals) or "''"}) AND NOT EXISTS (
            SELECT 1 FROM ledger.control_total AS t
            WHERE t.submission_no = a.submission_no AND t.column_name = a.column_name)
        ORDER BY submission_no, column_name;
        DROP TABLE added;
        DROP TABLE odd;
        """
    )


def _store(con: duckdb.DuckDBPyConnection, plan: MarkPlan) -> None:
    names = ", ".join(name for name, _ in store_columns(plan.form))
    con.execute(f"INSERT INTO store.{plan.form.table} ({names}) {plan.select('staged', 'batch')}")


def _keep_only(con: duckdb.DuckDBPyConnection, form: Form, stored: list[int]) -> None:
    """Take files that disagree with their envelope out again: few, and known only when their rows are typed."""
    refused = con.execute(
        "DELETE FROM batch WHERE NOT list_contains(?, submission_no) RETURNING submission_no", [stored]
    ).fetchall()
    if refused:
        con.execute(
            f"DELETE FROM store.{form.table} WHERE submission_no IN (SELECT unnest(?::UINTEGER[]))",
            [[number for (number,) in refused]],
        )


def _note_readings(
    con: duckdb.DuckDBPyConnection,
    catalogue: Catalogue,
    parcels: Sequence[Unread],
    grids: Sequence[Grid],
    stored: set[int],
) -> None:
    readings: list[tuple[object, ...]] = []
    headers: list[tuple[object, ...]] = []
    for parcel, grid in zip(parcels, grids, strict=True):
        number = parcel.submission_no
        readings.append(
            (
                number,
                grid.rows_read,
                grid.blank_rows,
                grid.encoding,
                grid.sheet,
                grid.header_row,
                number in stored,
                catalogue.ruleset_version,
            )
        )
        headers.extend((number, h.column_name, h.header, h.position) for h in grid.headers)
    insert_rows(con, "ledger.reading", readings)
    if headers:
        columns = list(zip(*headers, strict=True))
        header_frame = pa.table(
            {
                "submission_no": pa.array(columns[0], pa.uint32()),
                "column_name": columns[1],
                "header": columns[2],
                "position": pa.array(columns[3], pa.uint32()),
            }
        )
        con.register("header_frame", header_frame)
        con.execute("INSERT INTO ledger.header SELECT * FROM header_frame")
        con.unregister("header_frame")


def _note_findings(
    con: duckdb.DuckDBPyConnection,
    plan: MarkPlan,
    faults: dict[int, list[Fault]],
    damages: pl.DataFrame,
    stored: list[int],
    staged: pa.Table,
) -> None:
    insert_rows(
        con,
        "ledger.finding",
        [
            (number, f.rule_code, "read", f.row_no, f.column_name, f.value, f.expected, f.detail)
            for number, found in faults.items()
            for f in found
        ],
    )
    if damages.height:
        damage_frame = damages.filter(pl.col("submission_no").is_in(stored)).to_arrow()
        con.register("damage_frame", damage_frame)
        hidden = ", ".join(f"'{column.name}'" for column in plan.form.columns if column.personal) or "''"
        clear = " OR ".join(
            f"regexp_matches({text}, '{CLEAR_TEXT_PERSON}')" for text in ("filed", "normalised")
        )
        hide = f"column_name IN ({hidden}) OR {clear}"
        con.execute(
            f"""
            INSERT INTO ledger.finding
            SELECT submission_no, 'GEN-I05', 'rows', row_no, column_name,
                CASE WHEN {hide} THEN ledger.masked(filed) ELSE filed END,
                CASE WHEN {hide} THEN ledger.masked(normalised) ELSE normalised END, NULL
            FROM damage_frame"""
        )
        con.unregister("damage_frame")
    _explode(con, plan, staged)


def _explode(con: duckdb.DuckDBPyConnection, plan: MarkPlan, staged: pa.Table) -> None:
    """From marks to findings: only broken rows are looked at again, and only checks that fired are spelled out."""
    form = plan.form
    any_mark = " OR ".join(f"broken_{word} <> 0" for word in range(MARK_WORDS))
    broken = con.sql(
        f"SELECT submission_no, row_no FROM {rows_of_batch(form)} WHERE {any_mark}"
    ).to_arrow_table()
    if not broken.num_rows:
        return
    con.register("broken_cells", staged.filter(_addresses(staged).is_in(_addresses(broken)).to_arrow()))
    marks = ", ".join(f"t.broken_{word}" for word in range(MARK_WORDS))
    typed = ", ".join(f"t.{column.name}" for column in form.columns)
    constants = ", ".join(f"b.{name}" for name in BATCH_CONSTANTS)
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE broken_rows AS
        SELECT t.submission_no, t.row_no, {marks}, {typed}, {plan.filed_columns("s")}, {constants}
        FROM {rows_of_batch(form)} AS t
        JOIN batch AS b USING (submission_no)
        JOIN broken_cells AS s ON s.submission_no = t.submission_no AND s.row_no = t.row_no
        WHERE {any_mark}"""
    )
    con.unregister("broken_cells")
    counts = con.execute(
        "SELECT "
        + (", ".join(f"count(*) FILTER ({c.fired})" for c in plan.checks) or "1")
        + " FROM broken_rows"
    ).fetchone()
    fired = [check for check, count in zip(plan.checks, counts or (), strict=False) if count]
    for check in fired:
        shown = shown_sql(form.column(check.column), f"{check.column}__filed") if check.column else "NULL"
        con.execute(
            f"""
            INSERT INTO ledger.finding
            SELECT submission_no, '{check.rule_code}', 'rows', row_no,
                {f"'{check.column}'" if check.column else "NULL"},
                {shown}, ({check.expected})::VARCHAR, NULL
            FROM broken_rows WHERE {check.fired}"""
        )
    if form.quarantine_rows:
        shown_text = ", ".join(shown_sql(column, f"{column.name}__filed") for column in form.columns)
        con.execute(
            f"INSERT INTO quarantine.{form.table} SELECT submission_no, row_no, {shown_text} FROM broken_rows "
            f"WHERE {plan.severity_fired('E')}"
        )


def _addresses(rows: pa.Table) -> pl.Series:
    """One number for each row's submission and row number."""
    frame = pl.DataFrame(pl.from_arrow(rows.select(["submission_no", "row_no"])))
    return frame["submission_no"].cast(pl.UInt64) * (1 << 32) + frame["row_no"]
