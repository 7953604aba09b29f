"""Waivers, explanations and appeals as filings: what they change in the judgement of others, and for how long."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pipelines.intake.persons import person_key
from pipelines.settings import Settings
from tests.support.desk import BRANCH, OTHER, REPORTER, SUPERVISOR, Desk, row

FIXED = {"reporter_code": REPORTER, "org_code": BRANCH}
LATE = {"due_date": "2024-03-20"}  # breaks F01-I04 alone
SOUND = 30


def complaints(period: str, *changed: dict[str, str]) -> list[dict[str, str]]:
    """Thirty sound rows and some that are changed; one of them is within the five per cent."""
    changes = [{} for _ in range(SOUND)] + list(changed)
    return [
        row("F01", n, period=period, policy_hash=f"{n:064x}", **FIXED) | change
        for n, change in enumerate(changes)
    ]


def waiver(number: int = 1, **changes: str) -> dict[str, str]:
    return row("R04", number, org_code=REPORTER, reporter_code=SUPERVISOR) | changes


def register(desk: Desk, form: str, rows: list[dict[str, str]], **more: Any) -> str:
    return desk.file(form, rows, reporter=SUPERVISOR, **more)


def standing(desk: Desk, submission: str) -> dict[str, Any]:
    [found] = desk.ask("SELECT * FROM filing.submissions WHERE submission_id = ?", submission)
    return found


def test_a_waived_finding_holds_nothing_back_and_is_still_told_and_counted(desk: Desk) -> None:
    submission = desk.file("F01", complaints("2024-03", LATE))
    desk.run()
    before = standing(desk, submission)
    assert (before["state"], before["rows_quarantined"], before["waived_count"]) == ("partly_accepted", 1, 0)

    register(desk, "R04", [waiver()], signed_at="2024-04-06T10:00:00")
    desk.run()
    after = standing(desk, submission)
    assert (after["state"], after["rows_accepted"], after["rows_quarantined"]) == ("accepted", SOUND + 1, 0)
    assert (after["error_count"], after["waived_count"], after["first_pass"]) == (1, 1, False)
    [finding] = desk.ask(
        "SELECT rule_code, row_no, waived_by FROM filing.findings WHERE submission_id = ?", submission
    )
    assert finding == {"rule_code": "F01-I04", "row_no": SOUND + 2, "waived_by": "R04-1"}
    [excuse] = desk.ask("SELECT * FROM filing.excuses")
    assert excuse["reason"] == row("R04")["reason"]
    assert str(excuse["granted_at"]) == "2024-04-01 00:00:00"
    assert excuse["granted_by"] == (person_key("处长05") or "")[:8]
    assert excuse["last_period"] == "2024-05"


def test_a_waiver_expires_after_three_periods_and_is_for_one_insurer(desk: Desk) -> None:
    """First period and two more; another insurer, form or rule is not meant."""
    register(desk, "R04", [waiver()], signed_at="2024-04-02T10:00:00")
    states = {}
    for month, signed in (
        (2, "2024-04-07"),
        (3, "2024-04-08"),
        (4, "2024-05-08"),
        (5, "2024-06-07"),
        (6, "2024-07-08"),
    ):
        period = f"2024-{month:02d}"
        states[period] = desk.file(
            "F01", complaints(period, LATE), period=period, signed_at=f"{signed}T10:00:00"
        )
    others = [line | {"reporter_code": OTHER, "org_code": OTHER, "insurer_class": "P", "line_code": "机动车辆",
                      "product_type": ""} for line in complaints("2024-03", LATE)]  # fmt: skip
    other = desk.file("F01", others, reporter=OTHER)
    desk.run()
    assert {period: desk.state(submission) for period, submission in states.items()} == {
        "2024-02": "partly_accepted",
        "2024-03": "accepted",
        "2024-04": "accepted",
        "2024-05": "accepted",
        "2024-06": "partly_accepted",
    }
    assert desk.state(other) == "partly_accepted"


def test_a_waiver_that_is_taken_back_waives_no_more(desk: Desk) -> None:
    submission = desk.file("F01", complaints("2024-03", LATE))
    first = register(desk, "R04", [waiver(), waiver(2, rule_code="F01-I05")])
    desk.run()
    assert desk.state(submission) == "accepted"
    register(desk, "R04", [waiver(record_action="D")], sequence=2, kind="CORRECTION", supersedes=first)
    desk.run()
    assert desk.state(submission) == "partly_accepted"
    assert [
        line["waiver_id"] for line in desk.ask("SELECT waiver_id FROM filed.r04 WHERE sys_to IS NULL")
    ] == ["R04-2"]


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"rule_code": "GEN-I04"}, "R04-I04"),
        ({"rule_code": "ENV-S02"}, "R04-I04"),
        ({"rule_code": "F01-I09"}, "R04-I04"),
        ({"target_form": "R01"}, "R04-I03"),
        ({"target_period": "2024Q1"}, "R04-I05"),
        ({"org_code": BRANCH}, "R04-X01"),
        ({"approved_by": "填报 01"}, "R04-I01"),
        ({"requested_by": "处长05"}, "R04-I01"),
        ({"reason": "同意"}, "R04-I02"),
        ({"approved_on": "2024-04-07"}, "GEN-I02"),
    ],
)
def test_a_waiver_that_its_contract_refuses_waives_nothing(
    desk: Desk, changes: dict[str, str], rule: str
) -> None:
    register(desk, "R04", [waiver() | changes], signed_at="2024-04-06T10:00:00")
    desk.run()
    found = desk.ask("SELECT rule_code, row_no, value FROM filing.findings WHERE form = 'R04'")
    assert {(line["rule_code"], line["row_no"]) for line in found} >= {(rule, 2)}
    assert desk.ask("FROM filed.r04") == []
    assert not [line for line in found if "处长" in str(line["value"]) or "填报" in str(line["value"])]


def test_an_explanation_answers_warnings_for_three_periods(desk: Desk) -> None:
    warned = {"matter_count": "１"}  # GEN-I05
    march = desk.file("F01", complaints("2024-03", warned))
    june = desk.file("F01", complaints("2024-06", warned), period="2024-06", signed_at="2024-07-08T10:00:00")
    desk.run()
    assert [standing(desk, s)["unexplained_count"] for s in (march, june)] == [1, 1]
    explained = row("F14", 1, **FIXED, rule_code="GEN-I05")
    unsound = row("F14", 2, **FIXED, rule_code="F01-I04")
    submission = desk.file("F14", [explained, unsound], signed_at="2024-04-09T10:00:00")
    desk.run()
    assert desk.state(submission) == "partly_accepted"  # each explanation stands for itself
    assert [standing(desk, s)["unexplained_count"] for s in (march, june)] == [0, 1]
    assert [standing(desk, s)["warning_count"] for s in (march, june)] == [1, 1]
    [finding] = desk.ask("SELECT explained_by FROM filing.findings WHERE submission_id = ?", march)
    assert finding["explained_by"] == "F14-1"
    [excuse] = desk.ask("SELECT * FROM filing.excuses")
    assert (excuse["kind"], excuse["granted_by"]) == ("explanation", None)


CONTESTED = {
    "source_channel": "REG_12378",
    "reg_ref_no": "ZB-1",
    "reg_forward_date": "2024-03-05",
    "validity": "不纳入",
    "exclusion_code": "01",
}


def appeal(**changes: str) -> dict[str, str]:
    return row("R02", 1, org_code=REPORTER, reporter_code=SUPERVISOR, reg_ref_no="ZB-1") | changes


@pytest.fixture
def forwarded(desk: Desk) -> Desk:
    """The regulator forwarded ZB-1 and holds it valid."""
    register(
        desk,
        "R01",
        [row("R01", 1, org_code=BRANCH, reg_ref_no="ZB-1", reg_validity="有效")],
        signed_at="2024-04-01T10:00:00",
    )
    return desk


def test_without_a_register_of_appeals_nothing_is_said(forwarded: Desk) -> None:
    submission = forwarded.file("F01", complaints("2024-03", CONTESTED))
    forwarded.run()
    [verdict] = forwarded.ask("SELECT * FROM filing.verdicts WHERE rule_code = 'F01-X02'")
    assert (verdict["verdict"], verdict["reason"]) == ("not_run", "R02 of 2024-03 has not been filed")
    assert forwarded.state(submission) == "accepted"


def test_an_appeal_carries_another_view_until_it_is_refused(forwarded: Desk) -> None:
    finding = ("F01-X02", SOUND + 2, "validity")
    desk = forwarded
    nil = register(desk, "R02", [], signed_at="2024-04-01T11:00:00")
    submissions = [desk.file("F01", complaints("2024-03", CONTESTED), signed_at="2024-04-08T10:00:00")]
    desk.run()
    assert finding in desk.findings(submissions[0])
    assert desk.state(submissions[0]) == "partly_accepted"

    # the appeal was filed in April and reaches us after the filing it bears on
    april = register(
        desk,
        "R02",
        [appeal(period="2024-04", filed_on="2024-04-03")],
        period="2024-04",
        signed_at="2024-04-03T10:00:00",
    )
    desk.run()
    assert desk.state(submissions[0]) == "accepted"
    [told] = desk.ask("SELECT verdict FROM filing.verdicts WHERE rule_code = 'F01-X02'")
    assert told["verdict"] == "pass"

    refused = appeal(period="2024-04", filed_on="2024-04-03", decision="驳回", decided_on="2024-04-15",
                     reviewer="处长05", record_action="U")  # fmt: skip
    register(
        desk,
        "R02",
        [refused],
        period="2024-04",
        sequence=2,
        kind="CORRECTION",
        supersedes=april,
        signed_at="2024-04-15T10:00:00",
    )
    changed = complaints("2024-03", CONTESTED)
    changed[0] |= {"agent_code": "A1"}
    submissions.append(desk.file("F01", changed, sequence=2, signed_at="2024-04-16T10:00:00"))
    desk.run()
    assert finding not in desk.findings(submissions[0])  # it was open when that was signed
    assert finding in desk.findings(submissions[1])

    granted = refused | {"decision": "同意", "decided_on": "2024-04-17"}
    register(
        desk,
        "R02",
        [granted],
        period="2024-04",
        sequence=3,
        kind="CORRECTION",
        supersedes="R02-2024-04-00000000000001-002",
        signed_at="2024-04-17T10:00:00",
    )
    changed[0] |= {"agent_code": "A2"}
    submissions.append(desk.file("F01", changed, sequence=3, signed_at="2024-04-18T10:00:00"))
    desk.run()
    assert finding not in desk.findings(submissions[2])
    assert [desk.state(s) for s in (nil, *submissions)] == [
        "accepted",
        "superseded",
        "superseded",
        "accepted",
    ]


OUTCOME = {
    "filing.submissions": "submission_id, state, rows_accepted, error_count, waived_count, unexplained_count, sys_to",
    "filing.findings": "submission_id, rule_code, row_no, value, waived_by",
    "filing.verdicts": "submission_id, rule_code, verdict, reason",
    "filing.excuses": "submission_id, rule_code, excuse_id",
}


@pytest.mark.slow
@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4, 5, 6), (6, 5, 4, 3, 2, 1, 0), (2, 4, 6, 0, 3, 5, 1)])
def test_the_order_of_arrival_does_not_matter(run_settings: Settings, order: tuple[int, ...]) -> None:
    """Registers that arrive one by one, in any order, end as if everything had come at once."""

    def parcels(desk: Desk) -> list[Callable[[], str]]:
        again = complaints("2024-03", CONTESTED, {})
        decided = appeal(period="2024-04", filed_on="2024-04-03", decision="驳回", decided_on="2024-04-15",
                         reviewer="处长05", record_action="U")  # fmt: skip
        view = [row("R01", 1, org_code=BRANCH, reg_ref_no="ZB-1", reg_validity="有效")]
        early = [appeal(period="2024-04", filed_on="2024-04-03")]
        april = {"period": "2024-04", "signed_at": "2024-04-03T10:00:00"}
        correction = {
            "period": "2024-04",
            "sequence": 2,
            "kind": "CORRECTION",
            "supersedes": f"R02-2024-04-{SUPERVISOR}-001",
            "signed_at": "2024-04-15T10:00:00",
        }
        first = complaints("2024-03", CONTESTED)
        return [
            lambda: register(desk, "R01", view, signed_at="2024-04-01T10:00:00"),
            lambda: register(desk, "R02", [], signed_at="2024-04-01T11:00:00"),
            lambda: desk.file("F01", first, signed_at="2024-04-02T10:00:00"),
            lambda: register(desk, "R02", early, **april),
            lambda: desk.file("F01", again, sequence=2, signed_at="2024-04-08T10:00:00"),
            lambda: register(desk, "R02", [decided], **correction),
            lambda: register(desk, "R04", [waiver(rule_code="F01-X02")], signed_at="2024-04-16T10:00:00"),
        ]

    def outcome(desk: Desk) -> list[list[dict[str, Any]]]:
        return [desk.ask(f"SELECT {names} FROM {view} ORDER BY ALL") for view, names in OUTCOME.items()]

    homes = [run_settings.model_copy(update={"home": run_settings.home / name, "inbox": f"{run_settings.inbox}/{name}"})
             for name in ("at_once", "one_by_one")]  # fmt: skip
    at_once, one_by_one = map(Desk, homes)
    for desk in (at_once, one_by_one):
        desk.register()
    for send in parcels(at_once):
        send()
    at_once.run()
    waiting = parcels(one_by_one)
    for place in order:
        waiting[place]()
        one_by_one.run()
    assert outcome(one_by_one) == outcome(at_once)


def test_whoever_enters_a_decision_has_not_made_it(forwarded: Desk) -> None:
    decided = appeal(decision="同意", decided_on="2024-03-20", reviewer="填报01")
    submission = register(forwarded, "R02", [decided])
    forwarded.run()
    assert ("R02-I01", 2, "decision") in forwarded.findings(submission)
    assert forwarded.state(submission) == "rejected"
