"""A workbook read in columns gives what reading it cell by cell gives, whatever stands in it and however it is damaged.

Seeded workbooks of a few rows, with all that a column may hide: numbers beside text that looks like one, days, moments
and elapsed time, booleans, errors, formulas, formatted empty cells, gaps on all sides, other spellings of a cell.
"""

from __future__ import annotations

import datetime as dt
import io
import random
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import xlsxwriter

from pipelines.intake import sheet_columns
from pipelines.intake.sheet_columns import ColumnBook
from pipelines.intake.xlsx_reader import WorkbookRefusedError, XlsxLimits, sheet_rows

LIMITS = XlsxLimits()
TEXTS = (
    "", " ", "　", "赵", " 前", "后 ", "a\nb", "a_x000D_b", "_x0041_", "<&>\"'", "NULL", "N/A", "#N/A", "NaN", "true",
    "Y", "0", "1.0", "45322", "1e5", "2024-01-31 00:00:00", "2024-01-31", "10:20", "1900-01-01 00:00:00", "𠮷",
    "\u00a0",
)  # fmt: skip
NUMBERS = (
    0, -0.0, 1, 15, -7, 0.1, 1 / 3, 29.020000000000003, 1e-7, 1e-12, 1234567.891, 123456789012345678, 1e15, 1e22,
    -1e300, 0.5, 1.5, 45322, 45322.8134375, 45310.51511574074, 59.5, 60, 61, 2958465.99999, 2958466, 100.00000001,
)  # fmt: skip
FORMATS = (
    "General", "0.00", "@", "yyyy-mm-dd", "yyyy-mm-dd hh:mm:ss", "hh:mm", 'yyyy"年"m"月"d"日"', "[$-804]yyyy/m/d",
    "#,##0",
)  # fmt: skip


@dataclass(frozen=True)
class Place:
    """Where a cell is written, in which format, and what draws its content."""

    draw: random.Random
    sheet: xlsxwriter.worksheet.Worksheet
    line: int
    position: int
    form: xlsxwriter.workbook.Format


def text(at: Place) -> None:
    at.sheet.write_string(at.line, at.position, at.draw.choice(TEXTS))


def plain_number(at: Place) -> None:
    at.sheet.write_number(at.line, at.position, at.draw.choice(NUMBERS))


def number(at: Place) -> None:
    at.sheet.write_number(at.line, at.position, at.draw.choice(NUMBERS), at.form)


def moment(at: Place) -> None:
    since = dt.timedelta(seconds=at.draw.randrange(400 * 86400), milliseconds=at.draw.choice([0, 0, 500]))
    at.sheet.write_datetime(at.line, at.position, dt.datetime(2024, 1, 1) + since, at.form)


def day(at: Place) -> None:
    at.sheet.write_number(at.line, at.position, at.draw.randrange(40000, 50000), at.form)


def mixed(at: Place) -> None:
    at.draw.choice([text, plain_number, day])(at)


def nothing(at: Place) -> None:
    at.sheet.write_blank(at.line, at.position, None, at.form)


def boolean(at: Place) -> None:
    at.sheet.write_boolean(at.line, at.position, at.draw.choice([True, False]))


def formula(at: Place) -> None:
    result = at.draw.choice([5, 0.25, "五", "#DIV/0!", True, ""])
    at.sheet.write_formula(at.line, at.position, "=A1", None, result)


def rich(at: Place) -> None:
    at.sheet.write_rich_string(at.line, at.position, "甲 ", at.form, "乙", " 丙")


USUAL = (text, text, plain_number, number, moment, day, mixed, nothing)
STRANGE = (boolean, formula, rich)


def workbook(draw: random.Random, *, elapsed: bool = False, constant_memory: bool = False) -> bytes:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True, "constant_memory": constant_memory}) as book:
        formats = [book.add_format({"num_format": text}) for text in (*FORMATS, *["[h]:mm"] * elapsed)]
        for _ in range(draw.choice([1, 1, 2])):
            sheet = book.add_worksheet()
            top, left = draw.choice([0, 0, 3]), draw.choice([0, 0, 2])
            columns = [draw.choice(USUAL) for _ in range(draw.randint(1, 6))]
            strange = draw.choice([0, 0, 0.05])
            for line in range(top, top + draw.randint(1, 12)):
                for position, write in enumerate(columns, start=left):
                    if draw.random() < 0.8:
                        chosen = draw.choice(USUAL + STRANGE) if draw.random() < strange else write
                        chosen(Place(draw, sheet, line, position, draw.choice(formats)))
    return out.getvalue()


Told = list[tuple[str, list[tuple[int, list[str | None]]]]] | str


def read(data: bytes, smallest: int, monkeypatch: pytest.MonkeyPatch) -> Told:
    monkeypatch.setattr(sheet_columns, "SMALLEST_SHEET", smallest)
    try:
        return [(name, [(row.number, row.cells) for row in rows]) for name, rows in sheet_rows(data, LIMITS)]
    except WorkbookRefusedError as refused:
        return refused.fault.detail


