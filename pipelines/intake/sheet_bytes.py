"""The cells of a sheet found in its bytes, millions at once: their addresses, and which of them hold a number.

Belongs here: looking at XML as spreadsheet programs write it (`<c r="A1" s="2" t="s"><v>`), by NumPy over a piece, for
one Python object a cell costs more than parsing it. What is spelled otherwise is seen to be so, and not understood.
Does not belong here: what follows from it (`container`), text (`xlsx_reader`).
"""

from __future__ import annotations

from dataclasses import dataclass
from xml.parsers import expat

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Whole = npt.NDArray[np.int64]
Places = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint64]

#: Around a piece: looking a little before or behind a tag never leaves it, and a last tag begins where it ends.
_BEFORE, _BEHIND = bytes(16), b"<" + bytes(31)
_MOST_LETTERS, _MOST_DIGITS = 3, 7
#: Bytes of the longest number that a spreadsheet writes (-1.7976931348623157E+308).
_LONGEST_NUMBER = 24
_MOST_STYLE_DIGITS = 5
#: The end of a row, and the next.
_NEXT_ROW = b"</row><row"
#: Bytes of what stands around the rows, at most: columns' widths before, lists of choices behind.
_LARGEST_FRAME = 1 << 20
#: More columns than letters can name: a cell's place in reading order is row * this + column.
_ROW_STEP = 1 << 15


def _word(text: bytes) -> int:
    return int.from_bytes(text, "little")


#: The type of a cell whose text is shared.
_SHARED = _word(b' t="s"')


