"""The content of a receipt: what an insurer is told about one submission, as typed objects with a published schema.

Belongs here: the shape and meaning of every field (`docs/receipt.schema.json` is made from these classes), and the
filed rows that go into the workbook beside it. Does not belong here: where the content comes from (`gathering`), how it
looks (`page`, `workbook`).

Two rules hold everywhere: None means not known or not applicable and is never written as zero or as an empty list;
texts of the filer's origin are `Shown`, which lets no clear identity through.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict

from pipelines.contracts.identities import hide_identities

SCHEMA_VERSION: Literal["1.0.0"] = "1.0.0"
SCHEMA_ID = "xiaobao:receipt.schema.json"

#: Details listed per rule, per receipt, and changed cells listed; counts are always of everything.
RULE_LIMIT = 1_000
RECEIPT_LIMIT = 10_000
CHANGE_LIMIT = 1_000

Shown = Annotated[str, AfterValidator(hide_identities)]
"""Text that came from a filer: clear identity numbers and phone numbers are masked whatever its way here."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Submission(_Part):
    """报送的基本事实 Facts of the submission, as its envelope declares them and as it was received."""

    submission_id: str
    """报送编号 Submission id of the envelope; `UNREAD-…` when the envelope could not be read."""
    form: str | None
    """报表代码 Form, e.g. F01."""
    form_title_zh: str | None
    """报表名称 Chinese title of the form; null when the form is unknown."""
    form_title_en: str | None
    """English title of the form."""
    form_version: str | None
    """报表版本 Version of the form's contract."""
    reporter_code: Shown | None
    """报送机构编码 Code of the reporter."""
    reporter_name: str | None
    """报送机构 Name of the reporter in the institution master; null when it is not registered."""
    period: Shown | None
    """报告期 Reporting period, 2025-03 or 2025Q1."""
    kind: str | None
    """报送类型 ORIGINAL, RESUBMIT, CORRECTION, NIL or WITHDRAW."""
    sequence_no: int | None
    """报送序号 Sequence number within form, period and reporter, from 1."""
    supersedes: Shown | None
    """被替代报送编号 Submission this one replaces."""
    reason_code: Shown | None
    """重报原因 Reason of a resubmission."""
    base_submission_id: str | None
    """更正所依据的报送 Version that a CORRECTION was applied to."""
    source_name: Shown | None
    """文件名 Name of the file as it was received; it carries no meaning."""
    sha256: str
    """文件摘要 SHA-256 of the data file as received."""
    times_received: int
    """收到次数 How often the same bytes were received; they are judged once."""
    signed_at: datetime | None
    """签发时间 Signature, bureau's clock."""
    due_date: date | None
    """应报日期 Deadline of this period; null when none applies."""
    late_days: int | None
    """迟报天数 Days after the deadline; 0 is on time, null is not known."""
    nil_streak: int | None
    """连续零报告期数 Successive periods, this one included, that were reported as nil; null unless this one is nil."""
    ruleset_version: str | None
    """规则版本 Version of the rules it was judged by; null before judgement."""


class State(_Part):
    """结论 The state in words: what it means, who must act, what comes next."""

    code: str
    """状态 State, e.g. accepted."""
    label_zh: str
    """状态名称 Chinese label."""
    sentence_zh: str
    """含义 What the state means."""
    sentence_en: str
    """What the state means, English."""
    actor: str
    """由谁处理 Who must act: insurer, analyst, system or nobody."""
    next_zh: str
    """下一步 What to do next."""
    next_en: str
    """What to do next, English."""
    in_force: bool
    """是否有效版本 True if this version's rows count."""


class Deadline(_Part):
    """期限 When a form is due for a period."""

    form: str
    """报表代码 Form."""
    period: str
    """报告期 Reporting period."""
    due_date: date
    """应报日期 Last day to file, holidays and make-up working days considered."""


class RowAccount(_Part):
    """行数核对 Every row read is accepted, held back or refused."""

    read: int
    """读取行数 Data rows of the file."""
    accepted: int
    """接受行数 Rows loaded."""
    held_back: int
    """隔离行数 Rows held back for blocking findings."""
    refused: int
    """退回行数 Rows of a file that was refused as a whole."""
    adds_up: bool
    """是否相符 True if read = accepted + held back + refused."""
    in_force: int | None
    """本版本所代表的行数 Rows this version stands for; differs from rows read for a CORRECTION."""


class FindingTotals(_Part):
    """问题计数 True counts, also when not every finding is listed."""

    blocking: int
    """阻断性问题 Findings of severity E."""
    advisory: int
    """提示性问题 Findings of severity W."""
    waived: int
    """已豁免 Findings of severity E under a waiver; they do not block."""
    unexplained: int
    """待说明 Findings of severity W without an explanation in force."""
    listed: int
    """列出条数 Findings listed below."""
    is_truncated: bool
    """是否截断 True if fewer are listed than found."""


