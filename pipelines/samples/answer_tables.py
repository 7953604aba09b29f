"""From counts by month to KPI rows: windows, coverage, grains, exact rounding and status flags.

Put here: what all KPI answers share. Do not put here: what any single KPI counts (answers). Nothing of the
pipeline is used or imitated: a count belongs to an insurer and a month, a window is a list of months, a group
is a list of insurers, and every row is a sum over both.

All numbers are whole: counts, money in fen, values in hundredths. Divisions round half away from zero on
128-bit integers, so no binary fraction is ever involved.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from pipelines.contracts.periods import Period
from pipelines.samples.registry import SUPERVISOR

PERIOD_TYPES = ("month", "quarter", "half_year", "year", "ytd")
GRAINS: Mapping[str, tuple[str, ...]] = {
    "insurer": ("reporter", "org_code", "insurer_type", "peer_group"),
    "insurer_type": ("insurer_type",),
    "peer_group": ("peer_group",),
    "bureau": (),
}
TOTAL = (("total", "total"),)
SMALL = 30
KEYS = (
    "kpi_id",
    "period_type",
    "period",
    "grain",
    "org_code",
    "peer_group",
    "insurer_type",
    "dimension",
    "dimension_value",
    "basis",
)
OUTPUT = (*KEYS, "numerator", "denominator", "value", "status")
_FLAGS = ("MISSING", "NO_BASE", "ZERO_DEN", "SMALL_BASE", "IMMATURE", "PARTIAL")
MICRO = 1_000_000
_C = pl.col


def windows(months: Sequence[Period], types: Iterable[str] = PERIOD_TYPES) -> pl.DataFrame:
    """All complete windows inside the months.

    Returns:
        window (number), period_type, period (label), first and last (positions of months), year_before and
        period_before (numbers of the windows a year and one period earlier; null if they are not inside).
    """
    position = {month.label: place for place, month in enumerate(months)}
    found: list[tuple[str, Period, int, int]] = []
    for kind in types:
        if kind == "ytd":
            for month in months:
                january = Period.parse(f"{month.start.year}-01")
                if january.label in position:
                    found.append((kind, month, position[january.label], position[month.label]))
            continue
        for month in months:
            # Each window is listed at its last month.
            whole = Period.containing(kind, month.start)  # type: ignore[arg-type]  # a period kind
            parts = whole.months()
            if parts[-1] == month and all(part.label in position for part in parts):
                found.append((kind, whole, position[parts[0].label], position[month.label]))
    number = {(kind, period.label): place for place, (kind, period, _, _) in enumerate(found)}

    def before(kind: str, period: Period, steps: int) -> int | None:
        return number.get((kind, period.shift(-steps).label))

    per_year = {"month": 12, "quarter": 4, "half_year": 2, "year": 1, "ytd": 12}
    return pl.DataFrame(
        {
            "window": list(range(len(found))),
            "period_type": [kind for kind, _, _, _ in found],
            "period": [period.label for _, period, _, _ in found],
            "first": [first for _, _, first, _ in found],
            "last": [last for _, _, _, last in found],
            "year_before": [before(kind, period, per_year[kind]) for kind, period, _, _ in found],
            "period_before": [before(kind, period, 1) for kind, period, _, _ in found],
        },
        schema={
            "window": pl.Int64,
            "period_type": pl.String,
            "period": pl.String,
            "first": pl.Int64,
            "last": pl.Int64,
            "year_before": pl.Int64,
            "period_before": pl.Int64,
        },
    )


@dataclass(frozen=True, slots=True)
class Book:
    """Who is there, who has filed what, and which windows are asked for.

    Attributes:
        insurers: reporter, org_code, insurer_class, insurer_type, peer_group.
        coverage: form, month (position; of the last month for a quarter), reporter, in_force.
        windows: see :func:`windows`.
        basis: ``current``, or ``comparable`` after :meth:`comparable`.
        heirs: reporter -> heir, of those that merged.
    """

    insurers: pl.DataFrame
    coverage: pl.DataFrame
    windows: pl.DataFrame
    basis: str = "current"
    heirs: pl.DataFrame | None = None

    def comparable(self) -> Book:
        """The same history as if merged insurers had always been part of their heirs."""
        heirs = self.insurers.filter(_C("successor").is_not_null()).select("reporter", heir="successor")
        mapped = Book(self.insurers, self.coverage, self.windows, "comparable", heirs)
        return Book(
            self.insurers.filter(_C("successor").is_null()),
            mapped.moved(self.coverage).group_by("form", "month", "reporter").agg(_C("in_force").all()),
            self.windows,
            "comparable",
            heirs,
        )

    def moved(self, events: pl.DataFrame) -> pl.DataFrame:
        """Rows of merged insurers under their heirs' numbers (unchanged on the current basis)."""
        if self.heirs is None:
            return events
        return (
            events.join(self.heirs, on="reporter", how="left", maintain_order="left")
            .with_columns(pl.coalesce("heir", "reporter").alias("reporter"))
            .drop("heir")
        )

    def scope(self, forms: Sequence[str], classes: Sequence[str] | None = None) -> pl.DataFrame:
        """Who is asked in each window: window, the insurers' columns, complete.

        An insurer is in scope if it owed one of the forms in one of the months, and complete if every filing
        it owed there is in force. A form of the supervisor must be in force for everybody; if no other form is
        asked for, everybody is in scope who owed anything, and nothing else must be in force.
        """
        own = [form for form in forms if form[0] == "F"]
        if not own:
            # What the supervisor alone files is asked for everybody who owed anything.
            insurers = _C("reporter") != SUPERVISOR
            asked = self.coverage.with_columns(
                pl.when(insurers).then(statement=True).otherwise("in_force").alias("in_force")
            )
            every = asked.filter(insurers)["form"].unique().to_list()
            return Book(self.insurers, asked, self.windows, self.basis).scope([*every, *forms], classes)
        owed = self.coverage.filter(_C("form").is_in(own) & (_C("reporter") != SUPERVISOR))
        judged = (
            self.windows.join_where(owed, _C("month") >= _C("first"), _C("month") <= _C("last"))
            .group_by("window", "reporter")
            .agg(_C("in_force").all().alias("complete"))
        )
        register = [form for form in forms if form[0] == "R"]
        if register:
            held = self.coverage.filter(_C("form").is_in(register))
            both = (
                self.windows.join_where(held, _C("month") >= _C("first"), _C("month") <= _C("last"))
                .group_by("window")
                .agg(_C("in_force").all().alias("held"))
            )
            judged = judged.join(both, on="window", how="left").select(
                "window", "reporter", _C("complete") & _C("held").fill_null(value=False)
            )
        scoped = judged.join(self.insurers, on="reporter")
        return scoped if classes is None else scoped.filter(_C("insurer_class").is_in(list(classes)))

    def in_windows(self, events: pl.DataFrame) -> pl.DataFrame:
        """Events (reporter, month, ...) by window; those marked ``at_end`` count in its last month only."""
        listed = self.windows.join_where(
            self.moved(events), _C("month") >= _C("first"), _C("month") <= _C("last")
        )
        return (
            listed.filter(~_C("at_end") | (_C("month") == _C("last")))
            if "at_end" in listed.columns
            else listed
        )


