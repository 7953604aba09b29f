"""Rules that hold two files against each other, through the real path: told on both or in both directions, not run
alone; and the way out of the departure gate."""

from __future__ import annotations

import pytest

from tests.support.desk import BRANCH, REPORTER, SUPERVISOR, Desk, row

OWN = {"reporter_code": REPORTER, "org_code": BRANCH}


def verdict(desk: Desk, submission: str, rule: str) -> tuple[str, str | None]:
    [found] = desk.ask(
        "SELECT verdict, reason FROM filing.verdicts WHERE submission_id = ? AND rule_code = ?",
        submission,
        rule,
    )
    return found["verdict"], found["reason"]


def told(desk: Desk, submission: str, rule: str) -> list[tuple[int | None, str | None]]:
    return [(line, column) for code, line, column in desk.findings(submission) if code == rule]


@pytest.mark.parametrize(
    ("form", "rule", "other"),
    [
        ("F04", "F04-X03", "F04S"),
        ("F04S", "F04-X03", "F04"),
        ("F06", "F06-X01", "R06"),
        ("F03", "F03-X01", "R07"),
    ],
)
def test_alone_a_file_is_held_against_nothing(desk: Desk, form: str, rule: str, other: str) -> None:
    submission = desk.file(form, [row(form, **OWN)])
    desk.run()
    assert verdict(desk, submission, rule) == ("not_run", f"{other} of 2024-03 has not been filed")
    assert told(desk, submission, rule) == []


def test_summary_and_records_are_both_told(desk: Desk) -> None:
    records = desk.file("F04", [row("F04", 1, **OWN), row("F04", 2, **OWN)])
    right = {"due_count": "2", "done_count": "2", "success_count": "2", "success_in_cooling_off": "2"}
    rest = {"in_progress": "0", "receipt_pending": "0", "problem_open": "0"}
    summary = desk.file("F04S", [row("F04S", **OWN, **rest, **right)])
    desk.run()
    assert (verdict(desk, records, "F04-X03")[0], verdict(desk, summary, "F04-X03")[0]) == ("pass", "pass")
    wrong = right | {"success_count": "1", "success_in_cooling_off": "1"}
    again = desk.file("F04S", [row("F04S", **OWN, **rest, **wrong)], sequence=2)
    desk.run()
    assert told(desk, again, "F04-X03") == [(2, "success_count"), (2, "success_in_cooling_off")]
    # The records were signed when the first summary was known, and are held to that.
    assert told(desk, records, "F04-X03") == []
    anew = desk.file("F04", [row("F04", 1, **OWN), row("F04", 2, **OWN, attempts="2")], sequence=2)
    desk.run()
    assert told(desk, anew, "F04-X03") == [(None, "cooling_off_end"), (None, "success")]


def test_premium_is_held_against_the_statistics_system(desk: Desk) -> None:
    desk.file("R06", [row("R06", org_code=BRANCH, premium="1000000.00")], reporter=SUPERVISOR,
              signed_at="2024-04-02T10:00:00")  # fmt: skip
    near = desk.file("F06", [row("F06", **OWN, premium="1005000.00")])
    desk.run()
    assert verdict(desk, near, "F06-X01")[0] == "pass"
    far = desk.file("F06", [row("F06", **OWN, premium="1005000.01")], sequence=2)
    desk.run()
    assert told(desk, far, "F06-X01") == [(None, "premium")]
    assert desk.state(far) == "accepted"


def test_cases_are_held_against_the_mediation_bodies(desk: Desk) -> None:
    cases = [row("R07", n, org_code=BRANCH) for n in range(1, 4)]
    cases[1] |= {"mediation_id": "F03-2", "end_date": "2024-03-21"}
    cases[0] |= {"mediation_id": "F03-1"}
    register = desk.file("R07", cases, reporter=SUPERVISOR, signed_at="2024-04-02T10:00:00")
    submission = desk.file("F03", [row("F03", n, **OWN) for n in (1, 2, 9)])
    desk.run()
    assert told(desk, submission, "F03-X01") == [(3, "end_date"), (4, "mediation_id"), (None, "mediation_id")]
    assert desk.findings(register) == []
    assert desk.state(register) == "accepted"


def test_a_waiver_lets_a_departure_be_processed_early(desk: Desk) -> None:
    desk.file(
        "R04",
        [row("R04", 1, org_code=REPORTER, target_form="F12", rule_code="F12-I02", target_period="2024-02")],
        reporter=SUPERVISOR,
        signed_at="2024-04-02T10:00:00",
    )
    early = {**OWN, "called": "11", "called_ok": "11"}
    submission = desk.file(
        "F12",
        [
            row("F12", 1, **early, waiver_code="R04-1"),
            row("F12", 2, **early, waiver_code="R04-2"),
            row("F12", 3, **early),
        ],
    )
    desk.run()
    # The waiver's number stands for one departure; for the others the register lets the insurer's rows in, told.
    assert told(desk, submission, "F12-I02") == [(3, "effective_date"), (4, "effective_date")]
    assert desk.state(submission) == "accepted"


def test_a_waiver_that_was_held_back_frees_nobody(desk: Desk) -> None:
    cells = {"org_code": REPORTER, "target_form": "F12", "rule_code": "F12-I02", "target_period": "2024-03"}
    granted = [row("R04", number, **cells) for number in range(1, 41)]
    register = desk.file(
        "R04",
        [*granted, row("R04", 99, **cells, reason="同意")],
        reporter=SUPERVISOR,
        signed_at="2024-04-02T10:00:00",
    )
    early = {**OWN, "called": "11", "called_ok": "11"}
    submission = desk.file(
        "F12", [row("F12", 1, **early, waiver_code="R04-1"), row("F12", 2, **early, waiver_code="R04-99")]
    )
    desk.run()
    assert desk.state(register) == "partly_accepted"
    assert told(desk, submission, "F12-I02") == [(3, "effective_date")]
