"""`xiaobao appeal`: insurers' appeals that a complaint be excluded from the count, and their decisions (form R02)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.errors import OperatorError
from pipelines.cli.output import Column, FormatOption, OutputFormat, Table, emit, plain
from pipelines.cli.registers import (
    ApprovedOption,
    InsurerOption,
    PreparedOption,
    RegionOption,
    ReviewedOption,
    SignedOption,
    header,
    register_form,
    released_versions,
    signature,
    supervisor_code,
    tell,
    waiting_note,
)
from pipelines.cli.release import Conditions, open_release

if TYPE_CHECKING:
    from pipelines.settings import Settings

appeal = typer.Typer(
    name="appeal", help="不纳入申诉 exclusion appeals: add, decide, nil, list.", no_args_is_help=True
)


class Decision(StrEnum):
    """What becomes of an appeal; 补正 sends it back to be completed, it stays open."""

    GRANTED = "同意"
    REFUSED = "驳回"
    INCOMPLETE = "补正"


@appeal.command()
def add(
    *,
    insurer: InsurerOption,
    ref: Annotated[str, typer.Option(help="监管转办编号 number of the forwarding letter.")],
    situation: Annotated[str, typer.Option(help="申请情形 code of the exclusion situation (CL_EXCL), 01.")],
    evidence: Annotated[str, typer.Option(help="佐证 number of the evidence file.")],
    prepared_by: PreparedOption,
    reviewed_by: ReviewedOption,
    approved_by: ApprovedOption,
    filed_on: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="申请日 day of the appeal; unset: signed.")
    ] = None,
    region: RegionOption = None,
    signed_at: SignedOption = None,
    output: FormatOption = OutputFormat.TABLE,
) -> None:
    """登记申诉: until it is refused, the insurer's view of the complaint may differ from the regulator's (F01-X02)."""
    from pipelines.filing.registers import Signers, enter
    from pipelines.settings import load_settings

    settings, signers = load_settings(), Signers(prepared_by, reviewed_by, approved_by)
    signed, reporter = signature(settings, signed_at), supervisor_code()
    day = filed_on or signed
    own_period = f"{day:%Y-%m}"
    row = header(
        settings, reporter=reporter, org=insurer, region=region, period=own_period, signed_at=signed
    ) | {
        "reg_ref_no": ref,
        "exclusion_code": situation,
        "filed_on": f"{day:%Y-%m-%d}",
        "evidence_ref": evidence,
    }
    entered = enter(
        settings.registers_dir,
        register_form("R02"),
        row,
        signers=signers,
        signed_at=signed,
        released=released_versions(settings, "R02", own_period, reporter),
        own_id="SS",
    )
    tell(entered, output)


@appeal.command()
def decide(
    appeal_id: Annotated[str, typer.Argument(help="申诉编号 id of the appeal.")],
    decision: Annotated[Decision, typer.Option(help="决定 granted, refused, or to be completed.")],
    prepared_by: PreparedOption,
    reviewed_by: Annotated[str, typer.Option(help="复核人 who decides, another person (four eyes).")],
    approved_by: ApprovedOption,
    signed_at: SignedOption = None,
    output: FormatOption = OutputFormat.TABLE,
) -> None:
    """登记决定: corrects the appeal's row in the register of the month it was filed in."""
    from pipelines.filing.registers import Signers, enter
    from pipelines.settings import load_settings

    settings, signers = load_settings(), Signers(prepared_by, reviewed_by, approved_by)
    signed, reporter = signature(settings, signed_at), supervisor_code()
    row = _row(settings, appeal_id) | {
        "record_action": "U",
        "updated_at": f"{signed:%Y-%m-%d %H:%M:%S}",
        "decision": decision.value,
        "decided_on": f"{signed:%Y-%m-%d}",
        "reviewer": reviewed_by,
    }
    entered = enter(
        settings.registers_dir,
        register_form("R02"),
        row,
        signers=signers,
        signed_at=signed,
        released=released_versions(settings, "R02", row["period"], reporter),
    )
    tell(entered, output)


