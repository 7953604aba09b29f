"""Read an XLSX filing as text with cell addresses: streamed, bounded in size, cells and time.

Belongs here: workbooks. openpyxl's read-only mode is used because it keeps addresses, cell types and error values;
calamine drops leading empty rows and turns `#DIV/0!` into an empty cell (docs/decisions/0003). Bounds are checked on
the zip before any sheet is parsed. A cell that IS a number or a date is written in canonical text, which is no damage.
Does not belong here: CSV, and text normalisation (`normalise`).
"""

from __future__ import annotations

import datetime as dt
import io
import time
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice

import pyarrow as pa

from pipelines.contracts.headers import normalise_header, normalise_sheet_name
from pipelines.contracts.model import Form
from pipelines.intake.faults import Fault
from pipelines.intake.grid import MAX_PREAMBLE_LINES, Grid, locate_header, map_headers, text_table

_OLE_MAGIC = bytes.fromhex("d0cf11e0a1b11ae1")
_ZIP_MAGIC = b"PK\x03\x04"
#: Sheets whose names mark the cover (envelope) rather than data.
COVER_SHEETS = ("封面", "cover")
_CLOCK_EVERY_ROWS = 256
#: The workbook is read from memory, so these are this machine's trouble and never the filer's fault.
_OURS = (MemoryError, OSError)
_MAX_PARTS = 10_000
#: Whole floats below this are exact integers.
_EXACT_FLOAT = 1e15


@dataclass(frozen=True, slots=True)
class XlsxLimits:
    """Bounds of one workbook: unzipped bytes, non-empty cells over all sheets, seconds of reading."""

    unzipped_bytes: int = 1 << 30
    cells: int = 5_000_000
    seconds: float = 120.0


class WorkbookRefusedError(Exception):
    """A workbook that cannot or must not be read; `fault` says why, for the filer."""

    def __init__(self, fault: Fault) -> None:
        """Carry the fault beside its sentence."""
        super().__init__(fault.detail)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Row:
    """One sheet row: 1-based number and its cells as text by 0-based column."""

    number: int
    cells: list[str | None]


def check_container(data: bytes, limits: XlsxLimits) -> None:
    """Refuse what is not a readable, bounded zip: encrypted, old .xls, truncated, or a zip bomb."""
    if data.startswith(_OLE_MAGIC):
        raise WorkbookRefusedError(
            Fault(
                "ENV-S01", "工作簿有密码保护或为旧版 .xls 格式,请另存为不加密的 .xlsx", value="OLE container"
            )
        )
    if not data.startswith(_ZIP_MAGIC):
        raise WorkbookRefusedError(Fault("ENV-S01", "文件不是 .xlsx 工作簿", value=data[:8].hex(" ")))
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as container:
            members = container.infolist()
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise WorkbookRefusedError(
            Fault("ENV-S01", "工作簿被截断或已损坏,无法打开", value=str(error)[:120])
        ) from error
    total = sum(member.file_size for member in members)
    if total > limits.unzipped_bytes or len(members) > _MAX_PARTS:
        raise WorkbookRefusedError(
            Fault(
                "ENV-S01",
                f"工作簿解压后 {total} 字节、{len(members)} 个部件,超过上限 {limits.unzipped_bytes} 字节",
                value=str(total),
                expected=f"<= {limits.unzipped_bytes}",
            )
        )


def sheet_rows(data: bytes, limits: XlsxLimits) -> Iterator[tuple[str, Iterator[Row]]]:
    """Yield (sheet name, its non-blank rows) in workbook order, within the limits; raises WorkbookRefusedError."""
    check_container(data, limits)
    from openpyxl import load_workbook  # heavy, and most filings are CSV

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # openpyxl warns about styles it does not need
            book = load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
    except _OURS:
        raise
    except Exception as error:
        raise WorkbookRefusedError(
            Fault("ENV-S01", "工作簿结构已损坏,无法打开", value=f"{type(error).__name__}: {error}"[:160])
        ) from error
    budget = _Budget(limits)
    try:
        for sheet in book.worksheets:
            sheet.reset_dimensions()
            yield sheet.title, _rows(sheet, budget)
    finally:
        book.close()


