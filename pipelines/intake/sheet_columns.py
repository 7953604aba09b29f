"""A large sheet as columns of text without a Python object a cell: calamine's cells, by way of fastexcel, in Arrow.

fastexcel writes numbers, dates and booleans in its own way, and a column of Arrow does not tell which of its cells were
text. `sheet_bytes` has seen which are numbers and how they are filed, so those are written in canonical text and all
others stand as fastexcel gives them. A sheet of which that is not certain is read cell by cell (`xlsx_reader`): same
result, slower. Does not belong here: what canonical text is (`cell_text`).
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar
from xml.etree import ElementTree as ET

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.intake.cell_text import cell_text, without_blanks
from pipelines.intake.container import Safe
from pipelines.intake.sheet_bytes import Numbers

if TYPE_CHECKING:
    from fastexcel import ExcelReader

Read = TypeVar("Read")

#: Filled cells of a sheet from which on columns pay; a workbook of smaller ones is read cell by cell.
SMALLEST_SHEET = 2_000
_SHEETS = "xl/worksheets/"

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
#: Before, spreadsheets count a day too many or mean a time of any day. Text sorts as days do, and a sign before.
_FIRST_DAY = "1900-03-01"
_DAY, _SECOND, _MIDNIGHT = len("2024-01-31"), len("2024-01-31 00:00:00"), " 00:00:00"
#: Number formats of elapsed time: [h]:mm, also by its number; fastexcel writes it as a moment.
_ELAPSED = re.compile(rb'\[[hms]|numFmtId="46"|&#', re.IGNORECASE)


class ColumnBook:
    """A workbook whose sheets are given in columns, as far as that is certain."""

    def __init__(self, reader: ExcelReader, numbers: Mapping[str, Numbers]) -> None:
        """`numbers` of each of its sheets, by name and in order."""
        self.names = list(numbers)
        self._reader, self._numbers = reader, numbers

    def columns(self, name: str) -> tuple[int, list[pa.Array]] | None:
        """The number of the sheet's first filled row, and from there its columns, A first, as text.

        None: read it cell by cell.
        """
        numbers = self._numbers[name]
        cells = _tried(lambda: self._reader.load_sheet_eager(name, header_row=None, dtypes="string"))
        height, width = (
            numbers.last_row - numbers.first_row + 1,
            numbers.last_column - numbers.first_column + 1,
        )
        if cells is None or (cells.num_rows, cells.num_columns) != (height, width):
            return None
        rows, columns, filed = numbers.all()
        by_column = np.argsort(columns, kind="stable")
        ends = np.searchsorted(columns[by_column], np.arange(numbers.first_column, numbers.last_column + 2))
        texts: list[pa.Array] = [pa.nulls(height, pa.string())] * (numbers.first_column - 1)
        for position, column in enumerate(cells.columns):
            chosen = by_column[ends[position] : ends[position + 1]]
            text = _with_numbers(column, rows[chosen] - numbers.first_row, filed.take(pa.array(chosen)))
            if text is None:
                return None
            texts.append(without_blanks(text))
        return numbers.first_row, texts


def column_book(book: Safe) -> ColumnBook | None:
    """The workbook for reading in columns; None where it has no large sheet, or not all is certain of its sheets."""
    if not any(numbers.cells >= SMALLEST_SHEET for numbers in book.numbers.values()):
        return None
    parts = _sheet_parts(book.data)
    if not parts or not all(part in book.numbers and part.startswith(_SHEETS) for part in parts.values()):
        return None
    import fastexcel  # most filings are CSV

    reader = _tried(lambda: fastexcel.read_excel(book.data))
    if reader is None:
        return None
    return ColumnBook(reader, {name: book.numbers[part] for name, part in parts.items()})


def _sheet_parts(data: bytes) -> Mapping[str, str]:
    """The part of each sheet of a workbook, by the sheet's name; none where that, or what a date is, is not certain."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as container:
            directory, relations, styles = map(
                container.read, ("xl/workbook.xml", "xl/_rels/workbook.xml.rels", "xl/styles.xml")
            )
        if b"\0" in directory + relations + styles or _ELAPSED.search(styles):
            return {}
        # without a document type (`container`) there is nothing to unfold
        targets = {told.get("Id"): told.get("Target", "") for told in ET.fromstring(relations)}  # noqa: S314
        found = [
            (
                sheet.get("name", ""),
                next(targets[value] for key, value in sheet.items() if key.endswith("}id")),
            )
            for sheet in ET.fromstring(directory).iterfind("{*}sheets/{*}sheet")  # noqa: S314
        ]
    except (zipfile.BadZipFile, ET.ParseError, LookupError, ValueError, StopIteration):
        return {}
    parts = {
        name: target.removeprefix("/") if target.startswith("/") else f"xl/{target}" for name, target in found
    }
    return parts if len(parts) == len(found) else {}


def _tried(read: Callable[[], Read]) -> Read | None:
    """What fastexcel reads, or None when it has difficulties: reading by cells says what is wrong with a file."""
    try:
        return read()
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - see above
        return None
    except BaseException as error:
        if not is_panic(error):
            raise
        return None


def is_panic(error: BaseException) -> bool:
    """Whether Rust gave up: that is no Exception, and its class cannot be imported."""
    return type(error).__name__ == "PanicException"


def _with_numbers(column: pa.Array, rows: np.ndarray, filed: pa.Array) -> pa.Array | None:
    """The column with canonical text in these rows, which hold numbers, filed so; None if one is not certain."""
    if not len(rows):
        return column
    shown = column.take(pa.array(rows))
    if shown.null_count:
        return None
    is_moment = pc.match_substring(shown, ":")
    moments, numbers = shown.filter(is_moment), filed.filter(pc.invert(is_moment))
    written = _canonical_numbers(numbers)
    if written is None or (len(moments) and pc.min(moments).as_py() < _FIRST_DAY):
        return None
    canonical = _canonical_moments(moments)
    if not len(canonical):
        canonical = written
    elif len(written):
        canonical = pc.replace_with_mask(shown, is_moment, canonical)
        canonical = pc.replace_with_mask(canonical, pc.invert(is_moment), written)
    if len(rows) == len(column):
        return canonical
    mask = np.zeros(len(column), bool)
    mask[rows] = True
    return pc.replace_with_mask(column, pa.array(mask), canonical)


def _canonical_moments(shown: pa.Array) -> pa.Array:
    """Days without a time where it is midnight, seconds not rounded."""
    if not len(shown):
        return shown
    days = pc.ends_with(shown, _MIDNIGHT)
    if pc.all(days).as_py():
        return pc.utf8_slice_codeunits(shown, 0, _DAY)
    return pc.if_else(
        days, pc.utf8_slice_codeunits(shown, 0, _DAY), pc.utf8_slice_codeunits(shown, 0, _SECOND)
    )


def _canonical_numbers(filed: pa.Array) -> pa.Array | None:
    encoded = filed.dictionary_encode()
    distinct = encoded.dictionary.to_pylist()
    if not all(map(_NUMBER.fullmatch, distinct)):
        return None
    return pa.array([cell_text(float(text)) for text in distinct], pa.string()).take(encoded.indices)
