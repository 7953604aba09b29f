"""Processes of our own end with the one that started them, however that ends: nobody writes behind the next run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it ships no types
import pytest

_DRAWING = """
import sys, time
from pipelines.filing.receipts.writing import Drawing

if __name__ == "__main__":
    drawing = Drawing(sys.argv[1], 2)
    drawing.expect(10_000)
    print(*drawing._pool._processes, flush=True)
    time.sleep(60)
"""


def is_running(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "ended"])
def test_processes_that_draw_receipts_end_with_the_run(tmp_path: Path, how: signal.Signals) -> None:
    script = tmp_path / "drawing.py"
    script.write_text(_DRAWING, encoding="utf-8")
    run = subprocess.Popen(
        [sys.executable, str(script), (tmp_path / "outbox").as_uri()],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert run.stdout is not None
    drawing = [int(pid) for pid in run.stdout.readline().split()]
    try:
        assert len(drawing) == 2
        time.sleep(1.0)
        assert all(map(is_running, drawing))
    finally:
        run.send_signal(how)
        run.wait(10)
        run.stdout.close()
    deadline = time.monotonic() + 10
    while any(map(is_running, drawing)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(is_running, drawing))
