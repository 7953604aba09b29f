"""Processes of our own beside the one that runs: how they start, and that none outlives it.

Put here: what is equal for all of them. Do not put here: their work (`orchestration.dbt_process`,
`filing.receipts.writing`). This module imports nothing large: such a process has to be ready soon.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from multiprocessing.connection import wait

from pipelines.garbage import collect_rarely

#: Started anew, because the process that runs has threads (DuckDB's), which a fork would tear.
SPAWNED = multiprocessing.get_context("spawn")


def begin_process() -> None:
    """What such a process does first: leave the terminal's interrupt to its parent, and end with it, however that ends.

    One that went on would write what the next run has written anew.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    collect_rarely()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
