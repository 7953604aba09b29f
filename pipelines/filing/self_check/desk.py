"""Running the rooms of the pipeline over handed files: pull, read, settle, in a database in memory.

Belongs here: one run of one check, and how files are grouped into runs. Does not belong here: what is made up for a run
(`assumed`), what is read from it (`outcome`).
"""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import duckdb

from pipelines.contracts.model import Catalogue
from pipelines.contracts.predicates import macro_sql
from pipelines.filing.events import prepare_events
from pipelines.filing.registry import NoRegistryError, prepare_registry
from pipelines.filing.self_check.assumed import assumed_master, from_the_start, hold_pending, looking_back
from pipelines.filing.self_check.outcome import Outcome, Run
from pipelines.filing.settlement import REGISTRY_FORM, settle
from pipelines.intake.envelope import Envelope
from pipelines.intake.faults import Fault
from pipelines.intake.handed import (
    Handed,
    HandedSource,
    InPlace,
    Told,
    UnrecognisedError,
    as_sidecar,
    stand_in,
)
from pipelines.intake.pull import pull
from pipelines.intake.xlsx_reader import XlsxLimits
from pipelines.validation.batch import load_batches
from pipelines.validation.read_ahead import Reader, unread
from pipelines.validation.structure import judge_envelope
from pipelines.warehouse.connection import OFFLINE
from pipelines.warehouse.schema import prepare

_BATCH_BYTES = 32 << 20
#: Nothing is kept, so nothing is ever tried again under another version.
_PROGRAM = "self-check"


class CheckFailedError(RuntimeError):
    """Our own program failed on a file; nothing is said about the file."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a check may take: bytes of a file, bounds of a workbook, DuckDB's memory and threads."""

    file_bytes: int
    workbook: XlsxLimits
    memory: str
    threads: int


@dataclass(frozen=True, slots=True)
class Desk:
    """What every run of one check shares."""

    catalogue: Catalogue
    bounds: Bounds
    told: Told
    now: dt.datetime
    calendar: Path

    def stand_ins(
        self, files: Iterable[Handed], envelopes: Mapping[str, Envelope | None], *, lenient: bool = False
    ) -> tuple[dict[str, Envelope], dict[str, Fault]]:
        """Envelopes in order, and why a file cannot be read at all; `lenient` leaves out what is not recognised."""
        found: dict[str, Envelope] = {}
        faults: dict[str, Fault] = {}
        for file in files:
            if file.path.stat().st_size > self.bounds.file_bytes:
                continue
            try:
                envelope = stand_in(
                    file, envelopes[file.name], self.told, self.catalogue, self.bounds.workbook, self.now
                )
            except UnrecognisedError:
                if lenient:
                    continue
                raise
            if isinstance(envelope, Fault):
                faults[file.name] = envelope
            else:
                found[file.name] = envelope
        return found, faults

    def judge(
        self, files: Sequence[Handed], known: Mapping[str, Envelope], standing_in: Mapping[str, Envelope]
    ) -> dict[str, Outcome]:
        """Run all files, those of each reporter by themselves unless the institution master is among them."""
        whole = any(envelope.form == REGISTRY_FORM for envelope in known.values())
        groups: dict[object, list[Handed]] = {}
        for file in files:
            envelope = known.get(file.name, Envelope())
            form = self.catalogue.forms.get(envelope.form or "")
            key = None if whole else (envelope.reporter, form.side if form else None)
            groups.setdefault(key, []).append(file)
        outcomes: dict[str, Outcome] = {}
        for group in groups.values():
            outcomes |= self._run(group, known, standing_in)
        return outcomes

    def _run(
        self, files: Sequence[Handed], known: Mapping[str, Envelope], standing_in: Mapping[str, Envelope]
    ) -> dict[str, Outcome]:
        own = {file.name: known[file.name] for file in files if file.name in known}
        moved = from_the_start(own)
        written = {name: as_sidecar(envelope) for name, envelope in ({**own, **moved}).items()
                   if name in moved or name in standing_in}  # fmt: skip
        with _memory(self.bounds) as (con, folder):
            prepare(con, self.catalogue, self.calendar)
            prepare_events(con)
            prepare_registry(con)
            for statement in macro_sql("reference.working_days"):
                con.execute(statement)
            self._receive(con, HandedSource(files, written), self.bounds.file_bytes)
            assumed = self._settle(con, folder)
            run = Run(con, self.catalogue, standing_in, own, moved, assumed=assumed)
            return {file.name: run.outcome(file.name) for file in files}

    def _receive(self, con: duckdb.DuckDBPyConnection, source: HandedSource, max_bytes: int) -> None:
        """Pull and read; what was read before is left alone."""
        pull(
            con,
            source,
            InPlace(),
            judge=partial(judge_envelope, catalogue=self.catalogue),
            limits=self.bounds.workbook,
            max_file_bytes=max_bytes,
        )
        reader = Reader(
            self.catalogue,
            InPlace(),
            self.bounds.workbook,
            batch_bytes=_BATCH_BYTES,
            threads=self.bounds.threads,
        )
        with reader:
            for form in self.catalogue.forms.values():
                waiting = unread(con, form, None, _PROGRAM)
                loading = load_batches(
                    con, self.catalogue, form, waiting, reader, program_version=_PROGRAM, prove=False
                )
                for _ in loading:
                    pass
        failure = con.execute(
            "SELECT p.source_name, f.error FROM ledger.failure AS f JOIN ledger.parcel AS p USING (submission_no) "
            "WHERE f.is_open LIMIT 1"
        ).fetchone()
        if failure is not None:
            raise CheckFailedError(f"reading {failure[0]} failed inside this program: {failure[1]}")

    def _settle(self, con: duckdb.DuckDBPyConnection, folder: Path) -> bool:
        """Judge; True if the institution master had to be assumed because none is in force among the files."""
        withhold = partial(hold_pending, looks_back=looking_back(self.catalogue))
        if con.execute("SELECT 1 FROM ledger.parcel WHERE form = ? LIMIT 1", [REGISTRY_FORM]).fetchone():
            try:
                settle(con, self.catalogue, as_of=None, withhold=withhold)
            except NoRegistryError:
                pass
            else:
                return False
        file, sidecar = assumed_master(con, self.catalogue, folder, self.now)
        self._receive(con, HandedSource([file], {file.name: sidecar}), file.path.stat().st_size)
        settle(con, self.catalogue, as_of=None, withhold=withhold)
        return True


@contextmanager
def _memory(bounds: Bounds) -> Iterator[tuple[duckdb.DuckDBPyConnection, Path]]:
    """A database in memory, and a folder for what does not fit into it; both are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="xiaobao-check-") as folder:
        con = duckdb.connect(
            ":memory:",
            config={
                **OFFLINE,
                "memory_limit": bounds.memory,
                "threads": bounds.threads,
                "temp_directory": str(Path(folder) / "spill"),
            },
        )
        try:
            yield con, Path(folder)
        finally:
            con.close()
