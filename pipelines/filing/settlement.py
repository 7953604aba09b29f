"""Settlement: from findings to states, for every submission that something new may touch.

Belongs here: the order of judgement (structure that needs the calendar, cross-form rules, excuses, quarantine, state,
versions and their differences, lateness, verdicts, obligations, events). The outcome is a function of what was
received, never of the order in which it was read, so a killed or repeated run ends in the same tables.
Does not belong here: the rules themselves (`validation`), the chain of versions (`versions`), publication.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb

from pipelines.contracts.errors import CalendarRangeError
from pipelines.contracts.model import SETTLED_FIRST, Catalogue, Form
from pipelines.contracts.predicates import macro_sql
from pipelines.filing.differences import record_differences
from pipelines.filing.events import record_events
from pipelines.filing.excuses import MACROS as EXCUSE_MACROS
from pipelines.filing.excuses import STEERING_FORMS, apply_excuses, note_steered
from pipelines.filing.notices import record_notices
from pipelines.filing.obligations import compute_obligations, licensed, owes_period, record_obligations
from pipelines.filing.reach import note_reach
from pipelines.filing.receipts.writing import note_due
from pipelines.filing.registry import prepare_registry, require_registry
from pipelines.filing.versions import (
    check_numbers,
    choose_versions,
    count_nil_streaks,
    number_chain,
    unfold_corrections,
)
from pipelines.validation.references import (
    check_advisory,
    check_blocking,
    collect_readable,
    not_run,
    note_reads,
    prepare_relations,
)
from pipelines.warehouse.connection import transaction
from pipelines.warehouse.schema import CARRIED_FROM, undeleted

REGISTRY_FORM = "R03"
#: Deadlines and limits reach this far beyond the run's moment.
_CALENDAR_MARGIN = timedelta(days=31)


class RowsLostError(RuntimeError):
    """Rows read are not rows accepted + held back + refused: our fault; nothing of the settlement is kept."""


@dataclass(frozen=True, slots=True)
class Settled:
    """How many submissions a settlement judged anew."""

    judged: int
    as_of: datetime | None


def settle(
    con: duckdb.DuckDBPyConnection,
    catalogue: Catalogue,
    *,
    as_of: datetime | None,
    withhold: Callable[[duckdb.DuckDBPyConnection], None] | None = None,
) -> Settled:
    """Judge what is new or touched; one transaction. Submissions signed after `as_of` wait, unjudged.

    `withhold` is called when rules have run and nothing has been decided on them: it may take findings back that
    cannot be relied on where not everything was received (a filer's own check).

    Raises `NoRegistryError` when no institution master is in force.
    """
    for statement in (*macro_sql("reference.working_days"), *EXCUSE_MACROS):
        con.execute(statement)
    with transaction(con):
        note_reads(con, catalogue)
        note_reach(con, catalogue)
        moment = _set_as_of(con, as_of)
        prepare_registry(con)
        again = _withdraw_later(con)
        if _touched(con, catalogue, forms=(REGISTRY_FORM,), everything=again):
            _judge(con, catalogue, registry=True, withhold=withhold)
            again = True
        require_registry(con)
        steering = tuple(form for form in STEERING_FORMS if form in catalogue.forms)
        judged = _touched(con, catalogue, forms=steering, everything=again) if steering else 0
        if judged:
            _judge(con, catalogue, registry=False, withhold=withhold)
        note_steered(con, catalogue)
        judged += _touched(con, catalogue, forms=None, everything=again)
        _judge(con, catalogue, registry=False, withhold=withhold)
        compute_obligations(con)
        record_obligations(con)
        record_events(con)
        record_notices(con)
    return Settled(judged, moment)


def _set_as_of(con: duckdb.DuckDBPyConnection, as_of: datetime | None) -> datetime | None:
    """The run's knowledge moment: as asked, else the latest signature of a filing received; never the wall clock.

    Official figures do not move it: they are facts beside the bureau's filings.
    """
    row = con.execute(
        """
        SELECT max(signed_at) FROM ledger.parcel AS p
        WHERE p.form NOT IN (SELECT form FROM reference.forms WHERE side = 'official') AND NOT EXISTS (
            SELECT 1 FROM ledger.finding AS f
            WHERE f.submission_no = p.submission_no AND f.stage = 'pull' AND f.rule_code = 'ENV-S01')"""
    ).fetchone()
    moment: datetime | None = as_of or (row[0] if row else None)
    con.execute("DELETE FROM reference.run")
    con.execute("INSERT INTO reference.run VALUES (?)", [moment])
    last = con.execute("SELECT max(day) FROM reference.working_days").fetchone()
    if moment is not None and last and last[0] < moment.date() + _CALENDAR_MARGIN:
        raise CalendarRangeError(
            f"the working-day calendar ends on {last[0]}, deadlines up to "
            f"{moment.date() + _CALENDAR_MARGIN} are needed. "
            "Extend data/calendar/working_days.csv with the State Council's notice for the next year and run again."
        )
    return moment


def _withdraw_later(con: duckdb.DuckDBPyConnection) -> bool:
    """When the run's moment lies before an earlier run's, what was signed after it stands no more; True if so."""
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE later AS
        SELECT submission_no FROM ledger.standing JOIN ledger.parcel AS p USING (submission_no)
        WHERE p.signed_at > (SELECT as_of FROM reference.run);
        DELETE FROM ledger.finding WHERE stage = 'settle' AND submission_no IN (SELECT submission_no FROM later);
        DELETE FROM ledger.verdict WHERE submission_no IN (SELECT submission_no FROM later);
        DELETE FROM ledger.standing WHERE submission_no IN (SELECT submission_no FROM later);
        DELETE FROM ledger.difference WHERE submission_no IN (SELECT submission_no FROM later);
        DELETE FROM ledger.changed_cell WHERE submission_no IN (SELECT submission_no FROM later);
        DELETE FROM ledger.difference_total WHERE submission_no IN (SELECT submission_no FROM later);
        """
    )
    row = con.execute("SELECT count(*) FROM later").fetchone()
    return bool(row and row[0])


