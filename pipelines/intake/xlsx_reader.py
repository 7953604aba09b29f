"""Read an XLSX filing as text with cell addresses: bounded in size, cells and time.

Belongs here: workbooks. calamine reads the cells, after `container` has seen that they are within bounds and made error
cells text, which calamine would give as empty (docs/decisions/0024). A cell that IS a number or a date is written in
canonical text, which is no damage. Does not belong here: CSV, and text normalisation (`normalise`).
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from itertools import chain, islice
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.contracts.headers import normalise_header, normalise_sheet_name
from pipelines.contracts.model import Form
from pipelines.intake.cell_text import cell_text, column_texts
from pipelines.intake.container import Clock, WorkbookRefusedError, XlsxLimits, damaged, made_safe
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
from pipelines.intake.sheet_columns import column_book, is_panic

if TYPE_CHECKING:
    from python_calamine import CalamineSheet, CalamineWorkbook

__all__ = [
    "Row", "WorkbookRefusedError", "XlsxLimits", "cell_text", "cover_rows", "first_data_rows", "is_cover", "read_xlsx",
    "sheet_rows",
]  # fmt: skip

#: Sheets whose names mark the cover (envelope) rather than data.
COVER_SHEETS = ("封面", "cover")
#: Rows turned into columns at once.
_ROWS_AT_ONCE = 8192
#: Unpacked bytes above which a sheet is no cover, whatever its name: some thousand times a cover's.
_LARGEST_COVER_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Row:
    """One sheet row: 1-based number and its cells as text by 0-based column."""

    number: int
    cells: list[str | None]


class Sheet(Protocol):
    """A sheet's cells as text, to be gone through once: by its rows, or by its columns."""

    name: str

    def rows(self) -> Iterator[Row]:
        """The rows that hold something."""

    def top(self, size: int) -> list[Row]:
        """The first `size` rows that hold something; only `below` follows."""

    def below(self, row: int) -> Iterator[tuple[int, list[pa.Array]]]:
        """The rows under one of those, blank ones included: number of the first, one array a column, in pieces."""


class CellSheet:
    """A sheet read cell by cell."""

    def __init__(self, name: str, cells: CalamineSheet, clock: Clock) -> None:
        """Nothing is converted yet."""
        self.name = name
        start = cells.start
        self._left = [""] * (start[1] if start else 0)
        self._rows = enumerate(cells.iter_rows() if start else (), start=1)
        self._clock = clock
        self._seen: list[tuple[int, Sequence[object]]] = []

    def _values(self) -> Iterator[tuple[int, Sequence[object]]]:
        """Number and values of every row, each as wide as the sheet; a number may be beyond its date format."""
        with _read_as_damaged(f"工作表“{self.name}”已损坏,无法读取"):
            for number, values in self._rows:
                yield number, [*self._left, *values] if self._left else values

    def rows(self) -> Iterator[Row]:
        """The rows that hold something."""
        return (row for row in map(_as_text, self._values()) if row is not None)

    def top(self, size: int) -> list[Row]:
        """The first `size` rows that hold something, and all before."""
        rows: list[Row] = []
        for numbered in self._values():
            self._seen.append(numbered)
            row = _as_text(numbered)
            if row is not None:
                rows.append(row)
            if len(rows) == size:
                break
        return rows

    def below(self, row: int) -> Iterator[tuple[int, list[pa.Array]]]:
        """The rest of what was seen and all that follows."""
        rest = chain(self._seen[row:], self._values())
        while block := list(islice(rest, _ROWS_AT_ONCE)):
            self._clock.check(f"第 {block[0][0]} 行")
            yield (
                block[0][0],
                [column_texts(column) for column in zip(*(cells for _, cells in block), strict=True)],
            )


class ColumnSheet:
    """A sheet that came in columns, which begin in row `first`."""

    def __init__(self, name: str, first: int, columns: list[pa.Array]) -> None:
        """All is converted already."""
        self.name = name
        self._first, self._columns = first, columns

    def rows(self) -> Iterator[Row]:
        """The rows that hold something."""
        for start in range(0, len(self._columns[0]), _ROWS_AT_ONCE):
            block = [column.slice(start, _ROWS_AT_ONCE).to_pylist() for column in self._columns]
            for number, texts in enumerate(zip(*block, strict=True), start=self._first + start):
                if any(text is not None for text in texts):
                    yield Row(number, list(texts))

    def top(self, size: int) -> list[Row]:
        """The first `size` rows that hold something."""
        return list(islice(self.rows(), size))

    def below(self, row: int) -> Iterator[tuple[int, list[pa.Array]]]:
        """All in one piece."""
        columns = [column.slice(row + 1 - self._first) for column in self._columns]
        if len(columns[0]):
            yield row + 1, columns


