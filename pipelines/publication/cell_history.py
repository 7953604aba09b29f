"""How one KPI cell changed from release to release, and which filings changed it.

Belongs here: following a cell through the releases by their own tables (`kpi.kpi_values`, `release.revisions`,
`release.revision_causes`). Does not belong here: finding causes (`revisions`), what is behind the cell (`explanation`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.publication.explanation import GROUP_COLUMNS, CellKey
from pipelines.warehouse.connection import open_readonly

_SHOWN = ("numerator", "denominator", "value", "base_value", "base_period", "status")


@dataclass(slots=True)
class CellVersion:
    """What one release printed for a cell, if it differs from the release before, and why it does.

    Attributes:
        change: appeared, changed, status_changed, disappeared; `base_changed` when only the base of a growth rate did.
        causes: cause, relation, submission_id, form, period, reporter_code, kind, reason_code, detail; filings that
            follow an earlier one first.
    """

    release_id: str
    as_of: Any
    change: str
    cell: dict[str, Any] | None
    causes: list[dict[str, Any]]


def cell_history(releases: Iterable[Path], key: CellKey) -> list[CellVersion]:
    """Versions of a cell, oldest first; releases that did not change it are left out.

    Args:
        releases: folders of releases, oldest first.
        key: the cell.
    """
    versions: list[CellVersion] = []
    before: dict[str, Any] | None = None
    for folder in releases:
        with open_readonly(folder / "warehouse.duckdb") as con:

            def ask(sql: str, given: list[Any], con: Any = con) -> list[dict[str, Any]]:
                cursor = con.execute(sql, given)
                names = [column[0] for column in cursor.description or ()]
                return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

            where, given = _address(key)
            [made] = ask("SELECT * FROM release.release", [])
            found = ask(f"SELECT {', '.join(_SHOWN)} FROM kpi.kpi_values WHERE {where}", given)
            cell = found[0] if found else None
            if cell == before:
                continue
            change = (
                ask(f"SELECT revision_no, change FROM release.revisions WHERE {where}", given)
                if _has(con)
                else []
            )
            causes = (
                ask(
                    "SELECT * EXCLUDE (revision_no) FROM release.revision_causes WHERE revision_no = ? "
                    "ORDER BY kind IN ('RESUBMIT', 'CORRECTION', 'WITHDRAW') DESC NULLS LAST, "
                    "cause = 'submission' DESC, submission_id",
                    [change[0]["revision_no"]],
                )
                if change
                else []
            )
            told = str(change[0]["change"]) if change else ("appeared" if before is None else "base_changed")
            versions.append(CellVersion(folder.name, made.get("as_of"), told, cell, causes))
            before = cell
    return versions


def _has(con: Any) -> bool:
    return bool(
        con.execute(
            "SELECT 1 FROM duckdb_tables() WHERE schema_name = 'release' AND table_name = 'revisions'"
        ).fetchone()
    )


def _address(key: CellKey) -> tuple[str, list[Any]]:
    where = (
        "kpi_id = ? AND period_type = ? AND period = ? AND grain = ? AND dimension = ? AND dimension_value = ? "
        "AND basis = ?"
    )
    given: list[Any] = [
        key.kpi_id, key.period_type, key.period, key.grain, key.dimension, key.dimension_value, key.basis,
    ]  # fmt: skip
    column = GROUP_COLUMNS.get(key.grain)
    if column:
        where += f" AND {column} = ?"
        given.append(key.group)
    return where, given


def printed_cell(release: Path, cell: dict[str, Any]) -> dict[str, Any] | None:
    """What a release printed for the cell that a row of `kpi_values` is about; None if it has no such cell."""
    grain = str(cell["grain"])
    column = GROUP_COLUMNS.get(grain)
    key = CellKey(
        str(cell["kpi_id"]), str(cell["period_type"]), str(cell["period"]), grain, cell[column] if column else None,
        str(cell["dimension"]), str(cell["dimension_value"]), str(cell["basis"]),
    )  # fmt: skip
    where, given = _address(key)
    with open_readonly(release / "warehouse.duckdb") as con:
        cursor = con.execute(f"SELECT {', '.join(_SHOWN)} FROM kpi.kpi_values WHERE {where}", given)
        row = cursor.fetchone()
    return dict(zip(_SHOWN, row, strict=True)) if row else None
