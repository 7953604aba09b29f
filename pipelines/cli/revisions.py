"""`xiaobao revisions`: what a release changed against the one before it, and why."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from pipelines.cli.difference import EFFECTS, SCOPE
from pipelines.cli.errors import OperatorError
from pipelines.cli.output import Column, FormatOption, OutputFormat, Table, emit, emit_json, stdout_console
from pipelines.cli.release import Conditions, ReleaseReader, listed, open_release

_CAUSES = [
    Column("cause", "原因 cause"),
    Column("relation", "关联 relation"),
    Column("cells", "单元格 cells", justify="right"),
]
_SUBMISSIONS = [
    Column("submission_id", "报送编号 submission", wrap=False),
    Column("kind", "类型 kind"),
    Column("reason_code", "原因 reason"),
    Column("change", "变化 change"),
    Column("old_state", "原状态 before"),
    Column("new_state", "现状态 now"),
    Column("cells", "单元格 cells", justify="right"),
]
_CELLS = [
    *EFFECTS,
    Column("causes", "原因", in_table=False),
    Column("submissions", "报送", in_table=False),
    Column("why", "原因\nwhy"),
]
_SHOWN_ROWS = 200


def revisions(
    release: Annotated[
        str | None, typer.Option("--release", help="发布 release such as v3; by default the one in force.")
    ] = None,
    kpi: Annotated[list[str] | None, typer.Option("--kpi", help="指标 KPI codes.")] = None,
    org: Annotated[str | None, typer.Option("--org", help="机构 reporter code.")] = None,
    appeared: Annotated[
        bool, typer.Option("--appeared", help="含新增 list new figures too, not only restated ones.")
    ] = False,
    output: FormatOption = OutputFormat.TABLE,
) -> None:
    """修订: published figures that a release changed against the one before it, with their causes."""
    conditions = Conditions()
    conditions.one_of("kpi_id", listed(kpi))
    conditions.equal("org_code", org)
    if not appeared:
        conditions.text("change <> 'appeared'")
    with open_release(name=release) as opened:
        if not opened.holds("release.revisions"):
            raise OperatorError(
                f"release {opened.name} was made by a version of xiaobao without revision reports"
            )
        report = json.loads((opened.folder / "revision_report.json").read_text(encoding="utf-8"))
        cells = _cells(opened, conditions)
        causes = opened.rows(
            "SELECT cause, relation, count(DISTINCT revision_no) AS cells FROM release.revision_causes "
            "GROUP BY ALL ORDER BY ALL"
        )
        moved = opened.rows(
            "SELECT submission_id, kind, reason_code, change, old_state, new_state, cells "
            "FROM release.revision_submissions WHERE supersedes IS NOT NULL OR old_state IS NOT NULL "
            "ORDER BY cells DESC, submission_id"
        )
    if output is OutputFormat.JSON:
        emit_json({"report": report, "cells": cells})
        return
    if output is OutputFormat.CSV:
        emit(Table("", _CELLS, cells), output)
        return
    comparison = report["comparison"]
    if comparison["status"] == "skipped":
        stdout_console().print(f"{opened.name}: 首次发布,无可比较 first release, nothing to compare with")
        return
    against = comparison["against"]["release_id"]
    for change in comparison["definition_changes"]:
        stdout_console().print(f"口径变更 definition changed: {change['part']}", markup=False)
    emit(Table(f"原因 Causes of what {opened.name} changed against {against}", _CAUSES, causes), output)
    emit(
        Table(f"重报与重新认定 Resubmissions and filings judged anew ({len(moved):,})", _SUBMISSIONS, moved),
        output,
    )
    more = len(cells) - _SHOWN_ROWS
    emit(
        Table(
            f"修订的数字 Figures changed ({len(cells):,})",
            _CELLS,
            cells[:_SHOWN_ROWS],
            caption=f"另有 {more:,} 行 more: --kpi, --org or --format csv" if more > 0 else None,
        ),
        output,
    )


def _cells(release: ReleaseReader, conditions: Conditions) -> list[dict[str, object]]:
    return release.rows(
        f"""
        SELECT revisions.*, {SCOPE}, c.causes, c.submissions,
            concat_ws(', ', c.kinds, c.filings[1],
                CASE WHEN len(c.filings) > 1 THEN concat('+', len(c.filings) - 1) END) AS why
        FROM release.revisions
        LEFT JOIN (
            SELECT revision_no, string_agg(DISTINCT cause, ', ' ORDER BY cause) AS causes,
                string_agg(DISTINCT submission_id, ', ' ORDER BY submission_id) AS submissions,
                string_agg(DISTINCT cause, ', ' ORDER BY cause) FILTER (cause <> 'submission') AS kinds,
                list(DISTINCT submission_id ORDER BY submission_id) FILTER (submission_id IS NOT NULL) AS filings
            FROM release.revision_causes GROUP BY ALL) AS c USING (revision_no)
        {conditions.where()}
        ORDER BY list_position(['bureau', 'insurer_type', 'peer_group', 'insurer'], grain), revision_no""",
        conditions.values,
    )