def _as_text(numbered: tuple[int, Sequence[object]]) -> Row | None:
    texts = [cell_text(value) for value in numbered[1]]
    return None if all(text is None for text in texts) else Row(numbered[0], texts)


def sheets(data: bytes, limits: XlsxLimits) -> Iterator[Sheet]:
    """The sheets in workbook order, within the limits; raises WorkbookRefusedError."""
    clock = Clock(limits.seconds)
    safe = made_safe(data, limits, clock)
    in_columns = column_book(safe)
    book, names = _opened(safe.data) if in_columns is None else (None, in_columns.names)
    for name in names:
        columns = None if in_columns is None else in_columns.columns(name)
        clock.check(f"工作表“{name}”")
        if columns is not None:
            yield ColumnSheet(name, *columns)
            continue
        if book is None:
            book, _ = _opened(safe.data)
        yield CellSheet(name, _cells(book, name), clock)


def sheet_rows(data: bytes, limits: XlsxLimits) -> Iterator[tuple[str, Iterator[Row]]]:
    """Yield (sheet name, its non-blank rows) in workbook order, within the limits; raises WorkbookRefusedError."""
    for sheet in sheets(data, limits):
        yield sheet.name, sheet.rows()


def cover_rows(data: bytes, limits: XlsxLimits) -> Iterator[Row] | None:
    """The rows of the first sheet if it is a cover, else None; large sheets are not unpacked for that.

    Raises WorkbookRefusedError.
    """
    clock = Clock(limits.seconds)
    book, names = _opened(made_safe(data, limits, clock, _LARGEST_COVER_BYTES).data)
    if not names or not is_cover(names[0]):
        return None
    return CellSheet(names[0], _cells(book, names[0]), clock).rows()


def _opened(safe: bytes) -> tuple[CalamineWorkbook, list[str]]:
    from python_calamine import SheetTypeEnum, load_workbook  # most filings are CSV

    with _read_as_damaged("工作簿结构已损坏,无法打开"):
        book = load_workbook(io.BytesIO(safe))
        return book, [told.name for told in book.sheets_metadata if told.typ == SheetTypeEnum.WorkSheet]


def _cells(book: CalamineWorkbook, name: str) -> CalamineSheet:
    with _read_as_damaged(f"工作表“{name}”已损坏,无法读取"):
        return book.get_sheet_by_name(name)


