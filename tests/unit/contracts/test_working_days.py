"""The working-day calendar: its file, its arithmetic, and the same arithmetic in SQL."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import chinese_calendar
import duckdb
import pytest

from pipelines.contracts.errors import CalendarFileError, CalendarRangeError
from pipelines.contracts.predicates import macro_sql
from pipelines.contracts.working_days import WorkingDayCalendar, default_calendar_path, load_working_days

CALENDAR = load_working_days()
DAYS = [
    CALENDAR.first_day + timedelta(days=i) for i in range((CALENDAR.last_day - CALENDAR.first_day).days + 1)
]


def test_the_file_equals_its_source() -> None:
    assert (CALENDAR.first_day, CALENDAR.last_day) == (date(2015, 1, 1), date(2027, 12, 31))
    fixed = [day for day in DAYS if day < CALENDAR.provisional_from]
    assert [CALENDAR.is_working_day(day) for day in fixed] == [
        chinese_calendar.is_workday(day) for day in fixed
    ]


def test_a_year_without_a_notice_is_provisional_and_has_the_holidays_of_the_law() -> None:
    assert CALENDAR.provisional_from == date(2027, 1, 1)
    provisional = [day for day in DAYS if day >= CALENDAR.provisional_from]
    assert not any(CALENDAR.is_working_day(day) for day in provisional if day.weekday() >= 5)
    weekdays_off = [day for day in provisional if day.weekday() < 5 and not CALENDAR.is_working_day(day)]
    # 13 days of holiday by law, none lost to a weekend.
    assert len(weekdays_off) == 13


def test_ten_working_days_across_spring_festival() -> None:
    assert CALENDAR.add_working_days(date(2024, 2, 2), 10) == date(2024, 2, 21)


def test_make_up_days_count_and_the_day_itself_does_not() -> None:
    assert CALENDAR.is_working_day(date(2024, 2, 4))
    assert CALENDAR.add_working_days(date(2024, 2, 3), 1) == date(2024, 2, 4)
    assert CALENDAR.add_working_days(date(2024, 3, 15), 1) == date(2024, 3, 18)
    assert CALENDAR.roll_forward(date(2024, 3, 16)) == date(2024, 3, 18)
    assert CALENDAR.roll_forward(date(2024, 3, 18)) == date(2024, 3, 18)


def test_numbers_count_working_days() -> None:
    assert CALENDAR.working_day_no(date(2015, 1, 1)) == 0
    counted = 0
    for day in DAYS:
        counted += CALENDAR.is_working_day(day)
        assert CALENDAR.working_day_no(day) == counted


@pytest.mark.parametrize("day", [date(2014, 12, 31), date(2028, 1, 1)])
def test_days_outside_are_refused_with_the_way_out(day: date) -> None:
    with pytest.raises(CalendarRangeError, match=r"2015-01-01 to 2027-12-31.*To extend it"):
        CALENDAR.is_working_day(day)


def test_results_outside_are_refused() -> None:
    with pytest.raises(CalendarRangeError, match="beyond"):
        CALENDAR.add_working_days(date(2027, 12, 30), 10)
    with pytest.raises(ValueError, match="at least one"):
        CALENDAR.add_working_days(date(2026, 1, 5), 0)


def test_sql_gives_the_same_answers() -> None:
    con = duckdb.connect()
    con.execute(f"CREATE TABLE cal AS FROM read_csv('{default_calendar_path()}')")
    for statement in macro_sql("cal"):
        con.execute(statement)
    rows = con.execute(
        "SELECT day, working_day_no(day), is_working_day(day), add_working_days(day, 10) FROM cal ORDER BY day"
    ).fetchall()
    assert [row[0] for row in rows] == DAYS
    for day, number, working, later in rows:
        assert number == CALENDAR.working_day_no(day)
        assert working == CALENDAR.is_working_day(day)
        assert later is None if day > date(2027, 12, 19) else later == CALENDAR.add_working_days(day, 10)
    outside = con.execute(
        "SELECT working_day_no(d), is_working_day(d), add_working_days(d, 1) "
        "FROM (VALUES (DATE '2014-12-31'), (DATE '2014-01-01'), (DATE '2028-01-01'), (NULL::DATE)) t(d)"
    ).fetchall()
    assert outside == [(None, None, None)] * 4
    assert con.execute(
        "SELECT add_working_days(DATE '2024-03-15', 0), add_working_days(DATE '2024-03-15', -3)"
    ).fetchone() == (
        None,
        None,
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("day,is_working_day,note\n", "lists no day"),
        ("day,is_working_day\n2024-01-01,true\n", "the columns are"),
        (
            "day,is_working_day,note\n2024-01-01,true,\n2024-01-03,true,\n",
            "after 2024-01-01 comes 2024-01-03",
        ),
        ("day,is_working_day,note\n2024-01-01,yes,\n", "cannot be read"),
        ("day,is_working_day,note\n2024-13-01,true,\n", "cannot be read"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "days.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CalendarFileError, match=message):
        load_working_days(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CalendarFileError, match="restore it"):
        load_working_days(tmp_path / "none.csv")


def test_a_calendar_of_one_day() -> None:
    calendar = WorkingDayCalendar([(date(2024, 1, 1), False)])
    assert calendar.working_day_no(date(2024, 1, 1)) == 0
    with pytest.raises(CalendarRangeError):
        calendar.roll_forward(date(2024, 1, 1))
