"""Sheets of a receipt's workbook in SpreadsheetML, put together as text: a cell takes one microsecond or two.

A workbook has six sheets and up to 10,000 lines of 10 to 50 cells; most receipts have few lines, and what surrounds
them must not cost more than they do. Through xlsxwriter a cell takes 12 to 15 µs and an empty sheet 300.

Belongs here: how cells, lines, links, columns, views and printing of a sheet are spelled (ECMA-376 part 1, 18.3.1 and,
for texts, 18.4). A text is always a shared string (`t="s"`), never a formula, whatever it says. Does not belong here:
what stands on a sheet (`workbook`); formats and the package around the sheets (`package`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from itertools import groupby

from pipelines.filing.receipts.wording import printable

#: What has to be spelled otherwise: markup; `_xHHHH_`, which readers take for the character of that number; what XML
#: 1.0 does not allow; and white space at an end, which readers drop unless told.
_SPELLED = re.compile(r"[&<>\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]|_x[0-9A-Fa-f]{4}_|^\s|\s$")
_ESCAPED = re.compile(r"[&<>]|[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")
_MARKUP = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}

#: Most UTF-16 units a cell may hold.
CELL_UNITS = 32_767

#: A column of whole characters is five pixels of padding wider than they are; a digit has seven, counted in 256ths.
_PADDING = (5 * 256 // 7) / 256

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_HEAD = (
    f'{DECLARATION}<worksheet xmlns="{_MAIN}" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships">'
)
_MARGINS = '<pageMargins left="0.4" right="0.4" top="0.5" bottom="0.5" header="0.3" footer="0.3"/>'
_FOOTER = "<headerFooter><oddFooter>&amp;L&amp;8消保数仓 Xiaobao&amp;R&amp;8&amp;P / &amp;N</oddFooter></headerFooter>"

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


def _string(value: str) -> str:
    """A text as it stands in the table of texts."""
    plain = (
        value.isprintable()
        and len(value) * 2 <= CELL_UNITS
        and not ("&" in value or "<" in value or ">" in value or "_x" in value)
        and value[0] != " " != value[-1]
    )
    text = value if plain else cut(printable(value))
    if plain or _SPELLED.search(text) is None:
        return f"<si><t>{text}</t></si>"
    return f'<si><t xml:space="preserve">{escaped(text)}</t></si>'


def escaped(text: str) -> str:
    """Text as it stands in an element, whatever characters it has."""
    return _ESCAPED.sub(lambda found: _MARKUP.get(found[0]) or f"_x{ord(found[0]):04X}_", text)


class Cells(dict[Value, str]):
    """Value -> the rest of its cell's element after place and style, of all sheets of one workbook.

    Each value is spelled once; texts stand in the workbook's table of strings, and cells name them by number.
    """

    def __init__(self) -> None:
        """No text yet."""
        super().__init__()
        self._texts: list[str] = []

    def __missing__(self, value: Value) -> str:
        """Spell a value that is asked for the first time."""
        if value is None or value == "":
            spelled = "/>"
        elif isinstance(value, int):
            spelled = f"><v>{value}</v></c>"
        else:
            self._texts.append(_string(value))
            spelled = f' t="s"><v>{len(self._texts) - 1}</v></c>'
        self[value] = spelled
        return spelled

    def strings(self) -> str:
        """The part of the package that holds the texts."""
        return (
            f'{DECLARATION}<sst xmlns="{_MAIN}" uniqueCount="{len(self._texts)}">{"".join(self._texts)}</sst>'
        )


class Sheet:
    """One sheet, written line by line; landscape A4, one page wide, with the same margins and footer as all others."""

    def __init__(self, name: str, cells: Cells) -> None:
        """Without lines; `cells` are those of the workbook."""
        self.name = name
        #: Widths of its columns in characters.
        self.widths: Sequence[int] = ()
        #: Rows and columns at the top and at the left that stay where they are.
        self.frozen = (0, 0)
        self.gridlines = True
        self.portrait = False
        #: As many pages wide as it takes, not one.
        self.spreads = False
        #: Row (from 0) that is printed on every page.
        self.repeated: int | None = None
        #: First and last row (from 0) and number of columns of what can be filtered.
        self.filtered: tuple[int, int, int] | None = None
        #: Last row (from 0) and number of columns of what is printed; None: everything.
        self.printed: tuple[int, int] | None = None
        self._cells = cells
        self._lines: list[str] = []
        self._links: list[str] = []
        self._merged: list[str] = []
        self._row = self._wide = 0

    def add_line(self, values: Sequence[Value], styles: Sequence[str], height: int | None = None) -> int:
        """The next line: as many values as styles, from the first column on; `height` in points.

        Text is shown as filed, but for control characters and what is longer than a cell holds. Returns its row
        (from 0).
        """
        self._row = row = self._row + 1
        count = len(styles)
        self._wide = max(self._wide, count)
        high = "" if height is None else f' ht="{height}" customHeight="1"'
        parts = zip(_starts(count), styles, map(self._cells.__getitem__, values), strict=True)
        cells = "".join([f"{start}{row}{style}{cell}" for start, style, cell in parts])
        self._lines.append(f'<row r="{row}"{high}>{cells}</row>')
        return row - 1

    def add_merged_line(self, value: Value, style: str, columns: int, height: int | None = None) -> None:
        """The next line: one cell as wide as so many columns."""
        row = self.add_line((value, *[None] * (columns - 1)), [style] * columns, height) + 1
        self._merged.append(f'<mergeCell ref="A{row}:{_letters(columns)}{row}"/>')

    def skip_line(self) -> None:
        """Leave a row empty."""
        self._row += 1

    def add_link(self, column: int, sheet: str, row: int) -> None:
        """Make a cell of the last line a link to the first cell of a row (from 0) of another sheet."""
        at = f"{_letters(column + 1)}{self._row}"
        self._links.append(f'<hyperlink ref="{at}" location="\'{sheet}\'!A{row + 1}"/>')

    def xml(self, *, selected: bool) -> str:
        """The part of the package that holds the sheet; `selected`: it is the one that is shown first."""
        extent = f"A1:{_letters(self._wide)}{self._row}" if self._wide > 1 or self._row > 1 else "A1"
        filtered = f'<autoFilter ref="{_area(*self.filtered)}"/>' if self.filtered else ""
        merged = "".join(self._merged)
        links = "".join(self._links)
        return "".join(
            (
                _HEAD,
                "" if self.spreads else '<sheetPr><pageSetUpPr fitToPage="1"/></sheetPr>',
                f'<dimension ref="{extent}"/>',
                "<sheetViews><sheetView",
                "" if self.gridlines else ' showGridLines="0"',
                ' tabSelected="1"' if selected else "",
                ' workbookViewId="0"',
                _pane(*self.frozen),
                '</sheetViews><sheetFormatPr defaultRowHeight="15"/>',
                _columns(tuple(self.widths)),
                "<sheetData>",
                *self._lines,
                "</sheetData>",
                filtered,
                f'<mergeCells count="{len(self._merged)}">{merged}</mergeCells>' if merged else "",
                f"<hyperlinks>{links}</hyperlinks>" if links else "",
                _MARGINS,
                '<pageSetup paperSize="9"',
                "" if self.spreads else ' fitToHeight="0"',
                f' orientation="{"portrait" if self.portrait else "landscape"}"/>',
                _FOOTER,
                "</worksheet>",
            )
        )

    def names(self, number: int) -> str:
        """Names of the sheet's areas, which the workbook defines; `number`: its place, from 0."""
        told = []
        if self.filtered:
            told.append(
                ('_xlnm._FilterDatabase" hidden="1', f"{self.name}!{_area(*self.filtered, fixed='$')}")
            )
        if self.printed:
            told.append(("_xlnm.Print_Area", f"{self.name}!{_area(0, *self.printed, fixed='$')}"))
        if self.repeated is not None:
            row = self.repeated + 1
            told.append(("_xlnm.Print_Titles", f"{self.name}!${row}:${row}"))
        return "".join(
            f'<definedName name="{name}" localSheetId="{number}">{area}</definedName>' for name, area in told
        )


