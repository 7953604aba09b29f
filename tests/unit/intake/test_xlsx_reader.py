"""Workbooks: addresses, cell types, covers, and the bounds that keep a hostile file from costing anything."""

from __future__ import annotations

import datetime as dt
import io
import random
import resource
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from types import SimpleNamespace

import pytest
import xlsxwriter

from pipelines.contracts.loader import load_catalogue
from pipelines.intake import container, xlsx_reader
from pipelines.intake.envelope import from_cover
from pipelines.intake.xlsx_reader import WorkbookRefusedError, XlsxLimits, cell_text, read_xlsx, sheet_rows
from tests.support.desk import row

FORM = load_catalogue().forms["F05"]
LIMITS = XlsxLimits()


def book(write: Callable[[xlsxwriter.Workbook], None]) -> bytes:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as workbook:
        write(workbook)
    return out.getvalue()


def filing(
    workbook: xlsxwriter.Workbook, first_row: int = 0, extra: dict[tuple[int, int], object] | None = None
) -> None:
    sheet = workbook.add_worksheet("数据")
    day = workbook.add_format({"num_format": "yyyy-mm-dd"})
    for position, column in enumerate(FORM.columns):
        sheet.write(first_row, position, column.title_zh)
        for number in range(2):
            value = row("F05", number + 1).get(column.name, "")
            if column.name == "found_date":
                sheet.write_datetime(first_row + 1 + number, position, dt.datetime(2024, 3, 4), day)
            elif value:
                sheet.write_string(first_row + 1 + number, position, value)
    for (line, position), value in (extra or {}).items():
        sheet.write(line, position, value)


def test_rows_keep_their_sheet_numbers_below_titles_and_gaps() -> None:
    def write(workbook: xlsxwriter.Workbook) -> None:
        filing(workbook, first_row=4, extra={(1, 0): "问题件报表"})

    grid = read_xlsx(FORM, book(write), LIMITS, has_cover=False)
    assert grid.faults == []
    rows = grid.text(FORM)
    assert rows is not None
    assert rows["row_no"].to_pylist() == [6, 7]
    assert rows["found_date"].to_pylist() == ["2024-03-04"] * 2
    assert grid.sheet == "数据"


def test_the_cover_is_the_envelope_and_the_second_sheet_the_data() -> None:
    def write(workbook: xlsxwriter.Workbook) -> None:
        cover = workbook.add_worksheet("封面")
        for line, pair in enumerate(
            [("报表代码", "F05"), ("报送序号", 1), ("合计：attempts", "12.50"), ("报告期", "2024-03")]
        ):
            cover.write_row(line, 0, pair)
        filing(workbook)

    data = book(write)
    envelope = from_cover(data, LIMITS)
    assert envelope is not None
    assert (envelope.form, envelope.sequence_no, envelope.period) == ("F05", 1, "2024-03")
    assert envelope.control_totals == {"attempts": "12.50"}
    assert read_xlsx(FORM, data, LIMITS, has_cover=True).rows_read == 2


def test_an_error_cell_is_text_not_an_empty_cell() -> None:
    def write(workbook: xlsxwriter.Workbook) -> None:
        filing(workbook)
        position = [column.name for column in FORM.columns].index("agent_code")
        workbook.get_worksheet_by_name("数据").write_formula(1, position, "=1/0", None, "#DIV/0!")

    grid = read_xlsx(FORM, book(write), LIMITS, has_cover=False)
    rows = grid.text(FORM)
    assert rows is not None
    assert rows["agent_code"].to_pylist()[0] == "#DIV/0!"


def test_content_beside_the_table_is_refused_with_its_place() -> None:
    grid = read_xlsx(
        FORM, book(lambda workbook: filing(workbook, extra={(2, 40): "备注"})), LIMITS, has_cover=False
    )
    assert [fault.row_no for fault in grid.faults] == [3]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 600, "密码"),
        (b"PK\x03\x04garbage", "截断或已损坏"),
    ],
)
def test_containers_that_cannot_be_opened(data: bytes, said: str) -> None:
    grid = read_xlsx(FORM, data, LIMITS, has_cover=False)
    assert said in grid.faults[0].detail
    assert grid.pieces is None


