"""Whether the pipeline and the reference found and computed the same.

Put here: the comparison of a release with the reference's database. Do not put here: what either of them means.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb

#: Structure findings are compared by submission, all others by row and column. Form PUB is not the reference's job.
_PIPELINE = """
SELECT submission_id AS id, rule_code AS rule, NULL::BIGINT AS r, NULL AS col, 1 AS n FROM pipeline.filing.findings
WHERE form IS DISTINCT FROM 'PUB' AND starts_with(rule_code, 'ENV-') GROUP BY ALL
UNION ALL
SELECT submission_id, rule_code, row_no, column_name, count(*) FROM pipeline.filing.findings
WHERE form <> 'PUB' AND NOT starts_with(rule_code, 'ENV-') GROUP BY ALL
"""
_REFERENCE = "SELECT id, rule, r::BIGINT AS r, col, count(*) AS n FROM reference.finding GROUP BY ALL"
_KEYS = (
    "kpi_id", "period_type", "period", "grain", "org_code", "peer_group", "insurer_type", "dimension",
    "dimension_value", "basis",
)  # fmt: skip
_VALUES = (
    "numerator",
    "denominator",
    "value",
    "base_value",
    "base_period",
    "status",
    "rank",
    "n_institutions",
)


@dataclass(frozen=True, slots=True)
class Agreement:
    """Counts of both sides and of what differs; `by_rule` and `by_kpi` name the differing ones."""

    findings: int
    findings_different: int
    by_rule: dict[str, int]
    states_different: int
    kpi_values: int
    kpi_values_different: int
    by_kpi: dict[str, int]

    @property
    def complete(self) -> bool:
        """True if nothing differs."""
        return not (self.findings_different or self.states_different or self.kpi_values_different)


def compare(release: Path, reference: Path) -> Agreement:
    """Compare `warehouse.duckdb` of a release with the reference's database."""
    con = duckdb.connect()
    con.execute(f"ATTACH '{release / 'warehouse.duckdb'}' AS pipeline (READ_ONLY)")
    con.execute(f"ATTACH '{reference}' AS reference (READ_ONLY)")
    both = f"({_PIPELINE}) AS p FULL JOIN ({_REFERENCE}) AS q ON " + _same(
        "p", "q", ("id", "rule", "r", "col")
    )
    rules = dict(
        con.execute(
            f"""SELECT coalesce(p.rule, q.rule), count(*) FROM {both} WHERE p.n IS DISTINCT FROM q.n
            GROUP BY ALL ORDER BY ALL"""
        ).fetchall()
    )
    states = _count(
        con,
        """SELECT count(*) FROM pipeline.filing.submissions AS p
        FULL JOIN (SELECT b.id, s.state FROM reference.standing AS s JOIN reference.b USING (no)) AS q
            ON q.id = p.submission_id
        WHERE p.form IS DISTINCT FROM 'PUB' AND p.state IS DISTINCT FROM q.state""",
    )
    # the reference knows no earlier release to compare with
    kpis = dict(
        con.execute(
            f"""SELECT coalesce(p.kpi_id, q.kpi_id), count(*)
            FROM (SELECT * FROM pipeline.kpi.kpi_values WHERE basis <> 'published') AS p
            FULL JOIN reference.kpi_values AS q ON {_same("p", "q", _KEYS)}
            WHERE p.kpi_id IS NULL OR q.kpi_id IS NULL OR NOT ({_same("p", "q", _VALUES)}) GROUP BY ALL ORDER BY ALL"""
        ).fetchall()
    )
    found = Agreement(
        findings=_count(con, "SELECT count(*) FROM reference.finding"),
        findings_different=sum(rules.values()),
        by_rule=rules,
        states_different=states,
        kpi_values=_count(con, "SELECT count(*) FROM reference.kpi_values"),
        kpi_values_different=sum(kpis.values()),
        by_kpi=kpis,
    )
    con.close()
    return found


def _same(left: str, right: str, names: tuple[str, ...]) -> str:
    return " AND ".join(f"{left}.{name} IS NOT DISTINCT FROM {right}.{name}" for name in names)


def _count(con: duckdb.DuckDBPyConnection, sql: str) -> int:
    row = con.execute(sql).fetchone()
    return int(row[0]) if row else 0
