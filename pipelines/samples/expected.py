"""What a correct pipeline must find beyond the planted rows: computed from the rows as they are filed.

Put here: warnings on single rows, rules over the rows of a file, rules across forms and periods, and the
state each filing ends in; each as the plainest polars that says it. Do not put here: findings that a planted
defect names itself (defects), structure findings (incidents, rendering).

Frames of filed rows carry ``filing`` (number), ``rid`` (row id within form and period) and the form's
columns, typed; a cell whose text cannot be read is null, and a rule with a null operand finds nothing.
Findings are frames with filing, rid (null for the file), column (null for the whole), rule_code.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

import polars as pl

from pipelines.contracts.periods import Period
from pipelines.samples.days import WorkingDays
from pipelines.samples.filings import Filing
from pipelines.samples.registry import Registry

FINDING_SCHEMA = {"filing": pl.Int64, "rid": pl.Int64, "column": pl.String, "rule_code": pl.String}
WARNINGS = (
    "F01-I09",
    "F01-I10",
    "F01-U01",
    "F01-U03",
    "F02-I04",
    "F02-X02",
    "F03-I05",
    "F04-I06",
    "F06-I02",
    "F11-I02",
    "R01-I01",
    "GEN-I05",
    "GEN-P02",
    "GEN-P03",
    "ENV-S08",
)
"""Rules of severity W; every other rule blocks."""
_REPEAT_DAYS = 90
_CROWD = 5
_FORWARD_WORKING_DAYS = 7
_WEIGHTS = (500, 6_000)
_MOVE_ROWS = 20
_RECENT, _LEAST_RECENT = 6, 3
_C = pl.col


def findings(
    rows: pl.DataFrame, rule: str, column: str | None, *, filing: str = "filing", rid: str | None = "rid"
) -> pl.DataFrame:
    """One finding per row of a frame."""
    return rows.select(
        _C(filing).cast(pl.Int64).alias("filing"),
        (pl.lit(None) if rid is None else _C(rid)).cast(pl.Int64).alias("rid"),
        pl.lit(column, pl.String).alias("column"),
        pl.lit(rule).alias("rule_code"),
    )


def none() -> pl.DataFrame:
    """No finding."""
    return pl.DataFrame(schema=FINDING_SCHEMA)


# ------------------------------------------------------------------------------------------------- one row


def row_warnings(form: str, rows: pl.DataFrame, period_end: date, days: WorkingDays) -> pl.DataFrame:
    """The W rules that look at one row."""
    received = _C("received_at").dt.date() if "received_at" in rows.columns else pl.lit(None)
    found: list[tuple[str, str, pl.Expr]] = []
    match form:
        case "F01":
            found = [
                ("F01-I09", "due_date", (_C("status") == "处理中") & (_C("due_date") < period_end)),
                (
                    "F01-I10",
                    "settlement_amount",
                    (_C("outcome") == "协商一致")
                    & (_C("decision_date") == received)
                    & (_C("settlement_amount") > 0),
                ),
            ]
        case "F02":
            rows = _with_limit(rows, _C("inquiry_at").dt.date(), 1, days)
            found = [("F02-I04", "first_contact_at", _C("first_contact_at").dt.date() > _C("_limit"))]
        case "F03":
            found = [("F03-I05", "agreement_amount", _C("agreement_amount") > _C("demand_amount"))]
        case "F04":
            found = [
                ("F04-I06", "first_attempt_at", _C("first_attempt_at").dt.date() > _C("cooling_off_end"))
            ]
        case "F06":
            found = [("F06-I02", "premium", _C("premium") < 0)]
        case "F11":
            low, high = _WEIGHTS
            found = [("F11-I02", "fi_weight_pct", ~_C("fi_weight_pct").is_between(low, high))]
        case "R01":
            rows = _with_limit(rows, _C("received_on"), _FORWARD_WORKING_DAYS, days)
            found = [("R01-I01", "forwarded_on", _C("forwarded_on") > _C("_limit"))]
    return pl.concat(
        [none(), *(findings(rows.filter(broken), rule, column) for rule, column, broken in found)]
    )


def _with_limit(rows: pl.DataFrame, start: pl.Expr, count: int, days: WorkingDays) -> pl.DataFrame:
    """Add ``_limit``, the count-th working day after a date; null where the date is."""
    first = rows.select(start.alias("start"))["start"]
    number = first.to_physical().fill_null(0).cast(pl.Int64)
    known = pl.Series(first.is_not_null())
    moved = pl.Series(
        days.add(number.zip_with(known, pl.repeat(20_000, rows.height, eager=True)).to_numpy(), count)
    )
    limit = pl.select(pl.when(known).then(moved).otherwise(None).cast(pl.Int32).cast(pl.Date).alias("_limit"))
    return rows.with_columns(limit.to_series())


# ------------------------------------------------------------------------------------- rows of one file


def within_file(
    form: str, rows: pl.DataFrame, key: Sequence[str], earlier_complaints: pl.DataFrame
) -> pl.DataFrame:
    """Unique keys (GEN-U01) and the U rules of F01 and F03."""
    own = key[-1]
    repeated = rows.filter(_C(own).is_not_null() & (pl.len().over("filing", *key) > 1))
    found = [none(), findings(repeated, "GEN-U01", own)]
    if form == "F01":
        found += [_same_matter(rows), _first_complaints(rows, earlier_complaints), _crowds(rows)]
    if form == "F03":
        opened = rows.filter(_C("complaint_id").is_not_null() & _C("end_date").is_null())
        crowded = opened.filter(
            pl.struct("mediation_org", "mediation_id").n_unique().over("filing", "complaint_id") > 1
        )
        found.append(findings(crowded, "F03-U01", "complaint_id"))
    return pl.concat(found)


def _same_matter(rows: pl.DataFrame) -> pl.DataFrame:
    """F01-U01: the later of two complaints of one person about one policy and reason within 90 days."""
    matter = ["filing", "complainant_hash", "policy_hash", "reason_l1"]
    able = rows.filter((_C("validity") != "重复") & _C("policy_hash").is_not_null())
    cases = able.group_by([*matter, "complaint_id"]).agg(_C("received_at").min(), _C("rid").min())
    previous = cases.sort("received_at", "rid").with_columns(
        _C("received_at").shift(1).over(matter).alias("previous")
    )
    late = previous.filter(
        (_C("received_at").dt.date() - _C("previous").dt.date()).dt.total_days() <= _REPEAT_DAYS
    )
    return findings(able.join(late, on=[*matter, "complaint_id"], how="semi"), "F01-U01", "complainant_hash")


def _first_complaints(rows: pl.DataFrame, earlier: pl.DataFrame) -> pl.DataFrame:
    """F01-U02: what a repeat refers to is itself, later, or nowhere. (No cycles are ever filed here.)"""
    links = rows.filter(_C("first_complaint_id").is_not_null())
    targets = rows.group_by("filing", "complaint_id").agg(_C("received_at").min().alias("first_at"))
    joined = links.join(
        targets, left_on=["filing", "first_complaint_id"], right_on=["filing", "complaint_id"], how="left"
    ).join(
        earlier.select("reporter", "complaint_id", pl.lit(value=True).alias("known")).unique(),
        left_on=["reporter", "first_complaint_id"],
        right_on=["reporter", "complaint_id"],
        how="left",
    )
    wrong = joined.filter(
        (_C("first_complaint_id") == _C("complaint_id"))
        | (_C("first_at") > _C("received_at"))
        | (_C("first_at").is_null() & _C("known").is_null())
    )
    return findings(wrong, "F01-U02", "first_complaint_id")


def _crowds(rows: pl.DataFrame) -> pl.DataFrame:
    """F01-U03: five complaints of one day about one agent and reason, without a group number."""
    loose = rows.filter(_C("group_id").is_null() & _C("agent_code").is_not_null())
    crowd = loose.filter(
        _C("complaint_id")
        .n_unique()
        .over("filing", "org_code", "reason_l1", "agent_code", _C("received_at").dt.date())
        >= _CROWD
    )
    return findings(crowd, "F01-U03", "group_id")


# --------------------------------------------------------------------------------------- other forms


@dataclass(slots=True)
class Past:
    """What readable filings of earlier periods held, as far as later rules ask for it."""

    complaints: pl.DataFrame = field(
        default_factory=lambda: pl.DataFrame(
            schema={"reporter": pl.Int32, "complaint_id": pl.Int64, "received_at": pl.Datetime("us")}
        )
    )
    inquiries: pl.DataFrame = field(
        default_factory=lambda: pl.DataFrame(
            schema={"reporter": pl.Int32, "inquiry_id": pl.Int64, "complaint_id": pl.Int64}
        )
    )
    problems: pl.DataFrame = field(
        default_factory=lambda: pl.DataFrame(schema={"reporter": pl.Int32, "problem_id": pl.Int64})
    )
    counts: dict[tuple[str, int], list[int]] = field(default_factory=lambda: defaultdict(list))

    def remember(self, frames: Mapping[str, pl.DataFrame]) -> None:
        """Add the readable rows of a month."""
        for form, name in (("F01", "complaints"), ("F02", "inquiries"), ("F05", "problems")):
            known: pl.DataFrame = getattr(self, name)
            rows = frames[form].select(_C(column).cast(dtype) for column, dtype in known.schema.items())
            setattr(self, name, pl.concat([known, rows]).unique(maintain_order=True))


def counterparts(filings: Sequence[Filing], others: Sequence[Filing]) -> dict[int, int]:
    """For each filing the number of the other form's filing it is compared with.

    It is the latest readable one known at the filing's signature, else the first that came after. Filings of
    the supervisor stand opposite everybody.
    """
    by_reporter: dict[int, list[Filing]] = defaultdict(list)
    for one in sorted(others, key=lambda one: (one.signed_at, one.sequence)):
        if one.readable and one.attributable and one.has_rows:
            by_reporter[one.reporter].append(one)
    found: dict[int, int] = {}
    for filing in filings:
        candidates = by_reporter.get(filing.reporter) or by_reporter.get(-1)
        if not candidates or not filing.readable or not filing.has_rows:
            continue
        known = [one for one in candidates if one.signed_at <= filing.signed_at]
        found[filing.number] = (known[-1] if known else candidates[0]).number
    return found


def _pairs(found: Mapping[int, int]) -> pl.DataFrame:
    return pl.DataFrame(
        {"filing": list(found), "other": list(found.values())}, schema={"filing": pl.Int64, "other": pl.Int64}
    )


def across_forms(
    frames: Mapping[str, pl.DataFrame],
    filings: Mapping[str, Sequence[Filing]],
    past: Past,
    registry: Registry,
    span: tuple[date, date],
) -> pl.DataFrame:
    """The X rules among the forms of one month.

    Args:
        frames: readable rows as filed, by form (F11: of the month's quarter; empty if none is filed).
        filings: the filings of the same forms.
        past: what earlier periods held.
        registry: the institutions.
        span: first and last day of the month.
    """
    with_form = {
        (form, other): _pairs(counterparts(filings[form], filings[other]))
        for form, other in (
            ("F01", "R01"),
            ("F01", "F02"),
            ("F02", "F01"),
            ("F02", "F11"),
            ("F04", "F06"),
            ("F04", "F05"),
            ("F05", "F01"),
        )
    }
    return pl.concat(
        [
            _forwarded(frames, filings["F01"], with_form["F01", "R01"], span),
            _inquiries_exist(frames, with_form["F01", "F02"], past),
            _complaints_exist(frames, with_form["F02", "F01"], past),
            _unregistered(frames, with_form["F02", "F01"], past, span),
            _ledgers(frames, filings["F02"], with_form["F02", "F01"], with_form["F02", "F11"], span),
            _new_policies(frames, with_form["F04", "F06"], registry, span),
            _problems_exist(frames, with_form["F04", "F05"], past),
            _transfers_exist(frames, with_form["F05", "F01"], past),
        ]
    )


def _forwarded(
    frames: Mapping[str, pl.DataFrame],
    filings: Sequence[Filing],
    pairs: pl.DataFrame,
    span: tuple[date, date],
) -> pl.DataFrame:
    """F01-X01: the numbers of the register and of the file, each missing in the other."""
    reporters = pl.DataFrame(
        {"filing": [one.number for one in filings], "reporter": [one.reporter for one in filings]},
        schema={"filing": pl.Int64, "reporter": pl.Int32},
    )
    register = frames["R01"].filter(_C("forwarded_on").is_between(*span)).rename({"filing": "other"})
    listed = (
        pairs.join(reporters, on="filing")
        .join(register.select("other", "reporter", "reg_ref_no"), on=["other", "reporter"])
        .unique()
    )
    own = frames["F01"].filter(_C("reg_ref_no").is_not_null()).join(pairs, on="filing", how="semi")
    missing = listed.join(own, on=["filing", "reg_ref_no"], how="anti")
    surplus = own.filter(_C("reg_forward_date").is_between(*span)).join(
        listed, on=["filing", "reg_ref_no"], how="anti"
    )
    return pl.concat(
        [findings(missing, "F01-X01", "reg_ref_no", rid=None), findings(surplus, "F01-X01", "reg_ref_no")]
    )


def _inquiries_exist(frames: Mapping[str, pl.DataFrame], pairs: pl.DataFrame, past: Past) -> pl.DataFrame:
    """F01-X03: the first inquiry exists and points back."""
    own = frames["F01"].filter(_C("first_inquiry_id").is_not_null()).join(pairs, on="filing")
    here = frames["F02"].select(
        _C("filing").alias("other"), _C("inquiry_id").alias("first_inquiry_id"), "complaint_id"
    )
    before = past.inquiries.rename({"inquiry_id": "first_inquiry_id"})
    missing = own.join(here, on=["other", "first_inquiry_id", "complaint_id"], how="anti").join(
        before, on=["reporter", "first_inquiry_id", "complaint_id"], how="anti"
    )
    return findings(missing, "F01-X03", "first_inquiry_id")


def _complaints_exist(frames: Mapping[str, pl.DataFrame], pairs: pl.DataFrame, past: Past) -> pl.DataFrame:
    """F02-X01: the complaint exists and was received no earlier than the inquiry."""
    own = frames["F02"].filter(_C("complaint_id").is_not_null()).join(pairs, on="filing")
    here = frames["F01"].select(
        _C("filing").alias("other"), "complaint_id", _C("received_at").alias("here_at")
    )
    here = here.group_by("other", "complaint_id").agg(_C("here_at").max())
    before = past.complaints.group_by("reporter", "complaint_id").agg(
        _C("received_at").max().alias("before_at")
    )
    joined = own.join(here, on=["other", "complaint_id"], how="left").join(
        before, on=["reporter", "complaint_id"], how="left"
    )
    sound = (_C("here_at") >= _C("inquiry_at")).fill_null(value=False) | (
        _C("before_at") >= _C("inquiry_at")
    ).fill_null(value=False)
    return findings(joined.filter(~sound), "F02-X01", "complaint_id")


def _unregistered(
    frames: Mapping[str, pl.DataFrame], pairs: pl.DataFrame, past: Past, span: tuple[date, date]
) -> pl.DataFrame:
    """F02-X02: own complaints of the month without a ledger row; told on the ledger's filing, once each."""
    received = frames["F01"].filter(
        _C("source_channel").cast(pl.String).str.starts_with("OWN_")
        & _C("received_at").dt.date().is_between(*span)
    )
    asked = pairs.join(received.rename({"filing": "other"}), on="other").unique(["filing", "complaint_id"])
    missing = asked.join(frames["F02"], on=["filing", "complaint_id"], how="anti").join(
        past.inquiries, on=["reporter", "complaint_id"], how="anti"
    )
    return findings(missing, "F02-X02", "complaint_id", rid=None)


def _ledgers(
    frames: Mapping[str, pl.DataFrame],
    ledgers: Sequence[Filing],
    to_complaints: pl.DataFrame,
    to_governance: pl.DataFrame,
    span: tuple[date, date],
) -> pl.DataFrame:
    """F02-X03: rows without a ledger, or a ledger without rows while complaints came in."""
    sizes = pl.DataFrame(
        {"filing": [one.number for one in ledgers], "rows": [one.full_rows for one in ledgers]},
        schema={"filing": pl.Int64, "rows": pl.Int64},
    )
    received = (
        frames["F01"]
        .filter(_C("received_at").dt.date().is_between(*span))
        .group_by(_C("filing").alias("other"))
        .agg(pl.len().alias("complaints"))
    )
    keeps = frames["F11"].select(_C("filing").alias("governance"), "fi_ledger")
    joined = (
        sizes.join(to_complaints.join(received, on="other", how="left"), on="filing")
        .join(to_governance.rename({"other": "governance"}), on="filing")
        .join(keeps, on="governance")
    )
    wrong = joined.filter(
        ((_C("rows") > 0) & ~_C("fi_ledger")) | ((_C("rows") == 0) & _C("fi_ledger") & (_C("complaints") > 0))
    )
    return findings(wrong, "F02-X03", None, rid=None)


def _new_policies(
    frames: Mapping[str, pl.DataFrame], pairs: pl.DataFrame, registry: Registry, span: tuple[date, date]
) -> pl.DataFrame:
    """F04-X01: by branch and channel, new policies called or exempt = long-term policies sold."""
    codes = pl.Enum(list(dict.fromkeys(branch.code for branch in registry.branches)))
    cell = [_C("org_code").cast(pl.String).cast(codes, strict=False), _C("sales_channel")]
    called = (
        frames["F04"]
        .filter((_C("callback_type") == "新单") & _C("issue_date").is_between(*span))
        .group_by("filing", *cell)
        .agg(_C("callback_id").n_unique().cast(pl.Int64).alias("called"))
    )
    sold = (
        pairs.join(frames["F06"].rename({"filing": "other"}), on="other")
        .group_by("filing", *cell)
        .agg(_C("long_term_new").sum().alias("sold"))
    )
    both = sold.join(
        called.join(pairs, on="filing", how="semi"),
        on=["filing", "org_code", "sales_channel"],
        how="full",
        coalesce=True,
    )
    wrong = both.filter(_C("called").fill_null(0) != _C("sold").fill_null(0))
    return findings(wrong, "F04-X01", "must_call", rid=None)


def _problems_exist(frames: Mapping[str, pl.DataFrame], pairs: pl.DataFrame, past: Past) -> pl.DataFrame:
    """F04-X02: the problem case exists."""
    own = frames["F04"].filter(_C("problem_id").is_not_null()).join(pairs, on="filing")
    here = frames["F05"].select(_C("filing").alias("other"), "problem_id")
    missing = own.join(here, on=["other", "problem_id"], how="anti").join(
        past.problems, on=["reporter", "problem_id"], how="anti"
    )
    return findings(missing, "F04-X02", "problem_id")


def _transfers_exist(frames: Mapping[str, pl.DataFrame], pairs: pl.DataFrame, past: Past) -> pl.DataFrame:
    """F05-X01: a case made a complaint names a complaint that exists."""
    own = frames["F05"].filter(_C("handle_result") == "转投诉").join(pairs, on="filing")
    here = frames["F01"].select(_C("filing").alias("other"), "complaint_id")
    missing = own.join(here, on=["other", "complaint_id"], how="anti").join(
        past.complaints, on=["reporter", "complaint_id"], how="anti"
    )
    return findings(missing, "F05-X01", "complaint_id")


# ------------------------------------------------------------------------------- states and other periods


def settle(
    filings: Sequence[Filing], found: pl.DataFrame, reject_above: Mapping[str, Decimal]
) -> pl.DataFrame:
    """Give every filing its state, decide which is in force, and return the quarantined rows (filing, rid).

    Args:
        filings: all filings of one form and period.
        found: all their findings.
        reject_above: share of bad rows above which a file is rejected, by form (Decimal).
    """
    errors = found.filter(~_C("rule_code").is_in(list(WARNINGS)))
    bad = (
        errors.filter(_C("rid").is_not_null() & ~_C("rule_code").str.starts_with("ENV-"))
        .select("filing", "rid")
        .unique()
    )
    bad_rows = dict(bad.group_by("filing").len().iter_rows())
    erring = set(errors["filing"].to_list())
    unopened = set(errors.filter(_C("rule_code") == "ENV-S01")["filing"].to_list())
    for filing in filings:
        size = max(filing.rows, filing.full_rows)
        too_many = bad_rows.get(filing.number, 0) > size * reject_above[filing.form]
        if filing.number in unopened:
            filing.state = "malformed"
        elif not filing.readable or filing.unfit or too_many:
            filing.state = "rejected"
        else:
            filing.state = "partly_accepted" if filing.number in erring else "accepted"
    _chain([one for one in filings if one.attributable and one.state in ("accepted", "partly_accepted")])
    return bad


def _chain(accepted: Sequence[Filing]) -> None:
    """Let each accepted filing take the place of the one before it, and a withdrawal leave the place empty."""
    standing: dict[tuple[str, str, int], Filing] = {}
    for filing in sorted(accepted, key=lambda one: one.sequence):
        place = (filing.form, filing.period.label, filing.reporter)
        before = standing.get(place)
        if before is not None:
            before.fate = "withdrawn" if filing.kind == "WITHDRAW" else "superseded"
        standing[place] = filing
    for filing in standing.values():
        filing.in_force = filing.kind != "WITHDRAW"


def restatements(filings: Sequence[Filing]) -> pl.DataFrame:
    """GEN-P03: resubmissions whose rows differ from the accepted filing before them."""
    before = {
        (one.reporter, one.submission): one for one in filings if one.state in ("accepted", "partly_accepted")
    }
    told = [
        one.number
        for one in filings
        if one.readable and one.restates and (one.reporter, one.supersedes or "") in before
    ]
    return findings(pl.DataFrame({"filing": told}, schema={"filing": pl.Int64}), "GEN-P03", None, rid=None)


def volumes(filings: Sequence[Filing], past: Past) -> pl.DataFrame:
    """GEN-P02: row counts that move by more than half and more than 20 against the mean of recent periods."""
    told: list[int] = []
    for one in filings:
        recent = past.counts[one.form, one.reporter][-_RECENT:]
        if not one.has_rows or not one.readable or not one.attributable or len(recent) < _LEAST_RECENT:
            continue
        apart = abs(one.full_rows * len(recent) - sum(recent))
        if apart * 2 > sum(recent) and apart > _MOVE_ROWS * len(recent):
            told.append(one.number)
    return findings(pl.DataFrame({"filing": told}, schema={"filing": pl.Int64}), "GEN-P02", None, rid=None)


def remember_counts(filings: Sequence[Filing], past: Past) -> None:
    """Add the row counts of a period's filings in force."""
    for one in filings:
        if one.in_force:
            past.counts[one.form, one.reporter].append(one.full_rows)


def unbroken(filings: Sequence[Filing]) -> list[Filing]:
    """The accepted filings of an obligation that led to the one in force: all, or those after the last withdrawal."""
    accepted = [one for one in filings if one.state in ("accepted", "partly_accepted")]
    accepted.sort(key=lambda one: one.sequence)
    last = max((place for place, one in enumerate(accepted) if not one.has_rows), default=-1)
    return accepted[last + 1 :]


def obligation(filings: Sequence[Filing], deadline: date) -> tuple[str, str | None]:
    """How an obligation stands that has fallen due, and the submission that meets it.

    Args:
        filings: what was sent for it, settled.
        deadline: last day on time.
    """
    standing = next((one for one in filings if one.in_force), None)
    if standing is not None:
        first = unbroken(filings)[0].signed_at.date()
        return ("late" if first > deadline else "filed"), standing.submission
    if any(one.fate == "withdrawn" for one in filings):
        return "withdrawn", None
    if any(not one.is_draft for one in filings):
        return "rejected", None
    return ("draft" if filings else "missing"), None


def nil_streaks(filings: Sequence[Filing]) -> dict[int, int]:
    """For each nil report in force: for how many periods in a row, this one included, its sender has filed nil."""
    streaks: dict[int, int] = {}
    reached: dict[tuple[str, int], tuple[Period, int]] = {}
    for one in sorted((each for each in filings if each.in_force), key=lambda each: each.period.start):
        last = reached.pop((one.form, one.reporter), None)
        if one.kind == "NIL":
            follows = last is not None and last[0] == one.period.shift(-1)
            streaks[one.number] = (last[1] if last and follows else 0) + 1
            reached[one.form, one.reporter] = (one.period, streaks[one.number])
    return streaks
