"""One process measured from outside: wall time, CPU of it and its children, most memory, and all three by stage.

Put here: how a process is watched. Do not put here: which processes are run and what their figures mean (`run`).
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from resource import struct_rusage

import psutil  # type: ignore[import-untyped]  # it ships no types

_EVERY_SECONDS = 0.05
_MIB = 1 << 20


class MeasuredProcessError(RuntimeError):
    """A measured process failed, so there is nothing to report; the message holds the end of what it said."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What something took: seconds of wall and of CPU (user and system, children included), MiB at the peak."""

    wall: float
    cpu: float
    peak_mib: float


@dataclass(frozen=True, slots=True)
class Measured:
    """A process that ended well: its cost, the cost of each of its stages in order, and what it printed."""

    cost: Cost
    stages: tuple[Cost, ...]
    output: str


@dataclass(slots=True)
class _Watch:
    """Samples memory and CPU of a process tree; `mark` closes a stage."""

    process: psutil.Process
    started: float
    peak: float = 0.0
    stage_peak: float = 0.0
    stage_started: float = 0.0
    stage_cpu: float = 0.0
    stages: list[Cost] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def sample(self) -> None:
        try:
            family = [self.process, *self.process.children(recursive=True)]
            used = sum(member.memory_info().rss for member in family) / _MIB
        except psutil.Error:  # it has just ended
            return
        with self.lock:
            self.peak = max(self.peak, used)
            self.stage_peak = max(self.stage_peak, used)

    def cpu(self) -> float:
        try:
            times = self.process.cpu_times()
        except psutil.Error:
            return self.stage_cpu
        return float(times.user + times.system + times.children_user + times.children_system)

    def mark(self) -> None:
        self.sample()
        now, cpu = time.perf_counter(), self.cpu()
        with self.lock:
            self.stages.append(Cost(now - self.stage_started, cpu - self.stage_cpu, self.stage_peak))
            self.stage_started, self.stage_cpu, self.stage_peak = now, cpu, 0.0


def measure(
    command: Sequence[str], environment: Mapping[str, str], folder: Path, stage_mark: str = "\0"
) -> Measured:
    """Run a command and measure it; each line of its standard error that holds `stage_mark` ends a stage.

    Raises:
        MeasuredProcessError: the command failed.
    """
    started = time.perf_counter()
    with subprocess.Popen(  # noqa: S603 - our own interpreter and programs
        command,
        env=dict(environment),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as process:
        watch = _Watch(psutil.Process(process.pid), started, stage_started=started)
        said: list[str] = []
        printed: list[str] = []
        readers = [
            threading.Thread(target=_listen, args=(process, watch, stage_mark, said)),
            threading.Thread(target=lambda: printed.append(process.stdout.read() if process.stdout else "")),
        ]
        for reader in readers:
            reader.start()
        _, status, usage = _wait(process.pid, watch)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - started
        for reader in readers:
            reader.join()
    if process.returncode:
        tail = "".join(said[-20:])
        raise MeasuredProcessError(f"{' '.join(command)} ended with {process.returncode}:\n{tail}")
    # ru_maxrss is that of one process, and may be higher than any sample; the samples add up the children.
    peak = max(watch.peak, usage.ru_maxrss / 1024)
    return Measured(Cost(wall, usage.ru_utime + usage.ru_stime, peak), tuple(watch.stages), "".join(printed))


def _wait(pid: int, watch: _Watch) -> tuple[int, int, struct_rusage]:
    """Sample until the process ends; returns what the system counted for it and its children."""
    while True:
        found = os.wait4(pid, os.WNOHANG)
        if found[0]:
            return found
        watch.sample()
        time.sleep(_EVERY_SECONDS)


def _listen(process: subprocess.Popen[str], watch: _Watch, stage_mark: str, said: list[str]) -> None:
    if process.stderr is None:
        return
    for line in process.stderr:
        if stage_mark in line:
            watch.mark()
        said.append(line)
