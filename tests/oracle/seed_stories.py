"""Each figure of the founding documents: which KPI gives it from which filings, or why none can.

Put here: one story for every row of `seed_figures.csv`. Do not put here: filings (`seed_bureau`), the running of them
(`test_seed_figures`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal

from tests.oracle.seed_bureau import CHINA_LIFE, CITY, CPIC_LIFE, NEW_CHINA, PING_AN, TAIPING

Print = Callable[[Decimal], Decimal]
#: seed, indicator, subject
Key = tuple[str, str, str]


def as_computed(value: Decimal) -> Decimal:
    """Printed with all the decimals that are not zero."""
    return value


def whole(value: Decimal) -> Decimal:
    """Rounded half-up to a whole number."""
    return value.quantize(Decimal(1), rounding=ROUND_HALF_UP)


def truncated(value: Decimal) -> Decimal:
    """Cut off after the first decimal: 66.67 becomes 66.6."""
    return value.quantize(Decimal("0.1"), rounding=ROUND_FLOOR)


def ten_thousands(value: Decimal) -> Decimal:
    """万元 or 万件 of a number of 元 or 件."""
    return value / 10_000


def full_ten_thousands(value: Decimal) -> Decimal:
    """37多万: the whole ten thousands."""
    return (value / 10_000).quantize(Decimal(1), rounding=ROUND_FLOOR)


def others_to_ten(value: Decimal) -> Decimal:
    """What is left of 100, rounded to tens: 29.27 have rules, so 70.73 have none, printed as 70."""
    return ((100 - value) / 10).quantize(Decimal(1), rounding=ROUND_HALF_UP) * 10


@dataclass(frozen=True, slots=True)
class Value:
    """A value of `kpi.kpi_values` over the filings of `seed_bureau`, and how the document prints it.

    Attributes:
        kpi: its id.
        period_type: month, quarter, half_year, year.
        period: its label.
        group: insurer, insurer type, or bureau.
        value: as computed, two decimals.
        numerator: as counted, None if the story does not need it.
        denominator: likewise.
        printed: from the computed number to the one in print.
        of: which of the three is in print: value, numerator or denominator; `both` prints numerator/denominator.
        dimension: what it is divided by.
        dimension_value: which part.
        bound: how the document means its number: equal, or (未足, 超) less or greater than.
    """

    kpi: str
    period_type: str
    period: str
    group: str
    value: str
    numerator: str | None = None
    denominator: str | None = None
    printed: Print = as_computed
    of: str = "value"
    dimension: str = "total"
    dimension_value: str = "total"
    bound: str = "equal"


@dataclass(frozen=True, slots=True)
class Cell:
    """A fact that is filed as it is, in a column of a form; no KPI is made of it."""

    form: str
    column: str


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit that a rule of a contract keeps: the row's due date follows from it."""

    rule: str
    changes: dict[str, str]
    due: str


@dataclass(frozen=True, slots=True)
class Codes:
    """A number of situations: entries of a code list, the one for all others left out."""

    code_list: str


@dataclass(frozen=True, slots=True)
class Not:
    """Why no filing can give the figure."""

    reason: str


Story = tuple[Value, ...] | Cell | Limit | Codes | Not


def ping_an(
    kpi: str, value: str, numerator: str | None = None, denominator: str | None = None, **more: object
) -> Value:
    """A value of Ping An in Xinjiang, 2021."""
    return Value(kpi, "year", "2021", PING_AN, value, numerator, denominator, **more)  # type: ignore[arg-type]


def yiyang(
    kpi: str, value: str, numerator: str | None = None, denominator: str | None = None, **more: object
) -> Value:
    """A value of the Yiyang bureau, 2023."""
    return Value(kpi, "year", "2023", "bureau", value, numerator, denominator, **more)  # type: ignore[arg-type]


def city(
    kpi: str, value: str, numerator: str | None = None, denominator: str | None = None, **more: object
) -> Value:
    """A value of all insurers of S4's city in its later year."""
    return Value(kpi, "year", "2021", CITY, value, numerator, denominator, **more)  # type: ignore[arg-type]


