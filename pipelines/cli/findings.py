"""`xiaobao findings`: what was wrong in filings, filtered."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from pipelines.cli.output import Column, FormatOption, OutputFormat, Table, emit
from pipelines.cli.release import Conditions, listed, open_release

_TABLE_LIMIT = 50


class Language(StrEnum):
    """Language of messages."""

    ZH = "zh"
    EN = "en"


LanguageOption = Annotated[Language, typer.Option("--lang", help="问题说明的语言 language of messages.")]


def finding_columns(language: Language, *, with_submission: bool) -> list[Column]:
    """Columns of findings, as `findings` and `receipt` show them."""
    return [
        Column("submission_id", "报送编号 submission", in_table=with_submission),
        Column("form", "报表 form", in_table=False),
        Column("period", "报告期 period", in_table=False),
        Column("reporter_code", "报送机构 reporter", in_table=False),
        Column("rule_code", "规则 rule", wrap=False),
        Column("severity", "级别 E/W", justify="center"),
        Column("sheet", "工作表 sheet", in_table=False),
        Column("row_no", "行 row", justify="right"),
        Column("column_name", "列 column", in_table=False),
        Column("header", "列 column"),
        Column("cell", "单元格 cell", in_table=False),
        Column("value", "值 value"),
        Column("expected", "应为 expected", in_table=not with_submission),
        Column(f"message_{language}", "问题 message"),
        Column(f"fix_{language}", "如何更正 how to fix"),
    ]


def findings(
    submission: Annotated[str | None, typer.Option(help="报送编号 submission id.")] = None,
    form: Annotated[list[str] | None, typer.Option(help="报表 form codes, F01,F02 or repeated.")] = None,
    period: Annotated[str | None, typer.Option(help="报告期 period, 2025-03 or 2025Q1.")] = None,
    reporter: Annotated[str | None, typer.Option(help="报送机构 reporter code.")] = None,
    rule: Annotated[list[str] | None, typer.Option(help="规则 rule codes, F01-I04 or repeated.")] = None,
    severity: Annotated[str | None, typer.Option(help="级别 E (blocks) or W (is told).")] = None,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help=f"最多行数 rows at most; tables show {_TABLE_LIMIT} unless told."),
    ] = None,
    language: LanguageOption = Language.ZH,
    output: FormatOption = OutputFormat.TABLE,
) -> None:
    """问题: findings of the release in force, with their place, the value found and how to fix it."""
    conditions = Conditions()
    conditions.equal("submission_id", submission)
    conditions.one_of("form", listed(form))
    conditions.equal("period", period)
    conditions.equal("reporter_code", reporter)
    conditions.one_of("rule_code", listed(rule))
    conditions.one_of("severity", listed([severity] if severity else None))
    most = limit or (_TABLE_LIMIT if output is OutputFormat.TABLE else None)
    columns = finding_columns(language, with_submission=True)
    with open_release() as release:
        counted = release.rows(
            f"SELECT count(*) AS n FROM filing.findings {conditions.where()}", conditions.values
        )
        rows = release.rows(
            f"SELECT {', '.join(column.key for column in columns)} FROM filing.findings {conditions.where()} "
            "ORDER BY submission_id, severity, rule_code, row_no NULLS FIRST, column_name NULLS FIRST, value "
            + (f"LIMIT {most}" if most else ""),
            conditions.values,
        )
        name = release.name
    total = int(str(counted[0]["n"]))
    caption = None
    if total > len(rows):
        caption = f"显示 {len(rows)} / {total}; --limit {total} or --format csv shows all"
    emit(
        Table(
            f"问题 Findings ({total:,}), release {name}", columns, rows, {"E": "red", "W": "yellow"}, caption
        ),
        output,
    )
