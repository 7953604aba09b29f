"""Revisions: which published cells a release changes against the one before it, and what caused each change.

Belongs here: the comparison of `kpi.kpi_values` of two releases cell by cell, and the attribution of every changed
cell. Does not belong here: how the outcome is written down (`revision_report`), what changed inside a filing
(`filing.differences`, asked here, never repeated).

A cell is `appeared`, `disappeared`, `changed` (numerator, denominator or value) or `status_changed` (the status
alone). An absent side is NULL, never 0. Its causes:

    submission      a filing that entered force, left it, was refused or judged differently, and that feeds the cell.
                    `relation` tells how: `record`, a record it changes is dated inside the cell's window or base
                    window (by the date column of the KPI's measures); `period`, its own period lies there; `registry`,
                    the institution master moved an institution of the cell; `linked`, the KPI reads its form, and
                    nothing nearer is known
    period_due      reports of a form and period fell due (or are owed no more): they are counted or missed from now on,
                    and windows that end with that period come into being
    moment          the as-of moment moved: cases left out as not yet due have matured, or a merger has come into effect
    published_base  what is compared with an earlier release (growth on the base as published, the RESTATED flag, the
                    size of restatements): the release before printed another base
    definition      models, contracts, inputs or the program are not those of the release before

A changed cell without any cause cannot be: `RevisionReportError` stops the publication.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from pipelines.contracts.model import Catalogue, Form
from pipelines.contracts.periods import Period
from pipelines.filing.differences import align, forms_compared
from pipelines.warehouse.schema import insert_rows

#: Names under which the two databases are attached while a release is written.
NEW = "release_out"
OLD = "previous_release"
#: What a release states about its own making; another value of one of these is a change of definition.
DEFINITIONS = ("definition", "ruleset_version", "code_version", "program")
REGISTRY_FORM = "R03"

_KEY = "kpi_id, period_type, period, grain, group_key, dimension, dimension_value, basis"
_GROUP = (
    "CASE grain WHEN 'insurer' THEN org_code WHEN 'insurer_type' THEN insurer_type "
    "WHEN 'peer_group' THEN peer_group ELSE 'bureau' END"
)
#: Windows in which anything that is compared differs, told by a sum: most windows of a long history do not.
_CONTENT = f"""
    SELECT period_type, period, sum(hash({_GROUP}, kpi_id, grain, dimension, dimension_value, basis, numerator,
        denominator, value, status)) AS content
    FROM {{}}.kpi.kpi_values GROUP BY ALL"""
_DIFFERING = f"""differing AS (
    SELECT period_type, period
    FROM ({_CONTENT.format(NEW)}) AS n FULL JOIN ({_CONTENT.format(OLD)}) AS o USING (period_type, period)
    WHERE n.content IS DISTINCT FROM o.content)"""
_IN_FORCE = "sys_from IS NOT NULL AND sys_to IS NULL AND kind <> 'WITHDRAW'"

_TABLES = """
CREATE OR REPLACE TEMP TABLE revision (
    revision_no INTEGER, kpi_id VARCHAR, period_type VARCHAR, period VARCHAR, base_period VARCHAR, grain VARCHAR,
    group_key VARCHAR, org_code VARCHAR, peer_group VARCHAR, insurer_type VARCHAR, dimension VARCHAR,
    dimension_value VARCHAR, basis VARCHAR, change VARCHAR, unit VARCHAR, old_numerator DECIMAL(38, 6),
    new_numerator DECIMAL(38, 6), old_denominator DECIMAL(38, 6), new_denominator DECIMAL(38, 6),
    old_value DECIMAL(18, 2), new_value DECIMAL(18, 2), old_status VARCHAR, new_status VARCHAR);
CREATE OR REPLACE TEMP TABLE moved_submission (
    submission_id VARCHAR, form VARCHAR, period VARCHAR, reporter_code VARCHAR, kind VARCHAR, sequence_no INTEGER,
    supersedes VARCHAR, reason_code VARCHAR, old_state VARCHAR, new_state VARCHAR, change VARCHAR, feeds BOOLEAN);
CREATE OR REPLACE TEMP TABLE revision_cause (
    revision_no INTEGER, cause VARCHAR, relation VARCHAR, submission_id VARCHAR, form VARCHAR, period VARCHAR,
    reporter_code VARCHAR, detail VARCHAR);
