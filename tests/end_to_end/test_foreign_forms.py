"""The example's forms on small files: every rule keeps what is right and finds what is wrong, in its cell and there
alone; a sheet or header of another period is told as such; editions are compared cell by cell.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
import xlsxwriter
from typer.testing import CliRunner

from pipelines.cli.app import app
from tests.support.foreign import Analyst, analyst

NY_HEADER = (
    "NAIC,Company Name,Ratio,Upheld Complaints,Question of Fact Complaints,Not Upheld Complaints,"
    "Total Complaints,Premiums Written (in Millions),Rank,Filing Year"
)
#: A sound year of three insurers, and a sound one of two.
SOUND = (
    "10001,Alpha,0,0,1,2,3,120.5,1,2021",
    "10002,Beta,0,0,0,1,1,80.25,2,2021",
    "10003,Gamma,0.05,2,0,4,6,40,3,2021",
    "10001,Alpha,0.01,1,1,2,4,100,1,2022",
    "10002,Beta,0.02,1,0,1,2,50,2,2022",
)
GROUPS = ("Banking and credit cards", "Decumulation & pensions", "Home finance", "Insurance & pure protection",
          "Investments")  # fmt: skip
FIRST, SECOND, THIRD = "2022-01-01 to 2022-06-30", "2022-07-01 to 2022-12-31", "2023-01-01 to 2023-06-30"
Cell = str | float | None


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Analyst]:
    with analyst(tmp_path) as desk:
        yield desk


def rankings(*rows: str) -> bytes:
    return "\n".join([NY_HEADER, *rows, ""]).encode()


def publish_rankings(desk: Analyst, *rows: str, sequence: int = 1) -> str:
    return desk.publish(
        rankings(*rows), len(rows), "NY01", period="2009", sequence=sequence, signed_at=f"2025-0{sequence}-10T09:00:00"
    )  # fmt: skip


def workbook(sheets: Mapping[str, Sequence[Sequence[Cell]]]) -> bytes:
    """A workbook of sheets, each a header row and rows below."""
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            for number, row in enumerate(rows):
                sheet.write_row(number, 0, row)
    return out.getvalue()


def by_group(
    days: str, *rows: Sequence[Cell], group: str = "Group", joint: str = "Joint Report"
) -> list[list[Cell]]:
    """A sheet by product group: header, then a firm per row of cells."""
    header: list[Cell] = ["Firm Name", group, joint, "Reporting period", *GROUPS]
    return [
        header,
        *([f"Firm {number}", "NO GROUP", "no", days, *row] for number, row in enumerate(rows, start=1)),
    ]


def consumer_credit(
    upheld: str, days: str, *rows: Sequence[Cell], group: str = "Group", more: Sequence[str] = ()
) -> list[list[Cell]]:
    header: list[Cell] = ["Firm Name", group, "Joint Report", "Reporting frequency", "Reporting period",
                          "Complaints Received", "Complaints Closed", upheld, *more]  # fmt: skip
    return [
        header,
        *([f"Firm {n}", "NO GROUP", "no", "Half Yearly", days, *row] for n, row in enumerate(rows, start=1)),
    ]


def test_a_sound_ranking_has_no_finding(desk: Analyst) -> None:
    submission = publish_rankings(desk, *SOUND)
    desk.run()
    assert desk.told(submission) == []
    assert desk.state(submission) == "accepted"
    [row] = desk.ask("SELECT DISTINCT reporter_code, period, record_action FROM filed.ny01")
    assert row == {"reporter_code": "USNYDFS0000000", "period": "2009", "record_action": "I"}


@pytest.mark.parametrize(
    ("number", "row", "found"),
    [
        (3, "10003,Gamma,0.05,2,1,4,6,40,3,2021", ("NY01-I01", 4, "total_complaints", "6")),
        (3, "10003,Gamma,0.06,2,0,4,6,40,3,2021", ("NY01-A01", 4, "ratio", "0.06")),
        (2, "10002,Beta,0,0,0,1,1,130.25,2,2021", ("NY01-A02", 3, "rank", "2")),
        (3, "10003,Gamma,0.05,2,0,4,6,40,4,2021", ("NY01-A03", 4, "rank", "4")),
    ],
)
def test_a_broken_row_of_a_ranking_is_found_in_its_cell(
    desk: Analyst, number: int, row: str, found: tuple[str, int, str, str]
) -> None:
    rows = [*SOUND[: number - 1], row, *SOUND[number:]]
    submission = publish_rankings(desk, *rows)
    desk.run()
    assert desk.told(submission) == [found]
    assert desk.state(submission) == "accepted"  # official figures stand as printed


def test_an_insurer_that_stands_twice_and_a_copied_year_are_found(desk: Analyst) -> None:
    twin = "10009,Beta,0,0,0,1,1,80.25,2,2021"
    copy = [row.replace(",2022", ",2023") for row in SOUND[3:]]
    submission = publish_rankings(desk, *SOUND[:2], twin, *SOUND[2:], *copy)
    desk.run()
    assert desk.told(submission) == [
        ("NY01-A03", 3, "rank", "2"),
        ("NY01-A03", 4, "rank", "2"),
        ("NY01-A04", 3, "naic", "10002"),
        ("NY01-A04", 4, "naic", "10009"),
        ("NY01-A05", 6, "filing_year", "2022"),
    ]


def test_editions_are_compared_cell_by_cell_and_each_stands_in_its_time(desk: Analyst) -> None:
    publish_rankings(desk, *SOUND)
    changed = "10003,Gamma,0.1,4,0,4,8,40,3,2021"
    publish_rankings(desk, *SOUND[:2], changed, SOUND[3], "10004,Delta,0.02,1,0,1,2,50,2,2022", sequence=2)
    desk.run()
    cells = desk.ask(
        "SELECT change, row_no, old_row_no, column_name, old_value, new_value FROM filing.changed_cells ORDER BY ALL"
    )
    assert [tuple(cell.values()) for cell in cells] == [
        ("added", 6, None, None, None, None),
        ("changed", 4, 4, "ratio", "0.050000000", "0.100000000"),
        ("changed", 4, 4, "total_complaints", "6", "8"),
        ("changed", 4, 4, "upheld_complaints", "2", "4"),
        ("removed", None, 6, None, None, None),
    ]
    for day, ratio in (("2025-01-31", "0.050000000"), ("2025-02-28", "0.100000000")):
        [known] = desk.ask(
            "SELECT ratio::VARCHAR AS ratio FROM filed.ny01 "
            "WHERE naic = '10003' AND sys_from <= $1 AND (sys_to IS NULL OR $1 < sys_to)",
            day,
        )
        assert known["ratio"] == ratio


def test_one_workbook_is_three_forms_and_a_share_that_fits_no_count_is_found(desk: Analyst) -> None:
    book = workbook(
        {
            "Notes": [["nothing for us"]],
            "opened": by_group(FIRST, [10, None, None, 7, None], [None, None, 3, None, None]),
            "Closed": by_group(FIRST, [8, None, None, 4, None], [None, None, 3, None, None]),
            "% upheld ": by_group(FIRST, [0.5, None, None, 0.6, None], [None, None, 1.2, None, None]),
        }
    )
    ids = [desk.publish(book, 2, form, period="2022H1", signed_at="2022-10-20T09:00:00")
           for form in ("UK01", "UK02", "UK03")]  # fmt: skip
    desk.run()
    assert desk.ask("SELECT banking, insurance FROM filed.uk01 ORDER BY row_no")[0] == {
        "banking": 10,
        "insurance": 7,
    }
    assert [desk.told(name) for name in ids[:2]] == [[], []]
    assert desk.told(ids[2]) == [
        ("GEN-I01", 3, "home_finance", "1.2"),
        ("UK03-X01", 2, "firm_name", "insurance 0.6"),  # 2.4 of four
        ("UK03-X01", 3, "firm_name", "home_finance 1.2"),
    ]
    [cell] = desk.ask("SELECT sheet, cell, header FROM filing.findings WHERE rule_code = 'GEN-I01'")
    assert cell == {"sheet": "% upheld ", "cell": "G3", "header": "Home finance"}


def test_without_its_counterpart_a_rule_is_not_run_and_says_why(desk: Analyst) -> None:
    book = workbook({"% upheld": by_group(FIRST, [0.5, None, None, None, None])})
    submission = desk.publish(book, 1, "UK03", period="2022H1", signed_at="2022-10-20T09:00:00")
    desk.run()
    [verdict] = desk.ask("SELECT verdict, reason FROM filing.verdicts WHERE rule_code = 'UK03-X01'")
    assert (desk.state(submission), verdict["verdict"]) == ("accepted", "not_run")
    assert verdict["reason"] == "UK02 of 2022H1 has not been filed"


def test_a_column_whose_unit_flips_is_two_columns_and_the_flip_is_told(desk: Analyst) -> None:
    books = {
        "2022H1": consumer_credit("Complaints upheld by firm", FIRST, [20, 10, 4]),
        "2022H2": consumer_credit(
            "Complaints upheld by firm", SECOND, [20, 10, 4, 34], [9, 0, 2, 12], more=["Grand Total"]
        ),
        "2023H1": consumer_credit("Complaints upheld", THIRD, [20, 10, 0.4], group="Firm Group"),
    }  # fmt: skip
    ids = {
        period: desk.publish(
            workbook({"Consumer Credit": sheet}), len(sheet) - 1, "UK04", period=period,
            signed_at=f"202{number}-10-20T09:00:00",
        )
        for number, (period, sheet) in enumerate(books.items(), start=3)
    }  # fmt: skip
    desk.run()
    assert desk.told(ids["2022H1"]) == []
    assert desk.told(ids["2022H2"]) == [
        ("UK04-I02", 3, "upheld_count", "2"),
        ("UK04-I03", 3, "row_total", "12"),
    ]
    assert desk.told(ids["2023H1"]) == [("UK04-P01", None, None, "2023H1 share")]
    filed = desk.ask(
        "SELECT period, upheld_count, upheld_share::DOUBLE AS share, row_total FROM filed.uk04 "
        "WHERE firm_name = 'Firm 1' ORDER BY period"
    )
    assert [tuple(line.values()) for line in filed] == [
        ("2022H1", 4, None, None),
        ("2022H2", 4, None, 34),
        ("2023H1", None, 0.4, None),
    ]


@pytest.mark.parametrize(
    ("period", "sheets", "said"),
    [
        (
            "2023H2",
            {"Upheld": by_group("2023-07-01 to 2023-12-31", [0.5, None, None, None, None])},
            "“Joint Report”不在报表 UK03 中;该表头只用于报告期 至 2023-06-30",
        ),
        (
            "2025H1",
            {
                "Upheld": by_group(
                    "2025-01-01 to 2025-06-30", [0.5, None, None, None, None], joint="Joint Reporting"
                )
            },
            "工作簿中没有报表 UK03 在该报告期的工作表(Percentage upheld)",
        ),
        (
            "2022H1",
            {"% upheld": by_group(FIRST, [0.5, None, None, None, None], group="Konzern")},
            "“Konzern”不在报表 UK03 中",
        ),
    ],
)
def test_a_layout_of_another_period_is_refused_with_its_reason(
    desk: Analyst, period: str, sheets: Mapping[str, Sequence[Sequence[Cell]]], said: str
) -> None:
    """Nothing is guessed: what the contract does not know of a period is refused, with what was found and needed."""
    submission = desk.publish(workbook(sheets), 1, "UK03", period=period, signed_at="2025-10-20T09:00:00")
    desk.run()
    assert desk.state(submission) == "malformed"
    told = desk.ask("SELECT message_zh FROM filing.findings WHERE submission_id = ?", submission)
    assert any(said in line["message_zh"] for line in told), told


def test_a_share_in_a_half_year_of_counts_is_no_count(desk: Analyst) -> None:
    sheet = consumer_credit("Complaints upheld by firm", FIRST, [20, 10, 0.4], [20, 10, 4])
    submission = desk.publish(
        workbook({"Consumer Credit": sheet}), 2, "UK04", period="2022H1", signed_at="2022-10-20T09:00:00"
    )
    desk.run()
    assert desk.told(submission) == [("GEN-I01", 2, "upheld_count", "0.4")]


def test_nobody_fills_in_a_template_of_a_publication(desk: Analyst) -> None:
    answer = CliRunner().invoke(app, ["template", "NY01"])
    assert answer.exit_code == 2
    assert "there is nothing to fill in" in " ".join(answer.output.replace("│", " ").split())


@pytest.mark.slow
def test_models_reproduce_what_is_sound_and_use_nothing_impossible(desk: Analyst) -> None:
    """Beta of 2021 fits only another premium printed 40, Gamma none; 2023 is a copy of 2022."""
    year = [
        "10001,Alpha,0,0,0,1,1,90,1,2021",
        "10002,Beta,0.049,2,0,0,2,40,2,2021",
        "10003,Gamma,0.07,2,0,0,2,40,3,2021",
    ]
    rows = [*year, *SOUND[3:], *(row.replace(",2022", ",2023") for row in SOUND[3:])]
    publish_rankings(desk, *rows)
    for number, (period, header, days, group, cells) in enumerate(
        (
            ("2022H2", "Complaints upheld by firm", SECOND, "Group", ([20, 10, 4, 34], [9, 0, 2, 11])),
            ("2023H1", "Complaints upheld", THIRD, "Firm Group", ([20, 10, 0.4], [9, 4, 7.8])),
        ),
        start=3,
    ):
        more = ["Grand Total"] if period == "2022H2" else []
        sheet = consumer_credit(header, days, *cells, group=group, more=more)
        desk.publish(
            workbook({"Consumer Credit": sheet}),
            2,
            "UK04",
            period=period,
            signed_at=f"202{number}-10-20T09:00:00",
        )
    desk.run()
    desk.build_models()
    ranked = desk.ask(
        "SELECT naic, ratio_status, rank_status, is_copied_year FROM kpi.ny_auto_rankings ORDER BY filing_year, naic"
    )
    assert [tuple(line.values()) for line in ranked[:3]] == [
        ("10001", "OK", "OK", False),
        ("10002", "WITHIN_ROUNDING", "OK", False),
        ("10003", "UNEXPLAINED", "OK", False),
    ]
    assert [line["is_copied_year"] for line in ranked[3:]] == [True] * 4
    credit = desk.ask(
        "SELECT period, unit_as_filed, upheld, upheld_pct::VARCHAR AS pct, status FROM kpi.uk_consumer_credit "
        "ORDER BY ALL"
    )
    assert [tuple(line.values()) for line in credit] == [
        ("2022H2", "count", 4, "40.00", "OK"),
        ("2022H2", "count", None, None, "IMPOSSIBLE"),
        ("2023H1", "share", 4, "40.00", "OK"),
        ("2023H1", "share", None, None, "IMPOSSIBLE"),
    ]
