"""Read a CSV filing as text with row numbers (RFC 4180, comma, preamble tolerated, strict about its shape).

Belongs here: CSV only. PyArrow reads (strict on the number of cells, quoted newlines allowed, one pass in C); rows
of a wrong length come back with their row number instead of being padded or cut.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from functools import reduce

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from pipelines.contracts.model import Form
from pipelines.intake.encoding import Decoded, decode
from pipelines.intake.faults import Fault
from pipelines.intake.grid import MAX_PREAMBLE_LINES, Grid, locate_header, map_headers, text_table

#: Faults of shape listed by row; the count of all of them is always told.
_LISTED_ROWS = 20


def read_csv(form: Form, data: bytes, declared_encoding: str | None) -> Grid:
    """Read CSV bytes into a `Grid`; everything wrong with the file as a file is in `faults`, never raised."""
    grid = Grid()
    if not data.strip():
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
    _read_body(form, grid, decoded)
    return grid


def empty_file(data: bytes) -> Fault:
    """The fault of a file that holds nothing."""
    return Fault("ENV-S01", "文件为空,没有表头", value=f"{len(data)} bytes")


def _read_body(form: Form, grid: Grid, decoded: Decoded) -> None:
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
    body = decoded.data[body_offset:]
    names = [f"c{position}" for position in range(1, len(cells) + 1)]
    parsed = _parse(body, names)
    if isinstance(parsed, Fault):
        grid.faults.append(parsed)
        return
    wrong = parsed.misshapen
    # row.number counts records from 1 at the first body record; a person counts the lines above it too
    for number, actual in wrong[:_LISTED_ROWS]:
        grid.faults.append(
            Fault(
                "ENV-S01",
                f"第 {number + index + 1} 行有 {actual} 个单元格,表头有 {len(names)} 个",
                number + index + 1,
                None,
                str(actual),
                str(len(names)),
            )
        )
    if len(wrong) > _LISTED_ROWS:
        grid.faults.append(
            Fault(
                "ENV-S01",
                f"共有 {len(wrong)} 行单元格数与表头不同,以上列出前 {_LISTED_ROWS} 行",
                value=str(len(wrong)),
            )
        )
    _fill(form, grid, parsed, index + 1)


@dataclass(slots=True)
class _Parsed:
    """Records of the right width, and the record numbers (from 1) of those that are not."""

    table: pa.Table
    misshapen: list[tuple[int, int]] = field(default_factory=list)
    blank: list[int] = field(default_factory=list)

    def numbers(self) -> pa.Array:
        """Record number of each row of the table."""
        skipped = {number for number, _ in self.misshapen} | set(self.blank)
        numbers = pl.int_range(1, self.table.num_rows + len(skipped) + 1, dtype=pl.UInt32, eager=True)
        return (numbers.filter(~numbers.is_in(list(skipped))) if skipped else numbers).to_arrow()

    def filled(self) -> pa.ChunkedArray | None:
        """Which rows hold something; None when all do, as one column without a gap tells."""
        if any(column.null_count == 0 for column in self.table.columns):
            return None
        filled = reduce(pc.or_, map(pc.is_valid, self.table.columns))
        return None if pc.all(filled, min_count=0).as_py() else filled


def _fill(form: Form, grid: Grid, parsed: _Parsed, lines_above: int) -> None:
    table, numbers = parsed.table, pc.add(parsed.numbers(), pa.scalar(lines_above, pa.uint32()))
    filled = parsed.filled()
    if filled is not None:
        grid.blank_rows = table.num_rows
        table = table.filter(filled)
        numbers = numbers.filter(filled.combine_chunks() if isinstance(filled, pa.ChunkedArray) else filled)
        grid.blank_rows -= table.num_rows
    grid.blank_rows += len(parsed.blank)
    grid.rows_read = table.num_rows + len(parsed.misshapen)
    if not grid.faults:
        columns = {h.column_name: table[f"c{h.position}"].combine_chunks() for h in grid.headers}
        grid.table = text_table(form, columns, numbers)


def _parse(body: bytes, names: list[str]) -> _Parsed | Fault:
    misshapen: list[tuple[int, int]] = []
    blank: list[int] = []

    def note(row: pacsv.InvalidRow) -> str:
        if row.text.strip(', \t\r\n"') == "":
            blank.append(row.number)
        else:
            misshapen.append((row.number, row.actual_columns))
        return "skip"

    if not body.strip():
        return _Parsed(pa.table({name: pa.array([], pa.string()) for name in names}))
    try:
        table = pacsv.read_csv(
            io.BytesIO(body),
            read_options=pacsv.ReadOptions(
                use_threads=False, column_names=names, block_size=max(len(body), 1 << 16)
            ),
            parse_options=pacsv.ParseOptions(
                newlines_in_values=True, ignore_empty_lines=False, invalid_row_handler=note
            ),
            convert_options=pacsv.ConvertOptions(
                column_types={name: pa.string() for name in names},
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
                check_utf8=False,
            ),
        )
    except pa.ArrowInvalid as error:
        return Fault("ENV-S01", f"CSV 结构无法解析: {error}"[:300])
    return _Parsed(table, misshapen, blank)


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
