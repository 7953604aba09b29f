"""Obligations and notices from real files: what is owed, what is chased, and what reaches the insurer."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from pipelines.orchestration import steps
from pipelines.settings import Settings
from tests.support.desk import BRANCH, OTHER, REPORTER, Desk, row

FIXED = {"reporter_code": REPORTER, "org_code": BRANCH}


def cases(count: int, **changes: str) -> list[dict[str, str]]:
    return [row("F05", number, **{**FIXED, **changes}) for number in range(1, count + 1)]


def as_of(desk: Desk, moment: str) -> Desk:
    """The desk at a moment: everything received is judged, later signatures wait."""
    settings = desk.settings.model_copy(update={"as_of": dt.datetime.fromisoformat(moment)})
    later = Desk(settings)
    later.run()
    return later


def status(desk: Desk, form: str = "F05", period: str = "2024-03") -> str:
    [found] = desk.ask(
        "SELECT status FROM filing.obligations WHERE form = ? AND period = ? AND reporter_code = ?",
        form,
        period,
        REPORTER,
    )
    return str(found["status"])


def stages(desk: Desk, form: str = "F05") -> list[str]:
    return [
        str(found["stage"])
        for found in desk.ask(
            "SELECT stage FROM filing.notices WHERE form = ? AND reporter_code = ? ORDER BY notice_date",
            form,
            REPORTER,
        )
    ]


def sent(desk: Desk, reporter: str = REPORTER) -> list[tuple[str, list[str]]]:
    """(stage, forms) of the notices in an insurer's outbox, by day."""
    folder = desk.settings.outbox_dir / reporter / "notices"
    documents = [json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))]
    assert {path.stem for path in folder.glob("*.html")} == {document["message_id"] for document in documents}
    return [(document["stage"], [one["form"] for one in document["obligations"]]) for document in documents]


def test_a_saved_file_is_chased_as_missing_until_it_is_submitted(desk: Desk) -> None:
    draft = desk.file("F05", cases(2), declared={"state": "SAVED"}, signed_at="2024-04-02T10:00:00")
    for moment, expected, told in (
        ("2024-04-03T12:00:00", "draft", []),
        ("2024-04-09T12:00:00", "draft", ["last_reminder"]),
        ("2024-04-11T08:00:00", "draft", ["missing"]),
    ):
        now = as_of(desk, moment)
        assert status(now) == expected
        steps.notify(now.settings)
        assert [stage for stage, _ in sent(now)][-1:] == told
    assert desk.state(draft) == "rejected"
    assert {code for code, _, _ in desk.findings(draft)} == {"ENV-S09"}
    page = next((desk.settings.outbox_dir / REPORTER / "notices").glob("*missing*.html")).read_text("utf-8")
    assert "仅保存" in page
    assert "保存不等于报送" in page
    desk.file("F05", cases(2), submission_id="F05-really", signed_at="2024-04-12T10:00:00")
    now = as_of(desk, "2024-04-16T12:00:00")
    assert status(now) == "late"
    assert stages(now) == ["reminder", "last_reminder", "missing"]
    assert steps.notify(now.settings).notices == 0


def test_a_withdrawn_filing_is_owed_again(desk: Desk) -> None:
    desk.file("F05", cases(2), signed_at="2024-04-05T10:00:00")
    desk.file("F05", [], sequence=2, kind="WITHDRAW", reason_code="误报", signed_at="2024-04-10T10:00:00")
    now = as_of(desk, "2024-04-10T12:00:00")
    assert status(now) == "withdrawn"
    now = as_of(desk, "2024-04-11T08:00:00")
    assert stages(now) == ["missing"]
    steps.notify(now.settings)
    assert sent(now) == [("missing", ["F05"])]
    desk.file("F05", cases(1), sequence=3, signed_at="2024-04-12T10:00:00")
    now = as_of(desk, "2024-04-16T12:00:00")
    assert status(now) == "late"
    assert stages(now) == ["missing"]


def test_everything_an_insurer_owes_stands_in_one_notice_and_once(desk: Desk) -> None:
    for form in ("F03", "F02"):
        desk.file(form, [], period="2024-02", signed_at="2024-03-08T10:00:00")
    desk.file("F02", [], period="2024-02", reporter=OTHER, signed_at="2024-03-08T10:00:00")
    now = as_of(desk, "2024-04-11T08:00:00")
    first = steps.notify(now.settings)
    assert (first.delivered, first.waiting, first.refused) == (first.notices, 0, 0)
    assert ("missing", ["F02", "F03"]) in sent(now)
    assert ("missing", ["F02", "F03"]) in sent(now, OTHER)
    before = sent(now)
    assert steps.notify(now.settings).notices == 0
    assert sent(now) == before
    told = now.ask("SELECT DISTINCT channel FROM ledger.delivery")
    assert told == [{"channel": "directory"}]


