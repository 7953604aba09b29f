"""Each AGG rule of form PUB on small statements: what it finds, what it must leave alone."""

from __future__ import annotations

import pytest

from pipelines.contracts.loader import load_catalogue
from tests.oracle.pub_harness import statement, told, warehouse

Told = list[tuple[int, str, str]]


def run(rule_code: str, *rows: dict[str, str]) -> Told:
    """(row_no, value, expected) of a rule's findings over all rows."""
    return [(row_no, value, expected) for _, row_no, value, expected in told(warehouse(rows), rule_code)]


def total(row_no: int, insurer_type: str, value: str, period: str = "2022Q3", **more: str) -> dict[str, str]:
    return statement(period, row_no, table_code="total", insurer_type=insurer_type, value=value, **more)


def company(
    row_no: int, table_code: str, name: str, value: str, period: str = "2022Q3", **more: str
) -> dict[str, str]:
    columns = {"insurer_type": "property", "company": name, "institution": name, **more}
    return statement(period, row_no, table_code=table_code, value=value, **columns)


def ranking(
    table_code: str, limit: str, *named: tuple[str, str], first_row: int = 2, **more: str
) -> list[dict[str, str]]:
    """A top-N list of (company, value) in printed order."""
    return [
        company(
            first_row + place,
            table_code,
            name,
            value,
            rank=str(place + 1),
            list_rule="top_n",
            list_limit=limit,
            **more,
        )
        for place, (name, value) in enumerate(named)
    ]


def test_every_rule_of_the_form_is_tested_here() -> None:
    """AGG-A10 asks about what is not printed; it is tested where releases are made (unit/models/test_disclosure.py)."""
    rules = load_catalogue().forms["PUB"].rules
    assert [rule.code for rule in rules if rule.kind == "not_evaluable"] == ["AGG-A10"]
    assert [rule.code for rule in rules if rule.kind != "not_evaluable"] == [
        "AGG-A01", "AGG-A02", "AGG-A03", "AGG-A04", "AGG-A05", "AGG-A06", "AGG-A07", "AGG-A08", "AGG-A09",
    ]  # fmt: skip


# --------------------------------------------------------------------------------------------- AGG-A01


def test_insurer_types_make_up_the_total() -> None:
    parts = [
        total(3, "property", "1542", adds_up_over="insurer_type"),
        total(4, "life", "5540", adds_up_over="insurer_type"),
        total(5, "intermediary", "25", adds_up_over="insurer_type"),
    ]
    assert run("AGG-A01", total(2, "all", "7107"), *parts) == []
    assert run("AGG-A01", total(2, "all", "7108"), *parts) == [(2, "7108", "7107")]


def test_a_printed_subtotal_of_insurers_stands_between() -> None:
    rows = [
        total(2, "all", "17365", unit="个"),
        total(3, "insurer", "17160", unit="个", adds_up_over="insurer_type"),
        total(4, "intermediary", "205", unit="个", adds_up_over="insurer_type"),
        total(5, "property", "7389", unit="个", adds_up_over="insurer_type"),
        total(6, "life", "9771", unit="个", adds_up_over="insurer_type"),
    ]
    assert run("AGG-A01", *rows) == []
    rows[4]["value"] = "9770"
    assert run("AGG-A01", *rows) == [(3, "17160", "17159")]


@pytest.mark.parametrize(("inbound", "expected"), [("115178", []), ("115179", [(3, "115179", "115178")])])
def test_a_table_with_its_own_total_is_held_to_it(inbound: str, expected: Told) -> None:
    rows = [
        total(2, "all", "15080"),
        statement("2022Q3", 3, table_code="workorder", category="合计", value=inbound),
        *(
            statement(
                "2022Q3", row, table_code="workorder", category=name, value=value, adds_up_over="category"
            )
            for row, name, value in ((4, "投诉", "27846"), (5, "咨询", "42447"), (6, "无效", "44885"))
        ),
    ]
    assert run("AGG-A01", *rows) == expected


def test_a_selection_need_not_add_up() -> None:
    reasons = [
        statement(
            "2022Q3", row, table_code="reason_total", insurer_type="property", category=name, value=value
        )
        for row, name, value in ((3, "理赔纠纷", "9805"), (4, "销售纠纷", "851"))
    ]
    assert run("AGG-A01", total(2, "property", "12203"), *reasons) == []


