"""Partitions: reporting periods, and nothing else. Insurers are rows, never partitions.

Monthly forms have keys as their period labels (`2025-03`). A quarterly form's key is the first month of the
quarter with `-Q` (`2025-01-Q` is the period 2025Q1), because Dagster writes keys of time windows with
strftime, which knows no quarters. A time window grows by itself when a period ends; a fixed list would need a
restart of the daemon.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import dagster as dg

from pipelines.contracts.model import Form
from pipelines.contracts.periods import Period
from pipelines.settings import TIMEZONE

_QUARTER_KEY = re.compile(r"(?P<month>\d{4}-\d{2})-Q")


def monthly_partitions(first_month: str) -> dg.TimeWindowPartitionsDefinition:
    """Months from `first_month` (YYYY-MM) to the last one that has ended, on the bureau's clock."""
    return dg.TimeWindowPartitionsDefinition(
        start=first_month, fmt="%Y-%m", cron_schedule="0 0 1 * *", timezone=TIMEZONE
    )


def quarterly_partitions(first_month: str) -> dg.TimeWindowPartitionsDefinition:
    """Quarters from the one that holds `first_month` to the last one that has ended."""
    first_quarter = Period.parse(first_month).within("quarter")
    return dg.TimeWindowPartitionsDefinition(
        start=partition_key(first_quarter.label),
        fmt="%Y-%m-Q",
        cron_schedule="0 0 1 1,4,7,10 *",
        timezone=TIMEZONE,
    )


def partitions_of(form: Form, first_month: str) -> dg.TimeWindowPartitionsDefinition | None:
    """The form's partitions; None for printed figures, which nobody files by period."""
    if form.side == "official":
        return None
    return (
        quarterly_partitions(first_month)
        if form.frequency == "quarterly"
        else monthly_partitions(first_month)
    )


def partition_key(period: str) -> str:
    """Key of a period label.

    Raises:
        PeriodError: the text is no period label.
    """
    parsed = Period.parse(period)
    return f"{parsed.months()[0].label}-Q" if parsed.kind == "quarter" else parsed.label


def period_of(key: str) -> str:
    """Period label of a partition key."""
    match = _QUARTER_KEY.fullmatch(key)
    return Period.parse(match["month"]).within("quarter").label if match else key


def periods_of(keys: Iterable[str]) -> list[str]:
    """Period labels of partition keys, in the same order."""
    return [period_of(key) for key in keys]
