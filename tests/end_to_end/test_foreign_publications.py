"""Real publications of other authorities, onboarded by the files of `docs/examples/foreign` alone: what they say and
where they do not add up. Needs ../shared/realdata beside the repository; elsewhere every test here is skipped and says
so.
"""

from __future__ import annotations

from typing import Any

import duckdb
import pytest

from tests.support.foreign import Analyst, analyst, real_file

pytestmark = [pytest.mark.slow, pytest.mark.end_to_end]

EDITIONS = (
    ("Automobile_Insurance_Company_Complaint_Rankings__Beginning_2009.csv", 1942, "2024-09-26T09:00:00"),
    ("ny_auto_complaints_company_year.csv", 2461, "2026-05-07T09:00:00"),
)
#: Half-year, day of the envelope, and rows of the sheets Opened, Closed, Upheld, Consumer Credit.
WORKBOOKS = (
    ("2022H1", "2022-10-20", (216, 216, 216, 115)),
    ("2022H2", "2023-04-20", (216, 214, 214, 139)),
    ("2023H1", "2023-10-20", (232, 232, 232, 148)),
    ("2023H2", "2024-04-20", (234, 233, 233, 141)),
    ("2024H1", "2024-10-20", (229, 227, 227, 150)),
    ("2024H2", "2025-04-20", (220, 219, 219, 154)),
    ("2025H1", "2025-10-20", (219, 217, 217, 142)),
)
Rows = list[tuple[Any, ...]]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Analyst:
    """All nine publications pulled, checked, settled and modelled once."""
    files = [(real_file("ny_dfs_auto", name), rows, signed) for name, rows, signed in EDITIONS]
    books = [
        real_file("uk_fca_firm_level", f"firm-level-complaints-data-{period[:4]}-{period[4:].lower()}.xlsx")
        for period, _, _ in WORKBOOKS
    ]
    with analyst(tmp_path_factory.mktemp("foreign")) as desk:
        for number, (path, rows, signed) in enumerate(files, start=1):
            desk.publish(
                path.read_bytes(), rows, "NY01", period="2009", sequence=number, signed_at=signed,
                control_totals={"total_complaints": "48238" if number == 1 else "62709"},
            )  # fmt: skip
        for path, (period, day, rows) in zip(books, WORKBOOKS, strict=True):
            for form, count in zip(("UK01", "UK02", "UK03", "UK04"), rows, strict=True):
                desk.publish(path.read_bytes(), count, form, period=period, signed_at=f"{day}T09:00:00")
        desk.run()
        desk.build_models()
    return desk


def ask(desk: Analyst, sql: str) -> Rows:
    with duckdb.connect(str(desk.settings.build_database), read_only=True) as con:
        return con.execute(sql).fetchall()


def test_every_publication_is_read_in_full_and_stands_as_printed(desk: Analyst) -> None:
    rows = {f"NY01-2009-00{number}": count for number, (_, count, _) in enumerate(EDITIONS, start=1)}
    for period, _, counts in WORKBOOKS:
        rows |= {f"UK0{number}-{period}-001": count for number, count in enumerate(counts, start=1)}
    found = ask(
        desk,
        "SELECT submission_id, rows_read, rows_accepted FROM filing.submissions WHERE form[:2] IN ('NY', 'UK')",
    )
    assert {name: (read, accepted) for name, read, accepted in found} == {
        name: (count, count) for name, count in rows.items()
    }


def test_new_york_ratios_reproduce_but_for_two(desk: Analyst) -> None:
    """2,459 of 2,461: the two fit no premium that is printed as 0.16 and 0.09 million dollars."""
    status = dict(ask(desk, "SELECT ratio_status, count(*) FROM kpi.ny_auto_rankings GROUP BY ALL"))
    assert status == {"OK": 2322, "WITHIN_ROUNDING": 137, "UNEXPLAINED": 2}
    assert ask(
        desk,
        "SELECT filing_year, naic, upheld_complaints, premium::VARCHAR, printed_ratio::DECIMAL(9, 2)::VARCHAR "
        "FROM kpi.ny_auto_rankings WHERE ratio_status = 'UNEXPLAINED' ORDER BY ALL",
    ) == [(2017, "23760", 2, "0.160000000", "12.91"), (2017, "24198", 2, "0.090000000", "23.54")]


