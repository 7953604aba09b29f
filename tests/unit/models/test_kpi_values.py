"""KPI values of the hand-made bureau, each worked out on paper.

Put here: one expectation per definition and edge policy, end to end through staging, measures and the chain.
Do not put here: single models with given inputs; those are dbt unit tests beside the models.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from .conftest import HEALTH_D, LIFE_A, LIFE_B, PROPERTY_C, PROPERTY_E, Dbt


def row(
    built: Dbt,
    kpi_id: str,
    period: str,
    group: str = "bureau",
    *,
    grain: str | None = None,
    period_type: str | None = None,
    dimension: str = "total",
    value: str = "total",
    basis: str = "current",
    columns: str = "numerator, denominator, value, status",
) -> tuple[Any, ...] | None:
    """The one row of kpi_values with this key; None if there is none."""
    if period_type is None:
        period_type = "quarter" if "Q" in period else "half_year" if "H" in period else "month"
        period_type = "year" if len(period) == 4 else period_type
    if grain is None:
        grain = "insurer" if group.isdigit() else "bureau"
    rows = built.query(
        f"""
        SELECT {columns} FROM kpi.kpi_values
        WHERE kpi_id = ? AND period_type = ? AND period = ? AND grain = ?
          AND CASE grain WHEN 'insurer' THEN org_code WHEN 'insurer_type' THEN insurer_type
                         WHEN 'peer_group' THEN peer_group ELSE 'bureau' END = ?
          AND dimension = ? AND dimension_value = ? AND basis = ?""",
        [kpi_id, period_type, period, grain, group, dimension, value, basis],
    )
    assert len(rows) <= 1, f"{kpi_id} {period} {group}: the key is not unique"
    return rows[0] if rows else None


def figures(numerator: Any, denominator: Any, value: Any, status: str = "OK") -> tuple[Any, ...]:
    """A row as Decimals."""
    return (*(None if n is None else Decimal(str(n)) for n in (numerator, denominator, value)), status)


# --- CMP: counts, growth and the edge policies on them ----------------------------------------------------


@pytest.mark.parametrize(
    ("period", "group", "expected"),
    [
        ("2023-01", LIFE_A, figures(8, None, 8)),
        ("2023-02", LIFE_A, figures(0, None, 0)),  # a nil report is zero
        ("2024-02", LIFE_A, figures(0, None, 0)),  # re-classed, deleted and superseded do not count
        ("2024Q3", PROPERTY_C, figures(43, None, 43)),
        ("2023", LIFE_A, figures(14, None, 14)),
        (
            "2024-08",
            PROPERTY_E,
            figures(None, None, None, "MISSING"),
        ),  # missing is not zero, though one case is known
        ("2024Q3", PROPERTY_E, figures(None, None, None, "MISSING")),
        ("2024-09", PROPERTY_E, figures(0, None, 0)),
        ("2024-08", "bureau", figures(0, None, 0, "PARTIAL")),
        ("2024Q3", "bureau", figures(48, None, 48, "PARTIAL")),
    ],
)
def test_valid_complaints(built: Dbt, period: str, group: str, expected: tuple[Any, ...]) -> None:
    assert row(built, "CMP-01", period, group) == expected


def test_year_to_date_is_labelled_by_its_last_month(built: Dbt) -> None:
    assert row(built, "CMP-01", "2024-05", HEALTH_D, period_type="ytd") == figures(5, None, 5)


def test_grain_keys_and_count_of_institutions(built: Dbt) -> None:
    columns = "org_code, insurer_type, peer_group, value, n_institutions"
    assert row(built, "CMP-01", "2024-07", LIFE_A, columns=columns) == (
        LIFE_A,
        "life",
        "人身-大型",
        Decimal(5),
        1,
    )
    by_type = row(built, "CMP-01", "2023-07", "life", grain="insurer_type", columns=columns)
    assert by_type == (None, "life", None, Decimal(10), 2)
    by_peers = row(built, "CMP-01", "2023-07", "人身-中小", grain="peer_group", columns=columns)
    assert by_peers == (None, None, "人身-中小", Decimal(4), 1)
    assert row(built, "CMP-01", "2024-08", columns=columns) == (None, None, None, Decimal(0), 3)


def test_divided_rows_exist_only_where_something_happened(built: Dbt) -> None:
    line = {"dimension": "line_code", "value": "分红"}
    assert row(built, "CMP-01", "2023-07", LIFE_A, **line) == figures(6, None, 6)
    assert row(built, "CMP-01", "2023-08", LIFE_A, **line) is None
    # One case of August is known, but the report is missing: only the undivided row is shown.
    line = {"dimension": "line_code", "value": "机动车辆"}
    assert row(built, "CMP-01", "2024-08", PROPERTY_E, **line) is None


def test_bases_of_the_count(built: Dbt) -> None:
    own = {"dimension": "complaint_basis", "value": "OWN"}
    reg = {"dimension": "complaint_basis", "value": "REG"}
    assert row(built, "CMP-01", "2024-09", PROPERTY_C, **own) == figures(3, None, 3)
    assert row(built, "CMP-01", "2024-10", PROPERTY_C, **reg) == figures(1, None, 1)  # a branch, rolled up


@pytest.mark.parametrize(
    ("period", "group", "expected"),
    [
        ("2024-01", LIFE_A, figures(1, 8, "-87.50", "SMALL_BASE")),
        ("2024-02", PROPERTY_C, figures(5, 0, None, "ZERO_DEN")),
        ("2024-03", PROPERTY_C, figures(0, 5, "-100.00", "SMALL_BASE")),
        ("2024-04", PROPERTY_C, figures(0, 0, None, "ZERO_DEN")),
        ("2024-05", HEALTH_D, figures(3, None, None, "NO_BASE")),  # new insurer
        ("2023-05", LIFE_A, figures(0, None, None, "NO_BASE")),  # first year
        ("2024-08", PROPERTY_E, figures(None, None, None, "MISSING")),
        ("2024-07", LIFE_A, figures(5, 6, "-16.67", "SMALL_BASE")),
        ("2024-07", "bureau", figures(5, 10, "-50.00", "SMALL_BASE")),
    ],
)
def test_year_on_year(built: Dbt, period: str, group: str, expected: tuple[Any, ...]) -> None:
    assert row(built, "CMP-03", period, group) == expected


def test_the_base_of_growth_is_named(built: Dbt) -> None:
    columns = "base_value, base_period"
    assert row(built, "CMP-03", "2024-01", LIFE_A, columns=columns) == (Decimal(8), "2023-01")
    assert row(built, "CMP-03", "2024H1", LIFE_A, columns="base_period") == ("2023H1",)
    assert row(built, "CMP-03", "2024-06", LIFE_A, period_type="ytd", columns="base_period") == ("2023-06",)
    assert row(built, "CMP-04", "2024Q1", LIFE_A, columns="base_period") == ("2023Q4",)
    assert row(built, "CMP-04", "2024H1", LIFE_A, columns="base_period") == ("2023H2",)


def test_comparable_basis_maps_history_to_the_heir(built: Dbt) -> None:
    expected = figures(5, 10, "-50.00", "SMALL_BASE")
    assert row(built, "CMP-03", "2024-07", LIFE_A, basis="comparable") == expected
    assert row(built, "CMP-03", "2024-03", LIFE_B) is not None
    assert row(built, "CMP-03", "2024-03", LIFE_B, basis="comparable") is None
    line = {"dimension": "line_code", "value": "分红"}
    assert row(built, "CMP-03", "2024-07", LIFE_A, basis="comparable", **line) == expected


def test_a_published_basis_needs_a_release(built: Dbt) -> None:
    assert built.query("SELECT count(*) FROM kpi.kpi_values WHERE basis = 'published'") == [(0,)]


def test_change_on_the_period_before_and_decline(built: Dbt) -> None:
    assert row(built, "CMP-04", "2024-05", HEALTH_D) == figures(3, 2, "50.00", "SMALL_BASE")
    assert row(built, "CMP-04", "2024-04", HEALTH_D) == figures(2, None, None, "NO_BASE")
    assert row(built, "CMP-04", "2024", LIFE_A) is None
    assert row(built, "CMP-05", "2024-01", LIFE_A) == figures(1, 8, "87.50", "SMALL_BASE")


def test_growth_of_a_line_that_vanished(built: Dbt) -> None:
    line = {"dimension": "line_code", "value": "分红"}
    assert row(built, "CMP-03", "2024-01", LIFE_A, **line) == figures(1, 8, "-87.50", "SMALL_BASE")
    line = {"dimension": "line_code", "value": "机动车辆"}
    assert row(built, "CMP-03", "2024-03", PROPERTY_C, **line) == figures(0, 5, "-100.00", "SMALL_BASE")


def test_rates_per_premium_policy_and_person(built: Dbt) -> None:
    assert row(built, "CMP-06", "2024-01", LIFE_A) == figures(1, 200_000_000, "0.50", "SMALL_BASE")
    assert row(built, "CMP-06", "2024-06", PROPERTY_C) == figures(0, -5, None, "ZERO_DEN")
    assert row(built, "CMP-06", "2024-09", PROPERTY_C) == figures(43, 100_000_000, "43.00")
    new, in_force = ({"dimension": "policy_basis", "value": value} for value in ("new", "in_force"))
    assert row(built, "CMP-07", "2024Q3", PROPERTY_C, **new) == figures(43, 30_000, "14.33")
    # In force at the end of the window: 100,000 + 1,000 x 20 in September 2024.
    assert row(built, "CMP-07", "2024Q3", PROPERTY_C, **in_force) == figures(43, 120_000, "3.58")
    assert row(built, "CMP-08", "2024-07", LIFE_A) == figures(5, 20_000, "2.50", "SMALL_BASE")
    assert row(built, "CMP-08", "2024-07", PROPERTY_C) is None  # life, health and pension only


def test_median_with_and_without_zero_complaint_insurers(built: Dbt) -> None:
    def median(rate: str, period: str, group: str) -> Any:
        grain = "bureau" if group == "bureau" else "insurer_type"
        return row(built, "CMP-09", period, group, grain=grain, dimension="rate", value=rate)

    # Property, February 2024: C 5.00, E 0.00. Bureau: also life A 0.00 and B 0.00.
    assert median("CMP-06.incl_zero", "2024-02", "property") == figures(1, 2, "2.50")
    assert median("CMP-06.excl_zero", "2024-02", "property") == figures(1, 1, "5.00")
    assert median("CMP-06.incl_zero", "2024-02", "bureau") == figures(3, 4, "0.00")
    assert median("CMP-07.new.excl_zero", "2024-02", "bureau") == figures(3, 1, "5.00")
    assert median("CMP-06.excl_zero", "2023-02", "life") == figures(2, 0, None, "ZERO_DEN")
    # C's negative premium leaves it out of the population.
    assert median("CMP-06.incl_zero", "2024-06", "property") == figures(1, 1, "0.00")


def test_change_of_a_rate(built: Dbt) -> None:
    assert row(built, "CMP-10", "2024-01", LIFE_A) == figures("0.50", "4.00", "-87.50", "SMALL_BASE")
    assert row(built, "CMP-10", "2024-02", PROPERTY_C) == figures("5.00", "0.00", None, "ZERO_DEN")
    assert row(built, "CMP-10", "2024-06", PROPERTY_C) == figures(None, "0.00", None, "ZERO_DEN")
    assert row(built, "CMP-10", "2024-07", "life", grain="insurer_type") is None


def test_index_against_the_share_of_premium(built: Dbt) -> None:
    # September 2024: 43 valid complaints, all of C, which holds 1 of 5 亿元 (A 2, C, D, E 1 each).
    assert row(built, "CMP-11", "2024-09", PROPERTY_C) == figures(43, "8.6", "5.00")
    assert row(built, "CMP-11", "2024-09", LIFE_A) == figures(0, "17.2", "0.00", "SMALL_BASE")
    line = {"dimension": "line_code", "value": "机动车辆"}
    assert row(built, "CMP-11", "2024-09", PROPERTY_C, **line) == figures(43, "21.5", "2.00")
    assert row(built, "CMP-11", "2024-06", LIFE_A) == figures(0, 0, None, "ZERO_DEN")
    assert row(built, "CMP-11", "2024-08", PROPERTY_E) == figures(None, None, None, "MISSING")


def test_share_of_a_reason_and_break_of_its_list(built: Dbt) -> None:
    sales, claims = ({"dimension": "reason_l1", "value": v} for v in ("销售纠纷", "理赔(给付)纠纷"))
    assert row(built, "CMP-12", "2024-09", PROPERTY_C, **sales) == figures(1, 43, "2.33")
    assert row(built, "CMP-12", "2024-09", PROPERTY_C, **claims) == figures(42, 43, "97.67")
    # 销售纠纷 begins on 2024-08-15, inside the third quarter and not inside September.
    assert row(built, "CMP-12", "2024Q3", PROPERTY_C, **sales) == figures(1, 43, "2.33", "BREAK")
    assert row(built, "CMP-12", "2024-09", PROPERTY_C) is None
    assert row(built, "CMP-12", "2024-09", "财产", grain="peer_group", **sales) is None


def test_exclusion_own_share_time_limits(built: Dbt) -> None:
    assert row(built, "CMP-13", "2024-09", PROPERTY_C) == figures(3, 47, "6.38")
    kind = {"dimension": "validity", "value": "无效"}
    assert row(built, "CMP-13", "2024-09", PROPERTY_C, **kind) == figures(2, 47, "4.26")
    assert row(built, "CMP-13", "2024-02", LIFE_A) == figures(1, 1, "100.00", "SMALL_BASE")
    assert row(built, "CMP-15", "2024-09", PROPERTY_C) == figures(3, 43, "6.98")
    assert row(built, "CMP-17", "2024-09", PROPERTY_C) == figures(45, 46, "97.83")
    assert row(built, "CMP-19", "2024-09", PROPERTY_C) == figures(46, 47, "97.87")
    # December 2024, property E: one in hand within its limit (left out), one overdue, one closed.
    assert row(built, "CMP-19", "2024-12", PROPERTY_E) == figures(1, 2, "50.00", "IMMATURE")
    assert row(built, "CMP-17", "2024-12", PROPERTY_E) == figures(0, 1, "0.00")
    assert row(built, "CMP-17", "2023-12", PROPERTY_E) == figures(0, 0, None, "ZERO_DEN")


def test_days_to_decide(built: Dbt) -> None:
    avg, median = ({"dimension": "statistic", "value": value} for value in ("avg", "median"))
    # 45 decided after 10 days, one after 20.
    assert row(built, "CMP-18", "2024-09", PROPERTY_C, **avg) == figures(470, 46, "10.22")
    assert row(built, "CMP-18", "2024-09", PROPERTY_C, **median) == figures(None, 46, "10.00")
    # Nothing decided: a row that says so, because the statistic divides no cases.
    assert row(built, "CMP-18", "2023-06", PROPERTY_C, **avg) == figures(0, 0, None, "ZERO_DEN")
    assert row(built, "CMP-18", "2023-06", PROPERTY_C, **median) == figures(None, 0, None, "ZERO_DEN")


def test_what_complaints_end_in(built: Dbt) -> None:
    month = ("2024-04", PROPERTY_E)
    assert row(built, "CMP-02", *month) == figures(5, None, 5)
    assert row(built, "CMP-02", *month, dimension="complaint_basis", value="OWN") == figures(4, None, 4)
    assert row(built, "CMP-16", *month) == figures(1, 3, "33.33")
    assert row(built, "CMP-20", *month) == figures(1, 4, "25.00", "SMALL_BASE")
    # Escalated and valid; the repeated one is not valid, so its kind has no row.
    assert row(built, "CMP-21", *month) == figures(1, 3, "33.33", "SMALL_BASE")
    kinds = [
        row(built, "CMP-21", *month, dimension="escalation", value=kind) for kind in ("越级", "群访", "无")
    ]
    assert kinds == [figures(1, 3, "33.33", "SMALL_BASE"), None, None]
    assert row(built, "CMP-22", *month) == figures(1, 4, "25.00")
    assert row(built, "CMP-24", *month) == figures(1, 4, "25.00")
    assert row(built, "CMP-24", "2024-12", PROPERTY_E) == figures(0, 1, "0.00", "IMMATURE")
    assert row(built, "CMP-25", *month) == figures(1, 2, "50.00", "SMALL_BASE")
    assert row(built, "CMP-25", "2024-05", PROPERTY_E) == figures(0, 0, None, "ZERO_DEN")


def test_money_above_cash_value_and_its_growth(built: Dbt) -> None:
    assert row(built, "CMP-23", "2024-04", PROPERTY_E) == figures("1250.5", None, "1250.50")
    assert row(built, "CMP-23Y", "2024-04", PROPERTY_E) == figures("1250.5", 500, "150.10")
    # No number of cases is small in money: SMALL_BASE is of the counts.
    assert row(built, "CMP-23Y", "2024-05", PROPERTY_E) == figures(0, 0, None, "ZERO_DEN")
    assert row(built, "CMP-23Y", "2023-04", PROPERTY_E) == figures(500, None, None, "NO_BASE")
    assert row(built, "CMP-23Y", "2024-08", PROPERTY_E) == figures(None, None, None, "MISSING")


def test_causes_are_put_right_or_not_thirty_days_after_the_decision(built: Dbt) -> None:
    assert row(built, "CMP-26", "2024-04", PROPERTY_E) == figures(1, 3, "33.33")
    # Decided on 20 and 21 December; the run's date is 20 January. The younger one is left out, though put right.
    assert row(built, "CMP-26", "2024-12", PROPERTY_C) == figures(0, 1, "0.00", "IMMATURE")


def test_the_bureau_forwards_within_seven_working_days(built: Dbt) -> None:
    assert row(built, "CMP-27", "2024-09") == figures(1, 2, "50.00")
    assert row(built, "CMP-27", "2024-10") == figures(0, 0, None, "ZERO_DEN")
    # Insurers' reports have nothing to do with it: F01 of August is missing.
    assert row(built, "CMP-27", "2024-08") == figures(0, 0, None, "ZERO_DEN")
    assert row(built, "CMP-27", "2024-09", PROPERTY_C) is None


def test_ledger_against_the_register(built: Dbt) -> None:
    # Register: R-both and R-register-only; ledger: R-both (on two complaints) and R-firm-only.
    assert row(built, "CMP-14", "2024-10", PROPERTY_C) == figures(2, 2, "100.00")
    assert row(built, "CMP-14", "2024-11", PROPERTY_C) == figures(0, 0, None, "ZERO_DEN")


# --- FIR, MED, CBK ----------------------------------------------------------------------------------------


def test_governance_facts_are_those_of_the_last_quarter(built: Dbt) -> None:
    # Half-year 2024H2: A and C have a ledger, D has none, E did not file the fourth quarter.
    assert row(built, "FIR-01", "2024H2") == figures(2, 3, "66.67", "PARTIAL")
    assert row(built, "FIR-01", "2024Q3") == figures(1, 4, "25.00")
    assert row(built, "FIR-02", "2024") == figures(1, 3, "33.33", "PARTIAL")
    assert row(built, "FIR-01", "2024Q3", "life", grain="insurer_type") == figures(1, 1, "100.00")
    assert row(built, "FIR-01", "2024-09") is None
    assert row(built, "FIR-01", "2024Q3", LIFE_A) is None
    variant = {"dimension": "variant", "value": "institutions"}
    assert row(built, "FIR-07", "2024Q3", **variant) == figures(0, 4, "0.00")


def test_weights_and_pilots(built: Dbt) -> None:
    assert row(built, "FIR-09", "2024Q3") == figures(1, 4, "25.00")
    assert row(built, "FIR-09", "2024Q3", "property", grain="insurer_type") == figures(0, 2, "0.00")
    # Five percent is enough, 4.99 is not, no weight is not.
    assert row(built, "GOV-01", "2024Q3") == figures(1, 4, "25.00")

    def spread(period: str, group: str = "bureau") -> list[Any]:
        grain = "bureau" if group == "bureau" else "insurer_type"
        found = [
            row(built, "GOV-02", period, group, grain=grain, dimension="statistic", value=name)
            for name in ("min", "median", "max")
        ]
        return [each and (each[1], each[2], each[3]) for each in found]

    # A 10, C 60, D 0, and E states none: that is not 0.
    three = Decimal(3)
    assert spread("2024Q3") == [
        (three, Decimal("0.00"), "OK"),
        (three, Decimal("10.00"), "OK"),
        (three, Decimal("60.00"), "OK"),
    ]
    assert spread("2024Q3", "property") == [(Decimal(1), Decimal("60.00"), "OK")] * 3
    assert [status for _, _, status in spread("2024Q4")] == ["PARTIAL"] * 3
    assert spread("2024-09") == [None] * 3


def test_evaluation_weighs_the_elements_and_takes_the_deduction_off(built: Dbt) -> None:
    # 9 + 20.125 + 21 + 10 + 15.0625 - 2.5
    assert row(built, "EVA-01", "2023", LIFE_A) == figures("72.6875", 1, "72.69")
    assert row(built, "EVA-01", "2023", PROPERTY_C) == figures(0, 0, None, "ZERO_DEN")
    assert row(built, "EVA-01", "2024", LIFE_A) == figures(0, 0, None, "ZERO_DEN")
    assert row(built, "EVA-01", "2023Q4", LIFE_A) is None
    weights = built.query("SELECT sum(weight_pct) FROM measures.evaluation_weights")
    assert weights == [(100,)]


def test_what_is_disclosed_agrees_with_what_is_filed(built: Dbt) -> None:
    # Compared: four of C's quarter (one unequal) and one of A.
    assert row(built, "DQ-05", "2024Q3", PROPERTY_C) == figures(3, 4, "75.00")
    # 2024-07: (5 - 6) / 6 = -16.6667 at three decimals.
    assert row(built, "DQ-05", "2024Q3", LIFE_A) == figures(1, 1, "100.00")
    assert row(built, "DQ-05", "2024", "bureau") == figures(4, 5, "80.00")
    assert row(built, "DQ-05", "2024Q2", PROPERTY_C) == figures(0, 0, None, "ZERO_DEN")
    listed = built.query(
        "SELECT disclosure_id, printed_value, filed_value, difference, verdict, reason"
        " FROM kpi.disclosure_differences ORDER BY verdict DESC, disclosure_id"
    )
    assert listed == [
        ("truncated", "6.9", Decimal("7.0000"), Decimal("-0.1000"), "UNEQUAL", None),
        ("no-value", "1", None, None, "NOT_COMPARED", "no value in the filings 报送无值"),
        ("no-window", "1", None, None, "NOT_COMPARED", "no such window 无此期间"),
        ("unknown", "1", None, None, "NOT_COMPARED", "no such indicator 无此指标"),
    ]


def test_first_inquiries(built: Dbt) -> None:
    assert row(built, "FIR-03", "2024-09", PROPERTY_C) == figures(1, 7, "14.29", "SMALL_BASE")
    assert row(built, "FIR-04", "2024-09", PROPERTY_C) == figures(1, 5, "20.00")
    # In time: over the holiday on 2024-10-08, the same day, the next day.
    assert row(built, "FIR-05", "2024-09", PROPERTY_C) == figures(3, 5, "60.00")
    assert row(built, "FIR-06", "2024-09", PROPERTY_C) == figures(1, 5, "20.00")
    variant = {"dimension": "variant", "value": "records"}
    assert row(built, "FIR-07", "2024Q3", PROPERTY_C, **variant) == figures(1, 5, "20.00")


def test_mediation(built: Dbt) -> None:
    assert row(built, "MED-01", "2024-11", LIFE_A) == figures(3, 3, "100.00", "SMALL_BASE")
    assert row(built, "MED-02A", "2024-11", LIFE_A) == figures(2, 3, "66.67")
    assert row(built, "MED-02B", "2024-11", LIFE_A) == figures(2, 3, "66.67")
    assert row(built, "MED-03", "2024-11", LIFE_A) == figures(1, 2, "50.00")
    assert row(built, "MED-04", "2024-12", LIFE_A) == figures(1, 2, "50.00")
    body = {"dimension": "mediation_org", "value": "00000000000902"}
    assert row(built, "MED-03", "2024-11", **body) == figures(0, 1, "0.00")
    assert row(built, "MED-03", "2024-11", LIFE_A, **body) is None
    # Nine, nine (withdrawn) and ten days.
    assert row(built, "MED-05", "2024-11", LIFE_A) == figures(28, 3, "9.33")
    assert row(built, "MED-05", "2024-11", **body) == figures(10, 1, "10.00")
    assert row(built, "MED-06", "2024-11", LIFE_A) == figures(1, 3, "33.33")
    assert row(built, "MED-07", "2024-11", LIFE_A) == figures(1, None, 1)
    assert row(built, "MED-07", "2024-12", LIFE_A) == figures(0, None, 0)
    # Whether a success was the first one cannot be known where the history begins.
    assert row(built, "MED-07", "2023-01", LIFE_A) == figures(0, None, None, "NO_BASE")
    assert row(built, "MED-07", "2023", "bureau") == figures(0, None, None, "NO_BASE")


def test_call_backs(built: Dbt) -> None:
    assert row(built, "CBK-01", "2024-11", LIFE_A) == figures(4, None, 4)
    assert row(built, "CBK-02", "2024-11", LIFE_A) == figures(3, 4, "75.00")
    assert row(built, "CBK-03", "2024-11", LIFE_A) == figures(2, 4, "50.00")
    assert row(built, "CBK-04", "2024-11", LIFE_A) == figures(1, 4, "25.00")
    channel = {"dimension": "sales_channel", "value": "个人代理"}
    assert row(built, "CBK-02", "2024-11", LIFE_A, **channel) == figures(0, 1, "0.00")
    product = {"dimension": "product_type", "value": "分红"}
    assert row(built, "CBK-03", "2024-11", LIFE_A, **product) == figures(2, 4, "50.00")
    both = {"dimension": "channel_product", "value": "个人代理/分红"}
    assert row(built, "CBK-03", "2024-11", LIFE_A, **both) == figures(0, 1, "0.00")
    assert row(built, "CBK-02", "2024-11", PROPERTY_C) is None


def test_call_backs_by_the_summary(built: Dbt) -> None:
    """New policies of the month's file; no window but the month adds up what waits from one to the next."""
    basis = {"dimension": "call_back_basis", "value": "summary"}
    assert row(built, "CBK-01", "2024-11", LIFE_A, **basis) == figures(9, None, 9)
    assert row(built, "CBK-02", "2024-11", LIFE_A, **basis) == figures(6, 9, "66.67")
    assert row(built, "CBK-03", "2024-11", LIFE_A, **basis) == figures(4, 9, "44.44")
    # What F04 leaves out because cooling-off is not over is no part of the summary.
    assert row(built, "CBK-04", "2024-12", LIFE_A, **basis) == figures(1, 1, "100.00")
    assert row(built, "CBK-02", "2024Q4", LIFE_A, **basis) is None


