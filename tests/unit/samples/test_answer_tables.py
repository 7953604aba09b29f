"""Arithmetic of the KPI answer key: rounding, windows, coverage and status flags."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from pipelines.contracts.periods import Period
from pipelines.samples import answer_tables as tables

MONTHS = tuple(Period.parse("2024-01").shift(step) for step in range(14))


def book(coverage: list[tuple[str, int, int, bool]]) -> tables.Book:
    """Two insurers of one type and group, and which of their filings are in force."""
    insurers = pl.DataFrame(
        {
            "reporter": [0, 1],
            "org_code": ["A", "B"],
            "insurer_class": ["P", "P"],
            "insurer_type": ["property", "property"],
            "peer_group": ["P-large", "P-small"],
            "successor": pl.Series([None, 0], dtype=pl.Int64),
        }
    )
    frame = pl.DataFrame(
        coverage,
        schema={"form": pl.String, "month": pl.Int64, "reporter": pl.Int64, "in_force": pl.Boolean},
        orient="row",
    )
    return tables.Book(insurers, frame, tables.windows(MONTHS))


def sums(found: tables.Book, cases: list[tuple[int, int, int, int]]) -> pl.DataFrame:
    """Undivided sums of (reporter, month, num, den) by window."""
    tally = pl.DataFrame(
        [(reporter, month, "total", "total", num, den, 0) for reporter, month, num, den in cases],
        schema={
            "reporter": pl.Int64,
            "month": pl.Int64,
            "dimension": pl.String,
            "dimension_value": pl.String,
            "num": pl.Int64,
            "den": pl.Int64,
            "left_out": pl.Int64,
        },
        orient="row",
    )
    return (
        found.in_windows(tally)
        .group_by("window", "reporter", "dimension", "dimension_value")
        .agg(pl.col("num", "den", "left_out").sum())
    )


def shown(
    table: pl.DataFrame, found: tables.Book, period_type: str, period: str
) -> dict[str, tuple[object, ...]]:
    """Value and status of a window, by group."""
    texts = tables.texts(tables.labelled(table, found, "X")).filter(
        (pl.col("period_type") == period_type) & (pl.col("period") == period)
    )
    return {
        row["org_code"] or row["peer_group"] or row["grain"]: (row["numerator"], row["value"], row["status"])
        for row in texts.iter_rows(named=True)
    }


@given(
    st.integers(-(10**12), 10**12),
    st.integers(-(10**9), 10**9).filter(bool),
)
def test_quotients_round_half_away_from_zero(numerator: int, denominator: int) -> None:
    frame = pl.DataFrame({"n": [numerator], "d": [denominator]})
    found = frame.select(tables.divide(pl.col("n"), pl.col("d"))).item()
    wanted = (Decimal(numerator) / Decimal(denominator)).quantize(Decimal(1), ROUND_HALF_UP)
    assert found == int(wanted)


def test_windows_are_whole_and_know_what_came_before() -> None:
    found = tables.windows(MONTHS)
    labels = {(row["period_type"], row["period"]): row for row in found.iter_rows(named=True)}
    assert ("quarter", "2025Q1") not in labels
    assert ("half_year", "2024H2") in labels
    assert labels["ytd", "2025-02"]["first"] == 12
    year_before = labels["ytd", "2025-02"]["year_before"]
    assert found.row(year_before, named=True)["period"] == "2024-02"
    assert labels["month", "2024-01"]["period_before"] is None


def test_a_missing_filing_is_no_zero() -> None:
    found = book([("F01", 0, 0, True), ("F01", 0, 1, False)])
    table = tables.counts(tables.by_grain(found.scope(("F01",)), sums(found, [(0, 0, 4, 0), (1, 0, 9, 0)])))
    assert shown(table, found, "month", "2024-01") == {
        "A": ("4", "4.00", "OK"),
        "B": (None, None, "MISSING"),
        "P-large": ("4", "4.00", "OK"),
        "P-small": (None, None, "MISSING"),
        "insurer_type": ("4", "4.00", "PARTIAL"),
        "bureau": ("4", "4.00", "PARTIAL"),
    }


def test_nothing_filed_and_nothing_happened_stay_apart() -> None:
    found = book([("F01", 0, 0, True)])
    table = tables.ratios(tables.by_grain(found.scope(("F01",)), sums(found, [(0, 0, 0, 0)])))
    assert shown(table, found, "month", "2024-01")["A"] == ("0", None, "ZERO_DEN")


def test_percentages_are_half_up() -> None:
    found = book([("F01", 0, 0, True)])
    table = tables.ratios(tables.by_grain(found.scope(("F01",)), sums(found, [(0, 0, 1, 800)])), small="den")
    assert shown(table, found, "month", "2024-01")["A"] == ("1", "0.13", "OK")


def test_growth_names_its_base_or_says_that_there_is_none() -> None:
    found = book([("F01", month, 0, True) for month in (0, 1)] + [("F01", 1, 1, True)])
    cases = [(0, 0, 8, 0), (0, 1, 1, 0), (1, 1, 5, 0)]
    table = tables.growth(found, found.scope(("F01",)), sums(found, cases), "period_before", types=("month",))
    now = shown(table, found, "month", "2024-02")
    assert now["A"] == ("1", "-87.50", "SMALL_BASE")
    assert now["B"] == ("5", None, "NO_BASE")
    assert now["bureau"] == ("6", "-25.00", "SMALL_BASE")


def test_a_merged_insurer_adds_up_on_the_comparable_basis_only() -> None:
    found = book([("F01", 0, 0, True), ("F01", 0, 1, True), ("F01", 12, 0, True)])
    cases = [(0, 0, 40, 0), (1, 0, 20, 0), (0, 12, 30, 0)]
    for one, wanted in ((found, "-25.00"), (found.comparable(), "-50.00")):
        table = tables.growth(one, one.scope(("F01",)), sums(one, cases), "year_before", types=("month",))
        by_code = shown(table, one, "month", "2025-01")
        assert by_code["A"] == ("30", wanted, "OK")
        assert "B" not in by_code


def test_numbers_are_written_without_surplus_zeros() -> None:
    frame = pl.DataFrame(
        {
            "numerator": [12 * tables.MICRO, 123_400_000, None],
            "denominator": [0, -500_000, None],
            "value": [5, -5, None],
        }
    ).cast(pl.Int128)
    assert tables.texts(frame).rows() == [("12", "0", "0.05"), ("123.4", "-0.5", "-0.05"), (None, None, None)]
