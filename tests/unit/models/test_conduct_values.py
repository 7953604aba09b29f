"""KPIs of reviews, training, clues, sanctions, hotline, education and surveys, each worked out on paper.

Put here: one expectation per definition and edge policy over the rows of `conduct_rows`.
"""

from __future__ import annotations

from decimal import Decimal

from .conftest import PROPERTY_C, PROPERTY_E, Dbt
from .test_kpi_values import figures, row


def test_reviews_count_in_the_quarter_they_were_due_and_as_known_now(built: Dbt) -> None:
    assert row(built, "REV-01", "2023Q1", PROPERTY_C) == figures(3, 4, "75.00")
    assert row(built, "REV-01", "2023Q1", PROPERTY_C, dimension="item_type", value="产品") == figures(
        1, 1, "100.00"
    )
    # Opinions belong to the day they were given.
    assert row(built, "REV-02", "2023Q1", PROPERTY_C) == figures(9, 10, "90.00")
    assert row(built, "REV-02", "2023Q2", PROPERTY_C) == figures(0, 2, "0.00")
    # A quarterly form has no figures of a month.
    assert row(built, "REV-01", "2023-01", PROPERTY_C) is None


def test_a_mean_of_courses_is_rounded_half_up_and_not_cut(built: Dbt) -> None:
    # Four courses of two thirds: 66.67, where seed 001 printed 66.6; the one without a roster is none of them.
    assert row(built, "TRN-02", "2023Q1", PROPERTY_C) == figures("266.666668", 4, "66.67")
    assert row(built, "TRN-03", "2023Q1", PROPERTY_C) == figures(2600, 3900, "66.67")
    assert row(built, "TRN-01", "2023Q1", PROPERTY_C) == figures(2142, 2142, "100.00")
    # One of 2 weighs in the mean as much as 2,000 of 3,000.
    assert row(built, "TRN-02", "2023Q2", PROPERTY_E) == figures(50, 1, "50.00")
    assert row(built, "TRN-02", "2023Q2", PROPERTY_C) == figures(0, 0, None, "ZERO_DEN")


def test_what_is_counted_by_quarter_needs_every_quarter_and_a_snapshot_the_last(built: Dbt) -> None:
    # E filed nothing in the first quarter.
    assert row(built, "TRN-02", "2023H1", PROPERTY_E) == figures(None, None, None, "MISSING")
    assert row(built, "EDU-03", "2023H1", PROPERTY_E) == figures(4, 8, "50.00")
    assert row(built, "EDU-03", "2023H1", PROPERTY_C) == figures(8, 8, "100.00")
    assert row(built, "EDU-03", "2023Q1", PROPERTY_C) == figures(6, 8, "75.00")
    assert row(built, "TRN-02", "2023H1") == figures("266.666668", 4, "66.67", "PARTIAL")


def test_clues_of_the_seed(built: Dbt) -> None:
    assert row(built, "BLK-01", "2023-02", PROPERTY_C) == figures(11, None, 11)
    assert row(built, "BLK-02", "2023-02", PROPERTY_C) == figures(561_000, None, 561_000)
    # 16.8 of 56.1 (10,000 yuan); eleven cases are few, though the amounts are not.
    assert row(built, "BLK-03", "2023-02", PROPERTY_C) == figures(168_000, 561_000, "29.95", "SMALL_BASE")
    assert row(built, "BLK-03", "2023-01", PROPERTY_C) == figures(0, 0, None, "ZERO_DEN")
    # 13 through screening, one still in it; the one reported straight from screening is through.
    assert row(built, "BLK-04", "2023-01", PROPERTY_C) == figures(12, 13, "92.31", "IMMATURE")


def test_sanctions_by_kind(built: Dbt) -> None:
    assert row(built, "ACC-01", "2023-01", PROPERTY_C) == figures(3, None, 3)
    kind = {"dimension": "action_type", "value": "列入灰名单"}
    assert row(built, "ACC-01", "2023-01", PROPERTY_C, **kind) == figures(2, None, 2)
    # A removal from the list is no sanction.
    assert row(built, "ACC-01", "2023-06", PROPERTY_C) == figures(0, None, 0)


def test_listed_persons_who_are_active_elsewhere(built: Dbt) -> None:
    found = [row(built, "ACC-03", f"2023-0{month}", columns="value") for month in range(1, 7)]
    # February: P punished at E, Q selling for life A, R punished there. March: Q's entry has run out, R has left A.
    # April: E has dismissed P.
    assert found == [(Decimal(n),) for n in (0, 3, 1, 0, 0, 0)]
    assert row(built, "ACC-03", "2023Q1") == figures(1, None, 1)
    assert row(built, "ACC-03", "2023-02", PROPERTY_E) is None


def test_the_hotline_is_the_bureaus_own_figure(built: Dbt) -> None:
    assert row(built, "HOT-01", "2024-11") == figures(9, 10, "90.00")
    assert row(built, "HOT-06", "2024-11") == figures(10, None, 10)
    assert row(built, "HOT-06", "2024-11", dimension="call_kind", value="投诉") == figures(4, None, 4)
    assert row(built, "HOT-01", "2024-11", PROPERTY_C) is None
    assert row(built, "HOT-01", "2024-11", columns="n_institutions") == (1,)


def test_direct_transfers_wait_thirty_days(built: Dbt) -> None:
    # Answered and quiet for 30 days: t1, and t3 that came back on the 31st day.
    assert row(built, "HOT-02", "2024-11", PROPERTY_C) == figures(2, 4, "50.00")
    assert row(built, "HOT-03", "2024-11", PROPERTY_C) == figures(3, 4, "75.00", "SMALL_BASE")
    assert row(built, "HOT-04", "2024-11", PROPERTY_C) == figures(1, 3, "33.33", "SMALL_BASE")
    assert row(built, "HOT-05", "2024-11", PROPERTY_C) == figures(1, 4, "25.00", "SMALL_BASE")
    assert row(built, "HOT-02", "2024-12", PROPERTY_C) == figures(0, 0, None, "ZERO_DEN|IMMATURE")
    assert row(built, "HOT-03", "2024-12", PROPERTY_C) == figures(1, 1, "100.00", "SMALL_BASE")
    # The register is the bureau's: whoever owed anything and was not called has nothing to divide.
    assert row(built, "HOT-02", "2024-11", PROPERTY_E) == figures(0, 0, None, "ZERO_DEN")


def test_education(built: Dbt) -> None:
    assert row(built, "EDU-01", "2023Q1", PROPERTY_C) == figures(4, None, 4)
    assert row(built, "EDU-02", "2023H1", PROPERTY_C) == figures(620, None, 620)


def test_a_share_of_answers_stands_with_its_n(built: Dbt) -> None:
    choice = {"dimension": "survey_choice", "value": "Q1/A"}
    assert row(built, "SAT-02", "2023Q1", PROPERTY_C, **choice) == figures(43, 54, "79.63")
    # Seventeen of twenty: printed with its n, marked, and not ranked.
    assert row(built, "SAT-01", "2023Q1", PROPERTY_C) == figures(17, 20, "85.00", "SMALL_BASE")
    assert row(built, "SAT-01", "2023Q1", PROPERTY_C, columns="rank") == (None,)
    assert row(built, "SAT-03", "2023Q1", PROPERTY_C) == figures(74, 160, "46.25")
    bare = "value IS NOT NULL AND denominator IS NULL"
    assert built.query(f"SELECT count(*) FROM kpi.kpi_values WHERE kpi_id LIKE 'SAT%' AND {bare}") == [(0,)]
