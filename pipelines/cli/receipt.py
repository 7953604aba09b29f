"""`xiaobao receipt SUBMISSION`: what the insurer gets back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.errors import OperatorError
from pipelines.cli.findings import Language, LanguageOption, finding_columns
from pipelines.cli.output import (
    Column,
    FormatOption,
    OutputFormat,
    Table,
    emit,
    shown,
    stderr_console,
    stdout_console,
)
from pipelines.cli.release import ReleaseReader, open_release

if TYPE_CHECKING:
    from pipelines.filing.receipts.content import Receipt

SUFFIXES = (".json", ".xlsx", ".html")


def receipt(
    submission: Annotated[str, typer.Argument(help="报送编号 submission id.")],
    write: Annotated[
        Path | None,
        typer.Option(help="把三个回执文件写入该目录 also write the three files into this folder."),
    ] = None,
    language: LanguageOption = Language.ZH,
    output: FormatOption = OutputFormat.TABLE,
) -> None:
    """回执: the verdict on one submission, findings with their place, totals, differences, waivers, how to fix it.

    JSON is the receipt as published (docs/receipt.schema.json); CSV is its findings.
    """
    with open_release() as release:
        told = _receipt(release, submission)
    if write is not None:
        _write(told, write)
    if output is OutputFormat.JSON:
        typer.echo(told.model_dump_json(indent=2))
        return
    columns = finding_columns(language, with_submission=False)
    totals = told.totals
    found = totals.blocking + totals.advisory
    caption = f"显示 {totals.listed:,} / {found:,}" if totals.is_truncated else None
    findings = Table(
        f"问题 Findings ({found:,})", columns, _findings(told), {"E": "red", "W": "yellow"}, caption
    )
    if output is OutputFormat.CSV:
        emit(findings, output)
        return
    _head(told, language)
    for table in (findings, *_tables(told)):
        emit(table, output)


def _receipt(release: ReleaseReader, submission: str) -> Receipt:
    from pipelines.filing.receipts.gathering import dossiers

    found = release.ask(lambda connection: list(dossiers(connection, [submission])))
    if found:
        return found[0].receipt
    from difflib import get_close_matches

    known = [
        str(row["submission_id"]) for row in release.rows("SELECT submission_id FROM filing.submissions")
    ]
    near = get_close_matches(submission, known, n=3, cutoff=0.5)
    raise OperatorError(
        f"release {release.name} has no submission {submission!r}"
        + (f"; near it: {', '.join(near)}" if near else "")
        + ". What was received after that release appears with the next run."
    )


def _write(told: Receipt, folder: Path) -> None:
    """The files as the insurer has them; those the outbox has not are drawn from the release, without filed rows."""
    from pipelines.filing.outbox import Outbox
    from pipelines.filing.receipts.content import Dossier
    from pipelines.filing.receipts.drawing import render
    from pipelines.settings import load_settings

    name = told.submission.submission_id
    outbox = Outbox(load_settings().outbox)
    files = {suffix: outbox.fetch(told.submission.reporter_code, f"{name}{suffix}") for suffix in SUFFIXES}
    if None in files.values():
        stderr_console().print(
            "[yellow]the outbox does not hold this receipt[/]; it is drawn from the release, without the filed rows"
        )
        files = dict(render(Dossier(told, None)))
    folder.mkdir(parents=True, exist_ok=True)
    for suffix, data in files.items():
        path = folder / f"{name}{suffix}"
        path.write_bytes(data or b"")
        stderr_console().print(str(path), soft_wrap=True)


def _findings(told: Receipt) -> list[dict[str, object]]:
    shared = told.submission.model_dump(include={"submission_id", "form", "period", "reporter_code"})
    return [
        {**shared, "rule_code": group.rule_code, "severity": group.severity, **finding.model_dump()}
        for group in told.findings
        for finding in group.findings
    ]


def _head(told: Receipt, language: Language) -> None:
    from rich import box
    from rich.panel import Panel
    from rich.table import Table as RichTable
    from rich.text import Text

    chinese = language is Language.ZH
    grid = RichTable(box=None, show_header=False, pad_edge=False)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")  # Chinese has no spaces to break at: without it the end would be cut off
    state = told.state
    style = {"insurer": "bold red", "analyst": "bold yellow"}.get(state.actor, "bold green")
    sentence = state.sentence_zh if chinese else state.sentence_en
    grid.add_row("结论" if chinese else "verdict", Text(f"{state.label_zh} {state.code}  {sentence}", style))
    grid.add_row("下一步" if chinese else "next", Text(state.next_zh if chinese else state.next_en))
    for zh, en, value in _facts(told):
        grid.add_row(zh if chinese else en, Text(shown(value)))
    stdout_console().print(
        Panel(grid, title="回执 Receipt", box=box.SQUARE, expand=False, title_align="left")
    )


def _facts(told: Receipt) -> list[tuple[str, str, object]]:
    s, rows, totals, due = told.submission, told.rows, told.totals, told.next_deadline
    facts: list[tuple[str, str, object]] = [
        ("报送编号", "submission", s.submission_id),
        ("报表", "form", " ".join(filter(None, (s.form, s.form_title_zh))) or None),
        ("报告期", "period", s.period),
        ("报送机构", "reporter", " ".join(filter(None, (s.reporter_code, s.reporter_name))) or None),
        ("报送类型", "kind", s.kind),
        ("报送序号", "sequence", s.sequence_no),
        ("签发时间", "signed at", s.signed_at),
        ("应报日期", "due", s.due_date),
        ("迟报天数", "days late", s.late_days),
        ("下一期限", "next deadline", f"{due.period}: {due.due_date}" if due else None),
        ("文件", "file", s.source_name),
    ]
    if rows is not None:
        facts += [
            ("读取行数", "rows read", rows.read),
            ("接受行数", "rows accepted", rows.accepted),
            ("隔离行数", "rows held back", rows.held_back),
            ("退回行数", "rows refused", rows.refused),
        ]
    facts += [
        ("阻断性问题", "blocking findings", totals.blocking),
        ("提示性问题", "warnings", totals.advisory),
        ("已豁免", "waived", totals.waived),
        ("待说明", "to explain", " ".join(told.to_explain) or None),
        ("规则版本", "rule set", s.ruleset_version),
    ]
    return facts


def _tables(told: Receipt) -> list[Table]:
    """What is not there has no table: control totals, changes, waivers and explanations."""
    tables = []
    if told.control_totals:
        columns = [
            Column("column_name", "列 column"),
            Column("header", "表头 header"),
            Column("declared", "报送合计 stated", justify="right"),
            Column("ours", "我方合计 ours", justify="right"),
            Column("agrees", "相符 agrees"),
        ]
        rows = [total.model_dump() for total in told.control_totals]
        tables.append(Table("合计 Control totals", columns, rows, {"否": "red"}))
    if told.difference is not None:
        difference = told.difference
        columns = [
            Column("change", "变动 change"),
            Column("record_key", "主键 key"),
            Column("row_no", "行 row", justify="right"),
            Column("old_row_no", "原行 old row", justify="right"),
            Column("header", "列 column"),
            Column("old_value", "原值 old"),
            Column("new_value", "新值 new"),
        ]
        title = (
            f"差异 Changes against {difference.against_submission_id}: +{difference.rows_added:,} "
            f"-{difference.rows_removed:,} ~{difference.rows_changed:,} ={difference.rows_unchanged:,}"
        )
        caption = None
        if difference.is_truncated:
            caption = f"显示 {len(difference.changes):,} / {difference.change_count:,}"
        rows = [change.model_dump() for change in difference.changes]
        tables.append(Table(title, columns, rows, caption=caption))
    if told.excuses:
        columns = [
            Column("rule_code", "规则 rule"),
            Column("kind", "类型 kind"),
            Column("excuse_id", "编号 id"),
            Column("last_period", "有效至 until"),
            Column("reason", "内容 reason"),
        ]
        rows = [excuse.model_dump() for excuse in told.excuses]
        tables.append(Table("豁免与说明 Waivers and explanations", columns, rows))
    return tables
