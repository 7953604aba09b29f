"""The revision report of a release: `revision_report.json` for programs, `revision_report.md` for people.

Belongs here: the report's shape (its JSON Schema is published as docs/revision_report.schema.json), filling it from the
found revisions, and the page. Does not belong here: finding revisions and their causes (`revisions`).

The report counts; the cells themselves stand in the tables it names, with their row counts and SHA-256. An absent side
is null, never 0. It holds no time of its making, so that the same release has the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import duckdb
from pydantic import BaseModel, ConfigDict, Field

from pipelines.publication.revisions import NEW, OLD, definition_changes, statement

SCHEMA_VERSION: Literal["1.0.0"] = "1.0.0"
REPORT_JSON = "revision_report.json"
REPORT_PAGE = "revision_report.md"

Change = Literal["appeared", "disappeared", "changed", "status_changed"]
Cause = Literal["submission", "period_due", "moment", "published_base", "definition"]
_CHANGES: tuple[Change, ...] = ("appeared", "disappeared", "changed", "status_changed")
_CHANGE_ZH = {"appeared": "新增", "disappeared": "消失", "changed": "数值变动", "status_changed": "状态变动"}
_CAUSE_ZH = {
    "submission": "报送(新报、重报、撤回、退回或重新认定)",
    "period_due": "报告期到期",
    "moment": "数据截止时间推移",
    "published_base": "基期按上次发布",
    "definition": "口径、规则或程序变更",
}
_STANDING_ZH = {
    "entered": "生效",
    "superseded": "被替代",
    "withdrawn": "被撤回",
    "withdraws": "撤回他报",
    "rejudged": "重新认定",
    "fell": "失效",
    "passed": "生效后又被替代",
    "quarantined": "本系统处理失败",
    "refused": "未接受",
}
#: Rows of a table on the page; the full ones are in the release's tables, and the page says how many there are.
_PAGE_ROWS = 200
#: Filings named beside one figure.
_PAGE_FILINGS = 3


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Statement(_Part):
    """What a release says it was made of."""

    release_id: str = Field(description="vN")
    as_of: datetime | None = Field(description="Knowledge time: nothing signed later counts")
    definition: str | None = Field(description="Hash of models, catalogue, contracts, inputs and settings")
    ruleset_version: str | None = Field(description="Hash of the contracts")
    code_version: str | None = Field(description="Version of the program that made the release")
    program: str | None = Field(description="Hash of the program's source")


class DefinitionChange(_Part):
    """A part of the definition that differs between the two releases."""

    part: Literal["definition", "ruleset_version", "code_version", "program"]
    old: str | None
    new: str | None


class Counts(_Part):
    """Revised cells by kind of change."""

    appeared: int = 0
    disappeared: int = 0
    changed: int = 0
    status_changed: int = 0


class KpiWindow(_Part):
    """Revised cells of one KPI in one window."""

    kpi_id: str
    name_zh: str | None
    name_en: str | None
    period_type: str
    period: str
    cells: Counts


class RevisingSubmission(_Part):
    """A filing whose standing differs between the two releases, and how many cells it bears on."""

    submission_id: str
    form: str | None
    period: str | None
    reporter_code: str | None
    kind: str | None
    sequence_no: int | None
    supersedes: str | None
    reason_code: str | None
    change: Literal[
        "entered",
        "superseded",
        "withdrawn",
        "withdraws",
        "rejudged",
        "fell",
        "passed",
        "refused",
        "quarantined",
    ] = Field(description="What became of it between the releases")
    old_state: str | None = Field(description="State in the release before; null if it was not there")
    new_state: str | None
    cells: int


class CauseCount(_Part):
    """Revised cells that have a cause of this kind; a cell may have several."""

    cause: Cause
    cells: int


class TableFile(_Part):
    """A table of the release that holds the detail."""

    name: str
    path: str = Field(description="Parquet file, relative to the release folder")
    rows: int
    sha256: str


class Compared(_Part):
    """The release was compared with the one before it."""

    status: Literal["compared"] = "compared"
    against: Statement
    definition_changes: tuple[DefinitionChange, ...]
    cells_before: int
    cells_now: int
    cells: Counts
    causes: tuple[CauseCount, ...]
    windows: tuple[KpiWindow, ...]
    submissions: tuple[RevisingSubmission, ...]


class Skipped(_Part):
    """The release was compared with nothing."""

    status: Literal["skipped"] = "skipped"
    reason: Literal["first_release"] = Field(description="first_release: there is none before it; no problem")


class RevisionReport(_Part):
    """Which published cells a release changes against the release before it, and why."""

    schema_version: Literal["1.0.0"] = SCHEMA_VERSION
    release: Statement
    comparison: Annotated[Compared | Skipped, Field(discriminator="status")]
    tables: tuple[TableFile, ...]


def build_report(
    con: duckdb.DuckDBPyConnection, folder: Path, files: Mapping[str, Path], *, compared: bool
) -> RevisionReport:
    """The report of the found revisions; `files` are the written tables."""
    return RevisionReport(
        release=Statement.model_validate(statement(con, NEW)),
        comparison=_compared(con) if compared else Skipped(reason="first_release"),
        tables=tuple(
            TableFile(
                name=f"release.{name}",
                path=path.relative_to(folder).as_posix(),
                rows=_count(con, f"{NEW}.release.{name}"),
                sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            )
            for name, path in sorted(files.items())
        ),
    )


def write_report(con: duckdb.DuckDBPyConnection, folder: Path, report: RevisionReport) -> None:
    """Write the JSON and the page into the release's folder."""
    (folder / REPORT_JSON).write_text(report.model_dump_json(indent=1) + "\n", encoding="utf-8")
    (folder / REPORT_PAGE).write_text(_page(con, report), encoding="utf-8")