def test_letters_still_out_count_below(built: Dbt) -> None:
    assert row(built, "CBK-12", "2024-12", LIFE_A) == figures(1, 4, "25.00", "IMMATURE")
    assert row(built, "CBK-12", "2024-11", LIFE_A) == figures(0, 2, "0.00", "IMMATURE")
    assert row(built, "CBK-12", "2024-12", HEALTH_D) == figures(0, 0, None, "ZERO_DEN")


def test_departures_and_orphan_policies(built: Dbt) -> None:
    assert row(built, "CBK-10", "2024-11", LIFE_A) == figures(12, 15, "80.00")
    assert row(built, "CBK-11", "2024-11", LIFE_A) == figures(1, 2, "50.00")
    assert row(built, "CBK-11", "2024-12", LIFE_A) == figures(1, 1, "100.00")
    assert row(built, "CBK-10", "2024-12", LIFE_A) == figures(0, 0, None, "ZERO_DEN")
    assert row(built, "CBK-10", "2024-11", PROPERTY_C) is None


def test_screening_and_pre_emptive_resolutions(built: Dbt) -> None:
    assert row(built, "RSK-01", "2024-11", LIFE_A) == figures(13, 100, "13.00")
    assert row(built, "RSK-01", "2024-12", LIFE_A) == figures(9, 60, "15.00")
    screening = {"dimension": "variant", "value": "screening"}
    assert row(built, "FIR-08", "2024-11", LIFE_A, **screening) == figures(4, None, 4)
    assert row(built, "FIR-08", "2024-11", LIFE_A) == figures(0, None, 0)
    assert row(built, "FIR-08", "2024-09", PROPERTY_C) == figures(2, None, 2)