def month_of(column: pl.Expr, months: Sequence[Period]) -> pl.Expr:
    """Position of the month of a date; null outside the months."""
    start: date = months[0].start
    place = (
        (column.dt.year().cast(pl.Int64) - start.year) * 12 + column.dt.month().cast(pl.Int64) - start.month
    )
    return pl.when(place.is_between(0, len(months) - 1)).then(place).otherwise(None)


def divide(numerator: pl.Expr, denominator: pl.Expr) -> pl.Expr:
    """Quotient of whole numbers, rounded half away from zero; null where the denominator is zero or null."""
    above, below = numerator.cast(pl.Int128), denominator.cast(pl.Int128)
    size = (above.abs() * 2 + below.abs()) // (below.abs() * 2)
    sign = pl.when((above < 0) != (below < 0)).then(-1).otherwise(1)
    return pl.when(below != 0).then(size * sign).otherwise(None)


def groups_of(scope: pl.DataFrame, grain: str) -> pl.DataFrame:
    """The groups of a grain by window: complete (somebody is), partial (somebody is not), members."""
    keys = list(GRAINS[grain])
    groups = scope.group_by("window", *keys).agg(
        _C("complete").any(), (~_C("complete")).any().alias("partial"), _C("complete").sum().alias("members")
    )
    absent = [name for name in GRAINS["insurer"] if name not in keys]
    return groups.with_columns(
        *(pl.lit(None, dtype=scope.schema[name]).alias(name) for name in absent), pl.lit(grain).alias("grain")
    ).select("window", "grain", *GRAINS["insurer"], "complete", "partial", "members")


