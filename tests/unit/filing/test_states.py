"""The transition table of submissions, pair by pair: decided, deterministic, without dead ends."""

from __future__ import annotations

from itertools import product

import pytest

from pipelines.filing.states import ENTRY, EVENTS, INITIAL_STATE, STATES, TRANSITIONS

#: What each state allows, written out once more by hand; judgements may follow each other in any order.
JUDGEMENTS = {"find_malformed", "refuse", "accept_in_part", "accept", "supersede", "withdraw"}
ALLOWED = {
    "received": JUDGEMENTS | {"fail"},
    "malformed": JUDGEMENTS | {"set_aside"},
    "rejected": JUDGEMENTS | {"set_aside"},
    "partly_accepted": JUDGEMENTS | {"set_aside"},
    "accepted": JUDGEMENTS | {"set_aside"},
    "superseded": JUDGEMENTS | {"set_aside"},
    "withdrawn": JUDGEMENTS | {"set_aside"},
    "quarantined": {"retry", "set_aside"},
}


@pytest.mark.parametrize(("state", "event"), list(product(STATES, EVENTS)))
def test_every_pair_is_decided(state: str, event: str) -> None:
    """A pair leads to the event's own state, or cannot happen; an event that would change nothing never happens."""
    leads = EVENTS[event].to_state
    expected = leads if event in ALLOWED[state] and leads != state else None
    assert TRANSITIONS.get((state, event)) == expected


def test_the_table_holds_nothing_else() -> None:
    assert {state for state, _ in TRANSITIONS} <= set(STATES)
    assert {event for _, event in TRANSITIONS} | {"receive"} == set(EVENTS)
    assert set(TRANSITIONS.values()) | {INITIAL_STATE} == set(STATES)


@pytest.mark.parametrize("state", STATES)
def test_no_state_is_a_dead_end(state: str) -> None:
    """From everywhere a way leads to a filing in force, and whoever must act is told what next in both languages."""
    reached, waiting = {state}, [state]
    while waiting:
        here = waiting.pop()
        fresh = {to for (one, _), to in TRANSITIONS.items() if one == here} - reached
        reached |= fresh
        waiting.extend(fresh)
    assert {one for one in reached if STATES[one].in_force} == {"accepted", "partly_accepted"}
    told = STATES[state]
    assert told.actor in ("insurer", "analyst", "system", "nobody")
    assert all(text.strip() for text in (told.label_zh, told.sentence_zh, told.sentence_en))
    assert told.next_zh.strip()
    assert told.next_en.strip()


def test_every_judgement_has_one_event_that_leads_to_it() -> None:
    assert set(ENTRY) == set(STATES) - {INITIAL_STATE}
    assert all(EVENTS[event].to_state == state for state, event in ENTRY.items())