def test_a_bureau_chases_by_the_day_when_nobody_files(desk: Desk) -> None:
    desk.file("F05", cases(1, period="2024-02", updated_at="2024-03-01 00:00:00", found_date="2024-02-10",
                           due_date="2024-02-24", handled_date="2024-02-20"),
              period="2024-02", signed_at="2024-03-05T10:00:00")  # fmt: skip
    desk.run()
    before = desk.ask("SELECT * FROM filing.obligations ORDER BY ALL")
    assert steps.notify(desk.settings).notices == 0
    done = steps.notify(desk.settings, dt.datetime(2024, 4, 11, 8))
    assert done.delivered == done.notices > 0
    assert ("missing", ["F05"]) in sent(desk)
    assert desk.ask("SELECT * FROM filing.obligations ORDER BY ALL") == before


def test_a_merged_insurers_month_is_its_successors(desk: Desk) -> None:
    master = [
        row("R03", org_code=code, parent_code="", legal_code=code, name=code, alias="", insurer_class="L",
            opened_on="2015-01-01", valid_from="2015-01-01", closed_on=closed, successor_code=heir, valid_to="",
            period="2024-01", reporter_code="00000000000001", updated_at="2024-01-02 00:00:00")
        for code, closed, heir in ((REPORTER, "", ""), (OTHER, "2024-03-20", REPORTER))
    ]  # fmt: skip
    desk.file("R03", master, period="2024-01", reporter="00000000000001", sequence=2,
              signed_at="2024-03-21T09:00:00")  # fmt: skip
    for period, signed in (("2024-02", "2024-03-08T10:00:00"), ("2024-03", "2024-04-08T10:00:00")):
        desk.file("F03", [], period=period, reporter=OTHER, signed_at=signed)
    now = as_of(desk, "2024-04-11T08:00:00")
    assert now.ask(
        "SELECT period, reporter_code AS who, status FROM filing.obligations WHERE form = 'F03' ORDER BY ALL"
    ) == [
        {"period": "2024-02", "who": REPORTER, "status": "missing"},
        {"period": "2024-02", "who": OTHER, "status": "filed"},
        {"period": "2024-03", "who": REPORTER, "status": "missing"},
    ]
    assert now.state(f"F03-2024-03-{OTHER}-001") == "rejected"  # ENV-S04: it owes nothing for that month


# ----------------------------------------------------------------------- killed between telling and recording


class _Assassin:
    """A webhook that kills its first caller after it has been told, before it answers."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.victim: subprocess.Popen[bytes] | None = None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                outer.keys.append(str(self.headers["Idempotency-Key"]))
                if outer.victim is not None:
                    os.kill(outer.victim.pid, signal.SIGKILL)
                    outer.victim.wait()
                    outer.victim = None
                    return
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's)
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()


@pytest.mark.slow
def test_killed_after_telling_and_before_recording_the_insurer_is_told_again_with_the_same_id(
    desk: Desk, tmp_path: Path
) -> None:
    for reporter in (REPORTER, OTHER):
        desk.file("F03", [], period="2024-02", reporter=reporter, signed_at="2024-03-08T10:00:00")
    now = as_of(desk, "2024-04-11T08:00:00")
    hook = _Assassin()
    address = f"http://127.0.0.1:{hook.server.server_address[1]}/"
    recipients = tmp_path / "recipients.csv"
    recipients.write_text(
        "reporter_code,channel,address,officer_address\n"
        + "".join(f"{code},webhook,{address},\n" for code in (REPORTER, OTHER)),
        "utf-8",
    )
    environment = os.environ | {
        "XIAOBAO_HOME": str(desk.settings.home),
        "XIAOBAO_DELIVERY": "webhook",
        "XIAOBAO_RECIPIENTS": str(recipients),
    }
    command = [sys.executable, "-m", "pipelines.cli", "notices", "--send"]
    hook.victim = victim = subprocess.Popen(command, env=environment)
    assert victim.wait(timeout=120) == -signal.SIGKILL
    assert now.ask("SELECT count(*) AS n FROM ledger.delivery") == [{"n": 0}]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    first, again, other = hook.keys
    assert first == again != other
    delivered = now.ask("SELECT DISTINCT message_id FROM ledger.delivery ORDER BY 1")
    assert sorted(str(found["message_id"]) for found in delivered) == sorted({again, other})
    subprocess.run(command, env=environment, check=True, capture_output=True)
    assert len(hook.keys) == 3
    hook.server.shutdown()
    hook.server.server_close()
    hook.thread.join()


def test_a_recipients_file_that_cannot_be_used_fails_no_run(desk: Desk, tmp_path: Path) -> None:
    desk.file("F03", [], period="2024-02", signed_at="2024-03-08T10:00:00")
    now = as_of(desk, "2024-04-11T08:00:00")
    recipients = tmp_path / "recipients.csv"
    recipients.write_text("reporter_code,channel\n", "utf-8")
    settings = Settings(**now.settings.model_dump(exclude={"recipients", "delivery"}), recipients=recipients,
                        delivery="webhook")  # fmt: skip
    done = steps.notify(settings)
    assert done.delivered == 0
    assert done.waiting == done.notices > 0
    assert "needed: reporter_code, channel, address, officer_address" in done.problem
    told = json.loads(settings.delivery_report.read_text("utf-8"))
    assert told["problem"] == done.problem
    assert len(told["undelivered"]) == done.waiting
