"""Every figure of the oracle is filed in data/official_figures with its value, decimals and source; none is invented.

What is no official figure of a reporting period is named here with its reason and tested from the oracle's own tables
(`test_published_figures`, `test_seed_figures`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cache

import pytest

from tests.oracle.printed import decimals_of
from tests.oracle.pub_harness import ORACLE, SEEDS, committed_figures, read_csv

UNITS = {"per_100m_premium": "件/亿元", "per_10k_policies": "件/万张", "per_10k_person_times": "件/万人次"}
NOT_FILED = {
    "cn_weights": "weights of an evaluation scheme are rules, not figures of a period",
    "intl_firm_rates": "figures of firms abroad",
    "intl_tables": "figures of authorities abroad",
    "seed_figures": "statements of articles about single firms or one city office, most of them without counts",
    "sources": "the list of sources itself",
}
"""Files of the oracle without any figure of form PUB, and why."""
NOT_FILED_ROWS = {
    ("cn_callback", "大连", "standard"): "a limit set by rule, not a figure of a period",
    ("cn_callback", "浙江", "2010-2012"): "an article's remark on single companies, over no reporting period",
    (
        "cn_callback",
        "浙江",
        "2012-05..2012-08",
    ): "an article's remark on single companies, over no reporting period",
    ("cn_callback", "某市(seed 004,疑为大连)", "XX年底"): "city and year are masked in the source",
    ("cn_callback", "某市(seed 004,疑为大连)", "XX年"): "city and year are masked in the source",
    ("cn_callback", "上海", "2010"): "a rule for the size of a sample, not a number",
    ("cn_mediation", "烟台", "(cumulative)"): "the source names no period",
    ("cn_mediation", "平安人寿新疆(seed 001)", "2021"): "a firm's own report",
}
"""Rows (file, body, period) of files that are filed otherwise, and why they are not."""
ADDED_SOURCES = {"O22Q4", "O23Q1"}
"""Official texts whose figures the oracle's tables do not carry; they are filed in full."""
ADDED_FIGURES = {"2012H1|全国|total|all|-|-|个"}
"""The total of a table of which the oracle carries the parts and, in its list of sources, the sum."""


@dataclass(frozen=True, slots=True)
class Expected:
    """One number of the oracle and where it must be filed."""

    file: str
    source_ids: str
    period: str
    scope: str
    insurer_type: str
    table_code: str
    category: str
    company: str
    number: str
    """value, share_pct, yoy or qoq."""
    text: str
    unit: str = ""


@cache
def oracle(name: str) -> list[dict[str, str]]:
    return read_csv(ORACLE / f"{name}.csv")


@cache
def institutions() -> dict[str, str]:
    return {row["alias"]: row["institution"] for row in read_csv(SEEDS / "official_company_aliases.csv")}


def numbers(row: dict[str, str], **columns: str) -> Iterator[tuple[str, str]]:
    """(number, text) of the filled columns, given as number=column."""
    return ((number, row[column]) for number, column in columns.items() if row[column])


def quarterly_totals() -> Iterator[Expected]:
    for row in oracle("cn_quarterly_totals"):
        for name, insurer_type in (("total", "all"), ("property", "property"), ("life", "life")):
            columns = {"value": name, "yoy": f"{name}_yoy_pct", "qoq": f"{name}_qoq_pct"}
            if name != "total":
                columns["share_pct"] = f"{name}_share_pct"
            for number, text in numbers(row, **columns):
                yield Expected(
                    "cn_quarterly_totals", row["source_ids"], row["period"], "全国", insurer_type, "total", "", "",
                    number, text, "件",
                )  # fmt: skip


def company_counts() -> Iterator[Expected]:
    for row in oracle("cn_company_counts"):
        kind = {row["change_kind"]: "change_pct"} if row["change_kind"] else {}
        for number, text in numbers(row, value="count", share_pct="share_pct", **kind):
            yield Expected(
                "cn_company_counts", row["source_ids"], row["period"], "全国", row["insurer_type"], "count", "",
                row["company"], number, text, "件",
            )  # fmt: skip


