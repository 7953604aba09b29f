"""What a median or a spread is read off: the values themselves, each with its institution.

Belongs here: the observations of a rate's median (institutions' printed rates), of a spread (institutions' own values)
and of a median over cases (days a case took), and taking the statistic from them again. Does not belong here: the
filings behind a value (`explanation`). What is taken again follows the models: values are rounded first, the middle of
two is rounded half up to 2 decimals (E11).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import duckdb

#: Endings of a median's `dimension_value`, and whether institutions without a case are among its values.
POPULATIONS = {"incl_zero": True, "excl_zero": False}
_CENT = Decimal("0.01")


@dataclass(slots=True)
class Observation:
    """One value that a statistic is read off, or would be.

    Attributes:
        org_code: institution; of a median over cases its value is the median of its own cases.
        numerator: of the value (None: it has none).
        denominator: of the value; of cases their number.
        is_used: it is among the values.
        why_not: why it is not, Chinese and English; None if it is.
    """

    org_code: str
    value: Decimal | None
    numerator: Decimal | None
    denominator: Decimal | None
    is_used: bool
    why_not: str | None


@dataclass(slots=True)
class Statistic:
    """A median, minimum or maximum and the values it is read off.

    Attributes:
        name: median, min or max.
        n_values: how many values: institutions, or cases.
        value: taken again from the observations; None without any.
        agrees: it is the printed value.
    """

    name: str
    n_values: int
    value: Decimal | None
    agrees: bool
    observations: list[Observation]


def of_institutions(name: str, observations: list[Observation], printed: Decimal | None) -> Statistic:
    """A statistic over one value an institution."""
    values = sorted(one.value for one in observations if one.is_used and one.value is not None)
    taken = {"median": median, "min": _first, "max": _last}[name](values)
    return Statistic(name, len(values), taken, taken == printed, observations)


def of_cases(con: duckdb.DuckDBPyConnection, missing: Sequence[str], printed: Decimal | None) -> Statistic:
    """The median over the cases of `counted_row`, whose amount is a case's value.

    Args:
        con: holds the temp table of `explanation`.
        missing: institutions of the group whose filing is missing.
        printed: the printed median.
    """
    counts: dict[str, list[Decimal]] = {}
    for org, amount, times in con.execute(
        "SELECT reporter_code, amount, count(*) FROM counted_row GROUP BY ALL ORDER BY ALL"
    ).fetchall():
        counts.setdefault(org, []).extend([amount] * times)
    everybody = sorted(value for values in counts.values() for value in values)
    observations = [
        Observation(org, median(values), None, Decimal(len(values)), is_used=True, why_not=None)
        for org, values in sorted(counts.items())
    ] + [Observation(org, None, None, None, is_used=False, why_not=_WHY["MISSING"]) for org in missing]
    taken = median(everybody)
    return Statistic("median", len(everybody), taken, taken == printed, observations)


def rates(
    con: duckdb.DuckDBPyConnection,
    rate: tuple[str, str, str],
    window: tuple[str, str],
    insurer_type: str | None,
    *,
    with_zero: bool,
) -> list[Observation]:
    """Printed rates of the institutions of a group, and which of them the median is of.

    Args:
        con: a database with `kpi.kpi_values`.
        rate: KPI, dimension and value of it.
        window: period type and period.
        insurer_type: the group; None: all of the bureau.
        with_zero: institutions without a case are among the values.
    """
    found = con.execute(
        """
        SELECT org_code, value, numerator, denominator, status FROM kpi.kpi_values
        WHERE kpi_id = ? AND dimension = ? AND dimension_value = ? AND period_type = ? AND period = ?
            AND grain = 'insurer' AND basis = 'current' AND insurer_type = coalesce(?, insurer_type)
        ORDER BY value NULLS LAST, org_code""",
        [*rate, *window, insurer_type],
    ).fetchall()
    return [
        _observation(org, value, numerator, denominator, status, with_zero=with_zero)
        for org, value, numerator, denominator, status in found
    ]


def _observation(
    org: str,
    value: Decimal | None,
    numerator: Decimal | None,
    denominator: Decimal | None,
    status: str,
    *,
    with_zero: bool,
) -> Observation:
    why = None
    if value is None:
        why = next((text for flag, text in _WHY.items() if flag in status.split("|")), status)
    elif numerator == 0 and not with_zero:
        why = _WHY["NO_CASE"]
    return Observation(org, value, numerator, denominator, is_used=why is None, why_not=why)


def own_values(
    con: duckdb.DuckDBPyConnection,
    series: dict[str, Any],
    window_id: int | None,
    members: Iterable[dict[str, Any]],
) -> list[Observation]:
    """Values of a spread: numerator / denominator x scale of every institution of the group that states one."""
    found = {
        org: (numerator, denominator)
        for org, numerator, denominator in con.execute(
            "SELECT group_key, numerator, denominator FROM intermediate.kpi_operands "
            "WHERE series_no = ? AND window_id = ? AND grain = 'insurer' AND basis = 'current'",
            [series["series_no"], window_id],
        ).fetchall()
    }
    observations = []
    for one in members:
        org = str(one["org_code"])
        numerator, denominator = found.get(org, (None, None))
        if not one["is_complete"]:
            observations.append(Observation(org, None, None, None, is_used=False, why_not=_WHY["MISSING"]))
        elif not denominator:
            observations.append(
                Observation(org, None, numerator, denominator, is_used=False, why_not=_WHY["ZERO_DEN"])
            )
        else:
            value = rounded(numerator * series["scale"], denominator)
            observations.append(Observation(org, value, numerator, denominator, is_used=True, why_not=None))
    return sorted(observations, key=lambda one: (one.value is None, one.value or 0, one.org_code))


def median(values: Sequence[Decimal]) -> Decimal | None:
    """The middle of sorted values, or half the sum of the two, half up at 2 decimals."""
    if not values:
        return None
    count = len(values)
    return rounded(values[(count - 1) // 2] + values[count // 2], Decimal(2))


def rounded(numerator: Decimal, denominator: Decimal) -> Decimal:
    """A quotient at 2 decimals, half away from zero."""
    return (Decimal(numerator) / Decimal(denominator)).quantize(_CENT, ROUND_HALF_UP)


def _first(values: Sequence[Decimal]) -> Decimal | None:
    return values[0] if values else None


def _last(values: Sequence[Decimal]) -> Decimal | None:
    return values[-1] if values else None


_WHY = {
    "MISSING": "缺报 report missing (E7)",
    "ZERO_DEN": "分母为零或未填报 no denominator (E1)",
    "NO_CASE": "无投诉，本变体不计 no case: left out of this variant",
}
