"""Every printed share and growth rate of the oracle, computed again straight from the oracle's own tables.

The route is Python fractions, not the contract's SQL. A figure reproduces at its printed decimals, or it is one of the
explained failures; the checks of a table cover every filled cell of its columns, so that none drops out unseen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cache
from math import ceil, floor

import pytest

from tests.oracle.explained import EXPLAINED_FAILURES
from tests.oracle.printed import at_printed_decimals, decimals_of, growth, printed_decimals, rounded, share
from tests.oracle.pub_harness import ORACLE, read_csv


@dataclass(frozen=True, slots=True)
class Check:
    """One printed figure: what it is called, what is computed (None without a published base), what is printed, and
    the count it is about."""

    subject: str
    computed: Decimal | None
    published: Decimal
    count: str = ""


@cache
def table(name: str) -> list[dict[str, str]]:
    return read_csv(ORACLE / f"{name}.csv")


@cache
def totals() -> dict[tuple[str, str], str]:
    """(period, total|property|life) -> national count."""
    return {
        (row["period"], kind): row[kind]
        for row in table("cn_quarterly_totals")
        for kind in ("total", "property", "life")
        if row[kind]
    }


def before(period: str, kind: str) -> str:
    """Label of the base period of a yoy or qoq rate."""
    if kind == "yoy":
        return f"{int(period[:4]) - 1}{period[4:]}"
    if period.endswith("Q1"):
        return f"{int(period[:4]) - 1}Q4"
    return f"{period[:5]}{int(period[5:]) - 1}"


def share_check(subject: str, part: str, base: str, published: Decimal) -> Check:
    return Check(subject, share(part, base, -int(published.as_tuple().exponent)), published)


def growth_check(subject: str, value: str, base: str | None, published: Decimal) -> Check:
    places = -int(published.as_tuple().exponent)
    return Check(subject, growth(value, base, places) if base else None, published, value)


def quarterly_totals() -> Iterator[Check]:
    for row in table("cn_quarterly_totals"):
        for kind in ("property", "life"):
            text = row[f"{kind}_share_pct"]
            if not text:
                continue
            # The total of 2021 is not printed; its quarters are.
            base = row["total"] or str(sum(int(totals()[f"2021Q{q}", "total"]) for q in (1, 2, 3, 4)))
            places = 2 if row["total"] else 1
            published = Decimal(text).quantize(Decimal(1).scaleb(-places))
            yield share_check(f"{row['period']} {kind} share", row[kind], base, published)
        for kind in ("total", "property", "life"):
            for rate in ("yoy", "qoq"):
                if text := row[f"{kind}_{rate}_pct"]:
                    base_of = totals().get((before(row["period"], rate), kind))
                    published = Decimal(text).quantize(Decimal("0.01"))
                    yield growth_check(f"{row['period']} {kind} {rate}", row[kind], base_of, published)


def company_counts() -> Iterator[Check]:
    rows = table("cn_company_counts")
    shares, rates = printed_decimals(rows, "share_pct"), printed_decimals(rows, "change_pct")
    counts = {(row["period"], row["insurer_type"], row["company"]): row["count"] for row in rows}
    for row in rows:
        subject = f"{row['period']} {row['company']}"
        if row["share_pct"]:
            base = totals()[row["period"], row["insurer_type"]]
            published = at_printed_decimals(row, "share_pct", shares)
            yield share_check(f"{subject} share", row["count"], base, published)
        if row["change_pct"]:
            key = (before(row["period"], row["change_kind"]), row["insurer_type"], row["company"])
            published = at_printed_decimals(row, "change_pct", rates)
            yield growth_check(f"{subject} {row['change_kind']}", row["count"], counts.get(key), published)


def bulletin_2022q3() -> Iterator[Check]:
    rows = table("cn_bulletin_2022Q3_full")
    type_totals = {row["insurer_type"]: row["value"] for row in rows if row["table"] == "total"}
    own = {row["company"]: row["value"] for row in rows if row["table"] == "count"}
    unprinted = defaultdict(list)
    for row in rows:
        if row["share_base"] == "company" and row["company"] not in own:
            unprinted[row["company"]].append((row["value"], row["share_pct"]))
    own |= {company: str(fitting_totals(printed)[-1]) for company, printed in unprinted.items()}
    for row in rows:
        if row["share_pct"]:
            base = {
                "all": type_totals["all"],
                "type": type_totals.get(row["insurer_type"], ""),
                "company": own.get(row["company"], ""),
            }[row["share_base"]]
            subject = f"2022Q3 {row['insurer_type']} {row['table']} {row['category']} {row['company']} share"
            yield share_check(subject, row["value"], base, Decimal(row["share_pct"]))


def fitting_totals(printed: list[tuple[str, str]]) -> list[int]:
    """Whole totals of which every (count, share) is the printed share."""
    low = max(floor(Fraction(count) * 100 / (Fraction(pct) + Fraction(1, 200))) for count, pct in printed)
    high = min(ceil(Fraction(count) * 100 / (Fraction(pct) - Fraction(1, 200))) for count, pct in printed)
    return [
        total
        for total in range(max(low, 1), high + 1)
        if all(share(count, str(total), 2) == Decimal(pct) for count, pct in printed)
    ]


def reasons_and_lines() -> Iterator[Check]:
    rows = table("cn_reasons_lines")
    shares = printed_decimals(rows, "share_pct")
    for row in rows:
        if row["share_pct"]:
            base = totals()[row["period"], row["insurer_type"]]
            published = at_printed_decimals(row, "share_pct", shares)
            part = row["count"] or nearest_count(base, published)
            subject = f"{row['period']} {row['insurer_type']} {row['category']} share"
            yield share_check(subject, part, base, published)


def nearest_count(base: str, published: Decimal) -> str:
    """The whole count nearest to a share whose count is not printed."""
    return str(rounded(Fraction(base) * Fraction(published) / 100, 0))


def bureau_tables() -> Iterator[Check]:
    rows = table("cn_bureau_tables")
    shares, rates = printed_decimals(rows, "share_pct"), printed_decimals(rows, "yoy_pct")
    counts = {(row["bureau"], row["group"], row["company_or_#category"]): row["count"] for row in rows}
    for row in rows:
        subject = f"{row['bureau']} {row['period']} {row['group']} {row['company_or_#category']}"
        if row["share_pct"]:
            of_type = row["company_or_#category"] and row["group"] in {"property", "life"}
            base = counts[row["bureau"], row["group"] if of_type else "total", ""]
            published = at_printed_decimals(row, "share_pct", shares)
            yield share_check(
                f"{subject} share", row["count"] or nearest_count(base, published), base, published
            )
        if row["yoy_pct"]:
            yield growth_check(
                f"{subject} yoy", row["count"], None, at_printed_decimals(row, "yoy_pct", rates)
            )


def circ_base(item: str, values: dict[str, str]) -> str:
    """What a share of the CIRC tables of 2012 to 2018 is a share of."""
    if item == "hotline_answered":
        return values["hotline_inbound"]
    if item.startswith("workorders_"):
        return values["workorders_total"]
    if item == "cases_internet_thirdparty":
        return values["cases_internet"]
    if item in {"matters_property", "matters_life"}:
        return values["matters_insurer"]
    if item.startswith("cases_"):
        return values["cases_total"]
    # Matters of 2012H1 and 2014 have no printed total: the four kinds are all there are.
    kinds = [
        f"matters_{who}_{what}" for who in ("insurer", "intermediary") for what in ("violation", "contract")
    ]
    return values.get("matters_total") or str(sum(int(values[kind]) for kind in kinds))


def circ_aggregates() -> Iterator[Check]:
    rows = table("cn_circ_aggregates_2012_2018")
    shares, rates = printed_decimals(rows, "share_pct"), printed_decimals(rows, "yoy_pct")
    values: dict[str, dict[str, str]] = defaultdict(dict)
    for row in rows:
        values[row["period"]][row["item"]] = row["value"]
    values["2012H1"]["matters_total"] = circ_base("matters_total", values["2012H1"])
    for row in rows:
        subject = f"{row['period']} {row['item']}"
        if row["share_pct"]:
            base = circ_base(row["item"], values[row["period"]])
            yield share_check(
                f"{subject} share", row["value"], base, at_printed_decimals(row, "share_pct", shares)
            )
        if row["yoy_pct"]:
            year_before = values.get(f"{int(row['period'][:4]) - 1}{row['period'][4:]}", {}).get(row["item"])
            published = at_printed_decimals(row, "yoy_pct", rates)
            yield growth_check(f"{subject} yoy", row["value"], year_before, published)


def concentration() -> Iterator[Check]:
    for row in table("cn_concentration"):
        members = str(sum(int(member.rpartition(":")[2]) for member in row["members"].split(";")))
        subject = f"{row['period']} {row['group']} concentration"
        yield share_check(subject, members, row["group_total"], Decimal(row["published_top_share_pct"]))


def mediation() -> Iterator[Check]:
    for row in table("cn_mediation"):
        if row["published_success_pct"]:
            subject = f"{row['body']} {row['period']} 成功"
            yield share_check(subject, row["successes"], row["cases"], Decimal(row["published_success_pct"]))


def firm_rates_abroad() -> Iterator[Check]:
    for row in table("intl_firm_rates"):
        per = int("".join(char for char in row["measure"].split("(")[0] if char.isdigit()))
        computed = share(row["numerator"], row["denominator"], decimals_of(row["published"]), per)
        yield Check(f"{row['firm']} {row['group']}", computed, Decimal(row["published"]))


def tables_abroad() -> Iterator[Check]:
    rows = table("intl_tables")
    bases = {row["table"]: row["count"] for row in rows if row["row"] == "total"}
    for row in rows:
        if row["share_pct"]:
            subject = f"{row['table']} {row['row']}"
            yield share_check(subject, row["count"], bases[row["table"]], Decimal(row["share_pct"]))


CHECKS: dict[Callable[[], Iterator[Check]], tuple[str, tuple[str, ...]]] = {
    quarterly_totals: (
        "cn_quarterly_totals",
        (
            "property_share_pct",
            "life_share_pct",
            *(f"{kind}_{rate}_pct" for kind in ("total", "property", "life") for rate in ("yoy", "qoq")),
        ),
    ),
    company_counts: ("cn_company_counts", ("share_pct", "change_pct")),
    bulletin_2022q3: ("cn_bulletin_2022Q3_full", ("share_pct",)),
    reasons_and_lines: ("cn_reasons_lines", ("share_pct",)),
    bureau_tables: ("cn_bureau_tables", ("share_pct", "yoy_pct")),
    circ_aggregates: ("cn_circ_aggregates_2012_2018", ("share_pct", "yoy_pct")),
    concentration: ("cn_concentration", ("published_top_share_pct",)),
    mediation: ("cn_mediation", ("published_success_pct",)),
    firm_rates_abroad: ("intl_firm_rates", ("published",)),
    tables_abroad: ("intl_tables", ("share_pct",)),
}
"""Checks of a table, with the file and the columns whose every filled cell they must cover."""


@pytest.mark.parametrize("checks", CHECKS, ids=lambda checks: checks.__name__)
def test_every_printed_figure_reproduces_or_is_explained(checks: Callable[[], Iterator[Check]]) -> None:
    found = list(checks())
    subjects = [check.subject for check in found]
    failures = {
        (check.subject, str(check.computed), str(check.published))
        for check in found
        if check.computed is not None and check.computed != check.published
    }
    explained = {(e.subject, e.computed, e.published) for e in EXPLAINED_FAILURES if e.subject in subjects}
    assert failures == explained

    name, columns = CHECKS[checks]
    assert (
        len(set(subjects))
        == len(found)
        == sum(row[column] != "" for row in table(name) for column in columns)
    )


def test_no_explained_failure_of_a_share_or_rate_is_left_over() -> None:
    subjects = {check.subject for checks in CHECKS for check in checks()}
    assert {e.subject for e in EXPLAINED_FAILURES if e.rule_code in {"AGG-A02", "AGG-A04"}} <= subjects


def test_a_growth_rate_without_a_published_base_is_possible() -> None:
    """What cannot be reproduced can still be impossible: some whole base must give the printed rate."""
    unbased = [check for checks in CHECKS for check in checks() if check.computed is None]
    assert len(unbased) == 93
    for check in unbased:
        near = floor(Fraction(check.count) / (1 + Fraction(check.published) / 100))
        places = -int(check.published.as_tuple().exponent)
        bases = [
            b
            for b in range(max(near - 40, 1), near + 41)
            if growth(check.count, str(b), places) == check.published
        ]
        assert bases, check.subject


def test_parts_add_up_in_every_table_that_is_complete() -> None:
    """Property and life, channels, kinds of matter, work orders: exact sums; one table abroad is one short."""
    for row in table("cn_quarterly_totals"):
        if row["total"]:
            assert int(row["property"]) + int(row["life"]) == int(row["total"]), row["period"]

    circ: dict[str, dict[str, int]] = defaultdict(dict)
    for row in table("cn_circ_aggregates_2012_2018"):
        if "." not in row["value"]:
            circ[row["period"]][row["item"]] = int(row["value"])
    for period in ("2012", "2013M1-9", "2013", "2014Q1"):
        channels = sum(circ[period][f"cases_{channel}"] for channel in ("phone", "letter", "web", "visit"))
        assert channels == circ[period]["cases_total"], period
    for period in ("2012", "2013"):
        kinds = (
            f"matters_{who}_{what}"
            for who in ("insurer", "intermediary")
            for what in ("violation", "contract")
        )
        assert sum(circ[period][kind] for kind in kinds) == circ[period]["matters_total"], period
    types = ("matters_property", "matters_life", "matters_group", "matters_other")
    assert sum(circ["2012"][kind] for kind in types) == circ["2012"]["matters_insurer"]
    orders = ("workorders_complaint", "workorders_consult", "workorders_invalid_or_progress")
    assert sum(circ["2013M1-9"][kind] for kind in orders) == circ["2013M1-9"]["workorders_total"]
    assert (
        circ["2013H1"]["matters_contract"] + circ["2013H1"]["matters_violation"]
        == circ["2013H1"]["matters_total"]
    )

    counts: dict[str, dict[str, int]] = defaultdict(dict)
    for row in table("intl_tables"):
        counts[row["table"]][row["row"]] = int(row["count"])
    one_short = counts["金融ADR FY2020H1 既済"]
    assert sum(one_short.values()) - 2 * one_short["total"] == -1
    assert sum(counts["金融ADR FY2020H1 期間"].values()) == one_short["total"]
    assert sum(counts["評議中心 2025Q2 保險業"].values()) == counts["評議中心 2025Q2 申訴"]["保險業"]
    assert sum(counts["評議中心 2025Q2 申訴"].values()) == 2 * counts["評議中心 2025Q2 申訴"]["total"]


def test_weights_of_a_scheme_add_up_to_100() -> None:
    schemes: dict[str, int] = defaultdict(int)
    for row in table("cn_weights"):
        schemes[row["scheme"]] += int(row["weight_pct"])
    assert set(schemes.values()) == {100}


def test_totals_that_are_not_printed_are_recovered_uniquely() -> None:
    """Nine companies outside the printed Top-10 of 2022Q3: a count and its share give the total away (AGG-A10)."""
    rows = table("cn_bulletin_2022Q3_full")
    own = {row["company"] for row in rows if row["table"] == "count"}
    printed = defaultdict(list)
    for row in rows:
        if row["share_base"] == "company" and row["company"] not in own:
            printed[row["company"]].append((row["value"], row["share_pct"]))
    totals_found = {company: fitting_totals(shares) for company, shares in printed.items()}
    assert totals_found == {
        "人民健康": [425],
        "华安财险": [179],
        "华泰财险": [115],
        "国泰财险": [117],
        "招商信诺人寿": [437],
        "永安财险": [169],
        "泰康在线财险": [227],
        "阳光人寿": [443],
        "阳光信保": [18],
    }