"""


class RevisionReportError(RuntimeError):
    """A published cell changed and nothing explains it: our fault; nothing is published."""


def find_revisions(con: duckdb.DuckDBPyConnection, catalogue: Catalogue, *, compared: bool) -> None:
    """Fill the temp tables `revision`, `moved_submission`, `revision_cause`; empty unless `compared`.

    Needs the release being written attached as `release_out`, complete but for its revisions, and the release before
    it as `previous_release`.

    Raises:
        RevisionReportError: a cell changed without a cause.
    """
    con.execute(_TABLES)
    if not compared:
        return
    _list_cells(con)
    _list_windows(con)
    _list_submissions(con)
    _list_chains(con)
    _list_feeds(con)
    _list_months(con, catalogue)
    _list_members(con)
    _blame_submissions(con)
    _blame_registry(con)
    _blame_due_periods(con)
    _blame_moment(con)
    _blame_published_base(con)
    _blame_definition(con)
    _blame_links(con)
    _require_causes(con)


def statement(con: duckdb.DuckDBPyConnection, database: str) -> dict[str, object]:
    """What an attached release says it was made of: release_id, as_of, and the parts of its definition.

    A release of an older program may lack a part; that is None, which differs from every known one.
    """
    has = {row[0] for row in con.execute(f"DESCRIBE {database}.release.release").fetchall()}
    names = ("release_id", "as_of", *DEFINITIONS)
    columns = ", ".join(name if name in has else f"NULL AS {name}" for name in names)
    row = con.execute(f"SELECT {columns} FROM {database}.release.release").fetchone()
    return dict(zip(names, row or (None,) * len(names), strict=True))


def definition_changes(con: duckdb.DuckDBPyConnection) -> dict[str, tuple[object, object]]:
    """Parts of the definition that differ: name -> (before, now)."""
    old, new = statement(con, OLD), statement(con, NEW)
    return {
        name: (old[name], new[name]) for name in DEFINITIONS if old[name] is None or old[name] != new[name]
    }


def write_tables(con: duckdb.DuckDBPyConnection, folder: Path) -> dict[str, Path]:
    """Write the found revisions into the release (schema `release`) and as Parquet; name -> Parquet file."""
    sides = ", ".join(f"{side}_{part}" for part in ("numerator", "denominator", "value", "status")
                      for side in ("old", "new"))  # fmt: skip
    cell = "kpi_id, period_type, period, grain, org_code, peer_group, insurer_type, dimension, dimension_value, basis"
    queries = {
        "revisions": f"SELECT revision_no, {cell}, change, unit, {sides} FROM revision ORDER BY revision_no",
        "revision_causes": """
            SELECT c.revision_no, c.cause, c.relation, c.submission_id, c.form, c.period, c.reporter_code, s.kind,
                s.reason_code, s.old_state, s.new_state, c.detail
            FROM revision_cause AS c LEFT JOIN moved_submission AS s USING (submission_id) ORDER BY ALL""",
        "revision_submissions": """
            SELECT s.submission_id, s.form, s.period, s.reporter_code, s.kind, s.sequence_no, s.supersedes,
                s.reason_code, s.change, s.old_state, s.new_state, count(DISTINCT c.revision_no)::INTEGER AS cells
            FROM moved_submission AS s LEFT JOIN revision_cause AS c USING (submission_id)
            GROUP BY ALL ORDER BY s.submission_id""",
        "kpi_effects": f"""
            SELECT c.submission_id, {cell}, change, unit, {sides}
            FROM (SELECT DISTINCT submission_id, revision_no FROM revision_cause WHERE submission_id IS NOT NULL) AS c
            JOIN revision USING (revision_no)
            ORDER BY c.submission_id, revision_no""",
    }
    files = {}
    for name, query in queries.items():
        con.execute(f"CREATE TABLE {NEW}.release.{name} AS {query}")
        files[name] = folder / "parquet" / f"{name}.parquet"
        copy_ordered(con, f"{NEW}.release.{name}", files[name])
    return files


def copy_ordered(
    con: duckdb.DuckDBPyConnection, rows: str, file: Path, form: str = "FORMAT parquet, COMPRESSION zstd"
) -> None:
    """Write a table that was filled in order, or an ordered query in brackets, to a file in that order.

    By one thread: same rows, same bytes.
    """
    con.execute("SET threads = 1")
    try:
        con.execute(f"COPY {rows} TO '{str(file).replace(chr(39), chr(39) * 2)}' ({form})")
    finally:
        con.execute("RESET threads")


def _list_cells(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(
        f"""
        INSERT INTO revision
        WITH {_DIFFERING},
        old AS (
            SELECT *, {_GROUP} AS group_key, true AS is_there FROM {OLD}.kpi.kpi_values
            WHERE (period_type, period) IN (FROM differing)),
        new AS (
            SELECT *, {_GROUP} AS group_key, true AS is_there FROM {NEW}.kpi.kpi_values
            WHERE (period_type, period) IN (FROM differing))
        SELECT row_number() OVER (ORDER BY {_KEY}), kpi_id, period_type, period,
            coalesce(n.base_period, o.base_period), grain, group_key, coalesce(n.org_code, o.org_code),
            coalesce(n.peer_group, o.peer_group), coalesce(n.insurer_type, o.insurer_type), dimension, dimension_value,
            basis,
            CASE WHEN o.is_there IS NULL THEN 'appeared' WHEN n.is_there IS NULL THEN 'disappeared'
                WHEN (o.numerator, o.denominator, o.value) IS DISTINCT FROM (n.numerator, n.denominator, n.value)
                    THEN 'changed'
                ELSE 'status_changed' END AS change,
            coalesce(n.unit, o.unit), o.numerator, n.numerator, o.denominator, n.denominator, o.value, n.value,
            o.status, n.status
        FROM new AS n FULL JOIN old AS o USING ({_KEY})
        WHERE (o.is_there, o.numerator, o.denominator, o.value, o.status)
            IS DISTINCT FROM (n.is_there, n.numerator, n.denominator, n.value, n.status)"""
    )


def _list_windows(con: duckdb.DuckDBPyConnection) -> None:
    """`scope`: the KPIs and windows that hold a revision, `cell_scope`: which of them a cell is in, `scope_month`: the
    months that window and base window cover.

    Only growth has a base window; on the base as published it reads an earlier release instead.
    """
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE cell_scope AS
        SELECT *, dense_rank() OVER (ORDER BY kpi_id, period_type, period, base_period) AS scope_no
        FROM (
            SELECT revision_no, kpi_id, period_type, period,
                CASE WHEN k.kind = 'growth' AND basis <> 'published' THEN base_period END AS base_period
            FROM revision LEFT JOIN kpi.kpi_catalogue AS k USING (kpi_id));
        CREATE OR REPLACE TEMP TABLE scope AS
        SELECT DISTINCT scope_no, kpi_id, period_type, period, base_period FROM cell_scope;
        CREATE OR REPLACE TEMP TABLE window_month (period_type VARCHAR, period VARCHAR, month DATE);
        """
    )
    windows = con.execute(
        "SELECT period_type, period FROM scope UNION "
        "SELECT period_type, base_period FROM scope WHERE base_period IS NOT NULL ORDER BY ALL"
    ).fetchall()
    insert_rows(
        con,
        "window_month",
        [(kind, label, month.start) for kind, label in windows for month in _months(kind, label)],
    )
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE scope_month AS
        SELECT DISTINCT s.scope_no, w.month
        FROM scope AS s JOIN window_month AS w ON w.period_type = s.period_type
            AND (w.period = s.period OR w.period = s.base_period)"""
    )


def _months(period_type: str, label: str) -> tuple[Period, ...]:
    """Months of a window; a year to date is named by its last month."""
    period = Period.parse(label)
    if period_type != "ytd":
        return period.months()
    return tuple(m for m in Period.containing("year", period.end).months() if m.end <= period.end)


def _list_submissions(con: duckdb.DuckDBPyConnection) -> None:
    """`moved_submission`: filings whose standing differs between the releases; `feeds` if in force in either."""
    told = (
        "submission_id, form, period, reporter_code, kind, sequence_no, supersedes, reason_code, state, rows_accepted, "
        "rows_quarantined, first_pass, sys_from, sys_to"
    )
    blamed = "SELECT submission_id, rule_code, row_no FROM {}.filing.findings WHERE severity = 'E'"
    con.execute(
        f"""
        INSERT INTO moved_submission
        WITH old AS (
            SELECT {told}, {_IN_FORCE} AS in_force FROM {OLD}.filing.submissions WHERE state <> 'received'),
        new AS (
            SELECT {told}, {_IN_FORCE} AS in_force FROM {NEW}.filing.submissions WHERE state <> 'received'),
        judged_anew AS (
            SELECT submission_id FROM (({blamed.format(OLD)}) EXCEPT ({blamed.format(NEW)}))
            UNION
            SELECT submission_id FROM (({blamed.format(NEW)}) EXCEPT ({blamed.format(OLD)})))
        SELECT submission_id, coalesce(n.form, o.form), coalesce(n.period, o.period),
            coalesce(n.reporter_code, o.reporter_code), coalesce(n.kind, o.kind),
            coalesce(n.sequence_no, o.sequence_no), coalesce(n.supersedes, o.supersedes),
            coalesce(n.reason_code, o.reason_code), o.state, n.state,
            CASE WHEN n.in_force AND o.in_force THEN 'rejudged' WHEN n.in_force THEN 'entered'
                WHEN n.state IN ('superseded', 'withdrawn') AND o.in_force THEN n.state
                WHEN o.in_force THEN 'fell'
                WHEN n.state IN ('superseded', 'withdrawn') THEN 'passed' WHEN n.state = 'quarantined' THEN n.state
                WHEN n.kind = 'WITHDRAW' AND n.sys_from IS NOT NULL THEN 'withdraws'
                ELSE 'refused' END,
            coalesce(o.in_force, false) OR coalesce(n.in_force, false)
                OR coalesce(n.kind = 'WITHDRAW' AND n.sys_from IS NOT NULL, false)
        FROM new AS n FULL JOIN old AS o USING (submission_id)
        WHERE (o.state, o.rows_accepted, o.rows_quarantined, o.first_pass, o.sys_from, o.sys_to)
            IS DISTINCT FROM (n.state, n.rows_accepted, n.rows_quarantined, n.first_pass, n.sys_from, n.sys_to)
            OR submission_id IN (SELECT submission_id FROM judged_anew)"""
    )


def _list_chains(con: duckdb.DuckDBPyConnection) -> None:
    """`moved_chain`: obligations with a moved submission, and the version in force before and now.

    `is_filed_anew` tells that the report came to be in force or ceased to be; `chain_month` gives the months of its
    period.
    """
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE moved_chain AS
        WITH version AS (
            SELECT form, period, reporter_code, submission_id, true AS is_old FROM {OLD}.filing.submissions
            WHERE {_IN_FORCE}
            UNION ALL
            SELECT form, period, reporter_code, submission_id, false FROM {NEW}.filing.submissions WHERE {_IN_FORCE})
        SELECT m.chain_no, m.form, m.period, m.reporter_code, coalesce(f.side, 'insurer') <> 'insurer' AS is_about_all,
            m.feeds, max(p.submission_no) FILTER (v.is_old) AS old_no,
            max(p.submission_no) FILTER (NOT v.is_old) AS new_no,
            count(*) FILTER (v.is_old) <> count(*) FILTER (NOT v.is_old) AS is_filed_anew
        FROM (
            SELECT form, period, reporter_code, bool_or(feeds) AS feeds,
                row_number() OVER (ORDER BY form, period, reporter_code) AS chain_no
            FROM moved_submission WHERE form IS NOT NULL GROUP BY form, period, reporter_code) AS m
        LEFT JOIN version AS v USING (form, period, reporter_code)
        LEFT JOIN ledger.parcel AS p USING (submission_id)
        LEFT JOIN reference.forms AS f ON f.form = m.form
        GROUP BY ALL;
        CREATE OR REPLACE TEMP TABLE chain_month AS
        SELECT DISTINCT c.chain_no,
            unnest(range(date_trunc('month', p.period_start), p.period_end + 1, INTERVAL 1 MONTH))::DATE AS month
        FROM moved_chain AS c
        JOIN ledger.parcel AS p ON p.form = c.form AND p.period = c.period AND p.reporter_code = c.reporter_code
        WHERE p.period_start IS NOT NULL;
        """
    )


