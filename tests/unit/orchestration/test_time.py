"""Partitions and schedules: keys and period labels, deadlines that holidays move."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.contracts.periods import Period
from pipelines.orchestration.partitions import (
    monthly_partitions,
    partition_key,
    partitions_of,
    period_of,
    quarterly_partitions,
)
from pipelines.orchestration.schedules import deadline_schedules, due_period
from pipelines.settings import TIMEZONE

from .conftest import FORMS, form


def at(year: int, month: int, day: int, hour: int = 6) -> datetime:
    return datetime(year, month, day, hour, tzinfo=ZoneInfo(TIMEZONE))


@given(year=st.integers(2000, 2099), month=st.integers(1, 12), kind=st.sampled_from(["month", "quarter"]))
def test_keys_and_periods_are_the_same_thing(year: int, month: int, kind: str) -> None:
    label = Period.containing(kind, date(year, month, 1)).label  # type: ignore[arg-type]
    assert period_of(partition_key(label)) == label


def test_quarters_start_with_the_one_that_holds_the_first_month() -> None:
    assert quarterly_partitions("2024-02").get_partition_keys(current_time=at(2025, 4, 1))[:2] == [
        "2024-01-Q",
        "2024-04-Q",
    ]
    assert partition_key("2025Q1") == "2025-01-Q"


def test_a_period_has_a_partition_when_it_has_ended_on_the_bureaus_clock() -> None:
    months = monthly_partitions("2024-01")
    assert months.get_partition_keys(current_time=at(2025, 3, 31, 23))[-1] == "2025-02"
    assert months.get_partition_keys(current_time=at(2025, 4, 1, 0))[-1] == "2025-03"


def test_official_figures_have_no_partitions_and_events_are_monthly() -> None:
    monthly, quarterly, event, official = (partitions_of(f, "2024-01") for f in FORMS)
    assert official is None
    assert event == monthly != quarterly


@pytest.mark.parametrize(
    ("today", "period"),
    [
        (date(2025, 4, 11), "2025-03"),  # the 10th was a Thursday
        (date(2025, 4, 12), None),
        (date(2025, 5, 13), "2025-04"),  # the 10th was a Saturday, so the deadline was Monday the 12th
        (date(2025, 5, 11), None),
        (date(2024, 2, 19), "2024-01"),  # spring festival, 10th to 17th; Sunday the 18th was a working day
        (date(2024, 2, 11), None),
    ],
)
def test_the_morning_after_a_moved_deadline_is_found(today: date, period: str | None) -> None:
    found = due_period("month", 10, today)
    assert (found.label if found else None) == period


def test_each_deadline_in_use_has_one_schedule() -> None:
    schedules = deadline_schedules([*FORMS, form("F02")])
    assert [(s.name, s.cron_schedule, s.execution_timezone) for s in schedules] == [
        ("after_monthly_deadline_day_10", "0 6 11-22 * *", "Asia/Shanghai"),
        ("after_quarterly_deadline_day_12", "0 6 13-24 1,4,7,10 *", "Asia/Shanghai"),
    ]
    assert "F01, F02" in (schedules[0].description or "")


@pytest.mark.parametrize("day", [11, 12])
def test_a_schedule_asks_once_for_the_period_that_fell_due(day: int) -> None:
    monthly, _ = deadline_schedules(FORMS)
    (result,) = [monthly.evaluate_tick(dg.build_schedule_context(scheduled_execution_time=at(2025, 4, day)))]
    requests = result.run_requests or []
    assert [request.tags["xiaobao/period"] for request in requests] == (["2025-03"] if day == 11 else [])
    assert (result.skip_message is None) == (day == 11)
