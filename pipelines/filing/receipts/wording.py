"""Words that the page and the workbook share: labels of codes, and how values are shown to people.

Belongs here: labels, Chinese first. Does not belong here: wording of states (`filing.states`) and rules (contracts).
"""

from __future__ import annotations

import re
from datetime import date, datetime

KINDS = {
    "ORIGINAL": "首次报送",
    "RESUBMIT": "重报",
    "CORRECTION": "更正",
    "NIL": "零报告",
    "WITHDRAW": "撤回",
}
SEVERITIES = {"E": "阻断", "W": "提示"}
VERDICTS = {"pass": "通过", "fail": "未通过", "not_run": "未核对"}
ACTORS = {"insurer": "报送机构", "analyst": "监管机构", "system": "系统", "nobody": "无"}
ACTORS_EN = {"insurer": "insurer", "analyst": "supervisor", "system": "system", "nobody": "nobody"}
CHANGES = {"added": "新增行", "removed": "减少行", "changed": "变动"}
EXCUSES = {"waiver": "豁免", "explanation": "说明"}
YES_NO = {True: "相符", False: "不符", None: "–"}

#: Control characters as their visible pictures: a page or a sheet shows them instead of obeying them.
_PICTURES = {chr(code): chr(0x2400 + code) for code in range(32) if code not in (9, 10)} | {
    chr(127): "\u2421"
}
#: Characters that turn the direction of text around could make a value read as another.
_PICTURES |= {chr(code): "\ufffd" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))}
_UNSEEN = re.compile(f"[{re.escape(''.join(_PICTURES))}]")


def shown(value: object) -> str:
    """A value for people: thousands separated, times to the minute, None as a dash (unknown is not zero)."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    if isinstance(value, date):
        return value.isoformat()
    return printable(str(value))


def printable(text: str) -> str:
    """Text with control characters made visible."""
    return text if text.isprintable() else _UNSEEN.sub(lambda found: _PICTURES[found[0]], text)
