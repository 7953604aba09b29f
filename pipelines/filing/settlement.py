"""Settlement: from findings to states, for every submission that something new may touch.

Belongs here: the order of judgement (structure that needs the calendar, cross-form rules, quarantine, state, chain of
versions, lateness, verdicts, obligations). The outcome is a function of what was received, never of the order in which
it was read, so a killed or repeated run ends in the same tables.
Does not belong here: the rules themselves (`validation`), publication.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb

from pipelines.contracts.errors import CalendarRangeError
from pipelines.contracts.model import Catalogue
from pipelines.contracts.predicates import macro_sql
from pipelines.filing.obligations import compute_obligations, record_obligations
from pipelines.filing.registry import prepare_registry, require_registry
from pipelines.validation.references import check_advisory, check_blocking, not_run, prepare_relations
from pipelines.warehouse.connection import transaction

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


def settle(con: duckdb.DuckDBPyConnection, catalogue: Catalogue, *, as_of: datetime | None) -> Settled:
    """Judge what is new or touched; one transaction. Submissions signed after `as_of` wait, unjudged.

    Raises `NoRegistryError` when no institution master is in force.
    """
    for statement in macro_sql("reference.working_days"):
        con.execute(statement)
    with transaction(con):
        moment = _set_as_of(con, as_of)
        prepare_registry(con)
        again = _withdraw_later(con)
        if _touched(con, catalogue, registry_only=True, everything=again):
            _judge(con, catalogue, registry=True)
            again = True
        require_registry(con)
        judged = _touched(con, catalogue, registry_only=False, everything=again)
        if judged:
            _judge(con, catalogue, registry=False)
        _collect_readable(con)
        compute_obligations(con)
        record_obligations(con)
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
        """
    )
    row = con.execute("SELECT count(*) FROM later").fetchone()
    return bool(row and row[0])


def _touched(
    con: duckdb.DuckDBPyConnection, catalogue: Catalogue, *, registry_only: bool, everything: bool
) -> int:
    """Fill `checked` with submissions to judge: new ones, and every filing a new one may bear on.

    A new filing bears on its reporter's filings of the same and later periods; a new institution master or supervisor
    register on everybody's; another ruleset or as-of moment on all.
    """
    operator = "=" if registry_only else "<>"
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE unjudged AS
        SELECT p.* FROM ledger.parcel AS p
        LEFT JOIN ledger.standing AS s USING (submission_no)
        WHERE coalesce(p.form, '') {operator} '{REGISTRY_FORM}'
            AND (s.submission_no IS NULL OR s.ruleset_version <> '{catalogue.ruleset_version}')
            AND ((EXISTS (SELECT 1 FROM ledger.reading AS r WHERE r.submission_no = p.submission_no)
                    AND p.signed_at <= (SELECT as_of FROM reference.run))
                OR EXISTS (
                    SELECT 1 FROM ledger.finding AS f
                    WHERE f.submission_no = p.submission_no AND f.stage = 'pull'
                        AND f.rule_code IN ('ENV-S01', 'ENV-S03')));
        CREATE OR REPLACE TEMP TABLE checked AS
        SELECT DISTINCT p.submission_no FROM ledger.parcel AS p
        LEFT JOIN ledger.standing AS s USING (submission_no)
        WHERE coalesce(p.form, '') {operator} '{REGISTRY_FORM}'
            AND (p.submission_no IN (SELECT submission_no FROM unjudged)
                OR (s.submission_no IS NOT NULL AND {everything})
                OR (s.submission_no IS NOT NULL AND EXISTS (
                    SELECT 1 FROM unjudged AS u LEFT JOIN reference.forms AS f ON f.form = u.form
                    WHERE (u.reporter_code = p.reporter_code OR f.side = 'supervisor')
                        AND p.period_end >= u.period_start)));
        """
    )
    row = con.execute("SELECT count(*) FROM checked").fetchone()
    return int(row[0]) if row else 0


def _collect_readable(con: duckdb.DuckDBPyConnection) -> None:
    """`readable`: submissions whose structure is in order, so their rows may be looked at."""
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE readable AS
        SELECT p.submission_no, p.form, p.reporter_code, p.period, p.period_start, p.period_end, p.sequence_no,
            p.signed_at, p.kind, p.supersedes, r.rows_read
        FROM ledger.parcel AS p JOIN ledger.reading AS r USING (submission_no)
        WHERE r.stored AND p.signed_at <= (SELECT as_of FROM reference.run)
            AND NOT EXISTS (
                SELECT 1 FROM ledger.finding AS f
                WHERE f.submission_no = p.submission_no AND starts_with(f.rule_code, 'ENV-')
                    AND f.rule_code <> 'ENV-S08')"""
    )


