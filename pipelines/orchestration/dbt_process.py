"""dbt in a process of its own, which gets ready while filings are pulled and read.

dbt works two seconds before its first node, and Dagster one second to store what it hears of 160 nodes: Python on one
core while the other waits. The process serves one build. It ends with the process that started it, however that ends,
and while it builds it alone holds the build database.

Put here: that process and what passes between the two. Do not put here: calls of dbt (`dbt_build`), what Dagster makes
of its events (`models`). This module imports neither dagster nor, where it is started from, dbt.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple, Self

from pipelines.orchestration.dbt_build import Event, ModelProject, get_ready, invoke_build, model_project
from pipelines.processes import SPAWNED, begin_process
from pipelines.settings import Settings

#: How long a process that has nothing to do may take to end: it may still be getting ready.
_PATIENCE_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Ended:
    """The build is over; `failure`: dbt's words if it failed."""

    failure: str | None


class _Asked(NamedTuple):
    project: ModelProject
    target: Path
    selection: tuple[str, ...]
    indirect_selection: str | None
    by_partition: bool


class DbtProcess:
    """A process that gets ready for one build; a context manager, at whose end it is gone."""

    def __init__(self, settings: Settings) -> None:
        """Start it; nothing waits for it until `build`."""
        self._ours, theirs = SPAWNED.Pipe()
        self._process = SPAWNED.Process(target=_serve, args=(theirs, settings), name="dbt", daemon=True)
        self._process.start()
        self._building = False
        theirs.close()

    @property
    def pid(self) -> int | None:
        """The system's number of the process."""
        return self._process.pid

    def __enter__(self) -> Self:
        """It runs already."""
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Have it end; in the middle of a build too, since every statement of a build is a transaction."""
        self._ours.close()  # without anybody to ask or to tell, it ends by itself
        self._process.join(0 if self._building else _PATIENCE_SECONDS)
        self._process.kill()
        self._process.join()

    def build(
        self,
        project: ModelProject,
        target: Path,
        selection: Sequence[str],
        indirect_selection: str | None,
        *,
        by_partition: bool,
    ) -> Iterator[Event | Ended]:
        """dbt's events as they come, then how the build ended; then the build database is free. At most once."""
        self._building = True
        try:
            self._ours.send(_Asked(project, target, tuple(selection), indirect_selection, by_partition))
            while True:
                told: Event | Ended = self._ours.recv()
                if isinstance(told, Ended):
                    break
                yield told
            self._building = False
            yield told
        except (EOFError, OSError):
            self._process.join()
            yield Ended(
                f"dbt's process ended before its build, with code {self._process.exitcode}: if the system was short of "
                "memory, free some or lower XIAOBAO_MEMORY_LIMIT; then run again"
            )


def _serve(asks: Connection, settings: Settings) -> None:
    """What the process does: get ready, wait for the one build, run it."""
    begin_process()
    project = model_project(settings)
    parsed = get_ready(settings, project)
    try:
        asked: _Asked = asks.recv()
    except EOFError:
        return
    one_at_a_time = threading.Lock()  # dbt's threads each tell of their nodes

    def heard(event: Event) -> None:
        with one_at_a_time:
            asks.send(event)

    _, failure = invoke_build(
        settings,
        asked.project,
        asked.target,
        asked.selection,
        asked.indirect_selection,
        heard,
        by_partition=asked.by_partition,
        parsed=parsed if asked.project.parsed_dir == project.parsed_dir else None,
    )
    asks.send(Ended(failure))
