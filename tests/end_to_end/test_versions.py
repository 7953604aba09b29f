"""Chains of versions: numbers, corrections, withdrawals, unchanged resubmissions, our own failures, events."""

from __future__ import annotations

import datetime as dt

import pytest

from pipelines.filing.states import EVENTS, INITIAL_STATE, STATES, TRANSITIONS
from pipelines.orchestration import steps
from tests.support.desk import BRANCH, REPORTER, Desk, row

FIXED = {"reporter_code": REPORTER, "org_code": BRANCH}


def case(number: int, action: str = "I", **changes: str) -> dict[str, str]:
    return row("F05", number, **{**FIXED, "record_action": action, **changes})


def cases(*numbers: int, **changes: str) -> list[dict[str, str]]:
    return [case(number, **changes) for number in numbers]


def in_force(desk: Desk, form: str = "f05") -> dict[str, str]:
    """Problem cases in force with their sales person, who stands for their content."""
    found = desk.ask(f"SELECT problem_id, agent_code FROM filed.{form} WHERE sys_to IS NULL ORDER BY 1")
    return {line["problem_id"]: line["agent_code"] for line in found}


def events(desk: Desk, submission: str) -> list[str]:
    found = desk.ask("SELECT event FROM filing.events WHERE submission_id = ? ORDER BY event_no", submission)
    return [line["event"] for line in found]


def told(desk: Desk, submission: str, rule: str = "ENV-S06") -> str:
    [found] = desk.ask(
        "SELECT message_zh FROM filing.findings WHERE submission_id = ? AND rule_code = ?", submission, rule
    )
    return str(found["message_zh"])


def test_a_correction_stands_for_the_whole_file(desk: Desk) -> None:
    first = desk.file("F05", cases(1, 2, 3, 4, agent_code="A1"))
    delta = [case(2, "U", agent_code="A2"), case(3, "D"), case(9, "I", agent_code="A9")]
    second = desk.file("F05", delta, sequence=2, kind="CORRECTION")
    desk.run()
    assert desk.findings(second) == [("GEN-P03", None, None)]
    assert (desk.state(first), desk.state(second)) == ("superseded", "accepted")
    assert in_force(desk) == {"F05-1": "A1", "F05-2": "A2", "F05-4": "A1", "F05-9": "A9"}
    [facts] = desk.ask(
        "SELECT base_submission_id, rows_read, rows_accepted, rows_in_force FROM filing.submissions "
        "WHERE submission_id = ?", second
    )  # fmt: skip
    assert tuple(facts.values()) == (first, 3, 3, 4)
    carried = desk.ask(
        "SELECT filed_in, filed_row_no FROM filing.carried_rows WHERE submission_id = ? ORDER BY row_no",
        second,
    )
    assert [tuple(line.values()) for line in carried] == [(first, 2), (first, 5)]


def test_a_correction_of_a_correction_of_a_nil_report(desk: Desk) -> None:
    desk.file("F05", [], kind="NIL")
    desk.file("F05", cases(1, 2, agent_code="A1"), sequence=2, kind="CORRECTION")
    desk.file("F05", [case(1, "D")], sequence=3, kind="CORRECTION")
    last = desk.file("F05", [case(2, "D")], sequence=4, kind="CORRECTION")
    desk.run()
    assert desk.state(last) == "accepted"
    assert in_force(desk) == {}
    versions = desk.ask(
        "SELECT rows_in_force FROM filing.submissions WHERE form = 'F05' ORDER BY sequence_no"
    )
    assert [line["rows_in_force"] for line in versions] == [0, 2, 1, 0]


def test_a_corrections_actions_must_fit_its_base(desk: Desk) -> None:
    desk.file("F05", cases(*range(1, 61)))
    wrong = desk.file(
        "F05", [case(1, "I"), case(90, "U"), case(91, "D"), case(2, "U", agent_code="A2")],
        sequence=2, kind="CORRECTION",
    )  # fmt: skip
    desk.run()
    assert [found for found in desk.findings(wrong) if found[0] == "GEN-U01"] == [
        ("GEN-U01", 2, "problem_id"), ("GEN-U01", 3, "problem_id"), ("GEN-U01", 4, "problem_id"),
    ]  # fmt: skip