def test_problem_cases(built: Dbt) -> None:
    assert row(built, "CBK-05", "2024-11", LIFE_A) == figures(3, 4, "75.00", "SMALL_BASE")
    assert row(built, "CBK-06", "2024-11", LIFE_A) == figures(2, 3, "66.67")
    assert row(built, "CBK-07", "2024-11", LIFE_A) == figures(1, 2, "50.00")
    assert row(built, "CBK-08", "2024-11", LIFE_A) == figures(1, 3, "33.33")
    kind = {"dimension": "problem_type", "value": "销售误导"}
    assert row(built, "CBK-09", "2024-11", LIFE_A, **kind) == figures(2, 3, "66.67")
    assert row(built, "CBK-06", "2024-11", LIFE_A, **kind) == figures(2, 2, "100.00")


# --- DQ, ranks, peers, coverage, wide tables --------------------------------------------------------------


def test_filing_discipline(built: Dbt) -> None:
    f01 = {"dimension": "form", "value": "F01"}
    # May 2024, life A: F01 and F02 of six forms late; F01 needed a second attempt.
    assert row(built, "DQ-01", "2024-05", LIFE_A) == figures(4, 6, "66.67")
    assert row(built, "DQ-01", "2024-05", LIFE_A, **f01) == figures(0, 1, "0.00")
    assert row(built, "DQ-02", "2024-05", LIFE_A) == figures(5, 6, "83.33")
    # A missing filing counts against its insurer and makes no figure of this kind missing.
    assert row(built, "DQ-01", "2024-08", PROPERTY_E) == figures(3, 4, "75.00")
    # Quarterly forms: not in a month, in a quarter (3 x 4 + 1) and in the year to date.
    f11 = {"dimension": "form", "value": "F11"}
    assert row(built, "DQ-01", "2024-12", PROPERTY_E, **f11) is None
    assert row(built, "DQ-01", "2024Q4", PROPERTY_E) == figures(12, 13, "92.31")
    assert row(built, "DQ-01", "2024-12", PROPERTY_E, period_type="ytd", **f11) == figures(3, 4, "75.00")
    # Of the six that were accepted one was filed again.
    assert row(built, "DQ-03", "2024-05", LIFE_A) == figures(1, 6, "16.67")
    assert row(built, "DQ-03", "2024-05", LIFE_A, **f01) == figures(1, 1, "100.00")
    # What is missing was never accepted: of four owed three count below.
    assert row(built, "DQ-03", "2024-08", PROPERTY_E) == figures(0, 3, "0.00")


