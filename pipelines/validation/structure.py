"""Structure rules (ENV-S01..S09): is this a filing at all, and does the file agree with what its envelope declares.

Belongs here: rules that judge an envelope or a file as a whole. Rules that need the calendar or other submissions
(S04 obligation, S06 sequence, S08 lateness) are settled in `filing`, which knows them.
Sources: 银行业保险业监管统计管理办法 Art 16 and 18 (S07), PDL KPISet precedent (S02), domain book §5.3.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.contracts.errors import PeriodError
from pipelines.contracts.model import Catalogue, Form
from pipelines.contracts.periods import Period
from pipelines.intake.envelope import Envelope
from pipelines.intake.faults import Fault
from pipelines.intake.grid import Grid
from pipelines.intake.persons import person_key

#: Kinds that hold rows; the others are a statement alone, their data file has a header only.
_WITH_ROWS = ("ORIGINAL", "RESUBMIT", "CORRECTION")
_PERIOD_KINDS = {"monthly": ("month",), "quarterly": ("quarter",)}


def judge_envelope(envelope: Envelope, catalogue: Catalogue) -> Sequence[Fault]:
    """Rules that need only the envelope and the catalogue: S03 form and period, S07 signatures, S09 state."""
    faults: list[Fault] = []
    form = catalogue.forms.get(envelope.form or "")
    if form is None:
        faults.append(
            Fault(
                "ENV-S03",
                f"报表代码 {envelope.form} 不存在",
                value=envelope.form,
                expected=" | ".join(sorted(catalogue.forms)),
            )
        )
    else:
        faults.extend(_judge_period(envelope, form))
    if envelope.state != "SUBMITTED":
        faults.append(
            Fault(
                "ENV-S09", f"状态为 {envelope.state},未正式报送", value=envelope.state, expected="SUBMITTED"
            )
        )
    signers = [key for key in map(person_key, envelope.signers) if key]
    if len(signers) < 3 or len(set(signers)) < 3:  # noqa: PLR2004 - prepared, reviewed, approved
        faults.append(
            Fault(
                "ENV-S07",
                "填报人、复核人、批准人须齐全且为三个不同的人",
                value=f"{len(signers)} filled, {len(set(signers))} different",
                expected="3",
            )
        )
    return faults


def _judge_period(envelope: Envelope, form: Form) -> list[Fault]:
    if envelope.version != form.version:
        return [
            Fault(
                "ENV-S03",
                f"报表 {form.code} 的版本 {envelope.version} 未生效",
                value=envelope.version,
                expected=form.version,
            )
        ]
    try:
        period = Period.parse(envelope.period or "")
    except PeriodError:
        return [
            Fault(
                "ENV-S03",
                f"报告期 {envelope.period} 无法识别",
                value=envelope.period,
                expected="2025-03 | 2025Q1",
            )
        ]
    kinds = _PERIOD_KINDS.get(form.frequency)
    if kinds is not None and period.kind not in kinds:
        return [
            Fault(
                "ENV-S03",
                f"报表 {form.code} 的报告期应为{'月' if kinds == ('month',) else '季'}",
                value=envelope.period,
                expected=" | ".join(kinds),
            )
        ]
    outside = period.end < form.effective_from or (form.effective_to and period.start > form.effective_to)
    if outside:
        return [
            Fault(
                "ENV-S03",
                f"报表 {form.code} 版本 {form.version} 在 {period.label} 未生效",
                value=period.label,
                expected=f"{form.effective_from} - {form.effective_to or ''}",
            )
        ]
    return []


def judge_file(
    grid: Grid, *, kind: str | None, declared_rows: int | None, declared_sha256: str | None, sha256: str
) -> list[Fault]:
    """Rules that compare the file with its envelope: S02 digest and row count, S05 nil and empty reports."""
    faults = list(grid.faults)
    if declared_sha256 is not None and declared_sha256.lower() != sha256:
        faults.append(
            Fault(
                "ENV-S02", f"摘要 {declared_sha256[:16]}…", value=declared_sha256, expected=f"{sha256[:16]}…"
            )
        )
    if faults and grid.pieces is None:
        return faults
    if declared_rows is not None and declared_rows != grid.rows_read:
        faults.append(
            Fault(
                "ENV-S02",
                f"{declared_rows} 行",
                value=f"{declared_rows} rows",
                expected=str(grid.rows_read),
            )
        )
    if kind == "NIL" and grid.rows_read:
        faults.append(
            Fault("ENV-S05", f"零报告却有 {grid.rows_read} 行数据", value=str(grid.rows_read), expected="0")
        )
    if kind == "WITHDRAW" and grid.rows_read:
        faults.append(
            Fault("ENV-S05", f"撤回却有 {grid.rows_read} 行数据", value=str(grid.rows_read), expected="0")
        )
    if kind in _WITH_ROWS and not grid.rows_read:
        faults.append(Fault("ENV-S05", "没有数据行:确无业务时请报送零报告(NIL)", value="0", expected="NIL"))
    return faults
