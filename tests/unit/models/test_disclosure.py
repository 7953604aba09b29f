"""E10 and AGG-A10: what leaves the authority, and that nothing hidden can be computed from it.

Put here: the suppression of random bureaux against an attacker written from the definition (exact linear algebra, and
trying every whole number), the public table of the hand-made bureau, and the refusal to publish. Do not put here: the
values that are printed; those are `kpi_values`.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.publication.disclosure import DisclosureError, check_disclosure, recover

from .conftest import Dbt

THRESHOLD, DOMINANCE = 5, 85
WINDOW = 2202503
DIVISIONS = ("reason", "line")


@dataclass(frozen=True)
class Case:
    """One complaint: whose, and what it was about."""

    insurer_type: str
    institution: str
    values: tuple[str, str]


Place = tuple[str, str, str]
"""group_key, dimension, dimension_value."""

cases = st.builds(
    Case,
    st.sampled_from(["life", "property", "health"]),
    st.sampled_from(["a", "b", "c"]),
    st.tuples(st.sampled_from(["r1", "r2", "r3", "r4"]), st.sampled_from(["l1", "l2"])),
)
bureaux = st.lists(st.tuples(cases, st.integers(1, 9)), min_size=1, max_size=14)


def places(case: Case) -> list[Place]:
    """Where a case is counted."""
    divided = [(case.insurer_type, name, value) for name, value in zip(DIVISIONS, case.values, strict=True)]
    return [("bureau", "total", "total"), (case.insurer_type, "total", "total"), *divided]


def cells(bureau: list[tuple[Case, int]]) -> dict[Place, dict[str, int]]:
    """Counts by place and institution."""
    found: dict[Place, dict[str, int]] = {}
    for case, times in bureau:
        for place in places(case):
            held = found.setdefault(place, {})
            name = f"{case.insurer_type}-{case.institution}"
            held[name] = held.get(name, 0) + times
    return found


def unsafe(held: dict[str, int]) -> bool:
    total = sum(held.values())
    return total < THRESHOLD or max(held.values()) * 100 > DOMINANCE * total


@pytest.fixture(scope="module")
def suppression(built: Dbt) -> str:
    """The compiled SQL of the model, over `public_cell` of the connection it runs on."""
    path = (
        built.scratch / "target" / "compiled" / "xiaobao" / "models" / "disclosure" / "public_suppression.sql"
    )
    sql = path.read_text(encoding="utf-8")
    return sql.replace('"warehouse"."intermediate"."public_cell"', "public_cell")


def hidden_places(suppression: str, found: dict[Place, dict[str, int]]) -> set[Place]:
    """What the model hides."""
    with duckdb.connect() as con:
        con.execute(
            "CREATE TABLE public_cell (scope_no INTEGER, measure_id VARCHAR, cell_measure VARCHAR, window_id INTEGER,"
            " grain VARCHAR, group_key VARCHAR, dimension VARCHAR, dimension_value VARCHAR, amount DECIMAL(38,6),"
            " is_other_population BOOLEAN, is_count BOOLEAN, is_unsafe BOOLEAN)"
        )
        con.executemany(
            "INSERT INTO public_cell VALUES (1, 'm', 'm', ?, ?, ?, ?, ?, ?, false, true, ?)",
            [
                [
                    WINDOW,
                    "bureau" if place[0] == "bureau" else "insurer_type",
                    *place,
                    sum(held.values()),
                    unsafe(held),
                ]
                for place, held in found.items()
            ],
        )
        rows = con.execute(
            f"SELECT group_key, dimension, dimension_value FROM ({suppression}) WHERE is_hidden"
        )
        return set(rows.fetchall())


def sums(found: dict[Place, dict[str, int]]) -> list[list[tuple[Place, int]]]:
    """Every printed sum as a list of places with their signs."""
    total = ("bureau", "total", "total")
    types = [place for place in found if place[1] == "total" and place != total]
    lines = [[(total, -1), *((place, 1) for place in types)]]
    for whole in types:
        for name in DIVISIONS:
            parts = [place for place in found if place[0] == whole[0] and place[1] == name]
            lines.append([(whole, -1), *((place, 1) for place in parts)])
    return lines


def determined(found: dict[Place, dict[str, int]], hidden: set[Place]) -> set[Place]:
    """Hidden places whose count has one solution: their rows of the reduced echelon form hold nothing else."""
    columns = sorted(hidden)
    matrix = [
        [Fraction(sum(sign for place, sign in line if place == column)) for column in columns]
        for line in sums(found)
    ]
    rank, pivots = 0, []
    for column in range(len(columns)):
        pivot = next((row for row in range(rank, len(matrix)) if matrix[row][column]), None)
        if pivot is None:
            continue
        matrix[rank], matrix[pivot] = matrix[pivot], matrix[rank]
        matrix[rank] = [value / matrix[rank][column] for value in matrix[rank]]
        for row in range(len(matrix)):
            if row != rank and matrix[row][column]:
                factor = matrix[row][column]
                matrix[row] = [
                    value - factor * base for value, base in zip(matrix[row], matrix[rank], strict=True)
                ]
        pivots.append((rank, column))
        rank += 1
    return {columns[column] for row, column in pivots if sum(1 for value in matrix[row] if value) == 1}


def share(part: int, whole: int) -> Decimal:
    return (Decimal(part) * 100 / Decimal(whole)).quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bureaux)
def test_e10_no_hidden_count_follows_from_totals_or_shares(
    suppression: str, bureau: list[tuple[Case, int]]
) -> None:
    found = cells(bureau)
    hidden = hidden_places(suppression, found)
    assert {place for place, held in found.items() if unsafe(held)} <= hidden
    assert determined(found, hidden) == set()
    # A public row of a share prints part, whole and share, or nothing: a hidden whole has no printed share.
    amounts = {place: sum(held.values()) for place, held in found.items()}
    for whole in (place for place in hidden if place[1] == "total" and place[0] != "bureau"):
        parts = [
            place
            for place in found
            if place[0] == whole[0] and place[1] != "total" and not {place, whole} & hidden
        ]
        told = {place: share(amounts[place], amounts[whole]) for place in parts}
        fitting = [
            candidate
            for candidate in range(1, amounts[whole] + 50)
            if all(share(amounts[place], candidate) == value for place, value in told.items())
        ]
        assert len(fitting) > 1


def test_e10_shows_what_is_safe(suppression: str) -> None:
    """Large counts of several institutions stay, and one small one takes exactly the smallest other with it."""
    bureau = [
        (Case(kind, institution, (reason, "l1")), 20)
        for kind in ("life", "property")
        for institution in ("a", "b")
        for reason in ("r1", "r2", "r3")
    ]
    assert hidden_places(suppression, cells(bureau)) == set()
    one_more = [*bureau, (Case("life", "a", ("r4", "l1")), 4), (Case("life", "a", ("r3", "l1")), 1)]
    assert hidden_places(suppression, cells(one_more)) == {
        ("life", "reason", "r4"),
        ("life", "reason", "r1"),
    }
    five = [*bureau, (Case("life", "a", ("r4", "l1")), 3), (Case("life", "b", ("r4", "l1")), 2)]
    assert hidden_places(suppression, cells(five)) == set()


def test_e10_what_one_institution_holds_is_hidden_however_large(suppression: str) -> None:
    bureau = [
        (Case(kind, institution, ("r1", "l1")), times)
        for kind, institution, times in (
            ("life", "a", 860),
            ("life", "b", 140),
            ("property", "a", 100),
            ("property", "b", 100),
            ("health", "a", 300),
            ("health", "b", 300),
        )
    ]
    hidden = hidden_places(suppression, cells(bureau))
    assert {place[0] for place in hidden} == {"life", "property"}
    # 85 % exactly is not above it.
    at_limit = [(case, {860: 850, 140: 150}.get(times, times)) for case, times in bureau]
    assert hidden_places(suppression, cells(at_limit)) == set()


# --- the public table of the hand-made bureau -------------------------------------------------------------


def test_the_public_table_names_no_institution_and_prints_no_small_count(built: Dbt) -> None:
    rows = built.query(
        "SELECT count(*) FROM kpi.kpi_values_public WHERE status <> 'SUPPRESSED' AND unit = '件'"
        " AND (numerator BETWEEN 1 AND 4 OR denominator BETWEEN 1 AND 4)"
    )
    assert rows == [(0,)]
    kinds = built.query("SELECT DISTINCT grain, period_type FROM kpi.kpi_values_public ORDER BY 1")
    assert kinds == [("bureau", "quarter"), ("insurer_type", "quarter")]
    # 2024Q3: 48 valid complaints of which property C alone has 43 (89.6 %).
    asked = "kpi_id = 'CMP-01' AND grain = 'bureau' AND dimension = 'total' AND period = '2024Q3'"
    assert built.query(f"SELECT numerator, value, status FROM kpi.kpi_values_public WHERE {asked}") == [
        (None, None, "SUPPRESSED")
    ]


def test_a_count_of_zero_is_printed_and_never_hidden_for_its_own_sake(built: Dbt) -> None:
    """Decision 0023; a missing report has no count and stays MISSING, so that the two are told apart."""
    zeros = built.query(
        "SELECT p.status, p.numerator FROM kpi.kpi_values AS v JOIN kpi.kpi_values_public AS p"
        " USING (kpi_id, period_type, period, grain, dimension, dimension_value)"
        " WHERE v.basis = 'current' AND v.grain = 'bureau' AND v.kpi_id = 'CMP-01' AND v.dimension = 'total'"
        " AND v.numerator = 0"
    )
    assert zeros
    assert {numerator for _, numerator in zeros} == {Decimal(0)}
    assert "SUPPRESSED" not in {status for status, _ in zeros}
    missing = built.query(
        "SELECT DISTINCT numerator FROM kpi.kpi_values_public WHERE status = 'MISSING' AND kpi_id LIKE 'CMP-0%'"
    )
    assert missing in ([], [(None,)])


def test_agg_a10_finds_nothing_in_what_the_models_hide(built: Dbt) -> None:
    with duckdb.connect(str(built.warehouse)) as con:
        assert recover(con) == []


def tampered(built: Dbt, tmp_path: Path, statement: str) -> duckdb.DuckDBPyConnection:
    """A copy of the built bureau whose public table was changed."""
    copy = tmp_path / "warehouse.duckdb"
    copy.write_bytes(built.warehouse.read_bytes())
    con = duckdb.connect(str(copy))
    con.execute(statement)
    return con


WORLD = """
CREATE OR REPLACE TABLE intermediate.int_window AS
    SELECT 2202503 AS window_id, 'quarter' AS period_type, '2025Q1' AS period;