# --------------------------------------------------------------------------------------------- AGG-A02


@pytest.mark.parametrize(
    ("share", "decimals", "expected"),
    [
        ("37.29", "2", []),
        ("37.3", "1", []),
        ("37", "0", []),
        ("37.30", "2", [(3, "37.30", "37.29")]),
        ("38", "0", [(3, "38", "37")]),
    ],
)
def test_a_share_of_the_total(share: str, decimals: str, expected: Told) -> None:
    part = total(3, "property", "12203", share_pct=share, share_decimals=decimals, share_base="all")
    assert run("AGG-A02", total(2, "all", "32726"), part) == expected


@pytest.mark.parametrize(("part", "whole", "printed"), [("1", "800", "0.13"), ("535", "20000", "2.68")])
def test_halves_go_up_where_binary_numbers_would_not(part: str, whole: str, printed: str) -> None:
    """0.125 and 2.675: rounding a DOUBLE gives 2.67."""
    row = total(3, "property", part, share_pct=printed, share_base="all")
    assert run("AGG-A02", total(2, "all", whole), row) == []


def reason(row_no: int, name: str, category: str, value: str, share: str) -> dict[str, str]:
    return company(row_no, "reason", name, value, category=category, share_pct=share, share_base="company")


def test_a_total_that_is_not_printed_must_fit_all_its_shares() -> None:
    claims, sales = reason(3, "泰康", "理赔纠纷", "50", "22.03"), reason(4, "泰康", "销售纠纷", "48", "21.15")
    assert run("AGG-A02", claims, sales) == []
    sales["share_pct"] = "21.25"  # 226 alone would do, but not for the other share
    assert run("AGG-A02", claims, sales) == [(3, "22.03", "22.22"), (4, "21.25", "21.33")]


def test_a_total_that_is_not_printed_lies_below_the_list_that_leaves_it_out() -> None:
    counts = ranking("count", "2", ("甲", "300"), ("乙", "200"))
    assert run("AGG-A02", *counts, reason(8, "泰康", "销售纠纷", "48", "24.24")) == []
    assert run("AGG-A02", *counts, reason(8, "泰康", "销售纠纷", "48", "21.15")) == [(8, "21.15", "24.00")]


@pytest.mark.parametrize(("share", "expected"), [("97.54", []), ("97.60", [(3, "97.60", "98.03")])])
def test_a_share_without_a_count_needs_a_whole_one(share: str, expected: Told) -> None:
    row = statement(
        "2022Q3", 3, table_code="channel", category="12378热线", share_pct=share, share_base="all"
    )
    assert run("AGG-A02", total(2, "all", "203"), row) == expected


@pytest.mark.parametrize(("share", "expected"), [("75.00", []), ("74.99", [(9, "74.99", "75.00")])])
def test_a_concentration_sums_the_first_of_its_list(share: str, expected: Told) -> None:
    counts = ranking("count", "2", ("甲", "500"), ("乙", "250"), ("丙", "250"))
    row = statement(
        "2022Q3", 9, table_code="concentration", insurer_type="property", category="count", list_rule="top_n",
        list_limit="2", share_pct=share, share_base="type",
    )  # fmt: skip
    assert run("AGG-A02", total(8, "property", "1000"), *counts, row) == expected


def test_a_year_without_a_total_is_the_sum_of_its_quarters() -> None:
    quarters = [total(2, "all", "100", f"2021Q{quarter}") for quarter in (1, 2, 3, 4)]
    year = total(2, "property", "162", "2021", share_pct="40.5", share_base="all")
    assert run("AGG-A02", *quarters, year) == []
    year["share_pct"] = "40.4"
    assert run("AGG-A02", *quarters, year) == [(2, "40.4", "40.5")]
    assert run("AGG-A02", *quarters[:3], year) == [], "three quarters are no base"


def test_matters_are_no_share_of_cases() -> None:
    matters = total(3, "property", "7389", unit="个", share_pct="45.93", share_base="all")
    assert run("AGG-A02", total(2, "all", "16087"), matters) == []


# --------------------------------------------------------------------------------------------- AGG-A03


def quarters(*values: str) -> list[dict[str, str]]:
    return [total(2, "all", value, f"2021Q{quarter}") for quarter, value in enumerate(values, start=1)]


