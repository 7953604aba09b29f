"""Days as numbers: vectorised arithmetic on the working-day calendar and on reporting periods.

Put here: conversions between dates and day numbers (days since 1970-01-01) and the working-day look-ups that
whole columns need. Do not put here: the calendar itself and deadlines; they are the contracts'.
"""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl

from pipelines.contracts.periods import Period
from pipelines.contracts.working_days import WorkingDayCalendar, load_working_days
from pipelines.samples.randomness import Ints

NEVER = 2_000_000
"""Day number (in the year 7445) of what does not happen; it lies after the end of every month."""
SECONDS_PER_DAY = 86_400
_EPOCH = date(1970, 1, 1)


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return (day - _EPOCH).days


def as_date(number: int) -> date:
    """The date of a day number."""
    return _EPOCH + timedelta(days=number)


def first_day(period: Period) -> int:
    """Day number of a period's first day."""
    return day_number(period.start)


def last_day(period: Period) -> int:
    """Day number of a period's last day."""
    return day_number(period.end)


def month_end(days: Ints) -> Ints:
    """Day number of the last day of the month that each day lies in."""
    months = days.astype("datetime64[D]").astype("datetime64[M]")
    ends: Ints = (months + 1).astype("datetime64[D]").astype(np.int64) - 1
    return ends


def seen_date(column: str, end: int) -> pl.Expr:
    """The date of a day-number column where it is not after ``end``, else null: what a month's end knows."""
    day = pl.col(column)
    return pl.when(day <= end).then(day).otherwise(None).cast(pl.Int32).cast(pl.Date)


def seen_moment(column: str, end: int) -> pl.Expr:
    """The timestamp of a column of seconds since 1970 where it is not after the day ``end``, else null."""
    second = pl.col(column)
    known = pl.when(second < (end + 1) * SECONDS_PER_DAY).then(second).otherwise(None)
    return (known.cast(pl.Int64) * 1_000_000).cast(pl.Datetime("us"))


class WorkingDays:
    """Working-day arithmetic over arrays of day numbers; the calendar is the project's own."""

    def __init__(self, calendar: WorkingDayCalendar | None = None) -> None:
        """Spread the calendar (by default the project's) into arrays."""
        self.calendar = calendar or load_working_days()
        self._first = day_number(self.calendar.first_day)
        last = day_number(self.calendar.last_day)
        working = [self.calendar.is_working_day(as_date(number)) for number in range(self._first, last + 1)]
        self._is_working = np.asarray(working)
        self._count = np.cumsum(self._is_working)
        self._days: Ints = np.flatnonzero(self._is_working).astype(np.int64) + self._first

    def is_working(self, days: Ints) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """True on working days, make-up days included."""
        found: np.ndarray[tuple[int], np.dtype[np.bool_]] = self._is_working[days - self._first]
        return found

    def add(self, days: Ints, count: Ints | int) -> Ints:
        """The count-th working day after each day (count at least 1); the day itself is never counted."""
        position = self._count[days - self._first] + np.asarray(count) - 1
        moved: Ints = self._days[np.minimum(position, self._days.size - 1)]
        return moved

    def subtract(self, days: Ints, count: Ints | int) -> Ints:
        """The count-th working day before each working day; 0 gives the day itself."""
        moved: Ints = self._days[self._count[days - self._first] - 1 - np.asarray(count)]
        return moved

    def forward(self, days: Ints) -> Ints:
        """Each day itself if it is a working day, else the next one."""
        moved: Ints = np.where(self.is_working(days), days, self.add(days, 1))
        return moved

    def within(self, first: int, last: int) -> Ints:
        """The working days from first to last, both included."""
        chosen: Ints = self._days[(self._days >= first) & (self._days <= last)]
        return chosen
