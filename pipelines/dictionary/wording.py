"""Words of the pages in Chinese and English: what a kind, class or window is called, and formulas in words.

Put here: wording that is the same for every form and KPI. Do not put here: anything about one of them; that is said in
its contract or seed. A word that is missing here shows the code itself, so that a new code needs no change.
"""

from __future__ import annotations

from datetime import date

from pipelines.contracts.model import Column, Form, Rule
from pipelines.dictionary.content import Kpi, Measure, Variant

_WORDS: dict[str, str] = {
    # frequency of a form
    "monthly": "月报 monthly",
    "quarterly": "季报 quarterly",
    "annual": "年报 annual",
    "event": "按事项 as it happens",
    # who files
    "insurer": "保险机构 insurer",
    "supervisor": "监管机构 supervisor",
    "official": "官方公布 official publication",
    # insurer classes
    "P": "P 财产险",
    "L": "L 人身险",
    "H": "H 健康险",
    "A": "A 养老险",
    "M": "M 相互保险",
    # rule classes
    "structure": "结构 structure",
    "intra": "行内 one row",
    "inter": "行间 rows of one file",
    "cross": "跨表 another form",
    "period": "跨期 other periods",
    "aggregate": "汇总 printed figures",
    # severities
    "E": "E 强制 blocking",
    "W": "W 提示 to be explained",
    # kinds of KPI
    "count": "计数 count",
    "ratio": "比率 ratio",
    "growth": "增速 growth",
    "index": "指数 index",
    "rate_median": "机构比率中位数 median of institutions' rates",
    "case_median": "逐件中位数 median over cases",
    "restatement": "重述幅度 size of restatement",
    "spread": "离散度 least, middle and greatest",
    # what growth is measured against
    "year_before": "上年同期 same window of the year before",
    "period_before": "上期 window before",
    # direction
    "lower_is_better": "越低越好 lower is better",
    "higher_is_better": "越高越好 higher is better",
    "neutral": "中性 neutral",
    # windows of a measure
    "flow": "期间合计 summed over the window's months",
    "stock": "期末数 that of the window's last month",
    # coverage
    "filed": "缺报即缺值 an insurer that has not filed has no value",
    "owed": "按应报计 missing filings are counted",
    # period types
    "month": "月 month",
    "quarter": "季 quarter",
    "half_year": "半年 half-year",
    "year": "年 year",
    "ytd": "年初至今 year to date",
    # grains
    "insurer_type": "机构大类 insurer type",
    "peer_group": "同类组 peer group",
    "bureau": "全辖 bureau",
    "total": "总计 undivided",
    # divisions
    "line_code": "险种 line of business",
    "sales_channel": "销售渠道 sales channel",
    "product_type": "产品类型 product type",
    "channel_product": "渠道与产品 channel and product",
    "reason_l1": "投诉事由 reason",
    "validity": "有效性 validity",
    "problem_type": "问题件类型 problem type",
    "rate": "比率 rate",
    "item_type": "审查对象 reviewed item",
    "action_type": "处理类型 kind of action",
    "call_kind": "来电类别 kind of call",
    "activity_form": "活动形式 form of activity",
    "survey_choice": "题目与选项 question and choice",
    # subjects
    "complaints": "投诉 complaints",
    "first_inquiry": "首问 first inquiry",
    "mediation": "调解 mediation",
    "call_back": "回访 call-back",
    "data_quality": "数据质量 data quality",
    "conduct": "行为与内控 conduct",
    "governance": "治理 governance",
    "hotline": "热线与呼转 hotline and direct transfer",
    "education": "教育与满意度 education and satisfaction",
    "risk_screening": "风险排查 risk screening",
    "evaluation": "监管评价 evaluation",
    "disclosure": "信息披露 disclosure",
}

_KINDS = {
    "text": "文本 text",
    "code": "编码 code",
    "hash": "散列 hash",
    "enum": "代码 choice",
    "boolean": "是否 Y/N",
    "date": "日期 date",
    "timestamp": "时间 timestamp",
    "integer": "整数 integer",
    "decimal": "小数 decimal",
}


def word(code: str) -> str:
    """A code with its words; the code itself if it has none."""
    return _WORDS.get(code, code)


def words(codes: tuple[str, ...]) -> str:
    """Codes with their words, separated by a middle dot."""
    return " · ".join(map(word, codes))


def type_of(column: Column) -> str:
    """What a cell of the column is: kind, length or digits, range."""
    size = f"({column.length})" if column.length and column.kind in {"text", "code", "hash"} else ""
    if column.kind == "decimal":
        size = f"({column.precision},{column.scale})"
    least = "0" if column.non_negative else column.minimum
    bounds = [f"≥ {least}"] if least is not None else []
    if column.maximum is not None:
        bounds.append(f"≤ {column.maximum}")
    return " ".join((_KINDS[column.kind] + size, *bounds))


def marks_of(column: Column) -> tuple[str, ...]:
    """What is special about the column, apart from its type."""
    facts = (
        (column.key, "主键 key"),
        (column.personal, "个人信息 personal"),
        (column.immutable, "不可变更 immutable"),
        (column.may_be_future, "可晚于签发日 may lie in the future"),
        (column.filled_from is not None, f"取自报送说明 filled from the envelope: {column.filled_from}"),
        (column.constant is not None, f"固定值 constant: {column.constant}"),
        (column.references is not None, f"引用 refers to {column.references}"),
    )
    spans = tuple(f"所在报告期 filed in periods {span}" for span in column.filed_in)
    return (*(text for holds, text in facts if holds), *spans)


def deadline_of(form: Form) -> str:
    """When a filing of the form is due."""
    if form.deadline_days is None:
        return "无固定期限 none"
    return (
        f"期末后 {form.deadline_days} 日，遇节假日顺延 {form.deadline_days} days after the period's end, "
        "rolled to the next working day"
    )


def effective(first: str, last: str | None) -> str:
    """Periods from one day to another, judged by their last days."""
    return f"{first} – {last or '至今 in force'}"


def rule_periods(rule: Rule) -> str:
    """Periods the rule applies to."""
    if rule.effective_from == date.min and rule.effective_to is None:
        return "报表的全部报告期 all of its form"
    first = "" if rule.effective_from == date.min else rule.effective_from.isoformat()
    return effective(first, rule.effective_to.isoformat() if rule.effective_to else None)


def variant_formula(kpi: Kpi, variant: Variant, measures: dict[str, Measure]) -> tuple[str, str]:
    """Formula of a variant in Chinese and English: its own words, else made of the names of its measures."""
    if variant.formula_zh or variant.formula_en:
        return variant.formula_zh, variant.formula_en
    numerator, denominator = measures.get(variant.numerator), measures.get(variant.denominator)
    scale = "" if kpi["scale"] in {"", "1"} else f" × {kpi['scale']}"
    if variant.kind == "ratio" and numerator and denominator:
        return (
            f"{numerator.name_zh} ÷ {denominator.name_zh}{scale}",
            f"{numerator.name_en} / {denominator.name_en}{scale}",
        )
    if variant.kind == "count" and numerator:
        return f"{numerator.name_zh}的合计", f"sum of {numerator.name_en}"
    if variant.kind == "case_median" and denominator:
        return f"{denominator.name_zh}逐件取中位数", f"median over {denominator.name_en}"
    return kpi["formula_zh"], kpi["formula_en"]
