"""Periods: labels, neighbours, deadlines."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.contracts.errors import PeriodError
from pipelines.contracts.periods import Period, PeriodKind, filing_deadline
from pipelines.contracts.working_days import load_working_days


@pytest.mark.parametrize(
    ("label", "kind", "start", "end", "months"),
    [
        ("2024-02", "month", date(2024, 2, 1), date(2024, 2, 29), 1),
        ("2025-12", "month", date(2025, 12, 1), date(2025, 12, 31), 1),
        ("2025Q1", "quarter", date(2025, 1, 1), date(2025, 3, 31), 3),
        ("2025Q4", "quarter", date(2025, 10, 1), date(2025, 12, 31), 3),
        ("2025H2", "half_year", date(2025, 7, 1), date(2025, 12, 31), 6),
        ("2025", "year", date(2025, 1, 1), date(2025, 12, 31), 12),
    ],
)
def test_labels(label: str, kind: PeriodKind, start: date, end: date, months: int) -> None:
    period = Period.parse(label)
    assert (period.kind, period.start, period.end, str(period)) == (kind, start, end, label)
    assert len(period.months()) == months
    assert period.months()[-1].end == end
    assert period.contains(start)
    assert period.contains(end)
    assert not period.contains(date(2019, 1, 1))


@pytest.mark.parametrize(
    "text", ["", "2025-13", "2025-1", "2025Q5", "2025H3", "25-01", "2025-01 ", "2025q1", "０２５-01"]
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(PeriodError, match="names no reporting period"):
        Period.parse(text)


def test_neighbours() -> None:
    assert Period.parse("2024-01").shift(-1).label == "2023-12"
    assert Period.parse("2024Q4").shift(1).label == "2025Q1"
    assert Period.parse("2024H1").shift(-2).label == "2023H1"
    assert Period.parse("2024").shift(-1).label == "2023"
    assert Period.parse("2024-05").within("quarter").label == "2024Q2"
    assert Period.parse("2024Q3").within("year").label == "2024"


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(PeriodError, match="no kind of period"):
        Period.containing("week", date(2024, 1, 1))  # type: ignore[arg-type]


@given(
    day=st.dates(date(1950, 1, 1), date(2100, 12, 31)),
    kind=st.sampled_from(["month", "quarter", "half_year", "year"]),
    steps=st.integers(-200, 200),
)
def test_periods_tile_time(day: date, kind: PeriodKind, steps: int) -> None:
    period = Period.containing(kind, day)
    assert period.contains(day)
    assert Period.parse(period.label) == period
    assert period.shift(steps).shift(-steps) == period
    following = period.shift(1)
    assert (following.start - period.end).days == 1
    assert period < following
    assert all(month.within(kind) == period for month in period.months())


@pytest.mark.parametrize(
    ("label", "days", "due"),
    [
        ("2025-03", 10, date(2025, 4, 10)),
        # 2024-02-10 is the first day of Spring Festival, which lasts to the 17th; Sunday the 18th is worked.
        ("2024-01", 10, date(2024, 2, 18)),
        ("2025Q1", 12, date(2025, 4, 14)),
        ("2024Q3", 12, date(2024, 10, 12)),
    ],
)
def test_deadlines_move_to_the_next_working_day(label: str, days: int, due: date) -> None:
    assert filing_deadline(Period.parse(label), days, load_working_days().is_working_day) == due


def test_a_deadline_lies_after_the_period() -> None:
    with pytest.raises(ValueError, match="at least one day"):
        filing_deadline(Period.parse("2025-03"), 0, lambda _: True)
