"""Who owes what by when, and how each obligation stands: every edge of the calendar and of the institution master."""

from __future__ import annotations

from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.contracts.errors import CalendarRangeError
from pipelines.contracts.periods import Period, filing_deadline
from pipelines.contracts.working_days import load_working_days
from pipelines.filing.states import (
    OBLIGATION_EVENTS,
    OBLIGATION_START,
    OBLIGATION_STATES,
    OBLIGATION_TRANSITIONS,
    UNMET,
)
from tests.unit.filing.conftest import A, B, Bureau, institution


def due(bureau: Bureau, period: str, form: str = "F01") -> date:
    [(found,)] = bureau.rows(
        "SELECT DISTINCT due_date FROM ledger.obligation WHERE form = ? AND period = ?", form, period
    )
    assert isinstance(found, date)
    return found


@pytest.mark.parametrize(
    ("period", "day"),
    [
        ("2024-01", "2024-02-18"),  # the 10th is the first day of Spring Festival; Sunday the 18th is worked
        ("2024-03", "2024-04-10"),  # an ordinary working day
        ("2024-04", "2024-05-10"),
        ("2024-07", "2024-08-12"),  # a Saturday, so Monday
        ("2024-09", "2024-10-10"),  # after the National Day holiday and its make-up Saturday
        ("2025-04", "2025-05-12"),
        ("2020-01", "2020-02-10"),
    ],
)
def test_the_deadline_is_the_tenth_or_the_next_working_day(bureau: Bureau, period: str, day: str) -> None:
    bureau.file(f"{period}-20T10:00:00", period=period, state="rejected")
    bureau.settle("2025-06-30T12:00:00")
    assert str(due(bureau, period)) == day


def test_quarterly_forms_are_due_on_the_twelfth(bureau: Bureau) -> None:
    bureau.file("2024-10-11T10:00:00", form="F11", period="2024Q3")
    bureau.settle("2025-01-20T12:00:00")
    assert str(due(bureau, "2024Q3", "F11")) == "2024-10-12"  # a Saturday that is worked
    assert str(due(bureau, "2024Q4", "F11")) == "2025-01-13"


def test_every_deadline_is_that_of_the_contracts_room(bureau: Bureau) -> None:
    bureau.file("2015-02-01T10:00:00", period="2015-01")
    bureau.settle("2026-11-25T12:00:00")
    calendar = load_working_days()
    found = bureau.rows("SELECT DISTINCT period, due_date FROM ledger.obligation")
    assert len(found) == 142
    for label, day in found:
        assert day == filing_deadline(Period.parse(label), 10, calendar.is_working_day), label


def test_a_period_is_owed_as_soon_as_it_is_over(bureau: Bureau) -> None:
    bureau.file("2024-03-05T10:00:00", period="2024-02")
    bureau.settle("2024-03-31T23:59:59")
    assert bureau.owed() == [("2024-02", A)]
    bureau.settle("2024-04-01T00:00:00")
    assert bureau.owed() == [("2024-02", A), ("2024-03", A)]
    assert bureau.status("2024-03") == "pending"


def test_it_is_missing_when_the_due_day_is_over(bureau: Bureau) -> None:
    bureau.file("2024-03-05T10:00:00", period="2024-02")
    bureau.settle("2024-04-10T23:59:59")
    assert bureau.status("2024-03") == "pending"
    bureau.settle("2024-04-11T00:00:00")
    assert bureau.status("2024-03") == "missing"


@pytest.mark.parametrize(
    ("last_day", "told"),
    [
        ("2024-04-09", r"F01 2024-03.*2024-04-10.*working_days\.csv"),
        ("2024-04-16", r"notice escalation.*2024-04-10.*working_days\.csv"),
    ],
)
def test_a_day_beyond_the_calendar_is_an_error_and_no_guess(last_day: str, told: str) -> None:
    bureau = Bureau(last_day)
    bureau.register(institution(A))
    bureau.file("2024-03-05T10:00:00", period="2024-02")
    with pytest.raises(CalendarRangeError, match=told):
        bureau.settle("2024-04-05T12:00:00")
    bureau.con.close()


def test_a_newcomer_owes_the_period_it_opens_in(bureau: Bureau) -> None:
    bureau.register(institution(A), institution(B, opened_on=date(2024, 3, 31), valid_from=date(2024, 3, 31)))
    bureau.file("2024-03-05T10:00:00", period="2024-02")
    bureau.settle("2024-04-20T12:00:00")
    assert bureau.owed() == [("2024-02", A), ("2024-03", A), ("2024-03", B)]


