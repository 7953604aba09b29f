"""The edge policies E1 to E12, each case by its code, and that no policy is without one.

Put here: one case per edge and policy, on the hand-made bureau or named from the dbt unit tests that hold it. A test is
named `test_e<number>_...`. Do not put here: what a policy is; that is `seeds/edge_policies.csv`, shown in
docs/edge-policies.md.
"""

from __future__ import annotations

import csv
import re
import shutil
import sys
from collections.abc import Iterator
from decimal import Decimal

import pytest
import yaml

from .conftest import HEALTH_D, LIFE_A, LIFE_B, PROJECT, PROPERTY_C, PROPERTY_E, ROOT, Dbt
from .test_kpi_values import figures, row

_TABLE = (PROJECT / "seeds" / "edge_policies.csv").read_text(encoding="utf-8")
POLICIES = list(csv.DictReader(_TABLE.splitlines()))
CODES = [policy["code"] for policy in POLICIES]


@pytest.fixture
def changed(built: Dbt) -> Iterator[Dbt]:
    """The built bureau, to be changed by one test and put back after it."""
    kept = built.warehouse.with_suffix(".before_edge")
    shutil.copy(built.warehouse, kept)
    yield built
    shutil.move(kept, built.warehouse)


def unit_tests() -> set[str]:
    """Names of the dbt unit tests."""
    found: set[str] = set()
    for path in (PROJECT / "models").rglob("*__unit_tests.yml"):
        found |= {test["name"] for test in yaml.safe_load(path.read_text(encoding="utf-8"))["unit_tests"]}
    return found


# --- the table of policies --------------------------------------------------------------------------------


def test_policies_are_e1_to_e12_in_order() -> None:
    assert [f"E{number}" for number in range(1, 13)] == CODES


@pytest.mark.parametrize("code", CODES)
def test_every_policy_has_a_case_here(code: str) -> None:
    cases = re.compile(rf"test_{code.lower()}_")
    assert [name for name in dir(sys.modules[__name__]) if cases.match(name)]


def test_the_page_shows_the_table() -> None:
    page = (ROOT / "docs" / "edge-policies.md").read_text(encoding="utf-8")
    for policy in POLICIES:
        status = f"`{policy['status']}`" if policy["status"] else ""
        names = f"{policy['code']} {policy['title_zh']} {policy['title_en']}"
        what = f"{policy['policy_zh']}<br>{policy['policy_en']}"
        line = f"| {names} | {what} | {status} | {policy['applied_in']} |"
        assert line in page, policy["code"]


def test_every_status_of_the_table_is_one_that_figures_can_have() -> None:
    public = (PROJECT / "models" / "kpi" / "_kpi__models.yml").read_text(encoding="utf-8")
    for status in filter(None, (policy["status"] for policy in POLICIES)):
        assert status in public


# --- the cases --------------------------------------------------------------------------------------------


def test_e1_nothing_over_nothing(built: Dbt) -> None:
    assert row(built, "CMP-03", "2024-04", PROPERTY_C) == figures(0, 0, None, "ZERO_DEN")
    assert row(built, "CMP-17", "2023-12", PROPERTY_E) == figures(0, 0, None, "ZERO_DEN")


def test_e1_five_over_nothing(built: Dbt) -> None:
    assert row(built, "CMP-03", "2024-02", PROPERTY_C) == figures(5, 0, None, "ZERO_DEN")


def test_e1_nothing_over_five_is_a_value(built: Dbt) -> None:
    assert row(built, "CMP-03", "2024-03", PROPERTY_C) == figures(0, 5, "-100.00", "SMALL_BASE")


def test_e1_a_negative_premium_is_no_denominator(built: Dbt) -> None:
    assert row(built, "CMP-06", "2024-06", PROPERTY_C) == figures(0, -5, None, "ZERO_DEN")


def test_e2_a_new_insurer_has_no_base(built: Dbt) -> None:
    assert row(built, "CMP-03", "2024-05", HEALTH_D) == figures(3, None, None, "NO_BASE")
    assert row(built, "CMP-04", "2024-04", HEALTH_D) == figures(2, None, None, "NO_BASE")


