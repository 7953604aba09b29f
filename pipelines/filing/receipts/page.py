"""The receipt as one HTML page that can be read, printed and mailed: no script, no font, image or style from elsewhere.

Belongs here: what the template is given. Does not belong here: content; wording shared with the workbook (`wording`).
Everything is escaped; filed text stands in `<bdi>`, control characters are made visible.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.filing.receipts.content import Receipt
from pipelines.filing.receipts.wording import (
    ACTORS,
    ACTORS_EN,
    CHANGES,
    EXCUSES,
    KINDS,
    SEVERITIES,
    YES_NO,
    printable,
    shown,
)

if TYPE_CHECKING:
    from jinja2 import Template

#: Findings shown of one rule: the page is for reading, the workbook for working through.
PLACES = 10


def page(receipt: Receipt) -> bytes:
    """The page, UTF-8."""
    reasons: dict[tuple[str | None, str | None], list[str]] = {}
    for verdict in receipt.verdicts:
        if verdict.verdict == "not_run":
            reasons.setdefault((verdict.reason_zh, verdict.reason_en), []).append(verdict.rule_code)
    told = [verdict.verdict for verdict in receipt.verdicts]
    text = _template().render(
        r=receipt,
        s=receipt.submission,
        t=receipt.totals,
        facts=_facts(receipt),
        one_fix={
            group.rule_code
            for group in receipt.findings
            if len({finding.fix_zh for finding in group.findings}) == 1
        },
        reasons=reasons,
        passed=told.count("pass"),
        failed=told.count("fail"),
        unrun=[code for codes in reasons.values() for code in codes],
        places=PLACES,
    )
    return text.encode()


def _facts(receipt: Receipt) -> list[tuple[str, object]]:
    """Facts of the submission in reading order; what does not apply is left out."""
    s = receipt.submission
    facts: list[tuple[str, object]] = [
        ("报表", " ".join(filter(None, (s.form, s.form_title_zh))) or None),
        ("报告期", s.period),
        ("报送机构", " ".join(filter(None, (s.reporter_code, s.reporter_name))) or None),
        ("报送类型", f"{KINDS.get(s.kind, '')} {s.kind}, 第 {s.sequence_no} 次" if s.kind else None),
        ("签发时间", s.signed_at),
        ("应报日期", s.due_date),
        ("迟报", f"{s.late_days} 天" if s.late_days is not None else None),
        ("文件", s.source_name),
    ]
    optional: list[tuple[str, object]] = [
        ("被替代报送", s.supersedes),
        ("重报原因", s.reason_code),
        ("更正依据", s.base_submission_id),
        ("连续零报告", f"{s.nil_streak} 期" if s.nil_streak is not None else None),
        ("收到次数", s.times_received if s.times_received > 1 else None),
    ]
    return [*facts, *((label, value) for label, value in optional if value is not None)]


@cache
def _template() -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
    )
    environment.filters |= {"shown": shown, "printable": printable}
    environment.globals |= {
        "actors": ACTORS,
        "actors_en": ACTORS_EN,
        "changes": CHANGES,
        "excuses": EXCUSES,
        "severities": SEVERITIES,
        "yes_no": YES_NO,
    }
    return environment.get_template("page.html.jinja")
