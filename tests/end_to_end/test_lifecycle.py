"""States, versions and accounts of submissions, from files to the public tables."""

from __future__ import annotations

import datetime as dt
import random

import pytest

from pipelines.orchestration import steps
from pipelines.settings import Settings
from tests.support.desk import BRANCH, OTHER, REPORTER, Desk, row

FIXED = {"reporter_code": REPORTER, "org_code": BRANCH}


def problem_cases(count: int, first: int = 1, **changes: str) -> list[dict[str, str]]:
    return [row("F05", first + n, **{**FIXED, **changes}) for n in range(count)]


def test_a_sound_filing_is_accepted_and_its_rows_are_typed(desk: Desk) -> None:
    submission = desk.file("F05", problem_cases(3))
    desk.run()
    assert desk.state(submission) == "accepted"
    assert desk.findings(submission) == []
    [first, *_] = desk.ask("SELECT * FROM filed.f05 ORDER BY row_no")
    assert (first["submission_id"], first["filing_period"], first["row_no"]) == (submission, "2024-03", 2)
    assert str(first["found_date"]) == "2024-03-04"
    assert first["customer_action"] is False
    assert str(first["sys_from"]) == "2024-04-05 10:00:00"
    assert first["sys_to"] is None


def test_few_bad_rows_are_held_back_many_refuse_the_file(desk: Desk) -> None:
    few = problem_cases(40)
    few[7]["handle_result"] = "不知"
    partly = desk.file("F05", few)
    many = problem_cases(40, 100, period="2024-02", updated_at="2024-03-01 09:00:00")
    for line in many[:3]:
        line["handle_result"] = "不知"
    refused = desk.file("F05", many, period="2024-02")
    desk.run()
    assert desk.state(partly) == "partly_accepted"
    assert desk.state(refused) == "rejected"
    counts = desk.ask(
        "SELECT rows_read, rows_accepted, rows_quarantined, rows_rejected FROM filing.submissions "
        "WHERE form = 'F05' ORDER BY period"
    )
    assert [tuple(line.values()) for line in counts] == [(40, 0, 0, 40), (40, 39, 1, 0)]
    assert desk.ask("SELECT count(*) AS n FROM filed.f05") == [{"n": 39}]
    assert desk.ask("SELECT row_no, handle_result FROM quarantine.f05 WHERE row_no = 9") == [
        {"row_no": 9, "handle_result": "不知"}
    ]


def test_one_insurers_bad_file_never_delays_anothers(desk: Desk) -> None:
    bad = desk.file("F02", [], data=b"\x00\x01", kind="ORIGINAL", row_count=1)
    good = desk.file(
        "F02",
        [row("F02", reporter_code=OTHER, org_code=OTHER, complaint_id="", is_complaint="N")],
        reporter=OTHER,
    )
    desk.run()
    assert desk.state(bad) == "malformed"
    assert desk.state(good) == "accepted"


def test_a_resubmission_replaces_and_history_stays(desk: Desk) -> None:
    first = desk.file("F05", problem_cases(3))
    desk.run()
    second = desk.file("F05", problem_cases(2), sequence=2)
    desk.run()
    assert (desk.state(first), desk.state(second)) == ("superseded", "accepted")
    history = desk.ask(
        "SELECT submission_id, count(*) AS n, min(sys_from) AS since, max(sys_to) AS until "
        "FROM filed.f05 GROUP BY 1 ORDER BY 1"
    )
    assert [(line["n"], str(line["since"]), str(line["until"])) for line in history] == [
        (3, "2024-04-05 10:00:00", "2024-04-06 10:00:00"),
        (2, "2024-04-06 10:00:00", "None"),
    ]
    assert ("GEN-P03", None, None) in desk.findings(second)


def test_the_accepted_filing_stays_in_force_while_its_successor_is_refused(desk: Desk) -> None:
    first = desk.file("F05", problem_cases(3))
    second = desk.file("F05", problem_cases(3, handle_result="不知"), sequence=2)
    desk.run()
    assert (desk.state(first), desk.state(second)) == ("accepted", "rejected")


