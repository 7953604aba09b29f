"""`kpi --as-of` and `explain` while another process writes: an answer, or a sentence that says what to do.

The writer is a process of its own that holds the build database, or a real `xiaobao run`. Nobody sees a traceback,
waits longer than `lock_wait_seconds`, or finds the build database or an answer spoiled.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipelines.orchestration import steps
from pipelines.orchestration.moments import build_models
from pipelines.settings import Settings
from tests.end_to_end.test_two_times import complaints
from tests.support.desk import REPORTER, Desk

pytestmark = [pytest.mark.slow, pytest.mark.end_to_end]

# Tests run in any order, so each asks moments of its own.

#: Opens the build database for writing, changes something without committing, says so, and holds it until told to end.
WRITER = """
import sys, duckdb
con = duckdb.connect(sys.argv[1])
con.execute("BEGIN")
con.execute("UPDATE ledger.parcel SET signed_at = NULL")
print("holding", flush=True)
sys.stdin.read()
con.execute("ROLLBACK")
con.close()
"""


class Bureau:
    """A home with one release, asked by processes of its own."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(home=folder / "home", inbox=(folder / "inbox").as_uri(), threads=2)
        self.desk = Desk(self.settings)
        self.desk.register()
        self.file(3, 10, "2024-04-03T10:00:00")
        self.file(4, 12, "2024-05-06T10:00:00")
        self.desk.file("F03", [], period="2024-04", signed_at="2024-05-20T10:00:00")
        self.desk.run()
        steps.load_form(self.settings, "PUB", None)  # which a desk leaves lying
        steps.settle(self.settings)
        build_models(self.settings, self.settings)
        steps.publish(self.settings)

    def file(self, month: int, count: int, signed: str) -> None:
        """An insurer's complaints of a month."""
        self.desk.file(
            "F01", complaints(count, month), period=f"2024-0{month}", reporter=REPORTER, signed_at=signed
        )

    def start(self, *arguments: str, wait: float) -> subprocess.Popen[str]:
        """A command as a process of its own."""
        env = os.environ | {
            "XIAOBAO_HOME": str(self.settings.home), "XIAOBAO_INBOX": self.settings.inbox,
            "XIAOBAO_LOCK_WAIT_SECONDS": str(wait), "COLUMNS": "160",
        }  # fmt: skip
        return subprocess.Popen(
            [sys.executable, "-m", "pipelines.cli", *arguments],
            env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def ask(self, *arguments: str, wait: float = 1) -> tuple[int, str, str]:
        """Exit code, output and what was said besides."""
        done = self.start(*arguments, wait=wait)
        out, err = done.communicate(timeout=300)
        assert "Traceback" not in err, err
        return done.returncode, out, err

    @contextmanager
    def writing(self) -> Iterator[subprocess.Popen[str]]:
        """A process writes the build database meanwhile."""
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(self.settings.build_database)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert writer.stdout
        assert writer.stdout.readline() == "holding\n"
        try:
            yield writer
        finally:
            writer.communicate(timeout=60)


def kpi(moment: str, period: str) -> list[str]:
    return ["kpi", "--kpi", "CMP-01", "--org", REPORTER, "--period", period, "--as-of", moment, "-f", "json"]


def value(out: str) -> str:
    [found] = json.loads(out)
    return str(found["value"])


@pytest.fixture(scope="module")
def bureau(tmp_path_factory: pytest.TempPathFactory) -> Bureau:
    return Bureau(tmp_path_factory.mktemp("beside"))


def test_a_moment_is_not_asked_while_the_database_is_written_and_the_message_says_what_to_do(
    bureau: Bureau,
) -> None:
    before = bureau.settings.build_database.read_bytes()
    with bureau.writing():
        began = time.monotonic()
        code, out, err = bureau.ask(*kpi("2024-04-21", "2024-03"))
        assert (code, out) == (1, "")
        assert "a run is writing" in err
        assert "Ask again when it has ended" in err
        assert "--as-published" in err
        code, out, err = bureau.ask("explain", "CMP-01", "2024-03", "--as-of", "2024-04-21")
        assert (code, "a run is writing" in err) == (1, True)
        assert time.monotonic() - began < 60  # two questions, each with its start and one second of waiting
        # A release is never disturbed; its explanation needs the build database and says so.
        code, out, _ = bureau.ask(
            "kpi", "--kpi", "CMP-01", "--org", REPORTER, "--period", "2024-03", "-f", "json"
        )
        assert (code, value(out)) == (0, "10")
        code, _, err = bureau.ask("explain", "CMP-01", "2024-03")
        assert (code, "a run is writing" in err) == (1, True)
    assert bureau.settings.build_database.read_bytes() == before


def test_a_question_waits_for_the_writer_to_end(bureau: Bureau) -> None:
    with bureau.writing() as writer:
        asked = bureau.start(*kpi("2024-04-22", "2024-03"), wait=120)
        with pytest.raises(subprocess.TimeoutExpired):
            asked.wait(timeout=6)
        writer.communicate(timeout=60)
        out, err = asked.communicate(timeout=300)
    assert asked.returncode == 0, err
    assert value(out) == "10"


def test_a_moment_asked_before_is_answered_while_the_database_is_written(bureau: Bureau) -> None:
    assert bureau.ask(*kpi("2024-04-23", "2024-03"))[0] == 0
    with bureau.writing():
        code, out, err = bureau.ask(*kpi("2024-04-23", "2024-03"))
    assert (code, value(out)) == (0, "10")
    assert "the answer from before it began" in err


def test_a_killed_writer_leaves_nothing_behind(bureau: Bureau) -> None:
    with bureau.writing() as writer:
        writer.send_signal(signal.SIGKILL)
        writer.wait(timeout=60)
    code, out, err = bureau.ask(*kpi("2024-05-20", "2024-04"))
    assert (code, value(out)) == (0, "12"), err


def test_questions_beside_a_real_run_are_answered_or_told_to_wait_and_the_run_ends_well(
    bureau: Bureau,
) -> None:
    bureau.file(5, 9, "2024-06-05T10:00:00")
    running = bureau.start("run", wait=120)
    told = []
    minute = 0
    while running.poll() is None:
        # Another moment each time, so that every question has to look at the build database.
        minute += 1
        told.append(bureau.ask(*kpi(f"2024-05-20T11:{minute:02d}", "2024-04")))
        told.append(bureau.ask("explain", "CMP-01", "2024-04", "-f", "json"))
    out, err = running.communicate(timeout=300)
    assert running.returncode == 0, out + err
    assert told
    for code, answer, said in told:
        if code:
            assert code == 1
            assert "a run " in said
            assert "Ask again" in said or "ask again" in said
        elif answer.startswith("["):
            assert value(answer) == "12"
        else:
            assert json.loads(answer)["parts"][0]["agrees"]
    code, answer, said = bureau.ask(*kpi("2024-06-20", "2024-05"), wait=60)
    assert (code, value(answer)) == (0, "9"), said
    assert "not judged" not in said


def test_filings_received_and_not_judged_are_counted_in_the_answer(bureau: Bureau) -> None:
    bureau.desk.file("F02", [], period="2024-05", signed_at="2024-06-06T10:00:00")
    steps.pull(bureau.settings)  # a run that was stopped after its first step
    code, answer, said = bureau.ask(*kpi("2024-06-21", "2024-04"))
    assert (code, value(answer)) == (0, "12"), said
    assert "1 份已收到的报送尚未认定" in said
