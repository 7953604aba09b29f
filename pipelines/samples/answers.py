"""The KPI values of a bureau, computed by a separate and simple road from the rows that count.

Put here: what each KPI counts, in plain polars over the rows in force. Do not put here: how counts become
rows at every window and grain (answer_tables), or anything of the pipeline; agreement of the two is a proof
only while they share nothing but the definitions of the KPI catalogue (domain book §6).

A row counts if its filing is in force and the row is not quarantined. Of a complaint, mediation, call-back or
problem case filed in several months, the latest month's row is its state.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import polars as pl

from pipelines.contracts.periods import Period
from pipelines.samples import answer_tables as tables
from pipelines.samples import conduct_answers, expected
from pipelines.samples.answer_tables import Book
from pipelines.samples.days import WorkingDays
from pipelines.samples.filings import Filing
from pipelines.samples.market import LIFE_CLASSES
from pipelines.samples.registry import Registry

NEEDED: dict[str, tuple[str, ...]] = {
    "F01": (
        "complaint_id",
        "received_at",
        "source_channel",
        "reg_ref_no",
        "reg_forward_date",
        "line_code",
        "sales_channel",
        "reason_l1",
        "validity",
        "complexity",
        "clock_stop_days",
        "due_date",
        "decision_date",
        "status",
        "outcome",
        "first_inquiry_id",
        "matter_count",
        "escalation",
        "settlement_type",
        "surrender_diff_amount",
        "verify_result",
        "responsible",
        "rectify_close_date",
        "agent_code",
    ),
    "F02": (
        "inquiry_id",
        "inquiry_at",
        "responder_is_sales",
        "complaint_id",
        "first_contact_at",
        "resolved_at_first",
        "pre_resolved",
        "escalated_to_regulator_on",
    ),
    "F03": (
        "mediation_id",
        "mediation_org",
        "complaint_id",
        "apply_date",
        "org_notified_date",
        "should_mediate",
        "org_accepts",
        "end_date",
        "result",
        "fulfil_due_date",
        "fulfil_date",
        "fulfil_status",
        "org_code",
        "refuse_reason",
    ),
    "F04": (
        "callback_id",
        "callback_type",
        "agent_code",
        "issue_date",
        "must_call",
        "cooling_off_end",
        "completed_at",
        "success",
        "sales_channel",
        "product_type",
        "method",
        "receipt_signed_on",
    ),
    "F04S": (
        "callback_type",
        "due_count",
        "done_count",
        "success_count",
        "success_in_cooling_off",
        "receipt_pending",
    ),
    "F05": (
        "problem_id",
        "found_date",
        "problem_type",
        "due_date",
        "handled_date",
        "handle_result",
        "sales_channel",
    ),
    "F06": ("line_code", "premium", "policies_new", "policies_in_force", "person_times"),
    "F11": ("fi_ledger", "fi_rules", "fi_sales_covered", "fi_pilot", "cp_weight_pct", "fi_weight_pct"),
    "F12": (
        "departure_id",
        "agent_code",
        "apply_date",
        "effective_date",
        "orphan_policies",
        "called",
        "called_ok",
    ),
    "F13": ("screened", "risk_cleared", "pre_resolved"),
    "R01": ("reg_ref_no", "received_on", "forwarded_on", "reg_validity"),
    **conduct_answers.NEEDED,
}
"""Columns the KPIs read, by form; nothing else is kept."""
_OWN_KEYS = {
    "F01": ("complaint_id",),
    "F02": ("inquiry_id",),
    "F03": ("mediation_org", "mediation_id"),
    "F04": ("callback_id",),
    "F05": ("problem_id",),
    "F12": ("departure_id",),
}
_MONTHLY = ("F01", "F02", "F03", "F04", "F05", "F06")
_QUARTERLY = ("F07", "F08", "F11", "F15", "F16")
_QUARTER_TYPES = ("quarter", "half_year", "year")
_YEAR_TYPES = ("month", "quarter", "half_year", "year", "ytd")
_SHORT_TYPES = ("month", "quarter", "half_year")
_PER_PREMIUM, _PER_POLICIES = 10**8, 10**4
_RECTIFICATION_DAYS = 30
_FORWARDING_DAYS = 7
_ENOUGH_WEIGHT = 500
"""Five percent, in hundredths."""
_C = pl.col


@dataclass(slots=True)
class Facts:
    """Rows that count and who has filed, collected while the bureau is generated."""

    rows: dict[str, list[pl.DataFrame]] = field(default_factory=dict)
    coverage: list[tuple[str, str, int, bool, bool, bool, bool, bool, bool]] = field(default_factory=list)

    def add(
        self, form: str, period: Period, rows: pl.DataFrame, bad: pl.DataFrame, filings: Sequence[Filing]
    ) -> None:
        """Keep the rows of one form and period that count.

        Args:
            form: form code; forms without KPIs are passed over.
            period: reporting period.
            rows: all rows as filed (``filing``, ``rid``, ``reporter`` and the columns of the form).
            bad: quarantined rows (``filing``, ``rid``).
            filings: the filings, already settled.
        """
        if form not in NEEDED:
            return
        counting = [one.number for one in filings if one.in_force]
        kept = rows.filter(_C("filing").is_in(counting) & (_C("record_action") != "D")).join(
            bad, on=["filing", "rid"], how="anti"
        )
        self.rows.setdefault(form, []).append(
            kept.select(
                _C("reporter").cast(pl.Int64), pl.lit(period.start).alias("filed_for"), *(NEEDED[form])
            )
        )

    def cover(
        self,
        form: str,
        period: Period,
        reporter: int,
        filings: Sequence[Filing],
        deadline: date | None,
        erring: set[int],
    ) -> None:
        """Note what became of one obligation.

        Args:
            form: form code.
            period: reporting period.
            reporter: who owes it.
            filings: what was sent for it, settled.
            deadline: last day on time.
            erring: filings with an E finding.
        """
        accepted = [one.signed_at.date() for one in expected.unbroken(filings)]
        first = [one for one in filings if one.sequence == 1]
        self.coverage.append(
            (
                form,
                period.label,
                reporter,
                any(one.in_force for one in filings),
                bool(accepted) and deadline is not None and min(accepted) <= deadline,
                bool(first),
                bool(first) and first[0].number not in erring,
                bool(accepted),
                bool(accepted) and any(one.sequence > 1 for one in filings),
            )
        )


@dataclass(frozen=True, slots=True)
class Publications:
    """What was said about the figures, of the rows that count.

    Attributes:
        compared: disclosed indicators that can be compared (reporter, first_of, last_of, _verdict).
        points: evaluations with all elements (reporter, evaluation_year, points in ten-thousandths).
    """

    compared: pl.DataFrame
    points: pl.DataFrame


_COVERAGE_SCHEMA = {
    "form": pl.String,
    "period": pl.String,
    "reporter": pl.Int64,
    "in_force": pl.Boolean,
    "on_time": pl.Boolean,
    "has_first": pl.Boolean,
    "first_sound": pl.Boolean,
    "accepted": pl.Boolean,
    "again": pl.Boolean,
}


def kpi_values(
    registry: Registry,
    months: Sequence[Period],
    quarters: Sequence[Period],
    facts: Facts,
    as_of: datetime,
    days: WorkingDays,
    publish: Callable[[pl.DataFrame], Publications],
) -> pl.DataFrame:
    """All KPI values of the bureau.

    Args:
        registry: the institutions.
        months: the months covered; all lie inside the calendar of obligations.
        quarters: the whole quarters among them.
        facts: rows that count, and coverage.
        as_of: the moment the values hold for; limits on or after its day have not been reached.
        days: working-day arithmetic.
        publish: gets all values but those of DQ-05 and EVA-01, as text, and files what is said about them.

    Returns:
        The columns of ``answer_tables.OUTPUT``, numbers as decimal text, sorted by all key columns.
    """
    key = _Answers(registry, months, quarters, facts, as_of.date(), days)
    computed = key.all()
    computed += key.publications(publish(tables.texts(pl.concat(computed))))
    rows = pl.concat([*computed, _restatements(pl.concat(computed))])
    return tables.texts(rows).select(*tables.OUTPUT).sort(*tables.KEYS, nulls_last=False)


class _Answers:
    """The KPIs, one method each."""

    def __init__(
        self,
        registry: Registry,
        months: Sequence[Period],
        quarters: Sequence[Period],
        facts: Facts,
        today: date,
        days: WorkingDays,
    ) -> None:
        self._months = months
        self._today = today
        self._days = days
        self._facts = facts
        coverage = pl.DataFrame(facts.coverage, schema=_COVERAGE_SCHEMA, orient="row")
        places = {month.label: place for place, month in enumerate(months)}
        places |= {quarter.label: places[quarter.months()[-1].label] for quarter in quarters}
        self._coverage = coverage.filter(_C("form") != "R03").with_columns(
            _C("period").replace_strict(places, return_dtype=pl.Int64).alias("month")
        )
        self._book = Book(registry.frame(), self._coverage, tables.windows(months))
        self._comparable = self._book.comparable()
        self._f01 = self._latest("F01").with_columns(_C("received_at").dt.date().alias("received_on"))
        self._f02 = self._latest("F02")
        self._f03 = self._latest("F03")
        self._f04 = self._latest("F04")
        self._f04s = self._rows("F04S")
        self._f05 = self._latest("F05")
        self._f06 = self._rows("F06")
        # Without a whole quarter nobody has filed governance facts.
        self._f11 = self._rows("F11") if "F11" in facts.rows else None
        self._r01 = self._rows("R01")
        self._f12 = self._latest("F12")
        self._f13 = self._rows("F13")

    def all(self) -> list[pl.DataFrame]:
        """Rows of every KPI."""
        groups: list[Callable[[], list[pl.DataFrame]]] = [
            self._complaint_counts,
            self._complaint_growth,
            self._complaint_rates,
            self._complaint_structure,
            self._complaint_handling,
            self._complaint_outcomes,
            self._surrender_differences,
            self._forwarding,
            self._governance,
            self._weights,
            self._first_inquiries,
            self._mediations,
            self._mediation_course,
            self._call_backs,
            self._problems,
            self._conduct,
            self._summaries,
            self._departures,
            self._screening,
            self._quality,
        ]
        return [rows for group in groups for rows in group()]

    def _conduct(self) -> list[pl.DataFrame]:
        """REV, TRN, BLK, ACC, HOT, EDU and SAT."""
        return conduct_answers.ConductAnswers(
            self._book, self._months, self._facts.rows, self._f01, self._today
        ).all()

    # -------------------------------------------------------------------------------------------- the rows

    def _rows(self, form: str) -> pl.DataFrame:
        """Rows in force of a form, with the position of their month."""
        return pl.concat(self._facts.rows[form]).with_columns(self._at("filed_for").alias("filed_month"))

    def _latest(self, form: str) -> pl.DataFrame:
        """The latest state of every record of a form."""
        rows = self._rows(form).sort("filed_for", maintain_order=True)
        return rows.unique(["reporter", *_OWN_KEYS[form]], keep="last", maintain_order=True)

    def _at(self, column: str) -> pl.Expr:
        """Position of the month of a date column; null outside the months."""
        return tables.month_of(_C(column), self._months)

    def _tally(
        self,
        rows: pl.DataFrame,
        day: str,
        *,
        num: pl.Expr | None = None,
        den: pl.Expr | None = None,
        left_out: pl.Expr | None = None,
        by: Sequence[str] = (),
        total: bool = True,
    ) -> pl.DataFrame:
        """Count rows by insurer, month of a date, and division.

        Args:
            rows: with ``reporter`` and the columns asked for.
            day: date column that decides the month; rows without it do not count.
            num: which rows count above, or how much of each; none if not given.
            den: which rows count below, or how much of each; none if not given.
            left_out: rows that wait for their limit; they count neither above nor below.
            by: columns to divide by, one at a time (rows without a value fall out of the division).
            total: also count undivided.
        """
        waits = (left_out if left_out is not None else pl.lit(value=False)).fill_null(value=False)
        nothing = pl.lit(0, pl.Int64)
        above, below = (
            pl.when(~waits).then(one.cast(pl.Int64)).otherwise(0).fill_null(0) if one is not None else nothing
            for one in (num, den)
        )
        dated = rows.with_columns(self._at(day).alias("month")).filter(_C("month").is_not_null())
        marked = dated.select(
            "reporter",
            "month",
            *by,
            above.alias("num"),
            below.alias("den"),
            waits.cast(pl.Int64).alias("left_out"),
        )
        parts = [
            marked.with_columns(pl.lit("total").alias("dimension"), pl.lit("total").alias("dimension_value"))
        ]
        if not total:
            parts = []
        parts += [
            marked.filter(_C(name).is_not_null()).with_columns(
                pl.lit(name).alias("dimension"), _C(name).cast(pl.String).alias("dimension_value")
            )
            for name in by
        ]
        return pl.concat(
            part.group_by("reporter", "month", "dimension", "dimension_value").agg(
                _C("num").sum(), _C("den").sum(), _C("left_out").sum()
            )
            for part in parts
        )

    def _sums(self, tally: pl.DataFrame, book: Book | None = None) -> pl.DataFrame:
        """Tallies added up over every window."""
        return (
            (book or self._book)
            .in_windows(tally)
            .group_by("window", "reporter", "dimension", "dimension_value")
            .agg(_C("num").sum(), _C("den").sum(), _C("left_out").sum())
        )

    def _share(
        self,
        kpi: str,
        forms: Sequence[str],
        tally: pl.DataFrame,
        *,
        small: bool = False,
        immature: bool = False,
        grains: Sequence[str] = tuple(tables.GRAINS),
        dense: Sequence[tuple[str, str]] = tables.TOTAL,
    ) -> pl.DataFrame:
        """A percentage of two tallies at all windows."""
        table = tables.by_grain(self._book.scope(forms), self._sums(tally), grains=grains, dense=dense)
        valued = tables.ratios(table, small="den" if small else None, immature=immature)
        return tables.labelled(valued, self._book, kpi)

    # ------------------------------------------------------------------------------------------ complaints

    def _valid(self) -> pl.DataFrame:
        return self._f01.filter(_C("validity") == "有效")

    def _complaint_counts(self) -> list[pl.DataFrame]:
        """CMP-01 valid complaints: all, own, forwarded by the regulator; by line, channel and reason."""
        valid = self._valid()
        every = pl.lit(value=True)
        own = _C("source_channel").cast(pl.String).str.starts_with("OWN_")
        tally = self._tally(valid, "received_on", num=every, by=("line_code", "sales_channel", "reason_l1"))
        own_tally = self._tally(valid.filter(own), "received_on", num=every).with_columns(
            pl.lit("complaint_basis").alias("dimension"), pl.lit("OWN").alias("dimension_value")
        )
        forwarded = self._r01.filter(_C("reg_validity") == "有效")
        register_tally = self._tally(forwarded, "forwarded_on", num=every).with_columns(
            pl.lit("complaint_basis").alias("dimension"), pl.lit("REG").alias("dimension_value")
        )
        found = []
        for forms, part, dense in (
            (("F01",), pl.concat([tally, own_tally]), tables.TOTAL),
            (("F01", "R01"), register_tally, ()),
        ):
            table = tables.by_grain(self._book.scope(forms), self._sums(part), dense=dense)
            found.append(tables.labelled(tables.counts(table), self._book, "CMP-01"))
        return found

    def _complaint_growth(self) -> list[pl.DataFrame]:
        """CMP-03 and CMP-05 against the year before, CMP-04 against the period before."""
        tally = self._tally(self._valid(), "received_on", num=pl.lit(value=True), by=("line_code",))
        found = []
        for book in (self._book, self._comparable):
            scope, sums = book.scope(("F01",)), self._sums(tally, book)
            whole = sums.filter(_C("dimension") == "total")
            yearly = tables.growth(book, scope, sums, "year_before", types=_YEAR_TYPES)
            recent = tables.growth(book, scope, whole, "period_before", types=_SHORT_TYPES)
            decline = yearly.filter(_C("dimension") == "total").with_columns(_C("value") * -1)
            found += [
                tables.labelled(yearly, book, "CMP-03"),
                tables.labelled(recent, book, "CMP-04"),
                tables.labelled(decline, book, "CMP-05"),
            ]
        return found

    def _business(self, column: str, dimension: tuple[str, str], *, at_end: bool = False) -> pl.DataFrame:
        """A denominator of F06 by insurer and month, as the lower half of a tally."""
        return (
            self._f06.group_by("reporter", month="filed_month")
            .agg(_C(column).cast(pl.Int64).sum().alias("den"))
            .select(
                "reporter",
                "month",
                pl.lit(dimension[0]).alias("dimension"),
                pl.lit(dimension[1]).alias("dimension_value"),
                pl.lit(0, pl.Int64).alias("num"),
                "den",
                pl.lit(0, pl.Int64).alias("left_out"),
                pl.lit(at_end).alias("at_end"),
            )
        )

    def _rate(
        self,
        book: Book,
        column: str,
        *,
        per: int,
        dimension: tuple[str, str] = ("total", "total"),
        at_end: bool = False,
        classes: Sequence[str] | None = None,
    ) -> pl.DataFrame:
        """Valid complaints per unit of business."""
        complaints = self._tally(self._valid(), "received_on", num=pl.lit(value=True)).with_columns(
            pl.lit(dimension[0]).alias("dimension"),
            pl.lit(dimension[1]).alias("dimension_value"),
            pl.lit(value=False).alias("at_end"),
        )
        business = self._business(column, dimension, at_end=at_end)
        tally = pl.concat([complaints.select(business.columns), business])
        scope = book.scope(("F01", "F06"), classes)
        table = tables.by_grain(scope, self._sums(tally, book), dense=(dimension,))
        return tables.ratios(table, per=per, money=column == "premium", small="num", positive=True)

    def _complaint_rates(self) -> list[pl.DataFrame]:
        """CMP-06 per premium, 07 per policies, 08 per person-times, 09 medians, 10 change, 11 index."""
        book = self._book
        premium = self._rate(book, "premium", per=_PER_PREMIUM)
        new = self._rate(book, "policies_new", per=_PER_POLICIES, dimension=("policy_basis", "new"))
        in_force = self._rate(
            book, "policies_in_force", per=_PER_POLICIES, dimension=("policy_basis", "in_force"), at_end=True
        )
        persons = self._rate(book, "person_times", per=_PER_POLICIES, classes=LIFE_CLASSES)
        found = [
            tables.labelled(premium, book, "CMP-06"),
            tables.labelled(new, book, "CMP-07"),
            tables.labelled(in_force, book, "CMP-07"),
            tables.labelled(persons, book, "CMP-08"),
        ]
        for name, table in (
            ("CMP-06", premium),
            ("CMP-07.new", new),
            ("CMP-07.in_force", in_force),
            ("CMP-08", persons),
        ):
            scope = book.scope(("F01", "F06"), LIFE_CLASSES if name == "CMP-08" else None)
            found.append(tables.labelled(_medians(table, scope, name), book, "CMP-09"))
        found.append(tables.labelled(_rate_change(premium, book), book, "CMP-10"))
        comparable = self._rate(self._comparable, "premium", per=_PER_PREMIUM)
        found.append(tables.labelled(_rate_change(comparable, self._comparable), self._comparable, "CMP-10"))
        found.append(tables.labelled(self._index(), book, "CMP-11"))
        return found

    def _index(self) -> pl.DataFrame:
        """CMP-11: share of complaints over share of premium, in all and by line."""
        complaints = self._tally(self._valid(), "received_on", num=pl.lit(value=True), by=("line_code",))
        parts = [
            self._f06.with_columns(
                pl.lit("total").alias("dimension"), pl.lit("total").alias("dimension_value")
            ),
            self._f06.with_columns(
                pl.lit("line_code").alias("dimension"),
                _C("line_code").cast(pl.String).alias("dimension_value"),
            ),
        ]
        premium = (
            pl.concat(parts)
            .group_by("reporter", "dimension", "dimension_value", month="filed_month")
            .agg(_C("premium").sum().alias("den"))
        )
        business = premium.with_columns(
            pl.lit(0, pl.Int64).alias("num"), pl.lit(0, pl.Int64).alias("left_out")
        ).select(complaints.columns)
        table = tables.by_grain(
            self._book.scope(("F01", "F06")),
            self._sums(pl.concat([complaints, business])),
            grains=("insurer", "bureau"),
        )
        market = table.filter(_C("grain") == "bureau").select(
            "window", "dimension", "dimension_value", all_num="num", all_den="den"
        )
        mine = table.filter(_C("grain") == "insurer").join(
            market, on=["window", "dimension", "dimension_value"], how="left"
        )
        fair = _C("all_num").cast(pl.Int128) * _C("den")
        nothing = (fair <= 0) | (_C("all_den") <= 0)
        value = tables.divide(_C("num").cast(pl.Int128) * _C("all_den") * 100, fair)
        expected = tables.divide(fair * tables.MICRO, _C("all_den"))
        expected = pl.when(_C("all_den") > 0).then(expected).otherwise(None)
        valued = mine.with_columns(expected.alias("expected")).with_columns(
            tables.shown(_C("num").cast(pl.Int128) * tables.MICRO).alias("numerator"),
            tables.shown(_C("expected")).alias("denominator"),
            tables.shown(pl.when(~nothing).then(value).otherwise(None)).alias("value"),
        )
        # A line has a row where a complaint was made or premium written.
        valued = valued.filter(
            (_C("dimension") == "total") | (_C("complete") & ((_C("num") != 0) | (_C("den") != 0)))
        )
        return tables.with_status(
            valued,
            MISSING=~_C("complete"),
            ZERO_DEN=_C("complete") & nothing,
            SMALL_BASE=_C("value").is_not_null() & (_C("num") < tables.SMALL),
        )

    def _parts(
        self,
        kpi: str,
        forms: Sequence[str],
        parts: pl.DataFrame,
        whole: pl.DataFrame,
        *,
        small: bool = False,
        grains: Sequence[str] = tuple(tables.GRAINS),
    ) -> pl.DataFrame:
        """Shares of divisions in one whole; a division without a case has no row."""
        scope = self._book.scope(forms)
        above = tables.by_grain(scope, self._sums(parts), grains=grains, dense=())
        below = tables.by_grain(scope, self._sums(whole), grains=grains)
        keys = ["window", "grain", *tables.GRAINS["insurer"]]
        shared = above.drop("den").join(below.select(*keys, _C("den")), on=keys, how="left", nulls_equal=True)
        valued = tables.ratios(shared, small="den" if small else None)
        return tables.labelled(valued, self._book, kpi)

    def _complaint_structure(self) -> list[pl.DataFrame]:
        """CMP-12 shares of reasons and lines, CMP-13 exclusions, CMP-14 ledger gap, CMP-15 own share."""
        every = pl.lit(value=True)
        valid = self._valid()
        by_kind = self._tally(valid, "received_on", num=every, by=("reason_l1", "line_code"), total=False)
        whole = self._tally(valid, "received_on", den=every)
        found = [
            self._parts("CMP-12", ("F01",), by_kind, whole, grains=("insurer", "insurer_type", "bureau")),
        ]
        left_out = _C("validity").is_in(["无效", "重复", "不纳入"])
        received = self._tally(self._f01, "received_on", num=left_out, den=every)
        kinds = self._tally(
            self._f01.filter(left_out), "received_on", num=every, by=("validity",), total=False
        )
        found.append(self._share("CMP-13", ("F01",), received, small=True))
        found.append(self._parts("CMP-13", ("F01",), kinds, received, small=True))
        found.append(self._share("CMP-14", ("F01", "R01"), self._gap()))
        own = _C("source_channel").cast(pl.String).str.starts_with("OWN_")
        found.append(self._share("CMP-15", ("F01",), self._tally(valid, "received_on", num=own, den=every)))
        return found

    def _gap(self) -> pl.DataFrame:
        """CMP-14: numbers that only the register has, and numbers that only the insurer has."""
        register = self._r01.unique(["reporter", "reg_ref_no"], maintain_order=True)
        own = self._f01.filter(_C("reg_ref_no").is_not_null()).unique(
            ["reporter", "reg_ref_no"], maintain_order=True
        )
        pair = ["reporter", "reg_ref_no"]
        in_own = register.join(own.select(*pair, pl.lit(value=True).alias("found")), on=pair, how="left")
        surplus = own.filter(_C("reg_forward_date").is_not_null()).join(register, on=pair, how="anti")
        return pl.concat(
            [
                self._tally(in_own, "forwarded_on", num=_C("found").is_null(), den=pl.lit(value=True)),
                self._tally(surplus, "reg_forward_date", num=pl.lit(value=True)),
            ]
        )

    def _complaint_handling(self) -> list[pl.DataFrame]:
        """CMP-17 on time, CMP-18 days to decide, CMP-19 closed."""
        every = pl.lit(value=True)
        not_due = _C("due_date") >= self._today
        cohort = self._f01.filter(~_C("status").is_in(["撤回", "终止"]))
        on_time = self._tally(
            cohort, "due_date", num=_C("decision_date") <= _C("due_date"), den=every, left_out=not_due
        )
        waiting = (_C("status") == "处理中") & not_due
        closed = self._tally(
            self._f01, "received_on", num=_C("status") == "已办结", den=every, left_out=waiting
        )
        return [
            self._share("CMP-17", ("F01",), on_time, immature=True),
            tables.labelled(self._days_to_decide(), self._book, "CMP-18"),
            self._share("CMP-19", ("F01",), closed, immature=True),
        ]

    def _days_to_decide(self) -> pl.DataFrame:
        """CMP-18: mean and median of decision - receipt - days deducted."""
        decided = self._f01.filter(_C("decision_date").is_not_null()).select(
            "reporter",
            self._at("decision_date").alias("month"),
            (
                (_C("decision_date") - _C("received_on")).dt.total_days()
                - _C("clock_stop_days").cast(pl.Int64)
            ).alias("days"),
        )
        scope = self._book.scope(("F01",))
        single = self._book.in_windows(decided.filter(_C("month").is_not_null())).select(
            "window", "reporter", "days"
        )
        sums = single.group_by("window", "reporter").agg(
            _C("days").sum().alias("num"), pl.len().cast(pl.Int64).alias("den")
        )
        dimension = ("statistic", "avg")
        table = tables.by_grain(
            scope,
            sums.with_columns(
                pl.lit(dimension[0]).alias("dimension"),
                pl.lit(dimension[1]).alias("dimension_value"),
                pl.lit(0, pl.Int64).alias("left_out"),
            ),
            dense=(dimension,),
        )
        mean = tables.ratios(table, per=1)
        keys = list(tables.GRAINS["insurer"])
        counted = single.join(scope, on=["window", "reporter"])
        middles = pl.concat(
            (counted if grain == "insurer" else counted.filter("complete"))
            .group_by("window", *names)
            .agg(_twice_the_middle("days").alias("twice"))
            .with_columns(
                *(pl.lit(None, scope.schema[key]).alias(key) for key in keys if key not in names),
                pl.lit(grain).alias("grain"),
            )
            .select("window", "grain", *keys, "twice")
            for grain, names in tables.GRAINS.items()
        )
        median = (
            mean.join(middles, on=["window", "grain", *keys], how="left", nulls_equal=True)
            .with_columns(
                pl.lit("median").alias("dimension_value"),
                pl.lit(None, pl.Int128).alias("numerator"),
                # Half days at most, so hundredths are exact.
                tables.shown(_C("twice").cast(pl.Int128) * 50).alias("value"),
            )
            .select(mean.columns)
        )
        return pl.concat([mean, median])

    def _complaint_outcomes(self) -> list[pl.DataFrame]:
        """CMP-02 matters, 16 from the regulator, 20 repeats, 21 escalated, 22 accommodated, 24 unmet demands,
        25 changed on verification, 26 causes put right."""
        every = pl.lit(value=True)
        valid, f01 = self._valid(), self._f01
        source = _C("source_channel").cast(pl.String)
        matters = self._tally(valid, "received_on", num=_C("matter_count"), by=("line_code",))
        own = self._tally(
            valid.filter(source.str.starts_with("OWN_")), "received_on", num=_C("matter_count")
        ).with_columns(pl.lit("complaint_basis").alias("dimension"), pl.lit("OWN").alias("dimension_value"))
        table = tables.by_grain(self._book.scope(("F01",)), self._sums(pl.concat([matters, own])))
        escalated = _C("escalation") != "无"
        kinds = self._tally(
            valid.filter(escalated), "received_on", num=every, by=("escalation",), total=False
        )
        closed = _C("status") == "已办结"
        waiting = (_C("status") == "处理中") & (_C("due_date") >= self._today)
        verified = f01.filter(_C("verify_result").is_not_null())
        faulty = f01.filter(closed & (_C("responsible") == "有责"))
        recent = _C("decision_date") >= self._today - timedelta(days=_RECTIFICATION_DAYS)

        def share(
            kpi: str, tally: pl.DataFrame, *, small: bool = False, immature: bool = False
        ) -> pl.DataFrame:
            return self._share(kpi, ("F01",), tally, small=small, immature=immature)

        return [
            tables.labelled(tables.counts(table), self._book, "CMP-02"),
            share(
                "CMP-16",
                self._tally(valid, "received_on", num=source.str.starts_with("REG_"), den=every),
            ),
            share(
                "CMP-20", self._tally(f01, "received_on", num=_C("validity") == "重复", den=every), small=True
            ),
            share("CMP-21", self._tally(valid, "received_on", num=escalated, den=every), small=True),
            self._parts("CMP-21", ("F01",), kinds, self._tally(valid, "received_on", den=every), small=True),
            share("CMP-22", self._tally(f01, "received_on", num=_C("settlement_type") != "无", den=every)),
            share(
                "CMP-24",
                self._tally(
                    f01, "received_on", num=closed & (_C("outcome") == "不支持"), den=closed, left_out=waiting
                ),
                immature=True,
            ),
            share(
                "CMP-25",
                self._tally(verified, "received_on", num=_C("verify_result") != "维持", den=every),
                small=True,
            ),
            share(
                "CMP-26",
                self._tally(
                    faulty,
                    "decision_date",
                    num=_C("rectify_close_date").is_not_null(),
                    den=every,
                    left_out=recent,
                ),
                immature=True,
            ),
        ]

    def _surrender_differences(self) -> list[pl.DataFrame]:
        """CMP-23 money paid above cash value, and its change on the year before."""
        tally = self._tally(self._f01, "received_on", num=_C("surrender_diff_amount"))
        table = tables.by_grain(self._book.scope(("F01",)), self._sums(tally))
        found = [tables.labelled(tables.counts(table, money=True), self._book, "CMP-23")]
        for book in (self._book, self._comparable):
            yearly = tables.growth(
                book,
                book.scope(("F01",)),
                self._sums(tally, book),
                "year_before",
                types=_YEAR_TYPES,
                money=True,
            )
            found.append(tables.labelled(yearly, book, "CMP-23Y"))
        return found

    def _forwarding(self) -> list[pl.DataFrame]:
        """CMP-27: forwarded by the seventh working day after receipt, of what the register holds."""
        received = self._r01["received_on"].to_physical().cast(pl.Int64).to_numpy()
        limit = pl.Series("limit", self._days.add(received, _FORWARDING_DAYS)).cast(pl.Int32).cast(pl.Date)
        tally = self._tally(
            self._r01.with_columns(limit),
            "received_on",
            num=_C("forwarded_on") <= _C("limit"),
            den=pl.lit(value=True),
        )
        return [self._share("CMP-27", ("R01",), tally, grains=("bureau",))]

    # ---------------------------------------------------------------------------------- governance, ledger

    def _governance(self) -> list[pl.DataFrame]:
        """FIR-01 ledgers, 02 rules, 07 sales front, 09 pilots, GOV-01 weights: of the window's last quarter."""
        if self._f11 is None:
            return []
        book = self._last_quarters()
        scope = book.scope(("F11",))
        found = []
        for kpi, has, dimension in (
            ("FIR-01", _C("fi_ledger"), ("total", "total")),
            ("FIR-02", _C("fi_rules"), ("total", "total")),
            ("FIR-07", _C("fi_sales_covered"), ("variant", "institutions")),
            ("FIR-09", _C("fi_pilot"), ("total", "total")),
            ("GOV-01", _C("cp_weight_pct") >= _ENOUGH_WEIGHT, ("total", "total")),
        ):
            tally = self._f11.select(
                "reporter",
                (_C("filed_month") + 2).alias("month"),
                pl.lit(dimension[0]).alias("dimension"),
                pl.lit(dimension[1]).alias("dimension_value"),
                has.fill_null(value=False).cast(pl.Int64).alias("num"),
                pl.lit(1, pl.Int64).alias("den"),
                pl.lit(0, pl.Int64).alias("left_out"),
            )
            table = tables.by_grain(
                scope,
                self._sums(tally, book),
                grains=("insurer_type", "bureau"),
                dense=(dimension,),
            )
            found.append(tables.labelled(tables.ratios(table), book, kpi))
        return found

    def _weights(self) -> list[pl.DataFrame]:
        """GOV-02: least, middle and greatest weight of inquiries and complaints, of insurers that state one."""
        if self._f11 is None:
            return []
        book = self._last_quarters()
        scope = book.scope(("F11",))
        stated = self._f11.select(
            "reporter",
            (_C("filed_month") + 2).alias("month"),
            _C("fi_weight_pct").cast(pl.Int64).alias("weight"),
        ).drop_nulls("weight")
        single = book.in_windows(stated).join(
            scope.filter("complete").select("window", "reporter", "insurer_type"), on=["window", "reporter"]
        )
        found = []
        for grain in ("insurer_type", "bureau"):
            keys = list(tables.GRAINS[grain])
            spread = single.group_by("window", *keys).agg(
                _C("weight").min().alias("min"),
                tables.divide(_twice_the_middle("weight"), pl.lit(2)).alias("median"),
                _C("weight").max().alias("max"),
                pl.len().cast(pl.Int64).alias("used"),
            )
            groups = tables.groups_of(scope, grain)
            table = groups.join(spread, on=["window", *keys], how="left")
            for name in ("min", "median", "max"):
                valued = table.with_columns(
                    pl.lit("statistic").alias("dimension"),
                    pl.lit(name).alias("dimension_value"),
                    pl.lit(None, pl.Int128).alias("numerator"),
                    tables.shown(_C("used").fill_null(0).cast(pl.Int128) * tables.MICRO).alias("denominator"),
                    tables.shown(_C(name).cast(pl.Int128)).alias("value"),
                )
                marked = tables.with_status(
                    valued,
                    MISSING=~_C("complete"),
                    ZERO_DEN=_C("complete") & _C("used").is_null(),
                    PARTIAL=_C("complete") & _C("partial"),
                )
                found.append(tables.labelled(marked, book, "GOV-02"))
        return found

    def _last_quarters(self) -> Book:
        """The windows that snapshots are shown for, cut down to the month their last snapshot falls in."""
        shown = self._book.windows.filter(_C("period_type").is_in(list(_QUARTER_TYPES)))
        return Book(self._book.insurers, self._book.coverage, shown.with_columns(_C("last").alias("first")))

    def _first_inquiries(self) -> list[pl.DataFrame]:
        """FIR-03 registered, 04 resolved at first, 05 contact in time, 06 escalated, 07 taken by sales."""
        every = pl.lit(value=True)
        own = self._f01.filter(_C("source_channel").cast(pl.String).str.starts_with("OWN_"))
        back = self._f02.select(
            "reporter",
            _C("inquiry_id").alias("first_inquiry_id"),
            "complaint_id",
            pl.lit(value=True).alias("found"),
        )
        linked = own.join(back, on=["reporter", "first_inquiry_id", "complaint_id"], how="left")
        registered = self._tally(linked, "received_on", num=_C("found").is_not_null(), den=every)
        rows = self._f02.with_columns(_C("inquiry_at").dt.date().alias("asked_on"))
        asked = rows["asked_on"].to_physical().cast(pl.Int64).to_numpy()
        limit = pl.Series("limit", self._days.add(asked, 1)).cast(pl.Int32).cast(pl.Date)
        rows = rows.with_columns(limit)
        timely = _C("first_contact_at").dt.date() <= _C("limit")
        waiting = _C("first_contact_at").is_null() & (_C("limit") >= self._today)
        contacted = self._tally(rows, "asked_on", num=timely, den=every, left_out=waiting)
        sales = self._tally(rows, "asked_on", num=_C("responder_is_sales"), den=every).with_columns(
            pl.lit("variant").alias("dimension"), pl.lit("records").alias("dimension_value")
        )
        table = tables.by_grain(
            self._book.scope(("F02",)),
            self._sums(sales),
            grains=("insurer", "insurer_type", "bureau"),
            dense=(("variant", "records"),),
        )
        quarters = self._book.windows.filter(_C("period_type").is_in(list(_QUARTER_TYPES)))
        table = table.join(quarters.select("window"), on="window", how="semi")
        return [
            self._share("FIR-03", ("F01", "F02"), registered, small=True),
            self._share(
                "FIR-04", ("F02",), self._tally(rows, "asked_on", num=_C("resolved_at_first"), den=every)
            ),
            self._share("FIR-05", ("F02",), contacted, immature=True),
            self._share(
                "FIR-06",
                ("F02",),
                self._tally(rows, "asked_on", num=_C("escalated_to_regulator_on").is_not_null(), den=every),
            ),
            tables.labelled(tables.ratios(table), self._book, "FIR-07"),
        ]

    # -------------------------------------------------------------------------------------------- mediation

    def _mediations(self) -> list[pl.DataFrame]:
        """MED-01 share, MED-02A taken part, MED-02B offered, MED-03 succeeded, MED-04 fulfilled."""
        every = pl.lit(value=True)
        cases = self._tally(self._f03, "apply_date", num=every)
        valid = self._tally(self._valid(), "received_on", den=every)
        answered = self._f03.filter(_C("org_accepts").is_not_null())
        part = self._tally(answered, "org_notified_date", num=_C("org_accepts"), den=every)
        should = self._f03.filter("should_mediate")
        mediated = self._f03.select("reporter", "complaint_id").drop_nulls().unique()
        could = self._f01.filter(
            (_C("status") == "已办结")
            & (_C("complexity") != "简单")
            & _C("outcome").is_in(["部分支持", "不支持", "转调解"])
        ).join(mediated, on=["reporter", "complaint_id"], how="anti")
        offered = pl.concat(
            [
                self._tally(should, "apply_date", num=every, den=every),
                self._tally(could, "decision_date", den=every),
            ]
        )
        ended = self._f03.filter(_C("result").is_not_null() & (_C("result") != "撤回"))
        agreed = _C("result").is_in(["成功", "部分成功"])
        success = self._tally(ended, "end_date", num=agreed, den=every)
        by_body = self._tally(ended, "end_date", num=agreed, den=every, by=("mediation_org",), total=False)
        kept = (_C("fulfil_status") == "已履行") & (_C("fulfil_date") <= _C("fulfil_due_date"))
        agreements = self._f03.filter(_C("fulfil_due_date").is_not_null())
        fulfilled = self._tally(
            agreements, "fulfil_due_date", num=kept, den=every, left_out=_C("fulfil_due_date") >= self._today
        )
        return [
            self._share("MED-01", ("F01", "F03"), pl.concat([cases, valid]), small=True),
            self._share("MED-02A", ("F03",), part),
            self._share("MED-02B", ("F01", "F03"), offered),
            self._share("MED-03", ("F03",), success),
            self._share("MED-03", ("F03",), by_body, grains=("bureau",), dense=()),
            self._share("MED-04", ("F03",), fulfilled, immature=True),
        ]

    def _mediation_course(self) -> list[pl.DataFrame]:
        """MED-05 days from application to end, MED-06 refused without a listed reason, MED-07 first successes."""
        every = pl.lit(value=True)
        scope = self._book.scope(("F03",))
        ended = self._f03.filter(_C("end_date").is_not_null()).with_columns(
            (_C("end_date") - _C("apply_date")).dt.total_days().alias("took")
        )
        found = []
        for by, total, grains in (((), True, tuple(tables.GRAINS)), (("mediation_org",), False, ("bureau",))):
            tally = self._tally(ended, "end_date", num=_C("took"), den=every, by=by, total=total)
            dense = tables.TOTAL if total else ()
            table = tables.by_grain(scope, self._sums(tally), grains=grains, dense=dense)
            found.append(tables.labelled(tables.ratios(table, per=1), self._book, "MED-05"))
        notified = self._f03.filter(_C("org_notified_date").is_not_null())
        unreasoned = ~_C("org_accepts") & (_C("refuse_reason").is_null() | (_C("refuse_reason") == "其他"))
        refused = self._tally(notified, "org_notified_date", num=unreasoned, den=every)
        first = (
            self._f03.filter(_C("result").is_in(["成功", "部分成功"]))
            .sort("end_date", maintain_order=True)
            .unique("org_code", keep="first", maintain_order=True)
        )
        table = tables.by_grain(scope, self._sums(self._tally(first, "end_date", num=every)))
        opening = self._book.windows.filter(_C("first") == 0)["window"].to_list()
        counted = tables.counts(table, unknown=_C("window").is_in(opening))
        return [
            *found,
            self._share("MED-06", ("F03",), refused),
            tables.labelled(counted, self._book, "MED-07"),
        ]

    # ----------------------------------------------------------------------------------- call-backs, problems

    def _call_backs(self) -> list[pl.DataFrame]:
        """CBK-01 due, 02 completed, 03 successful, 04 successful inside the cooling-off period."""
        every = pl.lit(value=True)
        due = self._f04.filter((_C("callback_type") == "新单") & _C("must_call")).with_columns(
            pl.format("{}/{}", "sales_channel", "product_type").alias("channel_product")
        )
        waiting = _C("cooling_off_end") >= self._today
        by = ("sales_channel",)
        table = tables.by_grain(
            self._book.scope(("F04",)),
            self._sums(self._tally(due, "cooling_off_end", num=every, by=by)),
        )
        inside = _C("success") & (_C("completed_at").dt.date() <= _C("cooling_off_end"))

        def share(kpi: str, counts: pl.Expr, divisions: Sequence[str]) -> pl.DataFrame:
            tally = self._tally(due, "cooling_off_end", num=counts, den=every, left_out=waiting, by=divisions)
            return self._share(kpi, ("F04",), tally, immature=True)

        return [
            tables.labelled(tables.counts(table), self._book, "CBK-01"),
            share("CBK-02", _C("completed_at").is_not_null(), by),
            share("CBK-03", _C("success"), ("sales_channel", "product_type", "channel_product")),
            share("CBK-04", inside, by),
        ]

    def _problems(self) -> list[pl.DataFrame]:
        """CBK-05 problem rate, CBK-06 handled, CBK-07 handled with success, CBK-08 in time, CBK-09 kinds."""
        every = pl.lit(value=True)
        completed = self._f04.with_columns(_C("completed_at").dt.date().alias("completed_on"))
        found = self._tally(self._f05, "found_date", num=every, by=("sales_channel",))
        called = self._tally(completed, "completed_on", den=every, by=("sales_channel",))
        waiting = _C("due_date") >= self._today
        handled = self._tally(
            self._f05,
            "due_date",
            num=_C("handled_date").is_not_null(),
            den=every,
            left_out=waiting,
            by=("problem_type",),
        )
        succeeded = self._tally(
            self._f05, "handled_date", num=_C("handle_result") == "成功", den=every, by=("problem_type",)
        )
        in_time = self._tally(
            self._f05, "due_date", num=_C("handled_date") <= _C("due_date"), den=every, left_out=waiting
        )
        kinds = self._tally(self._f05, "found_date", num=every, by=("problem_type",), total=False)
        whole = self._tally(self._f05, "found_date", den=every)
        return [
            self._share("CBK-05", ("F04", "F05"), pl.concat([found, called]), small=True),
            self._share("CBK-06", ("F04", "F05"), handled, immature=True),
            self._share("CBK-07", ("F04", "F05"), succeeded),
            self._share("CBK-08", ("F04", "F05"), in_time, immature=True),
            self._parts("CBK-09", ("F04", "F05"), kinds, whole),
        ]

    # --------------------------------------------------------------------------- summaries, letters

    def _monthly(self, table: pl.DataFrame) -> pl.DataFrame:
        """Rows of windows of one month: what is filed again while it waits is added up over no longer one."""
        months = self._book.windows.filter(_C("period_type") == "month").select("window")
        return table.join(months, on="window", how="semi")

    def _summaries(self) -> list[pl.DataFrame]:
        """CBK-01 to 04 by the summary of new policies, CBK-12 receipts of letters returned."""
        new, basis = self._f04s.filter(_C("callback_type") == "新单"), ("call_back_basis", "summary")
        found = []
        for kpi, num in (
            ("CBK-01", "due_count"),
            ("CBK-02", "done_count"),
            ("CBK-03", "success_count"),
            ("CBK-04", "success_in_cooling_off"),
        ):
            tally = self._amounts(new, "filed_for", num=num, den="due_count", dimension=basis)
            table = tables.by_grain(self._book.scope(("F04S",)), self._sums(tally), dense=(basis,))
            valued = tables.counts(table) if kpi == "CBK-01" else tables.ratios(table)
            found.append(tables.labelled(self._monthly(valued), self._book, kpi))
        letters = self._f04.filter(_C("method") == "信函")
        every = pl.lit(value=True)
        pending = self._amounts(self._f04s, "filed_for", den="receipt_pending").with_columns(
            _C("den").alias("left_out")
        )
        back = self._tally(letters, "receipt_signed_on", num=every, den=every)
        table = tables.by_grain(
            self._book.scope(("F04", "F04S")), self._sums(pl.concat([back, pending.select(back.columns)]))
        )
        valued = tables.ratios(table, immature=True)
        return [*found, tables.labelled(self._monthly(valued), self._book, "CBK-12")]

    # ------------------------------------------------------------------------------- departures, screening

    def _amounts(
        self,
        rows: pl.DataFrame,
        day: str,
        *,
        num: str | None = None,
        den: str | None = None,
        dimension: tuple[str, str] = ("total", "total"),
    ) -> pl.DataFrame:
        """A tally of amounts filed in columns; rows without the date do not count."""
        return (
            rows.with_columns(self._at(day).alias("month"))
            .filter(_C("month").is_not_null())
            .group_by("reporter", "month")
            .agg(
                (_C(num).cast(pl.Int64) if num else pl.lit(0, pl.Int64)).sum().alias("num"),
                (_C(den).cast(pl.Int64) if den else pl.lit(0, pl.Int64)).sum().alias("den"),
            )
            .select(
                "reporter",
                "month",
                pl.lit(dimension[0]).alias("dimension"),
                pl.lit(dimension[1]).alias("dimension_value"),
                "num",
                "den",
                pl.lit(0, pl.Int64).alias("left_out"),
            )
        )

    def _departures(self) -> list[pl.DataFrame]:
        """CBK-10 orphaned policies called, CBK-11 departures processed after every call was successful."""
        in_full = _C("called_ok") == _C("orphan_policies")
        processed = self._tally(self._f12, "effective_date", num=in_full, den=pl.lit(value=True))
        called = self._amounts(self._f12, "apply_date", num="called", den="orphan_policies")
        return [self._share("CBK-10", ("F12",), called), self._share("CBK-11", ("F12",), processed)]

    def _screening(self) -> list[pl.DataFrame]:
        """RSK-01 risks cleared, FIR-08 disputes resolved before a complaint: of first inquiries, and by screening."""
        cleared = self._amounts(self._f13, "filed_for", num="risk_cleared", den="screened")
        inquiries = self._f02.with_columns(_C("inquiry_at").dt.date().alias("asked_on"))
        found = [self._share("RSK-01", ("F13",), cleared)]
        for form, tally, dimension in (
            ("F02", self._tally(inquiries, "asked_on", num=_C("pre_resolved")), ("total", "total")),
            (
                "F13",
                self._amounts(self._f13, "filed_for", num="pre_resolved", dimension=("variant", "screening")),
                ("variant", "screening"),
            ),
        ):
            table = tables.by_grain(self._book.scope((form,)), self._sums(tally), dense=(dimension,))
            found.append(tables.labelled(tables.counts(table), self._book, "FIR-08"))
        return found

    # ---------------------------------------------------------------------------------------------- quality

    def _quality(self) -> list[pl.DataFrame]:
        """DQ-01 met in time, DQ-02 first submissions without an E finding, DQ-03 filed again; in all and by form."""
        owed = self._coverage.filter(_C("reporter") >= 0)
        everybody = owed.with_columns(pl.lit(value=True).alias("in_force"))
        book = Book(self._book.insurers, everybody, self._book.windows)
        found = []
        for kpi, above, below in (
            ("DQ-01", _C("on_time"), pl.lit(value=True)),
            ("DQ-02", _C("first_sound"), _C("has_first")),
            ("DQ-03", _C("again"), _C("accepted")),
        ):
            single = owed.select(
                "form",
                "reporter",
                "month",
                above.cast(pl.Int64).alias("num"),
                below.cast(pl.Int64).alias("den"),
                pl.lit(0, pl.Int64).alias("left_out"),
            )
            tally = pl.concat(
                [
                    single.with_columns(
                        pl.lit("total").alias("dimension"), pl.lit("total").alias("dimension_value")
                    ),
                    single.with_columns(
                        pl.lit("form").alias("dimension"), _C("form").alias("dimension_value")
                    ),
                ]
            )
            # A quarterly form has no month of its own.
            quarterly = _C("form").is_in(list(_QUARTERLY))
            listed = book.in_windows(tally).filter(~quarterly | (_C("period_type") != "month"))
            sums = listed.group_by("window", "reporter", "dimension", "dimension_value").agg(
                _C("num").sum(), _C("den").sum(), _C("left_out").sum()
            )
            table = tables.by_grain(book.scope(_MONTHLY), sums)
            found.append(tables.labelled(tables.ratios(table), book, kpi))
        return found

    def publications(self, told: Publications) -> list[pl.DataFrame]:
        """DQ-05 of what insurers printed, EVA-01 of how they were evaluated; both of everybody who owed anything."""
        owed = self._coverage.filter((_C("form") == "F01") & (_C("reporter") >= 0))
        everybody = owed.with_columns(pl.lit(value=True).alias("in_force"))
        windows = self._book.windows
        held = windows.join_where(
            told.compared, _C("first_of") >= _C("first"), _C("last_of") <= _C("last")
        ).with_columns((_C("_verdict") == "EQUAL").cast(pl.Int64).alias("num"))
        scored = (
            windows.filter(_C("period_type") == "year")
            .with_columns(_C("period").cast(pl.Int64).alias("evaluation_year"))
            .join(told.points, on="evaluation_year")
            .with_columns(_C("points").alias("num"))
        )
        found = []
        for kpi, types, grains, events in (
            ("DQ-05", _QUARTER_TYPES, tuple(tables.GRAINS), held),
            ("EVA-01", ("year",), ("insurer",), scored),
        ):
            book = Book(self._book.insurers, everybody, windows.filter(_C("period_type").is_in(list(types))))
            sums = events.group_by("window", _C("reporter").cast(pl.Int64)).agg(
                _C("num").sum(), pl.len().cast(pl.Int64).alias("den"), pl.lit(0, pl.Int64).alias("left_out")
            )
            table = tables.by_grain(
                book.scope(("F01",)),
                sums.with_columns(
                    pl.lit("total").alias("dimension"), pl.lit("total").alias("dimension_value")
                ),
                grains=grains,
            )
            valued = tables.ratios(table)
            if kpi == "EVA-01":
                # Points are kept in ten-thousandths.
                valued = valued.with_columns(
                    tables.shown(_C("num").cast(pl.Int128) * (tables.MICRO // 10**4)).alias("numerator"),
                    tables.shown(tables.divide(_C("num"), _C("den") * 100)).alias("value"),
                )
            found.append(tables.labelled(valued, book, kpi))
        return found


#: Divisions that stand for a whole KPI, beside the undivided value.
_WHOLE = ("policy_basis", "statistic", "variant", "call_back_basis")


def _restatements(rows: pl.DataFrame) -> pl.DataFrame:
    """DQ-04: in a first release nothing has been published before, so there is no base and no number."""
    whole = rows.filter(
        (_C("grain") == "bureau")
        & (_C("basis") == "current")
        & ((_C("dimension") == "total") | _C("dimension").is_in(_WHOLE))
    )
    name = pl.when(_C("dimension") == "total").then(_C("kpi_id"))
    nothing = pl.lit(None, pl.Int128)
    return whole.with_columns(
        name.otherwise(pl.format("{}.{}", "kpi_id", "dimension_value")).alias("dimension_value"),
        pl.lit("kpi").alias("dimension"),
        pl.lit("DQ-04").alias("kpi_id"),
        nothing.alias("numerator"),
        nothing.alias("denominator"),
        nothing.alias("value"),
        pl.when(_C("status") == "MISSING").then(_C("status")).otherwise(pl.lit("NO_BASE")).alias("status"),
    )


def _twice_the_middle(column: str) -> pl.Expr:
    """Twice the median of whole numbers, which is whole."""
    ordered = _C(column).sort()
    return (ordered.get((pl.len() - 1) // 2) + ordered.get(pl.len() // 2)).cast(pl.Int64)


def _medians(rates: pl.DataFrame, scope: pl.DataFrame, name: str) -> pl.DataFrame:
    """CMP-09: median of a rate over insurers with a denominator, with and without those without a case."""
    single = rates.filter((_C("grain") == "insurer") & _C("value").is_not_null())
    found = []
    for grain in ("insurer_type", "bureau"):
        keys = list(tables.GRAINS[grain])
        groups = scope.group_by("window", *keys).agg(
            _C("complete").any(), ((~_C("complete")).any() & _C("complete").any()).alias("partial")
        )
        zeros = single.group_by("window", *keys).agg((_C("num") == 0).sum().cast(pl.Int64).alias("zeros"))
        for variant, used in (("incl_zero", single), ("excl_zero", single.filter(_C("num") > 0))):
            middle = used.group_by("window", *keys).agg(
                _twice_the_middle("value").alias("twice"), pl.len().cast(pl.Int64).alias("used")
            )
            table = groups.join(middle, on=["window", *keys], how="left").join(
                zeros, on=["window", *keys], how="left"
            )
            table = table.with_columns(
                *(
                    pl.lit(None, single.schema[key]).alias(key)
                    for key in tables.GRAINS["insurer"]
                    if key not in keys
                ),
                pl.lit(grain).alias("grain"),
                pl.lit("rate").alias("dimension"),
                pl.lit(f"{name}.{variant}").alias("dimension_value"),
                tables.shown(_C("zeros").fill_null(0).cast(pl.Int128) * tables.MICRO).alias("numerator"),
                tables.shown(_C("used").fill_null(0).cast(pl.Int128) * tables.MICRO).alias("denominator"),
                tables.divide(_C("twice"), pl.lit(2)).alias("value"),
            )
            table = tables.with_status(
                table, MISSING=~_C("complete"), ZERO_DEN=_C("used").is_null(), PARTIAL=_C("partial")
            )
            found.append(
                table.select(
                    "window",
                    "grain",
                    *tables.GRAINS["insurer"],
                    "dimension",
                    "dimension_value",
                    "numerator",
                    "denominator",
                    "value",
                    "status",
                )
            )
    return pl.concat(found)


def _rate_change(rates: pl.DataFrame, book: Book) -> pl.DataFrame:
    """CMP-10: change of an insurer's rate against the year before, from the rounded rates."""
    single = rates.filter(_C("grain") == "insurer")
    shown = book.windows.select("window", base="year_before")
    old = single.select(_C("window").alias("base"), "reporter", old_value="value", old_num="num")
    table = single.join(shown, on="window").join(old, on=["base", "reporter"], how="left")
    rate, base = _C("value"), _C("old_value")
    counted = _C("complete")
    table = table.with_columns(
        (rate * (tables.MICRO // 100)).alias("numerator"),
        pl.when(counted).then(base * (tables.MICRO // 100)).otherwise(None).alias("denominator"),
        tables.divide((rate - base) * 100 * 100, base).alias("change"),
    )
    table = tables.with_status(
        table.with_columns(_C("change").alias("value"), rate.alias("rate")),
        MISSING=~counted,
        NO_BASE=base.is_null(),
        ZERO_DEN=counted & (_C("rate").is_null() | (base == 0)),
        SMALL_BASE=_C("value").is_not_null() & (_C("old_num") < tables.SMALL),
    )
    return table.drop("rate", "change")