def _touched(
    con: duckdb.DuckDBPyConnection, catalogue: Catalogue, *, forms: tuple[str, ...] | None, everything: bool
) -> int:
    """Fill `checked` with submissions to judge, of some forms (None: of all that are not settled before the others).

    New ones, and every filing a new one may bear on: its reporter's of its own form and of those whose rules look at
    it, of the periods they look at (`reach`), and everybody's if it is a supervisor's register; what could have known
    a register that rules read whatever its period (`reads`); what others signed later of a form that is compared among
    reporters (`among_reporters`); what a waiver or explanation names (`steered`); all of them after a new institution
    master, under another ruleset or as-of moment.
    """
    chosen = ", ".join(f"'{form}'" for form in (SETTLED_FIRST if forms is None else forms))
    of_forms = f"coalesce(p.form, '') {'NOT IN' if forms is None else 'IN'} ({chosen})"
    named = (
        """
        UNION
        SELECT p.submission_no FROM judged AS p
        JOIN steered AS t ON t.reporter_code = p.reporter_code AND t.form = p.form
            AND p.period_start >= t.first_start AND p.period_start < t.until"""
        if forms is None
        else ""
    )
    about_it = """
            AND p.period_end >= u.period_start AND (NOT r.is_same_period
                OR (p.period_start >= u.period_start AND p.period_end <= u.period_end))"""
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE unjudged AS
        SELECT p.* FROM ledger.parcel AS p
        LEFT JOIN ledger.standing AS s USING (submission_no)
        WHERE {of_forms}
            AND (s.submission_no IS NULL OR s.ruleset_version <> '{catalogue.ruleset_version}'
                OR s.state = 'quarantined')
            AND ((p.signed_at <= (SELECT as_of FROM reference.run) AND p.submission_no IN (
                    SELECT submission_no FROM ledger.reading
                    UNION ALL SELECT submission_no FROM ledger.failure WHERE is_open))
                OR EXISTS (
                    SELECT 1 FROM ledger.finding AS f
                    WHERE f.submission_no = p.submission_no AND f.stage = 'pull'
                        AND f.rule_code IN ('ENV-S01', 'ENV-S03')));
        CREATE OR REPLACE TEMP TABLE checked AS
        -- Each way to be touched is a join on equality: as one condition they would pair all filings with all.
        WITH news AS (
            SELECT DISTINCT u.form, u.reporter_code, u.period_start, u.period_end,
                coalesce(f.side = 'supervisor', false) AS is_about_all
            FROM unjudged AS u LEFT JOIN reference.forms AS f USING (form)),
        judged AS (
            -- whole chains are judged: what one version could have known bears on all of them
            SELECT p.* FROM (
                SELECT *, max(signed_at) OVER (PARTITION BY form, period, reporter_code) AS last_signed
                FROM ledger.parcel) AS p
            JOIN ledger.standing AS s USING (submission_no)
            WHERE {of_forms})
        SELECT submission_no FROM unjudged
        UNION
        SELECT submission_no FROM judged WHERE {everything}
        UNION
        SELECT p.submission_no FROM judged AS p
        JOIN reach AS r ON r.form = p.form
        JOIN news AS u ON u.form = r.read_form AND u.reporter_code = p.reporter_code{about_it}
        UNION
        SELECT p.submission_no FROM judged AS p
        JOIN reach AS r ON r.form = p.form
        JOIN news AS u ON u.form = r.read_form AND u.is_about_all{about_it}
        UNION
        SELECT p.submission_no FROM judged AS p
        JOIN reads AS r ON r.form = p.form
        JOIN news AS u ON u.form = r.read_form AND (u.reporter_code = p.reporter_code OR u.is_about_all)
            AND p.last_signed::DATE >= u.period_start
        UNION
        SELECT p.submission_no FROM judged AS p
        JOIN (SELECT DISTINCT form FROM among_reporters) AS a ON a.form = p.form
        JOIN (
            SELECT form, reporter_code, min(signed_at) AS signed_at FROM unjudged GROUP BY ALL) AS u
            ON u.form = p.form AND u.reporter_code <> p.reporter_code AND u.signed_at <= p.last_signed
        {named};
        """
    )
    row = con.execute("SELECT count(*) FROM checked").fetchone()
    return int(row[0]) if row else 0


def _judge(
    con: duckdb.DuckDBPyConnection,
    catalogue: Catalogue,
    *,
    registry: bool,
    withhold: Callable[[duckdb.DuckDBPyConnection], None] | None,
) -> None:
    """Judge the submissions in `checked` (none is fine: the relations that later steps read are made all the same)."""
    con.execute(
        "DELETE FROM ledger.finding WHERE stage IN ('settle', 'carried', 'version') "
        "AND submission_no IN (SELECT submission_no FROM checked)"
    )
    number_chain(con)
    check_numbers(con)
    if not registry:
        _check_obliged(con)
    collect_readable(con)
    unfold_corrections(con, catalogue)
    prepare_relations(con, catalogue)
    check_blocking(con, catalogue)
    if withhold is not None:
        withhold(con)
    _note_deletions(con, catalogue)
    apply_excuses(con, catalogue)
    _quarantine(con)
    _stand(con, catalogue)
    choose_versions(con, catalogue)
    record_differences(con, catalogue)
    count_nil_streaks(con)
    if not registry:
        compute_obligations(con)
        _check_lateness(con)
    check_advisory(con, catalogue)
    _count(con)
    not_run(con, catalogue)
    _verdicts(con)
    _balance(con, catalogue)
    note_due(con)


def _check_obliged(con: duckdb.DuckDBPyConnection) -> None:
    """ENV-S04: the reporter stands in the registry, is of an obliged class in the period, and owes the period."""
    con.execute(
        f"""
        INSERT INTO ledger.finding
        SELECT p.submission_no, 'ENV-S04', 'settle', NULL, NULL, p.reporter_code, NULL,
            CASE WHEN f.side = 'supervisor' THEN '本报表由监管机构报送'
                WHEN r.org_code IS NULL THEN '报送机构不在机构主数据中'
                WHEN o.form IS NULL THEN '该类机构无需报送本报表'
                ELSE '机构在该报告期未开业或已撤销' END
        FROM ledger.parcel AS p
        JOIN checked USING (submission_no)
        JOIN reference.forms AS f ON f.form = p.form AND f.side <> 'official'
        LEFT JOIN registry.licences AS r ON r.org_code = p.reporter_code AND {licensed("r", "p")}
        LEFT JOIN reference.obliged_classes AS o ON o.form = p.form AND o.insurer_class = r.insurer_class
        WHERE (f.side = 'supervisor' AND p.reporter_code <> (SELECT supervisor_code FROM reference.supervisor))
            OR (f.side = 'insurer' AND (r.org_code IS NULL OR o.form IS NULL OR NOT {owes_period("r", "p")}))"""
    )


def _quarantine(con: duckdb.DuckDBPyConnection) -> None:
    """Rows that an E finding keeps out, unless it is waived, for forms that hold rows back."""
    con.execute(
        "DELETE FROM ledger.quarantined_row WHERE submission_no IN (SELECT submission_no FROM checked)"
    )
    con.execute(
        """
        INSERT INTO ledger.quarantined_row
        SELECT DISTINCT s.form, f.submission_no, f.row_no
        FROM ledger.finding AS f
        JOIN readable AS s USING (submission_no)
        JOIN reference.forms AS k ON k.form = s.form AND k.quarantine_rows
        JOIN reference.rules AS r ON r.form = s.form AND r.rule_code = f.rule_code AND r.severity = 'E'
        WHERE f.row_no IS NOT NULL AND f.submission_no IN (SELECT submission_no FROM checked)
            AND NOT EXISTS (
                SELECT 1 FROM ledger.excuse AS w
                WHERE w.submission_no = f.submission_no AND w.rule_code = f.rule_code AND w.kind = 'waiver')
        ORDER BY ALL"""
    )


def _stand(con: duckdb.DuckDBPyConnection, catalogue: Catalogue) -> None:
    """State of each judged submission before its place in the chain: structure, then the share of rows held back."""
    con.execute("DELETE FROM ledger.standing WHERE submission_no IN (SELECT submission_no FROM checked)")
    con.execute(
        f"""
        INSERT INTO ledger.standing
        WITH held AS (
            SELECT submission_no, count(*) FILTER (row_no < {CARRIED_FROM}) AS rows_held, count(*) AS held_in_all
            FROM ledger.quarantined_row
            WHERE submission_no IN (SELECT submission_no FROM checked) GROUP BY ALL),
        errors AS (
            SELECT f.submission_no,
                count(*) FILTER (coalesce(r.severity, 'E') = 'E' AND w.excuse_id IS NULL) AS n_errors,
                bool_or(f.rule_code = 'ENV-S01') AS unopened
            FROM ledger.finding AS f
            JOIN ledger.parcel AS p USING (submission_no)
            LEFT JOIN reference.rules AS r ON r.form = p.form AND r.rule_code = f.rule_code
            LEFT JOIN ledger.excuse AS w
                ON w.submission_no = f.submission_no AND w.rule_code = f.rule_code AND w.kind = 'waiver'
            WHERE f.submission_no IN (SELECT submission_no FROM checked) GROUP BY ALL),
        judged AS (
            SELECT p.submission_no, d.submission_no IS NOT NULL AS is_readable, coalesce(g.rows_read, 0) AS rows_read,
                coalesce(b.file_rows, g.rows_read, 0) AS file_rows, coalesce(h.rows_held, 0) AS rows_held,
                coalesce(h.held_in_all, 0) AS held_in_all, coalesce(e.n_errors, 0) AS n_errors,
                coalesce(e.unopened, false) AS unopened, k.reject_above, k.quarantine_rows, p.signed_at,
                g.submission_no IS NULL AND x.submission_no IS NOT NULL AS failed
            FROM checked JOIN ledger.parcel AS p USING (submission_no)
            LEFT JOIN readable AS d USING (submission_no)
            LEFT JOIN ledger.reading AS g USING (submission_no)
            LEFT JOIN ledger.base AS b USING (submission_no)
            LEFT JOIN (SELECT DISTINCT submission_no FROM ledger.failure WHERE is_open) AS x USING (submission_no)
            LEFT JOIN held AS h USING (submission_no)
            LEFT JOIN errors AS e USING (submission_no)
            LEFT JOIN reference.forms AS k ON k.form = p.form),
        decided AS (
            SELECT *, CASE WHEN failed AND n_errors = 0 THEN 'quarantined'
                WHEN NOT is_readable THEN CASE WHEN unopened THEN 'malformed' ELSE 'rejected' END
                WHEN quarantine_rows AND held_in_all > reject_above * greatest(file_rows, rows_read) THEN 'rejected'
                WHEN quarantine_rows AND n_errors > 0 THEN 'partly_accepted'
                ELSE 'accepted' END AS state
            FROM judged)
        SELECT submission_no, state, is_readable, rows_read,
            CASE WHEN state IN ('accepted', 'partly_accepted') THEN rows_read - rows_held ELSE 0 END,
            CASE WHEN state IN ('accepted', 'partly_accepted') THEN rows_held ELSE 0 END,
            CASE WHEN state IN ('malformed', 'rejected') THEN rows_read ELSE 0 END,
            0, 0, false, NULL, CASE WHEN state IN ('accepted', 'partly_accepted') THEN signed_at END, NULL, ?,
            NULL, NULL, 0, 0
        FROM decided""",
        [catalogue.ruleset_version],
    )


def _check_lateness(con: duckdb.DuckDBPyConnection) -> None:
    """ENV-S08 (W): signed after the deadline; told with the days late."""
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE lateness AS
        SELECT p.submission_no, p.signed_at::DATE - o.due_date AS days, o.due_date,
            p.signed_at::DATE AS signed_on
        FROM checked JOIN ledger.parcel AS p USING (submission_no)
        JOIN owed AS o ON o.form = p.form AND o.period = p.period AND o.reporter_code = p.reporter_code
        WHERE p.signed_at::DATE > o.due_date AND p.kind <> 'WITHDRAW';
        INSERT INTO ledger.finding
        SELECT submission_no, 'ENV-S08', 'settle', NULL, NULL, signed_on::VARCHAR, due_date::VARCHAR, NULL
        FROM lateness;
        UPDATE ledger.standing AS s SET late_days = l.days FROM lateness AS l WHERE l.submission_no = s.submission_no;
        """
    )


