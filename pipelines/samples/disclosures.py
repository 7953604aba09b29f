"""What insurers make public (F17) and how the bureau evaluates them (R08), written when all other filings are known.

Put here: the printed numbers, true to the filings or not, the scores, the mistakes in both files, and what of them
DQ-05 and EVA-01 count. Do not put here: the figures themselves (answers), or how files look (rendering).

Every insurer prints two shares of the last window. Every third prints one of them wrongly, every fourth names an
indicator nobody knows. The evaluated year is that of the first month; one insurer's evaluation lacks an element, one
has a score and a deduction in one row, and one row is of an organisation that nobody knows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

import polars as pl

from pipelines.contracts.periods import Period
from pipelines.samples.randomness import stream
from pipelines.samples.registry import Insurer, Registry
from pipelines.samples.vocabulary import EVALUATION_ELEMENTS, INDICATOR_PERIOD_TYPES

_WEIGHTS = (10, 25, 30, 10, 25, 0)
"""Per cent, in the order of the elements; the last one is the deduction."""
_SHARES = ("CMP-15", "CMP-13")
_UNKNOWN_KPI = "CMP-99"
_UNKNOWN_ORG = "00009943099998"
_WRONG_EVERY, _WRONG_PLACE = 3, 1
_UNKNOWN_EVERY, _UNKNOWN_PLACE = 4, 2
_TENTH = Decimal("0.1")
_C = pl.col


@dataclass(frozen=True, slots=True)
class Filed:
    """Rows of a form as facts, and what is wrong with them.

    Attributes:
        rows: columns of the form without the common header, ``reporter``, ``branch``, and ``_broken`` (code of the
            rule that a row breaks, null if none).
        column: column that the finding of a rule names, by rule code.
    """

    rows: pl.DataFrame
    column: Mapping[str, str]


def disclosed(registry: Registry, owing: Sequence[Insurer], values: pl.DataFrame, *, defects: bool) -> Filed:
    """F17 rows.

    Args:
        registry: the institutions.
        owing: insurers that file for the last month.
        values: KPI values so far (``answer_tables.OUTPUT``, numbers as text).
        defects: print wrongly, and fill in the form wrongly.
    """
    shares = values.filter(
        _C("kpi_id").is_in(_SHARES)
        & (_C("grain") == "insurer")
        & (_C("basis") == "current")
        & (_C("dimension") == "total")
        & _C("period_type").is_in(["quarter", "month"])
    )
    kind = "quarter" if "quarter" in shares["period_type"] else "month"
    period = str(shares.filter(_C("period_type") == kind)["period"].max())
    known = {
        (str(line["org_code"]), str(line["kpi_id"])): line
        for line in shares.filter((_C("period_type") == kind) & (_C("period") == period)).iter_rows(
            named=True
        )
    }
    rows: list[dict[str, object]] = []

    def add(one: Insurer, kpi: str, printed: str, **other: object) -> None:
        rows.append(
            {
                "reporter": one.index,
                "branch": _seat(registry, one),
                "disclosure_id": f"PL-{one.company}-{len(rows) + 1:04d}",
                "kpi_id": kpi,
                "dimension": "total",
                "dimension_value": "total",
                "indicator_period_type": kind,
                "indicator_period": period,
                "printed_value": printed,
                "disclosed_on": date(2000, 1, 1),
                "source_ref": f"{one.name}消费者权益保护信息披露",
                "_broken": None,
                "_verdict": "NOT_COMPARED",
            }
            | other
        )

    for place, one in enumerate(owing):
        for kpi, decimals in zip(_SHARES, (2, 1), strict=True):
            line = known.get((one.code, kpi))
            if line is None or line["value"] is None:
                add(one, kpi, "0.00")
                continue
            exact = Decimal(100) * Decimal(str(line["numerator"])) / Decimal(str(line["denominator"]))
            true = exact.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP)
            wrong = defects and kpi == _SHARES[1] and place % _WRONG_EVERY == _WRONG_PLACE
            add(one, kpi, str(true + _TENTH if wrong else true), _verdict="UNEQUAL" if wrong else "EQUAL")
        if defects and place % _UNKNOWN_EVERY == _UNKNOWN_PLACE:
            add(one, _UNKNOWN_KPI, "1")
    if defects:
        add(owing[0], _SHARES[0], "12.50%", _broken="F17-I01")
        add(owing[1], _SHARES[0], "12.50", _broken="F17-I02", indicator_period_type="half_year")
        add(owing[2], _SHARES[0], "12.50", _broken="F17-I03", dimension_value="机动车辆")
    frame = pl.DataFrame(
        rows,
        schema_overrides={
            "reporter": pl.Int32,
            "indicator_period_type": pl.Enum(list(INDICATOR_PERIOD_TYPES)),
            "_broken": pl.String,
        },
    ).sort("reporter", maintain_order=True)
    return Filed(
        frame,
        {"F17-I01": "printed_value", "F17-I02": "indicator_period", "F17-I03": "dimension_value"},
    )


def evaluated(registry: Registry, owing: Sequence[Insurer], seed: int, year: int, *, defects: bool) -> Filed:
    """R08 rows: six elements of every insurer, scores and deductions in hundredths."""
    rng = stream(seed, "evaluation", year)
    rows: list[dict[str, object]] = []
    for place, one in enumerate(owing):
        scores = rng.integers(5_500, 10_001, len(EVALUATION_ELEMENTS) - 1)
        deduction = int(rng.integers(0, 6)) * 50
        for element, score in zip(EVALUATION_ELEMENTS, [*map(int, scores), None], strict=True):
            taken = deduction if score is None else None
            row: dict[str, object] = {
                "reporter": one.index,
                "branch": _seat(registry, one),
                "evaluation_year": year,
                "element": element,
                "score": score,
                "deduction": taken,
                "evaluated_on": date(2000, 1, 1),
                "_broken": None,
                "_stranger": False,
            }
            if defects and place == 1 and element == EVALUATION_ELEMENTS[3]:
                continue
            if defects and place == 2 and element == EVALUATION_ELEMENTS[0]:  # noqa: PLR2004
                row |= {"deduction": 100, "_broken": "R08-I01"}
            rows.append(row)
    if defects:
        rows.append(rows[0] | {"_broken": "R08-X01", "_stranger": True})
    frame = pl.DataFrame(
        rows,
        schema_overrides={
            "reporter": pl.Int32,
            "element": pl.Enum(list(EVALUATION_ELEMENTS)),
            "score": pl.Int64,
            "deduction": pl.Int64,
            "_broken": pl.String,
        },
    )
    return Filed(frame, {"R08-I01": "score", "R08-X01": "org_code"})


def of_nobody(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows of the unknown organisation under its code."""
    return rows.with_columns(
        pl.when("_stranger")
        .then(pl.lit(_UNKNOWN_ORG))
        .otherwise(_C("org_code").cast(pl.String))
        .alias("org_code")
    )