def _compared(con: duckdb.DuckDBPyConnection) -> Compared:
    return Compared(
        against=Statement.model_validate(statement(con, OLD)),
        definition_changes=tuple(
            DefinitionChange.model_validate({"part": part, "old": old, "new": new})
            for part, (old, new) in definition_changes(con).items()
        ),
        cells_before=_count(con, f"{OLD}.kpi.kpi_values"),
        cells_now=_count(con, f"{NEW}.kpi.kpi_values"),
        cells=_counts(_rows(con, "SELECT change, count(*) AS n FROM revision GROUP BY ALL")),
        causes=tuple(
            CauseCount.model_validate(row)
            for row in _rows(
                con,
                "SELECT cause, count(DISTINCT revision_no) AS cells FROM revision_cause GROUP BY ALL ORDER BY cause",
            )
        ),
        windows=_windows(con),
        submissions=tuple(
            RevisingSubmission.model_validate(row)
            for row in _rows(con, f"FROM {NEW}.release.revision_submissions ORDER BY submission_id")
        ),
    )


def _windows(con: duckdb.DuckDBPyConnection) -> tuple[KpiWindow, ...]:
    rows = _rows(
        con,
        """
        SELECT kpi_id, k.name_zh, k.name_en, period_type, period, count(*) FILTER (change = 'appeared') AS appeared,
            count(*) FILTER (change = 'disappeared') AS disappeared, count(*) FILTER (change = 'changed') AS changed,
            count(*) FILTER (change = 'status_changed') AS status_changed
        FROM revision LEFT JOIN kpi.kpi_catalogue AS k USING (kpi_id)
        GROUP BY ALL ORDER BY kpi_id, period_type, period""",
    )
    named = ("kpi_id", "name_zh", "name_en", "period_type", "period")
    return tuple(
        KpiWindow.model_validate(
            {name: row[name] for name in named} | {"cells": {change: row[change] for change in _CHANGES}}
        )
        for row in rows
    )


def _counts(rows: Sequence[Mapping[str, Any]]) -> Counts:
    return Counts.model_validate({row["change"]: row["n"] for row in rows})


