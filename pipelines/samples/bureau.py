"""Generate a sample bureau: an inbox as the insurers fill it, and the answers a correct pipeline must give.

Put here: the public entry point and the order of the work (facts, filings, defects, findings, states, files,
KPI values). Do not put here: any of these themselves; each has its module.

The work goes month by month and form by form, so that a national volume needs memory for one month only; what
later months ask of earlier ones is kept in narrow frames.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from pipelines.contracts.errors import PeriodError
from pipelines.contracts.loader import load_catalogue
from pipelines.contracts.model import Catalogue
from pipelines.contracts.periods import Period
from pipelines.samples import (
    answers,
    conduct_expected,
    deltas,
    disclosures,
    expected,
    expected_mirrors,
    incidents,
    registry,
    rendering,
    vocabulary,
)
from pipelines.samples.days import WorkingDays, as_date, day_number
from pipelines.samples.defects import Planted, Planter, prepare
from pipelines.samples.expected_departures import OrphanCalls
from pipelines.samples.filings import Desk, Filing
from pipelines.samples.outbox import Outbox
from pipelines.samples.registry import DEFUNCT_BRANCHES, SUPERVISOR, Insurer, Registry, quarter_index
from pipelines.samples.truth import Lapses, Truth, middle, whole_quarters
from pipelines.samples.volumes import rows_per_month

MONTHLY = (
    "F01",
    "F02",
    "F03",
    "F04",
    "F04S",
    "F05",
    "F06",
    "F09",
    "F10",
    "F12",
    "F13",
    "R01",
    "R05",
    "R06",
    "R07",
)
QUARTERLY = ("F07", "F08", "F11", "F15", "F16")
MAX_MONTHS = 120
_C = pl.col
_OWN = tuple(pl.lit(None, pl.Int64).alias(name) for name in ("origin", "origin_rid"))
"""Columns that tell the carried rows of corrections from rows that stand in their own filing's file."""
_OPENING_HOUR = time(9, 30)
_CLOSING_HOUR = time(17, 0)
_RESUBMITTED_AFTER = 4
_RESTATED_ROWS = 2
_MORE = 37
_EARLY_HOUR = 9
_BEFORE_THE_END = timedelta(hours=2)
_FIRST_DAY = date(2022, 1, 1)
_LONGEST_LIMIT = timedelta(days=130)
"""Calendar that must follow the last month: deadlines, and the working days a slow problem case takes."""


class SampleError(Exception):
    """The sample bureau cannot be generated as asked; the message says why and what would do."""


@dataclass(frozen=True, slots=True)
class SampleSummary:
    """What was generated.

    Attributes:
        inbox: folder with the files, one folder per reporter.
        answers: folder with findings.csv, kpi_values.csv, obligations.csv and submissions.csv.
        files: data files written (sidecars not counted).
        size: their bytes.
        submissions: distinct submissions.
        rows: data rows by form, over all submissions.
        findings: expected findings by rule code.
        kpi_values: rows of kpi_values.csv.
        as_of: latest signature, the moment for which the KPI values hold.
        unplanted: defects that found no fitting row (small bureaus).
    """

    inbox: Path
    answers: Path
    files: int
    size: int
    submissions: int
    rows: Mapping[str, int]
    findings: Mapping[str, int]
    kpi_values: int
    as_of: datetime
    unplanted: tuple[str, ...]