def by_grain(
    scope: pl.DataFrame,
    sums: pl.DataFrame,
    *,
    grains: Sequence[str] = tuple(GRAINS),
    dense: Sequence[tuple[str, str]] = TOTAL,
) -> pl.DataFrame:
    """Sums of complete insurers at every grain.

    A division has a row where it has a case. Of a group nobody in which is complete only the undivided row is
    shown, and without numbers: part of a value is no figure.

    Args:
        scope: see :meth:`Book.scope`.
        sums: window, reporter, dimension, dimension_value, num, den, left_out (counts not yet due), for any
            insurer.
        grains: grains to give.
        dense: divisions that have a row for everybody in scope, even with nothing to count.

    Returns:
        window, grain, the key columns of all grains, dimension, dimension_value, num, den, left_out, complete
        (there is a complete insurer, so the numbers may be shown), partial (somebody is missing), members
        (complete ones).
    """
    counted = sums.join(scope.filter("complete"), on=["window", "reporter"])
    named = pl.DataFrame(
        list(dense), schema={"dimension": pl.String, "dimension_value": pl.String}, orient="row"
    )
    found: list[pl.DataFrame] = []
    for grain in grains:
        keys = list(GRAINS[grain])
        groups = groups_of(scope, grain)
        cells = counted.group_by("window", *keys, "dimension", "dimension_value").agg(
            _C("num").sum(), _C("den").sum(), _C("left_out").sum()
        )
        where = ["window", *keys, "dimension", "dimension_value"]
        filled = groups.join(named, how="cross").join(cells, on=where, how="left")
        filled = filled.with_columns(_C(name).fill_null(0) for name in ("num", "den", "left_out"))
        others = cells.join(named, on=["dimension", "dimension_value"], how="anti").filter(
            (_C("num") != 0) | (_C("den") != 0)
        )
        divided = others.join(groups.filter("complete"), on=["window", *keys])
        found.append(pl.concat([filled, divided.select(filled.columns)]))
    return pl.concat(found)


def with_status(table: pl.DataFrame, **flags: pl.Expr) -> pl.DataFrame:
    """Add ``status``: the flags that hold, in their fixed order, or OK; of a missing value nothing else is said."""
    missing = flags.get("MISSING", pl.lit(value=False))
    others = [name for name in _FLAGS if name in flags and name != "MISSING"]
    texts = [pl.when(flags[name]).then(pl.lit(name)).otherwise(None) for name in others]
    joined = pl.concat_str(texts, separator="|", ignore_nulls=True) if texts else pl.lit("")
    said = pl.when(missing).then(pl.lit("MISSING")).when(joined == "").then(pl.lit("OK")).otherwise(joined)
    return table.with_columns(said.alias("status"))


