"""Killed at arbitrary moments, run again: the release is byte for byte that of an undisturbed run."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.sample import small_bureau

pytestmark = [pytest.mark.slow, pytest.mark.end_to_end]

#: Moments of the kills, as shares of an undisturbed run's time: while reading, settling, building models, publishing.
#: A run that goes on where another died is further by then, so later stages are hit more than once.
MOMENTS = (0.3, 0.5, 0.7, 0.9)


def environment(home: Path, inbox: Path) -> dict[str, str]:
    return os.environ | {
        "XIAOBAO_HOME": str(home),
        "XIAOBAO_INBOX": inbox.as_uri(),
        "XIAOBAO_LOCK_WAIT_SECONDS": "20",
    }


def run(home: Path, inbox: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pipelines.cli", "run"],
        env=environment(home, inbox),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(home: Path, inbox: Path) -> float:
    started = time.monotonic()
    done = run(home, inbox)
    out, _ = done.communicate(timeout=300)
    assert done.returncode == 0, out
    return time.monotonic() - started


def parquet(home: Path, release: str) -> dict[str, bytes]:
    folder = home / "releases" / release / "parquet"
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def deliver(sample: Path, inbox: Path, *, until: str) -> int:
    """Copy the filings signed by a day, or whose envelope is on a cover sheet; returns how many are new."""
    new = 0
    for path in sorted(sample.rglob("*")):
        side = path.with_name(path.name.removesuffix(".json") + ".json")
        signed = json.loads(side.read_text(encoding="utf-8")).get("signed_at") if side.is_file() else None
        target = inbox / path.relative_to(sample)
        if path.is_file() and (signed or "")[:10] <= until and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)
            new += 1
    return new


def kill(home: Path, inbox: Path, seconds: float, moments: Sequence[float]) -> int:
    """Start a run and kill it at each moment, as shares of an undisturbed run's time; returns how many died."""
    deaths = 0
    for moment in moments:
        victim = run(home, inbox)
        try:
            victim.wait(timeout=seconds * moment)
        except subprocess.TimeoutExpired:
            os.killpg(victim.pid, signal.SIGKILL)
            deaths += 1
        victim.communicate()
    return deaths


@dataclass(frozen=True)
class Bureaux:
    """Two homes that lived through the same two deliveries, one of them killed again and again."""

    inbox: Path
    undisturbed: Path
    killed: Path
    deaths: int


@pytest.fixture(scope="module")
def bureaux(tmp_path_factory: pytest.TempPathFactory) -> Bureaux:
    """Release 1 after the filings of three months, release 2 after the rest."""
    folder = tmp_path_factory.mktemp("kill")
    small_bureau(folder / "sample", months=4, seed=11)
    inbox, sample = folder / "inbox", folder / "sample" / "inbox"
    undisturbed, killed = folder / "undisturbed", folder / "killed"
    deaths = 0
    for until, moments in (("2024-04-15", MOMENTS), ("9999-12-31", MOMENTS[-2:])):
        assert deliver(sample, inbox, until=until)
        seconds = finish(undisturbed, inbox)
        deaths += kill(killed, inbox, seconds, moments)
        finish(killed, inbox)
    return Bureaux(inbox, undisturbed, killed, deaths)


def test_killed_runs_are_finished_by_the_next_with_the_same_releases(bureaux: Bureaux) -> None:
    assert bureaux.deaths >= 3
    for release in ("v1", "v2"):
        assert parquet(bureaux.killed, release) == parquet(bureaux.undisturbed, release)
    assert (bureaux.killed / "releases" / "current").resolve().name == "v2"
    finish(bureaux.killed, bureaux.inbox)
    assert sorted(path.name for path in (bureaux.killed / "releases").glob("v*")) == ["v1", "v2"]


def test_a_killed_second_release_tells_the_same_revisions(bureaux: Bureaux) -> None:
    told = [
        (home / "releases" / "v2" / name).read_bytes()
        for name in ("revision_report.json", "revision_report.md")
        for home in (bureaux.killed, bureaux.undisturbed)
    ]
    assert (told[0], told[2]) == (told[1], told[3])
    comparison = json.loads(told[0])["comparison"]
    assert comparison["status"] == "compared"
    assert comparison["cells"]["appeared"] > 0
    assert {cause["cause"] for cause in comparison["causes"]} >= {"submission", "period_due"}
    assert comparison["definition_changes"] == []
