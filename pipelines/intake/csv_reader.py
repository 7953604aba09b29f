"""Read a CSV filing as text with row numbers (RFC 4180, comma, preamble tolerated, strict about its shape).

Belongs here: CSV only. PyArrow reads (strict on the number of cells, quoted newlines allowed, one pass in C) block by
block, so that the text of a large file never stands in memory whole; rows of a wrong length come back with their row
number instead of being padded or cut.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import reduce

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from pipelines.contracts.model import Form
from pipelines.intake.canonical import Cells
from pipelines.intake.encoding import Decoded, decode
from pipelines.intake.faults import Fault
from pipelines.intake.grid import (
    MAX_PREAMBLE_LINES,
    Grid,
    Keep,
    as_filed,
    locate_header,
    map_headers,
    text_table,
)

#: Faults of shape listed by row; the count of all of them is always told.
_LISTED_ROWS = 20
#: Bytes parsed at once. A file as one block took four times the CPU: its pieces are too large for the caches, and
#: every one of them is fresh memory.
_BLOCK_BYTES = 4 << 20


def read_csv(form: Form, data: bytes, declared_encoding: str | None, keep: Keep = as_filed) -> Grid:
    """Read CSV bytes into a `Grid`; everything wrong with the file as a file is in `faults`, never raised."""
    grid = Grid()
    if not data or data.isspace():
        grid.faults.append(empty_file(data))
        return grid
    decoded = decode(data, declared_encoding)
    if isinstance(decoded, Fault):
        grid.faults.append(decoded)
        return grid
    grid.encoding = decoded.encoding
    if decoded.data.count(b'"') % 2:
        grid.faults.append(Fault("ENV-S01", "引号不成对:文件可能被截断", value="unbalanced quote"))
        return grid
    _read_body(form, grid, decoded, keep)
    return grid


def empty_file(data: bytes) -> Fault:
    """The fault of a file that holds nothing."""
    return Fault("ENV-S01", "文件为空,没有表头", value=f"{len(data)} bytes")


def _read_body(form: Form, grid: Grid, decoded: Decoded, keep: Keep) -> None:
    top = first_records(decoded.data)
    index = locate_header(form, [cells for cells, _ in top])
    if index is None:
        shown = " | ".join(cell for cell in top[0][0][:8]) if top else ""
        grid.faults.append(
            Fault(
                "ENV-S01", f"前 {MAX_PREAMBLE_LINES} 行中没有找到报表 {form.code} 的表头", value=shown[:200]
            )
        )
        return
    cells, body_offset = top[index]
    grid.header_row = index + 1
    grid.headers, faults = map_headers(form, index + 1, cells)
    grid.faults.extend(faults)
    body = memoryview(decoded.data)[body_offset:]
    try:
        try:
            found = _read_records(form, grid, body, len(cells), keep, _BLOCK_BYTES)
        except _NoCsvError:
            # a record longer than a block; or no CSV at all, which one block says as well
            found = _read_records(form, grid, body, len(cells), keep, max(len(body), _BLOCK_BYTES))
    except _NoCsvError as error:
        grid.faults.append(Fault("ENV-S01", f"CSV 结构无法解析: {error}"[:300]))
        return
    _note_misshapen(grid, found.misshapen, len(cells))
    grid.blank_rows = found.blank_rows
    grid.rows_read = found.rows + len(found.misshapen)
    if not grid.faults:
        grid.pieces = found.pieces


def _note_misshapen(grid: Grid, misshapen: list[tuple[int, int]], width: int) -> None:
    for number, actual in misshapen[:_LISTED_ROWS]:
        grid.faults.append(
            Fault(
                "ENV-S01",
                f"第 {number} 行有 {actual} 个单元格,表头有 {width} 个",
                number,
                None,
                str(actual),
                str(width),
            )
        )
    if len(misshapen) > _LISTED_ROWS:
        grid.faults.append(
            Fault(
                "ENV-S01",
                f"共有 {len(misshapen)} 行单元格数与表头不同,以上列出前 {_LISTED_ROWS} 行",
                value=str(len(misshapen)),
            )
        )


class _NoCsvError(ValueError):
    """The parser cannot go on."""


@dataclass(slots=True)
class _Records:
    """The records below the header: those with content, in pieces; row and width of those of another width."""

    pieces: list[Cells] = field(default_factory=list)
    rows: int = 0
    blank_rows: int = 0
    misshapen: list[tuple[int, int]] = field(default_factory=list)


def _read_records(
    form: Form, grid: Grid, body: memoryview, width: int, keep: Keep, block_bytes: int
) -> _Records:
    found = _Records()
    skipped: list[int] = []

    def note(row: pacsv.InvalidRow) -> str:
        # row.number counts records from 1 at the first body record; a person counts the lines above it too
        number = row.number + lines_above
        skipped.append(number)
        if row.text.strip(', \t\r\n"') == "":
            found.blank_rows += 1
        else:
            found.misshapen.append((number, row.actual_columns))
        return "skip"

    lines_above = grid.header_row or 0
    following = lines_above + 1
    names = [f"c{position}" for position in range(1, width + 1)]
    parse = pacsv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False, invalid_row_handler=note)
    for records in _blocks(body, names, parse, block_bytes):
        numbers = pl.int_range(
            following, following + records.num_rows + len(skipped), dtype=pl.UInt32, eager=True
        )
        numbers = (numbers.filter(~numbers.is_in(skipped)) if skipped else numbers).head(records.num_rows)
        if records.num_rows:
            following = int(numbers[-1]) + 1
            skipped[:] = [number for number in skipped if number >= following]
        filled = _filled(records)
        found.rows += records.num_rows if filled is None else pc.sum(filled).as_py()
        found.blank_rows += 0 if filled is None else records.num_rows - pc.sum(filled).as_py()
        if not grid.faults and not found.misshapen:
            columns = {header.column_name: records[f"c{header.position}"] for header in grid.headers}
            rows = text_table(form, columns, numbers.to_arrow())
            found.pieces.append(keep(rows if filled is None else rows.filter(filled)))
    return found


def _blocks(
    body: memoryview, names: list[str], parse: pacsv.ParseOptions, block_bytes: int
) -> Iterator[pa.Table]:
    """Records of the right width, block by block. Raises `_NoCsvError`."""
    if all(bytes(body[start : start + block_bytes]).isspace() for start in range(0, len(body), block_bytes)):
        return
    try:
        reader = pacsv.open_csv(
            _Lines(body),
            read_options=pacsv.ReadOptions(use_threads=False, column_names=names, block_size=block_bytes),
            parse_options=parse,
            convert_options=pacsv.ConvertOptions(
                column_types={name: pa.string() for name in names},
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
                check_utf8=False,
            ),
        )
    except pa.ArrowInvalid as error:
        raise _NoCsvError(str(error)) from error
    while True:
        try:
            batch = reader.read_next_batch()
        except StopIteration:
            return
        except pa.ArrowInvalid as error:
            raise _NoCsvError(str(error)) from error
        yield pa.Table.from_batches([batch])


class _Lines(io.RawIOBase):
    """A body handed out in pieces that end behind a line feed.

    PyArrow loses the line feed of a CRLF within quotes when a block ends between the two.
    """

    def __init__(self, text: memoryview) -> None:
        self._text, self._at = text, 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """The next piece of at most `size` bytes (one more, if a lone CR would end it); empty at the end."""
        rest = len(self._text) - self._at
        piece = bytes(self._text[self._at : self._at + size])
        if size < rest:
            end = piece.rfind(b"\n") + 1
            if end:
                piece = piece[:end]
            elif piece.endswith(b"\r"):
                piece = piece[:-1] or bytes(self._text[self._at : self._at + size + 1])
        self._at += len(piece)
        return piece


def _filled(records: pa.Table) -> pa.ChunkedArray | None:
    """Which rows hold something; None when all do, as one column without a gap tells."""
    if any(column.null_count == 0 for column in records.columns):
        return None
    filled = reduce(pc.or_, map(pc.is_valid, records.columns))
    return None if pc.all(filled, min_count=0).as_py() else filled


def first_records(data: bytes) -> list[tuple[list[str], int]]:
    """The first records with the byte offset just behind each, so that the body can be parsed from there."""
    records: list[tuple[list[str], int]] = []
    lines = io.BytesIO(data)

    def feed() -> str:
        return lines.readline(1 << 20).decode("utf-8")

    reader = csv.reader(iter(feed, ""), strict=False)
    try:
        for _ in range(MAX_PREAMBLE_LINES + 1):
            cells = next(reader)
            records.append((cells, lines.tell()))
    except (StopIteration, csv.Error):
        return records
    return records