def test_e2_nor_has_the_first_period_of_all(built: Dbt) -> None:
    assert row(built, "CMP-03", "2023-01", LIFE_A) == figures(8, None, None, "NO_BASE")
    assert row(built, "MED-07", "2023-01", LIFE_A) == figures(0, None, None, "NO_BASE")


def test_e3_eight_to_one_is_printed_with_its_counts_and_not_ranked(built: Dbt) -> None:
    assert row(built, "CMP-03", "2024-01", LIFE_A) == figures(1, 8, "-87.50", "SMALL_BASE")
    assert row(built, "CMP-03", "2024-01", LIFE_A, columns="rank, n_institutions") == (None, None)


def test_e4_a_restated_base_is_shown_on_three_bases(changed: Dbt) -> None:
    # Release 1 printed 10 for January 2023, now it is 8.
    changed.query(
        "INSERT INTO published.kpi_values BY NAME SELECT 1 AS release_no, * REPLACE (10 AS value) FROM kpi.kpi_values"
        f" WHERE basis = 'current' AND period = '2023-01' AND period_type = 'month' AND org_code = '{LIFE_A}'"
        " AND kpi_id = 'CMP-01' AND dimension = 'total'"
    )
    assert changed.invoke("run", "--select", "kpi_base_vintage", "kpi_growth", "kpi_values").success
    told = {
        basis: row(changed, "CMP-03", "2024-01", LIFE_A, basis=basis)
        for basis in ("current", "published", "comparable")
    }
    assert told == {
        "current": figures(1, 8, "-87.50", "SMALL_BASE|RESTATED"),
        "published": figures(1, 10, "-90.00", "SMALL_BASE"),
        "comparable": figures(1, 8, "-87.50", "SMALL_BASE"),
    }


def test_e5_a_merged_insurer_is_its_heir_on_the_comparable_basis_only(built: Dbt) -> None:
    assert row(built, "CMP-03", "2024-07", LIFE_A) == figures(5, 6, "-16.67", "SMALL_BASE")
    both = figures(5, 10, "-50.00", "SMALL_BASE")
    assert row(built, "CMP-03", "2024-07", LIFE_A, basis="comparable") == both
    assert row(built, "CMP-03", "2024-03", LIFE_B) is not None
    assert row(built, "CMP-03", "2024-03", LIFE_B, basis="comparable") is None


def test_e5_of_a_split_insurer_the_named_successor_has_the_history_and_the_other_part_none(
    changed: Dbt,
) -> None:
    # C closes at the end of June 2024. Its business goes to D, and a part to another insurer that R03 does not name.
    changed.query(
        f"UPDATE filed.r03 SET closed_on = '2024-06-30', successor_code = '{HEALTH_D}'"
        f" WHERE org_code = '{PROPERTY_C}'"
    )
    assert changed.invoke("run", "--select", "stg_r03+", "--exclude", "models/official").success
    # March 2023: 5 cases of C, none in March 2024. D, which opened in April, has them as its history.
    inherited = row(changed, "CMP-03", "2024-03", HEALTH_D, basis="comparable")
    assert inherited == figures(0, 5, "-100.00", "SMALL_BASE")
    # On the current basis D is new; so is, on either basis, whoever is named by nobody.
    assert row(changed, "CMP-03", "2024-05", HEALTH_D) == figures(3, None, None, "NO_BASE")
    # The old institution keeps its own figures on the current basis.
    assert row(changed, "CMP-03", "2024-03", PROPERTY_C) == figures(0, 5, "-100.00", "SMALL_BASE")
    assert row(changed, "CMP-03", "2024-03", PROPERTY_C, basis="comparable") is None


def hand_over(changed: Dbt, giver: str, receiver: str, day: str, *, closed_on: str | None = None) -> None:
    """A new line of the institution master: from the day on, the receiver carries business of the giver."""
    changed.query(
        "INSERT INTO filed.r03 BY NAME SELECT * REPLACE (CAST(? AS DATE) AS valid_from, ? AS successor_code,"
        " CAST(? AS DATE) AS closed_on, row_no + 100 AS row_no) FROM filed.r03"
        " WHERE org_code = ? ORDER BY valid_from DESC LIMIT 1",
        [day, receiver, closed_on, giver],
    )