def company_rates() -> Iterator[Expected]:
    for row in oracle("cn_company_rates"):
        scope = "全国" if row["scope"] == "national" else row["scope"]
        yield Expected(
            "cn_company_rates", row["source_ids"], row["period"], scope, row["insurer_type"], "rate", row["measure"],
            row["company"], "value", row["value"], UNITS[row["measure"]],
        )  # fmt: skip


def medians() -> Iterator[Expected]:
    for row in oracle("cn_medians"):
        scope = "全国" if row["scope"] == "national" else row["scope"]
        yield Expected(
            "cn_medians", row["source_ids"], row["period"], scope, row["insurer_type"], row["statistic"],
            row["measure"], "", "value", row["value"],
        )  # fmt: skip


def bulletin_2022q3() -> Iterator[Expected]:
    for row in oracle("cn_bulletin_2022Q3_full"):
        for number, text in numbers(row, value="value", share_pct="share_pct"):
            yield Expected(
                "cn_bulletin_2022Q3_full", "O22Q3", row["period"], "全国", row["insurer_type"], row["table"],
                row["category"], row["company"], number, text,
            )  # fmt: skip


def reasons_and_lines() -> Iterator[Expected]:
    tables = {"reason": "reason_total", "line": "line_total", "reason_group": "reason_group"}
    for row in oracle("cn_reasons_lines"):
        category = f"{row['category']}纠纷" if row["dimension"] == "line" else row["category"]
        for number, text in numbers(row, value="count", share_pct="share_pct"):
            yield Expected(
                "cn_reasons_lines", row["source_ids"], row["period"], "全国", row["insurer_type"],
                tables[row["dimension"]], category, "", number, text, "件",
            )  # fmt: skip


def bureau_tables() -> Iterator[Expected]:
    sectors = {"bank+insurance": "合计", "bank": "银行", "insurance": "保险"}
    for row in oracle("cn_bureau_tables"):
        group, name = row["group"], row["company_or_#category"]
        if group in sectors:
            place = ("all", "sector", sectors[group], "")
        elif group in {"channel", "reason"}:
            place = ("all", "channel" if group == "channel" else "reason_total", name[1:], "")
        elif name.startswith("#"):
            place = (group, "reason_total", name[1:], "")
        else:
            place = ("all" if group == "total" else group, "count" if name else "total", "", name)
        for number, text in numbers(row, value="count", share_pct="share_pct", yoy="yoy_pct"):
            yield Expected(
                "cn_bureau_tables",
                row["source_ids"],
                row["period"],
                row["bureau"],
                *place,
                number,
                text,
                "件",
            )


def circ_place(item: str) -> tuple[str, str, str]:
    """Insurer type, table and category of an item of the CIRC tables."""
    fixed = {
        "cases_total": ("all", "total", ""),
        "matters_total": ("all", "total", ""),
        "cases_letter": ("all", "channel", "来信"),
        "cases_web": ("all", "channel", "网络"),
        "cases_visit": ("all", "channel", "来访"),
        "cases_phone": ("all", "channel", "电话"),
        "cases_closed": ("all", "closure", "办结"),
        "recovered_wan": ("all", "recovered", "挽回经济损失"),
        "hotline_inbound": ("all", "hotline", "合计"),
        "hotline_answered": ("all", "hotline", "接通"),
        "workorders_total": ("all", "workorder", "合计"),
        "workorders_complaint": ("all", "workorder", "投诉"),
        "workorders_consult": ("all", "workorder", "咨询"),
        "workorders_invalid_or_progress": ("all", "workorder", "无效或查询进度"),
        "cases_internet": ("all", "internet", "合计"),
        "cases_internet_thirdparty": ("all", "internet", "第三方平台"),
        "cases_online_insurers": ("all", "internet", "互联网保险公司"),
    }
    if item in fixed:
        return fixed[item]
    parts = item.split("_")[1:]
    natures = {"violation": "违法违规", "contract": "合同纠纷"}
    nature = next((natures[part] for part in parts if part in natures), "")
    who = next((part for part in parts if part not in natures), "all")
    return who, "nature" if nature else "total", nature