def test_a_truncated_workbook_is_a_finding() -> None:
    data = book(filing)
    grid = read_xlsx(FORM, data[: len(data) // 2], LIMITS, has_cover=False)
    assert grid.faults[0].rule_code == "ENV-S01"


def test_bounds_on_unzipped_size_and_cells() -> None:
    data = book(filing)
    assert (
        "超过上限" in read_xlsx(FORM, data, XlsxLimits(unzipped_bytes=500), has_cover=False).faults[0].detail
    )
    assert "单元格超过上限" in read_xlsx(FORM, data, XlsxLimits(cells=10), has_cover=False).faults[0].detail


def test_a_zip_bomb_is_refused_before_it_is_unpacked() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as container:
        container.writestr("xl/worksheets/sheet1.xml", b"0" * (3 << 20))
    grid = read_xlsx(FORM, out.getvalue(), XlsxLimits(unzipped_bytes=1 << 20), has_cover=False)
    assert "解压后" in grid.faults[0].detail


def test_a_zip_that_is_no_workbook_is_a_finding() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as container:
        container.writestr("readme.txt", "hello")
    assert "结构已损坏" in read_xlsx(FORM, out.getvalue(), LIMITS, has_cover=False).faults[0].detail


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"),
        (1234.56, "1234.56"),
        (1e-7, "0.0000001"),
        (True, "Y"),
        (dt.datetime(2024, 3, 5), "2024-03-05"),
        (dt.datetime(2024, 3, 5, 8, 1), "2024-03-05 08:01:00"),
        ("  ", None),
        (12, "12"),
    ],
)
def test_cells_become_canonical_text(value: object, text: str | None) -> None:
    assert cell_text(value) == text


