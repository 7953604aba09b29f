"""From a file in the layout of its period to all columns of the contract."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import date

import pytest
import xlsxwriter

from pipelines.contracts.loader import load_catalogue
from pipelines.contracts.model import Column, DatedName, Form, Span
from pipelines.intake.grid import Grid
from pipelines.intake.reading import read_parcel
from pipelines.intake.xlsx_reader import XlsxLimits

BEFORE, AFTER = date(2023, 12, 31), date(2024, 12, 31)
NEW = Span(date(2024, 1, 1))
FORM: Form = replace(
    load_catalogue().forms["F05"],
    code="X01",
    columns=(
        Column("reporter_code", "机构", "code", length=14, filled_from="reporter"),
        Column("period", "期", "text", length=7, filled_from="period"),
        Column("record_action", "操作", "enum", values=("I",), constant="I"),
        Column(
            "firm", "公司", "text", length=20,
            dated_headers=(DatedName("Firm", Span(last=BEFORE)), DatedName("Company", NEW)),
        ),
        Column("count", "件数", "integer", aliases=("Number",)),
        Column("share", "占比", "decimal", precision=9, scale=4, aliases=("Share",), filed_in=(NEW,)),
    ),
    sheets=(DatedName("Table 1", Span(last=BEFORE)), DatedName("% data ", NEW)),
)  # fmt: skip
STATED = {"reporter": "00012343090000", "period": "2024", "signed_at": "2025-01-02 09:00:00"}


def read(data: bytes, day: date = AFTER) -> Grid:
    return read_parcel(
        FORM, data, declared_encoding=None, on_cover=False, limits=XlsxLimits(), period_end=day, stated=STATED  # type: ignore[arg-type]
    )  # fmt: skip


def book(*names: str) -> bytes:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as workbook:
        for number, name in enumerate(names):
            sheet = workbook.add_worksheet(name)
            sheet.write_row(0, 0, ("Company", "Number", "Share"))
            sheet.write_row(1, 0, (f"from {name}", number, 0.5))
    return out.getvalue()


def details(grid: Grid) -> list[str]:
    return [fault.detail for fault in grid.faults]


def test_filled_columns_come_from_envelope_and_contract() -> None:
    grid = read("公司,件数,占比\n甲,3,0.5\n乙,4,\n".encode())
    assert grid.faults == []
    rows = grid.text(FORM)
    assert rows is not None
    assert rows.column_names == [*(column.name for column in FORM.columns), "row_no"]
    assert (
        rows.select(["reporter_code", "period", "record_action"]).to_pylist()
        == [{"reporter_code": "00012343090000", "period": "2024", "record_action": "I"}] * 2
    )
    assert rows["share"].to_pylist() == ["0.5", None]


def test_a_column_that_files_of_the_period_lack_is_empty_not_missing() -> None:
    grid = read(b"Firm,Number\nAlpha,3\n", BEFORE)
    assert grid.faults == []
    rows = grid.text(FORM)
    assert rows is not None
    assert rows.select(["firm", "count", "share"]).to_pylist() == [
        {"firm": "Alpha", "count": "3", "share": None}
    ]


def test_a_column_that_files_of_the_period_have_must_be_there() -> None:
    assert details(read(b"Company,Number\nAlpha,3\n")) == ["缺少列“占比”(share)"]


def test_a_header_of_another_period_says_so_and_an_unknown_one_does_not() -> None:
    assert details(read(b"Firm,Number,Share\nAlpha,3,1\n"))[0].endswith("该表头只用于报告期 至 2023-12-31")
    assert details(read(b"Company,Number,Share\nAlpha,3,1\n", BEFORE))[1].endswith(
        "该表头只用于报告期 2024-01-01 至"
    )
    unknown = details(read("Company,Number,Share,备注\nAlpha,3,1,x\n".encode()))
    assert unknown == ["表头第 4 列“备注”不在报表 X01 中"]


def test_a_file_may_not_have_a_filled_column() -> None:
    found = details(read("公司,件数,占比,期\n甲,3,0.5,2024\n".encode()))
    assert found == ["表头第 4 列“期”不在报表 X01 中"]


@pytest.mark.parametrize("name", ["% data", "%data", "% DATA "])
def test_a_sheet_is_found_by_its_name_wherever_it_stands(name: str) -> None:
    grid = read(book("Notes", "Table 1", name))
    assert grid.faults == []
    assert grid.sheet == name
    rows = grid.text(FORM)
    assert rows is not None
    assert rows["firm"].to_pylist() == [f"from {name}"]


def test_a_workbook_without_the_sheet_is_refused_with_what_was_found_and_needed() -> None:
    [fault] = read(book("Notes", "Table 1")).faults
    assert fault.detail == "工作簿中没有报表 X01 在该报告期的工作表(% data)"
    assert (fault.value, fault.expected) == ("Notes | Table 1", "% data")


def test_two_sheets_that_may_be_meant_are_no_choice_of_ours() -> None:
    form = replace(FORM, sheets=(DatedName("One"), DatedName("Two")))
    grid = read_parcel(
        form, book("One", "Two"), declared_encoding=None, on_cover=False, limits=XlsxLimits(), period_end=AFTER
    )  # fmt: skip
    assert details(grid) == ["工作表“One”和“Two”都可能是报表 X01,只能有一个"]


def test_a_period_without_any_sheet_name_is_refused_not_guessed() -> None:
    form = replace(FORM, sheets=(DatedName("Table 1", Span(last=BEFORE)),))
    grid = read_parcel(
        form, book("% data"), declared_encoding=None, on_cover=False, limits=XlsxLimits(), period_end=AFTER
    )  # fmt: skip
    assert details(grid) == ["报表 X01 的合同没有该报告期的工作表名,请核对报告期"]


def test_an_envelope_that_states_nothing_leaves_the_column_empty() -> None:
    grid = read_parcel(
        FORM, "公司,件数,占比\n甲,3,0.5\n".encode(), declared_encoding=None, on_cover=False, limits=XlsxLimits(),
        period_end=AFTER, stated={"reporter": None},
    )  # fmt: skip
    rows = grid.text(FORM)
    assert rows is not None
    assert rows["reporter_code"].to_pylist() == [None]
