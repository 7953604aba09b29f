"""What the KPIs about filing itself (DQ-01 to DQ-05) stand on: obligations, versions, errors, published figures.

Belongs here: reading these facts out of one database for `explanation`. Does not belong here: filed rows of a form.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb

if TYPE_CHECKING:
    from pipelines.publication.explanation import CellKey

#: SQL of `fact_key` (form, period, reporter) and what became of the obligation: due date, status, every version.
NOTES = """
    SELECT concat_ws(' ', o.form, o.period, o.reporter_code) AS fact_key,
        concat_ws('; ', '截止 due ' || o.due_date::VARCHAR || ' ' || o.status, v.versions) AS note
    FROM filing.obligations AS o
    LEFT JOIN (
        SELECT form, period, reporter_code,
            string_agg(
                concat_ws(
                    ' ', submission_id, kind, state, strftime(signed_at, '%Y-%m-%d'),
                    CASE WHEN error_count > 0 THEN error_count || ' E' END, reason_code
                ), '; ' ORDER BY sequence_no, submission_no
            ) AS versions
        FROM filing.submissions GROUP BY ALL
    ) AS v ON v.form = o.form AND v.period = o.period AND v.reporter_code = o.reporter_code"""

#: Names and meaning of the parts of an agreement (DQ-05).
COMPARED = {
    "numerator": (
        "相符的披露指标",
        "disclosed indicators that are equal",
        "printed value = value from the filings at the decimals of the print",
    ),
    "denominator": (
        "可比的披露指标",
        "disclosed indicators compared",
        "disclosed indicators whose figure the filings give",
    ),
    "left_out": (
        "未能比较的披露指标",
        "disclosed indicators not compared",
        "the filings give no such figure, or nothing printed is a number; each with its reason",
    ),
}


@dataclass(slots=True)
class FoundError:
    """An error (severity E) of a version of an obligation, with its place."""

    submission_id: str
    rule_code: str
    sheet: str | None
    row_no: int | None
    column_name: str | None
    message_zh: str | None
    message_en: str | None


@dataclass(slots=True)
class LaterFiling:
    """A filing signed since a figure was published; `counts`: rows of it are in the figure now."""

    submission_id: str
    kind: str | None
    replaces: str | None
    reason_code: str | None
    signed_at: Any
    state: str | None
    counts: bool


@dataclass(slots=True)
class Comparison:
    """A figure an insurer made public beside the one from its filings.

    Attributes:
        printed: as printed.
        filed: at the decimals of the print; None if there is none.
        verdict: EQUAL, UNEQUAL, NOT_COMPARED.
        reason: why it was not compared.
        submission_id, row_no: where it was filed (F17).
    """

    reporter_code: str
    disclosure_id: str
    kpi_id: str
    dimension: str
    dimension_value: str
    period: str
    printed: str
    filed: Decimal | None
    verdict: str
    reason: str | None
    submission_id: str
    row_no: int


def errors_of(con: duckdb.DuckDBPyConnection, keys: Sequence[str]) -> list[FoundError]:
    """Errors of every version of obligations, waived ones too, by version and place.

    Args:
        con: a database with `filing.findings`.
        keys: `form period reporter` of each obligation.
    """
    if not keys:
        return []
    found = con.execute(
        """
        SELECT submission_id, rule_code, sheet, row_no, column_name, message_zh, message_en FROM filing.findings
        WHERE severity = 'E' AND list_contains(?, concat_ws(' ', form, period, reporter_code))
        ORDER BY submission_id, row_no NULLS FIRST, rule_code, column_name""",
        [list(keys)],
    )
    return [FoundError(*row) for row in found.fetchall()]


def published_value(
    con: duckdb.DuckDBPyConnection, figure: CellKey, release_no: int | None
) -> dict[str, Any]:
    """What the latest earlier release that held the window printed for a figure of the bureau.

    Args:
        con: a database with `published`.
        figure: the figure.
        release_no: the release the database states; those from it on are no base. None: all count.

    Returns:
        kpi_id, period, value, basis, release, as_of; the last four None where nothing was published.
    """
    given = {
        "period_type": figure.period_type, "period": figure.period, "release_no": release_no, "kpi": figure.kpi_id,
        "dimension": figure.dimension, "value": figure.dimension_value, "grain": figure.grain,
    }  # fmt: skip
    found = con.execute(
        """
        WITH stated AS (
            SELECT *, coalesce(last_release_no, release_no) AS until_no FROM published.kpi_values
            WHERE period_type = $period_type AND period = $period AND basis = 'current'),
        latest AS (
            SELECT r.release_no, r.as_of
            FROM published.releases AS r
            JOIN (SELECT DISTINCT release_no, until_no FROM stated) AS s
                ON r.release_no BETWEEN s.release_no AND s.until_no
            WHERE r.release_no < coalesce($release_no, 2147483647)
            ORDER BY r.release_no DESC LIMIT 1)
        SELECT r.release_no, r.as_of, p.value
        FROM latest AS r
        LEFT JOIN stated AS p
            ON r.release_no BETWEEN p.release_no AND p.until_no AND p.kpi_id = $kpi AND p.dimension = $dimension
            AND p.dimension_value = $value AND p.grain = $grain""",
        given,
    ).fetchone()
    number, as_of, value = found or (None, None, None)
    return {
        "kpi_id": figure.kpi_id, "period": figure.period, "value": value, "basis": "published",
        "release": f"v{number}" if number is not None else None, "as_of": as_of,
    }  # fmt: skip


def signed_since(
    con: duckdb.DuckDBPyConnection,
    as_of: Any,
    forms: Collection[str],
    window_id: int | None,
    counted: Collection[str | None],
) -> list[LaterFiling]:
    """Filings of the forms a figure is made of that came after it was published and may have moved it.

    A filing of a later period may still change a record of the window, so there is no upper end. Refused ones changed
    nothing.

    Args:
        con: a database with `filing.submissions`.
        as_of: knowledge time of the release; None (nothing published) gives none.
        forms: forms of the figure.
        window_id: the window.
        counted: filings whose rows are in the figure now.
    """
    if as_of is None:
        return []
    found = con.execute(
        """
        SELECT s.submission_id, s.kind, s.supersedes, s.reason_code, s.signed_at, s.state,
            list_contains(?, s.submission_id) AS counts
        FROM filing.submissions AS s
        WHERE s.signed_at > ? AND list_contains(?, s.form)
            AND s.state IN ('accepted', 'partly_accepted', 'superseded', 'withdrawn')
            AND s.period >= (SELECT CASE WHEN s.period LIKE '%Q%'
                    THEN year(first_month) || 'Q' || quarter(first_month) ELSE strftime(first_month, '%Y-%m') END
                FROM intermediate.int_window WHERE window_id = ?)
        ORDER BY counts DESC, s.kind = 'ORIGINAL', s.signed_at, s.submission_id""",
        [[name for name in counted if name], as_of, list(forms), window_id],
    )
    return [LaterFiling(*row) for row in found.fetchall()]


def comparisons(
    con: duckdb.DuckDBPyConnection, window_id: int | None, grain: str, group: str | None
) -> list[Comparison]:
    """Indicators made public that lie wholly inside a window, of the institutions of a group; unequal ones first.

    Args:
        con: a database with the models.
        window_id: the window.
        grain: insurer, insurer_type, peer_group or bureau.
        group: the group; None for the bureau.
    """
    column = {"insurer": "reporter_code", "bureau": None}.get(grain, grain)
    by = f"AND r.{column} = ?" if column else ""
    found = con.execute(
        f"""
        SELECT i.reporter_code, i.disclosure_id, i.kpi_id, i.dimension, i.dimension_value, i.indicator_period,
            i.printed_value, i.filed, i.verdict, i.reason, i.submission_id, i.row_no
        FROM intermediate.disclosed_indicator AS i
        JOIN intermediate.int_reporter AS r ON r.reporter_code = i.reporter_code
        LEFT JOIN intermediate.int_window AS w ON w.window_id = ?
        WHERE i.first_month >= w.first_month AND i.last_month <= w.last_month {by}
        ORDER BY list_position(['UNEQUAL', 'NOT_COMPARED', 'EQUAL'], i.verdict), i.reporter_code, i.disclosure_id""",
        [window_id, *([group] if column else [])],
    )
    return [Comparison(*row) for row in found.fetchall()]
