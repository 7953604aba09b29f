"""Output: one table shape, written as a terminal table, JSON or CSV.

Only results go to stdout, so that JSON and CSV can be piped; progress, hints and errors go to stderr.
Filed text in CSV stays text in a spreadsheet; JSON has it as it was filed.
Decimals are written as text in JSON: a reader that made binary floats of them would change published figures.
"""

from __future__ import annotations

import csv
import json
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as RichTable

_WIDTH_WITHOUT_TERMINAL = 200
#: What a spreadsheet takes for a formula; a signed number is none.
_FORMULA = re.compile(r"[=@\t]|[+-](?!\d+(\.\d+)?$)")


def wrap_by_cells() -> None:
    """Make Rich drop the blank at the end of a wrapped line by cells; it counts characters there.

    A Chinese character takes two cells, so a line that holds one kept its blank, was one cell too wide and lost its
    last letters to an ellipsis: in every help text and table of this program.
    """
    from rich.text import Text

    def rstrip_end(text: Text, size: int) -> None:
        excess = text.cell_len - size
        if excess > 0:
            blanks = len(text.plain) - len(text.plain.rstrip())
            text.right_crop(min(blanks, excess))

    Text.rstrip_end = rstrip_end  # type: ignore[method-assign, assignment]


class OutputFormat(StrEnum):
    """Formats of `--format`."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


FormatOption = Annotated[
    OutputFormat, typer.Option("--format", "-f", help="输出格式 table for people, json or csv for programs.")
]


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its key in JSON and CSV, its header for people, and how it is set."""

    key: str
    header: str
    justify: Literal["left", "right", "center"] = "left"
    in_table: bool = True
    """False for columns that only programs need."""
    wrap: bool = True
    once: bool = False
    """People see the value only where it differs from the row above."""
    optional: bool = False
    """Left out where the terminal is too narrow for all columns; the last of these goes first."""
    pinned: bool = False
    """Repeated when a table with such columns is too wide and goes on below."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows with the columns' keys; values are None, str, int, bool, Decimal, date or datetime."""

    title: str
    columns: Sequence[Column]
    rows: Sequence[dict[str, object]]
    styles: dict[str, str] = field(default_factory=dict)
    """Cell text -> rich style, for marks."""
    caption: str | None = None


def stdout_console() -> Console:
    """For results; as wide as the terminal, or wide enough for every column when piped."""
    from rich.console import Console

    piped = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return Console(width=_WIDTH_WITHOUT_TERMINAL if piped else None, highlight=False, soft_wrap=False)


def stderr_console() -> Console:
    """For progress, hints and errors."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def emit(table: Table, output: OutputFormat) -> None:
    """Write the table to stdout."""
    if output is OutputFormat.JSON:
        emit_json([{column.key: row.get(column.key) for column in table.columns} for row in table.rows])
    elif output is OutputFormat.CSV:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(column.key for column in table.columns)
        writer.writerows([_inert(row.get(column.key)) for column in table.columns] for row in table.rows)
    else:
        _emit_rich(table)


def emit_json(value: object) -> None:
    """Write one JSON document to stdout, readable and with Chinese as it is."""
    json.dump(value, sys.stdout, ensure_ascii=False, indent=2, default=plain)
    sys.stdout.write("\n")


def plain(value: object) -> str:
    """A value as text for programs; None is empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    return str(value)


def _inert(value: object) -> str:
    """A value for CSV; a text that a spreadsheet would run as a formula gets an apostrophe before it."""
    text = plain(value).replace("\r\n", "\n").replace("\r", "\n")  # the writer quotes the latter only
    return f"'{text}" if isinstance(value, str) and _FORMULA.match(text) else text


def shown(value: object) -> str:
    """A value as text for people: thousands separated, None as a dash (nothing was filed is not zero)."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    if isinstance(value, int | Decimal):
        return format(value, ",f") if isinstance(value, Decimal) else format(value, ",d")
    return str(value)


def _emit_rich(table: Table) -> None:
    from rich.text import Text

    console = stdout_console()
    widths = {column.key: _width(column, table.rows) for column in table.columns if column.in_table}
    columns = _fitting([column for column in table.columns if column.in_table], widths, console.width)
    parts = _parts(columns, widths, console.width)
    for number, part in enumerate(parts):
        drawn = _drawn(
            part,
            widths,
            console.width,
            title=table.title if number == 0 else None,
            caption=table.caption if number == len(parts) - 1 else None,
        )
        above: dict[str, object] = {}
        for row in table.rows:
            texts = [
                ""
                if column.once and above.get(column.key) == row.get(column.key)
                else shown(row.get(column.key))
                for column in part
            ]
            above = row
            drawn.add_row(*(Text(text, style=table.styles.get(text.split(" ")[0], "")) for text in texts))
        console.print(drawn)


def _drawn(
    columns: Sequence[Column],
    widths: dict[str, int],
    available: int,
    *,
    title: str | None,
    caption: str | None,
) -> RichTable:
    """An empty table of these columns; what is too wide is folded, never cut off."""
    from rich import box
    from rich.table import Table as RichTable

    is_tight = _needed(columns, widths) > available
    drawn = RichTable(
        title=title,
        caption=caption,
        box=box.SIMPLE_HEAD,
        title_justify="left",
        caption_justify="left",
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    for column in columns:
        wrap = column.wrap or (is_tight and widths[column.key] > _FOLDED_WIDTH)
        # Chinese has no spaces to break at: without folding, rich would cut a sentence off.
        drawn.add_column(
            column.header,
            justify=column.justify,
            no_wrap=not wrap,
            overflow="fold" if wrap else "ellipsis",
            min_width=min(widths[column.key], _FOLDED_WIDTH) if is_tight else widths[column.key],
        )
    return drawn


#: What a column that is folded needs at least, in cells; space between two columns.
_FOLDED_WIDTH, _GAP = 10, 2


def _width(column: Column, rows: Sequence[dict[str, object]]) -> int:
    """Cells that a column needs: its widest text, or less where it may be folded."""
    from rich.cells import cell_len

    texts = [*column.header.split("\n"), *(shown(row.get(column.key)) for row in rows)]
    widest = max(cell_len(line) for text in texts for line in text.split("\n"))
    return min(widest, _FOLDED_WIDTH) if column.wrap and not column.optional else widest


def _needed(columns: Sequence[Column], widths: dict[str, int]) -> int:
    return sum(widths[column.key] + _GAP for column in columns)


def _fitting(columns: list[Column], widths: dict[str, int], available: int) -> list[Column]:
    """The columns without as many optional ones as do not fit; others are folded rather than left out."""
    kept = list(columns)
    spare = [column for column in columns if column.optional]
    while spare and _needed(kept, widths) > available:
        kept.remove(spare.pop())
    return kept


def _parts(columns: list[Column], widths: dict[str, int], available: int) -> list[list[Column]]:
    """The columns in as many tables as are needed, each with the pinned ones."""
    pinned = [column for column in columns if column.pinned]
    if not pinned or _needed(columns, widths) <= available:
        return [columns]
    parts: list[list[Column]] = [pinned.copy()]
    for column in columns:
        if column.pinned:
            continue
        if parts[-1] != pinned and _needed([*parts[-1], column], widths) > available:
            parts.append(pinned.copy())
        parts[-1].append(column)
    return parts
