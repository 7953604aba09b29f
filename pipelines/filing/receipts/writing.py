"""Writing receipts: three files for each submission, rewritten only when what they say has changed.

Belongs here: which receipts are due, drawing many at once in processes of their own, and the order of acts: files
first, then the ledger, so that a killed run writes again what it had not finished. Does not belong here: content, looks
and whether they are new (`drawing`), the outbox's file system (`outbox`).
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

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
_CHUNK, _CHUNK_FINDINGS = 1_000, 100_000
#: Drawing in processes of its own pays for their start (about a second) from this many receipts or findings on.
_MANY, _MANY_FINDINGS = 300, 5_000
#: Receipts, or findings in them, handed over at once, and how often so many to each process ahead: enough to keep it
#: busy, few enough to bound what waits in memory.
_HANDED, _HANDED_FINDINGS, _AHEAD = 8, 500, 4


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


def write_receipts(
    con: duckdb.DuckDBPyConnection,
    catalogue: Catalogue,
    outbox_url: str,
    *,
    processes: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Written:
    """Bring the outbox up to date: `<reporter>/<submission>.json`, `.xlsx`, `.html` for every judged submission.

    `processes` draw the files when there are many; what they draw does not depend on their number.

    Raises `OutboxUnavailableError`; what was written until then stays noted.
    """
    place = _place(outbox_url)
    due = _due(con, place)
    if not due:
        return Written(0, 0)
    outbox = Outbox(outbox_url)
    done = written = 0
    with _drawing(outbox, processes, due) as drawn_of:
        for chunk in _chunks(due):
            told = dict(
                con.execute(
                    "SELECT submission_no, digest FROM ledger.receipt WHERE submission_no IN (SELECT unnest(?))",
                    [[line.submission_no for line in chunk]],
                ).fetchall()
            )
            by_id = {line.submission_id: line for line in chunk}
            notes: list[tuple[object, ...]] = []
            effects = told_effects(con, list(by_id))
            asked = (
                (one, place, told.get(by_id[one.submission_id].submission_no))
                for one in gather(con, list(by_id), catalogue=catalogue, kpi_effects=effects)
            )
            for drawn in drawn_of(asked):
                line = by_id[drawn.submission_id]
                notes.append((line.submission_no, drawn.digest, line.basis))
                written += drawn.is_new
            outbox.settle()
            _note_told(con, chunk, notes)
            done += len(chunk)
            if progress:
                progress(done, len(due))
    return Written(len(due), written)


@contextmanager
def _drawing(
    outbox: Outbox, processes: int, due: Sequence[_Due]
) -> Iterator[Callable[[Iterable[Asked]], Iterator[Drawn]]]:
    """What makes files in the outbox of what was gathered: here, or in processes of its own when there are many."""
    weight = sum(min(line.findings, RECEIPT_LIMIT) for line in due)
    if processes == 1 or not outbox.is_shared or (len(due) < _MANY and weight < _MANY_FINDINGS):
        yield lambda asked: map(partial(draw, outbox), asked)
        return
    with ProcessPoolExecutor(processes, mp_context=SPAWNED, initializer=begin_process) as pool:

        def ahead(asked: Iterable[Asked]) -> Iterator[Drawn]:
            waiting: deque[Future[list[Drawn]]] = deque()
            for several in _handed(asked):
                waiting.append(pool.submit(draw_all, outbox.url, several))
                while len(waiting) > processes * _AHEAD:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()

        yield ahead


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
    """
    rows = con.execute(
        """
        WITH dated AS (
            SELECT form, period, reporter_code, due_date, lead(due_date) OVER (
                PARTITION BY form, reporter_code ORDER BY period) AS next_due
            FROM filing.obligations),
        based AS (
            SELECT s.submission_no, s.submission_id,
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
        ORDER BY b.submission_id""",
        [place],
    ).fetchall()
    return [_Due(*row) for row in rows]


def _chunks(due: Iterable[_Due]) -> Iterator[list[_Due]]:
    """Cut the list by number and by findings, so that memory stays bounded whatever was filed."""
    chunk: list[_Due] = []
    findings = 0
    for line in due:
        weight = min(line.findings, RECEIPT_LIMIT)
        if chunk and (len(chunk) == _CHUNK or findings + weight > _CHUNK_FINDINGS):
            yield chunk
            chunk, findings = [], 0
        chunk.append(line)
        findings += weight
    if chunk:
        yield chunk


def _note_told(con: duckdb.DuckDBPyConnection, chunk: list[_Due], notes: list[tuple[object, ...]]) -> None:
    numbers = [line.submission_no for line in chunk]
    with transaction(con):
        for table in ("ledger.receipt_due", "ledger.receipt"):
            con.execute(f"DELETE FROM {table} WHERE submission_no IN (SELECT unnest(?))", [numbers])
        insert_rows(con, "ledger.receipt", notes)
