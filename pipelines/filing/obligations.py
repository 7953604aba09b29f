"""Obligations: who owes which form for which period by when, and whether it came.

Belongs here: the calendar of obligations from the registry, the contracts' frequency and deadline, and the working-day
calendar; their status as of the run. Does not belong here: reminders (a later room), rules on rows.
Source: 保险统计信息系统 (2004): monthly M+10, quarterly Q+12, rolled over holidays; domain book §7.
"""

from __future__ import annotations

import duckdb


def compute_obligations(con: duckdb.DuckDBPyConnection) -> None:
    """Fill the temp table `owed` (form, period, period_start, period_end, reporter_code, due_date).

    A form's calendar starts at the earliest period received for it from a known reporter and ends with the last
    period whose deadline is not after the run's as-of day. Needs the macros of `contracts.predicates`,
    `registry.reporters` and `reference.run`.
    """
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE owed AS
        WITH span AS (
            SELECT f.form, f.frequency, f.deadline_days, f.side, min(p.period_start) AS first_start
            FROM reference.forms AS f
            JOIN ledger.parcel AS p ON p.form = f.form AND p.period_start IS NOT NULL
            WHERE f.frequency IN ('monthly', 'quarterly') AND f.deadline_days IS NOT NULL
                AND datediff('month', p.period_start, p.period_end) = CASE f.frequency WHEN 'monthly' THEN 0 ELSE 2 END
                AND NOT EXISTS (
                    SELECT 1 FROM ledger.finding AS f
                    WHERE f.submission_no = p.submission_no AND f.rule_code IN ('ENV-S01', 'ENV-S03', 'ENV-S04'))
            GROUP BY ALL),
        months AS (
            SELECT s.*, unnest(range(s.first_start, (SELECT as_of FROM reference.run)::DATE + 1,
                CASE s.frequency WHEN 'monthly' THEN INTERVAL 1 MONTH ELSE INTERVAL 3 MONTH END))::DATE AS period_start
            FROM span AS s),
        periods AS (
            SELECT *, (period_start + CASE frequency WHEN 'monthly' THEN INTERVAL 1 MONTH ELSE INTERVAL 3 MONTH END
                - INTERVAL 1 DAY)::DATE AS period_end
            FROM months),
        dated AS (
            SELECT *, add_working_days((period_end + deadline_days - 1)::DATE, 1) AS due_date,
                CASE frequency WHEN 'monthly' THEN strftime(period_start, '%Y-%m')
                    ELSE concat(year(period_start), 'Q', quarter(period_start)) END AS period
            FROM periods)
        SELECT d.form, d.period, d.period_start, d.period_end, r.org_code AS reporter_code, d.due_date
        FROM dated AS d
        JOIN reference.obliged_classes AS o USING (form)
        JOIN registry.reporters AS r ON r.insurer_class = o.insurer_class AND r.opened_on <= d.period_end
            AND (r.closed_on IS NULL OR r.closed_on > d.period_end)
        WHERE d.side = 'insurer' AND d.due_date <= (SELECT as_of FROM reference.run)::DATE
        UNION ALL
        SELECT d.form, d.period, d.period_start, d.period_end, (SELECT supervisor_code FROM reference.supervisor),
            d.due_date
        FROM dated AS d
        WHERE d.side = 'supervisor' AND d.due_date <= (SELECT as_of FROM reference.run)::DATE
        """
    )


def record_obligations(con: duckdb.DuckDBPyConnection) -> None:
    """Replace `ledger.obligation` by `owed` with its status.

    filed, late, rejected (came, none accepted), withdrawn, draft (saved or validated, never submitted) or missing.
    """
    con.execute("DELETE FROM ledger.obligation")
    con.execute(
        """
        INSERT INTO ledger.obligation
        WITH came AS (
            SELECT p.form, p.period, p.reporter_code, min(s.sys_from) AS filed_at,
                max(p.submission_id) FILTER (s.sys_from IS NOT NULL AND s.sys_to IS NULL) AS submission_id,
                bool_and(p.declared_state IN ('SAVED', 'VALIDATED')) AS is_draft
            FROM ledger.parcel AS p JOIN ledger.standing AS s USING (submission_no)
            WHERE p.kind <> 'WITHDRAW'
            GROUP BY ALL)
        SELECT o.form, o.period, o.period_start, o.period_end, o.reporter_code, o.due_date,
            CASE WHEN c.form IS NULL THEN 'missing' WHEN c.filed_at IS NULL AND c.is_draft THEN 'draft'
                WHEN c.filed_at IS NULL THEN 'rejected'
                WHEN c.submission_id IS NULL THEN 'withdrawn'
                WHEN c.filed_at::DATE > o.due_date THEN 'late' ELSE 'filed' END,
            c.submission_id, c.filed_at, greatest(c.filed_at::DATE - o.due_date, 0)
        FROM owed AS o LEFT JOIN came AS c USING (form, period, reporter_code)
        ORDER BY o.form, o.period_start, o.reporter_code"""
    )
