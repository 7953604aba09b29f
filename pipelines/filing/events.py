"""Events: what happened to each submission, written down once and never changed; the state is their fold.

Belongs here: the vocabulary as a table, appending what a settlement decided, and the check that every step is one the
transition table allows. Receiving is written down by the pull, a failure and a repeated reading by the reader.
Does not belong here: deciding (`settlement`, `versions`), the vocabulary itself (`states`).

The log tells what was decided in the order in which it was decided, so it may hold more steps when filings arrive in
another order; what it folds to is the same (decision 0009).
"""

from __future__ import annotations

import duckdb

from pipelines.filing.states import ENTRY, EVENTS, INITIAL_STATE, TRANSITIONS
from pipelines.warehouse.schema import insert_rows


class ImpossibleEventError(RuntimeError):
    """A settlement would take a submission along a way the transition table does not know: our fault, rolled back."""


def prepare_events(con: duckdb.DuckDBPyConnection) -> None:
    """Write the vocabulary into `reference.submission_events`, which the public views read states from."""
    wanted = [(event.code, event.label_zh, event.to_state) for event in EVENTS.values()]
    found = con.execute("SELECT event, label_zh, to_state FROM reference.submission_events").fetchall()
    if sorted(found) != sorted(wanted):
        con.execute("TRUNCATE reference.submission_events")
        insert_rows(con, "reference.submission_events", wanted)


def record_events(con: duckdb.DuckDBPyConnection) -> None:
    """Append an event for every submission whose judgement (`ledger.standing`) differs from its state so far.

    `known_at` is knowledge time: the signature for a first judgement, the successor's for what it replaces, the run's
    moment for a judgement that changed. Needs the temp table `links` (submission_no, replaced_by) of `versions`.

    Raises:
        ImpossibleEventError: the transition table has no such step.
    """
    con.execute("CREATE OR REPLACE TEMP TABLE entry (state VARCHAR, event VARCHAR)")
    insert_rows(con, "entry", list(ENTRY.items()))
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE happened AS
        WITH judged_before AS (
            SELECT DISTINCT submission_no FROM ledger.event WHERE event NOT IN ('receive', 'set_aside', 'retry'))
        SELECT p.submission_no, coalesce(c.state, ?) AS state, coalesce(t.event, 'set_aside') AS event,
            CASE WHEN s.sys_to IS NOT NULL THEN s.sys_to WHEN s.submission_no IS NULL OR j.submission_no IS NOT NULL
                THEN (SELECT as_of FROM reference.run) ELSE p.signed_at END AS known_at,
            CASE WHEN s.sys_to IS NOT NULL THEN r.submission_id WHEN s.state = 'quarantined' THEN f.error END AS cause
        FROM ledger.parcel AS p
        LEFT JOIN ledger.current_state AS c USING (submission_no)
        LEFT JOIN ledger.standing AS s USING (submission_no)
        LEFT JOIN entry AS t ON t.state = s.state
        LEFT JOIN judged_before AS j USING (submission_no)
        LEFT JOIN links AS l USING (submission_no)
        LEFT JOIN ledger.parcel AS r ON r.submission_no = l.replaced_by
        LEFT JOIN (SELECT submission_no, any_value(error) AS error FROM ledger.failure WHERE is_open GROUP BY ALL) AS f
            USING (submission_no)
        WHERE coalesce(s.state, 'received') <> coalesce(c.state, ?)""",
        [INITIAL_STATE, INITIAL_STATE],
    )
    _refuse_impossible(con)
    con.execute(
        """
        INSERT INTO ledger.event
        SELECT nextval('ledger.event_no'), submission_no, event, known_at, cause, ruleset_version, now()::TIMESTAMP
        FROM (
            SELECT h.*, s.ruleset_version FROM happened AS h LEFT JOIN ledger.standing AS s USING (submission_no)
            ORDER BY known_at NULLS LAST, submission_no)"""
    )


def _refuse_impossible(con: duckdb.DuckDBPyConnection) -> None:
    steps = con.execute(
        "SELECT state, event, min(submission_no) FROM happened GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    wrong = [f"{event} of {state} (submission_no {number})" for state, event, number in steps
             if (state, event) not in TRANSITIONS]  # fmt: skip
    if wrong:
        raise ImpossibleEventError(
            f"the transition table of filing.states knows no {'; '.join(wrong)}. This is a defect of the program; the "
            "settlement is rolled back, filings stay in the archive."
        )
