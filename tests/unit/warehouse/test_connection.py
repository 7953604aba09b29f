"""Transactions tell what went wrong; no SQL of ours meets a known fault of the engine."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest

from pipelines.warehouse.connection import transaction

ROOT = Path(__file__).parents[3]
#: DuckDB up to 1.5.5 dies on it now and then where few rows come from two branches (duckdb/duckdb#25713, mended in
#: 1.5.6); row_number() OVER () streams and is safe. Write a subquery instead.
UNBOUND_AGGREGATE = re.compile(
    r"(?<!row_number\(\))\s+OVER\s*\(\s*(?:(?:ROWS|RANGE|GROUPS)\b[^)]*)?\)", re.IGNORECASE
)


def lose_the_database(con: duckdb.DuckDBPyConnection) -> None:
    with transaction(con):
        con.close()  # ROLLBACK fails too
        raise ValueError("first")


def insert(con: duckdb.DuckDBPyConnection, *values: str) -> None:
    with transaction(con):
        for value in values:
            con.execute("INSERT INTO t VALUES (?)", [value])


def test_a_transaction_tells_the_first_error() -> None:
    with pytest.raises(ValueError, match="first"):
        lose_the_database(duckdb.connect())


def test_a_transaction_keeps_nothing_of_a_failed_block() -> None:
    con = duckdb.connect()
    con.execute("CREATE TABLE t (a INTEGER)")
    with pytest.raises(duckdb.ConversionException):
        insert(con, "1", "one")
    insert(con, "2")
    assert con.execute("FROM t").fetchall() == [(2,)]


@pytest.mark.parametrize(
    "sql", ["min(a) OVER ()", "count(*) FILTER (b) over( )", "sum(a) OVER (ROWS 1 PRECEDING)"]
)
def test_the_guard_sees_what_it_guards_against(sql: str) -> None:
    assert UNBOUND_AGGREGATE.search(sql)


@pytest.mark.parametrize(
    "sql", ["row_number() OVER ()", "min(a) OVER (PARTITION BY b)", "lag(a) OVER (ORDER BY b)"]
)
def test_the_guard_leaves_other_windows_alone(sql: str) -> None:
    assert not UNBOUND_AGGREGATE.search(sql)


def test_no_aggregate_runs_over_a_window_without_bounds() -> None:
    folders = {"pipelines": ".py", "expectations": ".yaml", "dbt_project": ".sql", "data": ".sql"}
    files = [path for folder, suffix in folders.items() for path in (ROOT / folder).rglob(f"*{suffix}")]
    assert len(files) > 300
    found = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in files
        if "target" not in path.parts
        for match in UNBOUND_AGGREGATE.finditer(path.read_text(encoding="utf-8"))
    ]
    assert found == []