CREATE OR REPLACE TABLE intermediate.int_window_base AS
    SELECT 2202503 AS window_id, 'year_before' AS base_window, 2202403 AS base_window_id;
CREATE OR REPLACE TABLE intermediate.kpi_series AS SELECT * FROM (VALUES (1, 1), (2, 100)) AS s(series_no, scale);
CREATE OR REPLACE TABLE intermediate.public_series AS
SELECT series_no, kpi_id, kind, 1 AS scope_no, dimension, dimension_value, 'm' AS numerator_measure, below AS
    denominator_measure, dimension AS measure_dimension, 'total' AS denominator_dimension, NULL::VARCHAR AS of_kpi,
    NULL::VARCHAR AS base_window
FROM (VALUES (1, 'CMP-01', 'count', 'total', 'total', NULL), (2, 'CMP-12', 'ratio', 'reason_l1', NULL, 'm'))
    AS s(series_no, kpi_id, kind, dimension, dimension_value, below);
CREATE OR REPLACE TABLE intermediate.public_suppression AS
SELECT 1 AS scope_no, 'm' AS measure_id, 'm' AS cell_measure, 2202503 AS window_id, 'insurer_type' AS grain,
    'property' AS group_key, dimension, dimension_value, amount::DECIMAL(38, 6) AS amount, true AS is_count,
    false AS is_other_population, is_hidden