def test_a_full_file_inserts_only(desk: Desk) -> None:
    submission = desk.file("F05", [*cases(*range(1, 41)), case(50, "D")])
    desk.run()
    assert desk.findings(submission) == [("GEN-U01", 42, "problem_id")]
    assert desk.state(submission) == "partly_accepted"
    assert len(in_force(desk)) == 40


def test_a_deletion_says_no_more_than_its_key(desk: Desk) -> None:
    desk.file("F05", cases(1, 2))
    bare = dict.fromkeys(case(1), "") | {
        name: case(2)[name] for name in ("reporter_code", "problem_id", "period")
    } | {"record_action": "D"}  # fmt: skip
    second = desk.file("F05", [bare], sequence=2, kind="CORRECTION")
    desk.run()
    assert desk.state(second) == "accepted"
    assert list(in_force(desk)) == ["F05-1"]


def test_rows_held_back_stay_so_until_a_correction_puts_them_right(desk: Desk) -> None:
    rows = cases(*range(1, 41))
    rows[4]["handle_result"] = "不知"
    rows[5]["handle_result"] = "不知"
    first = desk.file("F05", rows)
    second = desk.file("F05", [case(5, "U", agent_code="A5")], sequence=2, kind="CORRECTION")
    desk.run()
    assert (desk.state(first), desk.state(second)) == ("superseded", "partly_accepted")
    assert len(in_force(desk)) == 39
    [open_] = desk.ask(
        "SELECT filed_in, row_no, cell FROM filing.findings WHERE submission_id = ? AND rule_code = 'GEN-I01'",
        second,
    )
    assert (open_["filed_in"], open_["row_no"]) == (first, 7)
    assert desk.ask(
        "SELECT rows_quarantined, rows_in_force FROM filing.submissions WHERE submission_id = ?", second
    ) == [{"rows_quarantined": 0, "rows_in_force": 39}]
    third = desk.file("F05", [case(6, "U")], sequence=3, kind="CORRECTION")
    desk.run()
    assert desk.state(third) == "accepted"
    assert len(in_force(desk)) == 40


def test_a_withdrawal_leaves_nothing_in_force_and_the_obligation_open(desk: Desk) -> None:
    first = desk.file("F05", cases(1, 2))
    withdrawal = desk.file("F05", [], sequence=2, kind="WITHDRAW", reason_code="误报")
    desk.file(
        "F03", [], period="2024-04", signed_at="2024-05-20T10:00:00"
    )  # the run's moment lies after the deadline
    desk.run()
    assert (desk.state(first), desk.state(withdrawal)) == ("withdrawn", "accepted")
    assert in_force(desk) == {}
    obligation = "SELECT status FROM filing.obligations WHERE form = 'F05' AND period = '2024-03' AND reporter_code = ?"
    assert desk.ask(obligation, REPORTER) == [{"status": "withdrawn"}]
    again = desk.file("F05", cases(1), sequence=3)
    desk.run()
    assert (desk.state(first), desk.state(withdrawal), desk.state(again)) == (
        "withdrawn",
        "superseded",
        "accepted",
    )
    assert list(in_force(desk)) == ["F05-1"]
    assert desk.ask(obligation, REPORTER)[0]["status"] in ("filed", "late")