STORIES: dict[Key, Story] = {
    ("S0", "投诉量同比", "益阳全部保险机构"): (
        Value("CMP-03", "half_year", "2023H1", "bureau", "-37.82", "74", "119"),
    ),
    ("S0", "矛盾激化升级", "益阳"): (
        Value("CMP-21", "half_year", "2023H1", "bureau", "0.00", "0", "74", of="numerator"),
    ),
    ("S0", "修订完善制度机制", "益阳"): Cell("F11", "mechanisms_revised"),
    ("S0", "建立首问台账机构", "益阳"): (yiyang("FIR-01", "31.71", "13", "41", of="numerator"),),
    ("S0", "辖内保险机构", "益阳"): (yiyang("FIR-01", "31.71", "13", "41", of="denominator"),),
    ("S0", "未成立党支部", "益阳"): Cell("F11", "party_branch"),
    ("S0", "主要负责人非党员", "益阳"): Cell("F11", "head_party_member"),
    ("S0", "反映至分局投诉", "新华人寿"): (
        Value("FIR-06", "year", "2023", NEW_CHINA, "2.00", "1", "50", of="numerator"),
    ),
    ("S0", "柜面党员先锋岗", "新华人寿"): Not("no form asks for posts of party members; F11 asks for branch and head"),
    ("S0", "问卷:态度与速度最重要", "客户"): (
        Value("SAT-02", "quarter", "2023Q2", "bureau", "79.63", "43", "54",
              dimension="survey_choice", dimension_value="Q1/A"),
    ),
    ("S0", "投诉量同比", "太平洋人寿"): (Value("CMP-03", "year", "2023", CPIC_LIFE, "-75.00", "1", "4"),),
    ("S0", "投诉量同比", "中国人寿"): (Value("CMP-03", "year", "2023", CHINA_LIFE, "-87.50", "1", "8"),),
    ("S0", "具体举措", "中国人寿"): Not("measures of a programme; F11 counts revised rules and mechanisms only"),
    ("S0", "疑难问题汇编", "国寿财险"): Not("a compilation of the insurer's own; no form asks for it"),
    ("S0", "负面清单", "行业协会"): Not("a list of the association, which files nothing"),
    ("S0", "中小机构党建统一管理", "益阳"): Not("an act of the association's party body, which files nothing"),
    ("S0", "代理退保黑产查实", "益阳"): (yiyang("BLK-01", "11.00", "11"),),
    ("S0", "涉及退保金额", "益阳"): (yiyang("BLK-02", "561000.00", "561000", printed=ten_thousands),),
    ("S0", "挽回损失", "益阳"): (
        yiyang("BLK-03", "29.95", "168000", "561000", of="numerator", printed=ten_thousands),
    ),
    ("S0", "未出台具体操作规则", "益阳"): (yiyang("FIR-02", "29.27", "12", "41", printed=others_to_ten),),
    ("S0", "首问/投诉占绩效比重", "机构"): (
        yiyang("GOV-02", "10.00", dimension="statistic", dimension_value="min"),
        yiyang("GOV-02", "60.00", dimension="statistic", dimension_value="max"),
    ),
    ("S0", "财险理赔纠纷占比", "财险"): (
        Value("CMP-12", "half_year", "2023H1", "property", "90.00", "9", "10",
              dimension="reason_l1", dimension_value="理赔(给付)纠纷"),
    ),
    ("S0", "不纳入件情形", "监管系统"): Codes("CL_EXCL"),
    ("S1", "协会调解案件", "平安人寿新疆"): (ping_an("MED-01", "22.00", "227", "1032", of="numerator"),),
    ("S1", "调解占投诉比", "平安人寿新疆"): (ping_an("MED-01", "22.00", "227", "1032"),),
    ("S1", "中支成功调解", "8家中支"): Not(
        "KPIs stop at the insurer: of its 227 successes (MED-03) only org_code of F03 tells the 49 of branches apart"
    ),
    ("S1", "零突破中支", "平安人寿新疆"): (ping_an("MED-07", "8.00", "8"),),
    ("S1", "应调率", "平安人寿新疆"): (
        ping_an("MED-02A", "100.00", "227", "227"),
        ping_an("MED-02B", "100.00", "227", "227"),
    ),
    ("S1", "调解执行率", "平安人寿新疆"): (ping_an("MED-04", "100.00", "227", "227"),),
    ("S1", "应审/实审", "平安人寿新疆"): (ping_an("REV-01", "100.00", "131", "131", of="both"),),
    ("S1", "意见/采纳", "平安人寿新疆"): (ping_an("REV-02", "100.00", "30", "30", of="both"),),
    ("S1", "评价要点/审查要点", "平安人寿新疆"): Not(
        "points of a programme; F07 files items reviewed, not points of a list"
    ),
    ("S1", "内勤培训(课程一)", "平安人寿新疆"): Cell("F08", "attended"),
    ("S1", "内勤培训(课程二)", "平安人寿新疆"): Cell("F08", "attended"),
    ("S1", "外勤四课参与率", "平安人寿新疆"): (ping_an("TRN-02", "66.67", printed=truncated),),
    ("S1", "消保考核权重下限", "平安人寿新疆"): (
        Value("GOV-01", "year", "2023", "bureau", "100.00", "41", "41"),
    ),
    ("S1", "对接人", "平安人寿新疆"): Cell("F11", "cp_liaison"),
    ("S1", "消保专岗", "中支"): Cell("F11", "cp_staff"),
    ("S1", "监管有效投诉环比", "平安人寿新疆"): (
        Value("CMP-04", "half_year", "2021H2", PING_AN, "-33.01", "414", "618", printed=whole),
    ),
    ("S1", "行业排名", "平安人寿新疆"): Not("the direction is not told, nor who is ranked; ours are printed with both"),
    ("S1", "通融处理", "平安人寿新疆"): (ping_an("CMP-22", "30.04", "310", "1032", of="numerator"),),
    ("S1", "通融占比", "平安人寿新疆"): (ping_an("CMP-22", "30.04", "310", "1032", printed=whole),),
    ("S1", "协议解约差额", "平安人寿新疆"): (ping_an("CMP-23", "29730000.00", printed=ten_thousands),),
    ("S1", "协议解约差额同比", "平安人寿新疆"): (ping_an("CMP-23Y", "191.01", printed=whole),),
    ("S1", "排查保单", "平安人寿新疆"): (ping_an("RSK-01", "13.55", "11970", "88328", of="denominator"),),
    ("S1", "排除潜在风险保单", "平安人寿新疆"): (ping_an("RSK-01", "13.55", "11970", "88328", of="numerator"),),
    ("S1", "前置化解", "平安人寿新疆"): (ping_an("FIR-08", "456.00", "456"),),
    ("S1", "品质处罚", "平安人寿新疆"): (
        ping_an("ACC-01", "463.00", "463", dimension="action_type", dimension_value="品质处罚"),
    ),
    ("S1", "管理责任", "平安人寿新疆"): (
        ping_an("ACC-01", "390.00", "390", dimension="action_type", dimension_value="管理责任"),
    ),
    ("S2", "自有渠道受理占比", "太平人寿"): (
        Value("CMP-15", "year", "2023", TAIPING, "89.50", "179", "200", printed=whole),
    ),
    ("S2", "消保人力", "太平人寿"): Cell("F11", "cp_staff"),
    ("S2", "设宣教专区柜面", "太平人寿"): (
        Value("EDU-03", "year", "2023", TAIPING, "100.00", "1252", "1252", of="numerator"),
    ),
    ("S2", "消保机制", "太平人寿"): Not("rules that exist; F11 counts those revised in the period"),
    ("S2", "宣传报道/点击", "太平人寿"): Not("press of the insurer; no form asks for it"),
    ("S2", "监管宣教活动", "全国"): Not(
        "the authority's own count for the nation since 2023; the part of insurers is EDU-01 and EDU-02"
    ),
    ("S4", "犹豫期内回访", "新单"): (city("CBK-02", "100.00", "370123", "370123"),),
    ("S4", "问题件限时处理", "问题件"): (city("CBK-06", "100.00", "10", "10"),),
    ("S4", "银保回访成功率", "全行业"): (
        Value("CBK-03", "year", "2020", "bureau", "49.00", "49", "100",
              dimension="sales_channel", dimension_value="银邮代理", bound="less"),
    ),
    ("S4", "综合回访成功率", "全行业"): (Value("CBK-03", "year", "2021", "bureau", "96.41", "356836", "370123"),),
    ("S4", "回访新单", "全行业"): (Value("CBK-01", "year", "2021", "bureau", "370123.00", printed=full_ten_thousands),),
    ("S4", "需客户办理问题件时效", "问题件"): Limit(
        "F05-I01", {"customer_action": "Y", "found_date": "2024-02-02"}, "2024-03-06"
    ),
    ("S4", "其他问题件时效", "问题件"): Limit(
        "F05-I01", {"customer_action": "N", "found_date": "2024-02-02"}, "2024-02-21"
    ),
    ("S4", "孤儿保单回访率", "离职业务员"): (city("CBK-10", "100.00", "30", "30"),),
}  # fmt: skip
"""By (document, indicator, subject)."""

SHARED = {
    ("S1", "内勤培训(课程一)", "平安人寿新疆"): ping_an("TRN-01", "100.00", "2142", "2142"),
}
"""Where a document prints one course at a time, its KPI covers them together: 1,088 + 1,054 of as many."""
NOT_THE_VALUE = {("S1", "消保考核权重下限", "平安人寿新疆"): "5"}
"""The figure is the threshold that the KPI counts by."""