@pytest.mark.parametrize(
    ("closed", "heir", "owes_march"),
    [
        (date(2024, 3, 15), None, True),  # files its last days itself
        (date(2024, 3, 1), None, True),
        (date(2024, 2, 29), None, False),
        (date(2024, 4, 1), None, True),  # its last day is in April
        (date(2024, 3, 15), A, False),  # its successor files them
        (date(2024, 3, 31), A, False),
        (date(2024, 4, 1), A, True),  # open on the period's last day
    ],
)
def test_who_closes_owes_its_last_period_unless_somebody_took_over(
    bureau: Bureau, closed: date, heir: str | None, owes_march: bool
) -> None:
    bureau.register(institution(A), institution(B, closed_on=closed, successor_code=heir))
    bureau.file("2024-03-05T10:00:00", period="2024-02")
    bureau.settle("2024-05-20T12:00:00")
    assert (("2024-03", B) in bureau.owed()) is owes_march
    assert (("2024-04", B) in bureau.owed()) is (closed >= date(2024, 4, 1) and heir is None)
    assert ("2024-03", A) in bureau.owed()


def test_the_licence_of_the_periods_last_day_decides_the_forms(bureau: Bureau) -> None:
    change = date(2024, 3, 20)
    bureau.register(
        institution(A, "P", valid_to=change), institution(A, "L", valid_from=change), institution(B, "P")
    )
    bureau.file("2024-03-05T10:00:00", period="2024-02", form="F04", reporter=A, state="rejected")
    bureau.settle("2024-05-20T12:00:00")
    # F04 is owed by life, health and pension insurers.
    assert bureau.owed("F04") == [("2024-03", A), ("2024-04", A)]


def test_a_class_line_that_begins_after_the_opening_holds_from_the_opening(bureau: Bureau) -> None:
    bureau.register(institution(A, "L", opened_on=date(2015, 1, 1), valid_from=date(2024, 3, 10)))
    bureau.file("2024-03-05T10:00:00", period="2024-02", form="F04")
    bureau.settle("2024-04-20T12:00:00")
    assert bureau.owed("F04") == [("2024-02", A), ("2024-03", A)]


def test_a_branch_owes_nothing_and_the_supervisor_its_register(bureau: Bureau) -> None:
    bureau.register(institution(A), institution(B, parent_code=A))
    bureau.file("2024-03-05T10:00:00", period="2024-02")
    bureau.file("2024-03-05T10:00:00", period="2024-02", form="R01", reporter="00000000000001")
    bureau.settle("2024-03-20T12:00:00")
    assert bureau.owed() == [("2024-02", A)]
    assert bureau.owed("R01") == [("2024-02", "00000000000001")]


Story = list[tuple[str, dict[str, object]]]
STORIES: dict[str, tuple[Story, str]] = {
    "filed in time": ([("04-05", {})], "filed"),
    "filed on the due day": ([("04-10", {})], "filed"),
    "filed the day after": ([("04-11", {})], "late"),
    "refused": ([("04-05", {"state": "rejected"})], "rejected"),
    "unreadable": ([("04-05", {"state": "malformed"})], "rejected"),
    "saved, not submitted": ([("04-05", {"state": "rejected", "saved": True})], "draft"),
    "saved, then submitted": ([("04-05", {"state": "rejected", "saved": True}), ("04-08", {})], "filed"),
    "waits for us": ([("04-05", {"state": None})], "received"),
    "our own program failed": ([("04-05", {"state": "quarantined"})], "received"),
    "refused, then waits for us": (
        [("04-05", {"state": "rejected"}), ("04-12", {"state": None, "sequence": 2})],
        "received",
    ),
    "refused, then in time": ([("04-05", {"state": "rejected"}), ("04-09", {"sequence": 2})], "filed"),
    "refused, then late": ([("04-05", {"state": "rejected"}), ("04-15", {"sequence": 2})], "late"),
    "accepted, then refused": ([("04-05", {}), ("04-15", {"sequence": 2, "state": "rejected"})], "filed"),
    "accepted, then replaced late": (
        [("04-05", {}), ("04-15", {"sequence": 2, "kind": "RESUBMIT"})],
        "filed",
    ),
    "accepted in part": ([("04-05", {"state": "partly_accepted"})], "filed"),
    "withdrawn": ([("04-05", {}), ("04-08", {"sequence": 2, "kind": "WITHDRAW"})], "withdrawn"),
    "withdrawn and saved": (
        [
            ("04-05", {}),
            ("04-08", {"sequence": 2, "kind": "WITHDRAW"}),
            ("04-09", {"sequence": 3, "saved": True, "state": "rejected"}),
        ],
        "withdrawn",
    ),
    "withdrawn, the next one refused": (
        [
            ("04-05", {}),
            ("04-08", {"sequence": 2, "kind": "WITHDRAW"}),
            ("04-09", {"sequence": 3, "state": "rejected"}),
        ],
        "withdrawn",
    ),
    "refused, then saved": (
        [("04-05", {"state": "rejected"}), ("04-09", {"sequence": 2, "saved": True, "state": "rejected"})],
        "rejected",
    ),
    "withdrawn, filed again in time": (
        [("04-05", {}), ("04-08", {"sequence": 2, "kind": "WITHDRAW"}), ("04-09", {"sequence": 3})],
        "filed",
    ),
    "withdrawn, filed again late": (
        [("04-05", {}), ("04-12", {"sequence": 2, "kind": "WITHDRAW"}), ("04-15", {"sequence": 3})],
        "late",
    ),
    "filed again before the withdrawal it follows was signed": (
        [("04-05", {}), ("04-09", {"sequence": 2, "kind": "WITHDRAW"}), ("04-07", {"sequence": 3})],
        "filed",
    ),
}


