"""`xiaobao history` and `xiaobao retry`: what happened to a filing, and reading again what we failed on."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.cli.errors import OperatorError
from pipelines.cli.output import Column, FormatOption, OutputFormat, Table, emit, stdout_console
from pipelines.cli.release import open_release


def history(
    submission: Annotated[str, typer.Argument(help="报送编号 submission id.")],
    output: FormatOption = OutputFormat.TABLE,
) -> None:
    """经过: every event of a submission's life, and the versions of its form and period beside it."""
    from pipelines.filing.states import EVENTS, STATES

    with open_release() as release:
        name = release.name
        found = release.rows(
            "SELECT event_no, event, state, known_at, cause, ruleset_version FROM filing.events "
            "WHERE submission_id = ? ORDER BY event_no",
            [submission],
        )
        versions = release.rows(
            "SELECT s.submission_id, s.kind, s.sequence_no, s.state, s.signed_at, s.sys_from, s.sys_to, "
            "s.rows_in_force, s.reason_code FROM filing.submissions AS s JOIN filing.submissions AS o "
            "USING (form, period, reporter_code) WHERE o.submission_id = ? "
            "ORDER BY s.sequence_no, s.signed_at, s.submission_id",
            [submission],
        )
    if not found:
        raise OperatorError(
            f"release {name} has no submission {submission!r}; what was received after it appears with the next run"
        )
    labelled = [
        row | {"event": f"{EVENTS[str(row['event'])].label_zh} {row['event']}",
               "state": f"{STATES[str(row['state'])].label_zh} {row['state']}"}
        for row in found
    ]  # fmt: skip
    events = Table(
        f"经过 History of {submission}",
        [
            Column("event_no", "序 no."),
            Column("event", "事件 event"),
            Column("state", "此后状态 state after"),
            Column("known_at", "知悉时间 known at"),
            Column("cause", "起因 cause"),
            Column("ruleset_version", "规则版本 rule set"),
        ],
        labelled if output is OutputFormat.TABLE else found,
    )
    emit(events, output)
    if output is OutputFormat.TABLE:
        emit(
            Table(
                "同一义务的各版本 Versions of the same obligation",
                [
                    Column("sequence_no", "序号 no."),
                    Column("submission_id", "报送编号 submission", wrap=False),
                    Column("kind", "类型 kind"),
                    Column("state", "状态 state"),
                    Column("signed_at", "签发 signed"),
                    Column("sys_from", "生效 in force from"),
                    Column("sys_to", "至 until"),
                    Column("rows_in_force", "行数 rows"),
                    Column("reason_code", "原因 reason"),
                ],
                versions,
            ),
            output,
        )


def retry(
    submissions: Annotated[list[str], typer.Argument(help="报送编号 submission ids in state quarantined.")],
) -> None:
    """重新处理: read again, with the next run, files that our own program failed on (state quarantined)."""
    from pipelines.orchestration import idle, steps
    from pipelines.settings import load_settings

    settings = load_settings()
    waiting = steps.retry(settings, submissions)
    idle.forget(settings)
    if not waiting:
        raise OperatorError(
            "none of these submissions waits for us (state quarantined); `xiaobao status` and "
            "`xiaobao history SUBMISSION` show states"
        )
    stdout_console().print(
        f"{waiting} 件将在下次运行时重新处理 will be read again by the next `xiaobao run`."
    )
