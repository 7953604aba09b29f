"""The lives of a submission and of an obligation as tables: states, events, what each event makes of each state.

Belongs here: the vocabulary and the transition table of submissions, in words a filer can act on. A state is the
fold of a submission's events through `TRANSITIONS`; nothing sets it otherwise.
Does not belong here: deciding which event happens (`settlement`, `versions`), writing events down (`events`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Actor = Literal["insurer", "analyst", "system", "nobody"]


@dataclass(frozen=True, slots=True)
class State:
    """One state: its sentence in both languages, who must act, and what they do next.

    `in_force`: the submission's rows may count (the newest accepted version of its obligation).
    """

    code: str
    label_zh: str
    sentence_zh: str
    sentence_en: str
    actor: Actor
    next_zh: str
    next_en: str
    in_force: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a submission; `to_state` is where it leads from every state that allows it."""

    code: str
    label_zh: str
    sentence_en: str
    to_state: str


STATES: dict[str, State] = {
    state.code: state
    for state in (
        State(
            "received",
            "已接收",
            "文件已存档,等待校验。",
            "Archived, waiting for validation.",
            "system",
            "无需操作,等待回执。",
            "Nothing to do; wait for the receipt.",
        ),
        State(
            "malformed",
            "无法识别",
            "文件无法打开或无法识别,未作为报送处理。",
            "The file cannot be opened or identified and is not treated as a filing.",
            "insurer",
            "按回执所列原因重新生成文件,连同信封再次报送。",
            "Produce the file again as the receipt says and send it with its envelope.",
        ),
        State(
            "rejected",
            "退回",
            "报送未被接受,原已接受的版本(如有)继续有效。",
            "Not accepted; an earlier accepted version, if any, stays in force.",
            "insurer",
            "更正全部阻断性问题后,以下一序号重报。",
            "Correct every blocking finding and resubmit with the next number.",
        ),
        State(
            "partly_accepted",
            "部分接受",
            "无问题的行已入库,有阻断性问题的行被隔离,未计入统计。",
            "Sound rows are loaded; rows with blocking findings are held back and not counted.",
            "insurer",
            "更正被隔离的行后,以下一序号全量重报(RESUBMIT),或只报更正的记录(CORRECTION)。",
            "Correct the held-back rows and, with the next number, resubmit the whole file or file a CORRECTION.",
            in_force=True,
        ),
        State(
            "accepted",
            "接受",
            "报送已接受并入库。",
            "Accepted and loaded.",
            "nobody",
            "无需操作;如有提示性问题请说明。",
            "Nothing to do; explain warnings if there are any.",
            in_force=True,
        ),
        State(
            "superseded",
            "已被替代",
            "已由后来接受的版本替代,历史仍可查询。",
            "Replaced by a later accepted version; kept in history.",
            "nobody",
            "无需操作。",
            "Nothing to do.",
        ),
        State(
            "withdrawn",
            "已撤回",
            "机构已撤回本次报送,该报表该期视为未报,历史仍可查询。",
            "Withdrawn by the insurer: the form counts as not filed for the period; kept in history.",
            "insurer",
            "以下一序号重新报送(RESUBMIT,被替代报送编号填撤回件的编号)。",
            "File again with the next number (RESUBMIT naming the withdrawal).",
        ),
        State(
            "quarantined",
            "待我方处理",
            "我方系统在处理该文件时出错,与报送质量无关;文件已存档。",
            "Our own program failed on this file; this says nothing about the filing, which is kept.",
            "analyst",
            "机构无需操作;我方修复后自动重新处理(xiaobao retry)。",
            "Nothing for the insurer to do; we repair the program and read the file again (xiaobao retry).",
        ),
    )
}

INITIAL_STATE = "received"
#: States a finished judgement may leave.
_JUDGED = ("malformed", "rejected", "partly_accepted", "accepted", "superseded", "withdrawn")

EVENTS: dict[str, Event] = {
    event.code: event
    for event in (
        Event("receive", "接收", "The bytes are in the archive and the envelope in the ledger.", "received"),
        Event("fail", "我方出错", "Our program failed on the file.", "quarantined"),
        Event("retry", "重新处理", "The file waits to be read again.", "received"),
        Event("set_aside", "暂不计入", "The run's moment lies before the signature.", "received"),
        Event("find_malformed", "判为无法识别", "The file or its envelope cannot be read.", "malformed"),
        Event("refuse", "退回", "A structure finding, or too many rows that cannot be accepted.", "rejected"),
        Event("accept_in_part", "部分接受", "Some rows or facts cannot be accepted.", "partly_accepted"),
        Event("accept", "接受", "Nothing blocks.", "accepted"),
        Event("supersede", "被替代", "A later version of the obligation was accepted.", "superseded"),
        Event("withdraw", "撤回", "An accepted withdrawal names this version.", "withdrawn"),
    )
}

#: Judgements: each may follow any other, because a filing is judged anew when something bears on it.
_JUDGEMENTS = ("find_malformed", "refuse", "accept_in_part", "accept", "supersede", "withdraw")


