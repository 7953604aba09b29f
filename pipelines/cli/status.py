"""`xiaobao status`: the board of obligations of a period, and what waits for somebody."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.errors import OperatorError
from pipelines.cli.output import (
    Column,
    FormatOption,
    OutputFormat,
    Table,
    emit,
    stderr_console,
    stdout_console,
)
from pipelines.cli.release import ReleaseReader, open_release

if TYPE_CHECKING:
    from pipelines.settings import Settings

MARKS = {
    "filed": ("✓", "green"),
    "late": ("迟", "yellow"),
    "missing": ("缺", "bold red"),
    "rejected": ("退", "red"),
    "draft": ("存", "red"),
    "withdrawn": ("撤", "red"),
    "received": ("收", "cyan"),
    "pending": ("…", "dim"),
}
"""Status of an obligation -> mark, style; the words stand in `pipelines.filing.states`."""

_PROGRAM_COLUMNS = (
    "form",
    "period",
    "reporter_code",
    "alias",
    "insurer_type",
    "due_date",
    "status",
    "submission_id",
    "filed_at",
    "days_late",
    "last_submission_id",
)


def status(
    period: Annotated[
        str | None,
        typer.Option(help="报告期 month (2025-03) or quarter (2025Q1); by default the last month due."),
    ] = None,
    only: Annotated[str | None, typer.Option(help=f"只看 whoever has one of: {', '.join(MARKS)}.")] = None,
    output: FormatOption = OutputFormat.TABLE,
) -> None:
    """报送情况: the board of obligations; who filed, is late, missing or rejected; what waits for somebody."""
    from pipelines.settings import load_settings

    settings = load_settings()
    with open_release(settings) as release:
        chosen = period or _last_month_due(release)
        obligations = _obligations(release, chosen)
        waiting = _waiting(release) if output is OutputFormat.TABLE else {}
        name = release.name
    if not obligations:
        raise OperatorError(
            f"release {name} has no obligation for {chosen}; needed: a month such as 2025-03 "
            "or a quarter such as 2025Q1 that has fallen due"
        )
    if only:
        obligations = _narrowed(obligations, only)
    if output is OutputFormat.TABLE and not obligations:
        stderr_console().print(f"没有 nobody: no obligation of {chosen} is {only}.")
    elif output is OutputFormat.TABLE:
        emit(_board(obligations, f"报送情况 Filings for {chosen}, release {name}"), output)
        _print_summary(obligations)
        _print_waiting(waiting, settings)
    else:
        emit(Table("", [Column(key, key) for key in _PROGRAM_COLUMNS], obligations), output)


def _last_month_due(release: ReleaseReader) -> str:
    rows = release.rows(
        "SELECT max(period) AS period FROM filing.obligations "
        "WHERE period LIKE '____-__' AND due_date <= (SELECT as_of FROM release.release)::DATE"
    )
    if rows[0]["period"] is None:
        raise OperatorError(f"release {release.name} holds no obligations: no filing has been received yet")
    return str(rows[0]["period"])


def _obligations(release: ReleaseReader, period: str) -> list[dict[str, object]]:
    """Obligations of a month with those of its quarter, or of a quarter alone."""
    from pipelines.contracts.periods import Period

    parsed = Period.parse(period)
    labels = [parsed.label] + ([parsed.within("quarter").label] if parsed.kind == "month" else [])
    return release.rows(
        "SELECT o.form, o.period, o.reporter_code, "
        "coalesce(r.alias, CASE WHEN starts_with(o.form, 'R') THEN '监管分局' ELSE o.reporter_code END) AS alias, "
        "r.insurer_type, o.due_date, o.status, o.submission_id, o.filed_at, o.days_late, "
        "o.last_submission_id "
        "FROM filing.obligations AS o LEFT JOIN registry.reporters AS r ON r.org_code = o.reporter_code "
        f"WHERE o.period IN ({', '.join('?' * len(labels))}) "
        "ORDER BY r.insurer_type NULLS LAST, o.reporter_code, o.form, o.period",
        labels,
    )


def _narrowed(obligations: list[dict[str, object]], only: str) -> list[dict[str, object]]:
    """Obligations of the reporters that have the status anywhere.

    Raises:
        OperatorError: no such status.
    """
    if only not in MARKS:
        raise OperatorError(f"no status {only!r}; needed: one of {', '.join(MARKS)}")
    reporters = {row["reporter_code"] for row in obligations if row["status"] == only}
    return [row for row in obligations if row["reporter_code"] in reporters]


def _board(obligations: list[dict[str, object]], title: str) -> Table:
    forms = sorted({(str(row["form"]), str(row["period"])) for row in obligations})
    quarterly = {form for form, label in forms if "Q" in label}
    lines: dict[object, dict[str, object]] = {}
    for row in obligations:
        line = lines.setdefault(
            row["reporter_code"],
            {"code": row["reporter_code"], "alias": row["alias"], "type": row["insurer_type"]},
        )
        line[f"{row['form']} {row['period']}"] = _cell(row)
    columns = [
        Column("type", "类型 type", wrap=False, optional=True),
        Column("code", "机构编码 code", wrap=False, pinned=True),
        Column("alias", "机构 insurer", wrap=False, pinned=True),
        *(
            Column(
                f"{form} {label}",
                f"{form}\n{label}" if form in quarterly else form,
                justify="center",
                wrap=False,
            )
            for form, label in forms
        ),
    ]
    return Table(title, columns, list(lines.values()), dict(MARKS.values()))


def _cell(row: dict[str, object]) -> str:
    mark = MARKS.get(str(row["status"]), ("?", ""))[0]
    return f"{mark} {row['days_late']}天" if row["status"] == "late" and row["days_late"] else mark


def _print_summary(obligations: list[dict[str, object]]) -> None:
    from pipelines.filing.states import OBLIGATION_STATES

    counts = Counter(str(row["status"]) for row in obligations)
    parts = [
        f"[{style}]{mark}[/] {OBLIGATION_STATES[code].label_zh} {code} {counts[code]}"
        for code, (mark, style) in MARKS.items()
        if counts[code]
    ]
    stdout_console().print("   ".join(parts) + f"   共 total {len(obligations)}   – 无此义务 not owed\n")


def _waiting(release: ReleaseReader) -> dict[str, object]:
    """Counts of what waits for somebody, over all periods."""
    from pipelines.filing.states import UNMET

    unmet = ", ".join(f"'{code}'" for code in UNMET)
    [row] = release.rows(
        f"""
        SELECT
            (SELECT count(*) FROM filing.obligations AS o CROSS JOIN release.release AS r
                WHERE o.status IN ({unmet}) AND o.due_date < r.as_of::DATE) AS overdue,
            (SELECT count(*) FROM filing.notices WHERE is_newest AND status IN ({unmet})) AS notices,
            (SELECT count(*) FROM filing.submissions WHERE state = 'quarantined') AS ours,
            (SELECT coalesce(sum(unexplained_count), 0) FROM filing.submissions WHERE in_force) AS unexplained,
            (SELECT count(DISTINCT e.excuse_id) FROM filing.excuses AS e
                JOIN filing.submissions AS s USING (submission_id)
                WHERE e.kind = 'waiver' AND s.in_force) AS waivers
        """
    )
    return row


def _print_waiting(waiting: dict[str, object], settings: Settings) -> None:
    """One line per kind of thing that waits, with the command that shows it; nothing of what is not there."""
    lines = [
        (waiting["overdue"], "逾期未报 overdue, all periods", "xiaobao notices"),
        (waiting["notices"], "应催报 notices due", "xiaobao notices --send"),
        (waiting["unexplained"], "待说明的提示性问题 unexplained warnings", "xiaobao findings --severity W"),
        (waiting["waivers"], "有效豁免 waivers in force", "filing.excuses"),
        (waiting["ours"], "待我方处理的报送 filings waiting for us", "xiaobao retry"),
    ]
    from rich.markup import escape

    console = stdout_console()
    for count, label, command in lines:
        if count:
            console.print(f"  {count:,} {label}: [dim]{command}[/]", soft_wrap=True)
    problem, undelivered = undelivered_notices(settings.delivery_report)
    if problem:
        console.print(f"  [red]收件人文件 recipients:[/] {escape(problem)}", soft_wrap=True)
    if undelivered:
        console.print(
            f"  [red]{len(undelivered):,}[/] 未送达 undelivered: [dim]xiaobao notices --undelivered[/]",
            soft_wrap=True,
        )


def undelivered_notices(report: Path) -> tuple[str, list[dict[str, object]]]:
    """What is wrong with the recipients file, and the messages that the last delivery pass left undelivered."""
    if not report.is_file():
        return "", []
    told = json.loads(report.read_text(encoding="utf-8"))
    return str(told["problem"]), list(told["undelivered"])