def test_a_withdrawal_is_a_statement_and_no_empty_filing(desk: Desk) -> None:
    """No rule on rows looks at it: not the volume, not the restatement, and nobody is compared with it."""
    found = {"found_date": "2024-01-05", "due_date": "2024-01-19", "handled_date": "2024-01-18"}
    for month in (1, 2, 3, 4):
        dated = {**found, "period": f"2024-0{month}", "updated_at": f"2024-0{month}-28 09:00:00"}
        desk.file("F05", cases(*range(1, 41), **dated), period=f"2024-0{month}",
                  signed_at=f"2024-0{month + 1}-03T10:00:00")  # fmt: skip
    withdrawal = desk.file(
        "F05", [], period="2024-04", sequence=2, kind="WITHDRAW", signed_at="2024-05-06T10:00:00"
    )
    later = desk.file("F04", [row("F04", 1, **FIXED, period="2024-04", problem_id="F05-1")], period="2024-04",
                      signed_at="2024-05-07T10:00:00")  # fmt: skip
    desk.run()
    assert desk.findings(withdrawal) == []
    verdicts = desk.ask("SELECT verdict, reason FROM filing.verdicts WHERE submission_id = ? AND rule_code = 'GEN-P02'",
                        withdrawal)  # fmt: skip
    assert verdicts == [{"verdict": "not_run", "reason": "a withdrawal has no rows"}]
    assert "F04-X02" not in {code for code, _, _ in desk.findings(later)}


def test_what_is_not_in_force_can_be_neither_corrected_nor_withdrawn(desk: Desk) -> None:
    first = desk.file("F05", cases(1, 2))
    second = desk.file("F05", cases(1), sequence=2)
    late = desk.file("F05", [], sequence=3, kind="WITHDRAW", supersedes=first)
    third = desk.file("F05", [case(1, "U", agent_code="A7")], sequence=4, kind="CORRECTION", supersedes=first)
    desk.run()
    assert desk.state(second) == "accepted"
    assert "现行有效" in told(desk, late)
    assert "现行有效" in told(desk, third)
    assert (desk.state(late), desk.state(third)) == ("rejected", "rejected")


def test_after_a_refused_correction_the_next_one_names_the_version_in_force(desk: Desk) -> None:
    first = desk.file("F05", cases(1, 2, 3))
    refused = desk.file("F05", [case(1, "U", handle_result="不知")], sequence=2, kind="CORRECTION")
    good = desk.file("F05", [case(1, "U", agent_code="A7")], sequence=3, kind="CORRECTION", supersedes=first)
    desk.run()
    assert (desk.state(refused), desk.state(good), desk.state(first)) == (
        "rejected",
        "accepted",
        "superseded",
    )
    assert in_force(desk)["F05-1"] == "A7"


def test_a_resubmission_that_changes_nothing_is_refused(desk: Desk) -> None:
    first = desk.file("F05", cases(1, 2))
    same = desk.file("F05", list(reversed(cases(1, 2, updated_at="2024-04-02 08:00:00"))), sequence=2)
    corrected = desk.file("F05", [case(1, "U")], sequence=3, kind="CORRECTION", supersedes=first)
    desk.run()
    assert (desk.state(first), desk.state(same), desk.state(corrected)) == (
        "accepted",
        "rejected",
        "rejected",
    )
    assert "没有任何变更" in told(desk, same)
    assert "没有任何变更" in told(desk, corrected)


def test_a_gap_waits_for_the_missing_number(desk: Desk) -> None:
    first = desk.file("F05", cases(1, 2))
    third = desk.file("F05", cases(1), sequence=3)
    desk.run()
    assert (desk.state(first), desk.state(third)) == ("accepted", "rejected")
    assert "上一序号" in told(desk, third)
    second = desk.file("F05", cases(1, 2, 3), sequence=2)
    desk.run()
    assert [desk.state(one) for one in (first, second, third)] == ["superseded", "superseded", "accepted"]
    assert events(desk, third) == ["receive", "refuse", "accept"]


def test_of_two_files_with_one_number_the_first_signed_stands(desk: Desk) -> None:
    later = desk.file("F05", cases(3), name="b.csv", submission_id="F05-B", signed_at="2024-04-06T10:00:00")
    desk.run()
    assert desk.state(later) == "accepted"
    sooner = desk.file(
        "F05", cases(1, 2), name="a.csv", submission_id="F05-A", signed_at="2024-04-05T10:00:00"
    )
    desk.run()
    assert (desk.state(sooner), desk.state(later)) == ("accepted", "rejected")
    assert events(desk, later) == ["receive", "accept", "refuse"]


