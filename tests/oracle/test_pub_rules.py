"""The contract's own AGG rules on every committed figure: what fails is exactly the list of explained failures.

The pipeline's run of the same rules is tested end to end elsewhere; here the queries are taken from the contract and
run on tables made from the committed files.
"""

from __future__ import annotations

from collections import Counter, defaultdict

import duckdb
import pytest

from tests.oracle.explained import EXPLAINED_FAILURES, UNSTATED
from tests.oracle.pub_harness import (
    ORACLE,
    SEEDS,
    committed_figures,
    findings,
    pub_form,
    read_csv,
    statement,
    told,
    warehouse,
)

RULES = tuple(rule.code for rule in pub_form().rules if rule.code.startswith("AGG-A") and rule.query)


@pytest.fixture(scope="module")
def figures() -> duckdb.DuckDBPyConnection:
    return warehouse()


def test_what_fails_is_exactly_what_is_explained(figures: duckdb.DuckDBPyConnection) -> None:
    found = {
        (f.rule_code, f.figure_id, f.value, f.expected) for rule in RULES for f in findings(figures, rule)
    }
    explained = {
        (failure.rule_code, failure.figure_id, failure.published, failure.computed)
        for failure in (*EXPLAINED_FAILURES, *UNSTATED)
        if failure.figure_id
    }
    assert found == explained
    assert Counter(rule for rule, *_ in found) == {
        "AGG-A04": 6, "AGG-A05": 1, "AGG-A07": 3, "AGG-A08": 47, "AGG-A09": 14,
    }  # fmt: skip


def test_the_seed_of_the_models_lists_the_same_failures() -> None:
    seed = {
        (row["rule_code"], row["figure_id"], row["published"], row["computed"])
        for row in read_csv(SEEDS / "official_explained_failures.csv")
    }
    explained = {
        (failure.rule_code, failure.figure_id, failure.published, failure.computed)
        for failure in (*EXPLAINED_FAILURES, *UNSTATED)
        if failure.figure_id
    }
    assert seed == explained


def test_figures_that_are_not_filed_are_held_to_the_same_rules() -> None:
    """Tables abroad and undated ones as statements of the form: the remaining explained failures, and no other."""
    names: dict[str, str] = {}
    rows = []
    counts: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in read_csv(ORACLE / "intl_tables.csv"):
        counts[row["table"]].append(row)
    counts["烟台 (cumulative)"] = [
        {"row": row, "count": line[column], "share_pct": pct}
        for line in read_csv(ORACLE / "cn_mediation.csv")
        if line["body"] == "烟台"
        for row, column, pct in (("total", "cases", ""), ("成功", "successes", line["published_success_pct"]))
    ]
    complete = {"評議中心 2025Q2 申訴", "金融ADR FY2020H1 既済"}
    for number, (name, lines) in enumerate(counts.items()):
        for row_no, line in enumerate(lines, start=2):
            is_total = line["row"] == "total"
            shares = {"share_pct": line["share_pct"], "share_base": "table"} if line["share_pct"] else {}
            adds = {"adds_up_over": "category"} if name in complete and not is_total else {}
            stated = statement(
                f"{2000 + number}",
                row_no,
                table_code="mediation",
                category="合计" if is_total else line["row"],
                value=line["count"],
                **shares,
                **adds,
            )
            names[stated["figure_id"]] = name if is_total else f"{name} {line['row']}"
            rows.append(stated)
    con = warehouse(rows)
    found = {
        (finding.rule_code, names[finding.figure_id], finding.value, finding.expected)
        for rule in RULES
        for finding in findings(con, rule)
    }
    explained = {
        (e.rule_code, e.subject, e.published, e.computed) for e in EXPLAINED_FAILURES if e.figure_id is None
    }
    assert found == explained


