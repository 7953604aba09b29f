"""The three files of a receipt as readers get them: opened with openpyxl, parsed as HTML, checked by the schema."""

from __future__ import annotations

import io
import json
import re
import zipfile
from html.parser import HTMLParser

import jsonschema
import openpyxl
import pytest
import python_calamine
from hypothesis import example, given
from hypothesis import strategies as st
from openpyxl.workbook import Workbook

from pipelines.filing.receipts.content import Dossier, KpiEffect, published_schema
from pipelines.filing.receipts.drawing import digest_of, render
from pipelines.filing.receipts.page import PLACES, page
from pipelines.filing.receipts.sheets import CELL_UNITS
from pipelines.filing.receipts.wording import printable
from pipelines.filing.receipts.workbook import workbook
from pipelines.settings import project_root
from tests.support.receipt_samples import dossier, finding, group, row

SHEETS = ["摘要", "问题", "问题行", "合计", "差异", "规则"]
DANGEROUS = (
    "=1+1",
    '=cmd|"/c calc"!A1',
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "{=1}",
    "https://x.test/",
    "_x003D_1",
)


class Page(HTMLParser):
    """Text and tags of a page; parts of a row are separated by blanks."""

    def __init__(self, html: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.pieces: list[str] = []
        self.feed(html.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] != "style":
            self.pieces.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.pieces).split())


def opened(told: Dossier) -> Workbook:
    return openpyxl.load_workbook(io.BytesIO(workbook(told)))


def parts(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def cells(sheet: object) -> list[object]:
    return [cell.value for line in sheet.iter_rows() for cell in line if cell.value is not None]  # type: ignore[attr-defined]


def full() -> Dossier:
    return dossier(
        group(
            "F01-I04",
            "E",
            None,
            finding(7),
            finding(9, column_name="agent_code", header="销售人员", cell="C9"),
        ),
        group("GEN-P02", "W", None, finding(None, column_name=None, header=None, cell=None)),
        rows=(row(7, "C-1", "2025/4/1", "A1"), row(9, "C-3", "2025-04-22", "***(11)")),
    )


def test_the_published_schema_is_the_one_in_docs() -> None:
    path = project_root() / "docs" / "receipt.schema.json"
    assert path.read_text(encoding="utf-8") == published_schema(), (
        f"{path} is not the schema of this program: write `content.published_schema()` into it, and raise "
        "SCHEMA_VERSION when a reader of receipts must change"
    )


def test_every_field_of_the_schema_says_what_it_is() -> None:
    schema = json.loads(published_schema())
    jsonschema.Draft202012Validator.check_schema(schema)
    for part in (schema, *schema["$defs"].values()):
        for name, field in part["properties"].items():
            assert field.get("description"), name


@pytest.mark.parametrize("told", [full(), dossier()], ids=["full", "without findings"])
def test_json_keeps_to_the_published_schema(told: Dossier) -> None:
    document = json.loads(told.as_json())
    jsonschema.validate(document, json.loads(published_schema()), jsonschema.Draft202012Validator)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document | {"surprise": 1}, json.loads(published_schema()))


def test_the_workbook_has_its_sheets_with_filters_and_frozen_headers() -> None:
    book = opened(full())
    assert book.sheetnames == SHEETS
    found = book["问题"]
    assert found.freeze_panes == "B3"
    assert found.auto_filter.ref == "A2:N5"
    assert [cell.value for cell in found["A"][2:]] == ["F01-I04", "F01-I04", "GEN-P02"]
    assert [cell.value for cell in found["C"][2:]] == [7, 9, "整份"]


def test_the_sheets_print_as_documents() -> None:
    book = opened(full())
    assert {sheet.page_setup.paperSize for sheet in book} == {9}
    assert [sheet.page_setup.orientation for sheet in book] == ["portrait", *["landscape"] * 5]
    assert [sheet.title for sheet in book if not sheet.sheet_properties.pageSetUpPr.fitToPage] == ["问题行"]
    assert book["问题"].print_area == "'问题'!$A$1:$I$5"
    assert [sheet.print_title_rows for sheet in book] == [None, "$2:$2", "$2:$2", "$2:$2", "$3:$3", "$1:$1"]
    assert {sheet.oddFooter.right.text for sheet in book} == {"&P / &N"}
    assert book["问题"].column_dimensions["H"].width == pytest.approx(44.71, abs=0.01)
    assert [str(area) for area in book["摘要"].merged_cells.ranges] == ["A2:E2", "A3:E3"]
    assert book.properties.title == f"报送回执 {full().receipt.submission.submission_id}"