ENVELOPE_CASES = [
    ("ENV-S02", {"sha256": "0" * 64}, "rejected"),
    ("ENV-S02", {"row_count": 7}, "rejected"),
    ("ENV-S03", {"version": "9.9.9"}, "rejected"),
    ("ENV-S03", {"form": "F99"}, "rejected"),
    ("ENV-S03", {"period": "2024Q1"}, "rejected"),
    ("ENV-S04", {"reporter": "99999999999999"}, "rejected"),
    ("ENV-S05", {"kind": "NIL"}, "rejected"),
    ("ENV-S06", {"sequence_no": 2}, "rejected"),
    (
        "ENV-S06",
        {"kind": "RESUBMIT", "sequence_no": 2, "supersedes": "nobody", "reason_code": "x"},
        "rejected",
    ),
    ("ENV-S06", {"kind": "CORRECTION"}, "rejected"),
    ("ENV-S07", {"approved_by": "填报01"}, "rejected"),
    ("ENV-S07", {"reviewed_by": None}, "rejected"),
    ("ENV-S09", {"state": "SAVED"}, "rejected"),
    ("ENV-S08", {"signed_at": "2024-06-01T10:00:00"}, "accepted"),
    ("ENV-S01", {"kind": "MAYBE"}, "malformed"),
]


@pytest.mark.parametrize(("rule", "change", "state"), ENVELOPE_CASES)
def test_each_envelope_rule_has_its_answer(
    desk: Desk, rule: str, change: dict[str, object], state: str
) -> None:
    submission = desk.file("F05", problem_cases(2), declared=change)
    desk.run()
    assert desk.state(submission) == state
    assert {code for code, _, _ in desk.findings(submission)} == {rule}
    for told in desk.ask(
        "SELECT message_zh, fix_zh FROM filing.findings WHERE submission_id = ?", submission
    ):
        assert told["message_zh"]
        assert told["fix_zh"]


def test_control_totals_are_answered_with_our_own_value(desk: Desk) -> None:
    rows = [row("F06", **FIXED, premium="100.10", premium_ytd="100.10")]
    wrong = desk.file("F06", rows, control_totals={"premium": "100.11"})
    right = desk.file("F06", rows, sequence=2, control_totals={"premium": "100.10"})
    desk.run()
    assert (desk.state(wrong), desk.state(right)) == ("rejected", "accepted")
    [told] = desk.ask("SELECT value, expected FROM filing.findings WHERE rule_code = 'ENV-S02'")
    assert (told["value"], told["expected"]) == ("premium total 100.11", "100.1")


def test_rows_of_another_period_or_reporter_refuse_the_file(desk: Desk) -> None:
    one = desk.file("F05", problem_cases(2, period="2024-02"))
    other = desk.file("F05", problem_cases(2, 50, reporter_code=OTHER, period="2024-02"), period="2024-02")
    desk.run()
    assert [code for code, _, _ in desk.findings(one)] == ["ENV-S03"]
    assert [code for code, _, _ in desk.findings(other)] == ["ENV-S04"]


def test_a_nil_report_counts_as_filed_a_missing_one_does_not(desk: Desk) -> None:
    nil = desk.file("F05", [])
    desk.file("F05", problem_cases(2, 9, period="2024-01", updated_at="2024-02-01 00:00:00", found_date="2024-01-10",
                                   due_date="2024-01-24", handled_date="2024-01-20"),
              period="2024-01", signed_at="2024-02-05T10:00:00")  # fmt: skip
    desk.file("F03", [], period="2024-04", signed_at="2024-05-20T10:00:00")
    desk.run()
    assert desk.state(nil) == "accepted"
    board = {
        (line["form"], line["period"]): line["status"]
        for line in desk.ask(
            "SELECT form, period, status FROM filing.obligations WHERE reporter_code = ?", REPORTER
        )
    }
    assert board[("F05", "2024-03")] == "filed"
    assert board[("F05", "2024-02")] == "missing"
    assert board[("F03", "2024-04")] == "late"


def test_verdicts_have_three_values(desk: Desk) -> None:
    submission = desk.file("F05", problem_cases(2))
    broken = desk.file("F05", [], data=b"", kind="ORIGINAL", period="2024-02")
    desk.run()
    verdicts = {
        (line["submission_id"], line["rule_code"]): (line["verdict"], line["reason"])
        for line in desk.ask("SELECT submission_id, rule_code, verdict, reason FROM filing.verdicts")
    }
    assert verdicts[(submission, "F05-I01")] == ("pass", None)
    assert verdicts[(submission, "F05-X01")][0] == "not_run"
    assert "F01" in str(verdicts[(submission, "F05-X01")][1])
    assert verdicts[(broken, "F05-I01")][0] == "not_run"
    assert verdicts[(broken, "ENV-S01")][0] == "fail"


