"""Where measures are counted: fact, month, amount and dimensions of each, read from the one place that says so.

`dbt_project/models/measures/monthly_measures.sql` counts every measure once, by calls of the macro `measure_rows`. The
file is rendered here with a `measure_rows` that writes its arguments down instead of SQL, so that an explanation asks
the facts with the very expressions that the model sums. A new measure is explained without another line anywhere.

Belongs here: that reading. Does not belong here: asking the facts (`explanation`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import BaseLoader, Environment, StrictUndefined
from jinja2.exceptions import TemplateError

MODEL = "models/measures/monthly_measures.sql"


class MeasureModelError(RuntimeError):
    """The model of measures cannot be read this way: it calls something that this room does not know."""


@dataclass(frozen=True, slots=True)
class MeasureSource:
    """One counting of a measure.

    Attributes:
        measure_id: the measure.
        fact: name of the model it is counted in.
        month: SQL of the month a row counts in.
        amount: SQL of what a row adds.
        frequency: SQL of the shortest window an amount belongs to.
        dimensions: columns it is also counted by.
    """

    measure_id: str
    fact: str
    month: str
    amount: str
    frequency: str
    dimensions: tuple[str, ...]


def measure_sources(dbt_project: Path) -> list[MeasureSource]:
    """Every counting, in the order of the file; a measure that two facts feed stands there twice.

    Raises:
        MeasureModelError: the file calls a macro that is unknown here.
    """
    found: list[MeasureSource] = []

    def measure_rows(
        fact: str,
        month: str,
        amounts: Mapping[str, str],
        dimensions: Sequence[str] = (),
        frequency: str = "'month'",
        **_: Any,
    ) -> str:
        found.extend(
            MeasureSource(measure_id, fact, month, amount, frequency, tuple(dimensions))
            for measure_id, amount in amounts.items()
        )
        return ""

    environment = Environment(loader=BaseLoader(), undefined=StrictUndefined, autoescape=False)  # noqa: S701 - SQL
    environment.globals |= {
        "measure_rows": measure_rows,
        "count_if": lambda condition: f"case when {condition} then 1 else 0 end",
        "ref": lambda name: name,
        "source": lambda schema, name: f"{schema}.{name}",
        "var": lambda name, default="": default,  # noqa: ARG005 - dbt's signature
        "config": lambda **_: "",
    }
    path = dbt_project / MODEL
    try:
        environment.from_string(path.read_text(encoding="utf-8")).render()
    except TemplateError as error:
        raise MeasureModelError(
            f"{path} cannot be read for explanations: {error}. Count measures with measure_rows and count_if, whose "
            "amounts are SQL over the fact's own columns."
        ) from error
    return found
