"""Figures of the founding documents that can be computed: the shares and changes that the domain report derives.

Many of them state no counts; there the test proves what counts they allow.
"""

from __future__ import annotations

from decimal import Decimal
from itertools import count

import pytest

from tests.oracle.printed import decimals_of, growth, share
from tests.oracle.pub_harness import ORACLE, read_csv

SEEDS = read_csv(ORACLE / "seed_figures.csv")


def figure(seed: str, indicator: str, subject: str | None = None) -> str:
    """The one value of an indicator in a founding document."""
    (value,) = {
        row["value"]
        for row in SEEDS
        if (row["seed"], row["indicator"]) == (seed, indicator) and subject in {None, row["subject"]}
    }
    return value


def first_base(change: str) -> tuple[int, int]:
    """Smallest (base, count) whose change in per cent prints as given."""
    places = decimals_of(change)
    return next(
        (base, value)
        for base in count(1)
        for value in range(base)
        if growth(str(value), str(base), places) == Decimal(change)
    )


def first_total(pct: str) -> tuple[int, int]:
    """Smallest (total, count) whose share prints as given."""
    places = decimals_of(pct)
    return next(
        (total, part)
        for total in count(1)
        for part in range(total + 1)
        if share(str(part), str(total), places) == Decimal(pct)
    )


@pytest.mark.parametrize(
    ("subject", "base", "value"), [("益阳全部保险机构", 119, 74), ("太平洋人寿", 4, 1), ("中国人寿", 8, 1)]
)
def test_a_drop_is_first_possible_at(subject: str, base: int, value: int) -> None:
    change = figure("S0", "投诉量同比", subject)
    assert growth(str(value), str(base), decimals_of(change)) == Decimal(change)
    assert first_base(change) == (base, value)


def test_the_survey_share_is_first_possible_at_43_of_54() -> None:
    assert first_total(figure("S0", "问卷:态度与速度最重要")) == (54, 43)


def test_shares_of_the_41_institutions() -> None:
    institutions = figure("S0", "辖内保险机构")
    assert share(figure("S0", "建立首问台账机构"), institutions, 2) == Decimal("31.71")
    assert share(figure("S0", "未成立党支部"), institutions, 2) == Decimal("53.66")
    assert share(figure("S0", "主要负责人非党员"), institutions, 2) == Decimal("36.59")
    # 70 % without rules of their own is rounded in print: no number of institutions gives it.
    assert all(
        share(str(n), institutions, 0) != Decimal(figure("S0", "未出台具体操作规则")) for n in range(42)
    )
    assert (share("28", institutions, 2), share("29", institutions, 2)) == (
        Decimal("68.29"),
        Decimal("70.73"),
    )


def test_loss_recovered_from_black_market_surrenders() -> None:
    assert share(figure("S0", "挽回损失"), figure("S0", "涉及退保金额"), 2) == Decimal("29.95")


def test_screened_policies_that_were_cleared() -> None:
    assert share(figure("S1", "排除潜在风险保单"), figure("S1", "排查保单"), 2) == Decimal("13.55")


@pytest.mark.parametrize(
    ("part", "pct", "low", "high"),
    [("协会调解案件", "调解占投诉比", 1009, 1055), ("通融处理", "通融占比", 1017, 1050)],
)
def test_complaint_totals_that_two_shares_allow(part: str, pct: str, low: int, high: int) -> None:
    published = Decimal(figure("S1", pct))
    fitting = [total for total in range(1, 5000) if share(figure("S1", part), str(total), 0) == published]
    assert (fitting[0], fitting[-1]) == (low, high)


def test_surrender_differentials_of_the_year_before() -> None:
    value, change = figure("S1", "协议解约差额"), figure("S1", "协议解约差额同比")
    assert growth(value, "1021.6", 0) == Decimal(change)


@pytest.mark.parametrize("indicator", ["应审/实审", "意见/采纳"])
def test_full_coverage_is_printed_with_its_counts(indicator: str) -> None:
    done, required = figure("S1", indicator).split("/")
    assert share(done, required, 0) == 100


def test_two_thirds_were_truncated_not_rounded() -> None:
    assert share("2", "3", 1) == Decimal("66.7")
    assert figure("S1", "外勤四课参与率") == "66.6"