def broken(changed: Dbt, kpi_id: str, period: str, group: str, **other: str) -> bool:
    """Whether the figure carries BREAK."""
    found = row(changed, kpi_id, period, group, columns="status", **other)
    assert found is not None, (kpi_id, period, group, other)
    return "BREAK" in found[0].split("|")


def test_e5_a_transfer_inside_the_span_breaks_giver_and_receiver_until_the_base_is_after_it(
    changed: Dbt,
) -> None:
    assert not broken(changed, "CMP-03", "2024-05", PROPERTY_C)
    # From 10 April 2023 on E carries business of C, which goes on: a transfer of a portfolio inside a year.
    hand_over(changed, PROPERTY_C, PROPERTY_E, "2023-04-10")
    assert changed.invoke("run", "--select", "stg_r03+", "--exclude", "models/official").success
    told = {
        (kpi, period, group): broken(changed, kpi, period, group)
        for group in (PROPERTY_C, PROPERTY_E, LIFE_A)
        for kpi, period in (
            ("CMP-03", "2024-03"),
            ("CMP-03", "2024-05"),
            ("CMP-04", "2023-04"),
            ("CMP-04", "2023-06"),
        )
    }
    # The year before March 2024 begins on 1 March 2023, before the day; that of May begins after it.
    assert told == {
        (kpi, period, group): group != LIFE_A
        and (kpi, period) in {("CMP-03", "2024-03"), ("CMP-04", "2023-04")}
        for kpi, period, group in told
    }
    # A rate over premium is broken in the windows that hold the day, what reads no policies is not.
    assert broken(changed, "CMP-06", "2023-04", PROPERTY_C)
    assert broken(changed, "CMP-06", "2023", PROPERTY_C)
    assert not broken(changed, "CMP-06", "2023-05", PROPERTY_C)
    assert not broken(changed, "CMP-01", "2023-04", PROPERTY_C)
    # Both are property insurers: their type and the bureau are whole, their peer group too.
    for group, grain in (("property", "insurer_type"), ("财产", "peer_group"), ("bureau", "bureau")):
        assert not broken(changed, "CMP-03", "2024-03", group, grain=grain)
    # One receiver: on the comparable basis it has the history, and nothing is broken.
    assert not broken(changed, "CMP-03", "2024-03", PROPERTY_E, basis="comparable")


def test_e5_a_transfer_to_another_type_breaks_both_types_and_never_the_bureau(changed: Dbt) -> None:
    hand_over(changed, PROPERTY_C, LIFE_A, "2023-04-10")
    assert changed.invoke("run", "--select", "stg_r03+", "--exclude", "models/official").success
    for kind in ("property", "life"):
        assert broken(changed, "CMP-03", "2024-03", kind, grain="insurer_type")
        assert not broken(changed, "CMP-03", "2024-05", kind, grain="insurer_type")
    assert not broken(changed, "CMP-03", "2024-03", "bureau")


def test_e5_a_split_between_two_heirs_breaks_the_comparable_basis_too(changed: Dbt) -> None:
    # C hands part of its business to E in April 2023 and closes with D as its successor in June 2024.
    hand_over(changed, PROPERTY_C, PROPERTY_E, "2023-04-10")
    hand_over(changed, PROPERTY_C, HEALTH_D, "2024-07-01", closed_on="2024-06-30")
    assert changed.invoke("run", "--select", "stg_r03+", "--exclude", "models/official").success
    # D carries the whole history of C, a part of which went to E: neither is comparable.
    for heir in (HEALTH_D, PROPERTY_E):
        assert broken(changed, "CMP-03", "2024-03", heir, basis="comparable")
        # After the first part has left, both windows are made of the same business.
        assert not broken(changed, "CMP-03", "2024-07", heir, basis="comparable")
    assert broken(changed, "CMP-03", "2024-07", HEALTH_D)


def test_e5_a_merger_is_mapped_and_breaks_nothing(built: Dbt) -> None:
    assert built.query("SELECT count(*) FROM intermediate.int_transfer") == [(0,)]
    assert not broken(built, "CMP-03", "2024-07", LIFE_A)


