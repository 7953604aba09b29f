"""`xiaobao run`: everything from the inbox to a release, in this process, through Dagster."""

from __future__ import annotations

import datetime as dt
import time
from typing import TYPE_CHECKING, Annotated, Self

import typer

from pipelines.cli.errors import ExitCode, OperatorError
from pipelines.cli.output import (
    Column,
    FormatOption,
    OutputFormat,
    Table,
    emit,
    stderr_console,
    stdout_console,
)
from pipelines.cli.release import listed

_DEADLINES_REACH = dt.timedelta(days=45)
"""Deadlines that a run sets and announces lie this far ahead at most."""

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from pipelines.orchestration.summaries import RefreshOutcome
    from pipelines.settings import Settings


def run(
    full: Annotated[
        bool, typer.Option("--full", help="全部重建 build every model even if no filing changed.")
    ] = False,
    form: Annotated[
        list[str] | None, typer.Option(help="只读 read these forms only, F01,F02 or repeated.")
    ] = None,
    period: Annotated[
        list[str] | None, typer.Option(help="只读 read these periods only, 2025-03 or 2025Q1.")
    ] = None,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="exit with 3 if any submission in force of judgement was rejected."),
    ] = False,
    output: FormatOption = OutputFormat.TABLE,
) -> None:
    """运行: receive, read, judge, model and release. What is done already is not done again."""
    from pipelines.garbage import collect_rarely
    from pipelines.intake.persons import is_public_key
    from pipelines.settings import PERSON_KEY_VARIABLE, load_settings

    settings = load_settings()
    console = stderr_console()
    console.print(f"运行 run: inbox {settings.inbox}", soft_wrap=True)
    if is_public_key():
        console.print(
            f"[yellow]{PERSON_KEY_VARIABLE} 未设置[/], the public key hides names but can be tried: set a secret.",
            soft_wrap=True,
        )
    _warn_of_provisional_days(console)
    started = time.perf_counter()
    outcome = None if full or form or period else _outcome_if_idle(settings)
    if outcome is None:
        collect_rarely()
        _tell_absent(settings, console)
        with console.status("启动 starting Dagster ..."):
            from pipelines.orchestration.runs import refresh
        with StageProgress(console) as progress:
            outcome = refresh(
                settings, full=full, forms=listed(form), periods=listed(period), progress=progress
            )
    seconds = time.perf_counter() - started
    if output is OutputFormat.TABLE:
        _tell(settings, outcome, seconds)
    else:
        emit(Table("", [Column("name", "name"), Column("value", "value")], _facts(outcome, seconds)), output)
    settled = outcome.settle
    if strict and settled and (settled.rejected or settled.malformed):
        raise typer.Exit(ExitCode.STRICT)


def _warn_of_provisional_days(console: Console) -> None:
    """Deadlines of the coming weeks may rest on days that no holiday notice fixes yet."""
    from pipelines.contracts.working_days import load_working_days

    provisional = load_working_days().provisional_from
    if provisional and dt.datetime.now(tz=dt.UTC).date() + _DEADLINES_REACH >= provisional:
        console.print(
            f"[yellow]工作日历自 {provisional} 起为暂定[/]: deadlines after it may move. Once the State Council's "
            "holiday notice is out, put its days into data/calendar/working_days.csv.",
            soft_wrap=True,
        )


def _tell_absent(settings: Settings, console: Console) -> None:
    """Say which forms have no contract and what falls away with them.

    Raises:
        OperatorError: nothing can be judged without one of them.
    """
    from pipelines.contracts.loader import load_catalogue
    from pipelines.orchestration.absent import absent_forms

    for absent in absent_forms(settings.project_dir, load_catalogue()):
        if absent.is_indispensable:
            raise OperatorError(absent.message)
        console.print(absent.message, style="yellow", soft_wrap=True, markup=False)


def _outcome_if_idle(settings: Settings) -> RefreshOutcome | None:
    """What a refresh would say if it found nothing to do; None if there may be something."""
    from pipelines.orchestration.idle import present_state, release_if_idle
    from pipelines.orchestration.summaries import RefreshOutcome

    release = release_if_idle(settings, present_state(settings))
    return RefreshOutcome(release=release) if release else None