def test_new_york_ranks_reproduce_ties_by_premium(desk: Analyst) -> None:
    assert ask(desk, "SELECT rank_status, count(*) FROM kpi.ny_auto_rankings GROUP BY ALL") == [("OK", 2461)]
    left_open = ask(
        desk,
        "SELECT filing_year, upheld_complaints, premium FROM kpi.ny_auto_rankings "
        "GROUP BY ALL HAVING count(DISTINCT printed_rank) > 1",
    )
    assert len(left_open) == 7  # pairs equal in count and printed premium: the printed order stands


def test_new_york_defects_are_findings(desk: Analyst) -> None:
    """The insurer of 2014 that stands twice, once under another's figures, and the year that is a copy."""
    assert desk.told("NY01-2009-002") == [
        ("GEN-U01", 899, "naic", "34460"),
        ("GEN-U01", 1004, "naic", "34460"),
        ("NY01-A01", 1515, "ratio", "12.91"),
        ("NY01-A01", 1518, "ratio", "23.54"),
        ("NY01-A03", 899, "rank", "26"),
        ("NY01-A03", 900, "rank", "26"),
        ("NY01-A04", 899, "naic", "34460"),
        ("NY01-A04", 900, "naic", "34479"),
        ("NY01-A05", 1044, "filing_year", "2015"),
    ]
    assert [found[0] for found in desk.told("NY01-2009-001")] == [
        found[0] for found in desk.told("NY01-2009-002")
    ]
    marked = "SELECT list(DISTINCT filing_year ORDER BY filing_year) FROM kpi.ny_auto_rankings WHERE {}"
    assert ask(desk, marked.format("is_copied_year")) == [([2015, 2016],)]
    assert ask(desk, marked.format("is_repeated")) == [([2014],)]


def test_new_york_editions_are_a_filing_and_its_resubmission(desk: Analyst) -> None:
    """The later edition adds four years and restates no figure of the twelve before."""
    assert ask(
        desk,
        "SELECT submission_id, state, strftime(sys_from, '%Y-%m-%d'), strftime(sys_to, '%Y-%m-%d') "
        "FROM filing.submissions WHERE form = 'NY01' ORDER BY ALL",
    ) == [
        ("NY01-2009-001", "superseded", "2024-09-26", "2026-05-07"),
        ("NY01-2009-002", "accepted", "2026-05-07", None),
    ]
    assert ask(
        desk,
        "SELECT submission_id, against_submission_id, rows_added, rows_removed, rows_changed, rows_unchanged "
        "FROM filing.differences WHERE form = 'NY01'",
    ) == [("NY01-2009-002", "NY01-2009-001", 519, 0, 0, 1942)]
    assert ask(
        desk,
        "SELECT c.change, f.filing_year, count(*) FROM filing.changed_cells AS c "
        "JOIN filed.ny01 AS f ON f.submission_id = c.submission_id AND f.row_no = c.row_no GROUP BY ALL ORDER BY ALL",
    ) == [("added", 2021, 135), ("added", 2022, 132), ("added", 2023, 124), ("added", 2024, 128)]
    assert ask(
        desk,
        "SELECT column_name, header, declared, agrees FROM filing.control_totals WHERE form = 'NY01' ORDER BY ALL",
    ) == [
        ("total_complaints", "Total Complaints", "48238", True),
        ("total_complaints", "total_complaints", "62709", True),
    ]