def test_e6_an_open_cohort_is_left_out_and_told(built: Dbt) -> None:
    assert row(built, "CMP-19", "2024-12", PROPERTY_E) == figures(1, 2, "50.00", "IMMATURE")
    assert row(built, "CMP-26", "2024-12", PROPERTY_C) == figures(0, 1, "0.00", "IMMATURE")


def test_e7_a_nil_report_is_zero_and_a_missing_one_is_not(built: Dbt) -> None:
    assert row(built, "CMP-01", "2023-02", LIFE_A) == figures(0, None, 0)
    assert row(built, "CMP-01", "2024-08", PROPERTY_E) == figures(None, None, None, "MISSING")
    assert row(built, "CMP-01", "2024-08") == figures(0, None, 0, "PARTIAL")
    coverage = built.query(
        "SELECT institutions_expected, institutions_missing FROM kpi.kpi_coverage"
        " WHERE form = 'F01' AND period = '2024-08' AND period_type = 'month' AND grain = 'bureau'"
    )
    assert coverage == [(4, 1)]


def test_e8_a_code_list_that_changes_inside_the_window_breaks_the_series(built: Dbt) -> None:
    sales = {"dimension": "reason_l1", "value": "销售纠纷"}
    assert row(built, "CMP-12", "2024Q3", PROPERTY_C, **sales) == figures(1, 43, "2.33", "BREAK")
    assert row(built, "CMP-12", "2024-09", PROPERTY_C, **sales) == figures(1, 43, "2.33")


@pytest.mark.parametrize("impossible", ["100.01", "-0.01"])
def test_e9_an_impossible_value_blocks_publication(changed: Dbt, impossible: str) -> None:
    assert changed.invoke("test", "--select", "kpi_values_are_possible").success
    changed.query(
        f"UPDATE kpi.kpi_values SET value = {impossible} WHERE kpi_id = 'CMP-15' AND period = '2024-09'"
        f" AND period_type = 'month' AND org_code = '{PROPERTY_C}'"
    )
    assert not changed.invoke("test", "--select", "kpi_values_are_possible").success


def test_e10_small_and_dominated_cells_stay_inside(built: Dbt) -> None:
    """More in test_disclosure.py."""
    rows = built.query(
        "SELECT p.status, v.status, v.numerator FROM kpi.kpi_values_public AS p JOIN kpi.kpi_values AS v"
        " USING (kpi_id, period_type, period, grain, dimension, dimension_value)"
        " WHERE p.kpi_id = 'CMP-01' AND p.period = '2024Q3' AND p.grain = 'bureau' AND v.basis = 'current'"
        " AND p.dimension = 'total'"
    )
    assert rows == [("SUPPRESSED", "PARTIAL", Decimal(48))]


def test_e11_percentages_are_rounded_half_up_on_decimals() -> None:
    """1/8 is 0.13 and 107/40 is 2.68, which binary floats make 2.67: the dbt unit test holds it."""
    assert "e1_e3_e11_ratio" in unit_tests()


def test_e11_two_decimals_everywhere(built: Dbt) -> None:
    kinds = built.query(
        "SELECT data_type FROM duckdb_columns() WHERE schema_name = 'kpi' AND table_name = 'kpi_values'"
        " AND column_name = 'value'"
    )
    assert kinds == [("DECIMAL(18,2)",)]
    assert row(built, "CMP-13", "2024-09", PROPERTY_C) == figures(3, 47, "6.38")


def test_e12_only_whole_windows_exist_and_year_to_date_is_its_own() -> None:
    assert "e12_only_complete_windows_exist" in unit_tests()


def test_e12_a_rate_divides_by_the_same_window_and_growth_by_the_same_kind(built: Dbt) -> None:
    # Quarter: 43 cases over 3 months of premium. Year to date: 48 (C: 5 + 43) over 9 months, June's refund included.
    assert row(built, "CMP-06", "2024Q3", PROPERTY_C) == figures(43, 300_000_000, "14.33")
    ytd = row(built, "CMP-06", "2024-09", PROPERTY_C, period_type="ytd")
    assert ytd == figures(48, 799_999_995, "6.00")
    mixed = built.query(
        "SELECT count(*) FROM kpi.kpi_values WHERE base_period IS NOT NULL AND kpi_id LIKE 'CMP-%'"
        " AND length(base_period) <> length(period)"
    )
    assert mixed == [(0,)]
