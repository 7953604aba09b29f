"""Schedules: a refresh on the morning after each filing deadline, and the notices of every working day.

A deadline that falls on a holiday moves to the next working day, which no cron expression can say. So the
cron covers the mornings on which the deadline may lie behind, and the evaluation asks the working-day
calendar.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

import dagster as dg

from pipelines.contracts.model import Form
from pipelines.contracts.periods import Period, PeriodKind, filing_deadline
from pipelines.contracts.working_days import load_working_days
from pipelines.orchestration.assets import NOTICES
from pipelines.orchestration.jobs import NOTIFY, REFRESH
from pipelines.settings import TIMEZONE

_LONGEST_ROLL = 12
"""Days by which a deadline may move; the longest holiday of the calendar has nine."""


def deadline_schedules(forms: Iterable[Form]) -> list[dg.ScheduleDefinition]:
    """One schedule per frequency and deadline in use; event forms have none."""
    deadlines: dict[tuple[str, int], list[str]] = {}
    for form in forms:
        if form.deadline_days is not None and form.frequency in ("monthly", "quarterly"):
            deadlines.setdefault((form.frequency, form.deadline_days), []).append(form.code)
    return [_schedule(frequency, days, codes) for (frequency, days), codes in sorted(deadlines.items())]


def due_period(kind: PeriodKind, deadline_days: int, today: date) -> Period | None:
    """The period whose deadline was yesterday, or None."""
    period = Period.containing(kind, today).shift(-1)
    deadline = filing_deadline(period, deadline_days, load_working_days().is_working_day)
    return period if deadline == today - timedelta(days=1) else None


def notices_schedule() -> dg.ScheduleDefinition:
    """The job `notify` at 08:00 of each working day, as of that moment: chasing goes on when nobody files."""

    @dg.schedule(
        name="notices_of_the_day",
        cron_schedule="0 8 * * *",
        job_name=NOTIFY,
        execution_timezone=TIMEZONE,
        description="08:00 of each working day: reminders and notices of missing filings.",
    )
    def notices_of_the_day(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        moment = context.scheduled_execution_time
        if not load_working_days().is_working_day(moment.date()):
            return dg.SkipReason(f"{moment.date()} is no working day")
        at = moment.replace(tzinfo=None).isoformat(timespec="seconds")
        return dg.RunRequest(
            run_key=f"notices-{at}",
            run_config={"ops": {NOTICES.path[-1]: {"config": {"at": at}}}},
            tags={"xiaobao/cause": "notices"},
        )

    return notices_of_the_day


def _schedule(frequency: str, deadline_days: int, codes: list[str]) -> dg.ScheduleDefinition:
    kind: PeriodKind = "quarter" if frequency == "quarterly" else "month"
    months = "1,4,7,10" if frequency == "quarterly" else "*"

    @dg.schedule(
        name=f"after_{frequency}_deadline_day_{deadline_days}",
        cron_schedule=f"0 6 {deadline_days + 1}-{min(deadline_days + _LONGEST_ROLL, 28)} {months} *",
        job_name=REFRESH,
        execution_timezone=TIMEZONE,
        description=f"06:00 after the deadline of {', '.join(codes)} (day {deadline_days} or later).",
    )
    def after_deadline(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        today = context.scheduled_execution_time.date()
        period = due_period(kind, deadline_days, today)
        if period is None:
            return dg.SkipReason(f"{today - timedelta(days=1)} was not the deadline of {', '.join(codes)}")
        return dg.RunRequest(
            run_key=f"{frequency}-{deadline_days}-{period.label}",
            tags={"xiaobao/cause": "deadline", "xiaobao/period": period.label},
        )

    return after_deadline