FROM (VALUES ('total', 'total', 18, true), ('reason_l1', '理赔', 15, false), ('reason_l1', '其他', 3, true))
    AS c(dimension, dimension_value, amount, is_hidden);
CREATE OR REPLACE TABLE kpi.kpi_values_public AS
SELECT kpi_id, 'quarter' AS period_type, '2025Q1' AS period, 'insurer_type' AS grain, 'property' AS insurer_type,
    dimension, dimension_value, numerator::DECIMAL(38, 6) AS numerator, NULL::DECIMAL(38, 6) AS denominator,
    value::DECIMAL(18, 2) AS value, NULL::DECIMAL(38, 6) AS base_value
FROM (VALUES ('CMP-01', 'total', 'total', NULL, NULL), ('CMP-12', 'reason_l1', '理赔', {shown}, {value}))
    AS p(kpi_id, dimension, dimension_value, numerator, value);
"""


@pytest.mark.parametrize(
    ("shown", "value", "found"),
    [
        # 阳光信保, 2022Q4: 15 at 83.33 % gives its total of 18 back, and with it the 3 that were hidden.
        ("15", "83.33", {"总数相减": 3, "反推": 18}),
        ("15", "NULL", {}),
        ("NULL", "83.33", {}),
        # 15 at 50.00 % could only be 30: what is printed decides, not what is true.
        ("15", "50.00", {"总数相减": 15, "反推": 30}),
    ],
)
def test_agg_a10_a_count_with_its_share_gives_the_total_back(
    shown: str, value: str, found: dict[str, int]
) -> None:
    with duckdb.connect() as con:
        con.execute("CREATE SCHEMA kpi; CREATE SCHEMA intermediate")
        con.execute(WORLD.format(shown=shown, value=value))
        told = {each.how.split(" ")[-1][-4:].removeprefix("一数"): int(each.amount) for each in recover(con)}
    assert told == found


def test_agg_a10_a_leak_stops_the_publication_and_is_named(built: Dbt, tmp_path: Path) -> None:
    leak = (
        "UPDATE kpi.kpi_values_public AS p SET numerator = v.numerator, value = v.value FROM kpi.kpi_values AS v"
        " WHERE p.kpi_id = 'CMP-01' AND v.kpi_id = 'CMP-01' AND v.basis = 'current' AND v.grain = p.grain"
        " AND v.period_type = p.period_type AND v.period = p.period AND p.period = '2024Q3'"
        " AND v.insurer_type IS NOT DISTINCT FROM p.insurer_type AND v.dimension = p.dimension"
        " AND v.dimension_value = p.dimension_value AND p.grain = 'bureau' AND p.dimension = 'total'"
    )
    con = tampered(built, tmp_path, leak)
    try:
        with pytest.raises(DisclosureError, match=r"AGG-A10.*complaints_valid 2024Q3 .bureau. = 48: printed"):
            check_disclosure(con)
    finally:
        con.close()
