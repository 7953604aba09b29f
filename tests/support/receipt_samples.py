"""A receipt with something in every part, for tests of how receipts look."""

from __future__ import annotations

import datetime as dt

from pipelines.filing.receipts import content
from pipelines.filing.receipts.content import Dossier, FiledRow, FiledRows, Receipt
from pipelines.filing.states import STATES

COLUMNS = (("complaint_id", "投诉编号"), ("due_date", "应办结日"), ("agent_code", "销售人员"))


def finding(row_no: int | None = 7, **changes: str | None) -> content.Finding:
    facts: dict[str, str | None] = {
        "sheet": None, "column_name": "due_date", "header": "应办结日", "cell": "B7", "filed_in": None,
        "value": "2025/4/1", "expected": "2025-04-30", "message_zh": "应办结日不符", "message_en": "wrong due date",
        "fix_zh": "重算", "fix_en": "redo",
    }  # fmt: skip
    return content.Finding(row_no=row_no, **(facts | changes))


def group(
    rule: str = "F01-I04", severity: str = "E", count: int | None = None, *findings: content.Finding
) -> content.FindingGroup:
    listed = findings or (finding(),)
    total = len(listed) if count is None else count
    return content.FindingGroup(
        rule_code=rule, rule_class="intra", severity=severity, text_zh="规则内容", text_en="the rule", count=total,
        listed=len(listed), is_truncated=total > len(listed), waived_by=None, explained_by=None,
        needs_explanation=severity == "W", findings=tuple(listed),
    )  # fmt: skip


def row(row_no: int, *cells: str | None, filed_in: str | None = None) -> FiledRow:
    return FiledRow(row_no, filed_in, (*cells, *(None,) * (len(COLUMNS) - len(cells))))


def dossier(*groups: content.FindingGroup, rows: tuple[FiledRow, ...] = (), **changes: object) -> Dossier:
    """A partly accepted resubmission; `changes` replace parts of the receipt."""
    state = STATES["partly_accepted"]
    blocking = sum(one.count for one in groups if one.severity == "E")
    advisory = sum(one.count for one in groups if one.severity == "W")
    listed = sum(one.listed for one in groups)
    parts: dict[str, object] = {
        "schema_version": content.SCHEMA_VERSION,
        "submission": content.Submission(
            submission_id="F01-2025-03-001", form="F01", form_title_zh="投诉明细", form_title_en="complaint record",
            form_version="1.0.0", reporter_code="00012343090000", reporter_name="甲人寿", period="2025-03",
            kind="RESUBMIT", sequence_no=2, supersedes="F01-2025-03-000", reason_code="数据更正",
            base_submission_id=None, source_name="甲.xlsx", sha256="9f" * 32, times_received=2,
            signed_at=dt.datetime(2025, 4, 12, 10, 15), due_date=dt.date(2025, 4, 10), late_days=2, nil_streak=None,
            ruleset_version="a1b2c3d4e5f6",
        ),
        "state": content.State(
            code=state.code, label_zh=state.label_zh, sentence_zh=state.sentence_zh, sentence_en=state.sentence_en,
            actor=state.actor, next_zh=state.next_zh, next_en=state.next_en, in_force=True,
        ),
        "next_deadline": content.Deadline(form="F01", period="2025-04", due_date=dt.date(2025, 5, 12)),
        "rows": content.RowAccount(
            read=310, accepted=297, held_back=13, refused=0, adds_up=True, in_force=297
        ),
        "totals": content.FindingTotals(
            blocking=blocking, advisory=advisory, waived=0, unexplained=advisory, listed=listed,
            is_truncated=listed < blocking + advisory,
        ),
        "findings": groups,
        "verdicts": (
            content.Verdict(rule_code="F01-I01", severity="E", verdict="pass", reason_zh=None, reason_en=None,
                            count=0, text_zh=None, text_en=None),
            content.Verdict(rule_code="F01-X01", severity="W", verdict="not_run", reason_zh="2025-03 的 F02 尚未报送",
                            reason_en="F02 of 2025-03 has not been filed", count=0, text_zh="首问", text_en="first"),
        ),
        "to_explain": tuple(one.rule_code for one in groups if one.needs_explanation),
        "control_totals": (
            content.ControlTotal(column_name="demand_amount", header="诉求金额", declared="100.1", ours="100.11",
                                 agrees=False),
        ),
        "excuses": (
            content.Excuse(rule_code="F01-X03", kind="waiver", excuse_id="WV-1", reason="系统切换",
                           granted_at=dt.datetime(2025, 3, 2), last_period="2025-05"),
        ),
        "difference": content.Difference(
            against_submission_id="F01-2025-03-000", in_effect=True, rows_added=1, rows_removed=0, rows_changed=1,
            rows_unchanged=308, change_count=2, is_truncated=False,
            changes=(
                content.ChangedCell(change="added", record_key="C-9", row_no=310, old_row_no=None, old_filed_in=None,
                                    column_name=None, header=None, old_value=None, new_value=None),
                content.ChangedCell(change="changed", record_key="C-3", row_no=5, old_row_no=6,
                                    old_filed_in="F01-2025-03-000", column_name="due_date", header="应办结日",
                                    old_value="2025-04-01", new_value="2025-04-22"),
            ),
            totals=(content.ChangedTotal(column_name="demand_amount", header="诉求金额", old_total="1.00",
                                         new_total="100.11"),),
        ),
        "kpi_effects": None,
    }  # fmt: skip
    return Dossier(Receipt(**(parts | changes)), FiledRows(COLUMNS, rows))
