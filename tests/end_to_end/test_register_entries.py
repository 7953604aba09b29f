"""Entries made at the command line: filings of a register, numbered, whole, judged and shown like every other."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from pipelines.cli.errors import ExitCode
from pipelines.contracts.loader import load_catalogue
from pipelines.filing.registers import RegisterEntryError, Signers, Version, enter, waiting
from pipelines.intake.persons import person_key
from pipelines.orchestration import idle
from tests.support.desk import BRANCH, REPORTER, SUPERVISOR, Desk, row
from tests.support.publishing import publish_figures

SIGNERS = ("--prepared-by", "填报甲", "--reviewed-by", "复核乙", "--approved-by", "批准丙")
WAIVER = ("waiver", "add", "--insurer", REPORTER, "--form", "f01", "--period", "2024-03", "--rule", "f01-i04")
REASON = ("--reason", "核心系统升级，应办结日按旧口径计算，六月更正")
HOSTILE = '=HYPERLINK("http://x","核对")\'; DROP TABLE ledger.parcel; -- 系统升级\n第二行\r第三行'


def xiaobao(*arguments: str, code: int = ExitCode.OK) -> Any:
    """Run a command as a process of its own; its JSON, or what it complained of."""
    asked = [*arguments, *(["--format", "json"] if code == ExitCode.OK else [])]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pipelines.cli", *asked],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return json.loads(done.stdout) if code == ExitCode.OK else done.stderr


def release(desk: Desk) -> None:
    """Publish what the runs so far have found; figures are another matter."""
    publish_figures(desk.settings, "SELECT * EXCLUDE (release_no) FROM published.kpi_values LIMIT 0")


@pytest.fixture
def bureau(desk: Desk) -> Desk:
    """A release in which one complaint of the insurer is held back by F01-I04."""
    rows = [
        row("F01", n, reporter_code=REPORTER, org_code=BRANCH, policy_hash=f"{n:064x}") for n in range(30)
    ]
    desk.file("F01", [*rows[:-1], rows[-1] | {"due_date": "2024-03-20"}])
    desk.run()
    release(desk)
    return desk


def test_a_waiver_from_entry_to_list(bureau: Desk) -> None:
    before = idle.present_state(bureau.settings)
    [first] = xiaobao(*WAIVER, *REASON, *SIGNERS, "--signed-at", "2024-04-09T09:00:00")
    [second] = xiaobao(*WAIVER[:-1], "F01-I05", *REASON, *SIGNERS, "--signed-at", "2024-04-09T09:00:00")
    assert (first["kind"], first["entry_id"]) == ("ORIGINAL", "HM-2024-04-001")
    assert (second["kind"], second["entry_id"]) == ("CORRECTION", "HM-2024-04-002")
    assert idle.present_state(bureau.settings) != before
    assert stat.S_IMODE(bureau.settings.registers_dir.stat().st_mode) == 0o700

    judged = xiaobao("check", str(bureau.settings.registers_dir))
    assert [[f["rule_code"] for f in report["findings"] if f["severity"] == "E"] for report in judged] == [
        [],
        [],
    ]

    bureau.run()
    release(bureau)
    assert bureau.state(first["submission_id"]) == "superseded"
    assert bureau.state(second["submission_id"]) == "accepted"
    assert bureau.state(f"F01-2024-03-{REPORTER}-001") == "accepted"
    listed = {line["waiver_id"]: line for line in xiaobao("waiver", "list")}
    used, unused = listed["HM-2024-04-001"], listed["HM-2024-04-002"]
    assert (used["first_period"], used["last_period"]) == ("2024-03", "2024-05")
    assert (used["findings"], used["submissions"]) == (1, 1)
    assert (unused["findings"], unused["submissions"]) == (0, 0)
    assert used["reason"] == REASON[1]
    assert used["approved_by"] == (person_key("批准丙") or "")[:8]
    assert xiaobao("waiver", "list", "--rule", "F01-I05") == [unused]

    # a third one, after the run: the version in force is corrected
    [third] = xiaobao(*WAIVER[:-1], "F01-I06", *REASON, *SIGNERS, "--signed-at", "2024-04-10T09:00:00")
    envelope = json.loads(next(Path(third["path"]).glob("*.json")).read_text(encoding="utf-8"))
    assert (third["kind"], envelope["supersedes"]) == ("CORRECTION", second["submission_id"])
    bureau.run()
    assert bureau.state(third["submission_id"]) == "accepted"
    assert len(bureau.ask("SELECT 1 FROM filed.r04 WHERE sys_to IS NULL")) == 3


def test_hostile_text_stays_text(bureau: Desk) -> None:
    [entered] = xiaobao(*WAIVER, "--reason", HOSTILE, *SIGNERS, "--signed-at", "2024-04-09T09:00:00")
    bureau.run()
    release(bureau)
    [kept] = bureau.ask("SELECT reason, submission_id FROM filed.r04")
    assert kept == {"reason": HOSTILE, "submission_id": entered["submission_id"]}
    assert bureau.ask("SELECT count(*) AS n FROM ledger.parcel")[0]["n"] > 2
    assert xiaobao("waiver", "list")[0]["reason"] == HOSTILE
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.cli", "waiver", "list", "--format", "csv"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "'=HYPERLINK" in done.stdout
    assert "批准丙" not in done.stdout


def test_an_appeal_from_entry_to_decision(bureau: Desk) -> None:
    add = ("appeal", "add", "--insurer", REPORTER, "--ref", "ZB-1", "--situation", "01", "--evidence", "ZJ-1")
    [nil] = xiaobao("appeal", "nil", "--period", "2024-03", *SIGNERS, "--signed-at", "2024-04-01T09:00:00")
    assert nil["kind"] == "NIL"
    complaint = xiaobao("appeal", "nil", "--period", "2024-03", *SIGNERS, code=ExitCode.OPERATOR)
    assert "is not nil" in complaint
    [late] = xiaobao(*add, *SIGNERS, "--filed-on", "2024-03-30", "--signed-at", "2024-04-03T09:00:00")
    assert (late["kind"], late["entry_id"]) == ("CORRECTION", "SS-2024-03-002")
    # decided before the next run has seen it
    decide = ("appeal", "decide", "SS-2024-03-002", "--decision")
    [decided] = xiaobao(*decide, "补正", *SIGNERS, "--signed-at", "2024-04-04T09:00:00")
    bureau.run()
    release(bureau)
    assert bureau.state(decided["submission_id"]) == "accepted"
    [open_one] = xiaobao("appeal", "list", "--open")
    assert (open_one["decision"], open_one["filed_on"]) == ("补正", "2024-03-30")
    # and again from the release
    [final] = xiaobao(*decide, "驳回", *SIGNERS, "--signed-at", "2024-04-12T09:00:00")
    bureau.run()
    release(bureau)
    assert bureau.state(final["submission_id"]) == "accepted"
    assert xiaobao("appeal", "list", "--open") == []
    [told] = xiaobao("appeal", "list")
    assert (told["decision"], told["decided_on"]) == ("驳回", "2024-04-12")
    assert told["reviewer"] == (person_key("复核乙") or "")[:8]
    unknown = xiaobao(
        "appeal", "decide", "SS-2024-03-003", "--decision", "同意", *SIGNERS, code=ExitCode.OPERATOR
    )
    assert "near it: SS-2024-03-002" in unknown


def test_an_explanation_from_entry_to_list(bureau: Desk) -> None:
    text = "客户在境外暂时联系不上，预计下月办结"
    [entered] = xiaobao(
        "explanation", "add", "--insurer", REPORTER, "--form", "F01", "--period", "2024-03", "--rule", "GEN-P02",
        "--text", text, *SIGNERS, "--signed-at", "2024-04-09T09:00:00",
    )  # fmt: skip
    bureau.run()
    release(bureau)
    assert bureau.state(entered["submission_id"]) == "accepted"
    [line] = xiaobao("explanation", "list", "--insurer", REPORTER)
    assert (line["explanation"], line["last_period"], line["findings"]) == (text, "2024-05", 0)


@pytest.mark.parametrize(
    "persons",
    [("填报甲", "填报甲", "批准丙"), ("填报甲", "复核乙", " 填报 甲"), ("填报甲", "复核乙", "　")],
)
def test_two_persons_are_not_four_eyes(bureau: Desk, persons: tuple[str, str, str]) -> None:
    named = [text for pair in zip(SIGNERS[::2], persons, strict=True) for text in pair]
    assert "three different persons" in xiaobao(*WAIVER, *REASON, *named, code=ExitCode.OPERATOR)
    assert not bureau.settings.registers_dir.exists()


def test_the_approver_has_not_asked_for_it(bureau: Desk) -> None:
    """What the contract forbids is told by the receipt, as for every filing."""
    [entered] = xiaobao(
        *WAIVER, *REASON, *SIGNERS, "--requested-by", "批准丙", "--signed-at", "2024-04-09T09:00:00"
    )
    bureau.run()
    assert ("R04-I01", 2, "approved_by") in bureau.findings(entered["submission_id"])
    assert bureau.state(entered["submission_id"]) == "rejected"
    release(bureau)
    # nothing is in force, so what follows is filed in full under the next number
    [again] = xiaobao(*WAIVER, *REASON, *SIGNERS, "--signed-at", "2024-04-10T09:00:00")
    assert again["kind"] == "RESUBMIT"
    bureau.run()
    assert bureau.state(again["submission_id"]) == "accepted"


def test_before_the_first_release_the_region_must_be_told(desk: Desk) -> None:
    complaint = xiaobao(*WAIVER, *REASON, *SIGNERS, code=ExitCode.OPERATOR)
    assert "--region" in complaint
    [entered] = xiaobao(
        *WAIVER, *REASON, *SIGNERS, "--region", "430900", "--signed-at", "2024-04-09T09:00:00"
    )
    desk.run()
    assert desk.state(entered["submission_id"]) == "accepted"


R04 = load_catalogue().forms["R04"]
MOMENT = datetime(2024, 4, 9, 9)


def entry(**changes: str) -> dict[str, str]:
    return row("R04", org_code=REPORTER, reporter_code=SUPERVISOR) | changes


def test_entries_made_at_one_moment_follow_each_other(tmp_path: Path) -> None:
    folder = tmp_path / "registers"
    signers = Signers("甲", "乙", "丙")

    def make(number: int) -> str:
        row_ = entry(rule_code=f"F01-I0{number}")
        return enter(
            folder, R04, row_, signers=signers, signed_at=MOMENT, released=[], own_id="HM"
        ).submission_id

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(make, range(1, 9)))
    assert len(set(made)) == 8
    filed = list(waiting(folder, R04))
    assert [filing.version.sequence_no for filing in filed] == list(range(1, 9))
    assert len({filing.rows[0]["rule_code"] for filing in filed}) == 8
    entered = enter(folder, R04, entry(reason=HOSTILE), signers=signers, signed_at=MOMENT, released=[])
    [last] = [
        filing for filing in waiting(folder, R04) if filing.version.submission_id == entered.submission_id
    ]
    assert last.rows[0]["reason"] == HOSTILE
    assert not list(tmp_path.glob(".registers-*"))


def test_what_the_release_knows_is_followed(tmp_path: Path) -> None:
    released = [
        Version("A-1", 1, stands=False),
        Version("A-2", 2, stands=True),
        Version("A-3", 3, stands=False),
    ]
    signers = Signers("甲", "乙", "丙")
    entered = enter(tmp_path / "r", R04, entry(), signers=signers, signed_at=MOMENT, released=released)
    envelope = json.loads((entered.path / "register.csv.json").read_text(encoding="utf-8"))
    assert (entered.kind, envelope["sequence_no"], envelope["supersedes"]) == ("CORRECTION", 4, "A-2")
    # what waits for the next run is taken to stand
    entered = enter(tmp_path / "r", R04, entry(), signers=signers, signed_at=MOMENT, released=released)
    envelope = json.loads((entered.path / "register.csv.json").read_text(encoding="utf-8"))
    assert (envelope["sequence_no"], envelope["supersedes"]) == (5, "REG-R04-2024-03-00000000000001-004")


def test_signers_are_three() -> None:
    with pytest.raises(RegisterEntryError, match="three different persons"):
        Signers("Wang", "ＷＡＮＧ", "李")