@dataclass(frozen=True, slots=True)
class Tags:
    """Tags of a piece of XML that begin with `<c`: how many, and the addresses of those that are plainly cells.

    `longer` counts those whose names go on with a letter, which are no cells (`<col`); `declares` tells of `<!`,
    `may_be_prefixed` of `:c`. `rows` and `columns` count from 1. What `Numbers` goes on from: `text` is the piece
    with a little around it, `places` where its tags begin (and at last where it ends), `cells` which of those the cells
    are, `quotes` where their addresses end.
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
    text = np.frombuffer(b"".join((_BEFORE, piece, _BEHIND)), np.uint8)
    places = np.flatnonzero(text == ord("<"))
    second = text[places + 1]
    declares = bool((second == ord("!")).any())
    may_be_prefixed = bool((text[1:][text[:-1] == ord(":")] == ord("c")).any())
    cells = np.flatnonzero(second == ord("c"))
    begun = len(cells)
    at = places[cells] + 2
    longer = int(np.count_nonzero(_letters(text[at] & np.uint8(0xDF))))
    words = _words(text, at)  # ` r="` and what follows: letters, digits, a quote
    good = words & np.uint64(0xFFFFFFFF) == _word(b' r="')
    column, letters, more = np.zeros(begun, np.int32), np.zeros(begun, np.uint8), good
    for place in range(4, 4 + _MOST_LETTERS):
        letter = (words >> np.uint64(8 * place)).astype(np.uint8)
        more = more & _letters(letter)
        column = np.where(more, column * 26 + (letter - np.uint8(64)), column)
        letters += more
    row, digits = _leading_number(_words(text, at + 4 + letters))
    good &= (letters > 0) & (digits > 0) & (digits <= _MOST_DIGITS)
    quotes = at + 4 + letters + digits
    good &= text[quotes] == ord('"')
    if not good.all():
        row, column, cells, quotes = row[good], column[good], cells[good], quotes[good]
    return Tags(begun, longer, declares, may_be_prefixed, row, column, text, places, cells, quotes)


def _letters(characters: Bytes) -> Mask:
    within: Mask = characters - np.uint8(ord("A")) < 26  # noqa: PLR2004 - of the alphabet
    return within


def _leading_number(words: Words) -> tuple[Places, Bytes]:
    """The number with which each eight bytes begin, and its digits; all eight bytes are calculated with at once."""
    values = words ^ np.uint64(0x3030303030303030)  # a digit's byte is its value
    no_digits = ((values + np.uint64(0x7676767676767676)) | values) & np.uint64(0x8080808080808080)
    # bytes before the first of those
    digits = np.bitwise_count(~no_digits & (no_digits - np.uint64(1))) >> np.uint8(3)
    values <<= np.uint64(64) - np.uint64(8) * digits  # zeros before the number
    values = (values * np.uint64(10) + (values >> np.uint64(8))) & np.uint64(0x00FF00FF00FF00FF)
    values = (values * np.uint64(100) + (values >> np.uint64(16))) & np.uint64(0x0000FFFF0000FFFF)
    values = (values * np.uint64(10000) + (values >> np.uint64(32))) & np.uint64(0xFFFFFFFF)
    return values.astype(np.int32), digits


class Numbers:
    """Where a sheet holds numbers (dates are numbers too), while its pieces are gone through in order.

    `understood` is False once something stands in the sheet of which this cannot tell whether it is a number or text,
    or that is not in the order in which spreadsheet programs write; then nothing else here is of use. `cells` counts
    the filled ones, which reach from `first_row` and `first_column` to the last.
    """

    def __init__(self) -> None:
        """Nothing is known yet."""
        self.understood = True
        self.cells = 0
        self.first_row = self.first_column = _ROW_STEP << 15
        self.last_row = self.last_column = 0
        self._frame = b""
        self._begun = self._ended = False
        self._before = 0
        self._rows: list[Places] = []
        self._columns: list[Places] = []
        self._texts: list[pa.Array] = []

    def add(self, piece: bytes, found: Tags) -> None:
        """Look at the contents of a piece's cells, of which all are plain."""
        if self.understood:
            self.understood = not found.declares and self._add(piece, found)

    def finish(self) -> None:
        """Look at what stood around the rows, when no piece is left."""
        self.understood = self.understood and self._ended and _is_well_formed(self._frame)

    def all(self) -> tuple[Places, Places, pa.Array]:
        """Row, column (from 1) and text as filed of every number."""
        if not self._rows:
            return np.zeros(0, np.int32), np.zeros(0, np.int32), pa.array([], pa.string())
        return np.concatenate(self._rows), np.concatenate(self._columns), pa.concat_arrays(self._texts)

    def _add(self, piece: bytes, found: Tags) -> bool:
        if not len(found.rows):
            self._frame += piece
            return self._begun == self._ended and len(self._frame) <= _LARGEST_FRAME
        contents = _contents(found) if self._begins(piece, found) and self._in_order(found) else None
        if contents is None or not self._ends(piece, found, int(contents.after[-1])):
            return False
        rows, columns, quotes, opened = found.rows, found.columns, found.quotes, contents.opened
        if not contents.filled.all():
            rows, columns, quotes = rows[contents.filled], columns[contents.filled], quotes[contents.filled]
        if not len(rows):
            return True
        self.cells += len(rows)
        self.first_row, self.last_row = min(self.first_row, int(rows[0])), int(rows[-1])
        self.first_column = min(self.first_column, int(columns.min()))
        self.last_column = max(self.last_column, int(columns.max()))
        numbers = _numbers(found.text, quotes + 1, opened - 1)
        filed = None if numbers is None else _values(found.text, opened[numbers], contents.closed[numbers])
        if filed is None:
            return False
        self._rows.append(rows[numbers])
        self._columns.append(columns[numbers])
        self._texts.append(filed)
        return True

    def _begins(self, piece: bytes, found: Tags) -> bool:
        """Whether a cell comes first, or first in the first row."""
        first = found.cells[0]
        if self._begun:
            return first == 0 and not self._ended
        self._begun = True
        head, row, rest = piece[: found.places[first] - len(_BEFORE)].rpartition(b"<row")
        self._frame += head
        return bool(row) and head.endswith(b"<sheetData>") and b"<" not in rest

    def _ends(self, piece: bytes, found: Tags, after: int) -> bool:
        """Whether behind the piece's last cell, before this tag, comes a cell, a row, or the end of the rows."""
        rest = piece[found.places[after] - len(_BEFORE) :]
        if rest.startswith(b"</row></sheetData>"):
            self._ended = True
            self._frame += rest[len(b"</row>") :]
            return len(self._frame) <= _LARGEST_FRAME
        return not rest or (rest.startswith(_NEXT_ROW) and rest.count(b"<") == 2)  # noqa: PLR2004 - of a row, of the next

    def _in_order(self, found: Tags) -> bool:
        """Whether each cell stands behind the one before, row by row."""
        places = found.rows * np.int64(_ROW_STEP) + found.columns
        before, self._before = self._before, int(places[-1])
        return bool(places[0] > before and (places[1:] > places[:-1]).all())


@dataclass(frozen=True, slots=True)
class _Contents:
    """Of each cell whether it is `filled` and which tag comes `after`; of filled ones where contents begin and end."""

    filled: Mask
    after: Whole
    opened: Whole
    closed: Whole


