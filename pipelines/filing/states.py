"""States of a submission: code, sentence, who acts, what next. A table, not code paths.

Belongs here: the vocabulary. Does not belong here: deriving states (`settlement`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class State:
    """One state: its sentence in both languages, who must act, and what they do next."""

    code: str
    label_zh: str
    sentence_zh: str
    sentence_en: str
    actor: Literal["insurer", "analyst", "nobody"]
    next_zh: str
    next_en: str
    in_force: bool = False


STATES: dict[str, State] = {
    state.code: state
    for state in (
        State(
            "received",
            "已接收",
            "文件已存档,等待校验。",
            "Archived, waiting for validation.",
            "nobody",
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
            "更正被隔离的行后,以下一序号全量重报。",
            "Correct the held-back rows and resubmit the whole file with the next number.",
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
    )
}