def test_filing_quality_puts_the_rates_side_by_side(built: Dbt) -> None:
    columns = "form, on_time_value, first_pass_value, filed_again_value, filed_again_status"
    rows = built.query(
        f"SELECT {columns} FROM kpi.filing_quality WHERE grain = 'insurer' AND org_code = ? AND period = '2024-05'"
        " AND period_type = 'month' AND (form IS NULL OR form IN ('F01', 'F03')) ORDER BY form NULLS FIRST",
        [LIFE_A],
    )
    assert rows == [
        (None, Decimal("66.67"), Decimal("83.33"), Decimal("16.67"), "OK"),
        ("F01", Decimal("0.00"), Decimal("0.00"), Decimal("100.00"), "OK"),
        ("F03", Decimal("100.00"), Decimal("100.00"), Decimal("0.00"), "OK"),
    ]


def test_days_to_correction_count_from_the_first_error_to_the_first_sound_version(built: Dbt) -> None:
    columns = "obligations_with_error, corrected, not_corrected, median_days, longest_days"
    of_form = f"SELECT {columns} FROM kpi.correction_days WHERE form = ? AND grain = 'bureau'"
    # F01 of May: refused the day before the deadline, sound three days after it.
    assert built.query(f"{of_form} AND period = '2024-05'", ["F01"]) == [(1, 1, 0, Decimal("4.00"), 4)]
    assert built.query(f"{of_form} AND period IS NULL", ["F01"]) == [(1, 1, 0, Decimal("4.00"), 4)]
    # F02 of June was accepted in part and never corrected: counted, and in no median.
    assert built.query(f"{of_form} AND period IS NULL", ["F02"]) == [(1, 0, 1, None, None)]
    assert built.query(f"{of_form} AND period IS NULL", ["F03"]) == []


