"""The published figures that do not add up: the only failures the oracle's tests accept, each with its reason.

One entry per line of the domain report's list (published tables that do not add up); the restatement of 2021Q1 has two,
its base (AGG-A04) and that the companies of the same bulletin keep the old one (AGG-A07). Beside them, `UNSTATED` are
the medians without a population and the lists without a rule. Those filed as form PUB stand in the seed
`official_explained_failures` as well, which the models read; a test holds the two together. The list's line on the
12378 hotline (answer rate up to June 2013, 91.75 against 91.70) has no entry: the oracle carries no calls of that
window, so nothing can be computed here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.oracle.pub_harness import committed_figures


@dataclass(frozen=True, slots=True)
class ExplainedFailure:
    """A failure that is known: which rule tells it, of which figure, what is computed, what is published, and why.

    Attributes:
        rule_code: AGG rule that fails.
        subject: the figure, as the checks of `test_published_figures` name it.
        computed: from the published figures, at the printed decimals.
        published: as printed.
        reason: why, in one sentence.
        figure_id: its id where it is filed as form PUB, else None.
    """

    rule_code: str
    subject: str
    computed: str
    published: str
    reason: str
    figure_id: str | None = None


EXPLAINED_FAILURES = (
    ExplainedFailure(
        "AGG-A04", "2021Q2 total qoq", "24.05", "31.43", "base restated to about 35,764 (-2,128) without notice",
        "2021Q2|全国|total|all|-|-|件",
    ),
    ExplainedFailure(
        "AGG-A04", "2021Q2 property qoq", "26.41", "31.58", "base restated to about 14,929 (-610) without notice",
        "2021Q2|全国|total|property|-|-|件",
    ),
    ExplainedFailure(
        "AGG-A04", "2021Q2 life qoq", "22.41", "31.33", "base restated to about 20,835 (-1,518) without notice; "
        "company rates of the same bulletin use the old base",
        "2021Q2|全国|total|life|-|-|件",
    ),
    ExplainedFailure(
        "AGG-A07", "2021Q2 total qoq vintage", "24.05", "31.43",
        "the total uses a restated base, all 13 testable companies the one published in May",
        "2021Q2|全国|total|all|-|-|件",
    ),
    ExplainedFailure(
        "AGG-A07", "2021Q2 property qoq vintage", "26.41", "31.58",
        "the aggregate uses a restated base, all ten companies the one published in May",
        "2021Q2|全国|total|property|-|-|件",
    ),
    ExplainedFailure(
        "AGG-A07", "2021Q2 life qoq vintage", "22.41", "31.33",
        "the aggregate uses a restated base, the three companies with a printed base the one published in May",
        "2021Q2|全国|total|life|-|-|件",
    ),
    ExplainedFailure(
        "AGG-A04", "2021Q3 total yoy", "10.60", "18.35", "base restated to about 34,346 (-2,408); secondary source",
        "2021Q3|全国|total|all|-|-|件",
    ),
    ExplainedFailure(
        "AGG-A04", "2013H1 matters_total yoy", "57.13", "54.78", "2012H1 raised from 6,651 to about 6,752",
        "2013H1|全国|total|all|-|-|个",
    ),
    ExplainedFailure(
        "AGG-A04", "2017 cases_internet yoy", "150.03", "63.05", "base about 2,639; the 1,721 quoted has another scope",
        "2017|全国|internet|all|合计|-|件",
    ),
    ExplainedFailure(
        "AGG-A05", "2022Q4 安达保险 per_100m_premium", "众惠相互保险 1085件", "430.41",
        "the row almost certainly carries the wrong name in the official text",
        "2022Q4|全国|rate|property|per_100m_premium|安达保险|件/亿元",
    ),
    ExplainedFailure(
        "AGG-A02", "評議中心 2025Q2 申訴 銀行", "23.53", "23.43", "typo in the news; the parts add up",
    ),
    ExplainedFailure(
        "AGG-A01", "金融ADR FY2020H1 既済", "3272", "3273", "one short by reason, exact by duration",
    ),
    ExplainedFailure(
        "AGG-A02", "烟台 (cumulative) 成功", "85", "84", "84.94 was truncated, not rounded",
    ),
)  # fmt: skip


def unstated() -> Iterator[ExplainedFailure]:
    """What the bulletins never say: the population of a median, and in 2023Q1 by which rule a list was selected."""
    lists = set()
    for row in committed_figures():
        if row["table_code"] == "median":
            yield ExplainedFailure(
                "AGG-A08", row["figure_id"], "机构数、零投诉机构数、剔除机构数", row["value"],
                "no bulletin prints the population of a median", row["figure_id"],
            )  # fmt: skip
        elif row["period"] == "2023Q1" and row["company"]:
            place = (
                row["insurer_type"],
                row["table_code"],
                row["category"] if row["table_code"] != "count" else "",
            )
            if place not in lists:
                lists.add(place)
                yield ExplainedFailure(
                    "AGG-A09", row["figure_id"], "all | top_n + list_limit | selected + list_min_base / list_cut_off",
                    "selected", "headed 较多 or 较高 without a rule; the first row stands for the list",
                    row["figure_id"],
                )  # fmt: skip


UNSTATED = tuple(unstated())
