"""AGG-A10, the disclosure test before a release: does what is hidden in public figures follow from what is printed?

Belongs here: an attacker who knows the catalogue and the public table (`kpi.kpi_values_public`) and nothing else, and
the refusal to publish where he finds a hidden count. Does not belong here: what is hidden and why; that is SQL
(`dbt_project/models/disclosure`), which this module does not trust.

The attacker does two things until neither gives anything new (domain book §4, back-door disclosure):

- *Differencing*. Bureau = types, type = values of a division: of a sum with one unknown the unknown follows.
- *Inversion*. A printed rate or growth with one of its two counts known bounds the other; bounds of all rows that
  share it are intersected. A count that only one whole number fits is found, an amount that is known within 1 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import duckdb

_SHOWN = 10
_CELL = "cell_measure, window_id, grain, group_key, dimension, dimension_value"


@dataclass(frozen=True, slots=True)
class Recovered:
    """A hidden count that follows from what is printed."""

    measure_id: str
    period: str
    grain: str
    group_key: str
    dimension: str
    dimension_value: str
    amount: Decimal
    how: str

    def __str__(self) -> str:
        """`complaints_valid 2024Q3 (life) = 18: how`."""
        place = self.group_key if self.dimension == "total" else f"{self.group_key}, {self.dimension_value}"
        return f"{self.measure_id} {self.period} ({place}) = {self.amount.normalize():f}: {self.how}"


class DisclosureError(RuntimeError):
    """A hidden count of the public figures can be computed (AGG-A10); nothing may be published."""

    def __init__(self, recovered: list[Recovered]) -> None:
        """Name the first of them and what to do."""
        listed = "; ".join(map(str, recovered[:_SHOWN]))
        super().__init__(
            f"AGG-A10: 公开数据中有 {len(recovered)} 个已隐去的数可由已印出的数推算，未发布。"
            f"请在 dbt_project/models/disclosure 中一并隐去相关单元。"
            f" {len(recovered)} suppressed counts follow from what would be printed; nothing was published. "
            f"Suppress the cells they follow from (dbt_project/models/disclosure): {listed}"
        )
        self.recovered = recovered


def check_disclosure(con: duckdb.DuckDBPyConnection) -> None:
    """Refuse public figures that give a hidden count away.

    Args:
        con: the build database after the models have run.

    Raises:
        DisclosureError: with every count that was found.
    """
    found = recover(con)
    if found:
        raise DisclosureError(found)


def recover(con: duckdb.DuckDBPyConnection) -> list[Recovered]:
    """Every hidden count that the attacker finds, in the order of measure, window and group."""
    con.execute(_POSITIONS)
    con.execute(_ROWS)
    con.execute(_KNOWN)
    try:
        while _count(con, _DIFFERENCING) + _count(con, _INVERSION):
            pass
        rows = con.execute(_FOUND).fetchall()
    finally:
        for table in ("attacked_position", "attacked_row", "attacked_known"):
            con.execute(f"DROP TABLE IF EXISTS {table}")
    return [Recovered(*row) for row in rows]


def _count(con: duckdb.DuckDBPyConnection, statement: str) -> int:
    """Run an INSERT and say how many rows it added."""
    row = con.execute(statement).fetchone()
    return int(row[0]) if row else 0


#: Every place a count can stand at; that it exists is seen from the public table, whose hidden rows are listed.
_POSITIONS = f"""
CREATE OR REPLACE TEMP TABLE attacked_position AS
SELECT DISTINCT {_CELL}, amount, is_count, is_hidden
FROM intermediate.public_suppression
WHERE NOT is_other_population
"""

#: Printed rows as "numerator x scale / denominator = value": growth is a ratio of its window to its base, plus one.
_ROWS = """
CREATE OR REPLACE TEMP TABLE attacked_row AS
WITH figure AS (
    SELECT p.*, w.window_id, s.series_no, s.kind, s.scope_no, k.scale, s.of_kpi, s.base_window,
        coalesce(p.insurer_type, 'bureau') AS group_key
    FROM kpi.kpi_values_public AS p
    JOIN intermediate.int_window AS w ON w.period_type = p.period_type AND w.period = p.period
    JOIN intermediate.public_series AS s
        ON s.kpi_id = p.kpi_id AND s.dimension = p.dimension
        AND coalesce(s.dimension_value, p.dimension_value) = p.dimension_value
    JOIN intermediate.kpi_series AS k ON k.series_no = s.series_no
),
side AS (
    SELECT f.*, s.numerator_measure AS above, s.measure_dimension AS above_dimension, f.window_id AS above_window,
        s.denominator_measure AS below, s.denominator_dimension AS below_dimension, f.window_id AS below_window,
        f.numerator AS above_printed, f.denominator AS below_printed,
        CASE WHEN f.kind = 'ratio' THEN f.scale END AS times,
        CASE WHEN f.kind = 'ratio' THEN (f.value * 100)::HUGEINT END AS hundredths, f.scope_no AS need
    FROM figure AS f JOIN intermediate.public_series AS s USING (series_no)
    WHERE f.kind IN ('count', 'ratio')
    UNION ALL
    SELECT f.*, o.numerator_measure, o.measure_dimension, f.window_id,
        o.numerator_measure, o.measure_dimension, b.base_window_id,
        f.numerator, f.base_value, abs(f.scale),
        (abs(f.scale) * 100 + f.value * 100 * sign(f.scale))::HUGEINT, o.scope_no
    FROM figure AS f
    JOIN intermediate.public_series AS o ON o.kpi_id = f.of_kpi AND o.dimension = f.dimension AND o.kind = 'count'
    JOIN intermediate.int_window_base AS b ON b.window_id = f.window_id AND b.base_window = f.base_window
    WHERE f.kind = 'growth'
)
SELECT row_number() OVER () AS row_no, side.times, side.hundredths, side.grain, side.group_key,
    above.cell_measure AS above_measure, side.above_window, side.above_dimension,
    CASE WHEN side.above_dimension = 'total' THEN 'total' ELSE side.dimension_value END AS above_value,
    side.above_printed,
    below.cell_measure AS below_measure, side.below_window, side.below_dimension,
    CASE WHEN side.below_dimension = 'total' THEN 'total' ELSE side.dimension_value END AS below_value,
    side.below_printed
