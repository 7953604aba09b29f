"""`xiaobao difference SUBMISSION`: what a resubmission changes, from rows and cells up to published figures."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.cli.errors import OperatorError
from pipelines.cli.output import Column, FormatOption, OutputFormat, Table, emit, emit_json, stderr_console
from pipelines.cli.release import ReleaseReader, open_release, release_names
from pipelines.settings import load_settings

_CELLS = [
    Column("change", "变更 change", wrap=False),
    Column("record_key", "记录 record"),
    Column("row_no", "行 row", justify="right", wrap=False),
    Column("old_row_no", "原行 old row", justify="right", wrap=False),
    Column("old_filed_in", "原行所在报送 old row filed in", in_table=False),
    Column("column_name", "列 column"),
    Column("header", "列名 header"),
    Column("old_value", "原值 old"),
    Column("new_value", "新值 new"),
]
_TOTALS = [
    Column("column_name", "列 column"),
    Column("header", "列名 header"),
    Column("old_total", "原合计 old", justify="right"),
    Column("new_total", "新合计 new", justify="right"),
]
EFFECTS = [
    Column("kpi_id", "指标\nKPI", wrap=False),
    Column("period_type", "周期\ntype", wrap=False),
    Column("period", "期间\nperiod", wrap=False),
    Column("grain", "口径", in_table=False),
    Column("org_code", "机构", in_table=False),
    Column("insurer_type", "类型", in_table=False),
    Column("peer_group", "同类组", in_table=False),
    Column("scope", "范围\nscope", wrap=False),
    Column("dimension", "维度", in_table=False),
    Column("dimension_value", "分项\nitem", wrap=False),
    Column("basis", "基础\nbasis", wrap=False),
    Column("change", "变动", in_table=False),
    Column("old_numerator", "原分子", in_table=False),
    Column("new_numerator", "新分子", in_table=False),
    Column("old_denominator", "原分母", in_table=False),
    Column("new_denominator", "新分母", in_table=False),
    Column("old_value", "原值\nold", justify="right", wrap=False),
    Column("new_value", "新值\nnew", justify="right", wrap=False),
    Column("unit", "单位\nunit", wrap=False),
    Column("old_status", "原状态", in_table=False),
    Column("new_status", "状态\nstatus", wrap=False),
]
SCOPE = "coalesce(org_code, insurer_type, peer_group, '全辖 bureau') AS scope"
"""Who a cell is about, in one word."""
_SHOWN_ROWS = 200


def difference(
    submission: Annotated[str, typer.Argument(help="报送编号 submission id of a resubmission.")],
    output: FormatOption = OutputFormat.TABLE,
) -> None:
    """变更: rows, cells, totals and KPI values that a resubmission changes against the version it replaces."""
    with open_release() as release:
        [facts] = release.rows(
            "SELECT * FROM filing.differences WHERE submission_id = ?", [submission]
        ) or _nothing(release, submission)
        totals = release.rows(
            f"SELECT {_names(_TOTALS)} FROM filing.difference_totals WHERE submission_id = ? ORDER BY column_name",
            [submission],
        )
        cells = release.rows(
            f"SELECT {_names(_CELLS)} FROM filing.changed_cells WHERE submission_id = ? "
            "ORDER BY row_no NULLS LAST, old_row_no NULLS LAST, column_name NULLS FIRST",
            [submission],
        )
    moved_in, effects = _effects(submission)
    if output is OutputFormat.JSON:
        emit_json(
            {
                "difference": facts,
                "totals": totals,
                "cells": cells,
                "release": moved_in,
                "kpi_effects": effects,
            }
        )
        return
    if output is OutputFormat.CSV:
        emit(Table("", _CELLS, cells), output)
        return
    _head(facts)
    if totals:
        emit(Table("控制总数 Control totals", _TOTALS, totals), output)
    emit(_capped(f"变更清单 Changed rows and cells ({len(cells):,})", _CELLS, cells), output)
    if moved_in is None:
        stderr_console().print("没有已发布的指标因此变动 no published KPI value was moved by it")
        return
    emit(_capped(f"受影响的指标 KPI values moved in {moved_in} ({len(effects):,})", EFFECTS, effects), output)


def _names(columns: list[Column]) -> str:
    return ", ".join(column.key for column in columns)


def _nothing(release: ReleaseReader, submission: str) -> list[dict[str, object]]:
    known = release.rows(
        "SELECT kind, sequence_no, state FROM filing.submissions WHERE submission_id = ?", [submission]
    )
    if not known:
        raise OperatorError(
            f"release {release.name} has no submission {submission!r}; what was received after it appears with the "
            "next run"
        )
    raise OperatorError(
        f"{submission} ({known[0]['kind']}, number {known[0]['sequence_no']}, {known[0]['state']}) is compared with "
        "nothing: no accepted version of the same form and period came before it, or its rows could not be read. "
        f"`xiaobao history {submission}` shows the versions"
    )


def _effects(submission: str) -> tuple[str | None, list[dict[str, object]]]:
    """The newest release that names the submission as a cause, and the cells it moved there."""
    settings = load_settings()
    for name in release_names(settings):
        with open_release(settings, name) as release:
            if not release.holds("release.kpi_effects"):
                continue
            moved = release.rows(
                f"SELECT *, {SCOPE} FROM release.kpi_effects WHERE submission_id = ? "
                "ORDER BY kpi_id, grain, org_code, period_type, period, dimension, dimension_value, basis",
                [submission],
            )
        if moved:
            return name, moved
    return None, []


def _capped(title: str, columns: list[Column], rows: list[dict[str, object]]) -> Table:
    """People see the first rows and how many there are; JSON and CSV hold all."""
    more = len(rows) - _SHOWN_ROWS
    caption = f"另有 {more:,} 行 more rows: --format json" if more > 0 else None
    return Table(title, columns, rows[:_SHOWN_ROWS], caption=caption)


def _head(facts: dict[str, object]) -> None:
    effect = (
        "已生效 in effect"
        if facts["in_effect"]
        else "未被接受,仅为拟变更 refused: what it would have changed"
    )
    emit(
        Table(
            f"变更 Difference of {facts['submission_id']}",
            [
                Column("against_submission_id", "对比 against", wrap=False),
                Column("rows_added", "新增行 added", justify="right"),
                Column("rows_removed", "减少行 removed", justify="right"),
                Column("rows_changed", "变更行 changed", justify="right"),
                Column("rows_unchanged", "未变行 unchanged", justify="right"),
                Column("rows_without_key", "无主键 without key", justify="right"),
                Column("rows_repeating_key", "主键重复 repeated key", justify="right"),
            ],
            [facts],
            caption=effect,
        ),
        OutputFormat.TABLE,
    )
