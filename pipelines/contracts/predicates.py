"""The vocabulary of row predicates in DuckDB: macros, and the textual form of ``given(column)``.

A predicate is a boolean expression over the typed columns of one filed row. It is true when the rule holds;
NULL counts as holding, so an unknown operand never makes a finding. Besides the form's columns it may use:

- ``period_start``, ``period_end`` (DATE, first and last day of the filing's period), ``signed_at``
  (TIMESTAMP), ``signed_on`` (DATE);
- ``prepared_by_key``, ``reviewed_by_key``, ``approved_by_key`` (VARCHAR): who signed the envelope, as the
  keyed hash that stands for a person. Columns that name persons hold such hashes too, so they compare;
- ``given(column)``: the filed text is not empty. A cell that was filled but cannot be read is NULL in the
  typed column and yet given, so conditions about filled or empty cells are written with ``given``, never
  with ``IS NULL``;
- ``implies(a, b)``, ``iff(a, b)`` in three-valued logic, ``filled(x)``;
- ``working_day_no(d)``: number of working days from the calendar's first day up to and including ``d``;
- ``is_working_day(d)``; ``add_working_days(d, n)``: the n-th working day after ``d`` (``d`` itself is never
  counted). All three are NULL outside the calendar.

A predicate must not raise for any typed value (an engine error is not bad data): differences of dates are
compared instead of sums that may overflow, and casts that may fail are ``TRY_CAST`` or wrapped in ``TRY``.

Put here: what makes a contract's SQL runnable. Do not put here: the running itself (validation).
"""

from __future__ import annotations

import re
from collections.abc import Callable

_GIVEN = re.compile(r"\bgiven\(\s*([a-z][a-z0-9_]*)\s*\)")
_GIVEN_ANY = re.compile(r"\bgiven\s*\(")

_VARIABLES = {
    "calendar_first_day": "SELECT min(day) FROM {0}",
    "calendar_last_day": "SELECT max(day) FROM {0}",
    "calendar_is_working": "SELECT list(is_working_day ORDER BY day) FROM {0}",
    "calendar_day_no": (
        "SELECT list(day_no ORDER BY day) "
        "FROM (SELECT day, count(*) FILTER (is_working_day) OVER (ORDER BY day) AS day_no FROM {0})"
    ),
    "calendar_working_days": "SELECT list(day ORDER BY day) FROM {0} WHERE is_working_day",
}

# The guards matter: a list position of zero or below counts from the end of the list.
_IN_CALENDAR = "(d) BETWEEN getvariable('calendar_first_day') AND getvariable('calendar_last_day')"
_POSITION = "(d) - getvariable('calendar_first_day') + 1"
_MACROS = {
    "implies(a, b)": "NOT (a) OR (b)",
    "iff(a, b)": "(a) = (b)",
    "filled(x)": "(x) IS NOT NULL",
    "working_day_no(d)": (
        f"CASE WHEN {_IN_CALENDAR} THEN list_extract(getvariable('calendar_day_no'), {_POSITION}) END"
    ),
    "is_working_day(d)": (
        f"CASE WHEN {_IN_CALENDAR} THEN list_extract(getvariable('calendar_is_working'), {_POSITION}) END"
    ),
    "add_working_days(d, n)": (
        "CASE WHEN (n) > 0 THEN "
        "list_extract(getvariable('calendar_working_days'), working_day_no(d) + (n)) END"
    ),
}


def macro_sql(calendar_table: str) -> list[str]:
    """Statements that define the macros on one connection.

    Macros and the variables behind them are temporary and belong to the connection that runs the statements:
    a cursor made from it must run them again. The calendar is held in list variables, so a look-up costs one
    indexed read per row and no join (1 million rows: under 0.1 s).

    Args:
        calendar_table: relation with the columns day (DATE, without gaps) and is_working_day (BOOLEAN).
    """
    return [
        *(f"SET VARIABLE {name} = ({query.format(calendar_table)})" for name, query in _VARIABLES.items()),
        *(f"CREATE OR REPLACE TEMP MACRO {head} AS ({body})" for head, body in _MACROS.items()),
    ]


def not_empty(text: str) -> str:
    """SQL that is TRUE where filed text (VARCHAR or NULL) is not empty, else FALSE.

    Blanks around it must be gone already, as intake leaves it: trimming here, once per rule, doubled the cost of a
    pass.
    """
    return f"coalesce({text}, '') <> ''"


def expand_given(sql: str, given: Callable[[str], str]) -> str:
    """Replace every ``given(column)`` by the test that the filed text is not empty.

    Args:
        sql: predicate or expected expression of a rule.
        given: gives, for a column's name, that test (TRUE or FALSE, never NULL).

    Raises:
        ValueError: ``given`` is applied to something that is no column name.
    """
    expanded = _GIVEN.sub(lambda match: f"({given(match[1])})", sql)
    if _GIVEN_ANY.search(expanded):
        raise ValueError(f"given() takes one column name and nothing else: {sql}")
    return expanded


def given_columns(sql: str) -> tuple[str, ...]:
    """Columns that an expression asks ``given`` about, in order of appearance, each once."""
    return tuple(dict.fromkeys(_GIVEN.findall(sql)))