def test_a_draft_never_stands_in_the_way_of_the_filing(desk: Desk) -> None:
    draft = desk.file("F05", cases(1), name="draft.csv", submission_id="F05-DRAFT", state="SAVED")
    filing = desk.file("F05", cases(1, 2), signed_at="2024-04-06T10:00:00")
    desk.run()
    assert (desk.state(draft), desk.state(filing)) == ("rejected", "accepted")
    assert desk.findings(draft) == [("ENV-S09", None, None)]


def test_the_same_bytes_again_are_one_submission_counted(desk: Desk) -> None:
    first = desk.file("F05", cases(1, 2), name="one.csv")
    desk.file("F05", cases(1, 2), name="two.csv")
    desk.run()
    desk.run()
    found = desk.ask("SELECT submission_id, times_received FROM filing.submissions WHERE form = 'F05'")
    assert [tuple(line.values()) for line in found] == [(first, 2)]
    assert events(desk, first) == ["receive", "accept"]


def test_versions_signed_out_of_order_never_overlap(desk: Desk) -> None:
    signatures = ("2024-04-05T10:00:00", "2024-04-09T10:00:00", "2024-04-07T10:00:00")
    for number, signed_at in enumerate(signatures, start=1):
        desk.file("F05", cases(*range(1, number + 1)), sequence=number, signed_at=signed_at)
    desk.run()
    spans = desk.ask(
        "SELECT sys_from, sys_to FROM filing.submissions WHERE form = 'F05' ORDER BY sequence_no"
    )
    assert [(str(span["sys_from"])[8:10], str(span["sys_to"])[8:10]) for span in spans[:2]] == [
        ("05", "09"), ("09", "09"),
    ]  # fmt: skip
    assert (str(spans[2]["sys_from"])[8:10], spans[2]["sys_to"]) == ("09", None)


def test_every_control_total_is_answered_with_ours(desk: Desk) -> None:
    rows = [row("F06", **FIXED, premium="100.10", premium_ytd="100.10")]
    submission = desk.file("F06", rows, control_totals={"premium": "100.10"})
    desk.run()
    found = desk.ask(
        "SELECT column_name, declared, ours, agrees FROM filing.control_totals WHERE submission_id = ? ORDER BY 1",
        submission,
    )
    assert ("premium", "100.10", "100.1", True) in [tuple(line.values()) for line in found]
    assert all(line["ours"] is not None for line in found)
    assert len(found) > 1


def test_nil_reports_in_a_row_are_counted(desk: Desk) -> None:
    for month in (1, 2, 3):
        desk.file("F03", [], period=f"2024-0{month}", signed_at=f"2024-0{month + 1}-05T10:00:00")
    desk.run()
    streaks = desk.ask("SELECT nil_streak FROM filing.submissions WHERE form = 'F03' ORDER BY period")
    assert [line["nil_streak"] for line in streaks] == [1, 2, 3]


def test_a_period_not_filed_ends_a_run_of_nil_reports(desk: Desk) -> None:
    for month in (1, 3, 4):
        desk.file("F03", [], period=f"2024-0{month}", signed_at=f"2024-0{month + 1}-05T10:00:00")
    desk.file("F11", [], period="2024Q1", signed_at="2024-04-05T10:00:00")
    desk.file("F11", [], period="2024Q2", signed_at="2024-07-05T10:00:00")
    desk.run()
    streaks = desk.ask(
        "SELECT form, nil_streak FROM filing.submissions WHERE kind = 'NIL' ORDER BY form, period"
    )
    assert [line["nil_streak"] for line in streaks] == [1, 1, 2, 1, 2]


