"""What the insurers sell: the cells of branch, line and channel, their size through the year, and the F06
rows.

Put here: shares of lines and channels by class, seasons, growth, what a merger or an opening does to volumes,
and the monthly denominators. Do not put here: single policies, calls or complaints; they are drawn from these
cells.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from pipelines.contracts.periods import Period
from pipelines.samples.randomness import Floats, Ints, chance, enum_series, pick, stream
from pipelines.samples.registry import CLASSES, Registry
from pipelines.samples.vocabulary import CHANNELS, LINES, LONG_TERM_LINES, weights
from pipelines.samples.volumes import rows_per_month

LIFE_CLASSES = ("L", "H", "A")
"""Classes that call policyholders back (F04, F05) and count person-times."""

_LINE_SHARES = {
    "P": {
        "机动车辆": 0.52,
        "保证": 0.05,
        "责任": 0.07,
        "企财": 0.05,
        "家财": 0.03,
        "农业": 0.06,
        "意外": 0.09,
        "短期健康": 0.08,
        "退货运费": 0.005,
        "财产险其他": 0.045,
    },
    "L": {
        "普通寿险": 0.22,
        "分红": 0.20,
        "万能": 0.06,
        "投连": 0.01,
        "疾病": 0.19,
        "医疗": 0.13,
        "护理失能": 0.02,
        "意外": 0.07,
        "年金": 0.10,
    },
    "H": {"疾病": 0.35, "医疗": 0.45, "护理失能": 0.10, "意外": 0.10},
    "A": {"年金": 0.60, "普通寿险": 0.25, "意外": 0.15},
    "M": {"农业": 0.50, "家财": 0.20, "意外": 0.30},
}
_CHANNEL_SHARES = {
    "P": {
        "个人代理": 0.22,
        "专业代理": 0.22,
        "直销柜面": 0.17,
        "电销": 0.12,
        "互联网自营": 0.07,
        "互联网第三方": 0.09,
        "经纪": 0.08,
        "其他": 0.03,
    },
    "L": {
        "个人代理": 0.46,
        "银邮代理": 0.24,
        "专业代理": 0.05,
        "经纪": 0.05,
        "电销": 0.05,
        "互联网自营": 0.04,
        "互联网第三方": 0.05,
        "直销柜面": 0.02,
        "团险": 0.04,
    },
    "H": {"个人代理": 0.30, "互联网第三方": 0.30, "互联网自营": 0.10, "团险": 0.20, "经纪": 0.10},
    "A": {"个人代理": 0.35, "银邮代理": 0.35, "团险": 0.30},
    "M": {"个人代理": 0.50, "直销柜面": 0.30, "互联网自营": 0.20},
}
_INTERNET_CHANNELS = {"互联网自营": 0.45, "互联网第三方": 0.55}
_COMPLAINT_TILT = {
    "保证": 2.2,
    "机动车辆": 1.1,
    "农业": 0.4,
    "分红": 1.3,
    "万能": 1.6,
    "投连": 1.5,
    "疾病": 1.2,
}
_AVERAGE_PREMIUM = {
    "机动车辆": 2_600,
    "保证": 1_900,
    "责任": 1_200,
    "企财": 3_800,
    "家财": 160,
    "农业": 90,
    "意外": 110,
    "短期健康": 210,
    "退货运费": 2,
    "财产险其他": 800,
    "普通寿险": 5_200,
    "分红": 14_000,
    "万能": 18_000,
    "投连": 30_000,
    "疾病": 4_600,
    "医疗": 780,
    "护理失能": 2_100,
    "年金": 21_000,
}
"""Yuan a new policy pays in its first year."""
_SEASON = {
    "P": (1.10, 0.85, 1.02, 0.98, 0.99, 1.04, 0.96, 0.97, 1.00, 0.98, 1.02, 1.09),
    "life": (1.75, 1.05, 1.20, 0.85, 0.85, 1.05, 0.80, 0.82, 0.90, 0.85, 0.88, 1.00),
}
_COMPLAINT_SEASON = (0.90, 0.80, 1.12, 1.02, 1.04, 1.06, 1.05, 1.03, 1.00, 0.96, 1.02, 1.00)
_COMPLAINT_TREND = 0.994
"""Complaints fall by this factor a month, as the bulletins like to print."""
_NEWCOMER_RAMP = 9
"""Months a newcomer needs to reach its full size."""
_NOTES = ("按签单口径统计", "含批改与退费", "口径说明见㐂号文", "𠮷庆网点并入本机构统计", "不含分入业务")
"""Notes on the basis; the third and fourth hold characters outside the GBK repertoire."""
_NEGATIVE_SHARE = 0.0008
_ANNUAL = 12


@dataclass(frozen=True, slots=True)
class Market:
    """The cells of branch x line x channel of all insurers; every array has one element per cell.

    Attributes:
        registry: the institutions.
        scale: size of the market (1 is a city).
        reporter: index of the insurer.
        branch: position of the branch in the registry.
        line: position in ``LINES``.
        channel: position in ``CHANNELS``.
        business: share of the market's business of its kind.
        complaints: share of all complaints.
        stock: policies in force at the start.
        note: position of the note on the basis, -1 for none.
        months: the months covered.
    """

    registry: Registry
    scale: float
    reporter: Ints
    branch: Ints
    line: Ints
    channel: Ints
    business: Floats
    complaints: Floats
    stock: Ints
    note: Ints
    months: tuple[Period, ...]

    @property
    def is_life(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """True for cells of insurers that call back."""
        found: np.ndarray[tuple[int], np.dtype[np.bool_]] = _life_reporters(self.registry)[self.reporter]
        return found

    @property
    def is_long_term(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """True for cells whose new policies run longer than a year and are called back."""
        lines = np.asarray([LINES.index(line) for line in LONG_TERM_LINES])
        return self.is_life & np.isin(self.line, lines)

    def activity(self, month: int) -> Floats:
        """Factor per insurer: 0 before opening and after merging, rising for a newcomer, more for an heir."""
        registry = self.registry
        factor = np.ones(len(registry.insurers))
        newcomer, gone = registry.newcomer(), registry.merged()
        if newcomer is not None and registry.opening_month is not None:
            age = month - registry.opening_month
            factor[newcomer.index] = 0.0 if age < 0 else min(1.0, (age + 2) / _NEWCOMER_RAMP)
        if gone is not None and registry.merger_month is not None and month >= registry.merger_month:
            heir = registry.insurers[gone.successor or 0]
            factor[gone.index] = 0.0
            factor[heir.index] = 1.0 + gone.premium_share / heir.premium_share
        return factor

    def business_rate(self, month: int) -> Floats:
        """Relative business of each cell in a month: share x activity x season."""
        calendar_month = self.months[month].start.month - 1
        season = np.where(self.is_life, _SEASON["life"][calendar_month], _SEASON["P"][calendar_month])
        rate: Floats = self.business * self.activity(month)[self.reporter] * season
        return rate

    def complaint_rate(self, month: int) -> Floats:
        """Relative complaints of each cell in a month, 1 in sum over an average month of a full market."""
        season = _COMPLAINT_SEASON[self.months[month].start.month - 1] * _COMPLAINT_TREND**month
        rate: Floats = self.complaints * self.activity(month)[self.reporter] * season
        return rate


def _life_reporters(registry: Registry) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.asarray([one.insurer_class in LIFE_CLASSES for one in registry.insurers])


def build(seed: int, registry: Registry, months: tuple[Period, ...], scale: float) -> Market:
    """Choose each insurer's cells: its largest branch x line x channel combinations, as F06 volume allows."""
    rng = stream(seed, "market")
    # A little more than asked, because the small classes have fewer combinations than their share.
    wanted = rows_per_month("F06", scale) * 1.08
    sizes = np.asarray([one.premium_share for one in registry.insurers]) ** 0.4
    quota = np.maximum(6, np.round(wanted * sizes / sizes.sum())).astype(np.int64)
    parts: list[tuple[Ints, Ints, Ints, Ints, Floats, Floats]] = []
    shares = registry.branch_share
    owners = registry.branch_insurer
    for insurer in registry.insurers:
        lines = np.asarray(weights(LINES, _LINE_SHARES[insurer.insurer_class]))
        channel_table = (
            _INTERNET_CHANNELS if insurer.internet_only else _CHANNEL_SHARES[insurer.insurer_class]
        )
        channels = np.asarray(weights(CHANNELS, channel_table))
        branches = np.flatnonzero(owners == insurer.index)
        weight = shares[branches][:, None, None] * lines[None, :, None] * channels[None, None, :]
        weight = weight * rng.lognormal(0.0, 0.45, weight.shape)
        flat = weight.ravel()
        keep = min(int(quota[insurer.index]), int(np.count_nonzero(flat)))
        chosen = np.sort(np.argsort(-flat, kind="stable")[:keep])
        branch, line, channel = np.unravel_index(chosen, weight.shape)
        share = flat[chosen] / flat[chosen].sum()
        tilt = np.asarray([_COMPLAINT_TILT.get(name, 1.0) for name in LINES])[line]
        grievance = share**0.85 * tilt
        parts.append(
            (
                np.full(keep, insurer.index, dtype=np.int64),
                branches[branch].astype(np.int64),
                line.astype(np.int64),
                channel.astype(np.int64),
                share * insurer.premium_share,
                grievance / grievance.sum() * insurer.complaint_share,
            )
        )
    reporter, branch_all, line_all, channel_all, business, complaints = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    cells = reporter.size
    note = np.where(chance(rng, cells, 0.06), pick(rng, cells, (5, 4, 2, 1, 3)), -1)
    market = Market(
        registry=registry,
        scale=scale,
        reporter=reporter,
        branch=branch_all,
        line=line_all,
        channel=channel_all,
        business=business,
        complaints=complaints,
        stock=np.zeros(cells, dtype=np.int64),
        note=note,
        months=months,
    )
    yearly = _expected_policies(market, market.business) * _ANNUAL
    years = np.where(market.is_long_term, rng.uniform(1.5, 3.5, cells), rng.uniform(0.85, 1.0, cells))
    stock = np.maximum(1, np.round(yearly * years)).astype(np.int64)
    return Market(**{**{name: getattr(market, name) for name in Market.__slots__}, "stock": stock})