def circ_aggregates() -> Iterator[Expected]:
    for row in oracle("cn_circ_aggregates_2012_2018"):
        unit = "个" if row["item"].startswith("matters") else "万元" if row["item"] == "recovered_wan" else ""
        period = "2013-09" if row["period"] == "2013M1-9" else row["period"]
        insurer_type, table_code, category = circ_place(row["item"])
        for number, text in numbers(row, value="value", share_pct="share_pct", yoy="yoy_pct"):
            yield Expected(
                "cn_circ_aggregates_2012_2018", row["source_ids"], period, "全国", insurer_type, table_code, category,
                "", number, text, unit or ("次" if table_code == "hotline" else "件"),
            )  # fmt: skip


def concentration() -> Iterator[Expected]:
    for row in oracle("cn_concentration"):
        unit = "个" if row["unit"] == "matters" else "件"
        insurer_type = "all" if row["group"] == "region" else row["group"]
        head = ("cn_concentration", row["source_ids"], row["period"], "全国", insurer_type)
        yield Expected(*head, "total", "", "", "value", row["group_total"], unit)
        listed = "region" if row["group"] == "region" else "count"
        yield Expected(*head, "concentration", listed, "", "share_pct", row["published_top_share_pct"], unit)
        for member in row["members"].split(";"):
            name, _, text = member.partition(":")
            place = ("region", name, "") if listed == "region" else ("count", "", name)
            yield Expected(*head, *place, "value", text, unit)


def mediation() -> Iterator[Expected]:
    for row in oracle("cn_mediation"):
        if ("cn_mediation", row["body"], row["period"]) in NOT_FILED_ROWS:
            continue
        for category, column, number, unit in (
            ("合计", "cases", "value", "件"),
            ("成功", "successes", "value", "件"),
            ("成功", "published_success_pct", "share_pct", "件"),
            ("涉及金额", "amount_wan", "value", "万元"),
        ):
            yield Expected(
                "cn_mediation", row["source_ids"], row["period"], row["body"].partition("(")[0], "all", "mediation",
                category, "", number, row[column], unit,
            )  # fmt: skip


def call_back() -> Iterator[Expected]:
    for row in oracle("cn_callback"):
        if ("cn_callback", row["region"], row["period"]) in NOT_FILED_ROWS:
            continue
        yield Expected(
            "cn_callback", row["source_ids"], row["period"].rpartition("-")[2], row["region"], "life", "call_back",
            row["indicator"], "", "value", row["value"], row["unit"],
        )  # fmt: skip


FILED = (
    quarterly_totals, company_counts, company_rates, medians, bulletin_2022q3, reasons_and_lines, bureau_tables,
    circ_aggregates, concentration, mediation, call_back,
)  # fmt: skip


@cache
def expected() -> tuple[Expected, ...]:
    return tuple(figure for source in FILED for figure in source())


@cache
def filed() -> dict[tuple[str, ...], list[dict[str, str]]]:
    index: dict[tuple[str, ...], list[dict[str, str]]] = defaultdict(list)
    keys = ("period", "scope", "insurer_type", "table_code", "category", "institution")
    for row in committed_figures():
        index[tuple(row[key] for key in keys)].append(row)
    return index


def filed_number(row: dict[str, str], number: str) -> tuple[str, str]:
    """(text, decimals) of a number of a filed row; empty if the row does not print it."""
    if number in {"yoy", "qoq", "hoh"}:
        return (row["growth_pct"], row["growth_decimals"]) if row["growth_kind"] == number else ("", "")
    bound = {"above": ">", "below": "<"}.get(row["value_bound"], "") if number == "value" else ""
    return (bound + row[number], row[number.partition("_")[0] + "_decimals"]) if row[number] else ("", "")


