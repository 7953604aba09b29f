"""Writing receipts: three files for each submission, rewritten only when what they say has changed.

Belongs here: which receipts are due, drawing many at once in processes of their own, and the order of acts: files
first, then the ledger, so that a killed run writes again what it had not finished. Does not belong here: content, looks
and whether they are new (`drawing`), the outbox's file system (`outbox`).
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Self

import duckdb

from pipelines.contracts.model import Catalogue
from pipelines.filing import states
from pipelines.filing.outbox import Outbox
from pipelines.filing.receipts.content import RECEIPT_LIMIT
from pipelines.filing.receipts.drawing import Asked, Drawn, draw, draw_all
from pipelines.filing.receipts.effects import told_effects
from pipelines.filing.receipts.gathering import gather
from pipelines.processes import SPAWNED, begin_process
from pipelines.validation import screening
from pipelines.warehouse.connection import transaction
from pipelines.warehouse.schema import insert_rows

#: Submissions gathered at once, and findings: a receipt with many counts as many.
_CHUNK, _CHUNK_FINDINGS = 400, 40_000
#: Receipts that the ledger is told of at once.
_NOTED = 1_000
#: Drawing in processes of its own pays for their start (about a second) from this many receipts or findings on.
_MANY, _MANY_FINDINGS = 300, 5_000
#: Receipts, or findings in them, handed over at once, and how often so many to each process ahead: enough to keep it
#: busy, few enough to bound what waits in memory.
_HANDED, _HANDED_FINDINGS, _AHEAD = 8, 500, 16


@dataclass(frozen=True, slots=True)
class Written:
    """Receipts that were looked at, and those of them whose files were written because they say something new."""

    due: int
    written: int


@dataclass(frozen=True, slots=True)
class _Due:
    submission_no: int
    submission_id: str
    basis: str
    findings: int


def note_due(con: duckdb.DuckDBPyConnection) -> None:
    """Remember, in the settlement's own transaction, that the submissions in `checked` have to be told anew."""
    con.execute("INSERT OR IGNORE INTO ledger.receipt_due SELECT submission_no FROM checked")


