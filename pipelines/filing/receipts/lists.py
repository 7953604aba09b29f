"""Long lists on a sheet: lines that are alike, put together as text, where xlsxwriter makes an object of every cell.

A receipt's lists have up to 10,000 lines of 10 to 50 cells. Through `write_string` a cell takes 12 to 15 µs, most of it
in xlsxwriter's layers; here it takes one to two, compression included. All else of the sheet and of the workbook
(formats, columns, filters, panes, printing, the package) stays xlsxwriter's: `add_worksheet(name, ListSheet)`.

Belongs here: how a cell, a line and a link are spelled in SpreadsheetML (ECMA-376 part 1, 18.3.1). Text is always an
inline string (`t="inlineStr"`), never a formula, whatever it says. Does not belong here: what stands in a list.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from xlsxwriter.format import Format
from xlsxwriter.utility import xl_col_to_name, xl_rowcol_to_cell
from xlsxwriter.worksheet import Worksheet

from pipelines.filing.receipts.wording import printable

#: What has to be spelled otherwise: markup; `_xHHHH_`, which readers take for the character of that number; what XML
#: 1.0 does not allow; and white space at an end, which readers drop unless told.
_SPELLED = re.compile(r"[&<>\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]|_x[0-9A-Fa-f]{4}_|^\s|\s$")
_ESCAPED = re.compile(r"[&<>]|[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")
_MARKUP = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}

#: Most UTF-16 units a cell may hold.
CELL_UNITS = 32_767

Value = str | int | None
"""What a cell holds: text, a whole number, or nothing."""


def cut(text: str) -> str:
    """At most what a cell holds, and said so."""
    if len(text) * 2 <= CELL_UNITS:
        return text
    units = text.encode("utf-16-le")
    if len(units) <= CELL_UNITS * 2:
        return text
    told = f"…(全文 {len(text):,} 字符)"
    return units[: (CELL_UNITS - len(told)) * 2].decode("utf-16-le", "ignore") + told


class _Spelled(dict[Value, str]):
    """Value -> the rest of its cell's element after place and style; each value is spelled once."""

    def __missing__(self, value: Value) -> str:
        if value is None or value == "":
            spelled = "/>"
        elif isinstance(value, int):
            spelled = f"><v>{value}</v></c>"
        else:
            text, space = cut(printable(value)), ""
            if _SPELLED.search(text):
                text = _ESCAPED.sub(lambda found: _MARKUP.get(found[0]) or f"_x{ord(found[0]):04X}_", text)
                space = ' xml:space="preserve"'
            spelled = f' t="inlineStr"><is><t{space}>{text}</t></is></c>'
        self[value] = spelled
        return spelled


class ListSheet(Worksheet):  # type: ignore[misc]  # xlsxwriter is untyped
    """A worksheet whose first rows are written as on any other, and whose last rows are a list."""

    def __init__(self) -> None:
        """As xlsxwriter makes its sheets: without arguments."""
        super().__init__()
        self._lines: list[str] = []
        self._links: list[str] = []
        self._spelled = _Spelled()
        self._starts: list[str] = []
        self._row = 0

    def begin_list(self, row: int, columns: int) -> None:
        """The list begins in this row (from 0), at most so many columns wide; all that is below it is a line of it."""
        self._row = row
        self._starts = [f'<c r="{xl_col_to_name(column)}' for column in range(columns)]
        self._check_dimensions(row, columns - 1)

    def add_line(self, values: Sequence[Value], styles: Sequence[str], height: int | None = None) -> int:
        """The next line: as many values as styles (`style_of`), from the first column on; `height` in points.

        Text is shown as filed, but for control characters and what is longer than a cell holds. Returns its row.
        """
        row = self._row + 1
        high = "" if height is None else f' ht="{height}" customHeight="1"'
        spelled = map(self._spelled.__getitem__, values)
        parts = zip(self._starts[: len(styles)], styles, spelled, strict=True)
        cells = "".join([f"{start}{row}{style}{cell}" for start, style, cell in parts])
        self._lines.append(f'<row r="{row}"{high}>{cells}</row>')
        self._row = row
        return row - 1

    def skip_line(self) -> None:
        """Leave a row empty."""
        self._row += 1

    def add_link(self, column: int, sheet: str, row: int) -> None:
        """Make a cell of the last line a link to the first cell of a row (from 0) of another sheet."""
        at = xl_rowcol_to_cell(self._row - 1, column)
        self._links.append(f'<hyperlink ref="{at}" location="\'{sheet}\'!A{row + 1}"/>')

    def end_list(self) -> int:
        """No more lines; returns the row of the last one (from 0)."""
        self._check_dimensions(self._row - 1, 0)
        return self._row - 1

    def _write_rows(self) -> None:
        """xlsxwriter's rows, then the list."""
        super()._write_rows()
        self.fh.write("".join(self._lines))

    def _write_hyperlinks(self) -> None:
        """The list's links; a sheet has either these or xlsxwriter's."""
        if not self._links:
            super()._write_hyperlinks()
            return
        self.fh.write(f"<hyperlinks>{''.join(self._links)}</hyperlinks>")


def style_of(look: Format) -> str:
    """How a cell of a list names its format: by the number that xlsxwriter's own cells name it by."""
    return f'" s="{look._get_xf_index()}"'