@pytest.mark.parametrize("place", ["load_workbook", "get_sheet_by_name"])
def test_our_own_failure_is_never_told_as_a_damaged_file(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    import python_calamine

    def fail(*_: object, **__: object) -> None:
        raise MemoryError("no memory")

    if place == "load_workbook":
        monkeypatch.setattr(python_calamine, place, fail)
    else:
        opened = SimpleNamespace(
            sheets_metadata=python_calamine.load_workbook(io.BytesIO(book(filing))).sheets_metadata,
            get_sheet_by_name=fail,
        )
        monkeypatch.setattr(python_calamine, "load_workbook", lambda _: opened)
    with pytest.raises(MemoryError):
        read_xlsx(FORM, book(filing), LIMITS, has_cover=False)


NAMESPACE = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'


def spelled(sheet: str, encoding: str = "utf-8") -> bytes:
    """A workbook whose only sheet is spelled by hand."""
    whole = book(lambda workbook: workbook.add_worksheet("数据").write(0, 0, "shared"))
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.namelist():
            body = sheet.encode(encoding) if part.endswith("sheet1.xml") else old.read(part)
            new.writestr(part, body)
    return out.getvalue()


def in_sheet(cells: str) -> str:
    return f'<?xml version="1.0"?><worksheet {NAMESPACE}><sheetData>{cells}</sheetData></worksheet>'


def cells_of(data: bytes, limits: XlsxLimits = LIMITS) -> dict[tuple[int, int], str]:
    """Text by row and column, from 1, of all cells of the first sheet."""
    _, rows = next(iter(sheet_rows(data, limits)))
    return {
        (row.number, position): text
        for row in rows
        for position, text in enumerate(row.cells, start=1)
        if text is not None
    }


FAR = '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>7</v></c></row>'


@pytest.mark.parametrize("far", [FAR, FAR.replace('"', "'")], ids=["plain", "other quotes"])
def test_a_stray_cell_far_out_costs_nothing_and_is_refused_with_its_place(far: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(WorkbookRefusedError, match="第 1048576 行第 16384 列"):
        cells_of(spelled(in_sheet(far)))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kilobytes


def test_formatted_empty_cells_far_out_are_no_content() -> None:
    far = "".join(f'<row r="{row}"><c r="XFD{row}" s="0"/></row>' for row in range(2, 2000))
    assert cells_of(spelled(in_sheet(f'<row r="1"><c r="A1"><v>1</v></c></row>{far}'))) == {(1, 1): "1"}


ALOUD = '<is><t>#N/A</t><rPh sb="0" eb="1"><t>x</t></rPh></is>'


@pytest.mark.parametrize(
    ("sheet", "encoding"),
    [
        ('<row r="2"><c r="B2" t="e"><v>#N/A</v></c><c r="C2"><v>5</v></c></row>', "utf-8"),
        ("<row r='2'><c r='B2' t='e'><v>#N/A</v></c><c r='C2'><v>5</v></c></row>", "utf-8"),
        ('<row/><row><c/><c t="e"><v>#N/A</v></c><c><v>5</v></c></row>', "utf-8"),
        ('<row r="2"><c\n r="B2" t="e"><v>#N/A</v></c><c r="C2"><v>5</v></c></row>', "utf-8"),
        ('<row r="2"><c r="B2" t="e"><v>#N/A</v></c><c r="C2"><v>5</v></c></row>', "utf-16"),
        (f"<row r='2'><c r='B2' t='inlineStr'>{ALOUD}</c><c r='C2'><v>5</v></c></row>", "utf-8"),
    ],
    ids=["plain", "other quotes", "no addresses", "line break", "utf-16", "read aloud"],
)  # fmt: skip
def test_cells_are_the_same_however_a_sheet_is_spelled(sheet: str, encoding: str) -> None:
    text = in_sheet(sheet) if encoding == "utf-8" else in_sheet(sheet).replace("1.0", '1.0" encoding="UTF-16')
    assert cells_of(spelled(text, encoding)) == {(2, 2): "#N/A", (2, 3): "5"}


def test_a_sheet_with_prefixes_is_bounded_too() -> None:
    prefixed = in_sheet(FAR).replace("<", "<x:").replace("<x:/", "</x:").replace("<x:?", "<?")
    prefixed = prefixed.replace("xmlns=", "xmlns:x=")
    with pytest.raises(WorkbookRefusedError, match="第 1048576 行第 16384 列"):
        cells_of(spelled(prefixed))
    assert cells_of(spelled(prefixed.replace("XFD1048576", "B3").replace("1048576", "3"))) == {
        (1, 1): "1",
        (3, 2): "7",
    }


@pytest.mark.parametrize("declaration", ['<!DOCTYPE w [<!ENTITY a "5">]>', "<!DOCTYPE w>"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_document_type_is_refused(declaration: str, encoding: str) -> None:
    sheet = in_sheet('<row r="2"><c r="B2"><v>1</v></c></row>').replace("?>", f"?>{declaration}")
    with pytest.raises(WorkbookRefusedError, match="工作表结构已损坏"):
        cells_of(spelled(sheet.replace("1.0", f'1.0" encoding="{encoding}'), encoding))


@pytest.mark.parametrize("part", ["M\0i\0c\0r\0o\0s\0o\0f\0t\0 <\0c\0", "\x89PNG\r\n\0\0<c r=", "\0\0\1\0"])
def test_parts_that_are_no_markup_are_left_alone(part: str) -> None:
    """What Excel keeps of a printer, and pictures, hold NUL bytes like text in UTF-16, and are no sheets."""
    data = spelled(in_sheet('<row r="2"><c r="B2"><v>5</v></c></row>'))
    out = io.BytesIO(data)
    with zipfile.ZipFile(out, "a") as container:
        container.writestr("xl/printerSettings/printerSettings1.bin", part.encode("latin-1"))
    assert cells_of(out.getvalue()) == cells_of(data) == {(2, 2): "5"}


def test_words_that_look_like_cells_are_text() -> None:
    words = '&lt;c r="XFD1048576" t="e"&gt; t="e" :c '
    sheet = (
        f'<row r="2"><c r="B2" t="inlineStr"><is><t>{words}</t></is></c></row><!-- <c r="XFD1048576"/> -->'
    )
    assert cells_of(spelled(in_sheet(sheet))) == {(2, 2): '<c r="XFD1048576" t="e"> t="e" :c '}


def test_dates_that_a_chinese_spreadsheet_numbers_itself_are_dates() -> None:
    """Number formats 27 to 36 and 50 to 58 are dates in Chinese Excel."""

    def write(workbook: xlsxwriter.Workbook) -> None:
        sheet = workbook.add_worksheet("数据")
        for line, number in enumerate((14, 31, 57)):
            sheet.write(line, 0, 45356, workbook.add_format({"num_format": number}))

    assert set(cells_of(book(write)).values()) == {"2024-03-05"}


def test_a_number_far_out_of_its_date_format_is_a_finding() -> None:
    def write(workbook: xlsxwriter.Workbook) -> None:
        filing(workbook)
        day = workbook.add_format({"num_format": "yyyy-mm-dd"})
        workbook.get_worksheet_by_name("数据").write(1, 0, -1e300, day)

    grid = read_xlsx(FORM, book(write), LIMITS, has_cover=False)
    assert "已损坏" in grid.faults[0].detail
    assert grid.pieces is None


def test_changed_bytes_are_seen_even_when_the_cell_still_reads() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(book(filing))) as old, zipfile.ZipFile(out, "w") as new:
        for part in old.namelist():
            new.writestr(part, old.read(part))
    data = bytearray(out.getvalue())
    data[data.index(b"<v>1</v>") + 3] = ord("2")
    grid = read_xlsx(FORM, bytes(data), LIMITS, has_cover=False)
    assert "已损坏" in grid.faults[0].detail


def test_sizes_that_a_container_declares_are_not_believed() -> None:
    data = bytearray(book(filing))
    entry = data.index(b"xl/worksheets/sheet1.xml", data.index(b"PK\x01\x02")) - 46
    declared = int.from_bytes(data[entry + 24 : entry + 28], "little")
    data[entry + 24 : entry + 28] = (declared - 10).to_bytes(4, "little")
    assert "已损坏" in read_xlsx(FORM, bytes(data), LIMITS, has_cover=False).faults[0].detail


def test_any_damage_is_a_finding_or_harmless() -> None:
    whole, draw = book(filing), random.Random(7)
    with zipfile.ZipFile(io.BytesIO(whole)) as container:
        sheet = container.read("xl/worksheets/sheet1.xml").decode()
    for _ in range(150):
        damaged, letters = bytearray(whole), list(sheet)
        for _ in range(draw.choice([1, 5, 20])):
            damaged[draw.randrange(len(damaged))] = draw.randrange(256)
            letters[draw.randrange(len(letters))] = draw.choice("<>\"/= 'crA1t9&;")
        for data in (bytes(damaged), spelled("".join(letters))):
            grid = read_xlsx(FORM, data, LIMITS, has_cover=False)
            assert (grid.pieces is None) == bool(grid.faults)


def test_a_cover_is_read_without_unpacking_what_is_too_large_to_be_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def write(workbook: xlsxwriter.Workbook, first: str = "封面") -> None:
        cover = workbook.add_worksheet(first)
        cover.write_row(0, 0, ["报表代码", "F05"])
        filing(workbook)

    sizes = {part.filename: part.file_size for part in zipfile.ZipFile(io.BytesIO(book(write))).infolist()}
    monkeypatch.setattr(xlsx_reader, "_LARGEST_COVER_BYTES", sizes["xl/worksheets/sheet1.xml"])
    assert sizes["xl/worksheets/sheet2.xml"] > sizes["xl/worksheets/sheet1.xml"]
    unpacked: list[str] = []
    inflated = container._unpacked

    def spied(data: bytes, part: zipfile.ZipInfo, clock: container.Clock) -> Iterator[bytes]:
        for piece in inflated(data, part, clock):
            unpacked.append(part.filename)
            yield piece

    monkeypatch.setattr(container, "_unpacked", spied)
    found = from_cover(book(write), LIMITS)
    assert found is not None
    assert found.form == "F05"
    assert unpacked.count("xl/worksheets/sheet2.xml") == 1  # its beginning, which tells that it is a sheet
    assert from_cover(book(partial(write, first="数据一")), LIMITS) is None
    monkeypatch.setattr(xlsx_reader, "_LARGEST_COVER_BYTES", 10)
    assert from_cover(book(partial(write, first="数据一")), LIMITS) is None
    refused = from_cover(book(write), LIMITS)
    assert refused is not None
    assert [fault.rule_code for fault in refused.faults] == ["ENV-S01"]


@pytest.mark.parametrize("comment", [b"", b"a comment"])
def test_a_container_without_some_parts_holds_the_others_as_they_were(comment: bytes) -> None:
    out = io.BytesIO(book(filing))
    with zipfile.ZipFile(out, "a") as whole:
        whole.comment = comment
    parts = container.check_container(out.getvalue(), LIMITS)
    wanted = [part for part in parts if "sheet1" not in part.filename]
    with (
        zipfile.ZipFile(io.BytesIO(container._without_others(out.getvalue(), parts, wanted))) as less,
        zipfile.ZipFile(out) as whole,
    ):
        assert less.namelist() == [part.filename for part in wanted] != whole.namelist()
        assert less.testzip() is None
        assert all(less.read(name) == whole.read(name) for name in less.namelist())