@contextmanager
def _read_as_damaged(detail: str) -> Iterator[None]:
    """Whatever calamine raises is the file's fault, for it reads from memory; a lack of memory is ours."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        raise damaged(detail, error) from error
    except BaseException as error:
        if not is_panic(error):
            raise
        raise damaged(detail, f"{type(error).__name__}: {error}") from error


def is_cover(sheet_name: str) -> bool:
    """True for the name of a cover sheet."""
    return normalise_header(sheet_name).lower() in COVER_SHEETS


def read_xlsx(form: Form, data: bytes, limits: XlsxLimits, *, has_cover: bool, keep: Keep = as_filed) -> Grid:
    """Read the data sheet of a workbook into a `Grid`: the one the contract names, else the first that is no cover.

    A cover is passed over also when the envelope came as a sidecar and nobody looked at it (`has_cover` false).
    Other sheets (explanations, code lists, a template's hidden ranges) are not read.
    """
    grid = Grid(encoding="xlsx")
    wanted = {normalise_sheet_name(sheet.text) for sheet in form.sheets}
    passed: list[str] = []
    try:
        for index, sheet in enumerate(sheets(data, limits)):
            name = sheet.name
            covers = index == 0 and (has_cover or is_cover(name))
            if covers or (wanted and normalise_sheet_name(name) not in wanted):
                passed.append(name)
                continue
            if grid.sheet is not None:
                grid.faults.append(
                    Fault(
                        "ENV-S01",
                        f"工作表“{grid.sheet}”和“{name}”都可能是报表 {form.code},只能有一个",
                        value=name,
                    )
                )
                break
            grid.sheet = name
            _read_sheet(form, grid, sheet, keep)
            if not wanted:
                break
        if grid.sheet is None:
            grid.faults.append(_no_sheet(form, passed))
    except WorkbookRefusedError as refused:
        grid.faults.append(refused.fault)
        grid.pieces = None
    return grid


def first_data_rows(data: bytes, limits: XlsxLimits) -> list[list[str | None]] | Fault:
    """The first rows of the data sheet, in which a header may stand; or why the workbook cannot be read."""
    try:
        for index, (name, rows) in enumerate(sheet_rows(data, limits)):
            if index or not is_cover(name):
                return [row.cells for row in islice(rows, MAX_PREAMBLE_LINES + 1)]
    except WorkbookRefusedError as refused:
        return refused.fault
    return []


def _no_sheet(form: Form, passed: list[str]) -> Fault:
    if not form.sheets:
        return Fault("ENV-S01", "工作簿中没有数据工作表", value="no data sheet")
    names = " | ".join(sheet.text.strip() for sheet in form.sheets)
    return Fault(
        "ENV-S01",
        f"工作簿中没有报表 {form.code} 在该报告期的工作表({names})",
        value=" | ".join(passed)[:200],
        expected=names,
    )


def _read_sheet(form: Form, grid: Grid, sheet: Sheet, keep: Keep) -> None:
    top = sheet.top(MAX_PREAMBLE_LINES + 1)
    index = locate_header(form, [row.cells for row in top])
    if index is None:
        shown = " | ".join(c for row in top[:1] for c in row.cells if c)
        grid.faults.append(
            Fault(
                "ENV-S01",
                f"工作表“{grid.sheet}”前 {MAX_PREAMBLE_LINES} 行中没有找到报表 {form.code} 的表头",
                value=shown[:200] or "empty sheet",
            )
        )
        return
    header = top[index]
    grid.header_row = header.number
    grid.headers, faults = map_headers(form, header.number, header.cells)
    grid.faults.extend(faults)
    blocks: list[pa.Table] = []
    last = header.number
    for first, columns in sheet.below(header.number):
        numbers = pa.array(range(first, first + len(columns[0])), pa.uint32())
        if all(column.null_count for column in columns):
            filled = reduce(pc.or_, (pc.is_valid(column) for column in columns))
            numbers, columns = numbers.filter(filled), [column.filter(filled) for column in columns]  # noqa: PLW2901
        if not faults:
            grid.faults.extend(_strays(grid, numbers, columns))
        names = [f"c{position}" for position in range(1, len(columns) + 1)]
        blocks.append(pa.table([*columns, numbers], names=[*names, "row_no"]))
        grid.rows_read += len(numbers)
        last = numbers[-1].as_py() if len(numbers) else last
    grid.blank_rows = last - header.number - grid.rows_read
    if not grid.faults:
        names = [f"c{h.position}" for h in grid.headers]
        empty = pa.schema([*((name, pa.string()) for name in names), ("row_no", pa.uint32())]).empty_table()
        table = pa.concat_tables(block.select(empty.column_names) for block in blocks or [empty])
        table = table.combine_chunks()
        by_name = {h.column_name: table[f"c{h.position}"] for h in grid.headers}
        grid.pieces = [keep(text_table(form, by_name, table["row_no"]))]


def _strays(grid: Grid, numbers: pa.Array, columns: list[pa.Array]) -> Iterator[Fault]:
    """A fault for each row with content beside the table, naming the first such cell."""
    mapped = {h.position for h in grid.headers}
    found: dict[int, tuple[int, str]] = {}
    for position, column in enumerate(columns, start=1):
        if position in mapped or column.null_count == len(column):
            continue
        filled = pc.is_valid(column)
        for number, text in zip(
            numbers.filter(filled).to_pylist(), column.filter(filled).to_pylist(), strict=True
        ):
            found.setdefault(number, (position, text))
    for number, (position, text) in sorted(found.items()):
        yield Fault(
            "ENV-S01", f"第 {number} 行第 {position} 列有内容,但该列没有表头", number, value=text[:80]
        )
