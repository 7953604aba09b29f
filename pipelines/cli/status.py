"""`xiaobao status`: who filed what for a period, late, missing or rejected."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import typer

from pipelines.cli.errors import OperatorError
from pipelines.cli.output import Column, FormatOption, OutputFormat, Table, emit, stderr_console
from pipelines.cli.release import ReleaseReader, open_release

MARKS = {
    "filed": ("✓", "已报 filed", "green"),
    "late": ("迟", "迟报 late", "yellow"),
    "missing": ("缺", "缺报 missing", "bold red"),
    "rejected": ("退", "退回 rejected", "red"),
    "pending": ("…", "待报 not yet due", "dim"),
}
"""Status of an obligation -> mark, label, style."""

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
)


def status(
    period: Annotated[
        str | None,
        typer.Option(help="报告期 month (2025-03) or quarter (2025Q1); by default the last month due."),
    ] = None,
    only: Annotated[str | None, typer.Option(help="只看 filed, late, missing, rejected or pending.")] = None,
    output: FormatOption = OutputFormat.TABLE,
) -> None:
    """报送情况: the board of obligations; who filed, is late, missing or rejected."""
    with open_release() as release:
        chosen = period or _last_month_due(release)
        obligations = _obligations(release, chosen)
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
    else:
        emit(Table("", [Column(key, key) for key in _PROGRAM_COLUMNS], obligations), output)


def _last_month_due(release: ReleaseReader) -> str:
    rows = release.rows(
        "SELECT max(period) AS period FROM filing.obligations "
        "WHERE period LIKE '____-__' AND status <> 'pending'"
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
        "r.insurer_type, o.due_date, o.status, o.submission_id, o.filed_at, o.days_late "
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
        Column("type", "类型 type"),
        Column("code", "机构编码 code", wrap=False),
        Column("alias", "机构 insurer", wrap=False),
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
    return Table(title, columns, list(lines.values()), {mark: style for mark, _, style in MARKS.values()})


def _cell(row: dict[str, object]) -> str:
    mark = MARKS.get(str(row["status"]), ("?", "", ""))[0]
    return f"{mark} {row['days_late']}天" if row["status"] == "late" and row["days_late"] else mark


def _print_summary(obligations: list[dict[str, object]]) -> None:
    from pipelines.cli.output import stdout_console

    counts = Counter(str(row["status"]) for row in obligations)
    parts = [
        f"[{style}]{mark}[/] {label} {counts[code]}"
        for code, (mark, label, style) in MARKS.items()
        if counts[code]
    ]
    stdout_console().print("   ".join(parts) + f"   共 total {len(obligations)}   – 无此义务 not owed\n")