def _list_feeds(con: duckdb.DuckDBPyConnection) -> None:
    """What each KPI reads, from its catalogue row, its variants and the KPIs it is computed of.

    `kpi_form` (kpi_id, form, is_owed, reads_all): forms whose filings it needs. `kpi_record` (kpi_id, form,
    date_column): records it counts, by the date that places them; NULL where the month cannot be told.
    """
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE kpi_part AS
        WITH RECURSIVE reads AS (
            SELECT kpi_id, kpi_id AS part FROM kpi.kpi_catalogue
            UNION
            SELECT r.kpi_id, unnest(string_split(k.of_kpi, '|'))
            FROM reads AS r JOIN kpi.kpi_catalogue AS k ON k.kpi_id = r.part WHERE k.of_kpi IS NOT NULL)
        SELECT kpi_id, part FROM reads;
        CREATE OR REPLACE TEMP TABLE kpi_form AS
        SELECT r.kpi_id, f.form, bool_or(k.coverage_rule = 'owed') AS is_owed, bool_or(k.kind = 'index') AS reads_all
        FROM kpi_part AS r
        JOIN kpi.kpi_catalogue AS k ON k.kpi_id = r.part
        JOIN (SELECT kpi_id, unnest(string_split(forms, '|')) AS form FROM kpi.kpi_catalogue
            UNION SELECT kpi_id, unnest(string_split(forms, '|')) FROM kpi.kpi_variants) AS f
            ON f.kpi_id = r.part
        GROUP BY ALL;
        CREATE OR REPLACE TEMP TABLE kpi_record AS
        WITH counted AS (
            SELECT kpi_id, unnest([numerator_measure, denominator_measure, left_out_measure]) AS measure_id
            FROM kpi.kpi_catalogue
            UNION
            SELECT kpi_id, unnest([numerator_measure, denominator_measure]) FROM kpi.kpi_variants),
        placed AS (
            SELECT measure_id, form, date_column FROM measures.measure_catalogue
            UNION
            SELECT measure_id, form, date_column FROM measures.measure_links)
        SELECT DISTINCT r.kpi_id, p.form, p.date_column
        FROM kpi_part AS r JOIN counted AS c ON c.kpi_id = r.part JOIN placed AS p USING (measure_id)
        WHERE p.form IS NOT NULL;
        """
    )


def _list_months(con: duckdb.DuckDBPyConnection, catalogue: Catalogue) -> None:
    """`moved_month` (chain_no, date_column, month): where the records that a chain's change touches are dated."""
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE moved_month (chain_no BIGINT, date_column VARCHAR, month DATE);
        CREATE OR REPLACE TEMP TABLE compared AS
        SELECT new_no AS submission_no, old_no AS against_no, form, true AS in_effect
        FROM moved_chain WHERE feeds AND new_no <> old_no;
        """
    )
    compared = {form.code for form in forms_compared(con, catalogue)}
    moved = con.execute("SELECT DISTINCT form FROM moved_chain WHERE feeds ORDER BY form").fetchall()
    for (code,) in moved:
        form = catalogue.forms.get(code)
        dated = con.execute(
            "SELECT DISTINCT date_column FROM kpi_record WHERE form = ? AND date_column <> 'period' ORDER BY 1",
            [code],
        ).fetchall()
        if form is None or not dated:
            continue
        align(con, form)
        _touch(con, form, [name for (name,) in dated], is_compared=code in compared)


def _touch(con: duckdb.DuckDBPyConnection, form: Form, dates: list[str], *, is_compared: bool) -> None:
    """Months of the rows that differ, come, go or are held back, and of every accepted state of the same records.

    A record stands in figures with its latest state, so taking one state away uncovers the one before it.
    """
    key = ", ".join(f"r.{name}" for name in form.key)
    same = " AND ".join(f"r.{name} = t.{name}" for name in form.key)
    dated = ", ".join(f"r.{name}" for name in dates)
    placed = ", ".join(
        f"{{'date_column': '{name}', 'month': date_trunc('month', {name})::DATE}}" for name in dates
    )
    apart = (
        f"""
        UNION
        SELECT c.chain_no, {key}, {dated}
        FROM (SELECT submission_no, unnest([new, old]) AS r FROM leftover) AS l
        JOIN moved_chain AS c ON c.new_no = l.submission_no
        WHERE l.r IS NOT NULL"""
        if is_compared
        else ""
    )
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE touched AS
        SELECT c.chain_no, {key}, {dated}
        FROM moved_chain AS c JOIN store.{form.table} AS r ON r.submission_no = coalesce(c.new_no, c.old_no)
        WHERE c.form = '{form.code}' AND c.feeds AND (c.old_no IS NULL OR c.new_no IS NULL OR c.old_no = c.new_no)
        UNION
        SELECT c.chain_no, {key}, {dated}
        FROM moved_chain AS c
        JOIN ledger.quarantined_row AS q ON q.form = c.form AND q.submission_no IN (c.old_no, c.new_no)
        JOIN store.{form.table} AS r ON r.submission_no = q.submission_no AND r.row_no = q.row_no
        WHERE c.form = '{form.code}' AND c.feeds{apart};
        INSERT INTO moved_month
        SELECT DISTINCT chain_no, place.date_column, place.month FROM (
            SELECT chain_no, unnest([{placed}]) AS place FROM (
                SELECT t.chain_no, {dated.replace("r.", "t.")} FROM touched AS t
                UNION
                SELECT t.chain_no, {dated}
                FROM touched AS t
                JOIN moved_chain AS c USING (chain_no)
                JOIN store.{form.table} AS r ON {same}
                JOIN ledger.parcel AS p ON p.submission_no = r.submission_no AND p.reporter_code = c.reporter_code
                JOIN ledger.standing AS s ON s.submission_no = r.submission_no AND s.sys_from IS NOT NULL))
        WHERE place.month IS NOT NULL;
        """
    )