@pytest.mark.parametrize(("year", "expected"), [("100", []), ("101", [(2, "101", "100")])])
def test_four_quarters_make_up_the_year(year: str, expected: Told) -> None:
    assert run("AGG-A03", *quarters("10", "20", "30", "40"), total(2, "all", year, "2021")) == expected


def test_two_halves_make_up_the_year() -> None:
    halves = [total(2, "all", "10", "2021H1"), total(2, "all", "20", "2021H2")]
    assert run("AGG-A03", *halves, total(2, "all", "30", "2021")) == []
    assert run("AGG-A03", *halves, total(2, "all", "31.5", "2021")) == [(2, "31.5", "30.0")]


def test_a_year_with_a_quarter_missing_is_not_judged() -> None:
    assert run("AGG-A03", *quarters("10", "20", "30"), total(2, "all", "101", "2021")) == []


@pytest.mark.parametrize("noted", ["2021", "2021Q1"])
def test_a_note_says_that_a_period_was_restated(noted: str) -> None:
    rows = [*quarters("10", "20", "30", "40"), total(2, "all", "101", "2021")]
    for row in rows:
        row["note"] = "重述：一季度补报1件" if row["period"] == noted else "推算"
    assert run("AGG-A03", *rows) == []
    assert run("AGG-A03", *(row | {"note": "推算"} for row in rows)) == [(2, "101", "100")]


def test_rates_do_not_add_up_over_time_nor_other_units_or_bureaux() -> None:
    rows = [*quarters("10", "20", "30", "40"), total(2, "all", "101", "2021")]
    for change in ({"table_code": "rate", "unit": "件/亿元"}, {"table_code": "call_back", "unit": "%"}):
        assert run("AGG-A03", *(row | change for row in rows)) == []
    assert run("AGG-A03", *rows[:4], rows[4] | {"unit": "个"}) == []
    assert run("AGG-A03", *rows[:4], rows[4] | {"scope": "福建"}) == []


# --------------------------------------------------------------------------------------------- AGG-A04


@pytest.mark.parametrize(
    ("base_period", "base", "period", "value", "kind", "printed", "expected"),
    [
        ("2021Q1", "37892", "2021Q2", "47005", "qoq", "24.05", []),
        ("2021Q1", "37892", "2021Q2", "47005", "qoq", "31.43", [(2, "31.43", "24.05")]),
        ("2020Q4", "100", "2021Q1", "99", "qoq", "-1.00", []),
        ("2021Q4", "37646", "2022Q4", "22189", "yoy", "-41.06", []),
        ("2020H2", "3", "2021H1", "2", "hoh", "-33", []),
        ("2021H1", "3", "2021H2", "2", "hoh", "-33.3", []),
        ("2020", "8", "2021", "1", "yoy", "-87.5", []),
        ("2020", "800", "2021", "799", "yoy", "-0.13", []),
        ("2020", "800", "2021", "799", "yoy", "-0.12", [(2, "-0.12", "-0.13")]),
        ("2019", "800", "2021", "799", "yoy", "5.00", []),
        ("2020", "0", "2021", "799", "yoy", "5.00", []),
    ],
)
def test_a_growth_rate_follows_from_the_published_base(
    base_period: str, base: str, period: str, value: str, kind: str, printed: str, expected: Told
) -> None:
    rate = total(2, "all", value, period, growth_pct=printed, growth_kind=kind)
    assert run("AGG-A04", total(2, "all", base, base_period), rate) == expected


def test_a_rate_in_a_row_of_its_own_takes_the_count_beside_it() -> None:
    base, count = total(2, "all", "28554", "2022Q2"), total(2, "all", "32726")
    rate = total(3, "all", "", growth_pct="14.61", growth_kind="qoq")
    assert run("AGG-A04", base, count, rate) == []
    rate["growth_pct"] = "14.60"
    assert run("AGG-A04", base, count, rate) == [(3, "14.60", "14.61")]
    assert run("AGG-A04", base, rate) == [], "no count, no finding"


