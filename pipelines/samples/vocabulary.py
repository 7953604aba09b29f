"""The words of the forms that the generator uses, and the check that the contracts still know them.

Put here: labels in the order their positions refer to, and which forms and columns use them. Do not put here:
how often each occurs (market, call-backs, complaints).
"""

from __future__ import annotations

from collections.abc import Mapping

from pipelines.contracts.model import Catalogue
from pipelines.samples import conduct_words

PROPERTY_LINES = (
    "机动车辆",
    "保证",
    "责任",
    "企财",
    "家财",
    "农业",
    "意外",
    "短期健康",
    "退货运费",
    "财产险其他",
)
LIFE_LINES = ("普通寿险", "分红", "万能", "投连", "疾病", "医疗", "护理失能", "意外", "年金")
LINES = (*PROPERTY_LINES, *(line for line in LIFE_LINES if line not in PROPERTY_LINES))
LONG_TERM_LINES = ("普通寿险", "分红", "万能", "投连", "疾病", "护理失能", "年金")
CHANNELS = (
    "个人代理",
    "银邮代理",
    "专业代理",
    "经纪",
    "电销",
    "互联网自营",
    "互联网第三方",
    "直销柜面",
    "团险",
    "其他",
)
GOVERNANCE_FLAGS = (
    "fi_rules",
    "fi_ledger",
    "fi_pilot",
    "fi_sales_covered",
    "cp_committee",
    "own_in_assessment",
    "party_branch",
    "head_party_member",
)
"""Columns of F11 that are filed as Y or N."""
REASONS = (
    "销售纠纷",
    "承保纠纷",
    "理赔(给付)纠纷",
    "退保纠纷",
    "续保/续期纠纷",
    "保全纠纷",
    "回访纠纷",
    "收付费纠纷",
    "合同变更",
    "服务质量",
    "信息安全",
    "其他",
)
SOURCES = (
    "OWN_HOTLINE",
    "OWN_COUNTER",
    "OWN_ONLINE",
    "OWN_LETTER",
    "OWN_VISIT",
    "OWN_AGENT",
    "REG_12378",
    "REG_12378_DIRECT",
    "REG_LETTER",
    "REG_VISIT",
    "REG_WEB",
    "GOV_12345",
    "ASSOC",
    "COURT",
    "MEDIA",
    "OTHER",
)
REGULATOR_CHANNELS = {
    "REG_12378": "12378",
    "REG_12378_DIRECT": "一键呼转",
    "REG_LETTER": "来信",
    "REG_VISIT": "来访",
    "REG_WEB": "网络",
}
PROBLEM_TYPES = (
    "无法联系客户",
    "提供不真实电话",
    "客户不清楚保险权益",
    "相关保险材料未签名或代签名",
    "保险单信息错误",
    "客户抱怨及投诉",
    "销售误导",
    "其他",
)
EXCLUSIONS = ("01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "99")
REFUSALS = ("涉嫌违法犯罪", "已诉讼仲裁", "同一事项已调解", "超出授权范围", "消费者未授权", "其他")
COMPLAINT_PRODUCTS = ("普通", "分红", "万能", "投连", "其他")
CALL_BACK_PRODUCTS = ("普通", "分红", "万能", "投连", "非寿险理财", "健康", "其他")
CALL_BACK_TYPES = ("新单", "孤儿保单", "理赔", "保全", "问题件复访")
EXEMPT_REASONS = ("团险", "一年期及以下", "犹豫期撤单", "其他")
METHODS = ("电话", "电子化", "信函", "会见")
ANSWERS = ("Y", "N", "U")
PAY_MODES = ("趸交", "期缴")
HANDLE_RESULTS = ("成功", "不成功", "客户退保", "转投诉", "处理中")
COMPLAINANTS = ("投保人", "被保险人", "受益人", "受托人", "单位")
AGES = ("<18", "18-29", "30-44", "45-59", "60-74", "75+", "不详")
NATURES = ("合同纠纷", "涉嫌违法违规")
COMPLEXITIES = ("简单", "复杂", "特别复杂")
STATUSES = ("处理中", "已办结", "撤回", "终止")
OUTCOMES = ("全部支持", "部分支持", "不支持", "协商一致", "撤诉", "转调解", "转诉讼")
RESPONSIBLE = ("有责", "无责", "待认定")
SETTLEMENTS = ("无", "通融赔付", "协议解约", "退费", "其他")
VERIFICATIONS = ("维持", "变更", "部分变更")
VALIDITIES = ("有效", "无效", "重复", "不纳入", "待定")
ESCALATIONS = ("无", "越级", "群访", "舆情", "涉诉")
EVALUATION_ELEMENTS = ("体制建设", "机制与运行", "操作与服务", "教育宣传", "纠纷化解", "监督检查")
INDICATOR_PERIOD_TYPES = ("month", "quarter", "half_year", "year", "ytd")
ENTRY_POINTS = ("柜面", "热线", "线上", "销售人员", "理赔", "保全", "其他部门")
RISKS = ("低", "中", "高")
ENTRY_CHANNELS = ("消费者申请", "机构引导", "监管转介", "法院委派", "12378")
ACCEPT_STATUSES = ("受理", "不予受理", "待定")
RESULTS = ("成功", "部分成功", "不成功", "终止", "撤回")
FULFILMENTS = ("已履行", "部分履行", "未到期", "逾期", "不履行")
ACTIONS = ("I", "U", "D")
INSURER_CLASSES = ("P", "L", "H", "A", "M")
ORG_LEVELS = ("总公司", "省级", "地市", "县级", "营业部")

COLUMN_LABELS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("F01", "source_channel"): SOURCES,
    ("F01", "insurer_class"): INSURER_CLASSES,
    ("F01", "line_code"): LINES,
    ("F01", "product_type"): COMPLAINT_PRODUCTS,
    ("F01", "sales_channel"): CHANNELS,
    ("F01", "complainant_type"): COMPLAINANTS,
    ("F01", "age_band"): AGES,
    ("F01", "reason_l1"): REASONS,
    ("F01", "nature"): NATURES,
    ("F01", "complexity"): COMPLEXITIES,
    ("F01", "status"): STATUSES,
    ("F01", "outcome"): OUTCOMES,
    ("F01", "responsible"): RESPONSIBLE,
    ("F01", "settlement_type"): SETTLEMENTS,
    ("F01", "verify_result"): VERIFICATIONS,
    ("F01", "validity"): VALIDITIES,
    ("F01", "exclusion_code"): EXCLUSIONS,
    ("F01", "escalation"): ESCALATIONS,
    ("F02", "entry_point"): ENTRY_POINTS,
    ("F02", "risk_level"): RISKS,
    ("F03", "entry_channel"): ENTRY_CHANNELS,
    ("F03", "refuse_reason"): REFUSALS,
    ("F03", "accept_status"): ACCEPT_STATUSES,
    ("F03", "result"): RESULTS,
    ("F03", "fulfil_status"): FULFILMENTS,
    ("F04", "callback_type"): CALL_BACK_TYPES,
    ("F04", "product_type"): CALL_BACK_PRODUCTS,
    ("F04", "pay_mode"): PAY_MODES,
    ("F04", "sales_channel"): CHANNELS,
    ("F04", "exempt_reason"): EXEMPT_REASONS,
    ("F04", "method"): METHODS,
    ("F04", "q1_is_holder"): ANSWERS,
    ("F04S", "callback_type"): CALL_BACK_TYPES,
    ("F04S", "product_type"): CALL_BACK_PRODUCTS,
    ("F04S", "sales_channel"): CHANNELS,
    ("F05", "problem_type"): PROBLEM_TYPES,
    ("F05", "handle_result"): HANDLE_RESULTS,
    ("F05", "sales_channel"): CHANNELS,
    ("F06", "line_code"): LINES,
    ("F06", "sales_channel"): CHANNELS,
    ("F11", "insurer_class"): INSURER_CLASSES,
    ("F11", "org_level"): ORG_LEVELS,
    ("F17", "indicator_period_type"): INDICATOR_PERIOD_TYPES,
    ("R08", "element"): EVALUATION_ELEMENTS,
    ("R01", "reg_channel"): tuple(REGULATOR_CHANNELS.values()),
    ("R01", "reason_l1"): REASONS,
    ("R01", "line_code"): LINES,
    ("R01", "reg_validity"): VALIDITIES,
    ("R06", "line_code"): LINES,
    ("R07", "accept_status"): ACCEPT_STATUSES,
    ("R07", "result"): RESULTS,
    **conduct_words.COLUMN_LABELS,
}


