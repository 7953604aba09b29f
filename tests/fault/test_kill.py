"""Killed at arbitrary moments, run again: the release is byte for byte that of an undisturbed run."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.end_to_end]

#: Moments of the kills, as shares of an undisturbed run's time: in every stage, some twice.
MOMENTS = (0.3, 0.45, 0.6, 0.75, 0.9)


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


def parquet(home: Path) -> dict[str, bytes]:
    folder = (home / "releases" / "current").resolve() / "parquet"
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_a_killed_run_is_finished_by_the_next_with_the_same_release(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "pipelines.cli", "sample", "--out", str(tmp_path / "sample"), "--insurers", "6",
         "--months", "3", "--scale", "0.05", "--seed", "11"],
        check=True,
        capture_output=True,
    )  # fmt: skip
    inbox = tmp_path / "sample" / "inbox"
    undisturbed = tmp_path / "undisturbed"
    seconds = finish(undisturbed, inbox)
    killed = tmp_path / "killed"
    deaths = 0
    for moment in MOMENTS:
        victim = run(killed, inbox)
        try:
            victim.wait(timeout=seconds * moment)
        except subprocess.TimeoutExpired:
            os.killpg(victim.pid, signal.SIGKILL)
            deaths += 1
        victim.communicate()
    assert deaths >= 2
    finish(killed, inbox)
    assert (killed / "releases" / "current").resolve().name == "v1"
    assert parquet(killed) == parquet(undisturbed)
    finish(killed, inbox)
    assert sorted(path.name for path in (killed / "releases").glob("v*")) == ["v1"]


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


def test_a_killed_second_release_tells_the_same_revisions(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "pipelines.cli", "sample", "--out", str(tmp_path / "sample"), "--insurers", "6",
         "--months", "4", "--scale", "0.05", "--seed", "11"],
        check=True,
        capture_output=True,
    )  # fmt: skip
    inbox, sample = tmp_path / "inbox", tmp_path / "sample" / "inbox"
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    deliver(sample, inbox, until="2024-04-15")
    finish(undisturbed, inbox)
    finish(killed, inbox)
    assert deliver(sample, inbox, until="9999-12-31")
    seconds = finish(undisturbed, inbox)
    for moment in MOMENTS[-2:]:
        victim = run(killed, inbox)
        try:
            victim.wait(timeout=seconds * moment)
        except subprocess.TimeoutExpired:
            os.killpg(victim.pid, signal.SIGKILL)
        victim.communicate()
    finish(killed, inbox)
    assert parquet(killed) == parquet(undisturbed)
    told = [
        (home / "releases" / "v2" / name).read_bytes()
        for name in ("revision_report.json", "revision_report.md")
        for home in (killed, undisturbed)
    ]
    assert (told[0], told[2]) == (told[1], told[3])
    comparison = json.loads(told[0])["comparison"]
    assert comparison["status"] == "compared"
    assert comparison["cells"]["appeared"] > 0
    assert {cause["cause"] for cause in comparison["causes"]} >= {"submission", "period_due"}
    assert comparison["definition_changes"] == []
