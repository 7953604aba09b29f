"""`xiaobao waiver`: findings of severity E that a supervisor accepts for three periods (form R04)."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.cli.output import Column, FormatOption, OutputFormat, Table, emit
from pipelines.cli.registers import (
    ApprovedOption,
    InsurerOption,
    PreparedOption,
    RegionOption,
    ReviewedOption,
    SignedOption,
    TargetFormOption,
    TargetPeriodOption,
    header,
    register_form,
    released_versions,
    signature,
    supervisor_code,
    tell,
    waiting_note,
)
from pipelines.cli.release import Conditions, listed, open_release

waiver = typer.Typer(name="waiver", help="豁免 waivers of E findings: add, list.", no_args_is_help=True)


@waiver.command()
def add(
    *,
    insurer: InsurerOption,
    form: TargetFormOption,
    period: TargetPeriodOption,
    rule: Annotated[str, typer.Option(help="规则 code of the rule, F01-I04; severity E, not every rule.")],
    reason: Annotated[str, typer.Option(help="理由 why it can be accepted, in a sentence.")],
    prepared_by: PreparedOption,
    reviewed_by: ReviewedOption,
    approved_by: ApprovedOption,
    requested_by: Annotated[
        str | None, typer.Option(help="申请人 who asked for it; unset: who enters it.")
    ] = None,
    evidence: Annotated[str, typer.Option(help="佐证 number of the evidence file.")] = "",
    region: RegionOption = None,
    signed_at: SignedOption = None,
    output: FormatOption = OutputFormat.TABLE,
) -> None:
    """登记豁免: the rule no longer holds back the insurer's rows in this period and the two that follow.

    Findings are still made, shown and counted. Whoever approves has neither asked for it nor entered it.
    """
    from pipelines.filing.registers import Signers, enter
    from pipelines.settings import load_settings

    settings, signers = load_settings(), Signers(prepared_by, reviewed_by, approved_by)
    signed, reporter = signature(settings, signed_at), supervisor_code()
    own_period = f"{signed:%Y-%m}"
    row = header(
        settings, reporter=reporter, org=insurer, region=region, period=own_period, signed_at=signed
    ) | {
        "target_form": form.upper(),
        "target_period": period.upper(),
        "rule_code": rule.upper(),
        "reason": reason,
        "requested_by": requested_by or prepared_by,
        "approved_by": approved_by,
        "approved_on": f"{signed:%Y-%m-%d}",
        "evidence_ref": evidence,
    }
    entered = enter(
        settings.registers_dir,
        register_form("R04"),
        row,
        signers=signers,
        signed_at=signed,
        released=released_versions(settings, "R04", own_period, reporter),
        own_id="HM",
    )
    tell(entered, output)


@waiver.command(name="list")
def list_(
    insurer: Annotated[str | None, typer.Option(help="报送机构 code of the insurer.")] = None,
    form: Annotated[list[str] | None, typer.Option(help="报表 form codes, F01,F02 or repeated.")] = None,
    rule: Annotated[list[str] | None, typer.Option(help="规则 rule codes.")] = None,
    output: FormatOption = OutputFormat.TABLE,
) -> None:
    """豁免清单: scope, reason, last period, and how many findings in how many submissions each one excused."""
    from pipelines.contracts.periods import Period
    from pipelines.filing.excuses import EXCUSED_PERIODS
    from pipelines.settings import load_settings

    settings, conditions = load_settings(), Conditions()
    conditions.text("w.sys_to IS NULL")
    conditions.equal("w.org_code", insurer)
    conditions.one_of("w.target_form", listed(form))
    conditions.one_of("w.rule_code", listed(rule))
    with open_release(settings) as release:
        rows = release.rows(
            "SELECT w.waiver_id, w.org_code, any_value(r.alias) AS alias, w.target_form, "
            "w.target_period AS first_period, w.rule_code, w.reason, w.approved_on, "
            "left(w.approved_by, 8) AS approved_by, count(f.submission_id) AS findings, "
            "count(DISTINCT f.submission_id) AS submissions "
            "FROM filed.r04 AS w LEFT JOIN registry.reporters AS r ON r.org_code = w.org_code "
            "LEFT JOIN filing.findings AS f ON f.waived_by = w.waiver_id AND f.reporter_code = w.org_code "
            f"{conditions.where()} GROUP BY ALL ORDER BY w.target_period, w.org_code, w.waiver_id",
            conditions.values,
        )
        note, name = waiting_note(settings, release, register_form("R04")), release.name
    for row in rows:
        row["last_period"] = Period.parse(str(row["first_period"])).shift(EXCUSED_PERIODS - 1).label
    columns = [
        Column("waiver_id", "编号 id", wrap=False),
        Column("org_code", "机构 insurer", wrap=False),
        Column("alias", "简称 name", wrap=False),
        Column("target_form", "报表 form"),
        Column("rule_code", "规则 rule", wrap=False),
        Column("first_period", "起 from", wrap=False),
        Column("last_period", "止 to", wrap=False),
        Column("reason", "理由 reason"),
        Column("approved_on", "批准日 approved", wrap=False),
        Column("approved_by", "批准人(密钥) by key", wrap=False),
        Column("findings", "豁免问题 findings", justify="right"),
        Column("submissions", "涉及报送 submissions", justify="right"),
    ]
    emit(Table(f"豁免 Waivers ({len(rows)}), release {name}", columns, rows, caption=note), output)