@pytest.mark.parametrize("story", STORIES)
def test_the_status_follows_what_came(bureau: Bureau, story: str) -> None:
    files, expected = STORIES[story]
    for day, how in files:
        bureau.file(f"2024-{day}T10:00:00", **how)  # type: ignore[arg-type]
    bureau.settle("2024-04-20T12:00:00")
    assert bureau.status() == expected


def test_what_is_signed_after_the_runs_moment_has_not_come(bureau: Bureau) -> None:
    bureau.file("2024-04-05T10:00:00")
    bureau.file("2024-04-15T10:00:00", sequence=2, kind="WITHDRAW")
    bureau.settle("2024-04-12T12:00:00")
    assert bureau.status() == "filed"
    bureau.settle("2024-04-15T12:00:00")
    assert bureau.status() == "withdrawn"


def test_the_row_names_the_version_in_force_and_the_newest_file(bureau: Bureau) -> None:
    first = bureau.file("2024-04-05T10:00:00", period="2024-03")
    second = bureau.file("2024-04-12T10:00:00", sequence=2, kind="RESUBMIT")
    third = bureau.file("2024-04-15T10:00:00", sequence=3, state="rejected")
    bureau.settle("2024-04-20T12:00:00")
    [row] = bureau.rows(
        "SELECT submission_id, filed_at, days_late, last_submission_id FROM filing.obligations WHERE form = 'F01'"
    )
    assert row == (second, datetime(2024, 4, 5, 10), 0, third)
    assert first != second


def test_the_events_are_kept_in_order(bureau: Bureau) -> None:
    bureau.file("2024-04-08T10:00:00", saved=True, state="rejected")
    bureau.file("2024-04-15T10:00:00")
    bureau.settle("2024-04-20T12:00:00")
    assert bureau.rows(
        "SELECT event, happened_at::DATE::VARCHAR FROM filing.obligation_events WHERE form = 'F01' ORDER BY event_no"
    ) == [
        ("opened", "2024-04-01"),
        ("drafted", "2024-04-08"),
        ("due", "2024-04-11"),
        ("filed_late", "2024-04-15"),
    ]


def test_every_state_and_event_has_its_transition() -> None:
    assert set(OBLIGATION_TRANSITIONS) == {(s, e) for s in OBLIGATION_STATES for e in OBLIGATION_EVENTS}
    assert set(OBLIGATION_TRANSITIONS.values()) == set(OBLIGATION_STATES)


def test_each_state_says_who_acts_and_what_next() -> None:
    for state in OBLIGATION_STATES.values():
        for words in (state.label_zh, state.sentence_zh, state.sentence_en, state.next_zh, state.next_en):
            assert words
    assert set(UNMET) == {"pending", "draft", "rejected", "withdrawn", "missing"}


@pytest.mark.parametrize("state", OBLIGATION_STATES)
def test_no_state_is_a_dead_end(state: str) -> None:
    reached, before = {state}, set[str]()
    while reached != before:
        before = set(reached)
        reached |= {to for (start, _), to in OBLIGATION_TRANSITIONS.items() if start in before}
    assert {"filed", "late"} & reached


@given(st.lists(st.sampled_from(sorted(set(OBLIGATION_EVENTS) - {"opened"})), max_size=12))
def test_what_is_in_force_ends_by_withdrawal_and_what_is_not_is_met_by_a_filing_only(
    events: list[str],
) -> None:
    state, before = OBLIGATION_START, ""
    for event in events:
        before, state = state, OBLIGATION_TRANSITIONS[state, event]
        if OBLIGATION_STATES[before].in_force:
            assert state == ("withdrawn" if event == "withdrawn" else before)
        else:
            assert OBLIGATION_STATES[state].in_force is event.startswith("filed")
    came = set(events) & {"drafted", "received", "refused", "filed", "filed_late"}
    if not came:
        assert state == ("missing" if "due" in events else "pending")
    elif came == {"drafted"}:
        assert state == "draft"
