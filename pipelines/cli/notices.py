"""`xiaobao notices`: who is to be chased for what, what could not be delivered, and sending it now."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from pipelines.cli.output import Column, FormatOption, OutputFormat, Table, emit, stderr_console
from pipelines.cli.release import Conditions, listed, open_release
from pipelines.cli.status import undelivered_notices

_COLUMNS = [
    Column("notice_date", "通知日 day", wrap=False),
    Column("stage", "阶段 stage", wrap=False),
    Column("reporter_code", "机构编码 code", wrap=False),
    Column("alias", "机构 insurer", wrap=False),
    Column("form", "报表 form", wrap=False),
    Column("period", "报告期 period", wrap=False),
    Column("due_date", "截止日 due", wrap=False),
    Column("status", "现状 status", wrap=False),
    Column("last_submission_id", "最近报送 newest file"),
    Column("is_newest", "最新阶段 newest", in_table=False),
]
_UNDELIVERED = [
    Column("message_id", "编号 message"),
    Column("reporter_code", "机构编码 code", wrap=False),
    Column("stage", "阶段 stage", wrap=False),
    Column("channel", "渠道 channel", wrap=False),
    Column("attempts", "次数 attempts", justify="right"),
    Column("is_permanent", "不再重试 for good"),
    Column("error", "原因 reason"),
    Column("tried_at", "时间 tried (UTC)", wrap=False),
]


def notices(
    reporter: Annotated[str | None, typer.Option(help="报送机构 reporter code.")] = None,
    form: Annotated[list[str] | None, typer.Option(help="报表 form codes, F01,F02 or repeated.")] = None,
    period: Annotated[str | None, typer.Option(help="报告期 period, 2025-03 or 2025Q1.")] = None,
    stage: Annotated[
        str | None, typer.Option(help="阶段 reminder, last_reminder, missing, second or escalation.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="全部 also earlier stages and obligations met since.")
    ] = False,
    undelivered: Annotated[
        bool, typer.Option("--undelivered", help="未送达 messages that could not be delivered, and why.")
    ] = False,
    send: Annotated[
        bool, typer.Option("--send", help="现在发送 deliver what is due now; waits for a run at work.")
    ] = False,
    at: Annotated[
        datetime | None,
        typer.Option(help="催报时点 chase by this moment (with --send); by default that of the last run."),
    ] = None,
    output: FormatOption = OutputFormat.TABLE,
) -> None:
    """催报: reminders and notices that the calendar calls for, of the release in force."""
    from pipelines.filing.notices import STAGES
    from pipelines.settings import load_settings

    if stage is not None and stage not in STAGES:
        raise typer.BadParameter(f"{stage!r} is none of {', '.join(STAGES)}", param_hint="--stage")
    settings = load_settings()
    if send:
        from pipelines.orchestration.steps import notify

        done = notify(settings, at)
        stderr_console().print(
            f"催报 notices: {done.notices:,} due, {done.delivered:,} delivered, {done.waiting:,} to be tried again, "
            f"{done.refused:,} refused for good.{' ' + done.problem if done.problem else ''}",
            markup=False,
        )
        return
    if undelivered:
        problem, rows = undelivered_notices(settings.delivery_report)
        emit(Table("未送达 Undelivered", _UNDELIVERED, rows, caption=problem or None), output)
        return
    conditions = Conditions()
    conditions.equal("n.reporter_code", reporter)
    conditions.one_of("n.form", listed(form))
    conditions.equal("n.period", period)
    conditions.equal("n.stage", stage)
    if not everything:
        from pipelines.filing.states import UNMET

        conditions.text("n.is_newest")
        conditions.one_of("n.status", UNMET)
    with open_release(settings) as release:
        found = release.rows(
            "SELECT n.notice_date, n.stage, n.reporter_code, coalesce(r.alias, n.reporter_code) AS alias, n.form, "
            "n.period, n.due_date, n.status, n.last_submission_id, n.is_newest FROM filing.notices AS n "
            f"LEFT JOIN registry.reporters AS r ON r.org_code = n.reporter_code {conditions.where()} "
            "ORDER BY n.notice_date DESC, n.reporter_code, n.form, n.period",
            conditions.values,
        )
        name = release.name
    emit(Table(f"催报 Notices ({len(found):,}), release {name}", _COLUMNS, found), output)
