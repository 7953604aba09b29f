"""The `ratio` and `quartile` macros against Python's Decimal, on DuckDB as dbt renders them.

Put here: proofs that no percentage passes through binary floats. Do not put here: KPI definitions.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal, localcontext

import duckdb
import pytest

from .conftest import Dbt

Case = tuple[Decimal, Decimal, int]


#: Macro calls whose SQL the tests run; rendered together, because each `dbt compile` takes seconds.
CALLS = {
    "ratio": "ratio('n', 'd', 's')",
    "plain": "ratio('n', 'd')",
    "q1": "quartile('v', 1)",
    "q2": "quartile('v', 2)",
    "q3": "quartile('v', 3)",
}


@pytest.fixture(scope="module")
def macros(built: Dbt) -> dict[str, str]:
    """SQL of each macro call."""
    between = "/* next */"
    inline = between.join("{{ " + call + " }}" for call in CALLS.values())
    result = built.invoke("compile", "--inline", inline)
    assert result.success, result.exception
    sql = str(result.result.results[0].node.compiled_code)
    return dict(zip(CALLS, sql.split(between), strict=True))


@pytest.fixture(scope="module")
def ratio(macros: dict[str, str]) -> Callable[[list[Case]], list[Decimal | None]]:
    """The macro over many (numerator, denominator, scale) at once."""

    def compute(cases: list[Case]) -> list[Decimal | None]:
        with duckdb.connect() as con:
            con.execute("CREATE TABLE c (i INTEGER, n DECIMAL(38, 6), d DECIMAL(38, 6), s BIGINT)")
            rows = [f"({i}, {n:f}, {d:f}, {s})" for i, (n, d, s) in enumerate(cases)]
            con.execute(f"INSERT INTO c VALUES {', '.join(rows)}")
            found = con.execute(f"SELECT {macros['ratio']} FROM c ORDER BY i").fetchall()
        return [value for (value,) in found]

    return compute


def expected(n: Decimal, d: Decimal, s: int) -> Decimal | None:
    if d == 0:
        return None
    with localcontext() as context:
        context.prec = 80
        return (n * s / d).quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)


@pytest.mark.parametrize(
    ("n", "d", "s", "value"),
    [
        ("0.125", "1", 1, "0.13"),
        ("-0.125", "1", 1, "-0.13"),
        ("0.125", "-1", 1, "-0.13"),
        ("2.675", "1", 1, "2.68"),
        ("-2.675", "1", 1, "-2.68"),
        ("1.005", "1", 1, "1.01"),
        ("1", "8", 100, "12.50"),
        ("9113", "37892", 100, "24.05"),
        ("-7", "8", 100, "-87.50"),
        ("-7", "8", -100, "87.50"),
        ("2", "3", 100, "66.67"),
        ("1", "3", 100, "33.33"),
        ("0", "5", 100, "0.00"),
        ("13", "41", 100, "31.71"),
        ("1085", "252000000", 100000000, "430.56"),
    ],
)
def test_half_away_from_zero(
    ratio: Callable[[list[Case]], list[Decimal | None]], n: str, d: str, s: int, value: str
) -> None:
    assert ratio([(Decimal(n), Decimal(d), s)]) == [Decimal(value)]


def test_zero_denominator_and_unknown_operands_give_no_value(
    macros: dict[str, str], ratio: Callable[[list[Case]], list[Decimal | None]]
) -> None:
    assert ratio([(Decimal(0), Decimal(0), 100), (Decimal(5), Decimal(0), 100)]) == [None, None]
    with duckdb.connect() as con:
        values = "(VALUES (NULL::DECIMAL(38,6), 1::DECIMAL(38,6)), (1, NULL)) AS c (n, d)"
        assert con.execute(f"SELECT {macros['plain']} FROM {values}").fetchall() == [(None,), (None,)]


def test_agrees_with_decimal_on_many_cases(ratio: Callable[[list[Case]], list[Decimal | None]]) -> None:
    dice = random.Random(20250120)
    cases: list[Case] = []
    for _ in range(5_000):
        places = dice.choice([0, 2, 6])
        n = Decimal(dice.randint(-(10 ** dice.randint(0, 12)), 10 ** dice.randint(0, 12))).scaleb(-places)
        d = Decimal(dice.randint(-(10 ** dice.randint(0, 15)), 10 ** dice.randint(0, 15))).scaleb(-places)
        cases.append((n, d, dice.choice([1, 100, -100, 10_000, 100_000_000])))
    # Exact halves of every size, the cases that a binary float gets wrong.
    cases += [(Decimal(2 * k + 1), Decimal(200), 1) for k in range(-1_000, 1_000)]
    assert ratio(cases) == [expected(*case) for case in cases]


@pytest.mark.parametrize(
    ("values", "quartiles"),
    [
        (["5"], ["5.00", "5.00", "5.00"]),
        (["0", "5"], ["1.25", "2.50", "3.75"]),
        (["0.01", "0.02"], ["0.01", "0.02", "0.02"]),  # 0.0125, 0.015, 0.0175
        (["-0.01", "-0.02"], ["-0.02", "-0.02", "-0.01"]),
        (["1", "2", "3", "4", "100"], ["2.00", "3.00", "4.00"]),
        (["3.66", "3.13", "3.13", "9.99"], ["3.13", "3.40", "5.24"]),  # 3.395, 5.2425
    ],
)
def test_quartiles_interpolate_and_round_half_up(
    macros: dict[str, str], values: list[str], quartiles: list[str]
) -> None:
    columns = ", ".join(macros[name] for name in ("q1", "q2", "q3"))
    with duckdb.connect() as con:
        con.execute("CREATE TABLE c (v DECIMAL(18, 2))")
        con.executemany("INSERT INTO c VALUES (?)", [[Decimal(v)] for v in values])
        row = con.execute(
            f"SELECT {columns} FROM (SELECT v, row_number() OVER (ORDER BY v) AS position_no,"
            " count(*) OVER () AS n_positions FROM c)"
        ).fetchone()
    assert row == tuple(Decimal(q) for q in quartiles)
