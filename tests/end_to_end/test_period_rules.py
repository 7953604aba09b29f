"""Rules over periods and forms through the real path: what fires, against which version, and what is not run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from tests.support.desk import BRANCH, REPORTER, Desk, row

FIXED = {"reporter_code": REPORTER, "org_code": BRANCH}
SIGNED = {
    "2023-12": "2024-01-05",
    "2024-01": "2024-02-05",
    "2024-02": "2024-03-05",
    "2024-03": "2024-04-05",
    "2024-04": "2024-05-06",
    "2023Q4": "2024-01-08",
    "2024Q1": "2024-04-08",
}
Row = Mapping[str, str]


def line(form: str, number: int, period: str = "2024-03", **changes: str) -> dict[str, str]:
    """A valid row that could have been filed for the period."""
    return row(
        form, number, **{**FIXED, "period": period, "updated_at": f"{SIGNED[period]} 08:00:00", **changes}
    )


def file(desk: Desk, form: str, period: str, rows: Sequence[Row], **envelope: object) -> str:
    signed = {"signed_at": f"{SIGNED[period]}T10:00:00", **envelope}
    return desk.file(form, rows, period=period, **signed)  # type: ignore[arg-type]


def told(desk: Desk, submission: str, rule: str) -> list[tuple[int | None, str | None]]:
    return [(row_no, column) for code, row_no, column in desk.findings(submission) if code == rule]


def verdict(desk: Desk, submission: str, rule: str) -> tuple[str, str | None]:
    [found] = desk.ask(
        "SELECT verdict, reason FROM filing.verdicts WHERE submission_id = ? AND rule_code = ?",
        submission,
        rule,
    )
    return found["verdict"], found["reason"]


OPEN = {"status": "处理中", "decision_date": "", "notify_date": "", "outcome": "", "complexity": "复杂",
        "received_at": "2024-02-20 10:00:00", "due_date": "2024-03-21"}  # fmt: skip
CLOSED = OPEN | {
    "status": "已办结",
    "decision_date": "2024-02-26",
    "notify_date": "2024-02-26",
    "outcome": "不支持",
}
WAITS = {"callback_type": "保全", "first_attempt_at": "", "method": "", "completed_at": "", "success": "N",
         "recording_ref": "", "issue_date": "2024-02-01", "delivery_date": "", "cooling_off_end": "",
         "q1_is_holder": "", "q2_bought_signed": "", "q3_read_docs": "", "q4_liability": "",
         "q5_surrender_loss": "", "q6_cooling_off": "", "q7_pay_term": ""}  # fmt: skip
CASE = {"found_date": "2024-02-20", "due_date": "2024-03-05", "handled_date": "", "handle_result": "处理中"}
LATER = {"apply_date": "2024-02-01", "org_notified_date": "2024-02-02", "end_date": "2024-02-10",
         "agreement_date": "2024-02-10", "fulfil_date": ""}  # fmt: skip

# rule, form, period before, rows before, rows of the period, where it is told
Case = tuple[str, str, Sequence[Row], Sequence[Row], list[tuple[int | None, str | None]]]
MONTHS: list[Case] = [
    ("F01-P01", "F01", [OPEN, OPEN], [OPEN, OPEN], []),
    ("F01-P01", "F01", [OPEN, OPEN], [OPEN], [(None, "complaint_id")]),
    ("F01-P01", "F01", [CLOSED], [{}, {}, OPEN], [(4, "complaint_id")]),
    ("F01-P02", "F01", [CLOSED, OPEN], [{}, OPEN], []),
    ("F01-P02", "F01", [CLOSED], [OPEN], [(2, "status")]),
    ("F02-P01", "F02", [{}], [], []),
    ("F02-P01", "F02", [], [], [(None, None)]),
    ("F03-P01", "F03", [LATER | {"fulfil_status": "未到期"}], [LATER | {"fulfil_status": "不履行"}], []),
    ("F03-P01", "F03", [LATER | {"fulfil_status": "不履行"}], [LATER | {"fulfil_status": "未到期"}],
     [(2, "fulfil_status")]),
    ("F04-P01", "F04", [WAITS], [WAITS], []),
    ("F04-P01", "F04", [WAITS], [], [(None, "callback_id")]),
    ("F05-P01", "F05", [CASE], [CASE], []),
    ("F05-P01", "F05", [CASE], [], [(None, "problem_id")]),
    ("F05-P01", "F05", [CASE | {"handled_date": "2024-02-21", "handle_result": "成功"}], [CASE], [(2, "problem_id")]),
    ("F06-P01", "F06", [{"premium_ytd": "100.00"}], [{"premium": "1.00", "premium_ytd": "101.01"}], []),
    ("F06-P01", "F06", [{"premium_ytd": "100.00"}], [{"premium": "1.00", "premium_ytd": "101.02"}],
     [(2, "premium_ytd")]),
    ("F06-P02", "F06", [{"policies_in_force": "100"}], [{"policies_in_force": "130"}], []),
    ("F06-P02", "F06", [{"policies_in_force": "100"}], [{"policies_in_force": "131"}], [(2, "policies_in_force")]),
]  # fmt: skip


@pytest.mark.parametrize("case", MONTHS, ids=[f"{case[0]} {number}" for number, case in enumerate(MONTHS)])
def test_a_rule_over_two_months(desk: Desk, case: Case) -> None:
    rule, form, before, now, expected = case
    first = file(desk, form, "2024-02", [line(form, n, "2024-02", **cells) for n, cells in enumerate(before)])
    second = file(desk, form, "2024-03", [line(form, n, **cells) for n, cells in enumerate(now)])
    if form == "F02":
        file(desk, "F01", "2024-03", [line("F01", 1)])
    if form == "F04":
        file(desk, "F05", "2024-03", [])
    desk.run()
    assert told(desk, first, rule) == []
    assert verdict(desk, first, rule)[0] == "not_run"
    assert told(desk, second, rule) == expected
    assert verdict(desk, second, rule) == ("fail" if expected else "pass", None)


def test_a_fact_of_the_quarter_before_turned_n(desk: Desk) -> None:
    first = {"as_of_date": "2023-12-31", "cp_committee": "Y", "party_branch": "Y"}
    file(desk, "F11", "2023Q4", [line("F11", 1, "2023Q4", **first)])
    now = {"as_of_date": "2024-03-31", "cp_committee": "N", "party_branch": "Y"}
    submission = file(desk, "F11", "2024Q1", [line("F11", 1, "2024Q1", **now)])
    desk.run()
    assert told(desk, submission, "F11-P01") == [(2, "cp_committee")]
    [found] = desk.ask(
        "SELECT value, expected, header, message_zh FROM filing.findings WHERE rule_code = 'F11-P01'"
    )
    assert (found["value"], found["expected"], found["header"]) == ("N", "2023Q4: Y", "是否设消委会")
    assert found["message_zh"] == "「是否设消委会」由 Y（2023Q4: Y）变为 N"
    assert desk.state(submission) == "accepted"


MEDIATED = {"complexity": "复杂", "due_date": "2024-04-03", "outcome": "转调解"}


def test_rules_across_forms_of_one_month(desk: Desk) -> None:
    decided = {"complexity": "复杂", "due_date": "2024-04-03", "outcome": "不支持"}
    complaints = file(
        desk,
        "F01",
        "2024-03",
        [
            line("F01", 1, **MEDIATED, mediation_id="TJ-1"),
            line("F01", 2, **MEDIATED, mediation_id="TJ-2"),
            line("F01", 3, **decided),
            line("F01", 4, **decided),
            line("F01", 5, line_code="年金"),
        ],
    )
    mediations = file(desk, "F03", "2024-03", [line("F03", 1, mediation_id="TJ-1", complaint_id="F01-3")])
    file(desk, "F06", "2024-03", [line("F06", 1)])
    desk.run()
    assert told(desk, complaints, "F01-X04") == [(3, "mediation_id")]
    assert told(desk, complaints, "F01-X06") == [(None, "line_code")]
    assert told(desk, mediations, "F03-X02") == [(None, "complaint_id")]
    values = {
        found["rule_code"]: found["value"]
        for found in desk.ask("SELECT rule_code, value FROM filing.findings WHERE rule_code LIKE '%-X0%'")
    }
    assert values["F01-X06"] == f"{BRANCH}/年金 (1)"
    assert values["F03-X02"] == "F01-4"


def test_rules_across_forms_are_not_run_without_the_other_form(desk: Desk) -> None:
    complaints = file(desk, "F01", "2024-03", [line("F01", 1, **MEDIATED)])
    mediations = file(desk, "F03", "2024-04", [])
    desk.run()
    assert verdict(desk, complaints, "F01-X04") == ("not_run", "F03 of 2024-03 has not been filed")
    assert verdict(desk, complaints, "F01-X06") == ("not_run", "F06 of 2024-03 has not been filed")
    assert verdict(desk, mediations, "F03-X02") == ("not_run", "F01 of 2024-04 has not been filed")


def volume(period: str, total: str, **cells: str) -> dict[str, str]:
    return line(
        "F06", 1, period, **{"premium": "10.00", "premium_ytd": total, "policies_in_force": "100", **cells}
    )


def test_without_the_period_before_a_rule_is_not_run_and_says_why(desk: Desk) -> None:
    file(desk, "F06", "2024-01", [volume("2024-01", "10.00")])
    broken = file(desk, "F06", "2024-02", [volume("2024-02", "20.00")], row_count=7)
    submission = file(desk, "F06", "2024-03", [volume("2024-03", "999.00")])
    desk.run()
    assert desk.state(broken) == "rejected"
    assert told(desk, submission, "F06-P01") == []
    assert verdict(desk, submission, "F06-P01") == (
        "not_run",
        "F06 of the period that ended on 2024-02-29 has not been filed",
    )


def test_the_version_known_at_the_signature_is_the_measure(desk: Desk) -> None:
    """A later correction of the period before does not change what this filing was compared with."""
    file(desk, "F06", "2024-02", [volume("2024-02", "20.00")])
    file(desk, "F06", "2024-02", [volume("2024-02", "25.00")], sequence=2, signed_at="2024-03-20T10:00:00")
    file(desk, "F06", "2024-02", [volume("2024-02", "90.00")], sequence=3, signed_at="2024-04-20T10:00:00")
    fits = file(desk, "F06", "2024-03", [volume("2024-03", "35.00")])
    desk.run()
    assert told(desk, fits, "F06-P01") == []
    assert verdict(desk, fits, "F06-P01") == ("pass", None)


def test_of_periods_filed_after_the_first_version_is_the_measure(desk: Desk) -> None:
    submission = file(desk, "F06", "2024-03", [volume("2024-03", "35.00")])
    desk.run()
    assert verdict(desk, submission, "F06-P01")[0] == "not_run"
    file(desk, "F06", "2024-02", [volume("2024-02", "20.00")], signed_at="2024-04-20T10:00:00")
    file(desk, "F06", "2024-02", [volume("2024-02", "25.00")], sequence=2, signed_at="2024-04-21T10:00:00")
    desk.run()
    assert told(desk, submission, "F06-P01") == [(2, "premium_ytd")]
    [found] = desk.ask("SELECT value, expected, fix_zh FROM filing.findings WHERE rule_code = 'F06-P01'")
    assert (found["value"], found["expected"]) == ("35.00", "30.00")
    assert "改为 30.00" in found["fix_zh"]


def test_one_mistake_makes_one_finding(desk: Desk) -> None:
    """A row that a period rule itself holds back is no measure for the period after, a sound one after it is."""
    totals = {"2024-01": "10.00", "2024-02": "70.00", "2024-03": "30.00", "2024-04": "99.00"}
    found = [file(desk, "F06", period, [volume(period, total)]) for period, total in totals.items()]
    desk.run()
    wrong = [(2, "premium_ytd")]
    assert [told(desk, submission, "F06-P01") for submission in found] == [[], wrong, [], wrong]
    assert verdict(desk, found[2], "F06-P01") == ("pass", None)


def test_a_row_its_own_cells_hold_back_is_no_measure(desk: Desk) -> None:
    handled = CASE | {"handled_date": "2024-02-21", "handle_result": "成功"}
    many = [line("F05", n, "2024-02", **handled) for n in range(50, 90)]
    before = file(desk, "F05", "2024-02", [*many, line("F05", 1, "2024-02", **CASE, problem_type="不知")])
    now = file(desk, "F05", "2024-03", [])
    desk.run()
    assert desk.state(before) == "partly_accepted"
    assert told(desk, now, "F05-P01") == []


@pytest.mark.parametrize("at_once", [True, False])
def test_the_order_of_arrival_does_not_matter(desk: Desk, at_once: bool) -> None:
    """Periods that arrive backwards, one a run, end with the same findings as all at once."""
    totals = {"2024-03": "30.00", "2024-02": "70.00", "2024-01": "10.00"}
    found = {}
    for period, total in totals.items():
        found[period] = file(desk, "F06", period, [volume(period, total)])
        if not at_once:
            desk.run()
    desk.run()
    assert {period: told(desk, submission, "F06-P01") for period, submission in found.items()} == {
        "2024-01": [],
        "2024-02": [(2, "premium_ytd")],
        "2024-03": [],
    }


def test_a_withdrawn_period_is_no_measure(desk: Desk) -> None:
    file(desk, "F06", "2024-02", [volume("2024-02", "20.00")])
    file(desk, "F06", "2024-02", [], sequence=2, kind="WITHDRAW", signed_at="2024-03-20T10:00:00")
    submission = file(desk, "F06", "2024-03", [volume("2024-03", "999.00")])
    desk.run()
    assert told(desk, submission, "F06-P01") == []
    assert verdict(desk, submission, "F06-P01")[0] == "not_run"


def test_a_withdrawal_is_held_to_no_rule_over_rows(desk: Desk) -> None:
    file(desk, "F05", "2024-02", [line("F05", 1, "2024-02", **CASE)])
    file(desk, "F05", "2024-03", [line("F05", 1, **CASE)])
    gone = file(desk, "F05", "2024-03", [], sequence=2, kind="WITHDRAW", signed_at="2024-04-06T10:00:00")
    desk.run()
    assert desk.findings(gone) == []
    assert verdict(desk, gone, "F05-P01") == ("not_run", "a withdrawal has no rows")
    assert desk.state(gone) == "accepted"


def test_a_correction_is_compared_as_the_whole_file_it_stands_for(desk: Desk) -> None:
    file(desk, "F05", "2024-02", [line("F05", n, "2024-02", **CASE) for n in (1, 2)])
    handled = line("F05", 2, "2024-02", **CASE, record_action="U") | {
        "handled_date": "2024-02-28",
        "handle_result": "成功",
    }
    corrected = {"sequence": 2, "kind": "CORRECTION", "signed_at": "2024-03-06T10:00:00"}
    file(desk, "F05", "2024-02", [handled], **corrected)
    right = file(desk, "F05", "2024-03", [line("F05", 1, **CASE)])
    deleted = line("F05", 1, **CASE, record_action="D")
    added = line("F05", 3)
    wrong = file(
        desk,
        "F05",
        "2024-03",
        [deleted, added],
        sequence=2,
        kind="CORRECTION",
        signed_at="2024-04-06T10:00:00",
    )
    desk.run()
    assert told(desk, right, "F05-P01") == []
    assert told(desk, wrong, "F05-P01") == [(None, "problem_id")]


def test_a_validity_changed_after_its_month_was_published(desk: Desk) -> None:
    """F01-P03 (W): not run before anything is published; afterwards the change is told, and accepted."""
    first = file(desk, "F01", "2024-02", [line("F01", n, "2024-02", **CLOSED) for n in range(2)])
    desk.run()
    assert verdict(desk, first, "F01-P03") == ("not_run", "nothing had been published before it was signed")
    desk.ask("INSERT INTO published.releases VALUES (1, '2024-03-20 10:00:00') RETURNING release_no")
    desk.ask(
        "INSERT INTO published.kpi_values (release_no, period_type, period) VALUES (1, 'month', '2024-02') "
        "RETURNING release_no"
    )
    kept, changed = (line("F01", n, "2024-02", **CLOSED) for n in range(2))
    again = file(
        desk,
        "F01",
        "2024-02",
        [kept, changed | {"validity": "无效"}],
        sequence=2,
        signed_at="2024-03-21T10:00:00",
    )
    desk.run()
    assert told(desk, again, "F01-P03") == [(3, "validity")]
    [found] = desk.ask("SELECT value, expected FROM filing.findings WHERE rule_code = 'F01-P03'")
    assert tuple(found.values()) == ("无效", "v1: 有效")
    assert desk.state(again) == "accepted"