def _list_members(con: duckdb.DuckDBPyConnection) -> None:
    """`member` (grain, group_key, reporter_code, comparable_only): whose filings a group's cells are made of.

    By the institution master of either release: a reporter is a member of every group it has ever been in, because a
    window counts it in the group of its time. On the comparable basis a closed institution counts with its heir.
    """
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE member AS
        WITH RECURSIVE reporter AS (
            SELECT org_code, insurer_type, peer_group, successor_code FROM {OLD}.registry.reporters
            UNION
            SELECT org_code, insurer_type, peer_group, successor_code FROM {NEW}.registry.licences
            {_licences_before(con)}),
        heir AS (
            SELECT org_code AS reporter_code, org_code AS heir_code FROM reporter
            UNION
            SELECT h.reporter_code, r.successor_code
            FROM heir AS h JOIN reporter AS r ON r.org_code = h.heir_code WHERE r.successor_code IS NOT NULL),
        placed AS (
            SELECT h.reporter_code, r.org_code, r.insurer_type, r.peer_group,
                h.reporter_code <> h.heir_code AS comparable_only
            FROM heir AS h JOIN reporter AS r ON r.org_code = h.heir_code)
        SELECT DISTINCT unnest(['insurer', 'insurer_type', 'peer_group', 'bureau']) AS grain,
            unnest([org_code, insurer_type, peer_group, 'bureau']) AS group_key, reporter_code, comparable_only
        FROM placed"""
    )


def _licences_before(con: duckdb.DuckDBPyConnection) -> str:
    """A further part of a union: the licences of the release before, where its program already kept them."""
    kept = con.execute(
        "SELECT 1 FROM duckdb_tables() WHERE (database_name, schema_name, table_name) = (?, 'registry', 'licences')",
        [OLD],
    ).fetchone()
    return (
        f"UNION SELECT org_code, insurer_type, peer_group, successor_code FROM {OLD}.registry.licences"
        if kept
        else ""
    )


def _blame_submissions(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE feeding AS
        SELECT DISTINCT s.scope_no, c.chain_no, 'record' AS relation
        FROM scope AS s
        JOIN kpi_record AS k ON k.kpi_id = s.kpi_id
        JOIN moved_chain AS c ON c.form = k.form AND c.feeds
        JOIN moved_month AS m ON m.chain_no = c.chain_no AND m.date_column = k.date_column
        JOIN scope_month AS w ON w.scope_no = s.scope_no AND w.month = m.month
        UNION ALL
        SELECT DISTINCT s.scope_no, c.chain_no, 'linked'
        FROM scope AS s
        JOIN kpi_record AS k ON k.kpi_id = s.kpi_id AND k.date_column IS NULL
        JOIN moved_chain AS c ON c.form = k.form AND c.feeds
        UNION ALL
        SELECT DISTINCT s.scope_no, c.chain_no, 'period'
        FROM scope AS s
        JOIN kpi_form AS k ON k.kpi_id = s.kpi_id
        JOIN moved_chain AS c ON c.form = k.form
        JOIN chain_month AS m ON m.chain_no = c.chain_no
        JOIN scope_month AS w ON w.scope_no = s.scope_no AND w.month = m.month
        WHERE k.is_owed OR (c.feeds AND (c.is_filed_anew OR EXISTS (
            SELECT 1 FROM kpi_record AS d
            WHERE d.kpi_id = k.kpi_id AND d.form = k.form AND d.date_column = 'period')));
        CREATE OR REPLACE TEMP TABLE unexplained AS SELECT revision_no FROM revision;
        """
    )
    _blame_feeding(con)