def _judge(con: duckdb.DuckDBPyConnection, catalogue: Catalogue, *, registry: bool) -> None:
    con.execute(
        "DELETE FROM ledger.finding WHERE stage = 'settle' AND submission_no IN (SELECT submission_no FROM checked)"
    )
    _check_sequence(con)
    if not registry:
        _check_obliged(con)
    _collect_readable(con)
    prepare_relations(con, catalogue)
    check_blocking(con, catalogue)
    _quarantine(con)
    _stand(con, catalogue)
    _chain(con)
    if not registry:
        compute_obligations(con)
        _check_lateness(con)
    check_advisory(con, catalogue)
    _count(con)
    not_run(con, catalogue)
    _verdicts(con)
    _balance(con, catalogue)


def _check_sequence(con: duckdb.DuckDBPyConnection) -> None:
    """ENV-S06: originals start a chain at 1; a resubmission names its predecessor and why; one file a number."""
    con.execute(
        """
        INSERT INTO ledger.finding
        WITH chain AS (
            SELECT p.submission_no, p.submission_id, p.form, p.period, p.reporter_code, p.kind, p.sequence_no,
                p.supersedes, p.reason_code, p.signed_at,
                row_number() OVER (
                    PARTITION BY p.form, p.period, p.reporter_code, p.sequence_no
                    ORDER BY p.signed_at, p.submission_id) AS copy
            FROM ledger.parcel AS p
            WHERE p.form IS NOT NULL AND p.period IS NOT NULL AND p.reporter_code IS NOT NULL
                AND p.sequence_no IS NOT NULL
                AND p.signed_at <= (SELECT as_of FROM reference.run))
        SELECT c.submission_no, 'ENV-S06', 'settle', NULL, NULL, c.sequence_no::VARCHAR,
            CASE WHEN c.copy > 1 THEN NULL ELSE b.submission_id END,
            CASE WHEN c.copy > 1 THEN '同一序号已有另一份文件'
                WHEN c.sequence_no < 1 THEN '报送序号从 1 开始'
                WHEN c.kind = 'ORIGINAL' THEN '首次报送的序号应为 1'
                WHEN c.supersedes IS NULL OR c.reason_code IS NULL THEN '重报须写明被替代报送编号和重报原因'
                WHEN b.submission_id IS NULL THEN '没有收到上一序号的报送'
                ELSE '被替代报送编号不是上一序号的报送' END
        FROM chain AS c
        LEFT JOIN chain AS b ON b.form = c.form AND b.period = c.period AND b.reporter_code = c.reporter_code
            AND b.sequence_no = c.sequence_no - 1 AND b.copy = 1
        WHERE c.submission_no IN (SELECT submission_no FROM checked)
            AND (c.copy > 1 OR c.sequence_no < 1
                OR (c.kind = 'ORIGINAL' AND c.sequence_no <> 1)
                OR ((c.kind = 'RESUBMIT' OR (c.kind = 'NIL' AND c.sequence_no > 1))
                    AND (c.supersedes IS NULL OR c.reason_code IS NULL OR b.submission_id IS NULL
                        OR b.submission_id <> c.supersedes)))"""
    )


def _check_obliged(con: duckdb.DuckDBPyConnection) -> None:
    """ENV-S04: the reporter stands in the registry, is of an obliged class, and open in the period."""
    con.execute(
        """
        INSERT INTO ledger.finding
        SELECT p.submission_no, 'ENV-S04', 'settle', NULL, NULL, p.reporter_code, NULL,
            CASE WHEN f.side = 'supervisor' THEN '本报表由监管机构报送'
                WHEN r.org_code IS NULL THEN '报送机构不在机构主数据中'
                WHEN o.form IS NULL THEN '该类机构无需报送本报表'
                ELSE '机构在该报告期未开业或已撤销' END
        FROM ledger.parcel AS p
        JOIN checked USING (submission_no)
        JOIN reference.forms AS f ON f.form = p.form AND f.side <> 'official'
        LEFT JOIN registry.reporters AS r ON r.org_code = p.reporter_code
        LEFT JOIN reference.obliged_classes AS o ON o.form = p.form AND o.insurer_class = r.insurer_class
        WHERE (f.side = 'supervisor' AND p.reporter_code <> (SELECT supervisor_code FROM reference.supervisor))
            OR (f.side = 'insurer' AND (
                r.org_code IS NULL OR o.form IS NULL OR r.opened_on > p.period_end OR r.closed_on <= p.period_end))"""
    )