@cache
def _letters(number: int) -> str:
    """Letters of a column, from 1: A, …, Z, AA."""
    before, last = divmod(number - 1, 26)
    return (_letters(before) if before else "") + chr(ord("A") + last)


@cache
def _starts(count: int) -> tuple[str, ...]:
    """How the cells of a line of so many columns begin, up to the number of its row."""
    return tuple(f'<c r="{_letters(number)}' for number in range(1, count + 1))


def _area(first: int, last: int, columns: int, fixed: str = "") -> str:
    """Rows from `first` to `last` (from 0) of the first columns; `fixed`: what stands before letters and numbers."""
    return f"{fixed}A{fixed}{first + 1}:{fixed}{_letters(columns)}{fixed}{last + 1}"


@cache
def _pane(rows: int, columns: int) -> str:
    """The end of a sheet's view: nothing frozen, rows, or rows and columns."""
    if not rows:
        return "/>"
    corner = f"{_letters(columns + 1)}{rows + 1}"
    if not columns:
        return (
            f'><pane ySplit="{rows}" topLeftCell="{corner}" activePane="bottomLeft" state="frozen"/>'
            '<selection pane="bottomLeft"/></sheetView>'
        )
    right, below = f"{_letters(columns + 1)}1", f"A{rows + 1}"
    return (
        f'><pane xSplit="{columns}" ySplit="{rows}" topLeftCell="{corner}" activePane="bottomRight" state="frozen"/>'
        f'<selection pane="topRight" activeCell="{right}" sqref="{right}"/>'
        f'<selection pane="bottomLeft" activeCell="{below}" sqref="{below}"/>'
        '<selection pane="bottomRight"/></sheetView>'
    )


def _columns(widths: tuple[int, ...]) -> str:
    """Columns and their widths; neighbours of one width together."""
    told, first = [], 1
    for width, alike in groupby(widths):
        last = first + len(list(alike)) - 1
        told.append(f'<col min="{first}" max="{last}" width="{width + _PADDING}" customWidth="1"/>')
        first = last + 1
    return f"<cols>{''.join(told)}</cols>" if told else ""