def test_our_own_failure_says_so_and_delays_nobody(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader is broken for one file, as an unforeseen defect of ours would be; then it is repaired."""
    from pipelines.validation import read_ahead

    read = read_ahead.read_parcel

    def broken(form: object, data: bytes, **facts: object) -> object:
        if b"F05-13" in data:
            raise ZeroDivisionError("defect")
        return read(form, data, **facts)  # type: ignore[arg-type]

    unlucky = desk.file("F05", cases(13))
    lucky = desk.file("F05", cases(14, period="2024-02", updated_at="2024-03-01 09:00:00"), period="2024-02")
    monkeypatch.setattr(read_ahead, "read_parcel", broken)
    desk.run()
    assert (desk.state(unlucky), desk.state(lucky)) == ("quarantined", "accepted")
    assert desk.findings(unlucky) == []
    assert STATES["quarantined"].actor == "analyst"
    desk.run()
    assert events(desk, unlucky) == ["receive", "fail"]
    monkeypatch.setattr(read_ahead, "read_parcel", read)
    desk.run()
    assert desk.state(unlucky) == "quarantined"  # the same program is not tried again by itself
    assert steps.retry(desk.settings, [unlucky]) == 1
    desk.run()
    assert desk.state(unlucky) == "accepted"
    assert events(desk, unlucky) == ["receive", "fail", "retry", "accept"]


def test_an_earlier_moment_sets_aside_and_the_log_keeps_everything(desk: Desk) -> None:
    first = desk.file("F05", cases(1, 2, 3))
    second = desk.file("F05", cases(1, 2), sequence=2)
    desk.run()
    steps.settle(desk.settings.model_copy(update={"as_of": dt.datetime(2024, 4, 5, 12)}))
    assert (desk.state(first), desk.state(second)) == ("accepted", "received")
    steps.settle(desk.settings)
    assert (desk.state(first), desk.state(second)) == ("superseded", "accepted")
    assert events(desk, second) == ["receive", "accept", "set_aside", "accept"]


@pytest.mark.parametrize("state", STATES)
def test_every_pair_of_state_and_event_is_decided(state: str) -> None:
    """No pair leads to a state other than the event's own, every state can be left or asks nobody to act."""
    leads = {event: TRANSITIONS.get((state, event)) for event in EVENTS}
    assert all(to in (None, EVENTS[event].to_state) for event, to in leads.items())
    assert any(leads.values())
    assert STATES[state].next_zh
    assert STATES[state].next_en


def test_every_state_can_be_reached_and_accepted_from_everywhere() -> None:
    def reach(start: str) -> set[str]:
        found, waiting = {start}, [start]
        while waiting:
            here = waiting.pop()
            fresh = {to for (state, _), to in TRANSITIONS.items() if state == here} - found
            found |= fresh
            waiting.extend(fresh)
        return found

    assert reach(INITIAL_STATE) == set(STATES)
    assert all("accepted" in reach(state) for state in STATES)


LATER = {"found_date": "2024-03-05", "due_date": "2024-03-19"}


def test_what_was_accepted_keeps_its_immutable_columns(desk: Desk) -> None:
    desk.file("F05", cases(1, 2))
    second = desk.file("F05", [case(1, **LATER), case(2)], sequence=2)
    desk.run()
    assert ("GEN-P01", 2, "found_date") in desk.findings(second)


def test_a_mistake_in_a_refused_file_can_be_corrected(desk: Desk) -> None:
    first = desk.file("F05", [case(1), case(2, due_date="2024-03-11")])
    second = desk.file("F05", [case(1, **LATER), case(2)], sequence=2)
    desk.run()
    assert (desk.state(first), desk.state(second)) == ("rejected", "accepted")
    assert desk.findings(second) == []


def test_a_mistake_in_a_row_that_was_held_back_can_be_corrected(desk: Desk) -> None:
    wrong = case(1, **LATER | {"due_date": "2024-03-11"})
    first = desk.file("F05", [wrong, *cases(*range(2, 40))])
    second = desk.file("F05", cases(*range(1, 40)), sequence=2)
    desk.run()
    assert (desk.state(first), desk.state(second)) == ("superseded", "accepted")
    assert [code for code, _, _ in desk.findings(second)] == ["GEN-P03"]