def _count(con: duckdb.DuckDBPyConnection) -> None:
    """Counts by severity, what excuses cover, and the rows each version stands for; first_pass = no E finding."""
    con.execute(
        """
        UPDATE ledger.standing AS s
        SET error_count = c.errors, warning_count = c.warnings, first_pass = c.errors = 0, waived_count = c.waived,
            unexplained_count = c.warnings - c.explained,
            rows_in_force = CASE WHEN s.sys_from IS NOT NULL AND c.kind <> 'WITHDRAW'
                THEN coalesce(c.file_rows, s.rows_read - c.deletions) - c.held_undeleted ELSE 0 END
        FROM (
            SELECT k.submission_no, p.kind, b.file_rows, coalesce(h.held, 0) AS held_undeleted,
                coalesce(n.deletions, 0) AS deletions,
                count(f.rule_code) FILTER (coalesce(r.severity, 'E') = 'E') AS errors,
                count(f.rule_code) FILTER (r.severity = 'W') AS warnings,
                count(f.rule_code) FILTER (coalesce(r.severity, 'E') = 'E' AND w.excuse_id IS NOT NULL) AS waived,
                count(f.rule_code) FILTER (r.severity = 'W' AND x.excuse_id IS NOT NULL) AS explained
            FROM checked AS k
            JOIN ledger.parcel AS p USING (submission_no)
            LEFT JOIN ledger.base AS b USING (submission_no)
            LEFT JOIN (
                SELECT submission_no, count(*) AS held FROM ledger.quarantined_row AS q
                WHERE q.submission_no IN (SELECT submission_no FROM checked)
                    AND (q.submission_no, q.row_no) NOT IN (SELECT (submission_no, row_no) FROM deletion)
                GROUP BY ALL) AS h USING (submission_no)
            LEFT JOIN (SELECT submission_no, count(*) AS deletions FROM deletion GROUP BY ALL) AS n
                USING (submission_no)
            LEFT JOIN ledger.standing_finding AS f USING (submission_no)
            LEFT JOIN ledger.excuse AS w
                ON w.submission_no = f.submission_no AND w.rule_code = f.rule_code AND w.kind = 'waiver'
            LEFT JOIN ledger.excuse AS x
                ON x.submission_no = f.submission_no AND x.rule_code = f.rule_code AND x.kind = 'explanation'
            LEFT JOIN reference.forms AS m ON m.form = p.form
            LEFT JOIN reference.rules AS r ON r.form = coalesce(m.form, '') AND r.rule_code = f.rule_code
            GROUP BY ALL) AS c
        WHERE c.submission_no = s.submission_no"""
    )


