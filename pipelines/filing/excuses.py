"""Excuses: waivers of E findings and explanations of W findings that hold for a submission.

Belongs here: matching the registers in force (R04 豁免登记, F14 情况说明) with the submissions under judgement by
insurer, form, period and rule. An excuse holds for its first period and the two after it, then expires (domain book
§7).
Does not belong here: the registers' own rules (their contracts), what a waiver changes about a state (`settlement`).
"""

from __future__ import annotations

import duckdb

from pipelines.contracts.model import Catalogue

#: Forms whose filings steer the judgement of others; they are settled before them.
WAIVERS, EXPLANATIONS = "R04", "F14"
STEERING_FORMS = (WAIVERS, EXPLANATIONS)
#: Periods an excuse holds for, the first included.
EXCUSED_PERIODS = 3

MACROS = (
    """
    CREATE OR REPLACE MACRO ledger.period_start(label) AS
        CASE WHEN regexp_full_match(label, '[0-9]{4}-(0[1-9]|1[0-2])') THEN (label || '-01')::DATE
             WHEN regexp_full_match(label, '[0-9]{4}Q[1-4]')
                 THEN make_date(left(label, 4)::INTEGER, right(label, 1)::INTEGER * 3 - 2, 1)
             WHEN regexp_full_match(label, '[0-9]{4}') THEN make_date(label::INTEGER, 1, 1) END""",
    """
    CREATE OR REPLACE MACRO ledger.period_length(label) AS
        CASE WHEN contains(label, '-') THEN INTERVAL 1 MONTH WHEN contains(label, 'Q') THEN INTERVAL 3 MONTH
             ELSE INTERVAL 12 MONTH END""",
    """
    CREATE OR REPLACE MACRO ledger.period_label(start, sample) AS
        CASE WHEN contains(sample, '-') THEN strftime(start, '%Y-%m')
             WHEN contains(sample, 'Q') THEN concat(year(start), 'Q', quarter(start)) ELSE year(start)::VARCHAR END""",
)


def scope_sql(catalogue: Catalogue, *, only_in_force: bool) -> str:
    """SELECT of every excuse with its scope: kind, reporter_code, form, rule_code, first_start, until, last_period,
    excuse_id, reason, granted_at, granted_by, submission_no, from the registers the catalogue has.

    `granted_by` is the beginning of the key of the supervisor who approved a waiver: enough to tell persons apart.
    """
    parts = [
        f"""
        SELECT '{kind}' AS kind, {reporter} AS reporter_code, target_form AS form, rule_code, target_period,
            {own_id} AS excuse_id, {reason} AS reason, {day}::TIMESTAMP AS granted_at, {person} AS granted_by,
            submission_no
        FROM filed.{form.lower()} {"WHERE sys_to IS NULL" if only_in_force else ""}"""
        for form, kind, reporter, own_id, reason, day, person in (
            (WAIVERS, "waiver", "org_code", "waiver_id", "reason", "approved_on", "left(approved_by, 8)"),
            (
                EXPLANATIONS,
                "explanation",
                "reporter_code",
                "explanation_id",
                "explanation",
                "explained_on",
                "NULL",
            ),
        )
        if form in catalogue.forms
    ]
    if not parts:
        return ""
    length = f"{EXCUSED_PERIODS} * ledger.period_length(target_period)"
    return f"""
        SELECT *, ledger.period_start(target_period) AS first_start,
            (ledger.period_start(target_period) + {length})::DATE AS until,
            ledger.period_label((ledger.period_start(target_period) + {EXCUSED_PERIODS - 1}
                * ledger.period_length(target_period))::DATE, target_period) AS last_period
        FROM ({" UNION ALL ".join(parts)}) WHERE ledger.period_start(target_period) IS NOT NULL"""


def apply_excuses(con: duckdb.DuckDBPyConnection, catalogue: Catalogue) -> None:
    """Renew `ledger.excuse` for the submissions in the temp table `checked`, one excuse a rule and kind."""
    con.execute("DELETE FROM ledger.excuse WHERE submission_no IN (SELECT submission_no FROM checked)")
    scopes = scope_sql(catalogue, only_in_force=True)
    if not scopes:
        return
    con.execute(
        f"""
        INSERT INTO ledger.excuse
        SELECT p.submission_no, x.rule_code, x.kind, x.excuse_id, x.reason, x.granted_at, x.last_period,
            x.submission_no, x.granted_by
        FROM checked JOIN ledger.parcel AS p USING (submission_no)
        JOIN ({scopes}) AS x ON x.reporter_code = p.reporter_code AND x.form = p.form
            AND p.period_start >= x.first_start AND p.period_start < x.until
        JOIN reference.rules AS r ON r.form = p.form AND r.rule_code = x.rule_code
            AND r.severity = CASE x.kind WHEN 'waiver' THEN 'E' ELSE 'W' END
        QUALIFY row_number() OVER (
            PARTITION BY p.submission_no, x.rule_code, x.kind ORDER BY x.granted_at, x.excuse_id) = 1"""
    )


def note_steered(con: duckdb.DuckDBPyConnection, catalogue: Catalogue) -> None:
    """Fill the temp table `steered` (reporter_code, form, first_start, until): scopes of the registers judged anew.

    Needs `checked` as the judgement of the registers left it; versions no longer in force count too, since what they
    excused is excused no more.
    """
    con.execute(
        "CREATE OR REPLACE TEMP TABLE steered (reporter_code VARCHAR, form VARCHAR, first_start DATE, until DATE)"
    )
    con.execute(
        """
        INSERT INTO steered
        SELECT DISTINCT p.reporter_code, p.form, p.period_start, p.period_end + 1
        FROM ledger.excuse AS e JOIN ledger.parcel AS p USING (submission_no)
        WHERE e.excused_by_no IN (SELECT submission_no FROM checked)"""
    )
    scopes = scope_sql(catalogue, only_in_force=False)
    if scopes:
        con.execute(
            f"""
            INSERT INTO steered
            SELECT DISTINCT reporter_code, form, first_start, until FROM ({scopes})
            WHERE submission_no IN (SELECT submission_no FROM checked)"""
        )
