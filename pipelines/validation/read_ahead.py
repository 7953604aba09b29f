"""The files that wait to be read, in batches, and reading ahead: while one batch is stored the next is being read,
also when that is another form's.

Belongs here: which parcels are to be read, how many at once, and the threads that read them. At most three batches
are in memory, or two of which one is large, so their size bounds what reading takes. Does not belong here: what becomes
of a batch (`batch`), the readers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import NamedTuple, Self

import duckdb
import pyarrow as pa

from pipelines.contracts.model import Catalogue, EnvelopeFact, Form
from pipelines.intake.archive import Archive
from pipelines.intake.canonical import Cells, typed_cells
from pipelines.intake.grid import Grid, Keep, as_filed
from pipelines.intake.reading import read_parcel
from pipelines.intake.xlsx_reader import XlsxLimits
from pipelines.validation.marks import values_at_any_time

#: Batches read ahead: with one, storing waits for a batch that holds a large workbook.
_AHEAD = 2
#: Files up to this size are typed together: each column of each file costs some 40 µs, however few its cells.
_SMALL_FILE_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class Unread:
    """A parcel whose rows are still to be read."""

    submission_no: int
    archive_path: str
    period: str
    kind: str | None
    declared_rows: int | None
    declared_encoding: str | None
    declared_sha256: str | None
    sha256: str
    byte_size: int
    reporter: str | None = None
    period_end: date = date.max
    signed_at: datetime | None = None

    @property
    def stated(self) -> dict[EnvelopeFact, str | None]:
        """What a contract may fill columns from."""
        signed = None if self.signed_at is None else f"{self.signed_at:%Y-%m-%d %H:%M:%S}"
        return {"reporter": self.reporter, "period": self.period, "signed_at": signed}


@dataclass(frozen=True, slots=True)
class Failed:
    """Our own failure on one file; the text names the error, never the content."""

    parcel: Unread
    error: str


@dataclass(frozen=True, slots=True)
class Found:
    """A file as it was read, its cells typed where they are canonical."""

    parcel: Unread
    grid: Grid


#: Parcels without a reading, but for those refused at the pull and those this version of the program has failed on.
_UNREAD = """
    ledger.parcel AS p
    WHERE NOT EXISTS (SELECT 1 FROM ledger.reading AS r WHERE r.submission_no = p.submission_no)
        AND NOT EXISTS (
            SELECT 1 FROM ledger.failure AS f
            WHERE f.submission_no = p.submission_no AND f.is_open AND f.program_version = $program)
        AND NOT EXISTS (
            SELECT 1 FROM ledger.finding AS f
            WHERE f.submission_no = p.submission_no AND f.stage = 'pull' AND f.rule_code IN ('ENV-S01', 'ENV-S03'))"""


def unread(
    con: duckdb.DuckDBPyConnection, form: Form, periods: Sequence[str] | None, program_version: str = ""
) -> list[Unread]:
    """Parcels of a form that are to be read, in order of receipt."""
    rows = con.execute(
        f"""
        SELECT submission_no, archive_path, period, kind, declared_rows, declared_encoding, declared_sha256, sha256,
            byte_size, reporter_code, period_end, signed_at
        FROM {_UNREAD} AND form = $form AND ($periods IS NULL OR list_contains($periods, period))
        ORDER BY period, submission_no""",
        {
            "form": form.code,
            "periods": None if periods is None else list(periods),
            "program": program_version,
        },
    ).fetchall()
    return [Unread(*row) for row in rows]


def forms_unread(con: duckdb.DuckDBPyConnection, program_version: str = "") -> frozenset[str]:
    """Forms of which there are parcels to be read."""
    rows = con.execute(f"SELECT DISTINCT form FROM {_UNREAD}", {"program": program_version}).fetchall()
    return frozenset(form for (form,) in rows)


def batches(parcels: Sequence[Unread], max_bytes: int) -> list[list[Unread]]:
    """Cut a list of parcels into batches of at most `max_bytes` of files, in order, at least one file each."""
    cut: list[list[Unread]] = []
    size = 0
    for parcel in parcels:
        if not cut or size + parcel.byte_size > max_bytes:
            cut.append([])
            size = 0
        cut[-1].append(parcel)
        size += parcel.byte_size
    return cut


class _Batch(NamedTuple):
    """Files of a form that are being read, or were."""

    form: Form
    parcels: Sequence[Unread]
    outcomes: list[Future[Found | Failed]]

    @property
    def size(self) -> int:
        return _size(self.parcels)


class Reader:
    """Reads the files of one form after another, batch by batch, ahead of whoever works on them; a context manager.

    Ahead of the batch in work goes always one, and another while all three are no larger than three of `batch_bytes`:
    a batch may be one file of any size.
    """

    def __init__(
        self, catalogue: Catalogue, archive: Archive, limits: XlsxLimits, *, batch_bytes: int, threads: int
    ) -> None:
        """Nothing is read yet; `threads` read at once."""
        self._catalogue = catalogue
        self._archive = archive
        self._limits = limits
        self._batch_bytes = batch_bytes
        self._pool = ThreadPoolExecutor(max_workers=threads)
        self._ahead = deque[_Batch]()

    def __enter__(self) -> Self:
        """Ready to read."""
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Stop reading."""
        self.close()

    def close(self) -> None:
        """Stop reading, and let go what nobody asked for."""
        self._drop()
        self._pool.shutdown()

    def read(
        self,
        con: duckdb.DuckDBPyConnection,
        form: Form,
        parcels: Sequence[Unread],
        following: Callable[[], tuple[Form, Sequence[Unread]] | None] = lambda: None,
    ) -> Iterator[list[Found | Failed]]:
        """Each batch of a form's files, read; the next ones are read while the caller works on this one.

        A file on which our own reader fails is a `Failed` and does not delay the others; a shortage of memory or disk
        is raised, because it would fail on every file. `following` names the files that will be asked for afterwards:
        the first batch of them is read while the caller works on the last one of these.
        """
        ahead, typed = self._ahead, self._typed(form)
        to_read = deque((form, batch) for batch in batches(parcels, self._batch_bytes))
        if ahead and to_read and ahead[0].form is form and ahead[0].parcels == to_read[0][1]:
            to_read.popleft()
        else:
            self._drop()
        last_known = False

        def read_on(in_work: int) -> None:
            nonlocal last_known
            while len(ahead) < _AHEAD:
                if not to_read and not last_known:
                    last_known = True
                    if (later := following()) is not None:
                        to_read.extend(
                            (later[0], batch) for batch in batches(later[1], self._batch_bytes)[:1]
                        )
                if not to_read:
                    return
                held = in_work + _size(to_read[0][1]) + sum(batch.size for batch in ahead)
                if ahead and held > (1 + _AHEAD) * self._batch_bytes:
                    return
                ahead.append(self._begin(con, *to_read.popleft()))

        read_on(0)
        while ahead and ahead[0].form is form:
            batch = ahead.popleft()
            outcomes = _small_ones_typed([future.result() for future in batch.outcomes], typed)
            read_on(batch.size)
            del batch
            yield outcomes
            del outcomes

    def _begin(self, con: duckdb.DuckDBPyConnection, form: Form, parcels: Sequence[Unread]) -> _Batch:
        typed, covers = self._typed(form), _covered(con, parcels)
        outcomes = [
            self._pool.submit(self._read, form, parcel, typed, on_cover=parcel.submission_no in covers)
            for parcel in parcels
        ]
        return _Batch(form, parcels, outcomes)

    def _read(self, form: Form, parcel: Unread, typed: Keep, *, on_cover: bool) -> Found | Failed:
        data = self._archive.data(parcel.archive_path)
        try:
            grid = read_parcel(
                form,
                data,
                declared_encoding=parcel.declared_encoding,
                on_cover=on_cover,
                limits=self._limits,
                period_end=parcel.period_end,
                stated=parcel.stated,
                keep=as_filed if parcel.byte_size <= _SMALL_FILE_BYTES else typed,
            )
        except (MemoryError, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - ours: kept in ledger.failure, never the filer's fault, delays nobody
            return Failed(parcel, f"{type(error).__name__}: {error}"[:500])
        return Found(parcel, grid)

    def _typed(self, form: Form) -> Keep:
        return partial(typed_cells, form, values=values_at_any_time(self._catalogue, form))

    def _drop(self) -> None:
        for batch in self._ahead:
            for outcome in batch.outcomes:
                outcome.cancel()
        self._ahead.clear()


def _size(parcels: Sequence[Unread]) -> int:
    return sum(parcel.byte_size for parcel in parcels)


def _small_ones_typed(outcomes: list[Found | Failed], typed: Keep) -> list[Found | Failed]:
    """The outcomes with the small files among them, which came as text, typed all at once; each keeps its own rows.

    A column that is not canonical in one of them stays text in all.
    """
    small = [found for found in outcomes if isinstance(found, Found) and _is_text(found)]
    if not small:
        return outcomes
    texts = [_text(found) for found in small]
    try:
        cells = typed(pa.concat_tables(texts).combine_chunks())
    except (MemoryError, OSError):
        raise
    except Exception:  # noqa: BLE001 - ours, of one file: told of that one
        return [
            _typed_alone(found, typed) if isinstance(found, Found) and _is_text(found) else found
            for found in outcomes
        ]
    start = 0
    for found, text in zip(small, texts, strict=True):
        found.grid.pieces = [Cells(cells.table.slice(start, text.num_rows), cells.canonical, cells.formats)]
        start += text.num_rows
    return outcomes


def _typed_alone(found: Found, typed: Keep) -> Found | Failed:
    try:
        found.grid.pieces = [typed(_text(found))]
    except (MemoryError, OSError):
        raise
    except Exception as error:  # noqa: BLE001 - as in reading
        return Failed(found.parcel, f"{type(error).__name__}: {error}"[:500])
    return found


def _is_text(found: Found) -> bool:
    return found.parcel.byte_size <= _SMALL_FILE_BYTES and bool(found.grid.pieces)


def _text(found: Found) -> pa.Table:
    return pa.concat_tables(piece.table for piece in found.grid.pieces or ())


def _covered(con: duckdb.DuckDBPyConnection, parcels: Sequence[Unread]) -> set[int]:
    """Submissions whose envelope stood on a cover sheet: the data sheet comes second there."""
    rows = con.execute(
        "SELECT submission_no FROM ledger.parcel WHERE on_cover AND submission_no IN (SELECT unnest(?))",
        [[parcel.submission_no for parcel in parcels]],
    ).fetchall()
    return {row[0] for row in rows}
