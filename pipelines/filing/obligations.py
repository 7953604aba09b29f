"""Obligations: who owes which form for which period by when, and how it stands as of the run.

Belongs here: the calendar of obligations (institution master, contracts' frequency and deadline, working-day calendar),
the events of each obligation and the fold of them into its status. Everything is a function of what was received and of
the run's moment, and is rebuilt whole.
Does not belong here: the words of the states (`states`), chasing (`notices`), rules on rows.
Source: 保险统计信息系统 (2004): monthly M+10, quarterly Q+12, rolled over holidays; domain book §7.
"""

from __future__ import annotations

import duckdb

from pipelines.contracts.errors import CalendarRangeError
from pipelines.filing.states import OBLIGATION_START, OBLIGATION_TRANSITIONS

#: Months of one period of a form's frequency. Event forms are owed by nobody at any date.
_MONTHS = "CASE frequency WHEN 'monthly' THEN 1 WHEN 'quarterly' THEN 3 END"


def owes_period(licence: str, period: str) -> str:
    """Condition: the institution owes the period.

    It is open on the period's last day, or it closed inside the period without a successor and then files its last days
    itself; what a merged institution left is filed by its successor.

    Args:
        licence: alias of `registry.licences`.
        period: alias of a relation with `period_start` and `period_end`.
    """
    return (
        f"({licence}.opened_on <= {period}.period_end AND ({licence}.closed_on IS NULL "
        f"OR {licence}.closed_on > {period}.period_end "
        f"OR ({licence}.successor_code IS NULL AND {licence}.closed_on >= {period}.period_start)))"
    )


def licensed(licence: str, period: str) -> str:
    """Condition: the licence is the one that decides which forms are owed for the period.

    That is the one in force on the period's last day, or on the institution's own last day.
    """
    day = f"least({period}.period_end, coalesce({licence}.closed_on, {period}.period_end))"
    return (
        f"(({licence}.since IS NULL OR {licence}.since <= {day}) "
        f"AND ({licence}.until IS NULL OR {day} < {licence}.until))"
    )


def compute_obligations(con: duckdb.DuckDBPyConnection) -> None:
    """Fill the temp table `owed` (form, period, period_start, period_end, reporter_code, due_date).

    A form's calendar starts with the earliest period received for it from a known reporter and ends with the last
    period that is over on the run's as-of day. Needs the macros of `contracts.predicates`, `registry.licences` and
    `reference.run`.

    Raises:
        CalendarRangeError: a due date lies beyond the working-day calendar.
    """
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE deadlines AS
        WITH span AS (
            SELECT f.form, f.frequency, f.deadline_days, f.side, min(p.period_start) AS first_start
            FROM reference.forms AS f
            JOIN ledger.parcel AS p ON p.form = f.form AND p.period_start IS NOT NULL
            WHERE f.frequency IN ('monthly', 'quarterly') AND f.deadline_days IS NOT NULL
                AND datediff('month', p.period_start, p.period_end) = {_MONTHS} - 1
                AND NOT EXISTS (
                    SELECT 1 FROM ledger.finding AS f
                    WHERE f.submission_no = p.submission_no AND f.rule_code IN ('ENV-S01', 'ENV-S03', 'ENV-S04'))
            GROUP BY ALL),
        starts AS (
            SELECT s.*, to_months({_MONTHS}) AS length, unnest(range(
                s.first_start, (SELECT as_of FROM reference.run)::DATE + 1, to_months({_MONTHS})))::DATE AS period_start
            FROM span AS s),
        periods AS (
            SELECT *, (period_start + length - INTERVAL 1 DAY)::DATE AS period_end FROM starts)
        SELECT form, side, period_start, period_end,
            CASE frequency WHEN 'monthly' THEN strftime(period_start, '%Y-%m')
                ELSE concat(year(period_start), 'Q', quarter(period_start)) END AS period,
            add_working_days((period_end + deadline_days - 1)::DATE, 1) AS due_date,
            period_end + deadline_days AS nominal_date
        FROM periods
        WHERE period_end < (SELECT as_of FROM reference.run)::DATE;
        """
    )
    require_calendar(
        con, "SELECT concat(form, ' ', period), nominal_date FROM deadlines WHERE due_date IS NULL"
    )
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE owed AS
        SELECT d.form, d.period, d.period_start, d.period_end, r.org_code AS reporter_code, d.due_date
        FROM deadlines AS d
        JOIN reference.obliged_classes AS o USING (form)
        JOIN registry.licences AS r ON r.insurer_class = o.insurer_class AND {owes_period("r", "d")}
            AND {licensed("r", "d")}
        WHERE d.side = 'insurer'
        UNION ALL
        SELECT form, period, period_start, period_end, (SELECT supervisor_code FROM reference.supervisor), due_date
        FROM deadlines WHERE side = 'supervisor'
        """
    )


