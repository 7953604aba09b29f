"""The test `sound`: every rule that a model's entry names can break, alone and by its name.

Put here: that no rule is lost in the one query a model is asked. Do not put here: what the rules are (the entries of
dbt_project say), or values of KPIs.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from .conftest import PROJECT, Dbt

#: A row that breaks a condition, as columns of a row of NULLs; conditions not named here break on NULLs alone.
BREAKS = {
    "kpi_catalogue_kinds_have_their_parts": "'growth' AS kind",
    "kpi_values_missing_has_no_counts": "'MISSING' AS status, 1 AS numerator",
    "kpi_values_small_base_is_not_ranked": "'SMALL_BASE' AS status, 1 AS rank, 'insurer' AS grain, 1 AS value",
    "kpi_values_public_hides_whole_rows": "'SUPPRESSED' AS status, 1 AS value",
    "kpi_catalogue_left_out_needs_policy": "'complaints_received' AS left_out_measure, '' AS edge_policies",
}


def entries() -> Iterator[tuple[str, dict[str, Any]]]:
    """Model and arguments of every `sound` test of the project."""
    for path in sorted(PROJECT.rglob("_*.yml")):
        if "target" in path.relative_to(PROJECT).parts:
            continue
        read = yaml.safe_load(path.read_text(encoding="utf-8"))
        for entry in [*read.get("models", ()), *read.get("seeds", ())]:
            for test in entry.get("data_tests", ()):
                if "sound" in test:
                    yield entry["name"], test["sound"]["arguments"]


def rules_of(arguments: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Kind, name and key of each rule; names as the test tells them."""
    for column in arguments.get("not_null", ()):
        yield "not_null", f"{column} not_null", column
    for key in arguments.get("unique", ()):
        columns = [key] if isinstance(key, str) else key
        yield "unique", f"{', '.join(columns)} unique", columns
    for column in arguments.get("accepted", {}):
        yield "accepted", f"{column} accepted", column
    for column, place in arguments.get("refers", {}).items():
        yield "refers", f"{column} refers to {place}", column
    for name in arguments.get("holds", {}):
        yield "holds", name, name


@pytest.fixture(scope="module")
def asked(built: Dbt) -> dict[str, tuple[str, str]]:
    """By model, its relation and the query of its `sound` test, as dbt made it."""
    result = built.invoke("test", "--select", "test_name:sound")
    assert result.success, [f"{r.node.name}: {r.message}" for r in result.result if r.status != "pass"]
    relations = dict(
        built.query(
            """SELECT table_name, printf('"%s"."%s"."%s"', table_catalog, table_schema, table_name)
            FROM information_schema.tables WHERE table_schema NOT IN ('published', 'filing')"""
        )
    )
    models = {r.node.attached_node.rsplit(".", 1)[1]: r.node.compiled_code for r in result.result}
    return {model: (relations[model], sql) for model, sql in models.items()}


@pytest.fixture
def con(built: Dbt) -> Iterator[duckdb.DuckDBPyConnection]:
    """The built bureau; what a test breaks is a copy."""
    with duckdb.connect(str(built.warehouse), read_only=True) as con:
        yield con


def copied(con: duckdb.DuckDBPyConnection, relation: str, sql: str) -> str:
    """Copy the relation to the temp table `copy`; returns the query over the copy."""
    con.execute(f"CREATE OR REPLACE TEMP TABLE copy AS SELECT * FROM {relation}")
    assert relation in sql
    return sql.replace(relation, "temp.copy")


def break_rule(con: duckdb.DuckDBPyConnection, kind: str, name: str, key: Any) -> None:
    """Add a row to the copy that breaks the rule; of a key, two."""
    kinds = {column: kind for column, kind, *_ in con.execute("DESCRIBE copy").fetchall()}
    row, times = f"NULL AS {next(iter(kinds))}", 1
    match kind:
        case "unique":
            text = next((column for column in key if kinds[column] == "VARCHAR"), key[0])
            row, times = ("'twice'" if kinds[text] == "VARCHAR" else "DATE '2000-01-01'") + f" AS {text}", 2
        case "accepted" | "refers":
            row = f"'no such value' AS {key}"
        case "not_null":
            row = f"NULL AS {key}"
        case "holds":
            row = BREAKS.get(name, row)
    for _ in range(times):
        con.execute(f"INSERT INTO copy BY NAME SELECT {row}")


@pytest.mark.parametrize("model", [model for model, _ in entries()])
def test_every_rule_of_a_model_can_break_and_is_named(
    con: duckdb.DuckDBPyConnection, asked: dict[str, tuple[str, str]], model: str
) -> None:
    for kind, name, key in rules_of(dict(entries())[model]):
        sql = copied(con, *asked[model])
        assert con.execute(sql).fetchall() == []
        break_rule(con, kind, name, key)
        told = dict(con.execute(sql).fetchall())
        assert told.get(name) == 1, f"{name}: {told}"


def test_rules_that_hold_are_not_told(
    con: duckdb.DuckDBPyConnection, asked: dict[str, tuple[str, str]]
) -> None:
    sql = copied(con, *asked["measure_catalogue"])
    con.execute("UPDATE copy SET window_rule = 'now and then' WHERE window_rule = 'stock'")
    changed = con.execute("SELECT count(*) FROM copy WHERE window_rule = 'now and then'").fetchone()
    assert changed
    assert con.execute(sql).fetchall() == [("window_rule accepted", changed[0])]


def test_a_model_is_one_node_of_tests() -> None:
    """A second test of the same severity is a second node: its rule belongs into `sound`."""
    several = []
    for path in sorted(PROJECT.rglob("_*.yml")):
        if "target" in path.relative_to(PROJECT).parts:
            continue
        read = yaml.safe_load(path.read_text(encoding="utf-8"))
        for entry in [*read.get("models", ()), *read.get("seeds", ())]:
            tests = [*entry.get("data_tests", ())]
            tests += [test for column in entry.get("columns", ()) for test in column.get("data_tests", ())]
            blocking = [test for test in tests if "severity: warn" not in yaml.safe_dump(test)]
            if len(blocking) > 1:
                several.append(f"{Path(path).name}: {entry['name']}")
    assert several == []