def test_uk_sheets_and_headers_are_those_of_their_half_year(desk: Analyst) -> None:
    sheets = ask(
        desk,
        "SELECT DISTINCT trim(r.sheet) FROM ledger.reading AS r JOIN ledger.parcel AS p USING (submission_no) "
        "WHERE p.form = 'UK03' ORDER BY ALL",
    )
    assert sheets == [("% upheld",), ("Percentage upheld",), ("Upheld",), ("upheld",)]
    headers = ask(
        desk,
        "SELECT p.period, h.column_name, h.header FROM ledger.header AS h "
        "JOIN ledger.parcel AS p USING (submission_no) "
        "WHERE p.form = 'UK04' AND starts_with(h.column_name, 'upheld') ORDER BY ALL",
    )
    assert headers == [
        ("2022H1", "upheld_count", "Complaints upheld by firm"),
        ("2022H2", "upheld_count", "Complaints upheld by firm"),
        ("2023H1", "upheld_share", "Complaints upheld"),
        ("2023H2", "upheld_count", "Complaints upheld by firm"),
        ("2024H1", "upheld_share", "Complaints upheld (%)"),
        ("2024H2", "upheld_share", "Complaints Upheld (%)"),
        ("2025H1", "upheld_share", "Complaints Upheld (%)"),
    ]


def test_uk_unit_flips_and_impossible_values_are_findings_and_no_others(desk: Analyst) -> None:
    found = ask(
        desk,
        "SELECT form, period, rule_code, cell, value FROM filing.findings WHERE starts_with(form, 'UK') "
        "AND rule_code <> 'UK03-X01' ORDER BY ALL",
    )
    assert found == [
        ("UK01", "2024H1", "GEN-I01", "B114", None),  # a firm without a group: not even NO GROUP
        ("UK03", "2022H2", "GEN-I01", "F67", "1.2"),  # six of five upheld
        ("UK04", "2022H2", "UK04-I02", "H129", "6"),  # of none closed
        ("UK04", "2023H1", "UK04-P01", None, "2023H1 share"),
        ("UK04", "2023H2", "UK04-P01", None, "2023H2 count"),
        ("UK04", "2024H1", "UK04-P01", None, "2024H1 share"),
        ("UK04", "2024H2", "GEN-I01", "I66", "7.828070175438596"),
    ]
    shares = ask(
        desk, "SELECT period, count(*) FROM filing.findings WHERE rule_code = 'UK03-X01' GROUP BY ALL"
    )
    assert shares == [("2022H1", 9)]


def test_uk_series_is_in_one_unit_and_nothing_impossible_is_used(desk: Analyst) -> None:
    assert ask(
        desk,
        "SELECT period, unit_as_filed, status, count(*) FROM kpi.uk_consumer_credit "
        "WHERE status <> 'OK' GROUP BY ALL ORDER BY ALL",
    ) == [
        ("2022H1", None, "NOT_PRINTED", 12),
        ("2022H2", "count", "IMPOSSIBLE", 1),
        ("2024H2", "share", "IMPOSSIBLE", 1),
    ]
    assert ask(desk, "SELECT status, count(*) FROM kpi.uk_firm_complaints GROUP BY ALL ORDER BY ALL") == [
        ("IMPOSSIBLE", 1),
        ("NOT_WHOLE", 9),
        ("NO_SHARE", 308),
        ("OK", 2633),
    ]
    unusable = "SELECT count(upheld) FROM kpi.{} WHERE status IN ('IMPOSSIBLE', 'NOT_WHOLE')"
    assert ask(desk, unusable.format("uk_consumer_credit")) == [(0,)]
    assert ask(desk, unusable.format("uk_firm_complaints")) == [(0,)]
    assert ask(
        desk,
        "SELECT period, sum(opened), sum(closed) FROM kpi.uk_firm_complaints "
        "WHERE product_group = 'insurance' AND period IN ('2022H1', '2025H1') GROUP BY ALL ORDER BY ALL",
    ) == [("2022H1", 743147, 750740), ("2025H1", 675045, 657667)]
