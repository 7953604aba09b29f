"""The common shape of a filed table: text cells with addresses, and how a header row is found and mapped.

Belongs here: header recognition (Chinese header, alias or English name), preamble lines, blank rows, and the result
type both readers give. Does not belong here: formats (csv_reader, xlsx_reader) or the meaning of values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from pipelines.contracts.headers import normalise_header
from pipelines.contracts.model import Column, EnvelopeFact, Form
from pipelines.intake.canonical import Cells
from pipelines.intake.faults import Fault

#: Title and note lines tolerated above the header.
MAX_PREAMBLE_LINES = 20


@dataclass(frozen=True, slots=True)
class HeaderCell:
    """Where a contract column stands in the file: its header as filed and its 1-based position."""

    column_name: str
    header: str
    position: int


#: What becomes of each piece of rows as it is read: the contract's columns as strings, and `row_no`.
Keep = Callable[[pa.Table], Cells]


def as_filed(rows: pa.Table) -> Cells:
    """Rows that stay text."""
    return Cells(rows, frozenset())


@dataclass(slots=True)
class Grid:
    """A file as it was read.

    `pieces` are its rows in order, without blank ones: the contract's columns (empty cell = null; strings where they
    were kept as filed) and `row_no` (UINT32, the row a person sees in a spreadsheet). With `faults` they may be None.
    `rows_read` counts non-blank rows.
    """

    pieces: list[Cells] | None = None
    rows_read: int = 0
    blank_rows: int = 0
    encoding: str | None = None
    sheet: str | None = None
    header_row: int | None = None
    headers: list[HeaderCell] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def text(self, form: Form) -> pa.Table | None:
        """All rows of a file that was kept as filed."""
        if self.pieces is None:
            return None
        return pa.concat_tables([no_rows(form), *(piece.table for piece in self.pieces)])


def locate_header(form: Form, rows: Sequence[Sequence[str | None]]) -> int | None:
    """Index of the row that holds the header: the one with most known headers, at least half of the required."""
    known = form.header_map()
    best, best_hits = None, 0
    for index, row in enumerate(rows):
        hits = len({known[h] for cell in row if cell and (h := normalise_header(cell)) in known})
        if hits > best_hits:
            best, best_hits = index, hits
        if best_hits == len(form.columns):
            break  # no row can hold more: what stands below is not looked at, in most files all of it
    needed = max(1, len(form.columns) // 2)
    return best if best_hits >= min(needed, 3) else None


def map_headers(form: Form, row_no: int, cells: Sequence[str | None]) -> tuple[list[HeaderCell], list[Fault]]:
    """Match the header row to the contract, both ways: unknown, doubled and missing columns are faults."""
    known: Mapping[str, str] = form.header_map()
    headers: list[HeaderCell] = []
    faults: list[Fault] = []
    seen: dict[str, HeaderCell] = {}
    for position, cell in enumerate(cells, start=1):
        if cell is None or not cell.strip():
            continue
        name = known.get(normalise_header(cell))
        if name is None:
            faults.append(
                Fault("ENV-S01", f"表头第 {position} 列“{cell}”不在报表 {form.code} 中", row_no, None, cell)
            )
            continue
        if name in seen:
            faults.append(
                Fault(
                    "ENV-S01",
                    f"列“{form.column(name).title_zh}”出现两次(第 {seen[name].position} 列和第 {position} 列)",
                    row_no,
                    name,
                    cell,
                )
            )
            continue
        seen[name] = HeaderCell(name, cell, position)
        headers.append(seen[name])
    faults.extend(
        Fault("ENV-S01", f"缺少列“{c.title_zh}”({c.name})", row_no, c.name, None, c.title_zh)
        for c in form.columns
        if c.name not in seen
    )
    return headers, faults


def text_table(form: Form, columns: Mapping[str, pa.Array], row_no: pa.Array) -> pa.Table:
    """A table in the contract's column order, every column a string, with `row_no` last."""
    arrays = [columns[column.name] for column in form.columns]
    return pa.table([*arrays, row_no], names=[*(column.name for column in form.columns), "row_no"])


def no_rows(form: Form) -> pa.Table:
    """The text table of a form without rows."""
    names = [column.name for column in form.columns]
    return pa.schema([*((name, pa.string()) for name in names), ("row_no", pa.uint32())]).empty_table()


def complete(form: Form, table: pa.Table, stated: Mapping[EnvelopeFact, str | None]) -> pa.Table:
    """The table with every column of the contract: what files do not have is filled, or NULL in this period.

    `stated` is what the envelope says. A table that has them all is returned as it is.
    """
    if [column.name for column in form.columns] == table.column_names[:-1]:
        return table

    def filling(column: Column) -> pa.Array:
        text = stated.get(column.filled_from) if column.filled_from else column.constant
        return pa.repeat(pa.scalar(text, pa.string()), table.num_rows)

    have = set(table.column_names)
    columns = {
        column.name: table[column.name] if column.name in have else filling(column) for column in form.columns
    }
    return text_table(form, columns, table["row_no"])
