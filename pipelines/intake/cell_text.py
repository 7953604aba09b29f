"""Canonical text of a cell that IS a number, a date or a boolean: the same however the cell was read.

Belongs here: one value, and a whole column. Does not belong here: where the cells come from (`xlsx_reader`,
`sheet_columns`), damages of text (`normalise`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

#: Whole floats below this are exact integers.
_EXACT_FLOAT = 1e15
_MIDNIGHT = dt.time()


def cell_text(value: object) -> str | None:
    """Canonical text of a cell value: dates ISO, whole numbers without `.0`, booleans Y/N, text as it stands."""
    if value is None:
        return None
    if isinstance(value, str):
        return value if value.strip() else None
    if isinstance(value, bool):
        return "Y" if value else "N"
    if isinstance(value, dt.datetime):
        text = value.isoformat(" ", "seconds")
        return text[:10] if value.time() == _MIDNIGHT else text
    if isinstance(value, float):
        return (
            str(int(value))
            if value.is_integer() and abs(value) < _EXACT_FLOAT
            else format(Decimal(repr(value)), "f")
        )
    return str(value)


def column_texts(values: Sequence[object]) -> pa.Array:
    """The cells of a column as `cell_text` gives them, each different value converted once."""
    kinds = set(map(type, values))
    if kinds == {str}:
        return without_blanks(pa.array(values, pa.string()))
    if bool in kinds:  # True == 1, but not as text
        return pa.array([cell_text(value) for value in values], pa.string())
    known = {value: cell_text(value) for value in set(values)}
    return pa.array([known[value] for value in values], pa.string())


def without_blanks(texts: pa.Array) -> pa.Array:
    """Cells of text, those without a letter as null."""
    blank = pc.or_(pc.equal(texts, ""), pc.utf8_is_space(texts))
    return pc.if_else(blank, pa.scalar(None, pa.string()), texts) if pc.any(blank).as_py() else texts