@pytest.mark.parametrize("ulp", ["0.0001", "-0.0001"], ids=["up", "down"])
def test_no_printed_share_could_be_another_one(ulp: str) -> None:
    """Each share, changed alone by one unit of its last decimal, is told: so every one of them is really computed.

    Excepted are two shares whose counts are not printed.
    """
    con = warehouse()
    con.execute("""
        CREATE TABLE probes AS
        SELECT 1000 + row_number() OVER (ORDER BY submission_no, row_no) AS probe, submission_no AS original,
            row_no AS at
        FROM pub_self WHERE share_pct IS NOT NULL""")
    con.execute(f"""
        CREATE OR REPLACE TABLE pub_self AS
        SELECT s.* REPLACE (
            p.probe AS submission_no,
            CASE WHEN s.row_no = p.at THEN s.share_pct + {ulp} * 10 ** (4 - s.share_decimals)::INTEGER
                ELSE s.share_pct END::DECIMAL(9, 4) AS share_pct)
        FROM pub_all AS s JOIN probes AS p ON p.original = s.submission_no""")
    noticed = {submission_no for submission_no, *_ in told(con, "AGG-A02")}
    probes = con.execute("""
        SELECT p.probe, s.figure_id
        FROM probes AS p JOIN pub_all AS s ON s.submission_no = p.original AND s.row_no = p.at""").fetchall()
    assert len(probes) == sum(row["share_pct"] != "" for row in committed_figures())
    # Shares of 17,172 without their counts: two decimals always have a whole count near enough.
    assert {figure_id for probe, figure_id in probes if probe not in noticed} == {
        "2022Q1|全国|reason_total|life|销售纠纷|-|件",
        "2022Q1|全国|reason_total|life|退保纠纷|-|件",
    }


def test_no_printed_growth_rate_could_be_another_one() -> None:
    con = warehouse()
    for table in ("pub_self", "pub_all"):
        con.execute(f"""
            UPDATE {table} SET growth_pct = growth_pct + 0.0001 * 10 ** (4 - growth_decimals)::INTEGER
            WHERE growth_pct IS NOT NULL""")
    printed = sum(row["growth_pct"] != "" for row in committed_figures())
    assert (printed, len(told(con, "AGG-A04"))) == (156, 63)


YEAR_2021 = "2021|全国|total|property|-|-|件"


def test_the_quarters_of_2021_make_up_its_year_and_each_of_them_counts() -> None:
    """Property 2021: 66,098 = 15,539 + 19,643 + 16,669 + 14,247, the first as published in May."""
    con = warehouse()
    (year,) = [row for row in committed_figures() if row["figure_id"] == YEAR_2021]
    assert (year["value"], told(con, "AGG-A03")) == ("66098", [])
    quarters = [f"2021Q{quarter}|全国|total|property|-|-|件" for quarter in (1, 2, 3, 4)]
    for figure_id in (*quarters, YEAR_2021):
        con.execute("BEGIN")
        for table in ("pub_self", "pub_all"):
            con.execute(f"UPDATE {table} SET value = value + 1 WHERE figure_id = ?", [figure_id])
        expected = ("66099", "66098") if figure_id == YEAR_2021 else ("66098", "66099")
        assert [(f.figure_id, f.value, f.expected) for f in findings(con, "AGG-A03")] == [
            (YEAR_2021, *expected)
        ]
        con.execute("ROLLBACK")


def test_the_base_that_31_43_implies_would_not_make_up_the_year() -> None:
    """With 2021Q1 as restated in 2021Q2 (property 14,929), the year is 610 too high: it holds the old one."""
    con = warehouse()
    for table in ("pub_self", "pub_all"):
        con.execute(f"UPDATE {table} SET value = 14929 WHERE figure_id = '2021Q1|全国|total|property|-|-|件'")
    assert [(f.value, f.expected) for f in findings(con, "AGG-A03")] == [("66098", "65488")]


def test_on_a_restated_base_companies_and_aggregates_would_agree_again() -> None:
    """AGG-A07 is about two vintages in one bulletin: had the companies used another base too, nothing is told."""
    con = warehouse()
    for table in ("pub_self", "pub_all"):
        con.execute(f"""
            UPDATE {table} SET growth_pct = growth_pct + 1
            WHERE period = '2021Q2' AND table_code = 'count' AND growth_pct IS NOT NULL""")
    assert findings(con, "AGG-A07") == []
    assert len(findings(con, "AGG-A04")) == 6 + 13