def _transitions() -> dict[tuple[str, str], str]:
    table: dict[tuple[str, str], str] = {}

    def allow(states: Iterable[str], events: Iterable[str]) -> None:
        events = tuple(events)
        for state in states:
            for event in events:
                if EVENTS[event].to_state != state:
                    table[state, event] = EVENTS[event].to_state

    allow(["received"], [*_JUDGEMENTS, "fail"])
    # What was judged may be judged otherwise when a counterpart, a waiver, the registry or the ruleset changes, and
    # waits again when an earlier moment is asked. What we failed on is read again once we have repaired our program.
    allow(_JUDGED, [*_JUDGEMENTS, "set_aside"])
    allow(["quarantined"], ["retry", "set_aside"])
    return table


TRANSITIONS: dict[tuple[str, str], str] = _transitions()
"""(state, event) -> state; a pair that is absent cannot happen and stops the settlement."""

#: The event by which a judgement reaches a state.
ENTRY: dict[str, str] = {EVENTS[event].to_state: event for event in (*_JUDGEMENTS, "fail")}


# ------------------------------------------------------------------------------------------------ obligations

#: What an obligation is as soon as its period is over.
OBLIGATION_START = "pending"

OBLIGATION_STATES: dict[str, State] = {
    state.code: state
    for state in (
        State(
            "pending",
            "待报",
            "报告期已结束,尚未到报送截止日,未收到报送。",
            "The period is over, the deadline is not yet past, nothing has come.",
            "insurer",
            "在截止日前报送;确无业务的报零报告。",
            "File by the deadline; file a nil report if there was no business.",
        ),
        State(
            "received",
            "已收待处理",
            "已收到报送,等待我方处理,期间不催报。",
            "A filing has come and waits for us; nobody is chased meanwhile.",
            "analyst",
            "我方处理(xiaobao run、xiaobao retry);机构无需操作。",
            "We process it (xiaobao run, xiaobao retry); nothing for the insurer to do.",
        ),
        State(
            "draft",
            "仅保存",
            "收到的文件状态为已保存或已校验,并未提交,视同未报。",
            "The file that came is saved or validated, not submitted: it counts as not filed.",
            "insurer",
            "将信封状态改为 SUBMITTED 后重新报送;保存不等于报送。",
            "Send it again with the state SUBMITTED; saved is not submitted.",
        ),
        State(
            "rejected",
            "退回",
            "收到的报送未被接受,没有有效版本。",
            "What came was not accepted; no version is in force.",
            "insurer",
            "按回执更正后以下一序号重报。",
            "Correct it as the receipt says and resubmit with the next number.",
        ),
        State(
            "withdrawn",
            "已撤回",
            "机构撤回了已接受的报送,没有有效版本。",
            "The insurer withdrew the accepted filing; no version is in force.",
            "insurer",
            "以下一序号重新报送。",
            "File again with the next number.",
        ),
        State(
            "missing",
            "缺报",
            "已过报送截止日,未收到任何报送。缺报不是零。",
            "The deadline is past and nothing has come. Missing is not zero.",
            "insurer",
            "立即报送;确无业务的报零报告。",
            "File at once; file a nil report if there was no business.",
        ),
        State(
            "filed",
            "已报",
            "截止日前报送的版本有效。",
            "A version filed by the deadline is in force.",
            "nobody",
            "无需操作。",
            "Nothing to do.",
            in_force=True,
        ),
        State(
            "late",
            "迟报",
            "有效版本在截止日后报送。",
            "The version in force came after the deadline.",
            "nobody",
            "无需操作;迟报计入按时报送率。",
            "Nothing to do; it counts against on-time filing.",
            in_force=True,
        ),
    )
}

#: States in which the insurer has yet to act, so that the calendar's notices are for it.
UNMET = tuple(code for code, state in OBLIGATION_STATES.items() if state.actor == "insurer")

#: Code -> what happened to the obligation.
OBLIGATION_EVENTS: dict[str, str] = {
    "opened": "报告期结束 the period ended",
    "drafted": "收到未提交的文件 a file came that is not submitted",
    "received": "收到待我方处理的报送 a filing came that waits for us",
    "refused": "报送被退回 a filing was refused",
    "filed": "按期接受 a filing was accepted that is not late",
    "filed_late": "逾期接受 a late filing was accepted",
    "withdrawn": "撤回 the version in force was withdrawn",
    "due": "截止日已过 the deadline passed",
}


def _obligation_transitions() -> dict[tuple[str, str], str]:
    """All (state, event) pairs; an event that changes nothing leads back to its state.

    What is in force ends by a withdrawal only, and what was withdrawn is met by an accepted filing only. A draft
    counts where nothing else has come.
    """
    table = {(state, event): state for state in OBLIGATION_STATES for event in OBLIGATION_EVENTS}
    table["pending", "due"] = "missing"
    for state in ("pending", "missing"):
        table[state, "drafted"] = "draft"
    for state in ("pending", "missing", "draft", "received"):
        table[state, "refused"] = "rejected"
    for state in UNMET:
        table[state, "received"] = "received"
    for state in (*UNMET, "received"):
        table[state, "filed"] = "filed"
        table[state, "filed_late"] = "late"
    for state in ("filed", "late"):
        table[state, "withdrawn"] = "withdrawn"
    return table


OBLIGATION_TRANSITIONS: dict[tuple[str, str], str] = _obligation_transitions()
"""(state, event) -> state for every pair; the fold of an obligation's events from `OBLIGATION_START` is its status."""
