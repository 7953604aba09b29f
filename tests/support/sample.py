"""A small bureau's filings, written by the command people use, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def small_bureau(folder: Path, *, months: int, seed: int) -> Path:
    """Write `inbox/` and `answers/` of six insurers into a folder; returns it. A failure says what the command said."""
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.cli", "sample", "--out", str(folder), "--insurers", "6", "--scale", "0.05",
         "--months", str(months), "--seed", str(seed)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return folder