def ratios(
    table: pl.DataFrame,
    *,
    per: int = 100,
    money: bool = False,
    small: str | None = None,
    positive: bool = False,
    immature: bool = False,
) -> pl.DataFrame:
    """Value and status of quotients.

    Args:
        table: of :func:`by_grain`.
        per: what the quotient is multiplied by (100: percent).
        money: the denominator is money in fen and printed in yuan.
        small: ``num`` or ``den``: the count that must reach 30; None if the KPI has no such policy.
        positive: a negative denominator counts as none.
        immature: counts left out are told.

    Returns:
        The table with numerator and denominator (millionths), value (hundredths) and status.
    """
    scale = per * 100 * (100 if money else 1)
    no_den = (_C("den") <= 0) if positive else (_C("den") == 0)
    value = pl.when(~no_den).then(divide(_C("num").cast(pl.Int128) * scale, _C("den"))).otherwise(None)
    valued = table.with_columns(
        shown(_C("num").cast(pl.Int128) * MICRO).alias("numerator"),
        shown(_C("den").cast(pl.Int128) * (MICRO // 100 if money else MICRO)).alias("denominator"),
        shown(value).alias("value"),
    )
    few = _C("value").is_not_null() & (_C(small) < SMALL) if small else pl.lit(value=False)
    return with_status(
        valued,
        MISSING=~_C("complete"),
        ZERO_DEN=_C("complete") & no_den,
        SMALL_BASE=few,
        IMMATURE=_C("complete") & (_C("left_out") > 0) & pl.lit(immature),
        PARTIAL=_partial(),
    )


def counts(table: pl.DataFrame, *, money: bool = False, unknown: pl.Expr | None = None) -> pl.DataFrame:
    """Value and status of plain counts: the value is the numerator and there is no denominator.

    Args:
        table: of :func:`by_grain`.
        money: what is counted is money in fen and printed in yuan.
        unknown: rows that have no value for want of a base, though they have a count.
    """
    lacking = pl.lit(value=False) if unknown is None else unknown
    size = _C("num").cast(pl.Int128)
    valued = table.with_columns(
        shown(size * (MICRO // 100 if money else MICRO)).alias("numerator"),
        pl.lit(None, pl.Int128).alias("denominator"),
        shown(pl.when(~lacking).then(size * (1 if money else 100)).otherwise(None)).alias("value"),
    )
    return with_status(valued, MISSING=~_C("complete"), NO_BASE=lacking, PARTIAL=_partial())


def shown(value: pl.Expr) -> pl.Expr:
    """A number, unless nobody complete stands behind it."""
    return pl.when("complete").then(value).otherwise(None)


def _partial() -> pl.Expr:
    """A group in which somebody counts and somebody is missing."""
    return _C("complete") & _C("partial") & (_C("grain") != "insurer")


def growth(
    book: Book,
    scope: pl.DataFrame,
    sums: pl.DataFrame,
    before: str,
    *,
    types: Sequence[str],
    dense: Sequence[tuple[str, str]] = TOTAL,
    money: bool = False,
) -> pl.DataFrame:
    """Change of counts against an earlier window, in percent.

    Args:
        book: windows and insurers.
        scope: who is asked in each window.
        sums: counts by window and insurer, see :func:`by_grain` (``den`` is not used).
        before: ``year_before`` or ``period_before``.
        types: period types to give.
        dense: divisions that everybody has.
        money: what is counted is money in fen and printed in yuan; no number of cases is small in it.

    Returns:
        As :func:`ratios`: numerator is the count, denominator the base count.
    """
    levels = by_grain(scope, sums, dense=dense)
    who = ["grain", *GRAINS["insurer"]]
    keys = [*who, "dimension", "dimension_value"]
    pairs = book.windows.filter(_C("period_type").is_in(list(types))).select("window", base=before)
    groups = pl.concat(groups_of(scope, grain) for grain in GRAINS).drop("members")
    # A division has a row if it has a case now or had one in the base, as long as its group counts now.
    now = levels.select("window", *keys, "num")
    then = levels.select(_C("window").alias("base"), *keys, _C("num").alias("base_num"))
    rows = pl.concat(
        [
            now.join(pairs, on="window").select("window", "base", *keys),
            then.join(pairs, on="base").select("window", "base", *keys),
        ]
    ).unique()
    undivided = _C("dimension") == TOTAL[0][0]
    table = (
        rows.join(groups, on=["window", *who], nulls_equal=True)
        .filter(undivided | _C("complete"))
        .join(now, on=["window", *keys], how="left", nulls_equal=True)
        .join(
            groups.rename({"window": "base", "complete": "base_complete", "partial": "base_partial"}),
            on=["base", *who],
            how="left",
            nulls_equal=True,
        )
        .join(then, on=["base", *keys], how="left", nulls_equal=True)
    )
    # An absent division of a group that counted then is a zero, not an unknown.
    counted = _C("base_complete").fill_null(value=False)
    table = table.with_columns(
        _C("num").fill_null(0),
        pl.when(counted).then(_C("base_num").fill_null(0)).otherwise(None).alias("base_num"),
    )
    value = divide((_C("num") - _C("base_num")).cast(pl.Int128) * 100 * 100, _C("base_num"))
    unit = MICRO // 100 if money else MICRO
    table = table.with_columns(
        shown(_C("num").cast(pl.Int128) * unit).alias("numerator"),
        shown(_C("base_num").cast(pl.Int128) * unit).alias("denominator"),
        shown(value).alias("value"),
    )
    anybody_missing = _C("partial") | _C("base_partial").fill_null(value=False)
    return with_status(
        table,
        MISSING=~_C("complete"),
        NO_BASE=_C("complete") & _C("base_num").is_null(),
        ZERO_DEN=_C("complete") & (_C("base_num") == 0),
        SMALL_BASE=_C("value").is_not_null() & (_C("base_num") < SMALL) & pl.lit(not money),
        PARTIAL=_C("complete") & anybody_missing & (_C("grain") != "insurer"),
    )


def labelled(table: pl.DataFrame, book: Book, kpi: str) -> pl.DataFrame:
    """The rows of one KPI with the columns of the answer key (numbers still whole)."""
    named = table.join(book.windows.select("window", "period_type", "period"), on="window")
    return named.with_columns(pl.lit(kpi).alias("kpi_id"), pl.lit(book.basis).alias("basis")).select(
        *KEYS,
        _C("numerator").cast(pl.Int128),
        _C("denominator").cast(pl.Int128),
        _C("value").cast(pl.Int128),
        "status",
    )


def texts(table: pl.DataFrame) -> pl.DataFrame:
    """Numbers as decimal text: numerator and denominator without trailing zeros, value with two decimals."""
    return table.with_columns(
        _decimal(_C("numerator"), 6).str.strip_chars_end("0").str.strip_chars_end(".").alias("numerator"),
        _decimal(_C("denominator"), 6).str.strip_chars_end("0").str.strip_chars_end(".").alias("denominator"),
        _decimal(_C("value"), 2).alias("value"),
    )


def _decimal(whole: pl.Expr, places: int) -> pl.Expr:
    size = whole.abs()
    sign = pl.when(whole < 0).then(pl.lit("-")).otherwise(pl.lit(""))
    fraction = (size % 10**places).cast(pl.String).str.zfill(places)
    return pl.format("{}{}.{}", sign, size // 10**places, fraction)
