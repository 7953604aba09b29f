"""`xiaobao receipt SUBMISSION`: what the insurer gets back."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.cli.errors import OperatorError
from pipelines.cli.findings import Language, LanguageOption, finding_columns
from pipelines.cli.output import FormatOption, OutputFormat, Table, emit, emit_json, shown, stdout_console
from pipelines.cli.release import ReleaseReader, open_release

_FACTS = (
    ("submission_id", "报送编号", "submission"),
    ("form", "报表", "form"),
    ("period", "报告期", "period"),
    ("reporter_code", "报送机构", "reporter"),
    ("kind", "报送类型", "kind"),
    ("sequence_no", "报送序号", "sequence"),
    ("signed_at", "签发时间", "signed at"),
    ("source_name", "文件", "file"),
    ("rows_read", "读取行数", "rows read"),
    ("rows_accepted", "接受行数", "rows accepted"),
    ("rows_quarantined", "隔离行数", "rows held back"),
    ("rows_rejected", "退回行数", "rows rejected"),
    ("error_count", "阻断性问题", "blocking findings"),
    ("warning_count", "提示性问题", "warnings"),
    ("late_days", "迟报天数", "days late"),
    ("ruleset_version", "规则版本", "rule set"),
)


def receipt(
    submission: Annotated[str, typer.Argument(help="报送编号 submission id.")],
    language: LanguageOption = Language.ZH,
    output: FormatOption = OutputFormat.TABLE,
) -> None:
    """回执: the verdict on one submission, every finding with its place, and how to fix it."""
    columns = finding_columns(language, with_submission=False)
    with open_release() as release:
        facts = _submission(release, submission)
        found = release.rows(
            f"SELECT {', '.join(column.key for column in columns)} FROM filing.findings "
            "WHERE submission_id = ? "
            "ORDER BY severity, row_no NULLS FIRST, rule_code, column_name NULLS FIRST, value",
            [submission],
        )
    if output is OutputFormat.JSON:
        emit_json({"submission": facts, "findings": found})
        return
    if output is OutputFormat.TABLE:
        _head(facts, language)
    title = f"问题 Findings ({len(found):,})"
    emit(Table(title, columns, found, {"E": "red", "W": "yellow"}), output)


def _submission(release: ReleaseReader, submission: str) -> dict[str, object]:
    found = release.rows("SELECT * FROM filing.submissions WHERE submission_id = ?", [submission])
    if found:
        return found[0]
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


def _head(facts: dict[str, object], language: Language) -> None:
    from rich import box
    from rich.panel import Panel
    from rich.table import Table as RichTable
    from rich.text import Text

    from pipelines.filing.states import STATES

    chinese = language is Language.ZH
    grid = RichTable(box=None, show_header=False, pad_edge=False)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")  # Chinese has no spaces to break at: without it the end would be cut off
    state = STATES.get(str(facts["state"]))
    if state:
        sentence = state.sentence_zh if chinese else state.sentence_en
        style = {"insurer": "bold red", "analyst": "bold yellow"}.get(state.actor, "bold green")
        grid.add_row(
            "结论" if chinese else "verdict", Text(f"{state.label_zh} {state.code}  {sentence}", style)
        )
        grid.add_row("下一步" if chinese else "next", state.next_zh if chinese else state.next_en)
    else:
        grid.add_row("结论" if chinese else "verdict", str(facts["state"]))
    for key, zh, en in _FACTS:
        if key in facts:
            grid.add_row(zh if chinese else en, Text(shown(facts[key])))
    stdout_console().print(
        Panel(grid, title="回执 Receipt", box=box.SQUARE, expand=False, title_align="left")
    )