class Finding(_Part):
    """问题 One finding with its place, what was filed, what was expected, and how to put it right."""

    sheet: Shown | None
    """工作表 Sheet; null for CSV."""
    row_no: int | None
    """行号 Row of the file, header and blank rows counted; null for the file as a whole."""
    column_name: str | None
    """列名 English name of the blamed column."""
    header: Shown | None
    """表头 Header of the column as filed."""
    cell: str | None
    """单元格 Address, e.g. K7."""
    filed_in: str | None
    """行所在的报送 Submission the row was filed in, when a CORRECTION carries it over; null: this one."""
    value: Shown | None
    """报送值 Value found; personal values masked."""
    expected: Shown | None
    """应为 Value or form expected."""
    message_zh: Shown | None
    """问题说明 What is wrong."""
    message_en: Shown | None
    """What is wrong, English."""
    fix_zh: Shown | None
    """如何更正 How to put it right."""
    fix_en: Shown | None
    """How to put it right, English."""


class FindingGroup(_Part):
    """同一规则的问题 All findings of one rule."""

    rule_code: str
    """规则 Rule, e.g. F01-I04."""
    rule_class: str | None
    """规则类别 structure, intra, inter, cross, period or aggregate."""
    severity: str | None
    """级别 E blocks, W is told."""
    text_zh: str | None
    """规则内容 The rule as a sentence."""
    text_en: str | None
    """The rule as a sentence, English."""
    count: int
    """问题数 Findings of the rule, all of them."""
    listed: int
    """列出条数 Findings listed here."""
    is_truncated: bool
    """是否截断 True if fewer are listed than found."""
    waived_by: str | None
    """豁免编号 Waiver in force for the rule."""
    explained_by: str | None
    """说明编号 Explanation in force for the rule."""
    needs_explanation: bool
    """待说明 True for a W rule without an explanation in force."""
    findings: tuple[Finding, ...]
    """问题 The findings, in order of row and column."""


class Verdict(_Part):
    """核对结果 What became of one rule: a rule that did not run never passes."""

    rule_code: str
    """规则 Rule."""
    severity: str | None
    """级别 E or W."""
    verdict: Literal["pass", "fail", "not_run"]
    """结果 pass, fail or not_run."""
    reason_zh: Shown | None
    """未核对原因 Why it did not run."""
    reason_en: Shown | None
    """Why it did not run, English."""
    count: int
    """问题数 Findings."""
    text_zh: str | None
    """规则内容 The rule as a sentence; null when it passed."""
    text_en: str | None
    """The rule as a sentence, English; null when it passed."""


class ControlTotal(_Part):
    """合计核对 A sum: the filer's and ours side by side."""

    column_name: str
    """列名 Column that is added up."""
    header: Shown | None
    """表头 Header as filed."""
    declared: str | None
    """报送合计 Total of the envelope as decimal text; null: none was stated."""
    ours: str | None
    """我方合计 Our total as decimal text; null: the file was not read, or it has no such column."""
    agrees: bool | None
    """是否相符 True or false when both are known, else null."""


class Excuse(_Part):
    """豁免或说明 A waiver or explanation that holds for this submission."""

    rule_code: str
    """规则 Rule it is for."""
    kind: Literal["waiver", "explanation"]
    """类型 waiver (of E findings) or explanation (of W findings)."""
    excuse_id: Shown
    """编号 Its id."""
    reason: Shown | None
    """内容 Its text."""
    granted_at: datetime | None
    """生效时间 When it took effect."""
    last_period: str | None
    """有效至 Last period it holds for."""


class ChangedCell(_Part):
    """差异 One cell that differs from the superseded version, or one row added or removed."""

    change: Literal["added", "removed", "changed"]
    """变动 added or removed (a row), changed (a cell)."""
    record_key: Shown | None
    """主键 Key of the record."""
    row_no: int | None
    """行号 Row in this file; null for a removed row."""
    old_row_no: int | None
    """原行号 Row before, in the file it was filed in."""
    old_filed_in: str | None
    """原行所在的报送 Submission the row before was filed in; null for an added row."""
    column_name: str | None
    """列名 Column; null for whole rows."""
    header: Shown | None
    """表头 Header as filed."""
    old_value: Shown | None
    """原值 Value before; personal values masked."""
    new_value: Shown | None
    """新值 Value now; personal values masked."""