def test_a_base_is_found_under_another_printed_name_but_not_in_another_unit_or_window() -> None:
    base = company(2, "count", "人民健康", "100", "2022Q2", institution="人保健康")
    rate = company(2, "count", "人保健康", "150", growth_pct="40.00", growth_kind="qoq")
    assert run("AGG-A04", base, rate) == [(2, "40.00", "50.00")]
    assert run("AGG-A04", base | {"unit": "个"}, rate) == []
    assert run("AGG-A04", base | {"period_type": "ytd"}, rate) == []


# --------------------------------------------------------------------------------------------- AGG-A05


def rate_list(*named: tuple[str, str], limit: str = "2", period: str = "2022Q4") -> list[dict[str, str]]:
    return ranking(
        "rate", limit, *named, first_row=20, period=period, category="per_100m_premium", unit="件/亿元"
    )


def known(name: str, count: str, rate: str, period: str = "2022Q3") -> list[dict[str, str]]:
    """Count and rate of a company in another period, which together imply its denominator."""
    return [
        company(2, "count", name, count, period),
        company(3, "rate", name, rate, period, category="per_100m_premium", unit="件/亿元"),
    ]


COUNTED = company(2, "count", "众惠", "1085", "2022Q4")
"""众惠 has 1,085 complaints; 342.18 per 亿元 on 1,815 in the quarter before imply 5.3 亿元."""


def test_a_company_that_a_rate_list_leaves_out_must_not_need_ten_times_its_denominator() -> None:
    rows = [COUNTED, *known("众惠", "1815", "342.18")]
    assert run("AGG-A05", *rows, *rate_list(("安达", "430.41"), ("现代", "16.24"))) == [
        (20, "430.41", "众惠 1085件")
    ]
    # In the list, nothing is wrong; nor where the last rate is high enough for it to be left out.
    assert run("AGG-A05", *rows, *rate_list(("众惠", "430.41"), ("现代", "16.24"))) == []
    assert run("AGG-A05", *rows, *rate_list(("安达", "430.41"), ("现代", "20.50"))) == []


def test_a_list_that_is_not_complete_says_nothing_about_who_is_left_out() -> None:
    rows = [COUNTED, *known("众惠", "1815", "342.18")]
    assert run("AGG-A05", *rows, *rate_list(("安达", "430.41"), limit="2")) == []
    selected = [row | {"list_rule": "selected"} for row in rate_list(("安达", "430.41"), ("现代", "16.24"))]
    assert run("AGG-A05", *rows, *selected) == []


def test_every_denominator_known_of_a_company_counts() -> None:
    """A company that grows: 1,085 at most at 16.24 need 66.8, not more than ten times the 7 of a later quarter."""
    rows = [COUNTED, *known("众惠", "1815", "342.18"), *known("众惠", "700", "100.00", "2023Q1")]
    assert run("AGG-A05", *rows, *rate_list(("安达", "430.41"), ("现代", "16.24"))) == []


def test_without_a_fitting_row_the_leader_of_the_list_is_told() -> None:
    rows = [COUNTED, *known("众惠", "1815", "342.18")]
    assert run("AGG-A05", *rows, *rate_list(("安达", "17.00"), ("现代", "16.24"))) == [
        (20, "17.00", "众惠 1085件")
    ]


@pytest.mark.parametrize(("rate", "expected"), [("0.88", []), ("0.87", [(3, "0.87", "0.88")])])
def test_rate_times_a_printed_denominator_is_the_count(rate: str, expected: Told) -> None:
    rows = [
        company(2, "count", "甲", "1"),
        company(3, "rate", "甲", rate, category="per_1000_accounts", unit="件/千户"),
        company(4, "denominator", "甲", "1.138", category="per_1000_accounts", unit="千户"),
    ]
    assert run("AGG-A05", *rows) == expected


def test_the_denominator_is_rounded_too() -> None:
    """20 / 3 is 6.67, but a printed 3 is anything from 2.5 to 3.5: 6 is possible, 5 is not."""
    rows = [
        company(2, "count", "甲", "20"),
        company(3, "rate", "甲", "6.00", category="per_100m_premium", unit="件/亿元"),
        company(4, "denominator", "甲", "3", category="per_100m_premium", unit="亿元"),
    ]
    assert run("AGG-A05", *rows) == []
    assert run("AGG-A05", *(row | ({"value": "5.00"} if row["row_no"] == "3" else {}) for row in rows)) == [
        (3, "5.00", "6.67")
    ]


