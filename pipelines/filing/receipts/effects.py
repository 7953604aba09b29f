"""KPI effects in receipts: what a release says a follow-up moved, kept so that its receipt says the same ever after.

Belongs here: taking effects over from a release (as values: this room knows no releases) and reading them back. The
first release that states a follow-up tells its effects; later ones compare with that. Does not belong here: finding
effects (`publication`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb

from pipelines.filing.receipts.content import KpiEffect
from pipelines.warehouse.connection import transaction
from pipelines.warehouse.schema import insert_rows

_PARTS = tuple(KpiEffect.model_fields)


def note_effects(
    con: duckdb.DuckDBPyConnection, effects: Mapping[str, Sequence[Mapping[str, str | None]]]
) -> None:
    """Keep effects that were not told before, and have the receipts of their submissions written again.

    `effects`: submission id -> its effects with the fields of `KpiEffect`; an empty list says that it moved none.
    """
    rows = con.execute(
        """
        SELECT p.submission_id, p.submission_no FROM ledger.parcel AS p
        WHERE p.submission_id IN (SELECT unnest(?::VARCHAR[]))
            AND p.submission_no NOT IN (SELECT submission_no FROM ledger.effects_told)
        ORDER BY p.submission_no""",
        [list(effects)],
    ).fetchall()
    if not rows:
        return
    cells = [
        (number, position, *(effect[part] for part in _PARTS))
        for submission_id, number in rows
        for position, effect in enumerate(effects[submission_id])
    ]
    with transaction(con):
        insert_rows(con, "ledger.effects_told", [(number,) for _, number in rows])
        insert_rows(con, "ledger.kpi_effect", cells)
        con.execute(
            "INSERT OR IGNORE INTO ledger.receipt_due SELECT unnest(?::UINTEGER[])",
            [[number for _, number in rows]],
        )


def told_effects(con: duckdb.DuckDBPyConnection, submission_ids: Sequence[str]) -> dict[str, list[KpiEffect]]:
    """Effects of those of the submissions whose effects are known; moved none: an empty list."""
    rows = con.execute(
        f"""
        SELECT p.submission_id, {", ".join(f"e.{part}" for part in _PARTS)}
        FROM ledger.effects_told AS t
        JOIN ledger.parcel AS p USING (submission_no)
        LEFT JOIN ledger.kpi_effect AS e USING (submission_no)
        WHERE p.submission_id IN (SELECT unnest(?::VARCHAR[])) ORDER BY p.submission_id, e.position""",
        [list(submission_ids)],
    ).fetchall()
    effects: dict[str, list[KpiEffect]] = {}
    for submission_id, *values in rows:
        told = effects.setdefault(submission_id, [])
        if values[0] is not None:
            told.append(KpiEffect(**dict(zip(_PARTS, values, strict=True))))
    return effects