class Drawing:
    """Makes files in the outbox of what was gathered, in order: here, or when there are many in processes of its own.

    A context manager, at whose end the processes are gone.
    """

    def __init__(self, outbox_url: str, processes: int) -> None:
        """No process is started before many receipts are expected."""
        self.outbox = Outbox(outbox_url)
        self._processes = processes if self.outbox.is_shared else 1
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        """Ready to draw."""
        return self

    def __exit__(self, *exc_info: object) -> None:
        """End the processes; what they have not begun is left."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def expect(self, receipts: int, findings: int = 0) -> None:
        """Start the processes if that pays; they get ready while the caller goes on."""
        pays = receipts >= _MANY or findings >= _MANY_FINDINGS
        if self._pool is None and self._processes > 1 and pays:
            self._pool = ProcessPoolExecutor(self._processes, SPAWNED, initializer=begin_process)
            for _ in range(self._processes):
                self._pool.submit(draw_all, self.outbox.url, [])

    def draw(self, asked: Iterable[Asked]) -> Iterator[Drawn]:
        """Files of what is asked, which is looked at ahead of what is given back.

        Raises `OutboxUnavailableError`.
        """
        if self._pool is None:
            yield from map(partial(draw, self.outbox), asked)
            return
        waiting: deque[Future[list[Drawn]]] = deque()
        for several in _handed(asked):
            waiting.append(self._pool.submit(draw_all, self.outbox.url, several))
            while len(waiting) > self._processes * _AHEAD:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()


def _handed(asked: Iterable[Asked]) -> Iterator[list[Asked]]:
    """What is handed to a process at once."""
    several: list[Asked] = []
    findings = 0
    for one in asked:
        several.append(one)
        findings += len(one[0].found)
        if len(several) == _HANDED or findings >= _HANDED_FINDINGS:
            yield several
            several, findings = [], 0
    if several:
        yield several


def count_untold(con: duckdb.DuckDBPyConnection) -> int:
    """Submissions without a receipt: at least so many will be due."""
    row = con.execute(
        "SELECT count(*) FROM ledger.parcel WHERE submission_no NOT IN (SELECT submission_no FROM ledger.receipt)"
    ).fetchone()
    return int(row[0]) if row else 0


def write_receipts(con: duckdb.DuckDBPyConnection, catalogue: Catalogue, drawing: Drawing) -> Written:
    """Bring the outbox up to date: `<reporter>/<submission>.json`, `.xlsx`, `.html` for every judged submission.

    What `drawing` draws does not depend on where it does so. While some receipts are drawn the next are gathered.

    Raises `OutboxUnavailableError`; what was written until then stays noted.
    """
    place = _place(drawing.outbox.url)
    due = {line.submission_id: line for line in _due(con, place)}
    drawing.expect(len(due), sum(map(_weight, due.values())))
    written = 0
    notes: list[tuple[object, ...]] = []

    def note() -> None:
        drawing.outbox.settle()
        _note_told(con, notes)
        notes.clear()

    for drawn in drawing.draw(_asked(con, catalogue, place, due.values())):
        line = due[drawn.submission_id]
        notes.append((line.submission_no, drawn.digest, line.basis))
        written += drawn.is_new
        if len(notes) == _NOTED:
            note()
    if notes:
        note()
    return Written(len(due), written)


def _asked(
    con: duckdb.DuckDBPyConnection, catalogue: Catalogue, place: str, due: Iterable[_Due]
) -> Iterator[Asked]:
    """What the receipts are made of, gathered chunk by chunk."""
    for chunk in _chunks(due):
        numbers = {line.submission_id: line.submission_no for line in chunk}
        told = dict(
            con.execute(
                "SELECT submission_no, digest FROM ledger.receipt WHERE submission_no IN (SELECT unnest(?))",
                [list(numbers.values())],
            ).fetchall()
        )
        effects = told_effects(con, list(numbers))
        for one in gather(con, list(numbers), catalogue=catalogue, kpi_effects=effects):
            yield one, place, told.get(numbers[one.submission_id])


def _place(outbox_url: str) -> str:
    """Program and outbox as a short text: when either changes, every receipt is written again. Shows no address."""
    return f"{_program()[:16]}:{hashlib.sha256(outbox_url.encode()).hexdigest()[:16]}"


@cache
def _program() -> str:
    """Digest of the code and template that make receipts out of the ledger."""
    here = Path(__file__).parent
    sources = [
        *sorted(here.glob("*.py")),
        *sorted(here.glob("*.jinja")),
        Path(states.__file__),
        Path(screening.__file__),
    ]
    digest = hashlib.sha256()
    for path in sources:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _due(con: duckdb.DuckDBPyConnection, place: str) -> list[_Due]:
    """Receipts to look at: of what was judged since, and of what else a receipt says that no judgement touches.

    The latter is its basis: the dates of the calendar, how often the bytes came, the program, the outbox. One query.
    By form, since filed rows are gathered form by form.
    """
    rows = con.execute(
        """
        WITH dated AS (
            SELECT form, period, reporter_code, due_date, lead(due_date) OVER (
                PARTITION BY form, reporter_code ORDER BY period) AS next_due
            FROM filing.obligations),
        based AS (
            SELECT s.submission_no, s.submission_id, s.form,
                concat_ws('|', ?, s.times_received, coalesce(d.due_date::VARCHAR, '-'),
                    coalesce(d.next_due::VARCHAR, '-')) AS basis,
                coalesce(s.error_count, 0) + coalesce(s.warning_count, 0) AS findings
            FROM filing.submissions AS s
            LEFT JOIN dated AS d ON d.form = s.form AND d.period = s.period AND d.reporter_code = s.reporter_code
            WHERE s.state <> 'received')
        SELECT b.submission_no, b.submission_id, b.basis, b.findings
        FROM based AS b
        LEFT JOIN ledger.receipt AS r USING (submission_no)
        WHERE r.basis IS DISTINCT FROM b.basis
            OR b.submission_no IN (SELECT submission_no FROM ledger.receipt_due)
        ORDER BY b.form, b.submission_id""",
        [place],
    ).fetchall()
    return [_Due(*row) for row in rows]


def _chunks(due: Iterable[_Due]) -> Iterator[list[_Due]]:
    """Cut the list by number and by findings, so that memory stays bounded whatever was filed."""
    chunk: list[_Due] = []
    findings = 0
    for line in due:
        if chunk and (len(chunk) == _CHUNK or findings + _weight(line) > _CHUNK_FINDINGS):
            yield chunk
            chunk, findings = [], 0
        chunk.append(line)
        findings += _weight(line)
    if chunk:
        yield chunk


def _weight(line: _Due) -> int:
    """Findings that a receipt lists, at most."""
    return min(line.findings, RECEIPT_LIMIT)


def _note_told(con: duckdb.DuckDBPyConnection, notes: list[tuple[object, ...]]) -> None:
    numbers = [number for number, *_ in notes]
    with transaction(con):
        for table in ("ledger.receipt_due", "ledger.receipt"):
            con.execute(f"DELETE FROM {table} WHERE submission_no IN (SELECT unnest(?))", [numbers])
        insert_rows(con, "ledger.receipt", notes)