def _quarantine(con: duckdb.DuckDBPyConnection) -> None:
    """Rows that an E finding keeps out, for forms that hold rows back."""
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
        ORDER BY ALL"""
    )


def _stand(con: duckdb.DuckDBPyConnection, catalogue: Catalogue) -> None:
    """State of each judged submission before its place in the chain: structure, then the share of rows held back."""
    con.execute("DELETE FROM ledger.standing WHERE submission_no IN (SELECT submission_no FROM checked)")
    con.execute(
        """
        INSERT INTO ledger.standing
        WITH held AS (
            SELECT submission_no, count(*) AS rows_held FROM ledger.quarantined_row
            WHERE submission_no IN (SELECT submission_no FROM checked) GROUP BY ALL),
        errors AS (
            SELECT f.submission_no, count(*) FILTER (coalesce(r.severity, 'E') = 'E') AS n_errors,
                bool_or(f.rule_code = 'ENV-S01') AS unopened
            FROM ledger.finding AS f
            JOIN ledger.parcel AS p USING (submission_no)
            LEFT JOIN reference.rules AS r ON r.form = p.form AND r.rule_code = f.rule_code
            WHERE f.submission_no IN (SELECT submission_no FROM checked) GROUP BY ALL),
        judged AS (
            SELECT p.submission_no, d.submission_no IS NOT NULL AS is_readable, coalesce(g.rows_read, 0) AS rows_read,
                coalesce(h.rows_held, 0) AS rows_held, coalesce(e.n_errors, 0) AS n_errors,
                coalesce(e.unopened, false) AS unopened, k.reject_above, k.quarantine_rows, p.signed_at
            FROM checked JOIN ledger.parcel AS p USING (submission_no)
            LEFT JOIN readable AS d USING (submission_no)
            LEFT JOIN ledger.reading AS g USING (submission_no)
            LEFT JOIN held AS h USING (submission_no)
            LEFT JOIN errors AS e USING (submission_no)
            LEFT JOIN reference.forms AS k ON k.form = p.form),
        decided AS (
            SELECT *, CASE WHEN NOT is_readable THEN CASE WHEN unopened THEN 'malformed' ELSE 'rejected' END
                WHEN quarantine_rows AND rows_held > reject_above * rows_read THEN 'rejected'
                WHEN quarantine_rows AND n_errors > 0 THEN 'partly_accepted'
                ELSE 'accepted' END AS state
            FROM judged)
        SELECT submission_no, state, is_readable, rows_read,
            CASE WHEN state IN ('accepted', 'partly_accepted') THEN rows_read - rows_held ELSE 0 END,
            CASE WHEN state = 'partly_accepted' THEN rows_held ELSE 0 END,
            CASE WHEN state IN ('malformed', 'rejected') THEN rows_read ELSE 0 END,
            0, 0, false, NULL, CASE WHEN state IN ('accepted', 'partly_accepted') THEN signed_at END, NULL, ?
        FROM decided""",
        [catalogue.ruleset_version],
    )


def _chain(con: duckdb.DuckDBPyConnection) -> None:
    """Versions of one obligation: the accepted one with the highest sequence is in force, earlier ones superseded.

    Looks at whole chains of every judged submission; keeps the temp tables `in_force` and `accepted_before`.
    """
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE links AS
        SELECT s.submission_no, p.form, p.period, p.period_start, p.reporter_code, s.rows_read, s.state,
            lead(s.submission_no) OVER w AS replaced_by,
            CASE WHEN lead(s.submission_no) OVER w IS NOT NULL
                THEN greatest(lead(s.sys_from) OVER w, s.sys_from) END AS until
        FROM ledger.standing AS s JOIN ledger.parcel AS p USING (submission_no)
        WHERE s.sys_from IS NOT NULL
        WINDOW w AS (PARTITION BY p.form, p.period, p.reporter_code ORDER BY p.sequence_no, p.submission_no);
        UPDATE ledger.standing AS s
        SET sys_to = l.until, state = CASE WHEN l.replaced_by IS NOT NULL THEN 'superseded' ELSE s.state END
        FROM links AS l
        WHERE l.submission_no = s.submission_no
            AND (s.sys_to IS DISTINCT FROM l.until
                OR (l.replaced_by IS NOT NULL AND s.state <> 'superseded'));
        CREATE OR REPLACE TEMP TABLE in_force AS
        SELECT submission_no, form, period, period_start, reporter_code, rows_read FROM links WHERE replaced_by IS NULL;
        CREATE OR REPLACE TEMP TABLE accepted_before AS SELECT submission_no FROM links;
        """
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
        WHERE p.signed_at::DATE > o.due_date;
        INSERT INTO ledger.finding
        SELECT submission_no, 'ENV-S08', 'settle', NULL, NULL, signed_on::VARCHAR, due_date::VARCHAR, NULL
        FROM lateness;
        UPDATE ledger.standing AS s SET late_days = l.days FROM lateness AS l WHERE l.submission_no = s.submission_no;
        """
    )


def _count(con: duckdb.DuckDBPyConnection) -> None:
    """Counts by severity; first_pass = no E finding."""
    con.execute(
        """
        UPDATE ledger.standing AS s
        SET error_count = c.errors, warning_count = c.warnings, first_pass = c.errors = 0
        FROM (
            SELECT k.submission_no,
                count(f.rule_code) FILTER (coalesce(r.severity, 'E') = 'E') AS errors,
                count(f.rule_code) FILTER (r.severity = 'W') AS warnings
            FROM checked AS k
            JOIN ledger.parcel AS p USING (submission_no)
            LEFT JOIN ledger.standing_finding AS f USING (submission_no)
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
            coalesce(c.n, 0)
        FROM checked AS k
        JOIN ledger.parcel AS p USING (submission_no)
        JOIN ledger.standing AS s USING (submission_no)
        JOIN reference.rules AS r ON r.form = p.form
        LEFT JOIN ledger.reading AS d USING (submission_no)
        LEFT JOIN counted AS c ON c.submission_no = k.submission_no AND c.rule_code = r.rule_code
        LEFT JOIN (SELECT submission_no, rule_code, min(reason) AS reason FROM unrun GROUP BY ALL) AS u
            ON u.submission_no = k.submission_no AND u.rule_code = r.rule_code"""
    )


def _balance(con: duckdb.DuckDBPyConnection, catalogue: Catalogue) -> None:
    """Every row read is accounted for: counted from the stored and the filed rows, not from the sums above."""
    for form in catalogue.forms.values():
        wrong = con.execute(
            f"""
            WITH stored AS (
                SELECT submission_no, count(*) AS n FROM store.{form.table}
                WHERE submission_no IN (SELECT submission_no FROM checked) GROUP BY ALL),
            shown AS (
                SELECT submission_no, count(*) AS n FROM filed.{form.table}
                WHERE submission_no IN (SELECT submission_no FROM checked) GROUP BY ALL)
            SELECT p.submission_id, s.rows_read, s.rows_accepted, s.rows_quarantined, s.rows_rejected,
                coalesce(t.n, 0), coalesce(v.n, 0)
            FROM checked JOIN ledger.standing AS s USING (submission_no) JOIN ledger.parcel AS p USING (submission_no)
            LEFT JOIN stored AS t USING (submission_no) LEFT JOIN shown AS v USING (submission_no)
            WHERE p.form = ? AND (
                s.rows_read <> s.rows_accepted + s.rows_quarantined + s.rows_rejected
                OR coalesce(v.n, 0) <> s.rows_accepted OR (s.readable AND coalesce(t.n, 0) <> s.rows_read))
            ORDER BY 1 LIMIT 5""",
            [form.code],
        ).fetchall()
        if wrong:
            raise RowsLostError(
                f"rows of form {form.code} do not add up (submission, read, accepted, held back, refused, stored, "
                f"shown): {wrong}. This is a defect of the program; the settlement is rolled back, filings stay in the "
                "archive."
            )