def test_rules_are_ranked_by_the_submissions_they_fired_in(built: Dbt) -> None:
    rows = built.query(
        "SELECT rule_code, severity, submissions_judged, submissions_found, findings, submissions_found_share, rank"
        " FROM kpi.rule_frequency WHERE form = 'F01' AND period = '2024-05' ORDER BY rank, rule_code"
    )
    assert rows == [
        ("F01-I01", "E", 4, 2, 5, Decimal("50.00"), 1),
        ("F01-I02", "W", 3, 1, 7, Decimal("33.33"), 2),  # not run on one
    ]
    # A rule that never fired is no row.
    assert built.query("SELECT count(*) FROM kpi.rule_frequency WHERE rule_code = 'F01-I03'") == [(0,)]


def test_without_an_earlier_release_nothing_is_called_unchanged(built: Dbt) -> None:
    rows = built.query(
        "SELECT DISTINCT numerator, value, status FROM kpi.kpi_values WHERE kpi_id = 'DQ-04' ORDER BY ALL"
    )
    assert {(numerator, value) for numerator, value, _ in rows} == {(None, None)}
    assert {status for *_, status in rows} <= {"NO_BASE", "MISSING"}
    figures_shown = built.query("SELECT DISTINCT dimension_value FROM kpi.kpi_values WHERE kpi_id = 'DQ-04'")
    assert {"CMP-01", "CMP-07.new", "CMP-18.median", "DQ-01"} <= {name for (name,) in figures_shown}