def tables(desk: Desk) -> list[list[dict[str, object]]]:
    return [
        desk.ask("SELECT * EXCLUDE (submission_no) FROM filing.submissions ORDER BY submission_id"),
        desk.ask("SELECT * FROM filing.findings ORDER BY ALL"),
        desk.ask("SELECT * FROM filing.obligations ORDER BY ALL"),
        desk.ask("SELECT * FROM filing.verdicts ORDER BY ALL"),
        desk.ask("SELECT * EXCLUDE (submission_no) FROM filed.f05 ORDER BY submission_id, row_no"),
    ]


def test_the_order_of_arrival_does_not_matter(desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> None:
    shuffler = random.Random(7)
    for month in (1, 2, 3):
        period = f"2024-{month:02d}"
        dated = {"period": period, "updated_at": f"2024-{month:02d}-28 00:00:00"}
        rows = problem_cases(30, month * 100, **dated)
        rows[4]["handle_result"] = "不知"
        desk.file("F05", rows, period=period, signed_at=f"2024-{month + 1:02d}-05T10:00:00")
        desk.file("F05", rows[:20], period=period, sequence=2, signed_at=f"2024-{month + 1:02d}-07T10:00:00")
    desk.run()
    at_once = tables(desk)
    files = sorted(path for path in desk.inbox.iterdir() if not path.name.endswith(".json"))
    piecemeal = Desk(
        desk.settings.model_copy(
            update={
                "home": tmp_path_factory.mktemp("home"),
                "inbox": tmp_path_factory.mktemp("inbox").as_uri(),
            }
        )
    )
    registry = [path for path in files if path.name.startswith("R03")]
    rest = [path for path in files if not path.name.startswith("R03")]
    shuffler.shuffle(rest)
    for path in [*registry, *rest]:
        for suffix in ("", ".json"):
            (piecemeal.inbox / f"{path.name}{suffix}").write_bytes(
                path.with_name(path.name + suffix).read_bytes()
            )
        piecemeal.run()
    assert tables(piecemeal) == at_once


def test_running_again_changes_nothing(desk: Desk) -> None:
    desk.file("F05", problem_cases(3))
    desk.run()
    before = tables(desk)
    desk.run()
    assert tables(desk) == before
    assert steps.load_form(desk.settings, "F05", None).submissions == 0


def test_as_of_an_earlier_moment_later_filings_do_not_stand(desk: Desk) -> None:
    first = desk.file("F05", problem_cases(3))
    second = desk.file("F05", problem_cases(2), sequence=2)
    desk.run()
    earlier = Desk(desk.settings.model_copy(update={"as_of": dt.datetime(2024, 4, 5, 12)}))
    steps.settle(earlier.settings)
    assert (earlier.state(first), earlier.state(second)) == ("accepted", "received")
    steps.settle(desk.settings)
    assert (desk.state(first), desk.state(second)) == ("superseded", "accepted")


def test_without_a_registry_nobody_is_judged(run_settings: Settings) -> None:
    desk = Desk(run_settings)
    desk.file("F05", problem_cases(1))
    with pytest.raises(Exception, match="institution master"):
        desk.run()
    desk.register()
    desk.run()
    assert desk.ask("SELECT state FROM filing.submissions WHERE form = 'F05'") == [{"state": "accepted"}]


def test_receipts_are_written_and_hold_no_clear_person(desk: Desk) -> None:
    rows = problem_cases(40)
    rows[0]["agent_code"] = "13812345678"
    submission = desk.file("F05", rows)
    desk.run()
    receipt = (desk.settings.outbox_dir / REPORTER / f"{submission}.json").read_text(encoding="utf-8")
    assert "GEN-I04" in receipt
    assert "13812345678" not in receipt
    for name in ("填报01", "复核02", "批准03"):
        assert name not in receipt


def test_an_oversized_file_is_refused_unread_and_kept(run_settings: Settings) -> None:
    desk = Desk(run_settings.model_copy(update={"max_file_bytes": 2000}))
    desk.register((REPORTER, "L"))
    submission = desk.file("F05", problem_cases(60))
    desk.run()
    assert desk.state(submission) == "malformed"
    assert desk.findings(submission) == [("ENV-S01", None, None)]
    kept = [path for path in desk.settings.archive_dir.rglob("data.csv") if REPORTER in path.parts]
    assert kept[0].stat().st_size > 2000