def _blame_feeding(con: duckdb.DuckDBPyConnection) -> None:
    """From `feeding` to the `unexplained` cells: an insurer's by its own filings, a group's by those of its members."""
    con.execute(
        """
        INSERT INTO revision_cause
        WITH nearest AS (
            SELECT scope_no, chain_no,
                ['record', 'period', 'linked'][min(list_position(['record', 'period', 'linked'], relation))] AS relation
            FROM feeding GROUP BY ALL)
        SELECT DISTINCT r.revision_no, 'submission', n.relation, m.submission_id, m.form, m.period, m.reporter_code,
            NULL
        FROM revision AS r
        JOIN unexplained AS u USING (revision_no)
        JOIN cell_scope AS s USING (revision_no)
        JOIN nearest AS n USING (scope_no)
        JOIN moved_chain AS c USING (chain_no)
        JOIN kpi_form AS k ON k.kpi_id = r.kpi_id AND k.form = c.form
        JOIN moved_submission AS m ON m.form = c.form AND m.period = c.period AND m.reporter_code = c.reporter_code
            AND (m.feeds OR k.is_owed)
        WHERE c.is_about_all OR k.reads_all OR EXISTS (
            SELECT 1 FROM member AS g
            WHERE g.grain = r.grain AND g.group_key = r.group_key AND g.reporter_code = c.reporter_code
                AND (r.basis = 'comparable' OR NOT g.comparable_only))"""
    )


