"""The envelope (F00) that travels with a filing: read from a JSON sidecar or the cover sheet of a workbook.

Belongs here: field names, their Chinese labels, and typed reading with every problem named. Does not belong here:
whether the declared facts are right (validation.envelope_rules) or allowed (filing).
Source of the fields: domain book §7 "Envelope (F00)".
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from pipelines.contracts.headers import normalise_header
from pipelines.intake.faults import Fault
from pipelines.intake.xlsx_reader import Row, WorkbookRefusedError, XlsxLimits, cover_rows

KINDS = ("ORIGINAL", "RESUBMIT", "CORRECTION", "NIL", "WITHDRAW")
#: Envelope fields and the label each has on a cover sheet.
LABELS = {
    "submission_id": "报送编号",
    "form": "报表代码",
    "version": "报表版本",
    "reporter": "报送机构编码",
    "period": "报告期",
    "kind": "报送类型",
    "sequence_no": "报送序号",
    "supersedes": "被替代报送编号",
    "reason_code": "重报原因",
    "state": "状态",
    "row_count": "数据行数",
    "sha256": "文件摘要",
    "encoding": "编码",
    "prepared_by": "填报人",
    "reviewed_by": "复核人",
    "approved_by": "批准人",
    "signed_at": "签发时间",
}
_REQUIRED = (
    "submission_id",
    "form",
    "version",
    "reporter",
    "period",
    "kind",
    "sequence_no",
    "state",
    "row_count",
)
_SAFE_ID = re.compile(r"^[A-Za-z0-9._-]{1,80}$")
#: A cover line that declares the total of a column starts with this, then the column.
TOTAL_PREFIX = "合计:"
_MAX_SIDECAR_BYTES = 1 << 20
_FIELD_OF = {normalise_header(label): name for name, label in LABELS.items()} | {
    name: name for name in LABELS
}


@dataclass(frozen=True, slots=True)
class Envelope:
    """What the filer declares. Unreadable fields are None and named in `faults`.

    Persons are kept only as three strings in memory for the three-signatures rule; the warehouse knows them by their
    keys (`intake.persons`). `control_totals` maps column name to the declared decimal text.
    """

    submission_id: str | None = None
    form: str | None = None
    version: str | None = None
    reporter: str | None = None
    period: str | None = None
    kind: str | None = None
    sequence_no: int | None = None
    supersedes: str | None = None
    reason_code: str | None = None
    state: str | None = None
    row_count: int | None = None
    sha256: str | None = None
    encoding: str | None = None
    signers: tuple[str | None, str | None, str | None] = (None, None, None)
    signed_at: dt.datetime | None = None
    control_totals: Mapping[str, str] = field(default_factory=dict)
    on_cover: bool = False
    faults: tuple[Fault, ...] = ()


def from_sidecar(raw: bytes) -> Envelope:
    """Read a JSON sidecar. A sidecar that is not a JSON object gives an envelope with a fault and nothing else."""
    if len(raw) > _MAX_SIDECAR_BYTES:
        return Envelope(faults=(Fault("ENV-S01", "信封文件超过 1 MiB", value=str(len(raw))),))
    try:
        data = json.loads(raw.decode("utf-8-sig"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        return Envelope(faults=(Fault("ENV-S01", f"信封不是有效的 JSON: {error}", value=str(error)[:120]),))
    if not isinstance(data, dict):
        return Envelope(faults=(Fault("ENV-S01", "信封应为一个 JSON 对象", value=type(data).__name__),))
    totals = data.pop("control_totals", None)
    named = {_FIELD_OF.get(normalise_header(str(key)), str(key)): value for key, value in data.items()}
    return _typed(named, totals if isinstance(totals, dict) else {}, on_cover=False)


def from_cover(workbook: bytes, limits: XlsxLimits) -> Envelope | None:
    """Read the cover sheet of a workbook; None when its first sheet is no cover. Unreadable workbooks are faults."""
    try:
        rows = cover_rows(workbook, limits)
        if rows is None:
            return None
        fields: dict[str, object] = {}
        totals: dict[str, object] = {}
        for row in rows:
            found = _label_and_content(row)
            if found is None:
                continue
            label, content = found
            if label.startswith((TOTAL_PREFIX, TOTAL_PREFIX.replace(":", "："))):
                totals[label[len(TOTAL_PREFIX) :]] = content
            elif label in _FIELD_OF:
                fields[_FIELD_OF[label]] = content
        return _typed(fields, totals, on_cover=True)
    except WorkbookRefusedError as refused:
        return Envelope(faults=(refused.fault,))


def _label_and_content(row: Row) -> tuple[str, str] | None:
    """First filled cell of a cover line and the cell right of it; notes further right are for people.

    An empty content cell is an empty field: what stands beyond it is never taken in its place.
    """
    label_at = next(index for index, cell in enumerate(row.cells) if cell is not None)
    content = row.cells[label_at + 1] if label_at + 1 < len(row.cells) else None
    return None if content is None else (normalise_header(row.cells[label_at] or ""), content)


def _typed(fields: Mapping[str, object], totals: Mapping[str, object], *, on_cover: bool) -> Envelope:
    faults: list[Fault] = []

    def text(name: str) -> str | None:
        value = fields.get(name)
        return None if value is None or not str(value).strip() else str(value).strip()

    def whole(name: str) -> int | None:
        value = text(name)
        if value is None:
            return None
        if not re.fullmatch(r"-?\d{1,12}(\.0+)?", value):
            faults.append(Fault("ENV-S01", f"信封字段“{LABELS[name]}”应为整数", value=value[:80]))
            return None
        return int(value.split(".")[0])

    faults.extend(
        Fault("ENV-S01", f"信封缺少字段“{LABELS[name]}”({name})", value=None, expected=name)
        for name in (*_REQUIRED, "signed_at")
        if text(name) is None
    )
    submission_id = text("submission_id")
    if submission_id is not None and not _SAFE_ID.fullmatch(submission_id):
        faults.append(
            Fault(
                "ENV-S01", "报送编号只能含字母、数字、点、下划线和连字符,至多 80 位", value=submission_id[:80]
            )
        )
        submission_id = None
    kind = text("kind")
    if kind is not None and kind not in KINDS:
        faults.append(
            Fault("ENV-S01", f"报送类型 {kind} 不存在", value=kind[:40], expected=" | ".join(KINDS))
        )
        kind = None
    signed_at = _moment(text("signed_at"), faults)
    return Envelope(
        submission_id=submission_id,
        form=text("form"),
        version=text("version"),
        reporter=text("reporter"),
        period=text("period"),
        kind=kind,
        sequence_no=whole("sequence_no"),
        supersedes=text("supersedes"),
        reason_code=text("reason_code"),
        state=text("state"),
        row_count=whole("row_count"),
        sha256=text("sha256"),
        encoding=text("encoding"),
        signers=(text("prepared_by"), text("reviewed_by"), text("approved_by")),
        signed_at=signed_at,
        control_totals=_totals(totals, faults),
        on_cover=on_cover,
        faults=tuple(faults),
    )


def _totals(totals: Mapping[str, object], faults: list[Fault]) -> dict[str, str]:
    kept: dict[str, str] = {}
    for name, value in totals.items():
        if value is None:  # a total left open in the template's skeleton is not declared
            continue
        try:
            kept[str(name)] = format(Decimal(str(value).strip()), "f")
        except InvalidOperation:
            faults.append(Fault("ENV-S01", f"控制合计 {name} 不是数字", None, str(name), str(value)[:80]))
    return kept


def _moment(value: str | None, faults: list[Fault]) -> dt.datetime | None:
    if value is None:
        return None
    try:
        return dt.datetime.fromisoformat(value).replace(tzinfo=None, microsecond=0)
    except ValueError:
        faults.append(Fault("ENV-S01", "签发时间无法识别", value=value[:60], expected="2025-04-08T10:15:00"))
        return None
