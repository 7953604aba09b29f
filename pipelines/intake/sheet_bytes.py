"""The cells of a sheet found in its bytes, millions at once: their addresses, and which of them hold a number.

Belongs here: looking at XML as spreadsheet programs write it (`<c r="A1" s="2" t="s"><v>`), by NumPy over a piece, for
one Python object a cell costs more than parsing it. What is spelled otherwise is seen to be so, and not understood.
Does not belong here: what follows from it (`container`), text (`xlsx_reader`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Whole = npt.NDArray[np.int64]
Places = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]

#: Zeros around a piece, so that looking a little before or behind a tag never leaves it.
_BEFORE, _BEHIND = 16, 32
_MOST_LETTERS, _MOST_DIGITS = 3, 7
#: Bytes of the longest number that a spreadsheet writes (-1.7976931348623157E+308).
_LONGEST_NUMBER = 24
_MOST_STYLE_DIGITS = 5
#: More columns than letters can name: a cell's place in reading order is row * this + column.
_ROW_STEP = 1 << 15


def _word(text: bytes) -> int:
    return int.from_bytes(text, "little")


@dataclass(frozen=True, slots=True)
class Tags:
    """Tags of a piece of XML that begin with `<c`: how many, and the addresses of those that are plainly cells.

    `longer` counts those whose names go on with a letter, which are no cells (`<col`); `declares` tells of `<!`,
    `may_be_prefixed` of `:c`. `rows` and `columns` count from 1. What `Numbers` goes on from: `text` is the piece
    between zeros, `places` where its tags begin, `cells` which of those the cells are, `quotes` where their addresses
    end.
    """

    begun: int
    longer: int
    declares: bool
    may_be_prefixed: bool
    rows: Places
    columns: Places
    text: Bytes
    places: Whole
    cells: Whole
    quotes: Whole


def tags(piece: bytes) -> Tags:
    """Find the cells of a piece that no tag crosses."""
    text = np.frombuffer(b"".join((bytes(_BEFORE), piece, bytes(_BEHIND))), np.uint8)
    places = np.flatnonzero(text == ord("<"))
    second = text[places + 1]
    declares = bool((second == ord("!")).any())
    may_be_prefixed = bool((text[1:][text[:-1] == ord(":")] == ord("c")).any())
    cells = np.flatnonzero(second == ord("c"))
    begun = len(cells)
    at = places[cells] + 2
    longer = int(np.count_nonzero(_letters(text[at] & np.uint8(0xDF))))
    # one row of this for each character behind `<c`: ` r="`, letters, digits, a quote
    behind = np.ascontiguousarray(np.lib.stride_tricks.sliding_window_view(text, 16)[at].T)
    good = (
        (behind[0] == ord(" ")) & (behind[1] == ord("r")) & (behind[2] == ord("=")) & (behind[3] == ord('"'))
    )
    column, row = np.zeros(begun, np.int32), np.zeros(begun, np.int32)
    more, letters = good, np.zeros(begun, np.uint8)
    for place in range(4, 4 + _MOST_LETTERS):
        more = more & _letters(behind[place])
        if not more.any():
            break
        column = np.where(more, column * 26 + (behind[place] - np.uint8(64)), column)
        letters += more
    more, digits = good & (letters > 0), np.zeros(begun, np.uint8)
    for place in range(5, 4 + _MOST_LETTERS + _MOST_DIGITS):
        digit = behind[place] - np.uint8(48)
        here = letters <= place - 4
        more &= ~here | (digit < 10)  # noqa: PLR2004 - a digit
        if not more.any():
            break
        here &= more
        here &= digits < _MOST_DIGITS
        row = np.where(here, row * 10 + digit, row)
        digits += here
    quotes = at + 4 + letters + digits
    good &= (digits > 0) & (text[quotes] == ord('"'))
    if not good.all():
        row, column, cells, quotes = row[good], column[good], cells[good], quotes[good]
    return Tags(begun, longer, declares, may_be_prefixed, row, column, text, places, cells, quotes)


def _letters(characters: Bytes) -> Mask:
    within: Mask = characters - np.uint8(ord("A")) < 26  # noqa: PLR2004 - of the alphabet
    return within


class Numbers:
    """Where a sheet holds numbers (dates are numbers too), while its pieces are gone through in order.

    `understood` is False once something stands in the sheet of which this cannot tell whether it is a number or text,
    or when cells are not in order; then nothing else here is of use.
    """

    def __init__(self) -> None:
        """Nothing is known yet."""
        self.understood = True
        self.cells = 0
        self.first_row = self.first_column = _ROW_STEP << 15
        self.last_row = self.last_column = 0
        self._before = 0
        self._rows: list[Places] = []
        self._columns: list[Places] = []
        self._texts: list[pa.Array] = []

    def add(self, found: Tags) -> None:
        """Look at the contents of a piece's cells, of which all are plain."""
        if self.understood:
            self.understood = not found.declares and self._add(found)
        if not self.understood:
            self._rows, self._columns, self._texts = [], [], []

    def all(self) -> tuple[Places, Places, pa.Array]:
        """Row, column (from 1) and text as filed of every number."""
        if not self._rows:
            return np.zeros(0, np.int32), np.zeros(0, np.int32), pa.array([], pa.string())
        return np.concatenate(self._rows), np.concatenate(self._columns), pa.concat_arrays(self._texts)

    def _add(self, found: Tags) -> bool:
        if not len(found.rows):
            return True
        if not self._in_order(found) or found.cells[-1] + 1 == len(
            found.places
        ):  # or the last cell does not end
            return False
        rows, columns, cells, quotes, text = found.rows, found.columns, found.cells, found.quotes, found.text
        following = found.places[cells + 1]
        if (text[following - 1] != ord(">")).any():
            return False
        filled = text[following - 2] != ord("/")
        if not filled.all():
            rows, columns, cells, quotes = rows[filled], columns[filled], cells[filled], quotes[filled]
            following = following[filled]
        if not len(rows):
            return True
        self.cells += len(rows)
        self.first_row, self.last_row = min(self.first_row, int(rows[0])), int(rows[-1])
        self.first_column = min(self.first_column, int(columns.min()))
        self.last_column = max(self.last_column, int(columns.max()))
        numbers = _numbers(text, quotes + 1, following - 1)
        filed = None if numbers is None else _values(text, found.places, cells[numbers] + 1)
        if filed is None:
            return False
        self._rows.append(rows[numbers])
        self._columns.append(columns[numbers])
        self._texts.append(filed)
        return True

    def _in_order(self, found: Tags) -> bool:
        """Whether each cell stands behind the one before, row by row."""
        places = found.rows * np.int64(_ROW_STEP) + found.columns
        before, self._before = self._before, int(places[-1])
        return bool(places[0] > before and (places[1:] > places[:-1]).all())