def generate(
    out: Path,
    *,
    insurers: int = 41,
    months: int = 24,
    scale: float = 1.0,
    seed: int = 20240101,
    first_month: str = "2024-01",
    defects: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> SampleSummary:
    """Generate a bureau into ``out/inbox`` and ``out/answers``; equal arguments give equal bytes.

    Args:
        out: folder to fill; ``inbox`` and ``answers`` in it must not exist or be empty.
        insurers: institutions that file, 6 to 396; they share the market.
        months: months covered, 1 to 120.
        scale: size of the market: 1 a city, 20 a province, 600 the nation (domain book §5).
        seed: any whole number from 0.
        first_month: label of the first month, e.g. ``2024-01``. What was open before it is not filed.
        defects: plant defects, and let filings be late, missing, broken or sent again. Without them every
            filing is sound and on time, and only warnings that sound filings bring along are expected.
        progress: called with the months done and all months.

    Raises:
        SampleError: an argument is out of range, or the folders hold something.
    """
    _check_arguments(months=months, seed=seed)
    catalogue = load_catalogue()
    vocabulary.check(catalogue)
    try:
        start = Period.parse(first_month)
        covered = tuple(start.shift(step) for step in range(months))
        if start.kind != "month":
            raise PeriodError(f"{first_month!r} is a {start.kind}; needed: a month as 2024-01")
        days = WorkingDays()
        _check_calendar(covered, days)
        institutions = registry.build(seed, insurers, covered, days, rows_per_month("F06", scale))
    except ValueError as error:
        raise SampleError(str(error)) from error
    inbox, answer_folder = _folders(out)
    run = _Run(catalogue, institutions, covered, days, inbox, scale=scale, seed=seed, defects=defects)
    run.supervise_institutions()
    for month in range(months):
        run.month(month)
        if progress is not None:
            progress(month + 1, months)
    return run.finish(answer_folder)


def _check_arguments(*, months: int, seed: int) -> None:
    if not 1 <= months <= MAX_MONTHS:
        raise SampleError(f"months is {months}; needed: 1 to {MAX_MONTHS}")
    if seed < 0:
        raise SampleError(f"seed is {seed}; needed: a whole number from 0")


def _check_calendar(months: Sequence[Period], days: WorkingDays) -> None:
    """Refuse months whose limits or reasons the frozen calendar and code lists do not cover."""
    last = days.calendar.last_day
    if months[0].start < _FIRST_DAY or months[-1].end + _LONGEST_LIMIT > last:
        raise SampleError(
            f"the months run from {months[0].label} to {months[-1].label}; needed: from {_FIRST_DAY:%Y-%m} (complaint "
            f"reasons of that year are used) to {last - _LONGEST_LIMIT:%Y-%m} (working days are known up to {last})"
        )


def _folders(out: Path) -> tuple[Path, Path]:
    inbox, answer_folder = out / "inbox", out / "answers"
    for folder in (inbox, answer_folder):
        if folder.exists() and any(folder.iterdir()):
            raise SampleError(
                f"{folder} is not empty; give another folder or remove it, so that two bureaus never mix"
            )
        folder.mkdir(parents=True, exist_ok=True)
    return inbox, answer_folder


@dataclass(frozen=True, slots=True)
class _Sent:
    """Files of one form and period before their rows: all of them, and those that restate another."""

    filings: list[Filing]
    changed: list[Filing]


@dataclass(slots=True)
class _Filed:
    """The filings of one form and period with everything known about them."""

    filings: list[Filing]
    rows: pl.DataFrame
    planted: list[tuple[int, str, str]] = field(default_factory=list)
    texts: list[tuple[int, str, str | None]] = field(default_factory=list)

    def readable(self) -> pl.DataFrame:
        """Rows of the files that can be read and belong to somebody's duty."""
        numbers = [one.number for one in self.filings if one.readable and one.attributable]
        return self.rows.filter(_C("filing").is_in(numbers) & (_C("record_action") != "D"))


class _Run:
    """State of one generation."""

    def __init__(
        self,
        catalogue: Catalogue,
        institutions: Registry,
        months: tuple[Period, ...],
        days: WorkingDays,
        inbox: Path,
        *,
        scale: float,
        seed: int,
        defects: bool,
    ) -> None:
        self._catalogue = catalogue
        self._registry = institutions
        self._months = months
        self._days = days
        self._defects = defects
        self._seed = seed
        self._desk = Desk(catalogue, institutions, months, days, seed)
        lapses = _lapses(institutions, months) if defects else Lapses()
        self._truth = Truth(catalogue, institutions, months, scale=scale, seed=seed, days=days, lapses=lapses)
        self._quarters = whole_quarters(months)
        history = {**dict.fromkeys(MONTHLY, len(months)), **dict.fromkeys(QUARTERLY, len(self._quarters))}
        self._planter = Planter(history)
        self._past = expected.Past()
        self._conduct_past = conduct_expected.Past()
        self._orphan_calls = OrphanCalls()
        self._outbox = Outbox(inbox, catalogue, institutions, seed)
        self._facts = answers.Facts()
        self._findings: list[pl.DataFrame] = []
        self._filings: list[Filing] = []
        self._quarantined: dict[int, int] = {}
        self._counting: dict[int, int] = {}
        self._board: list[tuple[str, str, str, str, str, str | None]] = []
        self._rows: dict[str, int] = {}
        self._governance: _Filed | None = None

    # ------------------------------------------------------------------------------------------- supervisor

    def supervise_institutions(self) -> None:
        """File the institution master: at the start, when an insurer opens and when one merges."""
        period = self._months[0]
        start = int(self._days.forward(np.asarray([day_number(period.start) + 1]))[0])
        moments = [datetime.combine(as_date(start), _OPENING_HOUR)]
        newcomer, gone = self._registry.newcomer(), self._registry.merged()
        if newcomer is not None:
            moments.append(datetime.combine(newcomer.opened_on, _OPENING_HOUR))
        if gone is not None and gone.closed_on is not None:
            moments.append(datetime.combine(gone.closed_on, _CLOSING_HOUR))
        broken_in = (len(moments) - 1) // 2 if self._defects else -1
        filings: list[Filing] = []
        frames: list[pl.DataFrame] = []
        found: list[pl.DataFrame] = []
        for number, moment in enumerate(moments):
            frame = self._truth.institutions(period, moment)
            filing = self._desk.new("R03", period, SUPERVISOR, moment, rows=frame.height, sequence=number + 1)
            if number:
                filing.kind, filing.restates = "RESUBMIT", True
                filing.supersedes, filing.reason = filings[-1].submission, "机构变更，更新机构主数据"
            first = sum(one.height for one in frames)
            frame = _numbered(frame, filing, first)
            # the only master is never refused: without one nobody is known who must file
            stands = (
                len(moments) > 1 or frame.height * self._catalogue.forms["R03"].reject_above >= _BROKEN_LINES
            )
            if number == broken_in and stands:
                frame, broken = _break_master(frame)
                found.append(broken)
            filings.append(filing)
            frames.append(frame)
        filed = _Filed(filings, pl.concat(frames))
        _count_rows(filed.filings, filed.rows)
        self._conclude("R03", filed, found)

    # ------------------------------------------------------------------------------------------------ month

    def month(self, month: int) -> None:
        """File, judge and write everything of one month (and of the quarter that begins with it)."""
        period = self._months[month]
        quarter = period.within("quarter")
        if quarter in self._quarters and period == quarter.months()[0]:
            self._governance = self._quarter(quarter)["F11"]
        governance = self._governance if quarter in self._quarters else None
        facts = self._truth.month(month)
        sent = {form: self._send(form, period, month, rows) for form, rows in facts.items()}
        absent = {form: self._absent(form, period, one.filings) for form, one in sent.items()}
        absent |= {f"{form} before": self._absent_before(form, period) for form in sent}
        filed = {form: self._fill(form, month, facts[form], one, absent) for form, one in sent.items()}
        rows = {form: one.readable() for form, one in filed.items()}
        rows["F11"] = (
            governance.readable()
            if governance
            else self._truth.no_governance(quarter).with_columns(pl.lit(None, pl.Int64).alias("filing"))
        )
        everyone: dict[str, Sequence[Filing]] = {form: one.filings for form, one in filed.items()}
        everyone["F11"] = governance.filings if governance else []
        span = (period.start, period.end)
        across = pl.concat(
            [
                expected.across_forms(rows, everyone, self._past, self._registry, span),
                expected.across_periods(rows, everyone, self._past, self._registry, span),
                conduct_expected.across_forms(rows, everyone, self._conduct_past, self._registry, span),
                self._orphan_calls.successes(rows, everyone, period),
                expected_mirrors.summaries(rows, everyone),
                expected_mirrors.premiums(rows, everyone),
                expected_mirrors.mediations(rows, everyone),
            ]
        )
        for form, one in filed.items():
            numbers = [filing.number for filing in one.filings]
            self._conclude(form, one, [across.filter(_C("filing").is_in(numbers))])
        self._past.remember(rows)
        self._conduct_past.remember(rows, everyone)

    def _quarter(self, quarter: Period) -> dict[str, _Filed]:
        """File and judge the quarterly forms."""
        position, found = self._quarters.index(quarter), {}
        for form, facts in self._truth.quarter(quarter).items():
            absent = {f"{form} before": self._absent_before(form, quarter)}
            filed = self._fill(form, position, facts, self._send(form, quarter, position, facts), absent)
            turned = expected.turned(filed.readable(), filed.filings, self._past) if form == "F11" else None
            self._conclude(form, filed, [] if turned is None else [turned])
            found[form] = filed
        return found

    def _send(self, form: str, period: Period, position: int, facts: pl.DataFrame) -> _Sent:
        """Let everybody send a file of one form and period, with whatever happens to files as a whole."""
        supervised = self._catalogue.forms[form].side == "supervisor"
        sizes = (
            {SUPERVISOR: facts.height} if supervised else dict(facts.group_by("reporter").len().iter_rows())
        )
        filings = self._desk.originals(form, period, sizes, defects=self._defects)
        if not self._defects:
            return _Sent(filings, [])
        periods = self._quarters if form in QUARTERLY else self._months
        return _Sent(*incidents.strike(self._desk, form, periods, position, filings))

    def _absent(self, form: str, period: Period, filings: Sequence[Filing]) -> set[int]:
        """Insurers without a readable filing of a form they owe; what refers to it cannot be judged."""
        owing = self._registry.owing(period, self._catalogue.forms[form].obliged_classes)
        return {one.index for one in owing} - expected.readers(filings)

    def _absent_before(self, form: str, period: Period) -> set[int]:
        """Insurers without a readable filing of the period before; what compares with it cannot be judged."""
        owing = self._registry.owing(period, self._catalogue.forms[form].obliged_classes)
        before = self._past.before.get(form)
        return {one.index for one in owing} - (before.readers() if before else set())

    def _fill(
        self, form: str, position: int, facts: pl.DataFrame, sent: _Sent, absent: Mapping[str, set[int]]
    ) -> _Filed:
        """Put the rows into the files, with whatever is wrong with them."""
        contract = self._catalogue.forms[form]
        supervised = contract.side == "supervisor"
        rows = _copies(facts, sent.filings, first=0, supervised=supervised)
        if not self._defects:
            _count_rows(sent.filings, rows)
            return _Filed(sent.filings, rows)
        rows, rewritten = _restate(form, rows, sent.changed)
        unfolded = deltas.unfold(contract, rows, facts, sent.filings)
        rows = prepare(unfolded.rows, form, self._registry, self._days)
        planted = self._planter.plant(form, position, rows, sent.filings, contract.reject_above, absent)
        rows, again = self._resubmit(planted, facts, supervised=supervised, form=form)
        filings = [*sent.filings, *again]
        _count_rows(filings, rows)
        return _Filed(
            filings,
            rows,
            [*planted.findings, *rewritten, *unfolded.findings],
            [*planted.texts, *unfolded.texts],
        )

    def _resubmit(
        self, planted: Planted, facts: pl.DataFrame, *, supervised: bool, form: str
    ) -> tuple[pl.DataFrame, list[Filing]]:
        """Send the clean rows of filings whose defects their senders correct."""
        again = [
            self._desk.again(one, reason="更正校验发现的错误", after_days=_RESUBMITTED_AFTER, restates=True)
            for one in planted.to_resubmit
        ]
        if not again:
            return planted.frame, []
        largest = planted.frame["rid"].max()
        first = int(largest) + 1 if isinstance(largest, int) else 0
        clean = _copies(facts, again, first=first, supervised=supervised)
        clean = prepare(clean, form, self._registry, self._days)
        rows = pl.concat([planted.frame, clean.select(planted.frame.columns)]).sort("filing", "order", "rid")
        return rows, again

    # ------------------------------------------------------------------------------------------- conclusion

    def _conclude(self, form: str, filed: _Filed, given: list[pl.DataFrame]) -> None:
        """Collect the findings of one form and period, settle the filings, keep what counts, write."""
        contract = self._catalogue.forms[form]
        filings, rows = filed.filings, filed.rows
        if not filings:
            return
        rows = rows.sort("filing", "order", "rid")
        for filing in filings:
            self._outbox.lay_out(filing)
        readable = filed.readable()
        period = filings[0].period
        found = [
            *given,
            _planted_findings(filed, rows),
            expected.row_warnings(form, readable, period.end, self._days),
            expected.within_file(form, readable, contract.key, self._past.complaints),
            conduct_expected.within_file(form, readable, period.end),
            self._late(filings),
            _structure_findings(filings),
        ]
        told = pl.concat(found)
        bad = expected.settle(filings, told, {form: contract.reject_above})
        told = pl.concat([told, expected.restatements(filings), expected.volumes(filings, self._past)])
        expected.remember_counts(filings, self._past)
        self._past.settled(form, filings, readable, bad)
        self._count_bad(filings, rows, bad)
        self._facts.add(form, period, rows, bad, filings)
        self._keep_coverage(form, period, filings, told)
        damaged = self._outbox.send(contract, filings, deltas.sent(rows), filed.texts)
        owners = rows.select("rid", "filing")
        damaged = damaged.join(owners, on="rid", maintain_order="left")
        damage = expected.findings(damaged, "GEN-I05", None).with_columns(damaged["column"])
        self._note(filings, rows, pl.concat([told, damage]))
        self._filings.extend(filings)
        self._rows[form] = self._rows.get(form, 0) + sum(one.rows for one in filings)

    def _count_bad(self, filings: Sequence[Filing], rows: pl.DataFrame, bad: pl.DataFrame) -> None:
        """Bad rows of each file, and the rows that count of each version that was ever accepted."""
        placed = rows.join(bad, on=["filing", "rid"], how="semi")
        self._quarantined.update(deltas.sent(placed).group_by("filing").len().iter_rows())
        in_full = dict(placed.filter(_C("record_action") != "D").group_by("filing").len().iter_rows())
        for one in filings:
            counts = one.has_rows and one.state in ("accepted", "partly_accepted")
            self._counting[one.number] = one.full_rows - in_full.get(one.number, 0) if counts else 0

    def _late(self, filings: Sequence[Filing]) -> pl.DataFrame:
        """ENV-S08: signed after the deadline of its obligation, whatever becomes of the file."""
        late = []
        for one in filings:
            last = self._desk.deadline(one.form, one.period)
            if one.has_rows and one.attributable and last is not None and one.signed_at.date() > last:
                late.append(one.number)
        frame = pl.DataFrame({"filing": late}, schema={"filing": pl.Int64})
        return expected.findings(frame, "ENV-S08", None, rid=None)

    def _keep_coverage(
        self, form: str, period: Period, filings: Sequence[Filing], told: pl.DataFrame
    ) -> None:
        contract = self._catalogue.forms[form]
        if contract.frequency == "event":
            return
        erring = set(told.filter(~_C("rule_code").is_in(list(expected.WARNINGS)))["filing"].to_list())
        owing: list[Insurer | None] = [None]
        if contract.side == "insurer":
            owing = list(self._registry.owing(period, contract.obliged_classes))
        for one in owing:
            reporter = SUPERVISOR if one is None else one.index
            mine = [each for each in filings if each.reporter == reporter and each.attributable]
            deadline = self._desk.deadline(form, period)
            self._facts.cover(form, period, reporter, mine, deadline, erring)
            code = self._catalogue.supervisor_code if one is None else one.code
            if deadline is not None:
                board = expected.obligation(mine, deadline)
                self._board.append((form, period.label, code, deadline.isoformat(), *board))

    def _note(self, filings: Sequence[Filing], rows: pl.DataFrame, told: pl.DataFrame) -> None:
        """Keep findings with the row a person sees: below the header, which stands below the preamble.

        A carried row of a correction is seen in the file it was sent in.
        """
        tops = pl.DataFrame(
            {"at": [one.number for one in filings], "top": [one.header_row for one in filings]},
            schema={"at": pl.Int64, "top": pl.Int64},
        )
        positions = rendering.row_positions(deltas.sent(rows)).select("position", at="filing", at_rid="rid")
        places = rows.select(
            "filing", "rid", at=pl.coalesce("origin", "filing"), at_rid=pl.coalesce("origin_rid", "rid")
        )
        located = (
            told.join(places, on=["filing", "rid"], how="left")
            .join(positions, on=["at", "at_rid"], how="left")
            .join(tops, on="at", how="left")
        )
        self._findings.append(
            located.select(
                "filing",
                (_C("top") + 1 + _C("position")).alias("row"),
                "column",
                "rule_code",
            )
        )
        structure = [
            (one.number, *rendering.structure_place(self._catalogue.forms[one.form], one)) for one in filings
        ]
        placed = pl.DataFrame(
            [each for each in structure if each[1] is not None],
            schema={"filing": pl.Int64, "place_row": pl.Int64, "place_column": pl.String},
            orient="row",
        )
        # A structure finding that has a place in the file names it.
        last = self._findings[-1].join(placed, on="filing", how="left")
        at_place = _C("rule_code") == "ENV-S01"
        self._findings[-1] = last.select(
            "filing",
            pl.when(at_place).then("place_row").otherwise("row").alias("row"),
            pl.when(at_place).then("place_column").otherwise("column").alias("column"),
            "rule_code",
        )

    def _publications(self, values: pl.DataFrame) -> answers.Publications:
        """File what the insurers have printed and how they were evaluated; returns what of it counts."""
        period, year = self._months[-1], self._months[0].start.year
        owing = self._registry.owing(period, self._catalogue.forms["F17"].obliged_classes)
        printed = disclosures.disclosed(self._registry, owing, values, defects=self._defects)
        scored = disclosures.evaluated(self._registry, owing, self._seed, year, defects=self._defects)
        return answers.Publications(
            disclosures.compared(self._file_event("F17", printed), self._months),
            disclosures.points(self._file_event("R08", scored)),
        )

    def _file_event(self, form: str, facts: disclosures.Filed) -> pl.DataFrame:
        """File, judge and write an event form under the last month; returns the rows that count."""
        period, moment = self._months[-1], self._desk.closing(defects=self._defects) - _BEFORE_THE_END
        dated = {"F17": "disclosed_on", "R08": "evaluated_on"}[form]
        rows = self._truth.events(form, period, facts.rows.with_columns(pl.lit(moment.date()).alias(dated)))
        supervised = self._catalogue.forms[form].side == "supervisor"
        if supervised:
            rows = disclosures.of_nobody(rows)
            sizes = {SUPERVISOR: rows.height}
        else:
            sizes = dict(rows.group_by("reporter", maintain_order=True).len().iter_rows())
        filings = [self._desk.new(form, period, one, moment, rows=size) for one, size in sizes.items()]
        filed = _Filed(filings, _copies(rows, filings, first=0, supervised=supervised))
        _count_rows(filings, filed.rows)
        told = [
            expected.findings(filed.rows.filter(_C("_broken") == rule), rule, column)
            for rule, column in facts.column.items()
        ]
        if form == "R08":
            told.append(expected.findings(disclosures.incomplete(filed.rows), "R08-I02", "element"))
        self._conclude(form, filed, told)
        return filed.rows.filter(_C("_broken").is_null())

    def finish(self, folder: Path) -> SampleSummary:
        """Write the answer keys and say what was generated."""
        as_of = max(one.signed_at for one in self._filings)
        values = answers.kpi_values(
            self._registry, self._months, self._quarters, self._facts, as_of, self._days, self._publications
        )
        names = pl.DataFrame(
            {
                "filing": [one.number for one in self._filings],
                "submission": [one.submission for one in self._filings],
            }
        )
        findings = (
            pl.concat(self._findings)
            .join(names, on="filing")
            .select("submission", "row", "column", "rule_code")
            .sort("submission", "row", "column", "rule_code", nulls_last=False)
        )
        findings.write_csv(folder / "findings.csv")
        self._submissions().write_csv(folder / "submissions.csv")
        columns = ("form", "period", "reporter", "due_date", "status", "submission")
        board = pl.DataFrame(self._board, schema=dict.fromkeys(columns, pl.String), orient="row")
        board.sort(*columns[:3]).write_csv(folder / "obligations.csv")
        values.write_csv(folder / "kpi_values.csv")
        by_rule = findings.group_by("rule_code").len().sort("rule_code")
        return SampleSummary(
            inbox=self._outbox.inbox,
            answers=folder,
            files=self._outbox.files,
            size=self._outbox.size,
            submissions=len(self._filings),
            rows=dict(sorted(self._rows.items())),
            findings=dict(by_rule.iter_rows()),
            kpi_values=values.height,
            as_of=as_of,
            unplanted=tuple(self._planter.waiting) if self._defects else (),
        )

    def _submissions(self) -> pl.DataFrame:
        """What becomes of every submission: state, rows, how often it came, how long nil was filed in a row."""
        listed = sorted(self._filings, key=lambda one: one.submission)
        streaks = expected.nil_streaks(self._filings)
        return pl.DataFrame(
            {
                "submission": [one.submission for one in listed],
                "form": [one.form for one in listed],
                "period": [one.period.label for one in listed],
                "reporter": [one.reporter_code for one in listed],
                "sequence_no": [one.sequence for one in listed],
                "kind": [one.kind for one in listed],
                "signed_at": [one.signed_at.isoformat(timespec="seconds") for one in listed],
                "state": [one.fate or one.state for one in listed],
                "rows": [one.rows for one in listed],
                "rows_in_force": [self._counting[one.number] for one in listed],
                "rows_quarantined": [self._quarantined.get(one.number, 0) for one in listed],
                "times_received": [one.copies for one in listed],
                "nil_streak": [streaks.get(one.number) for one in listed],
            }
        )


def _lapses(institutions: Registry, months: tuple[Period, ...]) -> Lapses:
    """One insurer that lets its ledger lie for a month, and one that has a ledger it never announced."""
    silent, unannounced = middle(len(months), 0.7), middle(len(months), 0.35)
    by_size = sorted(institutions.insurers, key=lambda one: (-one.complaint_share, one.code))

    def keeps(one: Insurer, month: int) -> bool:
        return one.ledger_from <= quarter_index(months, months[month])

    quiet = [one for one in by_size if keeps(one, silent) and one.owes(months[silent])]
    hidden = [one for one in by_size if not keeps(one, unannounced) and one.owes(months[unannounced])]
    return Lapses(
        silent={silent: (quiet[1].index,)} if len(quiet) > 1 else {},
        unannounced={unannounced: (hidden[0].index,)} if hidden else {},
    )


def _numbered(facts: pl.DataFrame, filing: Filing, first: int) -> pl.DataFrame:
    """Rows of one filing with ``filing``, ``rid`` and ``order``."""
    return facts.with_columns(
        pl.lit(filing.number, pl.Int64).alias("filing"),
        (pl.int_range(pl.len(), dtype=pl.Int64) + first).alias("rid"),
        pl.lit(1, pl.Int8).alias("order"),
        *_OWN,
    )


def _copies(facts: pl.DataFrame, filings: Sequence[Filing], *, first: int, supervised: bool) -> pl.DataFrame:
    """The rows of every filing: each holds what its reporter has to file."""
    with_rows = [one for one in filings if one.rows]
    senders = pl.DataFrame(
        {"filing": [one.number for one in with_rows], "reporter": [one.reporter for one in with_rows]},
        schema={"filing": pl.Int64, "reporter": pl.Int32},
    )
    if supervised:
        rows = senders.select("filing").join(facts, how="cross")
    else:
        rows = facts.join(senders, on="reporter", how="inner", maintain_order="left")
    rows = rows.sort("filing", maintain_order=True)
    return rows.with_columns(
        (pl.int_range(pl.len(), dtype=pl.Int64) + first).alias("rid"),
        pl.lit(1, pl.Int8).alias("order"),
        *_OWN,
    )


def _count_rows(filings: Sequence[Filing], rows: pl.DataFrame) -> None:
    """Rows in each file, and rows of the full file it stands for."""
    in_file = dict(deltas.sent(rows).group_by("filing").len().iter_rows())
    in_full = dict(rows.filter(_C("record_action") != "D").group_by("filing").len().iter_rows())
    for filing in filings:
        filing.rows = in_file.get(filing.number, 0)
        filing.full_rows = in_full.get(filing.number, 0)


def _restate(
    form: str, rows: pl.DataFrame, changed: Sequence[Filing]
) -> tuple[pl.DataFrame, list[tuple[int, str, str]]]:
    """Change some rows of filings that restate an earlier one; returns the findings this makes on rows.

    Only records are touched that no later month files again, so that the restated value stays the last one
    known.
    """
    findings: list[tuple[int, str, str]] = []
    for filing in changed:
        if filing.kind == "CORRECTION":
            continue
        mine = rows.filter(_C("filing") == filing.number)
        match form:
            case "F01":
                able = mine.filter(_C("_closes") & (_C("validity") == "有效"))
                change = {"validity": pl.lit("不纳入"), "exclusion_code": pl.lit("02")}
            case "F02":
                able = mine.filter(~_C("is_complaint") & (_C("inquiry_at").dt.hour() > _EARLY_HOUR)).head(1)
                change = {"inquiry_at": _C("inquiry_at").dt.offset_by("-10m")}
                findings.extend((rid, "inquiry_at", "GEN-P01") for rid in able["rid"].to_list())
            case "R01":
                able = mine.filter(_C("reg_validity").is_in(["有效", "无效"]))
                flipped = pl.when(_C("reg_validity") == "有效").then(pl.lit("无效")).otherwise(pl.lit("有效"))
                change = {"reg_validity": flipped}
            case _:
                able = mine
                change = {"policies_in_force": _C("policies_in_force") + _MORE * (filing.sequence - 1)}
        chosen = able["rid"].head(_RESTATED_ROWS).to_list()
        if not chosen:
            # Nothing here can change: sent all the same, it is refused.
            filing.restates, filing.unfit = False, True
        here = _C("rid").is_in(chosen)
        rows = rows.with_columns(
            pl.when(here).then(value.cast(rows.schema[name])).otherwise(_C(name)).alias(name)
            for name, value in change.items()
        )
    return rows, findings


#: Lines of the master that `_break_master` breaks.
_BROKEN_LINES = 2


def _break_master(frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A gap between the intervals of one closed office and an heir nobody knows of another (R03-P01)."""
    closed = frame.filter(_C("name").str.ends_with("老城营业部")).sort("org_code", "valid_from")
    offices = closed["org_code"].unique(maintain_order=True).to_list()[:DEFUNCT_BRANCHES]
    gap = closed.filter(_C("org_code") == offices[0])["rid"].to_list()[-1]
    orphan = closed.filter(_C("org_code") == offices[1])["rid"].to_list()[0]
    broken = frame.with_columns(
        pl.when(_C("rid") == gap)
        .then(_C("valid_from") + timedelta(days=31))
        .otherwise(_C("valid_from"))
        .alias("valid_from"),
        pl.when(_C("rid") == orphan)
        .then(pl.lit("00099943099999"))
        .otherwise(_C("successor_code"))
        .alias("successor_code"),
    )
    told = expected.findings(broken.filter(_C("rid").is_in([gap, orphan])), "R03-P01", "valid_from")
    return broken, told


def _planted_findings(filed: _Filed, rows: pl.DataFrame) -> pl.DataFrame:
    """The findings that planted defects name, with the filings their row is in (corrections carry rows)."""
    named = pl.DataFrame(
        filed.planted, schema={"at_rid": pl.Int64, "column": pl.String, "rule_code": pl.String}, orient="row"
    )
    seen = rows.select("rid", "filing", at_rid=pl.coalesce("origin_rid", "rid"))
    return named.join(seen, on="at_rid").select("filing", "rid", "column", "rule_code")


def _structure_findings(filings: Sequence[Filing]) -> pl.DataFrame:
    """One finding per file that is refused as a file, or for its place among the versions."""
    broken = [(one.number, incidents.RULE_OF[one.incident]) for one in filings if not one.readable]
    broken.extend((one.number, "ENV-S06") for one in filings if one.unfit)
    return pl.DataFrame(
        [(number, None, None, rule) for number, rule in broken], schema=expected.FINDING_SCHEMA, orient="row"
    )
