"""The blank filing: what is offered to be filled in is what the contract accepts and what the readers read."""

from __future__ import annotations

import csv
import datetime as dt
import io
from functools import cache
from typing import Any

import openpyxl
import pytest
from openpyxl.utils import get_column_letter, range_boundaries

from pipelines.contracts.loader import load_catalogue
from pipelines.contracts.model import Form
from pipelines.contracts.periods import Period
from pipelines.intake.csv_reader import read_csv
from pipelines.intake.envelope import KINDS, LABELS, from_cover, from_sidecar
from pipelines.intake.template import choices, csv_template, example_row
from pipelines.intake.template_workbook import (
    CODES_SHEET,
    COVER_SHEET,
    DATA_SHEET,
    EXAMPLE_SHEET,
    LISTS_SHEET,
    NOTES_SHEET,
    workbook_template,
)
from pipelines.intake.xlsx_reader import XlsxLimits, read_xlsx

CATALOGUE = load_catalogue()
TODAY = dt.date(2024, 4, 8)
LIMITS = XlsxLimits()
FORMS = sorted(CATALOGUE.forms)


@cache
def blank(code: str) -> bytes:
    return workbook_template(CATALOGUE, CATALOGUE.forms[code], today=TODAY)


def opened(data: bytes) -> Any:
    return openpyxl.load_workbook(io.BytesIO(data))


def offered(book: Any, sheet: str, cell: str) -> list[str] | None:
    """What the drop-down of a cell holds."""
    for rule in book[sheet].data_validations.dataValidation:
        if cell in rule.sqref and rule.type == "list":
            place = rule.formula1.split("!")[1].replace("$", "")
            left, top, right, bottom = range_boundaries(place)
            assert left == right
            return [book[LISTS_SHEET].cell(line, left).value for line in range(top, bottom + 1)]
    return None


@pytest.mark.parametrize("code", FORMS)
def test_every_closed_column_has_its_values_as_a_drop_down(code: str) -> None:
    book, form = opened(blank(code)), CATALOGUE.forms[code]
    for position, column in enumerate(form.columns, start=1):
        found = offered(book, DATA_SHEET, f"{get_column_letter(position)}2")
        wanted = choices(CATALOGUE, column, None, TODAY)
        assert found == (list(wanted.values) if wanted else None), column.name
        if column.kind == "enum":
            assert found, column.name
    assert book[LISTS_SHEET].sheet_state == "hidden"


@pytest.mark.parametrize("code", FORMS)
def test_headers_stand_in_contract_order_and_text_stays_text(code: str) -> None:
    book, form = opened(blank(code)), CATALOGUE.forms[code]
    sheet = book[DATA_SHEET]
    assert [cell.value for cell in sheet[1]] == [column.title_zh for column in form.columns]
    assert sheet.max_row == 1
    for position, column in enumerate(form.columns, start=1):
        [shape] = [d.number_format for d in sheet.column_dimensions.values() if d.min <= position <= d.max]
        if column.kind in ("text", "code", "enum", "hash", "boolean"):
            assert shape == "@", column.name
        elif column.kind in ("date", "timestamp"):
            assert shape.startswith("yyyy-mm-dd"), column.name
        comment = sheet.cell(1, position).comment.text
        assert column.name in comment
        assert ("必填" if column.required else "选填") in comment


@pytest.mark.parametrize("code", FORMS)
def test_the_cover_asks_for_every_field_and_blank_fields_are_named(code: str) -> None:
    form = CATALOGUE.forms[code]
    book = opened(blank(code))
    labels = [row[0].value for row in book[COVER_SHEET].iter_rows(min_row=4)]
    assert labels == [*LABELS.values(), *(f"合计:{name}" for name in form.control_totals)]
    lines = {label: line for line, label in enumerate(labels, start=4)}
    assert offered(book, COVER_SHEET, f"B{lines['报送类型']}") == list(KINDS)
    assert offered(book, COVER_SHEET, f"B{lines['状态']}") == ["SUBMITTED", "SAVED"]
    envelope = from_cover(blank(code), LIMITS)
    assert envelope is not None
    assert (envelope.form, envelope.version, envelope.state) == (code, form.version, "SAVED")
    # notes beside an empty cell are never read as its content
    assert {fault.expected for fault in envelope.faults} == {
        "submission_id", "reporter", "period", "kind", "sequence_no", "row_count", "signed_at",
    }  # fmt: skip
    assert envelope.control_totals == {}
    assert envelope.signers == (None, None, None)