def _verdicts(con: duckdb.DuckDBPyConnection) -> None:
    """A verdict per submission and rule: pass, fail, or not_run with its reason; what did not run never passes."""
    con.execute("DELETE FROM ledger.verdict WHERE submission_no IN (SELECT submission_no FROM checked)")
    con.execute(
        """
        INSERT INTO ledger.verdict
        WITH counted AS (
            SELECT submission_no, rule_code, count(*) AS n FROM ledger.standing_finding
            WHERE submission_no IN (SELECT submission_no FROM checked) GROUP BY ALL)
        SELECT k.submission_no, r.rule_code,
            CASE WHEN c.n > 0 THEN 'fail'
                WHEN NOT s.readable AND r.rule_class <> 'structure' THEN 'not_run'
                WHEN NOT s.readable AND d.submission_no IS NULL THEN 'not_run'
                WHEN u.reason IS NOT NULL THEN 'not_run' ELSE 'pass' END,
            CASE WHEN c.n > 0 THEN NULL
                WHEN NOT s.readable AND r.rule_class <> 'structure' THEN 'the file was refused for its structure'
                WHEN NOT s.readable AND d.submission_no IS NULL THEN 'the file was refused before it was read'
                ELSE u.reason END,
            coalesce(c.n, 0),
            CASE WHEN c.n > 0 THEN NULL
                WHEN NOT s.readable AND r.rule_class <> 'structure' THEN '文件因结构问题退回,行未核对'
                WHEN NOT s.readable AND d.submission_no IS NULL THEN '文件未读取即退回'
                ELSE u.reason_zh END
        FROM checked AS k
        JOIN ledger.parcel AS p USING (submission_no)
        JOIN ledger.standing AS s USING (submission_no)
        JOIN reference.rules AS r ON r.form = p.form
        LEFT JOIN ledger.reading AS d USING (submission_no)
        LEFT JOIN counted AS c ON c.submission_no = k.submission_no AND c.rule_code = r.rule_code
        LEFT JOIN (
            SELECT submission_no, rule_code, min(reason) AS reason, min_by(reason_zh, reason) AS reason_zh
            FROM unrun GROUP BY ALL) AS u
            ON u.submission_no = k.submission_no AND u.rule_code = r.rule_code"""
    )


