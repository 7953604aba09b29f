"""The words of the forms of conduct (F07 to F10, F15, F16, R05) that the generator uses.

Put here: labels, and which forms and columns use them; ``vocabulary.check`` holds them against the contracts. Do not
put here: how often each occurs (conduct).
"""

from __future__ import annotations

REVIEW_ITEMS = ("产品", "服务", "协议", "营销宣传", "定价", "其他")
CHANGE_KINDS = ("新增", "实质变化")
CONCLUSIONS = ("通过", "修改后通过", "否决", "未审")
AUDIENCES = ("高管", "内勤", "外勤", "新员工", "客服")
CLUE_STAGES = ("首问", "投诉处理", "调解", "回访", "风险排查", "外部通报")
PLATFORMS = ("短视频", "社交", "电话短信", "线下", "其他")
CLUE_STATUSES = ("初筛", "移送", "立案", "查实", "排除", "结案")
ACTION_TYPES = ("品质处罚", "管理责任", "列入灰名单", "移出灰名单", "解除合同")
MANAGER_LEVELS = ("主管", "经理", "负责人")
CALL_KINDS = ("投诉", "咨询", "查询进度或要素不全")
ACTIVITY_FORMS = ("线下集中宣教", "走进社区企业学校农村", "网点宣教专区", "线上直播", "新媒体推送")
THEMES = ("防范代理退保黑产", "防范非法金融活动", "个人信息保护", "保险知识", "适老与助残", "其他")
TARGET_GROUPS = ("社会公众", "老年人", "青少年", "新市民", "残障人士")
SURVEY_METHODS = ("电话", "网络", "现场", "信函")
TOPICS = ("首问服务", "投诉处理", "销售", "理赔", "保全", "回访", "总体")
QUESTION_TYPES = ("满意度", "单选", "多选")

COLUMN_LABELS = {
    ("F07", "item_type"): REVIEW_ITEMS,
    ("F07", "change_kind"): CHANGE_KINDS,
    ("F07", "conclusion"): CONCLUSIONS,
    ("F08", "audience"): AUDIENCES,
    ("F09", "found_stage"): CLUE_STAGES,
    ("F09", "platform"): PLATFORMS,
    ("F09", "status"): CLUE_STATUSES,
    ("F10", "action_type"): ACTION_TYPES,
    ("F10", "manager_level"): MANAGER_LEVELS,
    ("R05", "call_kind"): CALL_KINDS,
    ("F15", "activity_form"): ACTIVITY_FORMS,
    ("F15", "theme"): THEMES,
    ("F15", "target_group"): TARGET_GROUPS,
    ("F16", "method"): SURVEY_METHODS,
    ("F16", "topic"): TOPICS,
    ("F16", "question_type"): QUESTION_TYPES,
}
"""Labels by form and column."""