def statement_of(figure: Expected) -> dict[str, str]:
    """The one filed row that prints a figure of the oracle."""
    institution = institutions().get(figure.company, figure.company)
    key = (figure.period, figure.scope, figure.insurer_type, figure.table_code, figure.category, institution)
    rows = [
        row
        for row in filed()[key]
        if figure.unit in {"", row["unit"]} and filed_number(row, figure.number)[0]
    ]
    assert len(rows) == 1, (figure, rows)
    return rows[0]


@pytest.mark.parametrize("source", FILED, ids=lambda source: source.__name__)
def test_every_number_is_filed_as_printed(source: object) -> None:
    figures = [figure for figure in expected() if figure.file == next(iter(source())).file]  # type: ignore[operator]
    places: Counter[tuple[str, str]] = Counter()
    for figure in figures:
        if "." in figure.text:
            places[figure.source_ids, figure.number] = max(
                places[figure.source_ids, figure.number], decimals_of(figure.text)
            )
    assert figures
    for figure in figures:
        row = statement_of(figure)
        text, decimals = filed_number(row, figure.number)
        assert Decimal(text.lstrip("<>")) == Decimal(figure.text.lstrip("<>")), figure
        assert (text[0] in "<>") == (figure.text[0] in "<>"), figure
        # The oracle's tables dropped trailing zeros: a source prints a column with equal decimals.
        assert int(decimals) == decimals_of(text), figure
        longest = max(places[figure.source_ids, figure.number], decimals_of(figure.text))
        assert decimals_of(figure.text) <= int(decimals) <= max(longest, 2), figure
        sources = set(row["source_id"].split(";"))
        assert sources & set(figure.source_ids.split(";")), figure


def test_every_source_of_a_row_of_the_oracle_is_named() -> None:
    named: dict[tuple[str, str], set[str]] = defaultdict(set)
    for figure in expected():
        named[figure.file, figure.source_ids + figure.period].update(
            statement_of(figure)["source_id"].split(";")
        )
    for figure in expected():
        missing = set(figure.source_ids.split(";")) - named[figure.file, figure.source_ids + figure.period]
        assert not missing, figure


def test_nothing_else_is_filed() -> None:
    known = {statement_of(figure)["figure_id"] for figure in expected()}
    others = [row for row in committed_figures() if row["figure_id"] not in known]
    assert {row["figure_id"] for row in others if row["source_id"] not in ADDED_SOURCES} == ADDED_FIGURES
    assert {row["period"] for row in others if row["source_id"] in ADDED_SOURCES} == {"2022Q4", "2023Q1"}


def test_every_row_of_the_oracle_is_filed_or_named_here() -> None:
    files = {path.stem for path in ORACLE.glob("*.csv")}
    assert files == {figure.file for figure in expected()} | set(NOT_FILED)
    named = {("cn_mediation", row["body"], row["period"]) for row in oracle("cn_mediation")}
    named |= {("cn_callback", row["region"], row["period"]) for row in oracle("cn_callback")}
    assert set(NOT_FILED_ROWS) <= named
    filled = Counter(
        {
            "cn_quarterly_totals": sum(
                bool(row[column])
                for row in oracle("cn_quarterly_totals")
                for column in row
                if column not in {"period", "basis", "source_ids", "note"}
            ),
            "cn_company_counts": _filled("cn_company_counts", "count", "share_pct", "change_pct"),
            "cn_bulletin_2022Q3_full": _filled("cn_bulletin_2022Q3_full", "value", "share_pct"),
            "cn_reasons_lines": _filled("cn_reasons_lines", "count", "share_pct"),
            "cn_bureau_tables": _filled("cn_bureau_tables", "count", "share_pct", "yoy_pct"),
            "cn_circ_aggregates_2012_2018": _filled(
                "cn_circ_aggregates_2012_2018", "value", "share_pct", "yoy_pct"
            ),
            "cn_company_rates": _filled("cn_company_rates", "value"),
            "cn_medians": _filled("cn_medians", "value"),
        }
    )
    found = Counter(figure.file for figure in expected())
    assert {name: found[name] for name in filled} == filled


def _filled(name: str, *columns: str) -> int:
    return sum(bool(row[column]) for row in oracle(name) for column in columns)
