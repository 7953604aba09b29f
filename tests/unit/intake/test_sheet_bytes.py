"""Cells found in the bytes of a sheet: their addresses, and what is understood of their contents."""

from __future__ import annotations

import random
import re

import pytest

from pipelines.intake.sheet_bytes import Numbers, tags

CELL = re.compile(rb'<c r="([A-Z]{1,3})([0-9]{1,7})"')
OPENINGS = (b'<c r="', b'<c r="', b'<c r="', b"<c r='", b"<c", b"<col", b'<c\nr="', b"<", b"<x:c ", b"")
LETTERS = (b"A", b"AB", b"XFD", b"ABCD", b"", b"a", b"Z", b"ZZZ", b"[")
DIGITS = (
    b"", b"0", b"1", b"12", b"0012", b"1048576", b"9999999", b"12345678", b"123456789012", b"1:", b"1/", b"1a",
    b"\xff1", b"12\xb0", b"5\x80",
)  # fmt: skip
ENDS = (b'"', b'"', b'"', b"", b">", b'" s="2">', b"<!--")


def number(letters: bytes) -> int:
    value = 0
    for letter in letters:
        value = value * 26 + letter - 64
    return value


def test_addresses_are_those_that_a_pattern_finds() -> None:
    draw = random.Random(1)
    for _ in range(5000):
        piece = b"".join(
            draw.choice(choices)
            for _ in range(draw.randint(1, 6))
            for choices in (OPENINGS, LETTERS, DIGITS, ENDS)
        )
        piece = piece[: draw.choice([len(piece), draw.randint(0, len(piece))])]
        found = tags(piece)
        expected = [(int(digits), number(letters)) for letters, digits in CELL.findall(piece)]
        assert list(zip(found.rows.tolist(), found.columns.tolist(), strict=True)) == expected
        assert found.begun == piece.count(b"<c")
        assert found.longer == len(re.findall(rb"<c[a-zA-Z]", piece))
        assert found.may_be_prefixed == (b":c" in piece)
        assert found.declares == (b"<!" in piece)


HEAD, TAIL = b'<worksheet><cols><col min="1"/></cols><sheetData>', b"</sheetData><pageMargins/></worksheet>"
ROW_1 = b'<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" s="1"/></row>'
ROW_3 = (
    b'<row r="3" spans="1:2"><c r="A3"><v>15</v></c><c r="C3" s="12" t="n"><v>-2.5E3</v></c>'
    b'<c r="D3" s="2"><v>45322</v></c><c r="E3" t="inlineStr"><is><t>text</t></is></c></row>'
)
WHOLE = HEAD + ROW_1 + ROW_3 + TAIL


def numbers(*pieces: bytes) -> Numbers:
    found = Numbers()
    for piece in pieces:
        found.add(piece, tags(piece))
    found.finish()
    return found


def test_numbers_are_found_with_their_places_and_as_filed() -> None:
    found = numbers(WHOLE)
    rows, columns, filed = found.all()
    assert found.understood
    assert list(zip(rows.tolist(), columns.tolist(), filed.to_pylist(), strict=True)) == [
        (3, 1, "15"),
        (3, 3, "-2.5E3"),
        (3, 4, "45322"),
    ]
    assert (found.first_row, found.last_row, found.first_column, found.last_column) == (1, 3, 1, 5)
    assert found.cells == 5


def test_pieces_that_end_before_a_cell_make_no_difference() -> None:
    for at in (place.start() for place in re.finditer(b"<c ", WHOLE)):
        if WHOLE[:at].count(b"<c "):  # the first holds a cell
            found = numbers(WHOLE[:at], WHOLE[at:])
            assert found.understood
            assert found.all()[2].to_pylist() == ["15", "-2.5E3", "45322"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"<v>15</v>", b"<v></v>"),
        (b"<v>15</v>", b"<f>5*3</f><v>15</v>"),
        (b"<v>15</v>", b"<v>15</v><!-- -->"),
        (b"<v>15</v>", b"<v>1234567890123456789012345</v>"),
        (b"<v>15</v>", "<v>１５</v>".encode()),
        (b"</c></row>", b"</c> </row>"),
        (b"</row><row", b"</row>=c r='A2'></c><row"),
        (b"</row><row", b'</row><row r="2"/><row'),
        (b' t="s"', b' t="b"'),
        (b' s="12"', b' s="x"'),
        (b' s="12"', b' vm="1"'),
        (b' r="C3"', b' r="A3"'),
        (b' r="A3"', b' r="B1"'),
        (b"<is><t>", b"<is><r><t>"),
        (b"<pageMargins/>", b"<pageMargins>"),
        (b"<cols>", b"<cols"),
        (b"<sheetData>", b'<sheetData x="1">'),
        (b"</sheetData>", b""),
    ],
)
def test_what_stands_otherwise_is_not_understood(old: bytes, new: bytes) -> None:
    assert old in WHOLE
    assert not numbers(WHOLE.replace(old, new, 1)).understood