def long_term_policies(market: Market) -> float:
    """New long-term policies of the whole market in an average month: those that are called back."""
    return rows_per_month("F04", market.scale) * _NEW_CALL_BACKS


_NEW_CALL_BACKS = 0.76
"""Share of F04 rows that are new policies of the month; the others are carried over or of other types."""


def _expected_policies(market: Market, rate: Floats) -> Floats:
    """Expected new policies of each cell in a month with the given relative business.

    Long-term policies are as many as are called back. The others follow from the same premium per share of
    business, so cheap lines sell more pieces.
    """
    average = np.asarray([_AVERAGE_PREMIUM[line] for line in LINES])[market.line]
    long_term = market.is_long_term
    share = (market.business * long_term).sum()
    called = rate / share * long_term_policies(market)
    premium_per_share = (market.business * long_term * average).sum() / share**2 * long_term_policies(market)
    expected: Floats = np.where(long_term, called, rate * premium_per_share / average)
    return expected


def policies(market: Market, seed: int, month: int) -> Ints:
    """New policies of each cell in a month."""
    rng = stream(seed, "policies", month)
    drawn: Ints = rng.poisson(_expected_policies(market, market.business_rate(month)))
    return drawn


class Denominators:
    """F06 month by month; remembers the premium of the year so far, so months must be asked for in order."""

    def __init__(self, market: Market, seed: int) -> None:
        """No premium has been written yet."""
        self._market = market
        self._seed = seed
        self._year_to_date: Ints = np.zeros(market.reporter.size, dtype=np.int64)

    def month(self, month: int, new_policies: Ints) -> pl.DataFrame:
        """F06 rows of a month (money in fen): one per cell of the insurers that file, no common header."""
        market, period = self._market, self._market.months[month]
        rng = stream(self._seed, "denominators", month)
        cells = market.reporter.size
        if period.start.month == 1:
            self._year_to_date[:] = 0
        average = np.asarray([_AVERAGE_PREMIUM[line] for line in LINES])[market.line]
        active = market.activity(month)[market.reporter]
        # Policies of one year and less are renewed as new ones; the others go on paying, a twelfth of them a
        # month.
        paying = np.where(market.is_long_term, rng.uniform(0.04, 0.055, cells), 0.0)
        renewed = market.stock * active * average * paying
        yuan = new_policies * average * rng.lognormal(0.0, 0.18, cells) + renewed
        yuan = np.where(chance(rng, cells, _NEGATIVE_SHARE), -rng.uniform(100, 6_000, cells), yuan)
        premium = np.round(yuan * 100).astype(np.int64)
        self._year_to_date += premium
        growth = 1 + 0.002 * month + rng.uniform(-0.004, 0.004, cells)
        in_force = np.maximum(0, np.round(market.stock * active * growth)).astype(np.int64) + new_policies
        is_life = market.is_life
        persons = np.where(is_life, new_policies + rng.poisson(new_policies * 0.12), -1)
        filed = np.asarray([one.owes(period) for one in market.registry.insurers])[market.reporter]
        frame = pl.DataFrame(
            {
                "reporter": market.reporter,
                "branch": market.branch,
                "line_code": enum_series(LINES, market.line),
                "sales_channel": enum_series(CHANNELS, market.channel),
                "premium": premium,
                "premium_ytd": self._year_to_date.copy(),
                "policies_new": new_policies,
                "policies_in_force": in_force,
                "person_times": persons,
                "long_term_new": np.where(market.is_long_term, new_policies, np.where(is_life, 0, -1)),
                "basis_note": enum_series(_NOTES, market.note),
            }
        ).with_columns(
            pl.when(pl.col(name) >= 0).then(pl.col(name)).otherwise(None).alias(name)
            for name in ("person_times", "long_term_new")
        )
        return frame.filter(pl.Series(filed))


def classes_of(registry: Registry) -> Ints:
    """Position in ``CLASSES`` of each insurer's class."""
    return np.asarray([CLASSES.index(one.insurer_class) for one in registry.insurers], dtype=np.int64)
