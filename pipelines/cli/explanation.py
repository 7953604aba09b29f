"""`xiaobao explanation`: what insurers say to findings of severity W (form F14)."""

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
    tell,
    waiting_note,
)
from pipelines.cli.release import Conditions, listed, open_release

explanation = typer.Typer(
    name="explanation", help="情况说明 explanations of W findings: add, list.", no_args_is_help=True
)


@explanation.command()
def add(
    *,
    insurer: InsurerOption,
    form: TargetFormOption,
    period: TargetPeriodOption,
    rule: Annotated[str, typer.Option(help="规则 code of the rule, F01-I09; severity W.")],
    text: Annotated[str, typer.Option(help="说明内容 what is behind the warning, in a sentence.")],
    prepared_by: PreparedOption,
    reviewed_by: ReviewedOption,
    approved_by: ApprovedOption,
    region: RegionOption = None,
    signed_at: SignedOption = None,
    output: FormatOption = OutputFormat.TABLE,
) -> None:
    """登记情况说明: enter an explanation that came in on another way; signed by three persons of the insurer."""
    from pipelines.filing.registers import Signers, enter
    from pipelines.settings import load_settings

    settings, signers = load_settings(), Signers(prepared_by, reviewed_by, approved_by)
    signed = signature(settings, signed_at)
    own_period = f"{signed:%Y-%m}"
    row = header(
        settings, reporter=insurer, org=insurer, region=region, period=own_period, signed_at=signed
    ) | {
        "target_form": form.upper(),
        "target_period": period.upper(),
        "rule_code": rule.upper(),
        "explanation": text,
        "explained_on": f"{signed:%Y-%m-%d}",
    }
    entered = enter(
        settings.registers_dir,
        register_form("F14"),
        row,
        signers=signers,
        signed_at=signed,
        released=released_versions(settings, "F14", own_period, insurer),
        own_id="SM",
    )
    tell(entered, output)


@explanation.command(name="list")
def list_(
    insurer: Annotated[str | None, typer.Option(help="报送机构 code of the insurer.")] = None,
    form: Annotated[list[str] | None, typer.Option(help="报表 form codes, F01,F02 or repeated.")] = None,
    rule: Annotated[list[str] | None, typer.Option(help="规则 rule codes.")] = None,
    output: FormatOption = OutputFormat.TABLE,
) -> None:
    """情况说明清单: scope, text, last period, and how many warnings in how many submissions each one explains."""
    from pipelines.contracts.periods import Period
    from pipelines.filing.excuses import EXCUSED_PERIODS
    from pipelines.settings import load_settings

    settings, conditions = load_settings(), Conditions()
    conditions.text("x.sys_to IS NULL")
    conditions.equal("x.reporter_code", insurer)
    conditions.one_of("x.target_form", listed(form))
    conditions.one_of("x.rule_code", listed(rule))
    with open_release(settings) as release:
        rows = release.rows(
            "SELECT x.explanation_id, x.reporter_code, any_value(r.alias) AS alias, x.target_form, "
            "x.target_period AS first_period, x.rule_code, x.explanation, x.explained_on, "
            "count(f.submission_id) AS findings, count(DISTINCT f.submission_id) AS submissions "
            "FROM filed.f14 AS x LEFT JOIN registry.reporters AS r ON r.org_code = x.reporter_code "
            "LEFT JOIN filing.findings AS f ON f.explained_by = x.explanation_id "
            "AND f.reporter_code = x.reporter_code "
            f"{conditions.where()} GROUP BY ALL ORDER BY x.target_period, x.reporter_code, x.explanation_id",
            conditions.values,
        )
        note, name = waiting_note(settings, release, register_form("F14")), release.name
    for row in rows:
        row["last_period"] = Period.parse(str(row["first_period"])).shift(EXCUSED_PERIODS - 1).label
    columns = [
        Column("explanation_id", "编号 id", wrap=False),
        Column("reporter_code", "机构 insurer", wrap=False),
        Column("alias", "简称 name", wrap=False),
        Column("target_form", "报表 form"),
        Column("rule_code", "规则 rule", wrap=False),
        Column("first_period", "起 from", wrap=False),
        Column("last_period", "止 to", wrap=False),
        Column("explanation", "说明 explanation"),
        Column("explained_on", "说明日 explained", wrap=False),
        Column("findings", "说明问题 findings", justify="right"),
        Column("submissions", "涉及报送 submissions", justify="right"),
    ]
    emit(Table(f"情况说明 Explanations ({len(rows)}), release {name}", columns, rows, caption=note), output)
