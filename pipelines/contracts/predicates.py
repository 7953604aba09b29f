"""The vocabulary of row predicates in DuckDB: macros, and the textual form of ``given(column)``.

A predicate is a boolean expression over the typed columns of one filed row. It is true when the rule holds; NULL
counts as holding, so an unknown operand never makes a finding. It may use, besides the form's columns:

- ``period_start``, ``period_end`` (DATE, first and last day of the filing's period), ``signed_at`` (TIMESTAMP);
- ``given(column)``: the filed text is not empty. A cell that was filled but cannot be read is NULL in the typed column
  and yet given, so conditions about filled or empty cells are written with ``given``, never with ``IS NULL``;
- ``implies(a, b)``, ``iff(a, b)`` in three-valued logic, ``filled(x)``;
- ``working_day_no(d)``: number of working days from the calendar's first day up to and including ``d``;
- ``is_working_day(d)``; ``add_working_days(d, n)``: the n-th working day after ``d`` (``d`` itself is never counted).
  All three are NULL outside the calendar.

A predicate must not raise for any typed value (an engine error is not bad data): differences of dates are compared
instead of sums that may overflow, and casts that may fail are ``TRY_CAST`` or wrapped in ``TRY``.

Put here: what makes a contract's SQL runnable. Do not put here: the running itself (validation).
"""

from __future__ import annotations

import re
from collections.abc import Callable

_GIVEN = re.compile(r"\bgiven\(\s*([a-z][a-z0-9_]*)\s*\)")
_GIVEN_ANY = re.compile(r"\bgiven\s*\(")


def macro_sql(calendar_table: str) -> list[str]:
    """Statements that define the macros on one connection.

    Macros and the variables behind them are temporary and belong to the connection that runs the statements: a
    cursor made from it must run them again. The calendar is held in list variables, so a look-up costs one indexed
    read per row and no join (1 million rows: under 0.1 s).

    Args:
        calendar_table: relation with the columns day (DATE, without gaps) and is_working_day (BOOLEAN).
    """
    return [
        f"SET VARIABLE calendar_first_day = (SELECT min(day) FROM {calendar_table})",
        f"SET VARIABLE calendar_last_day = (SELECT max(day) FROM {calendar_table})",
        f"SET VARIABLE calendar_is_working = (SELECT list(is_working_day ORDER BY day) FROM {calendar_table})",
        "SET VARIABLE calendar_day_no = (SELECT list(day_no ORDER BY day) FROM (SELECT day, "
        f"count(*) FILTER (is_working_day) OVER (ORDER BY day) AS day_no FROM {calendar_table}))",
        "SET VARIABLE calendar_working_days = "
        f"(SELECT list(day ORDER BY day) FROM {calendar_table} WHERE is_working_day)",
        "CREATE OR REPLACE TEMP MACRO implies(a, b) AS (NOT (a) OR (b))",
        "CREATE OR REPLACE TEMP MACRO iff(a, b) AS ((a) = (b))",
        "CREATE OR REPLACE TEMP MACRO filled(x) AS ((x) IS NOT NULL)",
        # The guards matter: a list position of zero or below counts from the end of the list.
        "CREATE OR REPLACE TEMP MACRO working_day_no(d) AS (CASE WHEN (d) BETWEEN "
        "getvariable('calendar_first_day') AND getvariable('calendar_last_day') THEN "
        "list_extract(getvariable('calendar_day_no'), (d) - getvariable('calendar_first_day') + 1) END)",
        "CREATE OR REPLACE TEMP MACRO is_working_day(d) AS (CASE WHEN (d) BETWEEN "
        "getvariable('calendar_first_day') AND getvariable('calendar_last_day') THEN "
        "list_extract(getvariable('calendar_is_working'), (d) - getvariable('calendar_first_day') + 1) END)",
        "CREATE OR REPLACE TEMP MACRO add_working_days(d, n) AS (CASE WHEN (n) > 0 THEN "
        "list_extract(getvariable('calendar_working_days'), working_day_no(d) + (n)) END)",
    ]


def expand_given(sql: str, raw_text: Callable[[str], str]) -> str:
    """Replace every ``given(column)`` by the test that the filed text is not empty.

    Args:
        sql: predicate or expected expression of a rule.
        raw_text: gives, for a column's name, the SQL of its filed text (VARCHAR or NULL).

    Raises:
        ValueError: ``given`` is applied to something that is no column name.
    """
    expanded = _GIVEN.sub(lambda match: f"(coalesce(trim({raw_text(match[1])}), '') <> '')", sql)
    if _GIVEN_ANY.search(expanded):
        raise ValueError(f"given() takes one column name and nothing else: {sql}")
    return expanded


def given_columns(sql: str) -> tuple[str, ...]:
    """Columns that an expression asks ``given`` about, in order of appearance, each once."""
    return tuple(dict.fromkeys(_GIVEN.findall(sql)))