class StageProgress:
    """One bar per stage on stderr; on anything but a terminal, one line per finished stage."""

    def __init__(self, console: Console) -> None:
        """Draw on this console."""
        from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        self._console = console
        self._title = ""
        self._task: TaskID | None = None
        self._bars: Progress = RichProgress(
            SpinnerColumn(finished_text="[green]✓[/]"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[note]}"),
            console=console,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> Self:
        """Start drawing."""
        self._bars.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Leave the bars as they are."""
        self._bars.stop()

    def begin(self, stage: str, title: str) -> None:  # noqa: ARG002 (the protocol's)
        """A bar of unknown length."""
        self._title = title
        self._task = self._bars.add_task(title, total=None, note="")

    def update(self, what: str, done: int, total: int) -> None:
        """Its length and how far."""
        if self._task is not None:
            self._bars.update(self._task, completed=done, total=total or None, note=what)

    def finish(self, stage: str, summary: object) -> None:  # noqa: ARG002 (the protocol's)
        """Full, with the stage's result beside it."""
        note = _note(summary)
        if self._task is not None:
            end = max(1, int(self._bars.tasks[self._task].completed))
            self._bars.update(self._task, completed=end, total=end, note=note)
        if not self._console.is_terminal:
            self._console.print(f"  ✓ {self._title}: {note}", soft_wrap=True)


def _note(summary: object) -> str:
    """A stage's result in a few words."""
    from pipelines.orchestration.summaries import (
        FormSummary,
        ModelsSummary,
        NoticesSummary,
        PullSummary,
        ReleaseSummary,
        SettleSummary,
    )

    match summary:
        case PullSummary():
            return f"{summary.new:,} new of {summary.total:,} files"
        case FormSummary():
            return (
                f"{summary.submissions:,} submissions, {summary.rows_read:,} rows"
                if summary.submissions
                else "–"
            )
        case SettleSummary():
            return (
                f"{summary.accepted:,} accepted, {summary.partly_accepted:,} partly, "
                f"{summary.rejected:,} rejected, {summary.malformed:,} unreadable"
            )
        case NoticesSummary():
            undelivered = summary.waiting + summary.refused
            return f"{summary.delivered:,} delivered" + (
                f", {undelivered:,} not delivered" if undelivered else ""
            )
        case ModelsSummary() if summary.rebuilt:
            return f"{summary.models} models, {summary.tests_passed} tests passed"
        case ModelsSummary():
            return "unchanged"
        case ReleaseSummary():
            return f"v{summary.release_no} " + ("published" if summary.created else "still in force")
    return ""


def _facts(outcome: RefreshOutcome, seconds: float) -> list[dict[str, object]]:
    """The outcome as name and value, for programs."""
    facts: dict[str, object] = {"run_id": outcome.run_id, "seconds": f"{seconds:.2f}"}
    if outcome.pull:
        facts |= {"files_new": outcome.pull.new, "files_total": outcome.pull.total}
    facts["submissions_read"] = sum(form.submissions for form in outcome.forms)
    facts["rows_read"] = sum(form.rows_read for form in outcome.forms)
    if outcome.settle:
        for name in (
            "accepted",
            "partly_accepted",
            "rejected",
            "malformed",
            "superseded",
            "findings_e",
            "findings_w",
        ):
            facts[name] = getattr(outcome.settle, name)
    if outcome.notices:
        facts |= {
            "notices_delivered": outcome.notices.delivered,
            "notices_waiting": outcome.notices.waiting,
            "notices_refused": outcome.notices.refused,
        }
    if outcome.models:
        facts |= {"models": outcome.models.models, "models_rebuilt": outcome.models.rebuilt}
    if outcome.release:
        facts |= {
            "release": f"v{outcome.release.release_no}",
            "release_created": outcome.release.created,
            "release_reason": outcome.release.reason,
            "release_path": str(outcome.release.path),
        }
    facts |= {f"seconds_{stage}": f"{value:.2f}" for stage, value in outcome.seconds.items()}
    return [{"name": name, "value": value} for name, value in facts.items()]


def _tell(settings: Settings, outcome: RefreshOutcome, seconds: float) -> None:
    """The outcome for a person, and where everything lies."""
    console = stdout_console()
    release, settled = outcome.release, outcome.settle
    nothing_new = not (release and release.created) and not sum(form.submissions for form in outcome.forms)
    if release and nothing_new:
        console.print(
            f"\n[bold]没有新的报送[/] Nothing new since release v{release.release_no}: "
            f"nothing was done twice ({seconds:.0f} s)."
        )
    elif release:
        verb = "已发布 published" if release.created else "未变 unchanged"
        console.print(
            f"\n[bold]release v{release.release_no} {verb}[/] ({seconds:.0f} s): {release.reason}",
            soft_wrap=True,
        )
    if settled:
        console.print(
            f"  报送 submissions: [green]接受 accepted {settled.accepted:,}[/], "
            f"[yellow]部分接受 partly {settled.partly_accepted:,}[/], "
            f"[red]退回 rejected {settled.rejected:,}[/], "
            f"[red]无法识别 unreadable {settled.malformed:,}[/], 被替代 superseded {settled.superseded:,}\n"
            f"  问题 findings: 阻断 blocking {settled.findings_e:,}, 提示 warnings {settled.findings_w:,}",
            soft_wrap=True,
        )
    if outcome.notices and (outcome.notices.waiting or outcome.notices.refused):
        console.print(
            f"  [red]未送达 undelivered {outcome.notices.waiting + outcome.notices.refused:,}[/]: "
            "xiaobao notices --undelivered",
            soft_wrap=True,
        )
    for label, place in (
        ("发布 release", settings.current_release),
        ("回执 receipts", settings.outbox_dir if settings.outbox.startswith("file://") else settings.outbox),
        ("问题 findings", "xiaobao findings   (one submission: xiaobao receipt SUBMISSION)"),
        ("指标 KPIs", "xiaobao kpi"),
        ("报送情况 status", "xiaobao status"),
    ):
        console.print(f"  {label}: {place}", soft_wrap=True)