def _blame_registry(con: duckdb.DuckDBPyConnection) -> None:
    """The institution master moved an institution of the cell: it entered, left, or was classed differently."""
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE moved_reporter AS
        WITH RECURSIVE moved AS (
            SELECT org_code, parent_code FROM (
                (FROM {OLD}.registry.institutions EXCEPT FROM {NEW}.registry.institutions)
                UNION ALL (FROM {NEW}.registry.institutions EXCEPT FROM {OLD}.registry.institutions))),
        climb AS (
            SELECT org_code, parent_code FROM moved
            UNION
            SELECT i.org_code, i.parent_code
            FROM climb AS c JOIN {NEW}.registry.institutions AS i ON i.org_code = c.parent_code)
        SELECT DISTINCT org_code AS reporter_code FROM climb;
        INSERT INTO revision_cause
        SELECT DISTINCT r.revision_no, 'submission', 'registry', m.submission_id, m.form, m.period, m.reporter_code,
            NULL
        FROM revision AS r
        JOIN member AS g ON g.grain = r.grain AND g.group_key = r.group_key
            AND (r.basis = 'comparable' OR NOT g.comparable_only)
        JOIN moved_reporter AS i ON i.reporter_code = g.reporter_code
        CROSS JOIN moved_submission AS m
        WHERE m.form = '{REGISTRY_FORM}' AND m.feeds;
        """
    )


def _blame_due_periods(con: duckdb.DuckDBPyConnection) -> None:
    """Reports that fell due, or are owed no more, of a form and period that the cell needs.

    A window comes into being once its last period is due for anybody, also for a closed institution's earlier months.
    """
    owed = (
        "SELECT form, period, reporter_code, due_date, due_date < as_of::DATE AS is_past "
        "FROM {0}.filing.obligations, {0}.release.release WHERE due_date <= as_of::DATE"
    )
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE moved_obligation AS
        SELECT DISTINCT form, period, reporter_code FROM (
            (({owed.format(OLD)}) EXCEPT ({owed.format(NEW)}))
            UNION ALL (({owed.format(NEW)}) EXCEPT ({owed.format(OLD)})))"""
    )
    periods = con.execute("SELECT DISTINCT period FROM moved_obligation ORDER BY 1").fetchall()
    con.execute("CREATE OR REPLACE TEMP TABLE obligation_month (period VARCHAR, month DATE)")
    insert_rows(
        con,
        "obligation_month",
        [(label, month.start) for (label,) in periods for month in Period.parse(label).months()],
    )
    # Reporters are told apart before cells are joined: of a nation's cells each would otherwise meet each reporter.
    con.execute(
        """
        INSERT INTO revision_cause
        WITH moved AS (
            SELECT form, period,
                bool_or(reporter_code = (SELECT supervisor_code FROM reference.supervisor)) AS by_supervisor
            FROM moved_obligation GROUP BY ALL),
        moved_group AS (
            SELECT o.form, o.period, g.grain, g.group_key, bool_and(g.comparable_only) AS comparable_only
            FROM moved_obligation AS o JOIN member AS g USING (reporter_code) GROUP BY ALL)
        SELECT DISTINCT r.revision_no, 'period_due', NULL, NULL, o.form, o.period, NULL, NULL
        FROM revision AS r
        JOIN cell_scope AS s USING (revision_no)
        JOIN scope_month AS w USING (scope_no)
        JOIN kpi_form AS k ON k.kpi_id = r.kpi_id
        JOIN obligation_month AS b ON b.month = w.month
        JOIN moved AS o ON o.form = k.form AND o.period = b.period
        LEFT JOIN moved_group AS g ON g.form = o.form AND g.period = o.period AND g.grain = r.grain
            AND g.group_key = r.group_key
        WHERE (g.grain IS NOT NULL AND (r.basis = 'comparable' OR NOT g.comparable_only))
            OR k.reads_all OR r.change IN ('appeared', 'disappeared') OR o.by_supervisor"""
    )