# --------------------------------------------------------------------------------------------- AGG-A06


def test_a_top_n_list_prints_more_rows_only_for_ties() -> None:
    named = [("甲", "41"), ("乙", "36"), ("丙", "36")]
    assert run("AGG-A06", *ranking("line", "2", *named)) == []
    named[2] = ("丙", "35")
    assert run("AGG-A06", *ranking("line", "2", *named)) == [(4, "3", "2")]


def test_a_top_n_list_prints_no_fewer_rows() -> None:
    assert run("AGG-A06", *ranking("line", "3", ("甲", "41"), ("乙", "36"))) == [(3, "2", "3")]


def test_ranks_follow_values() -> None:
    assert run("AGG-A06", *ranking("line", "2", ("甲", "36"), ("乙", "41"))) == [(2, "1", "2"), (3, "2", "1")]


def test_tied_rows_may_carry_the_shared_rank_or_their_printed_place() -> None:
    rows = ranking("line", "3", ("甲", "41"), ("乙", "36"), ("丙", "36"))
    rows[2]["rank"] = "2"
    assert run("AGG-A06", *rows) == []


def test_a_top_n_list_says_how_many() -> None:
    rows = [row | {"list_limit": ""} for row in ranking("line", "2", ("甲", "41"), ("乙", "36"))]
    assert [(row_no, value) for row_no, value, _ in run("AGG-A06", *rows)] == [(3, "2")]


def test_lists_of_other_categories_are_other_lists() -> None:
    cars = ranking("line", "1", ("甲", "41"), category="机动车辆保险纠纷")
    others = ranking("line", "1", ("甲", "50"), category="财产险其他保险纠纷", first_row=9)
    assert run("AGG-A06", *cars, *others) == []


# --------------------------------------------------------------------------------------------- AGG-A07


def grown(row: dict[str, str], printed: str) -> dict[str, str]:
    return row | {"growth_pct": printed, "growth_decimals": "2", "growth_kind": "qoq"}


def bulletin(aggregate: str, one: str, other: str) -> list[dict[str, str]]:
    """Property 100 to 130 with companies 50 to 60 and 20 to 30, growth as printed: 30.00, 20.00 and 50.00 reproduce."""
    before = [
        total(2, "property", "100", "2022Q2"),
        company(3, "count", "甲", "50", "2022Q2"),
        company(4, "count", "乙", "20", "2022Q2"),
    ]
    return [
        *before,
        grown(total(2, "property", "130"), aggregate),
        grown(company(3, "count", "甲", "60"), one),
        grown(company(4, "count", "乙", "30"), other),
    ]


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        (("30.00", "20.00", "50.00"), []),
        (("40.00", "20.00", "50.00"), [(2, "40.00", "30.00")]),
        (("30.00", "25.00", "50.00"), [(3, "25.00", "20.00")]),
        (("40.00", "25.00", "55.00"), []),
    ],
    ids=["one vintage", "aggregate restated", "a company restated", "both restated"],
)
def test_aggregate_and_companies_use_one_vintage_of_the_base(
    printed: tuple[str, str, str], expected: Told
) -> None:
    assert run("AGG-A07", *bulletin(*printed)) == expected


def test_vintages_are_compared_within_an_insurer_type_and_with_the_whole() -> None:
    rows = bulletin("40.00", "20.00", "50.00")
    assert (
        run("AGG-A07", *(r | ({"insurer_type": "life"} if r["table_code"] == "total" else {}) for r in rows))
        == []
    )
    assert run(
        "AGG-A07", *(r | ({"insurer_type": "all"} if r["table_code"] == "total" else {}) for r in rows)
    ) == [(2, "40.00", "30.00")]


# --------------------------------------------------------------------------------------------- AGG-A08


def median(**more: str) -> dict[str, str]:
    columns = {"insurer_type": "property", "category": "per_100m_premium", "unit": "件/亿元", **more}
    return statement("2022Q3", 2, table_code="median", value="4.37", **columns)


def populations(*tables: str, **more: str) -> list[dict[str, str]]:
    columns = {"insurer_type": "property", "category": "per_100m_premium", "unit": "家", **more}
    return [
        statement("2022Q3", 3 + n, table_code=name, value="7", **columns) for n, name in enumerate(tables)
    ]


