"""How many rows a month brings at a given size of market.

Put here: the three measured points of each form (a city, a province, the nation; domain book §5) and the
curve through them. Do not put here: how rows are shared among insurers (market).
"""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, log
from types import MappingProxyType

CITY, PROVINCE, NATION = 1.0, 20.0, 600.0
"""Sizes of market: multiples of a city's complaints; other forms grow as the points below say."""

_ROWS_PER_MONTH: Mapping[str, tuple[float, float, float]] = MappingProxyType(
    {
        "F01": (250, 5_000, 150_000),
        "F02": (600, 12_000, 350_000),
        "F03": (50, 1_100, 30_000),
        "F04": (9_000, 120_000, 3_000_000),
        "F05": (500, 6_000, 150_000),
        "F06": (3_000, 15_000, 450_000),
        "F07": (50, 700, 20_000),
        "F09": (3, 60, 2_000),
        "F10": (60, 900, 25_000),
        "F12": (150, 3_500, 110_000),
        "F13": (60, 1_000, 30_000),
        "R01": (20, 450, 14_000),
    }
)


def rows_per_month(form: str, scale: float) -> float:
    """Rows all insurers together file in a month: log-log interpolation through city (1), province (20),
    nation (600).

    Raises:
        ValueError: the scale is not positive.
    """
    if scale <= 0:
        raise ValueError(
            f"scale is {scale}; needed: a positive number (1 is a city, 20 a province, 600 the nation)"
        )
    city, province, nation = _ROWS_PER_MONTH[form]
    if scale <= CITY:
        return city * scale
    low, high = (
        ((CITY, city), (PROVINCE, province))
        if scale <= PROVINCE
        else ((PROVINCE, province), (NATION, nation))
    )
    slope = log(high[1] / low[1]) / log(high[0] / low[0])
    return low[1] * exp(slope * log(scale / low[0]))
