"""Who sends which file when: one object per file, its envelope's facts, and the calendar of signatures.

Put here: originals and nil reports of everyone who owes a form, lateness, resubmissions, and the numbering of
submissions. Do not put here: what is wrong with a file (incidents), with its rows (defects) or how it looks
(rendering).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

import numpy as np

from pipelines.contracts.model import Catalogue
from pipelines.contracts.periods import Period, filing_deadline
from pipelines.samples.days import WorkingDays
from pipelines.samples.randomness import stream
from pipelines.samples.registry import SUPERVISOR, Insurer, Registry
from pipelines.samples.truth import whole_quarters

_LATE_SHARE = 0.012
_OFFICE_OPENS, _OFFICE_SECONDS = 9, 32_000
_CLOSING_TIME = time(16, 30)
_FIRST_SIGNING_DAY = 2


@dataclass(slots=True)
class Filing:
    """One file that somebody sends.

    Attributes:
        number: position among all filings of the bureau; frames of filed rows refer to it.
        form: form code whose rows the file holds.
        period: reporting period.
        reporter: index of the insurer, or ``SUPERVISOR``.
        reporter_code: code that the envelope states.
        sequence: number within form, period and reporter, from 1.
        signed_at: moment of the signature, which is when the bureau comes to know it.
        kind: ORIGINAL, RESUBMIT, CORRECTION, NIL or WITHDRAW.
        submission: id of the submission as the answer key calls it.
        supersedes: id of the filing before it or of the version in force, for all but first filings.
        reason: why it is sent again.
        declared: envelope fields that are stated wrongly on purpose.
        incident: name of what is wrong with the file as a whole; empty if nothing.
        readable: False if the file is refused before its rows are looked at.
        unfit: True if it is refused after that, because it does not follow the version in force.
        attributable: False if it belongs to no obligation (unknown form, nobody's duty).
        restates: True if its rows differ from the filing it supersedes.
        damage: name of the spreadsheet damage in its cells; empty if none.
        copies: how many times the same bytes are sent.
        change: of a correction: what its rows do to the version it names (deltas).
        base: of a correction: number of the filing it names.
        rows: number of data rows in the file.
        full_rows: number of rows of the full file it stands for; differs from ``rows`` for corrections.
        header_row: row in which the header stands, set when the file is laid out.
        state: what becomes of it, set when the answer key is settled.
        in_force: True if it is the filing that counts in the end.
        fate: superseded or withdrawn, if it once counted and does no more.
    """

    number: int
    form: str
    period: Period
    reporter: int
    reporter_code: str
    sequence: int
    signed_at: datetime
    kind: str
    submission: str
    supersedes: str | None = None
    reason: str | None = None
    declared: dict[str, object] = field(default_factory=dict)
    incident: str = ""
    readable: bool = True
    unfit: bool = False
    attributable: bool = True
    restates: bool = False
    damage: str = ""
    copies: int = 1
    change: str = ""
    base: int | None = None
    rows: int = 0
    full_rows: int = 0
    header_row: int = 1
    state: str = ""
    in_force: bool = False
    fate: str = ""

    @property
    def has_rows(self) -> bool:
        """False for a withdrawal: it says something about another filing and holds no rows, not even none."""
        return self.kind != "WITHDRAW"

    @property
    def is_draft(self) -> bool:
        """True if its sender saved or validated it without submitting it."""
        return self.declared.get("state", "SUBMITTED") != "SUBMITTED"

    @property
    def is_free(self) -> bool:
        """True for a plain original that may still be given a defect."""
        return (
            self.sequence == 1
            and not self.incident
            and not self.damage
            and self.readable
            and self.attributable
        )


def submission_id(form: str, period: Period, reporter_code: str, sequence: int) -> str:
    """Id of a submission: form, period, reporter and a three-digit sequence number."""
    return f"{form}-{period.label}-{reporter_code}-{sequence:03d}"


class Desk:
    """Numbers the filings, signs them, and remembers who has already had something happen to them."""

    def __init__(
        self,
        catalogue: Catalogue,
        registry: Registry,
        months: tuple[Period, ...],
        days: WorkingDays,
        seed: int,
    ) -> None:
        """Nothing has been filed yet."""
        self.catalogue = catalogue
        self.registry = registry
        self.months = months
        self._days = days
        self._seed = seed
        self._next = 0

    def deadline(self, form: str, period: Period) -> date | None:
        """Last day on time; None for event forms."""
        allowed = self.catalogue.forms[form].deadline_days
        if allowed is None:
            return None
        return filing_deadline(period, allowed, self._days.calendar.is_working_day)

    def closing(self, *, defects: bool) -> datetime:
        """The last signature of all, which is the as-of moment of a run over everything.

        It lies on or after every deadline, so that the last period belongs to the calendar of obligations:
        with defects three days after the last one (somebody is late), without them on the day itself.
        """
        form, period = self._last_due()
        last = self.deadline(form, period) or period.end
        return datetime.combine(last + timedelta(days=3 if defects else 0), _CLOSING_TIME)

    def _last_due(self) -> tuple[str, Period]:
        """Form and period with the latest deadline."""
        candidates = [("F06", self.months[-1])]
        quarters = whole_quarters(self.months)
        if quarters:
            candidates.append(("F11", quarters[-1]))
        return max(candidates, key=lambda one: self.deadline(*one) or one[1].end)

    def last_signer(self, form: str, period: Period, owing: Iterable[Insurer]) -> int | None:
        """Insurer whose filing carries the last signature of all, if it is one of this form and period."""
        if (form, period) != self._last_due():
            return None
        return min(owing, key=lambda one: one.premium_share).index

    def originals(self, form: str, period: Period, rows_of: dict[int, int], *, defects: bool) -> list[Filing]:
        """First filings of everyone who owes the form for the period.

        Args:
            form: form code.
            period: reporting period.
            rows_of: number of rows by insurer; no entry means none, which makes a nil report.
            defects: whether somebody may be late.
        """
        contract = self.catalogue.forms[form]
        if contract.side == "supervisor":
            signed = self._supervisor_signature(form, period)
            return [self.new(form, period, SUPERVISOR, signed, rows=rows_of.get(SUPERVISOR, 0))]
        owing = self.registry.owing(period, contract.obliged_classes)
        signatures = self._signatures(form, period, defects=defects)
        last = self.last_signer(form, period, owing)
        found: list[Filing] = []
        for one in owing:
            filing = self.new(form, period, one.index, signatures[one.index], rows=rows_of.get(one.index, 0))
            if one.index == last:
                # Nothing else may happen to it: the calendar of obligations ends with its signature.
                filing.signed_at, filing.incident = self.closing(defects=defects), "signs_last"
            found.append(filing)
        return found

    def new(
        self, form: str, period: Period, reporter: int, signed_at: datetime, *, rows: int, sequence: int = 1
    ) -> Filing:
        """A filing with the next number; an original, or a nil report if it has no rows."""
        code = (
            self.catalogue.supervisor_code
            if reporter == SUPERVISOR
            else self.registry.insurers[reporter].code
        )
        filing = Filing(
            number=self._next,
            form=form,
            period=period,
            reporter=reporter,
            reporter_code=code,
            sequence=sequence,
            signed_at=signed_at,
            kind="ORIGINAL" if rows else "NIL",
            submission=submission_id(form, period, code, sequence),
            rows=rows,
        )
        self._next += 1
        return filing

    def again(
        self, filing: Filing, *, reason: str, after_days: int, defects: bool = True, restates: bool = False
    ) -> Filing:
        """A resubmission of a filing, signed some days later but before the last signature of all."""
        limit = self.closing(defects=defects) - timedelta(minutes=5)
        rng = stream(self._seed, f"again {filing.submission}", after_days)
        day = filing.signed_at.date() + timedelta(days=after_days)
        signed = datetime.combine(day, time(_OFFICE_OPENS)) + timedelta(
            seconds=int(rng.integers(0, _OFFICE_SECONDS))
        )
        signed = max(min(signed, limit), filing.signed_at + timedelta(minutes=1))
        resubmission = self.new(
            filing.form,
            filing.period,
            filing.reporter,
            signed,
            rows=filing.rows,
            sequence=filing.sequence + 1,
        )
        resubmission.kind = "RESUBMIT"
        resubmission.supersedes = filing.submission
        resubmission.reason = reason
        resubmission.restates = restates
        return resubmission

    def correct(self, filing: Filing, change: str, *, reason: str, after_days: int) -> Filing:
        """A correction of a filing by a delta; its rows are made from those of the filing (deltas)."""
        correction = self.again(filing, reason=reason, after_days=after_days, restates=True)
        correction.kind, correction.rows = "CORRECTION", 0
        correction.change, correction.base = change, filing.number
        return correction

    def withdraw(self, filing: Filing, *, reason: str, after_days: int) -> Filing:
        """A withdrawal of a filing: a file with a header and no rows."""
        withdrawal = self.again(filing, reason=reason, after_days=after_days)
        withdrawal.kind, withdrawal.rows = "WITHDRAW", 0
        return withdrawal

    def _supervisor_signature(self, form: str, period: Period) -> datetime:
        rng = stream(self._seed, f"signature {form}", period.start.year * 12 + period.start.month)
        day = period.end + timedelta(days=int(rng.integers(1, 4)))
        return datetime.combine(day, time(_OFFICE_OPENS)) + timedelta(
            seconds=int(rng.integers(0, _OFFICE_SECONDS))
        )

    def _signatures(self, form: str, period: Period, *, defects: bool) -> list[datetime]:
        """A signature for every insurer, also those that owe nothing, so that one more moves no other's."""
        rng = stream(self._seed, f"signature {form}", period.start.year * 12 + period.start.month)
        size = len(self.registry.insurers)
        last = self.deadline(form, period) or period.end + timedelta(days=10)
        span = (last - period.end).days
        days = rng.integers(_FIRST_SIGNING_DAY, span + 1, size)
        seconds = rng.integers(0, _OFFICE_SECONDS, size)
        late = (rng.random(size) < _LATE_SHARE) & defects
        days = np.where(late, span + rng.integers(1, 6, size), days)
        limit = self.closing(defects=defects) - timedelta(hours=1)
        signed = [
            datetime.combine(period.end + timedelta(days=int(day)), time(_OFFICE_OPENS))
            + timedelta(seconds=int(second))
            for day, second in zip(days, seconds, strict=True)
        ]
        return [min(moment, limit) for moment in signed]