@pytest.mark.parametrize("code", FORMS)
def test_the_reader_finds_the_data_sheet_behind_the_cover(code: str) -> None:
    for has_cover in (True, False):  # false: the envelope came as a sidecar
        grid = read_xlsx(CATALOGUE.forms[code], blank(code), LIMITS, has_cover=has_cover)
        assert (grid.sheet, grid.faults, grid.rows_read) == (DATA_SHEET, [], 0)


@pytest.mark.parametrize("code", FORMS)
def test_the_example_lies_beside_the_data_and_reads_as_filed(code: str) -> None:
    form = CATALOGUE.forms[code]
    example = example_row(form)
    assert {column.name for column in form.columns if column.required} <= set(example)
    book = opened(blank(code))
    for name in (COVER_SHEET, DATA_SHEET, NOTES_SHEET, CODES_SHEET, LISTS_SHEET):
        del book[name]
    out = io.BytesIO()
    book.save(out)
    table = read_xlsx(form, out.getvalue(), LIMITS, has_cover=False).text(form)
    assert table is not None
    [row] = table.to_pylist()
    read = {name: text for name, text in row.items() if name != "row_no" and text is not None}
    assert read == {name: without_zeros(form, name, text) for name, text in example.items()}
    assert book.sheetnames[0] == EXAMPLE_SHEET


def without_zeros(form: Form, name: str, text: str) -> str:
    """A number typed into a cell has no trailing zeros."""
    if form.column(name).kind != "decimal":
        return text
    return text.rstrip("0").rstrip(".") if "." in text else text


def test_only_codes_of_the_period_are_offered() -> None:
    form = CATALOGUE.forms["F01"]
    reason = form.column("reason_l1")
    position = get_column_letter(form.columns.index(reason) + 1)
    for label, there in (("2021-12", False), ("2022-01", True)):
        book = opened(workbook_template(CATALOGUE, form, today=TODAY, period=Period.parse(label)))
        values = offered(book, DATA_SHEET, f"{position}2")
        assert values is not None
        assert ("退保纠纷" in values) is there
        [rule] = [r for r in book[DATA_SHEET].data_validations.dataValidation if f"{position}2" in r.sqref]
        assert rule.errorStyle == "warning"  # an older event may still need an older code


def test_period_and_reporter_are_filled_in_and_offered_alone() -> None:
    data = workbook_template(
        CATALOGUE,
        CATALOGUE.forms["F05"],
        today=TODAY,
        period=Period.parse("2024-03"),
        reporter="00012343090000",
    )
    envelope = from_cover(data, LIMITS)
    assert envelope is not None
    assert (envelope.period, envelope.reporter) == ("2024-03", "00012343090000")
    book = opened(data)
    names = [column.name for column in CATALOGUE.forms["F05"].columns]
    for name, value in (("period", "2024-03"), ("reporter_code", "00012343090000")):
        assert offered(book, DATA_SHEET, f"{get_column_letter(names.index(name) + 1)}2") == [value]


def test_the_same_template_is_the_same_bytes() -> None:
    first, second = (workbook_template(CATALOGUE, CATALOGUE.forms["F01"], today=TODAY) for _ in range(2))
    assert first == second


def test_the_notes_tell_every_column_its_rules_and_codes() -> None:
    form, book = CATALOGUE.forms["F01"], opened(blank("F01"))
    told = {row[2].value: row for row in book[NOTES_SHEET].iter_rows(min_row=9)}
    assert list(told) == [column.name for column in form.columns]
    rules = told["due_date"][8].value
    assert "F01-I04(阻断)" in rules
    assert form.rule("F01-I04").text_zh in rules
    codes = {row[2].value for row in book[CODES_SHEET].iter_rows(min_row=2) if row[0].value == "CL_SRC"}
    assert codes == set(CATALOGUE.code_list("CL_SRC").values())


@pytest.mark.parametrize("code", FORMS)
def test_the_csv_header_is_read_and_its_skeleton_lacks_only_what_is_to_be_filled(code: str) -> None:
    form = CATALOGUE.forms[code]
    header, skeleton = csv_template(form)
    grid = read_csv(form, header, None)
    assert (grid.faults, grid.rows_read, grid.encoding) == ([], 0, "utf-8-sig")
    [line] = csv.reader(io.StringIO(header.decode("utf-8-sig")))
    assert line == [column.title_zh for column in form.columns]
    envelope = from_sidecar(skeleton)
    assert {fault.expected for fault in envelope.faults} == {
        "submission_id", "reporter", "period", "kind", "sequence_no", "row_count", "signed_at",
    }  # fmt: skip
    assert envelope.control_totals == {}