def _numbers(text: Bytes, start: Whole, end: Whole) -> Mask | None:
    """Which cells hold numbers, by the attributes from their address up to `end`; None if some are not understood."""
    last = np.lib.stride_tricks.sliding_window_view(text, 16)[end - 16]
    earlier, later = np.ascontiguousarray(last).view("<u8").T
    six = later >> np.uint64(16)
    said = six == _word(b' t="n"')
    typed = np.where(said | (six == _word(b' t="s"')), 6, 0)
    typed[later == _word(b' t="str"')] = 8
    typed[(later == _word(b'lineStr"')) & (earlier >> np.uint64(16) == _word(b' t="in'))] = 14
    rest = end - typed
    more = rest != start
    if not _all_styles(text, start[more], rest[more]):
        return None
    numbers: Mask = said | (typed == 0)
    return numbers


def _all_styles(text: Bytes, start: Whole, end: Whole) -> bool:
    """Whether each stretch of bytes is ` s="12"`."""
    sizes = end - start
    if not len(sizes):
        return True
    shortest = len(' s="1"')
    if sizes.min() < shortest or sizes.max() >= shortest + _MOST_STYLE_DIGITS:
        return False
    window = np.ascontiguousarray(np.lib.stride_tricks.sliding_window_view(text, 4)[start])
    good = (window.view("<u4")[:, 0] == _word(b' s="')) & (text[end - 1] == ord('"'))
    for place in range(_MOST_STYLE_DIGITS):
        at = start + 4 + place
        good &= (at >= end - 1) | (text[at] - np.uint8(48) < 10)  # noqa: PLR2004 - a digit
    return bool(good.all())


def _values(text: Bytes, places: Whole, opening: Whole) -> pa.Array | None:
    """What stands between each `<v>` among the tags and its end tag; None if it is something else, or too long."""
    opened, closed = places[opening], places[np.minimum(opening + 1, len(places) - 1)]
    start = opened + 3
    sizes = closed - start
    good = (sizes > 0) & (sizes <= _LONGEST_NUMBER)
    good &= (text[opened + 1] == ord("v")) & (text[opened + 2] == ord(">")) & (text[closed + 1] == ord("/"))
    if not good.all():
        return None
    offsets = np.zeros(len(start) + 1, np.int32)
    np.cumsum(sizes, out=offsets[1:])
    letters = text[np.repeat(start - offsets[:-1], sizes) + np.arange(offsets[-1])]
    if len(letters) and letters.max() > 127:  # noqa: PLR2004 - of ASCII
        return None
    return pa.Array.from_buffers(
        pa.string(), len(start), [None, pa.py_buffer(offsets), pa.py_buffer(letters)]
    )