def _contents(found: Tags) -> _Contents | None:
    """What cells hold: `<v>` or `<is><t>`, text, end tags; None if there is anything else in them or between."""
    text, places, cells = found.text, found.places, found.cells
    opened = places[cells + 1]
    filled = text[opened - 2] != ord("/")
    inline = filled & (text[opened + 1] == ord("i"))
    has_inline = bool(inline.any())
    after = cells + np.where(filled, np.where(inline, 6, 4) if has_inline else 4, 1)
    if (text[opened - 1] != ord(">")).any() or after[-1] >= len(places):
        return None
    closed = places[np.minimum(cells + (np.where(inline, 3, 2) if has_inline else 2), len(places) - 1)]
    if not filled.all():
        cells, opened, closed, inline = (each[filled] for each in (cells, opened, closed, inline))
    ending = _words(text, closed)
    good = (text[opened + 1] == ord("v")) & (text[opened + 2] == ord(">")) & (ending == _word(b"</v></c>"))
    if has_inline:
        good |= (
            inline
            & (_words(text, opened) & np.uint64((1 << 48) - 1) == _word(b"<is><t"))
            & (ending == _word(b"</t></is"))
            & (_words(text, closed + 5) == _word(b"/is></c>"))
        )
    sizes = np.where(inline, len(b"</t></is></c>"), len(b"</v></c>")) if has_inline else len(b"</v></c>")
    good &= places[after[filled]] == closed + sizes
    gaps = np.flatnonzero(found.cells[1:] != after[:-1])
    rows = places[after[gaps]]
    good_rows = (_words(text, rows) == _word(_NEXT_ROW[:8])) & (
        _words(text, rows + 2) == _word(_NEXT_ROW[2:])
    )
    good_rows &= found.cells[gaps + 1] - after[gaps] == 2  # noqa: PLR2004 - the end of a row and the next
    return _Contents(filled, after, opened, closed) if good.all() and good_rows.all() else None


def _words(text: Bytes, at: Whole) -> Words:
    """Eight bytes from each of these places, as one number."""
    everywhere = np.ndarray((len(text) - 7,), "<u8", text, strides=(1,))  # overlapping
    words: Words = everywhere[at]
    return words


def _is_well_formed(frame: bytes) -> bool:
    """Whether a sheet would be XML if it had no rows."""
    parser = expat.ParserCreate()
    try:
        parser.Parse(frame, True)  # noqa: FBT003 - the last piece
    except (expat.ExpatError, ValueError, LookupError):  # or an encoding that it does not know
        return False
    return True


def _numbers(text: Bytes, start: Whole, end: Whole) -> Whole | None:
    """Which cells hold numbers, by the attributes from their address up to `end`; None if some are not understood."""
    later = _words(text, end - 8)
    # most are text without style, and are told at once
    others = np.flatnonzero((later >> np.uint64(16) != _SHARED) | (end - start != 6))  # noqa: PLR2004 - bytes of that
    start, end, later = start[others], end[others], later[others]
    six = later >> np.uint64(16)
    said = six == _word(b' t="n"')
    typed = np.where(said | (six == _SHARED), 6, 0)
    typed[later == _word(b' t="str"')] = 8
    inline = np.flatnonzero(later == _word(b'lineStr"'))
    if len(inline):
        typed[inline[_words(text, end[inline] - 14) == _word(b' t="inli')]] = 14
    rest = end - typed
    more = rest != start
    return others[said | (typed == 0)] if _all_styles(text, start[more], rest[more]) else None


def _all_styles(text: Bytes, start: Whole, end: Whole) -> bool:
    """Whether each stretch of bytes is ` s="12"`."""
    sizes = end - start
    if not len(sizes):
        return True
    shortest = len(' s="1"')
    if sizes.min() < shortest or sizes.max() >= shortest + _MOST_STYLE_DIGITS:
        return False
    good = (_words(text, start) & np.uint64(0xFFFFFFFF) == _word(b' s="')) & (text[end - 1] == ord('"'))
    for place in range(_MOST_STYLE_DIGITS):
        at = start + 4 + place
        good &= (at >= end - 1) | (text[at] - np.uint8(48) < 10)  # noqa: PLR2004 - a digit
    return bool(good.all())


def _values(text: Bytes, opened: Whole, closed: Whole) -> pa.Array | None:
    """What stands between each `<v>` and its end tag; None if it is none of ours, or too long, for a number."""
    start = opened + len(b"<v>")
    sizes = closed - start
    if not ((sizes > 0) & (sizes <= _LONGEST_NUMBER) & (text[opened + 1] == ord("v"))).all():
        return None
    offsets = np.zeros(len(start) + 1, np.int32)
    np.cumsum(sizes, out=offsets[1:])
    letters = text[np.repeat(start - offsets[:-1], sizes) + np.arange(offsets[-1])]
    if len(letters) and letters.max() > 127:  # noqa: PLR2004 - of ASCII
        return None
    return pa.Array.from_buffers(
        pa.string(), len(start), [None, pa.py_buffer(offsets), pa.py_buffer(letters)]
    )
