"""Reporting periods: their labels, first and last days, neighbours and filing deadlines.

Labels are ``2025-03`` (month), ``2025Q1`` (quarter), ``2025H1`` (half-year) and ``2025`` (year). Put here:
calendar arithmetic of periods. Do not put here: who owes which period (filing) or windows of a KPI (dbt
models).
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal, get_args

from pipelines.contracts.errors import PeriodError

PeriodKind = Literal["month", "quarter", "half_year", "year"]

_MONTHS: dict[PeriodKind, int] = {"month": 1, "quarter": 3, "half_year": 6, "year": 12}
_LABEL = re.compile(r"(?P<year>[12]\d{3})(?:-(?P<month>0[1-9]|1[0-2])|Q(?P<quarter>[1-4])|H(?P<half>[12]))?")


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """One reporting period; periods of one kind sort by time.

    Attributes:
        start: first day.
        end: last day (inclusive).
        kind: month, quarter, half_year or year.
        label: the text that envelopes, rows and tables carry.
    """

    start: date
    end: date
    kind: PeriodKind
    label: str

    @classmethod
    def parse(cls, text: str) -> Period:
        """Period named by a label.

        Raises:
            PeriodError: the text is no label (labels are exact: no blanks, no other spellings).
        """
        match = _LABEL.fullmatch(text)
        if match is None:
            raise PeriodError(
                f"{text!r} names no reporting period; needed: a month as 2025-03, a quarter as 2025Q1, "
                "a half-year as 2025H1 or a year as 2025"
            )
        year = int(match["year"])
        if match["month"]:
            return cls._build("month", year, int(match["month"]))
        if match["quarter"]:
            return cls._build("quarter", year, int(match["quarter"]) * 3 - 2)
        if match["half"]:
            return cls._build("half_year", year, int(match["half"]) * 6 - 5)
        return cls._build("year", year, 1)

    @classmethod
    def containing(cls, kind: PeriodKind, day: date) -> Period:
        """The period of a kind in which a day lies."""
        if kind not in get_args(PeriodKind):
            raise PeriodError(
                f"{kind!r} is no kind of period; needed: one of {', '.join(get_args(PeriodKind))}"
            )
        span = _MONTHS[kind]
        return cls._build(kind, day.year, (day.month - 1) // span * span + 1)

    @classmethod
    def _build(cls, kind: PeriodKind, year: int, first_month: int) -> Period:
        last_month = first_month + _MONTHS[kind] - 1
        labels: dict[PeriodKind, str] = {
            "month": f"{year:04d}-{first_month:02d}",
            "quarter": f"{year:04d}Q{last_month // 3}",
            "half_year": f"{year:04d}H{last_month // 6}",
            "year": f"{year:04d}",
        }
        end = date(year, last_month, monthrange(year, last_month)[1])
        return cls(date(year, first_month, 1), end, kind, labels[kind])

    def __str__(self) -> str:
        """The label."""
        return self.label

    def contains(self, day: date) -> bool:
        """True if the day lies in the period, both ends included."""
        return self.start <= day <= self.end

    def months(self) -> tuple[Period, ...]:
        """The months of the period, in order; a month gives itself."""
        return tuple(
            Period._build("month", self.start.year, month)
            for month in range(self.start.month, self.end.month + 1)
        )

    def shift(self, steps: int) -> Period:
        """The period of the same kind ``steps`` later (earlier if negative)."""
        index = self.start.year * 12 + self.start.month - 1 + steps * _MONTHS[self.kind]
        return Period._build(self.kind, index // 12, index % 12 + 1)

    def within(self, kind: PeriodKind) -> Period:
        """The period of another kind in which this one ends, such as the quarter of a month."""
        return Period.containing(kind, self.end)


def filing_deadline(period: Period, deadline_days: int, is_working_day: Callable[[date], bool]) -> date:
    """Last day on which a filing of a period is on time.

    It is day ``deadline_days`` after the period's end (M+10 is the 10th of the next month, Q+12 the 12th of
    the month after the quarter), moved forward to the next working day if it is none.

    Args:
        period: the period filed.
        deadline_days: natural days after the period's last day, at least 1.
        is_working_day: usually :meth:`pipelines.contracts.working_days.WorkingDayCalendar.is_working_day`;
            its error for a day outside the calendar passes through.
    """
    if deadline_days < 1:
        raise ValueError(
            f"deadline_days is {deadline_days}; a deadline lies at least one day after the period"
        )
    day = period.end + timedelta(days=deadline_days)
    while not is_working_day(day):
        day += timedelta(days=1)
    return day
