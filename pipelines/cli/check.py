"""`xiaobao check FILE...`: an insurer's own check before sending, without the regulator's data and without a home."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from pipelines.cli.errors import ExitCode
from pipelines.cli.findings import Language, LanguageOption, finding_columns
from pipelines.cli.output import (
    Column,
    FormatOption,
    OutputFormat,
    Table,
    emit,
    emit_json,
    plain,
    shown,
    stderr_console,
    stdout_console,
)

if TYPE_CHECKING:
    from pipelines.filing.self_check.check import Report

_TABLE_LIMIT = 50
_ENVELOPES = {
    "sidecar": "旁附文件 sidecar",
    "cover": "封面 cover sheet",
    "none": "没有,未检查 none, not checked",
}


def check(
    files: Annotated[
        list[Path],
        typer.Argument(exists=True, help="文件或文件夹 files or folders; sidecars are found beside them."),
    ],
    form: Annotated[str | None, typer.Option(help="报表 form of files without an envelope.")] = None,
    period: Annotated[str | None, typer.Option(help="报告期 period of files without an envelope.")] = None,
    reporter: Annotated[
        str | None, typer.Option(help="报送机构编码 reporter of files without an envelope.")
    ] = None,
    write: Annotated[
        Path | None,
        typer.Option("--write", file_okay=False, help="写入 write the receipts into this folder."),
    ] = None,
    language: LanguageOption = Language.ZH,
    output: FormatOption = OutputFormat.TABLE,
) -> None:
    """自查: every rule that can run without the regulator's data, on files that belong together.

    Exit code 0: nothing blocks; 1: something would block; 2: wrong usage.
    """
    from pipelines.contracts.working_days import default_calendar_path
    from pipelines.filing.self_check.check import self_check
    from pipelines.filing.self_check.desk import Bounds
    from pipelines.intake.handed import Told, UnrecognisedError, gather
    from pipelines.intake.xlsx_reader import XlsxLimits
    from pipelines.settings import TIMEZONE, load_settings

    catalogue = _catalogue_knowing(form)
    handed = gather(files)
    if not handed:
        raise typer.BadParameter("no data file (.csv, .xlsx) in it", param_hint="FILES")
    settings = load_settings()
    bounds = Bounds(
        settings.max_file_bytes,
        XlsxLimits(settings.max_unzipped_bytes, settings.max_cells, settings.read_seconds),
        settings.memory_limit,
        settings.threads,
    )
    now = settings.as_of or datetime.now(tz=ZoneInfo(TIMEZONE)).replace(tzinfo=None, microsecond=0)
    try:
        reports = self_check(
            handed,
            catalogue,
            bounds,
            told=Told(form and form.upper(), period, reporter),
            now=now,
            calendar=default_calendar_path(),
        )
    except UnrecognisedError as error:
        raise typer.BadParameter(str(error), param_hint="FILES") from error
    if write is not None:
        _write(reports, write)
    if output is OutputFormat.JSON:
        emit_json([_as_dict(report) for report in reports])
    elif output is OutputFormat.CSV:
        _emit_csv(reports, language)
    else:
        for report in reports:
            _show(report, language)
        _sum_up(reports, language)
    if not all(report.is_clean for report in reports):
        raise typer.Exit(ExitCode.OPERATOR)


def _catalogue_knowing(form: str | None) -> Any:
    from pipelines.contracts.loader import load_catalogue

    catalogue = load_catalogue()
    if form is not None and form.upper() not in catalogue.forms:
        raise typer.BadParameter(
            f"no form {form!r}; known: {', '.join(catalogue.forms)}", param_hint="--form"
        )
    return catalogue


def _as_dict(report: Report) -> dict[str, Any]:
    """A report for programs: the receipt, and what a receipt of the regulator has no place for."""
    from dataclasses import asdict

    return {
        **(report.receipt or {}),
        "self_check": {
            "file": report.file,
            "envelope": report.envelope,
            "same_as": report.same_as,
            "due": report.due,
            "beyond": report.beyond,
            "pending": report.pending,
            "rules": [asdict(verdict) for verdict in report.verdicts],
        },
    }


def _write(reports: list[Report], folder: Path) -> None:
    """`<submission>.selfcheck.json`, and workbook and page as the regulator's receipts look, marked as a check.

    What would be sent once the envelope is in order stands in `<submission>.beyond.xlsx` and `.html`.
    """
    from pipelines.filing.receipts.drawing import render

    folder.mkdir(parents=True, exist_ok=True)
    for report in reports:
        if report.receipt is None:
            continue
        stem = report.receipt["receipt"]["submission_id"]
        body = json.dumps(_as_dict(report), ensure_ascii=False, indent=1, default=plain).encode()
        files = {f"{stem}.selfcheck.json": body}
        for name, dossier in (("selfcheck", report.dossier), ("beyond", report.beyond_dossier)):
            if dossier is not None:
                files |= {
                    f"{stem}.{name}{suffix}": drawn for suffix, drawn in render(dossier) if suffix != ".json"
                }
        for name, content in files.items():
            (folder / name).write_bytes(content)
            stderr_console().print(f"自查结果 written: {folder / name}", soft_wrap=True)


def _emit_csv(reports: list[Report], language: Language) -> None:
    columns = [
        Column("file", "file"),
        Column("status", "status"),
        *finding_columns(language, with_submission=False),
    ]
    rows: list[dict[str, object]] = [
        {"file": report.file, "status": status, **finding}
        for report in reports
        for status, found in (("finding", report.findings), ("pending", report.pending))
        for finding in found
    ]
    emit(Table("", columns, rows), OutputFormat.CSV)


def _show(report: Report, language: Language) -> None:
    _head(report, language)
    for title, found in (
        ("问题 Findings", report.receipt["findings"] if report.receipt else []),
        ("信封改好之后还有 Once the envelope is in order", report.beyond),
        (
            "待核对:所引编号如在以前各期报送过则无问题 Pending: unless filed in an earlier period",
            report.pending,
        ),
    ):
        if found:
            emit(_findings(f"{title} ({len(found):,})", found, language), OutputFormat.TABLE)


def _findings(title: str, found: list[dict[str, Any]], language: Language) -> Table:
    """Findings for reading: where, what, and below the first of each kind how to mend it."""
    rows: list[dict[str, object]] = []
    mended: set[tuple[str, str]] = set()
    for finding in found[:_TABLE_LIMIT]:
        message, fix = finding[f"message_{language}"], finding[f"fix_{language}"]
        if (finding["rule_code"], fix) not in mended:
            mended.add((finding["rule_code"], fix))
            message = f"{message}\n→{fix}"
        rows.append(finding | {"place": finding["cell"] or finding["row_no"], "said": message})
    columns = [
        Column("rule_code", "规则 rule", wrap=False),
        Column("severity", "级别", justify="center", wrap=False),
        Column("place", "位置 place", wrap=False),
        Column("header", "列 column"),
        Column("value", "值 value"),
        Column("said", "问题和更正 message, and how to fix"),
    ]
    caption = None
    if len(found) > _TABLE_LIMIT:
        caption = f"显示 {_TABLE_LIMIT} / {len(found):,}; --format csv 或 --write shows all"
    return Table(title, columns, rows, {"E": "red", "W": "yellow"}, caption)


def _head(report: Report, language: Language) -> None:
    from rich import box
    from rich.panel import Panel
    from rich.table import Table as RichTable
    from rich.text import Text

    chinese = language is Language.ZH
    grid = RichTable(box=None, show_header=False, pad_edge=False)
    if report.same_as is not None or report.receipt is None:
        grid.add_row("与此文件内容相同" if chinese else "same content as", Text(report.same_as or ""))
    else:
        submission, verdict = report.receipt["receipt"], report.receipt["verdict"]
        style = "bold green" if report.is_clean else "bold red"
        sentence = verdict["sentence_zh" if chinese else "sentence_en"]
        grid.add_row(
            "若现在报送" if chinese else "if sent now",
            Text(f"{verdict['label_zh']} {verdict['state']}  {sentence}", style),
        )
        for label, value in (
            ("报表 form", f"{submission['form'] or ''} {submission['period'] or ''}"),
            ("报送机构 reporter", submission["reporter_code"]),
            ("信封 envelope", _ENVELOPES[report.envelope]),
            ("数据行数 rows", submission["rows_read"]),
            ("截止日 due", report.due),
            ("规则 rules", _tally(report)),
        ):
            grid.add_row(label, Text(shown(value)))
    stdout_console().print(
        Panel(
            grid,
            title=f"自查 Self-check  {Path(report.file).name}",
            box=box.SQUARE,
            expand=False,
            title_align="left",
        )
    )


def _tally(report: Report) -> str:
    count = Counter(verdict.verdict for verdict in report.verdicts)
    return (
        f"通过 pass {count['pass']},不通过 fail {count['fail']},未运行 not run {count['not_run']}"
        if report.verdicts
        else ""
    )


def _sum_up(reports: list[Report], language: Language) -> None:
    """Rules that did not run and why, once for all files, and the outcome."""
    unrun: dict[tuple[str, str], set[str]] = {}
    for report in reports:
        for verdict in report.verdicts:
            if verdict.verdict == "not_run":
                reason = verdict.reason_zh if language is Language.ZH else verdict.reason_en
                unrun.setdefault((reason or "", Path(report.file).name), set()).add(verdict.rule_code)
    rows: list[dict[str, object]] = [
        {"file": file, "reason": reason, "rules": " ".join(sorted(codes))}
        for (reason, file), codes in sorted(unrun.items(), key=lambda item: (item[0][1], item[0][0]))
    ]
    if rows:
        columns = [
            Column("file", "文件 file", once=True),
            Column("reason", "原因 why"),
            Column("rules", "规则 rules"),
        ]
        emit(Table("没有运行的规则 Rules that did not run", columns, rows), OutputFormat.TABLE)
    errors = sum(finding["severity"] != "W" for report in reports for finding in report.findings)
    warnings = sum(finding["severity"] == "W" for report in reports for finding in report.findings)
    pending = sum(len(report.pending) for report in reports)
    outcome = (
        "[bold red]有阻断性问题 something would block[/]"
        if errors
        else "[bold green]没有阻断性问题 nothing blocks[/]"
    )
    stdout_console().print(
        f"{outcome}: 阻断 E {errors:,},提示 W {warnings:,},待核对 pending {pending:,}  "
        f"({len(reports)} 个文件 files)。自查不是报送,也不是回执 A check is neither a filing nor a receipt.",
        soft_wrap=True,
    )
