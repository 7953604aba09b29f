"""KPI effects for receipts: the insurer's own figures that its resubmission moved.

Belongs here: what of a release may be told to the insurer whose filing moved it: cells of its own institution, never
another's and never a group's. Does not belong here: finding the effects (`revisions`), writing receipts (`filing`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pipelines.warehouse.connection import open_readonly

#: Name of a part of an effect -> its text; a part that does not apply is None.
Effect = Mapping[str, str | None]


def own_effects(release: Path) -> dict[str, Sequence[Effect]]:
    """Submission id -> the cells of its own reporter that it moved in a release (its folder), undivided ones first.

    Only filings that follow an earlier one: a first report moves nothing, it makes figures appear. A follow-up that is
    new in this release and moved none of its own has an empty list. Each effect has
    kpi_id, name_zh, period, grain, dimension (`dimension: value`, None for the total), old_value, new_value (decimal
    text, None where there was or is none) and unit.
    """
    con = open_readonly(release / "warehouse.duckdb")
    try:
        cursor = con.execute(
            """
            SELECT e.submission_id, e.kpi_id, k.name_zh, e.period, e.grain,
                CASE WHEN e.dimension <> 'total' THEN concat(e.dimension, ': ', e.dimension_value) END AS dimension,
                e.old_value::VARCHAR AS old_value, e.new_value::VARCHAR AS new_value, e.unit
            FROM release.kpi_effects AS e
            JOIN filing.submissions AS s USING (submission_id)
            LEFT JOIN kpi.kpi_catalogue AS k USING (kpi_id)
            WHERE e.grain = 'insurer' AND e.org_code = s.reporter_code AND e.basis = 'current'
                AND e.period_type <> 'ytd' AND s.supersedes IS NOT NULL
                AND e.old_value IS DISTINCT FROM e.new_value
            ORDER BY e.submission_id, e.kpi_id, e.dimension <> 'total', dimension, e.period_type, e.period"""
        )
        names = [column[0] for column in cursor.description or ()][1:]
        effects: dict[str, list[Effect]] = {}
        for submission_id, *values in cursor.fetchall():
            effects.setdefault(submission_id, []).append(dict(zip(names, values, strict=True)))
        entered = con.execute(
            "SELECT submission_id FROM release.revision_submissions "
            "WHERE change = 'entered' AND supersedes IS NOT NULL"
        )
        for (submission_id,) in entered.fetchall():
            effects.setdefault(submission_id, [])
        return dict(effects)
    finally:
        con.close()