def test_rank_with_ties_leaves_small_bases_out(built: Dbt) -> None:
    columns = "value, rank, n_institutions"
    # Property, first quarter of 2023: C 5, E 0.
    assert row(built, "CMP-01", "2023Q1", PROPERTY_C, columns=columns) == (Decimal(5), 1, 2)
    assert row(built, "CMP-01", "2023Q1", PROPERTY_E, columns=columns) == (Decimal(0), 2, 2)
    assert row(built, "CMP-01", "2023-02", PROPERTY_C, columns=columns) == (Decimal(0), 1, 2)
    assert row(built, "CMP-01", "2023-02", PROPERTY_E, columns=columns) == (Decimal(0), 1, 2)
    # Growth on a base under 30 is printed and not ranked; nobody else is, so there is no ranked set.
    assert row(built, "CMP-03", "2024-01", LIFE_A, columns=columns) == (Decimal("-87.50"), None, None)


def test_peer_statistics(built: Dbt) -> None:
    rows = built.query(
        "SELECT n_institutions, n_zero, q1, median, q3 FROM kpi.kpi_peer_statistics WHERE kpi_id = 'CMP-06'"
        " AND period = '2024-02' AND period_type = 'month' AND insurer_type = 'property'"
    )
    assert rows == [(2, 1, Decimal("1.25"), Decimal("2.50"), Decimal("3.75"))]


