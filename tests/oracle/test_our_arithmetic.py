"""Figures that are not filed (abroad, undated, without counts), computed by the macros that the project's models use.

What is filed as form PUB goes through the models themselves (`tests/contract/official/test_official_models.py`).
Weights of evaluation schemes are rules: they must add up to 100 (`test_published_figures`), nothing is divided. Medians
cannot be computed from what is printed (AGG-A08); here they are held against the lists of the same bulletin.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_UP, Decimal

import duckdb
import pytest

from tests.oracle.explained import EXPLAINED_FAILURES
from tests.oracle.printed import decimals_of
from tests.oracle.pub_harness import ORACLE, committed_figures, read_csv
from tests.unit.models.conftest import Dbt

pytestmark = pytest.mark.slow
CALLS = ("printed_percentage('part', 'base', 'decimals')", "ratio('part', 'base', 'scale')")
Operands = tuple[str, str, int, int]
"""Part, base, decimals in print, scale of a rate."""


@pytest.fixture(scope="module")
def compute(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[Sequence[Operands]], list[tuple[Decimal, Decimal]]]:
    """(percentage at the printed decimals, rate at two) of many operands by the macros as dbt renders them."""
    scratch = tmp_path_factory.mktemp("macros")
    dbt = Dbt(warehouse=scratch / "warehouse.duckdb", scratch=scratch)
    duckdb.connect(str(dbt.warehouse)).close()
    result = dbt.invoke("compile", "--inline", "/* next */".join("{{ " + call + " }}" for call in CALLS))
    assert result.success, result.exception
    percentage, rate = str(result.result.results[0].node.compiled_code).split("/* next */")

    def run(rows: Sequence[Operands]) -> list[tuple[Decimal, Decimal]]:
        with duckdb.connect() as con:
            con.execute(
                "CREATE TABLE c (i INTEGER, part DECIMAL(38, 6), base DECIMAL(38, 6), decimals INTEGER, scale BIGINT)"
            )
            con.executemany("INSERT INTO c VALUES (?, ?, ?, ?, ?)", [[i, *row] for i, row in enumerate(rows)])
            return con.execute(f"SELECT {percentage}, {rate} FROM c ORDER BY i").fetchall()

    return run


def test_shares_of_tables_abroad(
    compute: Callable[[Sequence[Operands]], list[tuple[Decimal, Decimal]]],
) -> None:
    rows = read_csv(ORACLE / "intl_tables.csv")
    bases = {row["table"]: row["count"] for row in rows if row["row"] == "total"}
    printed = [row for row in rows if row["share_pct"]]
    found = compute([(r["count"], bases[r["table"]], decimals_of(r["share_pct"]), 100) for r in printed])
    differ = {
        (f"{row['table']} {row['row']}", str(share.normalize()), row["share_pct"])
        for row, (share, _) in zip(printed, found, strict=True)
        if share != Decimal(row["share_pct"])
    }
    assert differ == {("評議中心 2025Q2 申訴 銀行", "23.53", "23.43")}


def test_rates_of_firms_abroad(
    compute: Callable[[Sequence[Operands]], list[tuple[Decimal, Decimal]]],
) -> None:
    """Per 1,000 policies and per 10,000 contracts, at our two decimals: those with more in print agree rounded."""
    rows = read_csv(ORACLE / "intl_firm_rates.csv")
    scales = [int("".join(filter(str.isdigit, row["measure"].split("(")[0]))) for row in rows]
    found = compute([(r["numerator"], r["denominator"], 2, s) for r, s in zip(rows, scales, strict=True)])
    assert [rate for _, rate in found] == [
        Decimal(row["published"]).quantize(Decimal("0.01"), rounding=ROUND_HALF_UP) for row in rows
    ]


def test_mediation_that_has_no_date(
    compute: Callable[[Sequence[Operands]], list[tuple[Decimal, Decimal]]],
) -> None:
    """Yantai prints 84, which 84.94 truncated gives; Shanghai prints 56 of 55.70."""
    rows = [row for row in read_csv(ORACLE / "cn_mediation.csv") if row["published_success_pct"]]
    found = compute([(row["successes"], row["cases"], 0, 100) for row in rows])
    assert [
        (row["body"][:2], str(int(share)), str(rate)) for row, (share, rate) in zip(rows, found, strict=True)
    ] == [
        ("烟台", "85", "84.94"),
        ("上海", "56", "55.70"),
    ]
    (yantai,) = [e for e in EXPLAINED_FAILURES if e.subject.startswith("烟台")]
    assert (yantai.computed, yantai.published) == ("85", "84")


def test_lists_of_rates_lie_above_the_median_of_their_bulletin() -> None:
    """A Top-10 of more than twenty institutions does; the selected lists of 2023Q1 end exactly at it (domain, 2.2)."""
    medians = {
        (row["period"], row["scope"], row["insurer_type"], row["category"]): Decimal(row["value"])
        for row in committed_figures()
        if row["table_code"] == "median"
    }
    lowest: dict[tuple[str, ...], Decimal] = defaultdict(lambda: Decimal("Infinity"))
    for row in committed_figures():
        place = (row["period"], row["scope"], row["insurer_type"], row["category"])
        if row["table_code"] == "rate" and place in medians:
            lowest[place] = min(lowest[place], Decimal(row["value"]))
    assert len(lowest) == 18
    assert [place for place, value in lowest.items() if value < medians[place]] == []
    at_the_median = {place for place, value in lowest.items() if value == medians[place]}
    assert at_the_median == {
        ("2023Q1", "全国", "property", "per_100m_premium"),
        ("2023Q1", "全国", "life", "per_10k_policies"),
        ("2023Q1", "全国", "life", "per_10k_person_times"),
    }