def _balance(con: duckdb.DuckDBPyConnection, catalogue: Catalogue) -> None:
    """Every row read is accounted for: counted from the stored and the filed rows, not from the sums above.

    Own rows of a correction are shown unless they delete; the rows it carries over come from its base, each once.
    """
    for form in _forms_checked(con, catalogue):
        con.execute(
            "CREATE OR REPLACE TEMP TABLE own AS "
            "SELECT submission_no FROM checked JOIN ledger.parcel USING (submission_no) WHERE form = ?",
            [form.code],
        )
        # Each by itself: only then does DuckDB leave alone what lies beside these submissions (docs/decisions/0031).
        con.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE stored AS
            SELECT submission_no, count(*) FILTER (row_no < {CARRIED_FROM}) AS n,
                count(*) FILTER (row_no >= {CARRIED_FROM}) AS n_carried
            FROM store.{form.table} WHERE submission_no IN (FROM own) GROUP BY ALL;
            CREATE OR REPLACE TEMP TABLE shown AS
            SELECT submission_no, count(*) AS n, count(*) FILTER (row_no < {CARRIED_FROM}) AS n_own
            FROM filed.{form.table} WHERE submission_no IN (FROM own) GROUP BY ALL"""
        )
        wrong = con.execute(
            """
            WITH carried AS (
                SELECT submission_no, count(*) AS n FROM ledger.carried_row
                WHERE form = $form AND submission_no IN (FROM own) GROUP BY ALL),
            deleted AS (
                SELECT d.submission_no, count(*) AS n FROM deletion AS d
                WHERE d.submission_no IN (FROM own) AND NOT EXISTS (
                    SELECT 1 FROM ledger.quarantined_row AS q
                    WHERE q.form = $form AND q.submission_no = d.submission_no AND q.row_no = d.row_no)
                GROUP BY ALL)
            SELECT p.submission_id, s.rows_read, s.rows_accepted, s.rows_quarantined, s.rows_rejected, s.rows_in_force,
                coalesce(t.n, 0), coalesce(v.n_own, 0), coalesce(v.n, 0), coalesce(t.n_carried, 0), coalesce(c.n, 0)
            FROM own JOIN ledger.standing AS s USING (submission_no) JOIN ledger.parcel AS p USING (submission_no)
            LEFT JOIN stored AS t USING (submission_no) LEFT JOIN shown AS v USING (submission_no)
            LEFT JOIN carried AS c USING (submission_no) LEFT JOIN deleted AS d USING (submission_no)
            WHERE s.rows_read <> s.rows_accepted + s.rows_quarantined + s.rows_rejected
                    + CASE WHEN s.state = 'quarantined' THEN s.rows_read ELSE 0 END
                OR (s.sys_from IS NULL AND coalesce(v.n, 0) <> 0)
                OR (s.sys_from IS NOT NULL AND coalesce(v.n_own, 0) + coalesce(d.n, 0) <> s.rows_accepted)
                OR (s.readable AND coalesce(t.n, 0) <> s.rows_read)
                OR coalesce(t.n_carried, 0) <> coalesce(c.n, 0)
                OR coalesce(v.n, 0) <> s.rows_in_force
            ORDER BY 1 LIMIT 5""",
            {"form": form.code},
        ).fetchall()
        if wrong:
            raise RowsLostError(
                f"rows of form {form.code} do not add up (submission, read, accepted, held back, refused, in force, "
                f"stored, shown of its own, shown, carried, addresses of carried): {wrong}. This is a defect of the "
                "program; the settlement is rolled back, filings stay in the archive."
            )


def _forms_checked(con: duckdb.DuckDBPyConnection, catalogue: Catalogue) -> list[Form]:
    """Forms of the submissions in `checked`, in the catalogue's order."""
    found = con.execute(
        "SELECT DISTINCT form FROM ledger.parcel JOIN checked USING (submission_no)"
    ).fetchall()
    codes = {code for (code,) in found}
    return [form for form in catalogue.forms.values() if form.code in codes]


def _note_deletions(con: duckdb.DuckDBPyConnection, catalogue: Catalogue) -> None:
    """`deletion`: rows under judgement that delete a record (record_action D) and are therefore never shown."""
    con.execute("CREATE OR REPLACE TEMP TABLE deletion (submission_no UINTEGER, row_no UINTEGER)")
    for form in _forms_checked(con, catalogue):
        con.execute(
            f"INSERT INTO deletion SELECT submission_no, row_no FROM store.{form.table} AS r "
            f"WHERE NOT {undeleted('r')} AND submission_no IN (SELECT submission_no FROM checked)"
        )