def test_coverage(built: Dbt) -> None:
    sql = (
        "SELECT filings_expected, filings_in_force, filings_missing, institutions_expected,"
        " institutions_complete, institutions_missing FROM kpi.kpi_coverage"
        " WHERE form = ? AND period = ? AND grain = 'bureau'"
    )
    assert built.query(sql, ["F01", "2024Q3"]) == [(12, 11, 1, 4, 3, 1)]
    assert built.query(sql, ["R01", "2024Q3"]) == [(3, 3, 0, 1, 1, 0)]


def test_wide_tables_repeat_the_long_one(built: Dbt) -> None:
    sql = (
        "SELECT year_on_year_numerator, year_on_year_denominator, year_on_year_value, year_on_year_status,"
        " per_100m_premium_value FROM kpi.complaints"
        " WHERE period = '2024-01' AND period_type = 'month' AND org_code = ?"
    )
    assert built.query(sql, [LIFE_A]) == [(*figures(1, 8, "-87.50", "SMALL_BASE"), Decimal("0.50"))]


def test_kpi_ids_of_the_catalogue_all_have_values(built: Dbt) -> None:
    sql = "SELECT kpi_id FROM kpi.kpi_catalogue EXCEPT SELECT kpi_id FROM kpi.kpi_values"
    assert built.query(sql) == []