class ChangedTotal(_Part):
    """合计变动 A sum before and now."""

    column_name: str
    """列名 Column that is added up."""
    header: Shown | None
    """表头 Header of the column."""
    old_total: str | None
    """原合计 Total of the superseded version as decimal text."""
    new_total: str | None
    """新合计 Total of this version as decimal text."""


class Difference(_Part):
    """与被替代版本的差异 What this version changes against the one it replaces."""

    against_submission_id: str
    """对比的报送 The version compared with."""
    in_effect: bool
    """是否生效 True if this version was accepted; false: what it would have changed."""
    rows_added: int
    """新增行 Rows whose key is new."""
    rows_removed: int
    """减少行 Rows whose key is gone."""
    rows_changed: int
    """变动行 Rows of the same key with at least one other value."""
    rows_unchanged: int
    """不变行 Rows of the same key and values."""
    change_count: int
    """变动条数 Added and removed rows and changed cells, all of them."""
    is_truncated: bool
    """是否截断 True if fewer changes are listed than found."""
    changes: tuple[ChangedCell, ...]
    """变动 The changes, in order of record and column."""
    totals: tuple[ChangedTotal, ...]
    """合计变动 Totals of the form's control columns, before and now."""


class KpiEffect(_Part):
    """指标影响 A published KPI cell whose value this version moves."""

    kpi_id: str
    """指标 KPI, e.g. CMP-01."""
    name_zh: str | None
    """指标名称 Chinese name."""
    period: str
    """期间 Period of the cell."""
    grain: str
    """粒度 Grain of the cell, e.g. insurer."""
    dimension: str | None
    """维度 Dimension and its value; null for the total."""
    old_value: str | None
    """原值 Value before as decimal text; null: there was none."""
    new_value: str | None
    """新值 Value now as decimal text; null: there is none."""
    unit: str | None
    """单位 Unit."""


class Receipt(_Part):
    """消保数仓报送回执 What an insurer is told about one submission.

    Null means not known or not applicable, never zero. Ids, codes and counts are exact; texts are for people. The same
    submission in the same state gives the same bytes.
    """

    schema_version: Literal["1.0.0"]
    """回执格式版本 Version of this schema; the first number changes when a reader must change."""
    submission: Submission
    """报送的基本事实 Facts of the submission."""
    state: State
    """结论 The state in words."""
    next_deadline: Deadline | None
    """下一期限 Next deadline of the same form; null for forms without a calendar, or not in the calendar yet."""
    rows: RowAccount | None
    """行数核对 Account of the rows; null before judgement."""
    totals: FindingTotals
    """问题计数 True counts of findings."""
    findings: tuple[FindingGroup, ...]
    """问题 Findings by rule, blocking ones first; at most 1,000 a rule and 10,000 a receipt are listed."""
    verdicts: tuple[Verdict, ...]
    """规则核对结果 One verdict a rule; empty when the form is unknown, because no rules could be chosen."""
    to_explain: tuple[str, ...]
    """待说明的规则 W rules whose findings still need an explanation; empty for a version that is not in force."""
    control_totals: tuple[ControlTotal, ...]
    """合计核对 Control totals of the form, the filer's beside ours."""
    excuses: tuple[Excuse, ...]
    """豁免与说明 Waivers and explanations in force."""
    difference: Difference | None
    """差异 Difference against the superseded version; null when there is none to compare with."""
    kpi_effects: tuple[KpiEffect, ...] | None
    """指标影响 Published KPI cells of the reporter this version moves; null: not known (yet); empty: it moves none."""


@dataclass(frozen=True, slots=True)
class FiledRow:
    """One row that has findings, as filed; cells in the order of the columns, None for an empty cell."""

    row_no: int
    filed_in: str | None
    cells: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class FiledRows:
    """Rows with findings, personal columns and clear identities masked as in quarantine.

    `columns`: (English name, header as filed), in the order of the file.
    """

    columns: tuple[tuple[str, str], ...]
    rows: tuple[FiledRow, ...]


@dataclass(frozen=True, slots=True)
class Dossier:
    """A receipt with the filed rows its workbook shows.

    `rows` is None where filed text is not at hand (a release does not carry it); no rows is an empty table.
    """

    receipt: Receipt
    rows: FiledRows | None

    def as_json(self) -> bytes:
        """The receipt as the published JSON, UTF-8, one line end at its end."""
        return self.receipt.model_dump_json(indent=1).encode() + b"\n"


def published_schema() -> str:
    """JSON Schema of a receipt, the text of `docs/receipt.schema.json`."""
    schema = Receipt.model_json_schema(mode="serialization")
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "version": SCHEMA_VERSION,
    }
    return json.dumps(head | schema, ensure_ascii=False, indent=2) + "\n"