@appeal.command()
def nil(
    period: Annotated[str, typer.Option(help="报告期 month without an appeal, 2025-03.")],
    prepared_by: PreparedOption,
    reviewed_by: ReviewedOption,
    approved_by: ApprovedOption,
    signed_at: SignedOption = None,
    output: FormatOption = OutputFormat.TABLE,
) -> None:
    """零报告: say that a month has no appeal; without a register F01-X02 is not run, since missing is not zero."""
    from pipelines.contracts.periods import Period
    from pipelines.filing.registers import Signers, enter
    from pipelines.settings import load_settings

    settings, signers = load_settings(), Signers(prepared_by, reviewed_by, approved_by)
    reporter, label = supervisor_code(), Period.parse(period).label
    entered = enter(
        settings.registers_dir,
        register_form("R02"),
        {"period": label, "reporter_code": reporter},
        signers=signers,
        signed_at=signature(settings, signed_at),
        released=released_versions(settings, "R02", label, reporter),
    )
    tell(entered, output)


@appeal.command(name="list")
def list_(
    insurer: Annotated[str | None, typer.Option(help="机构 code of the appealing institution.")] = None,
    open_only: Annotated[
        bool, typer.Option("--open", help="只列未决 only those without a final decision.")
    ] = False,
    output: FormatOption = OutputFormat.TABLE,
) -> None:
    """申诉清单: appeals of the release in force with their decisions."""
    from pipelines.settings import load_settings

    settings, conditions = load_settings(), Conditions()
    conditions.text("a.sys_to IS NULL")
    conditions.equal("a.org_code", insurer)
    if open_only:
        conditions.text("a.decision IS NULL OR a.decision = ?", Decision.INCOMPLETE.value)
    columns = [
        Column("appeal_id", "编号 id", wrap=False),
        Column("reg_ref_no", "转办编号 letter", wrap=False),
        Column("org_code", "机构 insurer", wrap=False),
        Column("alias", "简称 name", wrap=False),
        Column("exclusion_code", "情形 situation"),
        Column("filed_on", "申请日 filed", wrap=False),
        Column("evidence_ref", "佐证 evidence"),
        Column("decision", "决定 decision"),
        Column("decided_on", "决定日 decided", wrap=False),
        Column("reviewer", "复核人(密钥) by key", wrap=False),
    ]
    with open_release(settings) as release:
        rows = release.rows(
            "SELECT a.appeal_id, a.reg_ref_no, a.org_code, r.alias, a.exclusion_code, a.filed_on, a.evidence_ref, "
            "a.decision, a.decided_on, left(a.reviewer, 8) AS reviewer "
            "FROM filed.r02 AS a LEFT JOIN registry.reporters AS r ON r.org_code = a.org_code "
            f"{conditions.where()} ORDER BY a.filed_on, a.appeal_id",
            conditions.values,
        )
        note, name = waiting_note(settings, release, register_form("R02")), release.name
    emit(
        Table(
            f"不纳入申诉 Appeals ({len(rows)}), release {name}",
            columns,
            rows,
            {"同意": "green", "驳回": "red", "补正": "yellow"},
            note,
        ),
        output,
    )


def _row(settings: Settings, appeal_id: str) -> dict[str, str]:
    """The appeal as it was last entered or, if nothing waits for the next run, as the release has it."""
    from pipelines.filing.registers import waiting

    form = register_form("R02")
    released: list[dict[str, object]] = []
    judged: set[object] = set()
    if settings.current_release.exists():
        names = ", ".join(column.name for column in form.columns)
        with open_release(settings) as release:
            released = release.rows(f"SELECT {names} FROM filed.r02 WHERE sys_to IS NULL")
            judged = {
                row["submission_id"] for row in release.rows("SELECT submission_id FROM filing.submissions")
            }
    known = {str(row["appeal_id"]): {name: plain(value) for name, value in row.items()} for row in released}
    for filing in waiting(settings.registers_dir, form):
        if filing.version.submission_id not in judged:
            known |= {row["appeal_id"]: dict(row) for row in filing.rows}
    if appeal_id not in known:
        from difflib import get_close_matches

        near = get_close_matches(appeal_id, known, n=3, cutoff=0.5)
        raise OperatorError(
            f"no appeal {appeal_id!r} is registered"
            + (f"; near it: {', '.join(near)}" if near else "")
            + ". `xiaobao appeal list` shows those of the release."
        )
    return known[appeal_id]
