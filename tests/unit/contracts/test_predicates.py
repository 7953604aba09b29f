"""The vocabulary of predicates: given() and three-valued logic."""

from __future__ import annotations

import duckdb
import pytest

from pipelines.contracts.predicates import expand_given, given_columns, macro_sql, not_empty


def test_given_becomes_a_test_of_the_filed_text() -> None:
    sql = expand_given("given(a) AND NOT given( b_2 )", lambda name: not_empty(f'raw."{name}"'))
    assert sql == "(coalesce(raw.\"a\", '') <> '') AND NOT (coalesce(raw.\"b_2\", '') <> '')"
    assert given_columns("given(a) OR given(b) OR given(a)") == ("a", "b")


@pytest.mark.parametrize("sql", ["given(a + b)", "given (lower(a))", "given()"])
def test_given_takes_a_column_only(sql: str) -> None:
    with pytest.raises(ValueError, match="one column name"):
        expand_given(sql, str)


def test_logic_is_three_valued() -> None:
    con = duckdb.connect()
    con.execute("CREATE TABLE cal AS SELECT DATE '2024-01-01' AS day, TRUE AS is_working_day")
    for statement in macro_sql("cal"):
        con.execute(statement)
    table = con.execute(
        "SELECT a, b, implies(a, b), iff(a, b), filled(a) FROM (VALUES (TRUE), (FALSE), (NULL)) x(a), "
        "(VALUES (TRUE), (FALSE), (NULL)) y(b)"
    ).fetchall()
    answers = {(a, b): rest for a, b, *rest in table}
    assert answers[True, False] == [False, False, True]
    assert answers[False, False] == [True, True, True]
    assert answers[False, None] == [True, None, True]
    assert answers[True, None] == [None, None, True]
    assert answers[None, True] == [True, None, False]
    assert answers[None, False] == [None, None, False]