def test_a_finding_links_to_its_row_whose_blamed_cell_is_marked_with_the_message() -> None:
    book = opened(full())
    link = book["问题"]["C4"].hyperlink
    assert link.location == "'问题行'!A4"
    rows = book["问题行"]
    assert [cell.value for cell in rows[2]] == [
        "行号 row",
        "问题与更正 what is wrong",
        "投诉编号",
        "应办结日",
        "销售人员",
    ]
    told = "F01-I04 [销售人员] 应办结日不符\n更正:重算"
    assert [cell.value for cell in rows[4]] == [9, told, "C-3", "2025-04-22", "***(11)"]
    blamed, plain = rows["E4"], rows["D4"]
    assert blamed.fill.start_color.rgb != plain.fill.start_color.rgb


def test_a_finding_on_the_row_as_a_whole_marks_its_number() -> None:
    told = dossier(group("R", "W", None, finding(7, column_name=None, header=None)), rows=(row(7, "C-1"),))
    number, what = opened(told)["问题行"]["A3"], opened(told)["问题行"]["B3"]
    assert what.value == "R 应办结日不符\n更正:重算"
    assert number.fill.start_color.rgb == "FFFFF3C4"


def test_a_row_tells_every_finding_once_and_shows_the_worst() -> None:
    wrong = finding(7, column_name="agent_code", header="销售人员")
    told = dossier(group("A", "E", None, wrong, wrong), group("B", "W", None, wrong), rows=(row(7, "C-1"),))
    line = opened(told)["问题行"][3]
    assert line[1].value == "A [销售人员] 应办结日不符\n更正:重算\nB [销售人员] 应办结日不符\n更正:重算"
    assert line[4].fill.start_color.rgb == "FFFDE3E1"


def test_rows_of_two_files_are_told_apart() -> None:
    told = dossier(
        group("R", "E", None, finding(7), finding(7, filed_in="EARLIER")),
        rows=(row(7, "C-1"), row(7, "C-2", filed_in="EARLIER")),
    )
    book = opened(told)
    assert [book["问题"][cell].hyperlink.location for cell in ("C3", "C4")] == ["'问题行'!A3", "'问题行'!A4"]
    assert [cell.value for cell in book["问题行"]["B"][2:]] == [None, "EARLIER"]


def test_totals_and_differences_stand_side_by_side() -> None:
    book = opened(full())
    assert [cell.value for cell in book["合计"][3]] == [
        "诉求金额",
        "demand_amount",
        "100.1",
        "100.11",
        "不符",
    ]
    assert [cell.value for cell in book["差异"][5]] == [
        "变动",
        "C-3",
        "5",
        "6",
        "应办结日",
        "2025-04-01",
        "2025-04-22",
    ]
    text = Page(page(full().receipt)).text
    for told in ("100.11", "不符", "2025-04-22", "WV-1", "2025-03 的 F02 尚未报送", "2025-05-12", "GEN-P02"):
        assert told in text


@pytest.mark.parametrize("text", DANGEROUS)
def test_filed_text_is_never_a_formula_or_a_link(text: str) -> None:
    told = dossier(group("R", "E", None, finding(7, value=text, header=text)), rows=(row(7, text, text),))
    book = opened(told)
    written = book["问题"]["F3"], book["问题行"]["C3"], book["问题行"]["D3"]
    for cell in written:
        assert cell.data_type == "s"
        assert cell.number_format == "@"
        assert cell.hyperlink is None
    assert not [name for name, data in parts(workbook(told)).items() if b"<f>" in data or b"<f " in data]


# of these text is spelled otherwise in a workbook
SPELLED = ("_x003D_1", "a&b", "<b>", " a ", "\n", "]]>", '"', "\u2028", "<r><t>x</t></r>")


@given(st.text(st.characters(codec="utf-8", exclude_characters="\ufffe\uffff"), min_size=1, max_size=60))
@example("".join(SPELLED))
@example(SPELLED[-1])
def test_any_filed_text_is_written_and_read_back(text: str) -> None:
    """Read with calamine, which takes `_xHHHH_` for a character, as spreadsheet programs do; openpyxl does not."""
    told = dossier(group("R", "E", None, finding(7, value=text)), rows=(row(7, text),))
    book = python_calamine.load_workbook(io.BytesIO(workbook(told)))
    [held] = told.rows.rows if told.rows else ()
    assert book.get_sheet_by_name("问题行").to_python()[2][2] == printable(held.cells[0] or "")
    assert book.get_sheet_by_name("问题").to_python()[2][5] == printable(
        told.receipt.findings[0].findings[0].value or ""
    )
    assert page(told.receipt)


def test_control_characters_are_shown_not_obeyed() -> None:
    told = dossier(group("R", "E", None, finding(7, value="a\x00b\x1b\u202ec")), rows=(row(7, "a\x00b"),))
    assert opened(told)["问题行"]["C3"].value == "a␀b"
    html = page(told.receipt).decode()
    assert "a␀b␛�c" in html
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e]", html)