class VocabularyError(Exception):
    """A contract no longer knows a word that the sample bureau files."""


def check(catalogue: Catalogue) -> None:
    """Refuse to generate with words that the contracts do not know.

    Raises:
        VocabularyError: names every column and word, so that the weights here can be brought up to date.
    """
    problems: list[str] = []
    for (form, name), labels in COLUMN_LABELS.items():
        column = catalogue.forms[form].column(name)
        known = catalogue.code_list(column.code_list).values() if column.code_list else column.values
        unknown = [label for label in labels if label not in known]
        if unknown:
            problems.append(f"{form}.{name}: {', '.join(unknown)}")
    if problems:
        raise VocabularyError(
            "the sample bureau uses words that the contracts do not know: "
            + "; ".join(problems)
            + ". Bring pipelines/samples/vocabulary.py up to date."
        )


def at(labels: tuple[str, ...], label: str) -> int:
    """Position of a label."""
    return labels.index(label)


def weights(labels: tuple[str, ...], table: Mapping[str, float]) -> list[float]:
    """Weights in the order of the labels; labels not in the table get none."""
    unknown = set(table) - set(labels)
    if unknown:
        raise VocabularyError(f"no such label: {', '.join(sorted(unknown))}; known: {', '.join(labels)}")
    return [table.get(label, 0.0) for label in labels]
