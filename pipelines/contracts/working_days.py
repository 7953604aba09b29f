"""The working-day calendar: which days count, and arithmetic over them.

The days are data (``data/calendar/working_days.csv``: day, is_working_day, note), frozen from the holiday
notices of the State Council as the package chinesecalendar carries them, so that a limit computed today is
computed the same in five years. Until the notice for a year is out its days are provisional: weekends and the
holidays of 《全国年节及纪念日放假办法》 (国务院令第795号, articles 2 and 6, days lost to a weekend made good on the
working days that follow), no make-up weekends; their notes begin with 暂定, and who relies on them says so. When
the notice comes its days replace them. Put here: look-ups over that file. Do not put here: filing deadlines
(:func:`pipelines.contracts.periods.filing_deadline`) or the SQL form of the same look-ups
(:mod:`pipelines.contracts.predicates`).
"""

from __future__ import annotations

import csv
from bisect import bisect_left
from collections.abc import Iterable
from datetime import date, timedelta
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from pipelines.contracts.errors import CalendarFileError, CalendarRangeError

_FIELDS = ["day", "is_working_day", "note"]
_PROVISIONAL = "暂定"
_TRUTH = {"true": True, "false": False}


class WorkingDayCalendar:
    """Working days of an unbroken range of dates, ``first_day`` to ``last_day``.

    ``provisional_from`` is the first day that no holiday notice fixes yet; None if all are fixed.
    """

    def __init__(
        self,
        days: Iterable[tuple[date, bool]],
        source: str = "working-day calendar",
        provisional_from: date | None = None,
    ) -> None:
        """Build a calendar from its days.

        Args:
            days: pairs (day, is working day) in order, without gaps.
            source: what to call the calendar in messages, usually its file.
            provisional_from: first day not yet fixed by a holiday notice.

        Raises:
            CalendarFileError: no days, or a gap, or a day out of order.
        """
        listed = list(days)
        if not listed:
            raise CalendarFileError(f"{source} lists no day; needed: one line per day, without gaps")
        for (before, _), (after, _) in pairwise(listed):
            if after - before != timedelta(days=1):
                raise CalendarFileError(
                    f"{source}: after {before} comes {after}; needed: every day once and in order. "
                    "Restore the file."
                )
        self.first_day = listed[0][0]
        self.last_day = listed[-1][0]
        self.provisional_from = provisional_from
        self._source = source
        self._is_working = [working for _, working in listed]
        self._working_days = [day for day, working in listed if working]

    def is_working_day(self, day: date) -> bool:
        """True on a working day, make-up days (调休上班) included.

        Raises:
            CalendarRangeError: the day lies outside the calendar.
        """
        return self._is_working[self._index(day)]

    def working_day_no(self, day: date) -> int:
        """Number of working days from the calendar's first day up to and including this day.

        Raises:
            CalendarRangeError: the day lies outside the calendar.
        """
        self._index(day)
        position = bisect_left(self._working_days, day)
        found = position < len(self._working_days) and self._working_days[position] == day
        return position + 1 if found else position

    def add_working_days(self, day: date, count: int) -> date:
        """The ``count``-th working day after a day; the day itself is never counted.

        Raises:
            CalendarRangeError: the day or the result lies outside the calendar.
            ValueError: count is less than 1.
        """
        if count < 1:
            raise ValueError(f"count is {count}; needed: at least one (roll_forward adds no working day)")
        position = self.working_day_no(day) + count - 1
        if position >= len(self._working_days):
            raise CalendarRangeError(f"{count} working days after {day} lie beyond {self._extent()}")
        return self._working_days[position]

    def roll_forward(self, day: date) -> date:
        """The day itself if it is a working day, else the next one.

        Raises:
            CalendarRangeError: the day or the result lies outside the calendar.
        """
        if self.is_working_day(day):
            return day
        return self.add_working_days(day, 1)

    def _index(self, day: date) -> int:
        if not self.first_day <= day <= self.last_day:
            raise CalendarRangeError(f"{day} lies outside {self._extent()}")
        return (day - self.first_day).days

    def _extent(self) -> str:
        return (
            f"the calendar {self._source} ({self.first_day} to {self.last_day}). To extend it, append one "
            "line per day (day,is_working_day,note) from the State Council's holiday notice of the year"
        )


def load_working_days(path: Path | None = None) -> WorkingDayCalendar:
    """The calendar of a CSV file; read once per file and process.

    Args:
        path: the file; by default ``data/calendar/working_days.csv`` of the project.

    Raises:
        CalendarFileError: the file is missing, has other columns, an unreadable line or a gap.
    """
    return _load((path or default_calendar_path()).resolve())


def default_calendar_path() -> Path:
    """``data/calendar/working_days.csv`` of the checkout or of the installed package."""
    from pipelines.settings import project_root

    return project_root() / "data" / "calendar" / "working_days.csv"


@lru_cache(maxsize=8)
def _load(path: Path) -> WorkingDayCalendar:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            if reader.fieldnames != _FIELDS:
                raise CalendarFileError(
                    f"{path}: the columns are {reader.fieldnames}; needed: {','.join(_FIELDS)}. "
                    "Restore the file."
                )
            rows = list(reader)
            days = [_read(path, row) for row in rows]
            provisional = (day for (day, _), row in zip(days, rows, strict=True) if _is_provisional(row))
            return WorkingDayCalendar(days, str(path.name), next(provisional, None))
    except FileNotFoundError as error:
        raise CalendarFileError(
            f"no working-day calendar at {path}; it is part of the project (data/calendar): restore it"
        ) from error


def _read(path: Path, row: dict[str, str]) -> tuple[date, bool]:
    try:
        return date.fromisoformat(row["day"]), _TRUTH[row["is_working_day"]]
    except (KeyError, ValueError) as error:
        raise CalendarFileError(
            f"{path}: the line {row} cannot be read; needed: day as YYYY-MM-DD, is_working_day as true "
            "or false"
        ) from error


def _is_provisional(row: dict[str, str]) -> bool:
    return (row["note"] or "").startswith(_PROVISIONAL)