@dataclass(slots=True)
class _Budget:
    limits: XlsxLimits
    cells: int = 0
    started: float = 0.0

    def __post_init__(self) -> None:
        self.started = time.monotonic()

    def spend(self, cells: int, row_number: int) -> None:
        self.cells += cells
        if self.cells > self.limits.cells:
            raise WorkbookRefusedError(
                Fault(
                    "ENV-S01",
                    f"工作簿单元格超过上限 {self.limits.cells}(读到第 {row_number} 行)",
                    value=str(self.cells),
                    expected=f"<= {self.limits.cells}",
                )
            )

    def check_clock(self, row_number: int) -> None:
        spent = time.monotonic() - self.started
        if spent > self.limits.seconds:
            raise WorkbookRefusedError(
                Fault(
                    "ENV-S01",
                    f"读取工作簿超过 {self.limits.seconds:.0f} 秒(读到第 {row_number} 行):请删除多余的空白单元格",
                    value=f"row {row_number}",
                )
            )


def _rows(sheet: object, budget: _Budget) -> Iterator[Row]:
    number = 0
    try:
        for number, cells in enumerate(sheet.iter_rows(values_only=True), start=1):  # type: ignore[attr-defined]
            if number % _CLOCK_EVERY_ROWS == 0:
                budget.check_clock(number)
            texts = [cell_text(value) for value in cells]
            filled = sum(text is not None for text in texts)
            if filled:
                budget.spend(filled, number)
                yield Row(number, texts)
    except WorkbookRefusedError:
        raise
    except _OURS:
        raise
    except Exception as error:
        raise WorkbookRefusedError(
            Fault(
                "ENV-S01",
                f"工作表第 {number + 1} 行附近已损坏,无法读取",
                number + 1,
                value=f"{type(error).__name__}: {error}"[:160],
            )
        ) from error


def cell_text(value: object) -> str | None:
    """Canonical text of a cell value: dates ISO, whole numbers without `.0`, booleans Y/N, text as it stands."""
    if value is None:
        return None
    if isinstance(value, str):
        return value if value.strip() else None
    if isinstance(value, bool):
        return "Y" if value else "N"
    if isinstance(value, dt.datetime):
        return (
            value.strftime("%Y-%m-%d") if value.time() == dt.time() else value.strftime("%Y-%m-%d %H:%M:%S")
        )
    if isinstance(value, float):
        return (
            str(int(value))
            if value.is_integer() and abs(value) < _EXACT_FLOAT
            else format(Decimal(repr(value)), "f")
        )
    return str(value)


def is_cover(sheet_name: str) -> bool:
    """True for the name of a cover sheet."""
    return normalise_header(sheet_name).lower() in COVER_SHEETS


def read_xlsx(form: Form, data: bytes, limits: XlsxLimits, *, has_cover: bool) -> Grid:
    """Read the data sheet of a workbook into a `Grid`: the one the contract names, else the first that is no cover.

    A cover is passed over also when the envelope came as a sidecar and nobody looked at it (`has_cover` false).
    Other sheets (explanations, code lists, a template's hidden ranges) are not read.
    """
    grid = Grid(encoding="xlsx")
    wanted = {normalise_sheet_name(sheet.text) for sheet in form.sheets}
    passed: list[str] = []
    try:
        for index, (name, rows) in enumerate(sheet_rows(data, limits)):
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
            _read_sheet(form, grid, rows)
            if not wanted:
                break
        if grid.sheet is None:
            grid.faults.append(_no_sheet(form, passed))
    except WorkbookRefusedError as refused:
        grid.faults.append(refused.fault)
        grid.table = None
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


def _read_sheet(form: Form, grid: Grid, rows: Iterator[Row]) -> None:
    top: list[Row] = []
    for row in rows:
        top.append(row)
        if len(top) > MAX_PREAMBLE_LINES:
            break
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
    width = max((h.position for h in grid.headers), default=0)
    columns: list[list[str | None]] = [[] for _ in range(width)]
    numbers: list[int] = []
    mapped = {h.position for h in grid.headers}
    last = header.number
    for row in _chain(top[index + 1 :], rows):
        grid.blank_rows += row.number - last - 1
        last = row.number
        cells = row.cells
        stray = [p for p, text in enumerate(cells, start=1) if text is not None and p not in mapped]
        if stray and not faults:
            grid.faults.append(
                Fault(
                    "ENV-S01",
                    f"第 {row.number} 行第 {stray[0]} 列有内容,但该列没有表头",
                    row.number,
                    value=(cells[stray[0] - 1] or "")[:80],
                )
            )
        numbers.append(row.number)
        for position in range(width):
            columns[position].append(cells[position] if position < len(cells) else None)
    grid.rows_read = len(numbers)
    if not grid.faults:
        by_name = {h.column_name: pa.array(columns[h.position - 1], pa.string()) for h in grid.headers}
        grid.table = text_table(form, by_name, pa.array(numbers, pa.uint32()))


def _chain(first: list[Row], rest: Iterator[Row]) -> Iterator[Row]:
    yield from first
    yield from rest