def _page(con: duckdb.DuckDBPyConnection, report: RevisionReport) -> str:
    """The report in Markdown: what changed, why, and the restated figures of groups, Chinese first."""
    release, comparison = report.release, report.comparison
    lines = [f"# 修订报告 Revision report: {release.release_id}", ""]
    if isinstance(comparison, Skipped):
        lines += [
            "这是第一次发布,没有可比较的上次发布。",
            "This is the first release; there is none to compare it with.",
            "",
        ]
        return "\n".join(lines)
    lines += [
        f"与 {comparison.against.release_id} 比较 Compared with {comparison.against.release_id}.",
        f"数据截止 As of: {comparison.against.as_of} → {release.as_of}.",
        f"指标单元格 KPI cells: {comparison.cells_before:,} → {comparison.cells_now:,}.",
        "",
        "## 变动 Changes",
        "",
        *_table(
            ("变动", "change", "单元格 cells"),
            [(_CHANGE_ZH[name], name, f"{getattr(comparison.cells, name):,}") for name in _CHANGES],
        ),
        "## 原因 Causes",
        "",
        "一个单元格可以有多个原因。A cell may have several causes.",
        "",
        *_table(
            ("原因", "cause", "单元格 cells"),
            [(_CAUSE_ZH[row.cause], row.cause, f"{row.cells:,}") for row in comparison.causes],
        ),
    ]
    if comparison.definition_changes:
        lines += [
            "## 口径、规则或程序变更 Definitions that changed",
            "",
            *_table(
                ("部分 part", "上次 before", "本次 now"),
                [(row.part, row.old, row.new) for row in comparison.definition_changes],
            ),
        ]
    moving = [row for row in comparison.submissions if row.supersedes or (row.cells and row.old_state)]
    lines += [
        "## 重报与状态变化 Resubmissions and filings judged differently",
        "",
        f"其余 {len(comparison.submissions) - len(moving):,} 份见 Others: `release.revision_submissions`.",
        "",
        *_table(
            ("报送编号 submission", "报表 form", "报告期 period", "机构 reporter", "类型 kind", "原因 reason", "变化",
             "change", "单元格 cells"),
            [
                (row.submission_id, row.form, row.period, row.reporter_code, row.kind, row.reason_code,
                 _STANDING_ZH[row.change], row.change, f"{row.cells:,}")
                for row in moving
            ],
        ),
        "## 已发布数字的修订 Published figures restated (undivided figures of the bureau and of insurer types)",
        "",
        *_restated(con),
    ]  # fmt: skip
    return "\n".join(lines)


def _restated(con: duckdb.DuckDBPyConnection) -> list[str]:
    rows = _rows(
        con,
        """
        SELECT r.kpi_id, k.name_zh, r.period_type, r.period, r.grain, r.insurer_type, r.basis, r.old_value,
            r.new_value, r.unit, string_agg(DISTINCT c.cause, ', ' ORDER BY c.cause) AS causes,
            list_sort(list(DISTINCT c.submission_id) FILTER (c.submission_id IS NOT NULL)) AS filings
        FROM revision AS r JOIN revision_cause AS c USING (revision_no) LEFT JOIN kpi.kpi_catalogue AS k USING (kpi_id)
        WHERE r.change IN ('changed', 'disappeared') AND r.old_value IS DISTINCT FROM r.new_value
            AND r.dimension = 'total' AND r.grain IN ('bureau', 'insurer_type')
        GROUP BY ALL
        ORDER BY r.grain, r.insurer_type NULLS FIRST, r.kpi_id, r.period_type, r.period, r.basis""",
    )
    return _table(
        ("指标 KPI", "名称", "周期 type", "期间 period", "范围 scope", "口径 basis", "原值 old", "新值 new",
         "单位 unit", "原因 causes", "报送 filings"),
        [
            (row["kpi_id"], row["name_zh"], row["period_type"], row["period"],
             row["insurer_type"] if row["grain"] == "insurer_type" else "全辖 bureau", row["basis"],
             row["old_value"], row["new_value"], row["unit"], row["causes"], _named(row["filings"] or []))
            for row in rows
        ],
    )  # fmt: skip


def _named(filings: Sequence[str]) -> str:
    more = len(filings) - _PAGE_FILINGS
    return ", ".join(filings[:_PAGE_FILINGS]) + (f" +{more}" if more > 0 else "")


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    if not rows:
        return ["无 None", ""]
    drawn = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    drawn += ["| " + " | ".join(_cell(value) for value in row) + " |" for row in rows[:_PAGE_ROWS]]
    if len(rows) > _PAGE_ROWS:
        drawn += [
            "",
            f"共 {len(rows):,} 行,此处列出前 {_PAGE_ROWS} 行。{len(rows):,} rows, the first {_PAGE_ROWS} shown.",
        ]
    return [*drawn, ""]


def _cell(value: object) -> str:
    """A value inside a Markdown table: filed text cannot end the cell, the row, or start markup."""
    if value is None:
        return "–"
    text = " ".join(str(value).split())
    return "".join(f"\\{mark}" if mark in "\\|`*_[]<>#" else mark for mark in text)


def _rows(con: duckdb.DuckDBPyConnection, sql: str) -> list[dict[str, Any]]:
    cursor = con.execute(sql)
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _count(con: duckdb.DuckDBPyConnection, relation: str) -> int:
    row = con.execute(f"SELECT count(*) FROM {relation}").fetchone()
    return int(row[0]) if row else 0
