"""What each step tells when it is done: counts a person can use, never data.

Put here: the shapes that `steps` return and that assets, checks and the command line show. Do not put here:
how they are counted (`steps`) or displayed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class PullSummary:
    """Files of the source: received for the first time, received before, and all it shows."""

    new: int
    seen: int
    total: int


@dataclass(frozen=True, slots=True)
class PeriodCounts:
    """What was read of one form and period: submissions, rows, files that could be read and not."""

    submissions: int
    rows_read: int
    malformed: int
    readable: int


@dataclass(frozen=True, slots=True)
class FormSummary:
    """What was read of one form; `by_period` holds only periods that had something unread."""

    form: str
    submissions: int
    rows_read: int
    by_period: Mapping[str, PeriodCounts] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RuleTally:
    """Verdicts of one rule over all submissions of a form: how many passed, failed, were not run; findings in
    all.
    """

    form: str
    rule_code: str
    rule_class: str
    severity: str
    passed: int
    failed: int
    not_run: int
    findings: int


@dataclass(frozen=True, slots=True)
class SettleSummary:
    """Submissions by state, findings by severity (E blocks, W is told), and every rule's verdicts."""

    accepted: int
    partly_accepted: int
    rejected: int
    malformed: int
    superseded: int
    findings_e: int
    findings_w: int
    rules: Sequence[RuleTally] = ()


@dataclass(frozen=True, slots=True)
class PeriodBoard:
    """One period's obligations by status; `counts` holds only statuses that occur."""

    period: str
    due_date: date
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class UnmetObligation:
    """An obligation past its deadline without a filing in force, or met late."""

    form: str
    period: str
    reporter_code: str
    name: str
    due_date: date
    status: str
    days_late: int | None


@dataclass(frozen=True, slots=True)
class ObligationsSummary:
    """The board as of the run: per period, newest first, and who is behind; late ones of the newest period due only."""

    as_of: datetime | None
    periods: Sequence[PeriodBoard] = ()
    missing: Sequence[UnmetObligation] = ()
    late: Sequence[UnmetObligation] = ()


@dataclass(frozen=True, slots=True)
class NoticesSummary:
    """What a delivery pass did: messages due, delivered, left for the next pass, refused for good.

    `problem` says what is wrong with the recipients file, if anything.
    """

    notices: int
    delivered: int
    waiting: int
    refused: int
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ModelsSummary:
    """dbt's work: nodes built, tests by outcome. `rebuilt` is False if the models were already those of the
    data.
    """

    models: int
    tests_passed: int
    tests_warned: int
    rebuilt: bool


@dataclass(frozen=True, slots=True)
class ReleaseSummary:
    """The release in force after the run; `created` is False if nothing differed, and `reason` says so either
    way.
    """

    release_no: int
    path: Path
    created: bool
    reason: str


@dataclass(slots=True)
class RefreshOutcome:
    """What a refresh did, stage by stage; a stage that was not reached is None."""

    run_id: str = ""
    pull: PullSummary | None = None
    forms: list[FormSummary] = field(default_factory=list)
    settle: SettleSummary | None = None
    notices: NoticesSummary | None = None
    models: ModelsSummary | None = None
    release: ReleaseSummary | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    """Stage -> wall time; sums to less than the whole, which also has start-up and Dagster's own work."""