def _blame_moment(con: duckdb.DuckDBPyConnection) -> None:
    """Cases left out as not yet due (IMMATURE) mature with time; a merger takes effect on its day."""
    con.execute(
        f"""
        INSERT INTO revision_cause
        WITH moments AS (
            SELECT o.as_of AS was, n.as_of AS is_now FROM {OLD}.release.release AS o, {NEW}.release.release AS n
            WHERE o.as_of IS DISTINCT FROM n.as_of)
        SELECT r.revision_no, 'moment', NULL, NULL, NULL, NULL, NULL, concat(m.was, ' → ', m.is_now)
        FROM revision AS r CROSS JOIN moments AS m
        WHERE contains(coalesce(r.old_status, ''), 'IMMATURE') OR contains(coalesce(r.new_status, ''), 'IMMATURE')
            OR (r.basis = 'comparable' AND EXISTS (
                SELECT 1 FROM {NEW}.registry.reporters AS i
                WHERE i.closed_on > least(m.was, m.is_now)::DATE AND i.closed_on <= greatest(m.was, m.is_now)::DATE))"""
    )


def _blame_published_base(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(
        f"""
        INSERT INTO revision_cause
        SELECT r.revision_no, 'published_base', NULL, NULL, NULL, NULL, NULL,
            (SELECT release_id FROM {OLD}.release.release)
        FROM revision AS r JOIN kpi.kpi_catalogue AS k ON k.kpi_id = r.kpi_id AND k.kind IN ('growth', 'restatement')
        WHERE k.kind = 'restatement' OR r.basis = 'published'
            OR contains(coalesce(r.old_status, ''), 'RESTATED') <> contains(coalesce(r.new_status, ''), 'RESTATED')"""
    )


def _blame_definition(con: duckdb.DuckDBPyConnection) -> None:
    changed = list(definition_changes(con))
    if changed:
        con.execute(
            """
            INSERT INTO revision_cause
            SELECT revision_no, 'definition', NULL, NULL, NULL, NULL, NULL, ? FROM revision""",
            ["|".join(changed)],
        )


def _blame_links(con: duckdb.DuckDBPyConnection) -> None:
    """Cells still unexplained are led back to any moved filing of the KPI's forms and the cell's members."""
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE unexplained AS
        SELECT revision_no FROM revision WHERE revision_no NOT IN (SELECT revision_no FROM revision_cause);
        CREATE OR REPLACE TEMP TABLE feeding AS
        SELECT DISTINCT s.scope_no, c.chain_no, 'linked' AS relation
        FROM unexplained
        JOIN cell_scope AS s USING (revision_no)
        JOIN kpi_form AS k ON k.kpi_id = s.kpi_id
        JOIN moved_chain AS c ON c.form = k.form AND c.feeds;
        """
    )
    _blame_feeding(con)


def _require_causes(con: duckdb.DuckDBPyConnection) -> None:
    unexplained = con.execute(
        """
        WITH unexplained AS (FROM revision WHERE revision_no NOT IN (SELECT revision_no FROM revision_cause))
        SELECT (SELECT count(*) FROM unexplained), kpi_id, period_type, period, grain, group_key, dimension_value,
            basis, change, old_value, new_value, old_status, new_status
        FROM unexplained ORDER BY revision_no LIMIT 5"""
    ).fetchall()
    if unexplained:
        before = statement(con, OLD)["release_id"]
        raise RevisionReportError(
            f"{unexplained[0][0]} published cells differ from release {before}, and no filing received, no period "
            "fallen due and no definition explains it (kpi, period type, period, grain, group, item, basis, change, "
            f"old and new value, old and new status): {[row[1:] for row in unexplained]}. This is a defect of the "
            f"program, not of a filing: nothing was published and release {before} stays current."
        )