def record_obligations(con: duckdb.DuckDBPyConnection) -> None:
    """Replace `ledger.obligation_event` and `ledger.obligation` by what holds as of the run.

    Reads `owed`, leaves the temp table `met` (form, period, reporter_code, accepted, since, until): the stretches
    in which a version was in force (`accepted`) or a filing waited for us, so that nobody was to be chased.
    """
    con.execute(
        """
        -- Files of each obligation known by now. Versions count in the order of their numbers: one that was signed
        -- before the version it follows took effect with it.
        CREATE OR REPLACE TEMP TABLE came AS
        SELECT o.form, o.period, o.reporter_code, p.submission_id, p.sequence_no,
            CASE WHEN p.declared_state IN ('SAVED', 'VALIDATED') AND s.sys_from IS NULL THEN 'drafted'
                WHEN s.submission_no IS NULL OR s.state = 'quarantined' THEN 'received'
                WHEN s.sys_from IS NULL THEN 'refused'
                WHEN p.kind = 'WITHDRAW' THEN 'withdrawn'
                ELSE 'filed' END AS event,
            CASE WHEN s.sys_from IS NULL THEN p.signed_at ELSE max(s.sys_from) OVER (
                PARTITION BY o.form, o.period, o.reporter_code ORDER BY p.sequence_no, p.submission_id)
                END AS happened_at,
            s.sys_from IS NOT NULL AND s.sys_to IS NULL AND p.kind <> 'WITHDRAW' AS in_force
        FROM owed AS o
        JOIN ledger.parcel AS p USING (form, period, reporter_code)
        LEFT JOIN ledger.standing AS s USING (submission_no)
        WHERE p.signed_at <= (SELECT as_of FROM reference.run);

        CREATE OR REPLACE TEMP TABLE met AS
        WITH runs AS (
            SELECT *, count(*) FILTER (event = 'withdrawn') OVER (
                PARTITION BY form, period, reporter_code ORDER BY sequence_no, submission_id
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS run_no
            FROM came WHERE event IN ('filed', 'withdrawn'))
        SELECT form, period, reporter_code, true AS accepted, min(happened_at) FILTER (event = 'filed') AS since,
            max(happened_at) FILTER (event = 'withdrawn') AS until
        FROM runs GROUP BY form, period, reporter_code, run_no HAVING since IS NOT NULL
        UNION ALL
        SELECT form, period, reporter_code, false, min(happened_at), NULL FROM came WHERE event = 'received'
        GROUP BY ALL;

        DELETE FROM ledger.obligation_event;
        INSERT INTO ledger.obligation_event
        WITH happened AS (
            SELECT form, period, reporter_code, 'opened' AS event, (period_end + 1)::TIMESTAMP AS happened_at,
                NULL AS submission_id, 0 AS place, 0 AS sequence_no
            FROM owed
            UNION ALL
            SELECT form, period, reporter_code, 'due', (due_date + 1)::TIMESTAMP, NULL, 2, 0
            FROM owed WHERE due_date < (SELECT as_of FROM reference.run)::DATE
            UNION ALL
            SELECT c.form, c.period, c.reporter_code,
                CASE WHEN c.event = 'filed' AND c.happened_at::DATE > o.due_date THEN 'filed_late' ELSE c.event END,
                c.happened_at, c.submission_id,
                CASE WHEN c.happened_at::DATE > o.due_date THEN 3 ELSE 1 END, c.sequence_no
            FROM came AS c JOIN owed AS o USING (form, period, reporter_code))
        SELECT form, period, reporter_code, row_number() OVER (
                PARTITION BY form, period, reporter_code ORDER BY place, happened_at, sequence_no, submission_id),
            event, happened_at, submission_id
        FROM happened
        ORDER BY form, period, reporter_code, place, happened_at, sequence_no, submission_id;
        """
    )
    con.execute("DELETE FROM ledger.obligation")
    con.execute(
        f"""
        INSERT INTO ledger.obligation
        WITH histories AS (
            SELECT form, period, reporter_code, list(event ORDER BY event_no) AS events
            FROM ledger.obligation_event GROUP BY ALL),
        -- A hundred thousand obligations have a few dozen different histories: each is folded once.
        folded AS (
            SELECT events, list_reduce(
                events, lambda state, event: ({_transition_map()})[concat(state, ' ', event)],
                '{OBLIGATION_START}') AS status
            FROM (SELECT DISTINCT events FROM histories)),
        forces AS (
            SELECT form, period, reporter_code, max(submission_id) FILTER (in_force) AS submission_id,
                arg_max(submission_id, (happened_at, sequence_no, submission_id)) AS last_submission_id
            FROM came GROUP BY ALL),
        stretches AS (
            SELECT form, period, reporter_code, since FROM met WHERE accepted AND until IS NULL)
        SELECT o.form, o.period, o.period_start, o.period_end, o.reporter_code, o.due_date, f.status, c.submission_id,
            CASE WHEN c.submission_id IS NOT NULL THEN m.since END,
            CASE WHEN c.submission_id IS NOT NULL THEN greatest(m.since::DATE - o.due_date, 0) END,
            c.last_submission_id
        FROM owed AS o
        JOIN histories AS h USING (form, period, reporter_code)
        JOIN folded AS f USING (events)
        LEFT JOIN forces AS c USING (form, period, reporter_code)
        LEFT JOIN stretches AS m USING (form, period, reporter_code)
        ORDER BY o.form, o.period_start, o.reporter_code"""
    )


def require_calendar(con: duckdb.DuckDBPyConnection, beyond: str) -> None:
    """Raise `CalendarRangeError` when a query finds days the working-day calendar does not reach.

    Args:
        con: build database.
        beyond: query of (what the day is for, nearest known day), one row per day that could not be computed.
    """
    found = con.execute(f"{beyond} ORDER BY 2, 1 LIMIT 1").fetchone()
    if found is None:
        return
    first, last = con.execute("SELECT min(day), max(day) FROM reference.working_days").fetchone() or (
        None,
        None,
    )
    raise CalendarRangeError(
        f"{found[0]} needs a working day near {found[1]}, but the working-day calendar runs from {first} to {last}. "
        "Extend data/calendar/working_days.csv with the State Council's notice for that year and run again."
    )


def _transition_map() -> str:
    """The transition table as a DuckDB map from 'state event' to state."""
    pairs = ", ".join(f"'{state} {event}': '{to}'" for (state, event), to in OBLIGATION_TRANSITIONS.items())
    return f"MAP {{{pairs}}}"