FROM side
LEFT JOIN intermediate.public_suppression AS above
    ON above.scope_no = side.need AND above.measure_id = side.above AND above.window_id = side.above_window
    AND above.grain = side.grain AND above.group_key = side.group_key AND above.dimension = side.above_dimension
    AND above.dimension_value
        = CASE WHEN side.above_dimension = 'total' THEN 'total' ELSE side.dimension_value END
    AND NOT above.is_other_population
LEFT JOIN intermediate.public_suppression AS below
    ON below.scope_no = side.need AND below.measure_id = side.below AND below.window_id = side.below_window
    AND below.grain = side.grain AND below.group_key = side.group_key AND below.dimension = side.below_dimension
    AND below.dimension_value
        = CASE WHEN side.below_dimension = 'total' THEN 'total' ELSE side.dimension_value END
    AND NOT below.is_other_population
"""

_KNOWN = f"""
CREATE OR REPLACE TEMP TABLE attacked_known AS
SELECT {_CELL}, max(amount) AS amount, 'printed' AS how
FROM (
    SELECT above_measure AS cell_measure, above_window AS window_id, grain, group_key, above_dimension AS dimension,
        above_value AS dimension_value, above_printed AS amount
    FROM attacked_row WHERE above_printed IS NOT NULL AND above_measure IS NOT NULL
    UNION ALL
    SELECT below_measure, below_window, grain, group_key, below_dimension, below_value, below_printed
    FROM attacked_row WHERE below_printed IS NOT NULL AND below_measure IS NOT NULL
)
GROUP BY ALL
"""

#: A sum with one unknown. Parts of the bureau are its types; parts of a type are the values of one division.
_DIFFERENCING = f"""
INSERT INTO attacked_known
WITH sums AS (
    SELECT p.*, k.amount AS known, 'types' AS division, 'bureau' AS whole, p.grain = 'bureau' AS is_whole
    FROM attacked_position AS p LEFT JOIN attacked_known AS k USING ({_CELL})
    WHERE p.dimension = 'total'
    UNION ALL
    SELECT p.*, k.amount, p.dimension, p.group_key, false
    FROM attacked_position AS p LEFT JOIN attacked_known AS k USING ({_CELL})
    WHERE p.dimension <> 'total'
    UNION ALL
    SELECT p.*, k.amount, d.dimension, p.group_key, true
    FROM attacked_position AS p
    LEFT JOIN attacked_known AS k USING ({_CELL})
    JOIN (
        SELECT DISTINCT cell_measure, window_id, group_key, dimension
        FROM attacked_position WHERE dimension <> 'total'
    ) AS d
        ON d.cell_measure = p.cell_measure AND d.window_id = p.window_id AND d.group_key = p.group_key
    WHERE p.grain = 'insurer_type' AND p.dimension = 'total'
),
judged AS (
    SELECT *, count(*) FILTER (WHERE known IS NULL) OVER line AS unknown,
        bool_or(is_whole) OVER line AND bool_or(NOT is_whole) OVER line AS is_sum,
        sum(CASE WHEN is_whole THEN known ELSE -known END) OVER line AS difference
    FROM sums
    WINDOW line AS (PARTITION BY cell_measure, window_id, division, whole)
)
SELECT {_CELL}, CASE WHEN is_whole THEN -difference ELSE difference END, 'differencing of a total 总数相减'
FROM judged
WHERE known IS NULL AND unknown = 1 AND is_sum
QUALIFY row_number() OVER (PARTITION BY {_CELL}) = 1
"""

#: value = round(numerator x times / denominator, 2): with V hundredths, (2V - 1) d <= 200 t n < (2V + 1) d.
_INVERSION = f"""
INSERT INTO attacked_known
WITH told AS (
    SELECT r.*, a.amount AS above, b.amount AS below
    FROM attacked_row AS r
    LEFT JOIN attacked_known AS a
        ON a.cell_measure = r.above_measure AND a.window_id = r.above_window AND a.grain = r.grain
        AND a.group_key = r.group_key AND a.dimension = r.above_dimension AND a.dimension_value = r.above_value
    LEFT JOIN attacked_known AS b
        ON b.cell_measure = r.below_measure AND b.window_id = r.below_window AND b.grain = r.grain
        AND b.group_key = r.group_key AND b.dimension = r.below_dimension AND b.dimension_value = r.below_value
    WHERE r.hundredths > 0
),
bounds AS (
    SELECT below_measure AS cell_measure, below_window AS window_id, grain, group_key, below_dimension AS dimension,
        below_value AS dimension_value,
        (200 * times * above)::HUGEINT // (2 * hundredths + 1) + 1 AS least,
        (200 * times * above)::HUGEINT // (2 * hundredths - 1) AS most
    FROM told WHERE above > 0 AND below IS NULL AND below_measure IS NOT NULL
    UNION ALL
    SELECT above_measure, above_window, grain, group_key, above_dimension, above_value,
        ((2 * hundredths - 1) * below::HUGEINT + 200 * times - 1)::HUGEINT // (200 * times)::HUGEINT,
        ((2 * hundredths + 1) * below::HUGEINT + 200 * times - 1)::HUGEINT // (200 * times)::HUGEINT - 1
    FROM told WHERE below > 0 AND above IS NULL AND above_measure IS NOT NULL
),
narrowed AS (
    SELECT {_CELL}, max(least) AS least, min(most) AS most FROM bounds GROUP BY ALL
)
SELECT {_CELL}, n.least, 'inversion of a rate with its other count 由比率与另一数反推'
FROM narrowed AS n JOIN attacked_position AS p USING ({_CELL})
WHERE (p.is_count AND n.least = n.most) OR (NOT p.is_count AND n.most > 0 AND (n.most - n.least) * 100 <= n.most)
"""

_FOUND = f"""
SELECT k.cell_measure, w.period, k.grain, k.group_key, k.dimension, k.dimension_value, k.amount::DECIMAL(38, 6), k.how
FROM attacked_known AS k
JOIN (SELECT {_CELL} FROM attacked_position WHERE is_hidden) USING ({_CELL})
JOIN intermediate.int_window AS w ON w.window_id = k.window_id
ORDER BY 1, 2, 3, 4, 5, 6
"""