def incomplete(rows: pl.DataFrame) -> pl.DataFrame:
    """First row of every organisation and year without all six elements (R08-I02)."""
    counted = rows.group_by("filing", "org_code", "evaluation_year", maintain_order=True).agg(
        _C("element").n_unique().alias("elements"), _C("rid").min()
    )
    return counted.filter(_C("elements") < len(EVALUATION_ELEMENTS))


def compared(rows: pl.DataFrame, months: Sequence[Period]) -> pl.DataFrame:
    """Of the F17 rows that count those that can be compared, with the positions of their first and last month."""
    place = {month.label: number for number, month in enumerate(months)}
    spans = [
        [place[month.label] for month in Period.parse(str(label)).months()]
        for label in rows["indicator_period"].to_list()
    ]
    return rows.with_columns(
        pl.Series("first_of", [span[0] for span in spans], dtype=pl.Int64),
        pl.Series("last_of", [span[-1] for span in spans], dtype=pl.Int64),
    ).filter(_C("_verdict") != "NOT_COMPARED")


def points(rows: pl.DataFrame) -> pl.DataFrame:
    """Of the R08 rows that count: reporter, year, and points in ten-thousandths, of evaluations with all elements."""
    weight = dict(zip(EVALUATION_ELEMENTS, _WEIGHTS, strict=True))
    return (
        rows.with_columns(
            _C("element").cast(pl.String).replace_strict(weight, return_dtype=pl.Int64).alias("weight")
        )
        .group_by("reporter", "evaluation_year")
        .agg(
            (_C("score").fill_null(0) * _C("weight") - _C("deduction").fill_null(0) * 100)
            .sum()
            .alias("points"),
            pl.len().alias("elements"),
        )
        .filter(_C("elements") == len(EVALUATION_ELEMENTS))
    )


def _seat(registry: Registry, one: Insurer) -> int:
    """Position of the insurer's own branch."""
    return next(place for place, branch in enumerate(registry.branches) if branch.code == one.code)