def test_a_median_is_printed_with_its_population() -> None:
    whole = ("population", "population_zero", "population_excluded")
    assert run("AGG-A08", median(), *populations(*whole)) == []
    assert run("AGG-A08", median()) == [(2, "4.37", "机构数、零投诉机构数、剔除机构数")]
    assert run("AGG-A08", median(), *populations("population", "population_excluded")) == [
        (2, "4.37", "零投诉机构数")
    ]


@pytest.mark.parametrize(
    "other", [{"insurer_type": "life"}, {"category": "per_10k_policies"}, {"scope": "福建"}]
)
def test_the_population_is_that_of_the_same_measure(other: dict[str, str]) -> None:
    rows = populations("population", "population_zero", "population_excluded", **other)
    assert [row_no for row_no, *_ in run("AGG-A08", median(), *rows)] == [2]


def test_a_mean_needs_none() -> None:
    assert run("AGG-A08", median() | {"table_code": "mean"}) == []


# --------------------------------------------------------------------------------------------- AGG-A09

RULES_OF_A_LIST = "all | top_n + list_limit | selected + list_min_base / list_cut_off"


def listed(**rule: str) -> list[dict[str, str]]:
    """A list headed 投诉量较多的公司 of two."""
    return [company(2, "count", "甲", "41", **rule), company(3, "count", "乙", "36", **rule)]


@pytest.mark.parametrize(
    "rule",
    [
        {"list_rule": "all"},
        {"list_rule": "top_n", "list_limit": "2"},
        {"list_rule": "selected", "list_min_base": "30"},
        {"list_rule": "selected", "list_cut_off": "36"},
        {"list_rule": "truncated"},
        {"list_rule": "reported"},
    ],
    ids=lambda rule: "+".join(rule.values()),
)
def test_a_list_that_states_its_rule(rule: dict[str, str]) -> None:
    assert run("AGG-A09", *listed(**rule)) == []


@pytest.mark.parametrize(
    ("rule", "value"),
    [({"list_rule": "selected"}, "selected"), ({"list_rule": "top_n"}, "top_n"), ({}, None)],
)
def test_a_list_without_a_rule_is_told_once(rule: dict[str, str], value: str) -> None:
    assert run("AGG-A09", *listed(**rule)) == [(2, value, RULES_OF_A_LIST)]


def test_a_list_has_one_rule() -> None:
    first, second = listed(list_rule="all")
    assert [row_no for row_no, *_ in run("AGG-A09", first, second | {"list_rule": "truncated"})] == [2]


def test_values_of_a_list_meet_its_cut_off() -> None:
    rows = listed(list_rule="selected", list_cut_off="40")
    assert run("AGG-A09", *rows) == [(3, "36", ">= 40.0000")]


def test_aggregates_are_no_list() -> None:
    assert run("AGG-A09", total(2, "all", "77")) == []


# ------------------------------------------------------------------------------------------ engine safety


@pytest.mark.parametrize(
    "rule_code", [rule.code for rule in load_catalogue().forms["PUB"].rules if rule.query]
)
def test_no_typed_value_makes_a_rule_raise(rule_code: str) -> None:
    """An engine error is not bad data: the widest numbers and the oddest periods give findings or silence."""
    widest = {"value": "99999999999999.9999", "share_pct": "99999.9999", "growth_pct": "-99999999.9999"}
    rows = [
        statement(
            period, 2 + place, table_code=table, insurer_type="property", company="甲", institution="甲",
            category="per_100m_premium", share_base=base, growth_kind=kind, adds_up_over="both", rank="1",
            list_rule="top_n", list_limit="1", value_decimals="4", share_decimals="9", growth_decimals="9",
            period_type="quarter", **values,
        )
        for period in ("2022Q3", "2022Q4", "2013-09", "abc")
        for values in (widest, dict.fromkeys(widest, "0.0001"), dict.fromkeys(widest, "0"))
        for kind in ("yoy", "qoq", "hoh")
        for place, (table, base) in enumerate(
            (("total", "all"), ("count", "type"), ("rate", "table"), ("denominator", "company"), ("reason", "company"))
        )
    ]  # fmt: skip
    for number, row in enumerate(rows):
        row["row_no"], row["file"] = str(number), row["period"]
    assert isinstance(run(rule_code, *rows), list)
