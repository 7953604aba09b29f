"""Columns of one file in which every cell is canonical: told once by their distinct values, and given in their type.

Belongs here: what canonical means, per kind of column; the way from text to type and back. A canonical column is one
that normalising leaves as it is, whose every filled cell is of the column's type, and whose text can be written again
from the type, so it need not be kept. Nearly all columns of nearly all files are so; the others stay text, and SQL
looks at each of their cells. Does not belong here: what is wrong with a cell (`validation.marks`), damages
(`normalise`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.contracts.model import Column, Form

#: The real days of four-digit years; an Arrow cast refuses the others.
_DATE = r"^[12][0-9]{3}-[0-9]{2}-[0-9]{2}$"
_INTEGER = r"^(0|-?[1-9][0-9]{0,17})$"
#: Spellings of a moment by length and by whether a T stands between day and time.
_FORMATS = {
    (19, False): "%Y-%m-%d %H:%M:%S",
    (19, True): "%Y-%m-%dT%H:%M:%S",
    (16, False): "%Y-%m-%d %H:%M",
    (16, True): "%Y-%m-%dT%H:%M",
}
#: Texts as short as this repeat (a period, a year): they are judged by their distinct values too.
_SHORT_TEXT = 10
_HEX = b"0123456789abcdefABCDEF"
#: Bytes that no damage of a text begins or ends with: printable ASCII without blank and apostrophe.
_PLAIN = bytes(byte for byte in range(0x21, 0x7F) if byte != ord("'"))
_EDGED = r"^['\s\x{3000}\x{a0}]|[\s\x{3000}\x{a0}]$"
_TEXT = pa.string()


@dataclass(frozen=True, slots=True)
class Cells:
    """Filed rows: the contract's columns and `row_no`, canonical columns in their type, all others as text.

    `formats`: how the moments of each canonical timestamp column are spelled in the file.
    """

    table: pa.Table
    canonical: frozenset[str]
    formats: Mapping[str, str] = field(default_factory=dict)


def typed_cells(form: Form, table: pa.Table, values: Mapping[str, frozenset[str]]) -> Cells:
    """A file's rows (contract columns as text, and `row_no`) with its canonical columns typed.

    `values`: what each enum column may hold at any time.
    """
    canonical: set[str] = set()
    formats: dict[str, str] = {}
    arrays = table.columns
    for position, column in enumerate(form.columns):
        chunks = arrays[position]
        # combining copies even a single chunk
        cells = chunks.chunk(0) if chunks.num_chunks == 1 else chunks.combine_chunks()
        if isinstance(cells, pa.ChunkedArray):  # more text than one array holds, or none at all
            continue
        typed = _typed(cells, column, values)
        if typed is not None:
            arrays[position] = typed
            canonical.add(column.name)
            if column.kind == "timestamp":
                formats[column.name] = _format(cells) or ""
    return Cells(pa.Table.from_arrays(arrays, table.column_names), frozenset(canonical), formats)


def joined(form: Form, files: Sequence[tuple[int, Cells]]) -> Cells:
    """The rows of many files with their `submission_no`; a column is canonical that is so in all of them.

    Beside each canonical timestamp column stands its `spelling`.
    """
    names = [column.name for column in form.columns]
    canonical = frozenset(names).intersection(*(cells.canonical for _, cells in files))
    if not files:
        numbers = (("row_no", pa.uint32()), ("submission_no", pa.uint32()))
        return Cells(pa.schema([*((name, _TEXT) for name in names), *numbers]).empty_table(), frozenset())
    spelled = [
        column.name for column in form.columns if column.kind == "timestamp" and column.name in canonical
    ]
    tables = []
    for number, cells in files:
        arrays = cells.table.columns
        for position, name in enumerate(names):
            if name in cells.canonical and name not in canonical:
                arrays[position] = _as_text(arrays[position], cells.formats.get(name))
        constants = [pa.scalar(number, pa.uint32()), *(pa.scalar(cells.formats[name]) for name in spelled)]
        arrays += [pa.repeat(value, cells.table.num_rows) for value in constants]
        told = [*cells.table.column_names, "submission_no", *map(spelling, spelled)]
        tables.append(pa.Table.from_arrays(arrays, told))
    return Cells(pa.concat_tables(tables), canonical)


def spelling(name: str) -> str:
    """Staged column that tells how the moments of a canonical timestamp column are spelled."""
    return f"{name}__format"


def text_sql(column: Column, value: str) -> str:
    """SQL of the filed text of a canonical cell, from its typed value."""
    if column.kind == "boolean":
        return f"CASE {value} WHEN true THEN 'Y' WHEN false THEN 'N' END"
    if column.kind == "timestamp":
        cases = " ".join(f"WHEN '{form}' THEN strftime({value}, '{form}')" for form in _FORMATS.values())
        return f"CASE {spelling(value)} {cases} END"
    return f"{value}::VARCHAR"


def _as_text(cells: pa.ChunkedArray, moments: str | None) -> pa.ChunkedArray:
    """A canonical column as it was filed; `moments`: the spelling of its timestamps."""
    kind = cells.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
        cells = cells.cast(kind)
    if pa.types.is_boolean(kind):
        return pc.if_else(cells, "Y", "N")
    if pa.types.is_timestamp(kind):
        return pc.strftime(cells.cast(pa.timestamp("s")), moments)
    return cells.cast(_TEXT)


def _typed(cells: pa.Array, column: Column, values: Mapping[str, frozenset[str]]) -> pa.Array | None:
    """A column of one file in its type when all its cells are canonical, else None."""
    if column.personal and column.kind == "text":
        return None
    if column.kind in ("decimal", "timestamp", "hash") or (
        column.kind == "text" and not 0 < (column.length or 0) <= _SHORT_TEXT
    ):
        return _typed_cells(cells, column)
    encoded = cells.dictionary_encode()
    distinct = _typed_values(encoded.dictionary, column, values)
    if distinct is None:
        return None
    if column.kind == "boolean":
        return distinct.take(encoded.indices)
    return pa.DictionaryArray.from_arrays(encoded.indices, distinct)


def _typed_cells(cells: pa.Array, column: Column) -> pa.Array | None:
    """Columns whose cells hardly repeat."""
    if column.kind == "hash":
        return (
            cells
            if _all_long(cells, column.length or 64) and not _bytes(cells).translate(None, _HEX)
            else None
        )
    if column.kind == "timestamp":
        return _timestamps(cells)
    if column.kind == "text":
        return None if _may_be_damaged(cells) else cells
    return None  # an amount may be written with more or fewer zeros


def _timestamps(cells: pa.Array) -> pa.Array | None:
    if _format(cells) is None:
        return None
    try:
        typed = cells.cast(pa.timestamp("us"))
    except pa.ArrowInvalid:
        return None
    first = pc.min(typed).as_py()
    return typed if first is None or first.year >= 1000 else None  # noqa: PLR2004 - four digits


def _format(cells: pa.Array) -> str | None:
    """The one spelling of all cells, as far as lengths and the letter T tell; a cast looks at the rest."""
    lengths = pc.min_max(pc.binary_length(cells))
    with_t = _bytes(cells).count(b"T")
    if lengths["min"] != lengths["max"] or with_t not in (0, len(cells) - cells.null_count):
        return None
    length = lengths["max"].as_py()
    return _FORMATS[19, False] if length is None else _FORMATS.get((length, with_t > 0))


def _typed_values(
    distinct: pa.Array, column: Column, values: Mapping[str, frozenset[str]]
) -> pa.Array | None:
    """Distinct values in the column's type; None if one of them is not canonical."""
    match column.kind:
        case "enum":
            return distinct if values[column.name].issuperset(distinct.to_pylist()) else None
        case "boolean":
            return pc.equal(distinct, "Y") if {"Y", "N"}.issuperset(distinct.to_pylist()) else None
        case "text":
            return None if _may_be_damaged(distinct) else distinct
        case "code":
            return distinct if _all_match(distinct, f"^[0-9A-Z]{{{column.length}}}$") else None
        case "integer":
            return distinct.cast(pa.int64()) if _all_match(distinct, _INTEGER) else None
        case "date" if _all_match(distinct, _DATE):
            try:
                return distinct.cast(pa.date32())
            except pa.ArrowInvalid:
                return None
    return None


def _all_match(cells: pa.Array, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(cells, pattern), min_count=0).as_py())


def _all_long(cells: pa.Array, length: int) -> bool:
    found = pc.min_max(pc.binary_length(cells))
    return {found["min"].as_py(), found["max"].as_py()} <= {length, None}


def _may_be_damaged(cells: pa.Array) -> bool:
    """Whether some text begins or ends with a blank or begins with an apostrophe; mostly told by the bytes alone."""
    return bool(_bytes(cells).translate(None, _PLAIN)) and bool(
        pc.any(pc.match_substring_regex(cells, _EDGED), min_count=0).as_py()
    )


def _bytes(cells: pa.Array) -> bytes:
    """All text of an array in one piece."""
    _, offsets, text = cells.buffers()
    if offsets is None or text is None or not len(cells):
        return b""
    ends = memoryview(offsets).cast("i")
    piece: bytes = text[ends[cells.offset] : ends[cells.offset + len(cells)]].to_pybytes()
    return piece