def both_ways(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(data, 1, monkeypatch) == read(data, 1 << 60, monkeypatch)


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> Counter[bool]:
    """How many sheets came in columns (True), and of how many that was not certain."""
    taken: Counter[bool] = Counter()
    columns = ColumnBook.columns

    def counted(book: ColumnBook, name: str) -> object:
        found = columns(book, name)
        taken[found is not None] += 1
        return found

    monkeypatch.setattr(ColumnBook, "columns", counted)
    return taken


@pytest.mark.parametrize("constant_memory", [False, True], ids=["shared texts", "texts in their cells"])
def test_columns_give_what_cells_give(
    constant_memory: bool, monkeypatch: pytest.MonkeyPatch, ways: Counter[bool]
) -> None:
    for seed in range(300):
        draw = random.Random(seed)
        both_ways(workbook(draw, elapsed=seed % 10 == 0, constant_memory=constant_memory), monkeypatch)
    assert ways[True] > 150


ATTRIBUTES = ("", ' t="n"', ' s="1"', ' s="1" t="n"', ' s="2"', ' t="str"', ' s="1" t="str"', ' s="99"')
RARE = (
    ' t="b"', ' t="e"', ' t="d"', ' vm="1"', ' t="s" vm="1"', ' t="n" t="str"', " s='1'", ' s="x"', ' cm="1" t="str"',
    ' s="1"\n', ' t="inlineStr"',
)  # fmt: skip
VALUES = ("0", "1", "15", "-2.5", "1E3", "1e-9", "45322", "45322.5", "0.25", "007", "12345678901234567890")
RARE_VALUES = (
    "",
    " 5",
    "5 ",
    "+5",
    "abc",
    "NaN",
    "inf",
    "1_0",
    "0x1",
    "５",
    "2024-01-31",
    "1" * 30,
    "&#49;",
    ".5",
    "5.",
)
CONTENTS = (
    "<v>{0}</v>", "<v>{0}</v>", "<v>{0}</v>", "<f>A1</f><v>{0}</v>", "<v/>", "", "<!-- --><v>{0}</v>",
    "<v><!-- -->{0}</v>", "\n<v>{0}</v>\n", '<v xml:space="preserve">{0}</v>', "<is><t>{0}</t></is>",
    "<v>{0}</v><v>1</v>", "<v>{0}</v>text", "<is><t>{0}</t><t>1</t></is>",
)  # fmt: skip


def spelled(draw: random.Random) -> bytes:
    """A workbook with days and moments among its formats, and a sheet spelled by hand, a few of its cells oddly."""
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        sheet = book.add_worksheet()
        for position, form in enumerate(("yyyy-mm-dd", "0.000")):
            sheet.write_number(0, position, 1, book.add_format({"num_format": form}))
        sheet.write_string(0, 3, "文")
    odd = draw.choice([0, 0, 0.03, 0.3])

    def pick(usual: tuple[str, ...], rare: tuple[str, ...]) -> str:
        return draw.choice(rare if draw.random() < odd else usual)

    lines = []
    for line in range(1, draw.randint(2, 8)):
        cells = []
        for letter in ("A", "B", "C", "AA"):
            if draw.random() < 0.85:
                content = pick(CONTENTS[:1], CONTENTS).format(pick(VALUES, RARE_VALUES))
                address = pick(
                    (f"{letter}{line}",), (f"A{line}", f"{letter}{line + 1}", f"{letter}0{line}", "a1", "A0")
                )
                cells.append(f'<c r="{address}"{pick(ATTRIBUTES, RARE)}>{content}</c>')
        lines.append(f'<row r="{line}">{"".join(cells)}</row>')
    body = f"<sheetData>{''.join(lines)}</sheetData>"
    return with_part(
        out.getvalue(),
        "xl/worksheets/sheet1.xml",
        lambda old: old[: old.index("<sheetData")] + body + "</worksheet>",
    )


def with_part(data: bytes, name: str, change: Callable[[str], str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.namelist():
            text = old.read(part).decode()
            new.writestr(part, change(text) if part == name else text)
    return out.getvalue()


def test_cells_of_any_spelling_give_the_same(monkeypatch: pytest.MonkeyPatch, ways: Counter[bool]) -> None:
    for seed in range(400):
        both_ways(spelled(random.Random(seed)), monkeypatch)
    assert ways[True] > 30


@pytest.mark.parametrize(
    "part", ["xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "xl/styles.xml", "xl/workbook.xml"]
)
def test_damaged_workbooks_give_the_same(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(150):
        draw = random.Random(seed)

        def change(text: str, draw: random.Random = draw) -> str:
            letters = list(text)
            for _ in range(draw.choice([1, 2, 8])):
                letters[draw.randrange(len(letters))] = draw.choice("<>\"/= 'crsvt019&;!-")
            return "".join(letters)

        data = workbook(draw)
        if part in zipfile.ZipFile(io.BytesIO(data)).namelist():
            both_ways(with_part(data, part, change), monkeypatch)


@pytest.mark.parametrize("date1904", [False, True])
def test_moments_of_every_kind_of_second_are_the_same(
    monkeypatch: pytest.MonkeyPatch, date1904: bool
) -> None:
    draw, out = random.Random(5), io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True, "date_1904": date1904}) as book:
        form = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        sheet = book.add_worksheet()
        for line in range(4000):
            sheet.write_number(line, 0, draw.randrange(30000, 60000) + draw.randrange(86400) / 86400, form)
            sheet.write_number(line, 1, draw.uniform(30000, 60000), form)
            sheet.write_number(
                line,
                2,
                draw.randrange(30000, 60000) + draw.choice([-1, 1, 0]) * draw.choice([1e-9, 6e-9, 1e-8]),
                form,
            )
    both_ways(out.getvalue(), monkeypatch)
