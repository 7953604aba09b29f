"""The KPI values of the forms of conduct: REV, TRN, BLK, ACC, HOT, EDU and SAT, by a road of their own.

Put here: what each of these KPIs counts, in plain polars over the rows in force. Do not put here: how counts become
rows at every window and grain (answer_tables). The other KPIs are in :mod:`pipelines.samples.answers`.

An amount belongs to an insurer (or to the bureau) and a month; all amounts are whole numbers: counts, fen, or
millionths of a per cent for the rates of courses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import polars as pl

from pipelines.contracts.periods import Period
from pipelines.samples import answer_tables as tables
from pipelines.samples.answer_tables import MICRO, Book
from pipelines.samples.registry import SUPERVISOR

NEEDED: dict[str, tuple[str, ...]] = {
    "F07": ("review_id", "item_type", "required_date", "review_date", "opinions", "opinions_adopted"),
    "F08": ("course_id", "audience", "session_date", "expected", "attended"),
    "F09": (
        "clue_id",
        "found_date",
        "reported_on",
        "verified_on",
        "surrender_amount",
        "recovered_amount",
        "status",
    ),
    "F10": (
        "action_id",
        "agent_code",
        "person_hash",
        "action_type",
        "action_date",
        "complaint_id",
        "valid_until",
    ),
    "F15": ("activity_id", "activity_form", "sessions", "reach", "sites", "sites_total"),
    "F16": (
        "survey_id",
        "question_id",
        "choice_id",
        "topic",
        "question_type",
        "surveyed_to",
        "is_satisfied",
        "issued",
        "valid_answers",
        "chosen",
    ),
    "R05": (
        "call_id",
        "called_at",
        "answered",
        "call_kind",
        "transferred_at",
        "insurer_answered",
        "resolved",
        "recomplained_on",
    ),
}
"""Columns these KPIs read, by form."""
FORMS = ("F07", "F08", "F09", "F10", "F15", "F16")
"""Forms of insurers among them."""
_KEYS = {
    "F07": ("review_id",),
    "F08": ("course_id", "audience"),
    "F09": ("clue_id",),
    "F10": ("action_id",),
    "F12": ("departure_id",),
    "F16": ("survey_id", "question_id", "choice_id"),
    "R05": ("call_id",),
}
_QUARTER_TYPES = ("quarter", "half_year", "year")
_DAYS_TO_ACT, _DAYS_TO_RETURN = 60, 30
_PERCENT = 100
_FEN = 100
_ONE = pl.lit(1, pl.Int64)
_NIL = pl.lit(0, pl.Int64)
_C = pl.col


class ConductAnswers:
    """These KPIs, one method for each form.

    Args:
        book: insurers, coverage and windows (current basis).
        months: the months covered.
        rows: rows in force by form, each list in the order of periods (``reporter``, ``filed_for``, columns).
        complaints: the latest state of every complaint.
        today: day of the as-of moment.
    """

    def __init__(
        self,
        book: Book,
        months: Sequence[Period],
        rows: Mapping[str, Sequence[pl.DataFrame]],
        complaints: pl.DataFrame,
        today: date,
    ) -> None:
        """Nothing is computed yet."""
        self._book, self._months, self._rows = book, months, rows
        self._complaints, self._today = complaints, today

    def all(self) -> list[pl.DataFrame]:
        """Rows of every KPI here; forms that nobody has filed (no whole quarter) give none."""
        found = [*self._clues(), *self._actions(), *self._hotline()]
        if "F07" in self._rows:
            found += [*self._reviews(), *self._courses(), *self._activities(), *self._surveys()]
        return found

    # --------------------------------------------------------------------------------------------- parts

    def _latest(self, form: str) -> pl.DataFrame:
        rows = pl.concat(self._rows[form]).sort("filed_for", maintain_order=True)
        return rows.unique(["reporter", *_KEYS[form]], keep="last", maintain_order=True)

    def _amounts(
        self,
        rows: pl.DataFrame,
        day: str,
        *,
        num: pl.Expr = _NIL,
        den: pl.Expr = _NIL,
        left_out: pl.Expr = _NIL,
        by: str | None = None,
        total: bool = True,
    ) -> pl.DataFrame:
        """Whole amounts by insurer, month of a date, and division."""
        dated = rows.with_columns(tables.month_of(_C(day), self._months).alias("month")).filter(
            _C("month").is_not_null()
        )
        marked = dated.select(
            _C("reporter").cast(pl.Int64),
            "month",
            *([] if by is None else [_C(by).cast(pl.String).alias("dimension_value")]),
            *(
                part.cast(pl.Int64).fill_null(0).alias(name)
                for name, part in (("num", num), ("den", den), ("left_out", left_out))
            ),
        )
        parts = []
        if total:
            parts.append(
                marked.with_columns(
                    pl.lit("total").alias("dimension"), pl.lit("total").alias("dimension_value")
                )
            )
        if by is not None:
            parts.append(
                marked.filter(_C("dimension_value").is_not_null()).with_columns(pl.lit(by).alias("dimension"))
            )
        keys = ["reporter", "month", "dimension", "dimension_value"]
        return pl.concat(
            part.select(*keys, "num", "den", "left_out")
            .group_by(keys)
            .agg(_C("num", "den", "left_out").sum())
            for part in parts
        )

    def _table(
        self,
        scope: pl.DataFrame,
        tally: pl.DataFrame,
        *,
        book: Book | None = None,
        grains: Sequence[str] = tuple(tables.GRAINS),
        dense: Sequence[tuple[str, str]] = tables.TOTAL,
    ) -> pl.DataFrame:
        sums = (
            (book or self._book)
            .in_windows(tally)
            .group_by("window", "reporter", "dimension", "dimension_value")
            .agg(_C("num", "den", "left_out").sum())
        )
        return tables.by_grain(scope, sums, grains=grains, dense=dense)

    def _quarters(self) -> Book:
        """The windows that quarterly forms have figures for."""
        shown = self._book.windows.filter(_C("period_type").is_in(list(_QUARTER_TYPES)))
        return Book(self._book.insurers, self._book.coverage, shown)

    def _bureau(self) -> pl.DataFrame:
        """The bureau itself, asked about its own register."""
        held = (
            self._book.windows.join_where(
                self._book.coverage.filter(_C("form") == "R05"),
                _C("month") >= _C("first"),
                _C("month") <= _C("last"),
            )
            .group_by("window")
            .agg(_C("in_force").all().alias("held"))
        )
        insurers = self._book.insurers
        nobody = [
            pl.lit(None, insurers.schema[name]).alias(name) for name in insurers.columns if name != "reporter"
        ]
        return held.select(
            "window", pl.lit(SUPERVISOR, pl.Int64).alias("reporter"), _C("held").alias("complete"), *nobody
        )

    def _count(
        self,
        kpi: str,
        scope: pl.DataFrame,
        tally: pl.DataFrame,
        *,
        money: bool = False,
        grains: Sequence[str] = tuple(tables.GRAINS),
    ) -> pl.DataFrame:
        counted = tables.counts(self._table(scope, tally, grains=grains))
        if money:
            unit = [tables.shown(_C("num").cast(pl.Int128) * (MICRO // _FEN)).alias("numerator")]
            counted = counted.with_columns(*unit, tables.shown(_C("num").cast(pl.Int128)).alias("value"))
        return tables.labelled(counted, self._book, kpi)

    def _share(
        self,
        kpi: str,
        table: pl.DataFrame,
        *,
        book: Book | None = None,
        small: bool = False,
        immature: bool = False,
    ) -> pl.DataFrame:
        valued = tables.ratios(table, small="den" if small else None, immature=immature)
        return tables.labelled(valued, book or self._book, kpi)

    # ----------------------------------------------------------------------------------- reviews, courses

    def _reviews(self) -> list[pl.DataFrame]:
        """REV-01 reviewed of required, REV-02 adopted of opinions."""
        rows, book = self._latest("F07"), self._quarters()
        scope = book.scope(("F07",))
        done = self._amounts(
            rows, "required_date", num=_C("review_date").is_not_null(), den=_ONE, by="item_type"
        )
        adopted = self._amounts(rows, "review_date", num=_C("opinions_adopted"), den=_C("opinions"))
        return [
            self._share("REV-01", self._table(scope, done, book=book), book=book),
            self._share("REV-02", self._table(scope, adopted, book=book), book=book),
        ]

    def _courses(self) -> list[pl.DataFrame]:
        """TRN-01 office staff, TRN-02 the mean of sales courses, TRN-03 all sales persons together."""
        rows, book = self._latest("F08"), self._quarters()
        scope = book.scope(("F08",))
        staff = self._amounts(
            rows.filter(_C("audience") == "内勤"), "session_date", num=_C("attended"), den=_C("expected")
        )
        sales = rows.filter(_C("audience") == "外勤")
        pooled = self._amounts(sales, "session_date", num=_C("attended"), den=_C("expected"))
        # A course's own rate in millionths of a per cent, half up.
        rate = tables.divide(_C("attended").cast(pl.Int128) * _PERCENT * MICRO, _C("expected"))
        rated = self._amounts(sales.filter(_C("expected") > 0), "session_date", num=rate, den=_ONE)
        table = self._table(scope, rated, book=book)
        none = _C("den") == 0
        valued = table.with_columns(
            tables.shown(_C("num").cast(pl.Int128)).alias("numerator"),
            tables.shown(_C("den").cast(pl.Int128) * MICRO).alias("denominator"),
            tables.shown(
                pl.when(~none)
                .then(tables.divide(_C("num").cast(pl.Int128) * 100, _C("den").cast(pl.Int128) * MICRO))
                .otherwise(None)
            ).alias("value"),
        )
        partial = _C("complete") & _C("partial") & (_C("grain") != "insurer")
        valued = tables.with_status(
            valued, MISSING=~_C("complete"), ZERO_DEN=_C("complete") & none, PARTIAL=partial
        )
        return [
            self._share("TRN-01", self._table(scope, staff, book=book), book=book),
            tables.labelled(valued, book, "TRN-02"),
            self._share("TRN-03", self._table(scope, pooled, book=book), book=book),
        ]

    # ------------------------------------------------------------------------------------- clues, actions

    def _clues(self) -> list[pl.DataFrame]:
        """BLK-01 verified, 02 amount, 03 recovered, 04 handed to the police."""
        rows, scope = self._latest("F09"), self._book.scope(("F09",))
        verified = self._amounts(rows, "verified_on", num=_ONE)
        amount = self._amounts(rows, "verified_on", num=_C("surrender_amount"))
        lost = self._amounts(rows, "verified_on", num=_C("recovered_amount"), den=_C("surrender_amount"))
        screening = (_C("status") == "初筛") & _C("reported_on").is_null()
        handed = self._amounts(
            rows, "found_date", num=_C("reported_on").is_not_null(), den=~screening, left_out=screening
        )
        cases = self._table(scope, verified).select(
            "window", "grain", *tables.GRAINS["insurer"], _C("num").alias("cases")
        )
        keys = ["window", "grain", *tables.GRAINS["insurer"]]
        recovered = tables.ratios(self._table(scope, lost)).join(cases, on=keys, nulls_equal=True)
        partial = _C("complete") & _C("partial") & (_C("grain") != "insurer")
        fen = MICRO // _FEN
        recovered = tables.with_status(
            recovered.with_columns(
                tables.shown(_C(name).cast(pl.Int128) * fen).alias(shown)
                for name, shown in (("num", "numerator"), ("den", "denominator"))
            ),
            MISSING=~_C("complete"),
            ZERO_DEN=_C("complete") & (_C("den") == 0),
            SMALL_BASE=_C("value").is_not_null() & (_C("cases") < tables.SMALL),
            PARTIAL=partial,
        )
        return [
            self._count("BLK-01", scope, verified),
            self._count("BLK-02", scope, amount, money=True),
            tables.labelled(recovered, self._book, "BLK-03"),
            self._share("BLK-04", self._table(scope, handed), immature=True),
        ]

    def _actions(self) -> list[pl.DataFrame]:
        """ACC-01 sanctions, ACC-02 blamed agents dealt with, ACC-03 persons on a list who work elsewhere."""
        rows = self._latest("F10")
        sanctions = rows.filter(_C("action_type") != "移出灰名单")
        counted = self._amounts(sanctions, "action_date", num=_ONE, by="action_type")
        named = sanctions.filter(_C("complaint_id").is_not_null()).select(
            "reporter", "complaint_id", pl.lit(value=True).alias("acted")
        )
        blamed = self._complaints.filter(
            (_C("status") == "已办结") & (_C("responsible") == "有责") & _C("agent_code").is_not_null()
        ).join(named.unique(), on=["reporter", "complaint_id"], how="left")
        over = (pl.lit(self._today) - _C("decision_date")).dt.total_days() > _DAYS_TO_ACT
        dealt = self._amounts(
            blamed,
            "decision_date",
            num=over & _C("acted").fill_null(value=False),
            den=over,
            left_out=~over,
        )
        scope = self._book.scope(("F10",))
        returns = self._returns(rows)
        return [
            self._count("ACC-01", scope, counted),
            self._share("ACC-02", self._table(self._book.scope(("F01", "F10")), dealt), immature=True),
            self._count("ACC-03", scope, returns, grains=("bureau",)),
        ]

    def _returns(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Persons by month who stand on a list on its last day and are active at another insurer."""
        # Merged by the run's day: the merger lies inside the months covered.
        heirs = {
            one: one if successor is None else successor
            for one, successor in self._book.insurers.select("reporter", "successor").iter_rows()
        }
        codes = dict(self._book.insurers.select("reporter", "org_code").iter_rows())
        sales = (
            pl.concat(self._rows["F04"])
            .sort("filed_for", maintain_order=True)
            .unique(["reporter", "callback_id"], keep="last", maintain_order=True)
        )
        known = rows.select("reporter", "agent_code", "person_hash").unique()
        sold = sales.join(known, on=["reporter", "agent_code"]).select(
            "reporter", "person_hash", "issue_date"
        )
        entries: list[tuple[int, int, date, date | None]] = []
        removals: list[tuple[int, int, date]] = []
        signs: dict[int, list[tuple[int, date]]] = {}
        leaves: list[tuple[int, int, date]] = []
        columns = ("reporter", "person_hash", "action_type", "action_date", "valid_until")
        for reporter, person, kind, day, until in rows.select(columns).iter_rows():
            match kind:
                case "列入灰名单":
                    entries.append((heirs[reporter], person, day, until))
                    signs.setdefault(person, []).append((reporter, day))
                case "移出灰名单":
                    removals.append((heirs[reporter], person, day))
                case "解除合同":
                    leaves.append((heirs[reporter], person, day))
                case _:
                    signs.setdefault(person, []).append((reporter, day))
        gone = (
            self._latest("F12")
            .filter(_C("effective_date").is_not_null())
            .join(known, on=["reporter", "agent_code"])
            .select("reporter", "person_hash", "effective_date")
        )
        leaves.extend((heirs[reporter], person, day) for reporter, person, day in gone.iter_rows())
        for reporter, person, day in sold.iter_rows():
            signs.setdefault(person, []).append((reporter, day))
        found: list[tuple[int, int]] = []
        for place, month in enumerate(self._months):
            end = month.end
            standing: dict[int, set[int]] = {}
            for owner, person, day, until in entries:
                off = any((owner, person) == (org, who) and day <= on <= end for org, who, on in removals)
                if day <= end and (until is None or until >= end) and not off:
                    here = self._active(signs.get(person, ()), heirs, owner, day, end)
                    for at, latest in here.items():
                        left = any(
                            (heirs[at], person) == (org, who) and latest <= on <= end
                            for org, who, on in leaves
                        )
                        if not left:
                            standing.setdefault(person, set()).add(at)
            found.extend((min(places, key=lambda one: codes[one]), place) for places in standing.values())
        return pl.DataFrame(found, schema={"reporter": pl.Int64, "month": pl.Int64}, orient="row").select(
            "reporter",
            "month",
            pl.lit("total").alias("dimension"),
            pl.lit("total").alias("dimension_value"),
            _ONE.alias("num"),
            _NIL.alias("den"),
            _NIL.alias("left_out"),
            pl.lit(value=True).alias("at_end"),
        )

    @staticmethod
    def _active(
        signs: Sequence[tuple[int, date]], heirs: Mapping[int, int], owner: int, after: date, end: date
    ) -> dict[int, date]:
        """Where else a person was active after an entry, and when last."""
        seen: dict[int, date] = {}
        for reporter, day in signs:
            if heirs[reporter] != owner and after < day <= end:
                seen[reporter] = max(day, seen.get(reporter, day))
        return seen

    # ------------------------------------------------------------------------------------------- hotline

    def _hotline(self) -> list[pl.DataFrame]:
        """HOT-01 answered, 06 calls; HOT-02 to 05 direct transfers."""
        rows = self._latest("R05").with_columns(
            _C("called_at").dt.date().alias("called_on"), _C("transferred_at").dt.date().alias("moved_on")
        )
        own = rows.with_columns(pl.lit(SUPERVISOR, pl.Int64).alias("reporter"))
        bureau = self._bureau()
        answered = self._amounts(own, "called_on", num=_C("answered"), den=_ONE)
        calls = self._amounts(own, "called_on", num=_ONE, by="call_kind")
        moved = rows.filter(_C("moved_on").is_not_null())
        everybody = self._book.scope(("R05",))
        over = (pl.lit(self._today) - _C("moved_on")).dt.total_days() > _DAYS_TO_RETURN
        again = ((_C("recomplained_on") - _C("moved_on")).dt.total_days() <= _DAYS_TO_RETURN).fill_null(
            value=False
        )
        success = self._amounts(
            moved, "moved_on", num=over & _C("insurer_answered") & ~again, den=over, left_out=~over
        )
        taken = self._amounts(moved, "moved_on", num=_C("insurer_answered"), den=_ONE)
        settled = self._amounts(moved, "moved_on", num=_C("resolved"), den=_C("insurer_answered"))
        repeated = self._amounts(moved, "moved_on", num=over & again, den=over, left_out=~over)
        return [
            self._share("HOT-01", self._table(bureau, answered, grains=("bureau",))),
            self._share("HOT-02", self._table(everybody, success), immature=True),
            self._share("HOT-03", self._table(everybody, taken), small=True),
            self._share("HOT-04", self._table(everybody, settled), small=True),
            self._share("HOT-05", self._table(everybody, repeated), small=True, immature=True),
            self._count("HOT-06", bureau, calls, grains=("bureau",)),
        ]

    # --------------------------------------------------------------------------------- education, surveys

    def _activities(self) -> list[pl.DataFrame]:
        """EDU-01 sessions, 02 reach, 03 outlets with an education area (last quarter of the window)."""
        rows, book = pl.concat(self._rows["F15"]), self._quarters()
        # A quarter belongs to its last month.
        rows = rows.with_columns(_C("filed_for").dt.offset_by("2mo").alias("closing"))
        scope = book.scope(("F15",))
        found = []
        for kpi, column in (("EDU-01", "sessions"), ("EDU-02", "reach")):
            tally = self._amounts(rows, "closing", num=_C(column), by="activity_form")
            table = tables.counts(self._table(scope, tally, book=book))
            found.append(tables.labelled(table, book, kpi))
        ends = Book(book.insurers, book.coverage, book.windows.with_columns(_C("last").alias("first")))
        areas = rows.filter(_C("activity_form") == "网点宣教专区")
        tally = self._amounts(areas, "closing", num=_C("sites"), den=_C("sites_total"))
        return [*found, self._share("EDU-03", self._table(ends.scope(("F15",)), tally, book=ends), book=ends)]

    def _surveys(self) -> list[pl.DataFrame]:
        """SAT-01 satisfied, 02 choices, 03 valid answers of those asked."""
        rows, book = self._latest("F16"), self._quarters()
        scope = book.scope(("F16",))
        questions = rows.group_by("reporter", "survey_id", "question_id").agg(
            _C("topic").first(),
            _C("question_type").first(),
            _C("surveyed_to").first(),
            _C("issued").max(),
            _C("valid_answers").max(),
            _C("chosen").filter(_C("is_satisfied").fill_null(value=False)).sum().alias("satisfied"),
        )
        rating = self._amounts(
            questions.filter(_C("question_type") == "满意度"),
            "surveyed_to",
            num=_C("satisfied"),
            den=_C("valid_answers"),
            by="topic",
        )
        chosen = rows.filter(_C("question_type") != "满意度").with_columns(
            pl.format("{}/{}", "question_id", "choice_id").alias("survey_choice")
        )
        choices = self._amounts(
            chosen,
            "surveyed_to",
            num=_C("chosen"),
            den=_C("valid_answers"),
            by="survey_choice",
            total=False,
        )
        response = self._amounts(questions, "surveyed_to", num=_C("valid_answers"), den=_C("issued"))
        return [
            self._share("SAT-01", self._table(scope, rating, book=book), book=book, small=True),
            self._share("SAT-02", self._table(scope, choices, book=book, dense=()), book=book, small=True),
            self._share("SAT-03", self._table(scope, response, book=book), book=book),
        ]
