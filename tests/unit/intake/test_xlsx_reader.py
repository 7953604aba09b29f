"""Workbooks: addresses, cell types, covers, and the bounds that keep a hostile file from costing anything."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from collections.abc import Callable

import pytest
import xlsxwriter

from pipelines.contracts.loader import load_catalogue
from pipelines.intake.envelope import from_cover
from pipelines.intake.xlsx_reader import XlsxLimits, cell_text, read_xlsx
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
    assert grid.table is not None
    assert grid.table["row_no"].to_pylist() == [6, 7]
    assert grid.table["found_date"].to_pylist() == ["2024-03-04"] * 2
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
    assert grid.table is not None
    assert grid.table["agent_code"].to_pylist()[0] == "#DIV/0!"


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
    assert grid.table is None


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


@pytest.mark.parametrize("ours", [MemoryError("no memory"), OSError("disk")])
@pytest.mark.parametrize("place", ["opening", "reading"])
def test_our_own_failure_is_never_told_as_a_damaged_file(
    monkeypatch: pytest.MonkeyPatch, ours: Exception, place: str
) -> None:
    import openpyxl
    from openpyxl.worksheet._read_only import ReadOnlyWorksheet

    def fail(*_: object, **__: object) -> None:
        raise ours

    target = (openpyxl, "load_workbook") if place == "opening" else (ReadOnlyWorksheet, "iter_rows")
    monkeypatch.setattr(*target, fail)
    with pytest.raises(type(ours)):
        read_xlsx(FORM, book(filing), LIMITS, has_cover=False)
