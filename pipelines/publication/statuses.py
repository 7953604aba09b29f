"""What the status flags of a KPI value and the edge policies of a KPI mean, in words.

Belongs here: one sentence a flag (dbt macro `status_text`) and a policy (domain book, edge policies E1 to E12). Does
not belong here: setting or applying them (dbt).
"""

from __future__ import annotations

#: Flag -> (Chinese, English).
FLAGS: dict[str, tuple[str, str]] = {
    "OK": ("无需注意", "nothing to be careful about"),
    "MISSING": (
        "应报未报，没有数（缺报不是零）",
        "a report is missing, so there is no figure (missing is not zero)",
    ),
    "NO_BASE": ("没有基期数", "nothing to compare with: a new institution, or a first period"),
    "ZERO_DEN": ("分母为零，没有比率", "the denominator is zero, so there is no rate"),
    "SMALL_BASE": ("基数过小，照列不排名", "too small a base: printed with its counts, never ranked"),
    "IMMATURE": ("部分案件未到期，未计入", "some cases are not yet due and left out of both sides"),
    "RESTATED": ("基期发布后被重述", "the base has been restated since it was published"),
    "BREAK": (
        "期间内代码、口径有变，或有业务划转",
        "a code list or definition changes inside the window, or business was handed over",
    ),
    "PARTIAL": ("部分机构未报，只含已报机构", "some institutions have not filed; those that have are in it"),
    "SUPPRESSED": ("件数过少，对外不公布", "too few cases: not shown outside the authority"),
}

#: Policy -> (Chinese, English).
POLICIES: dict[str, tuple[str, str]] = {
    "E1": ("分母为零时无值", "zero denominator: no value, never 0 or 100"),
    "E2": ("无上期时无值", "no prior period: no value"),
    "E3": ("基数小于 30 时附件数、不排名", "base below 30: counts beside the per cent, no rank"),
    "E4": ("基期重述：现行、按已发布、可比三个口径", "restated base: current, as published, comparable"),
    "E5": (
        "合并、分立、划转按承继机构映射到可比口径",
        "merger, split, transfer: comparable basis maps to the successor",
    ),
    "E6": ("未到期的案件两边都不计", "not yet due: left out of numerator and denominator"),
    "E7": ("缺报不是零，缺报机构不计入", "missing is not zero: who has not filed is left out"),
    "E8": ("窗口内口径变化标 BREAK", "a change of codes or definition inside the window is a BREAK"),
    "E9": ("不可能的值阻止发布", "an impossible value blocks publication"),
    "E10": ("小单元格对外抑制", "small cells are suppressed outside the authority"),
    "E11": ("百分比两位小数，四舍五入", "per cents to 2 decimals, half up"),
    "E12": ("累计与单期不混用", "year to date and single periods are never mixed"),
}
