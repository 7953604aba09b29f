"""Killed at arbitrary moments, run again: the release is byte for byte that of an undisturbed run."""

from __future__ import annotations

import os
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