@pytest.mark.parametrize("text", ["x" * 40_000, "汉" * 40_000, "😀" * 20_000])
def test_what_is_longer_than_a_cell_is_cut_and_said_so(text: str) -> None:
    told = dossier(group("R", "E", None, finding(7, value=text)), rows=(row(7, text),))
    read = opened(told)["问题行"]["C3"].value
    assert len(read.encode("utf-16-le")) // 2 <= CELL_UNITS
    assert read.endswith(f"…(全文 {len(text):,} 字符)")
    assert json.loads(told.as_json())["findings"][0]["findings"][0]["value"] == text


def test_the_page_escapes_everything_and_needs_nothing_from_elsewhere() -> None:
    evil = '<script>alert(1)</script><img src=x onerror="y">\'"&'
    told = dossier(group(evil, "E", None, finding(7, value=evil, message_zh=evil, sheet=evil)))
    html = page(told.receipt)
    parsed = Page(html)
    assert {tag for tag, _ in parsed.tags}.isdisjoint(
        {"script", "img", "link", "iframe", "object", "base", "a", "form"}
    )
    assert parsed.text.count("<script>alert(1)</script>") >= 3
    attributes = {name for _, attrs in parsed.tags for name in attrs}
    assert attributes <= {"class", "style", "lang", "charset", "name", "content"}
    assert not re.search(rb"url\(|@import|https?:|//", html)


def test_counts_are_true_in_all_three_when_details_are_capped() -> None:
    many = tuple(finding(number) for number in range(2, 2 + PLACES + 5))
    told = dossier(group("F01-I04", "E", 1_234, *many))
    document = json.loads(told.as_json())
    [capped] = document["findings"]
    assert (capped["count"], capped["listed"], capped["is_truncated"]) == (1_234, len(many), True)
    assert (document["totals"]["blocking"], document["totals"]["is_truncated"]) == (1_234, True)
    text = Page(page(told.receipt)).text
    assert f"本规则共 1,234 处,此页列出 {PLACES} 处,工作簿列出 {len(many)} 处" in text
    assert f"共 1,234 个问题,回执只列出 {len(many)} 个" in text
    book = opened(told)
    assert f"共 1,234 个,只列出 {len(many)} 个" in book["问题"]["A1"].value
    assert {cell.value for cell in book["问题"]["J"][2:]} == {1_234}
    assert any("1,234" in str(value) for value in cells(book["摘要"]))


def test_what_is_not_known_is_not_said_to_be_nothing() -> None:
    unknown, none = dossier(), dossier(kpi_effects=())
    assert "指标影响" not in Page(page(unknown.receipt)).text
    assert "没有已发布的指标因此变动" in Page(page(none.receipt)).text
    assert not any("指标影响" in str(value) for value in cells(opened(unknown)["摘要"]))
    moved = KpiEffect(kpi_id="CMP-01", name_zh="有效投诉件数", period="2025-03", grain="insurer", dimension=None,
                      old_value="308", new_value=None, unit="件")  # fmt: skip
    told = dossier(kpi_effects=(moved,))
    assert "CMP-01 有效投诉件数" in Page(page(told.receipt)).text
    assert "CMP-01 有效投诉件数" in cells(opened(told)["摘要"])
    without_rows = Dossier(told.receipt, None)
    assert "filed rows stand in the receipt as delivered" in str(opened(without_rows)["问题行"]["A1"].value)


def test_equal_content_gives_equal_bytes_and_other_content_another_digest() -> None:
    assert dict(render(full())) == dict(render(full()))
    assert digest_of(full(), "here") == digest_of(full(), "here")
    assert digest_of(full(), "there") != digest_of(full(), "here")
    changed = Dossier(full().receipt, dossier(rows=(row(7, "C-2"),)).rows)
    assert digest_of(changed, "here") != digest_of(full(), "here")
    with zipfile.ZipFile(io.BytesIO(workbook(full()))) as archive:
        assert archive.testzip() is None
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


PERSONS = st.sampled_from(
    ["13812345678", "11010119900307123X", "１３８１２３４５６７８", "138-1234-5678", "+8613812345678"]
)


@given(PERSONS, st.text(max_size=5), st.text(max_size=5))
def test_no_text_of_a_filer_carries_a_clear_identity_into_a_receipt(
    person: str, before: str, after: str
) -> None:
    text = f"{before} {person} {after}"
    told = dossier(
        group("R", "E", None, finding(7, value=text, expected=text, message_zh=text, sheet=text, header=text))
    )
    bare = person.removeprefix("+86")
    for suffix, data in render(told):
        if suffix == ".xlsx":
            assert not [name for name, part in parts(data).items() if bare in part.decode()]
        else:
            assert bare not in data.decode()
