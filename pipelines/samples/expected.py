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
from pipelines.samples.vocabulary import GOVERNANCE_FLAGS

FINDING_SCHEMA = {"filing": pl.Int64, "rid": pl.Int64, "column": pl.String, "rule_code": pl.String}
WARNINGS = (
    "F01-I09",
    "F01-I10",
    "F01-U01",
    "F01-U03",
    "F01-X05",
    "F01-X06",
    "F01-P03",
    "F02-I04",
    "F02-X02",
    "F02-P01",
    "F03-I05",
    "F03-X02",
    "F04-I06",
    "F04S-I03",
    "F06-I02",
    "F06-X01",
    "F06-P02",
    "F07-I03",
    "F08-P01",
    "F09-U01",
    "F10-X01",
    "F11-I02",
    "F11-P01",
    "F15-I04",
    "F16-I04",
    "R01-I01",
    "R08-I02",
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
_TOO_MANY = 1_000
_ALL = 10_000
"""A whole in hundredths of a per cent."""
_MOVE_ROWS = 20
_RECENT, _LEAST_RECENT = 6, 3
_MEASURES: Mapping[str, tuple[str, ...]] = {
    "F01": ("complaint_id", "status", "first_complaint_id"),
    "F02": (),
    "F03": ("mediation_org", "mediation_id", "fulfil_status"),
    "F04": ("callback_id", "must_call", "success", "problem_id"),
    "F05": ("problem_id", "handle_result"),
    "F06": ("org_code", "line_code", "sales_channel", "premium_ytd", "policies_in_force"),
    "F11": ("org_code", *GOVERNANCE_FLAGS),
}
"""What the rules over periods read in the period before, by form."""
_CELL = ("org_code", "line_code", "sales_channel")
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
        case "F04S":
            due, success = _C("due_count"), _C("success_count")
            perfect = (due > _TOO_MANY) & (success <= due) & ((success * 20_000 + due) // (due * 2) >= _ALL)
            found = [("F04S-I03", "success_count", perfect)]
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


def readers(filings: Sequence[Filing]) -> set[int]:
    """Insurers of whom somebody can surely read a filing, whenever he looks."""
    withdrew = {one.reporter for one in filings if not one.has_rows}
    return {one.reporter for one in filings if one.readable and one.attributable} - withdrew


@dataclass(frozen=True, slots=True)
class Before:
    """The filings of a form's latest period, settled.

    Attributes:
        filings: all of them.
        rows: the rows of the readable ones: ``filing``, the columns of ``_MEASURES``, and ``sound``, false if any E
            finding is on the row; such a row is no measure for the next period.
    """

    filings: Sequence[Filing]
    rows: pl.DataFrame

    def readers(self) -> set[int]:
        """Insurers with a readable filing that nobody withdrew."""
        return readers(self.filings)


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
    mediations: pl.DataFrame = field(
        default_factory=lambda: pl.DataFrame(
            schema={"reporter": pl.Int32, "mediation_id": pl.Int64, "complaint_id": pl.Int64}
        )
    )
    before: dict[str, Before] = field(default_factory=dict)
    counts: dict[tuple[str, int], list[int]] = field(default_factory=lambda: defaultdict(list))

    def remember(self, frames: Mapping[str, pl.DataFrame]) -> None:
        """Add the readable rows of a month."""
        for form, name in (
            ("F01", "complaints"),
            ("F02", "inquiries"),
            ("F03", "mediations"),
            ("F05", "problems"),
        ):
            known: pl.DataFrame = getattr(self, name)
            rows = frames[form].select(_C(column).cast(dtype) for column, dtype in known.schema.items())
            setattr(self, name, pl.concat([known, rows]).unique(maintain_order=True))

    def settled(self, form: str, filings: Sequence[Filing], rows: pl.DataFrame, bad: pl.DataFrame) -> None:
        """Keep the readable rows of a form's period, and which of them are quarantined, for the next period."""
        if form not in _MEASURES:
            return
        marked = rows.join(bad.with_columns(sound=pl.lit(value=False)), on=["filing", "rid"], how="left")
        measures = marked.select("filing", *_MEASURES[form], _C("sound").fill_null(value=True))
        self.before[form] = Before(tuple(filings), measures)


def counterparts(filings: Sequence[Filing], others: Sequence[Filing]) -> dict[int, int]:
    """For each filing the number of the other form's filing it is compared with.

    It is the latest readable one known at the filing's signature, else the first that came after. Filings of
    the supervisor stand opposite everybody. Opposite a withdrawal there is nobody: who withdrew has not filed.
    """
    by_reporter: dict[int, list[Filing]] = defaultdict(list)
    for one in sorted(others, key=lambda one: (one.signed_at, one.sequence)):
        if one.readable and one.attributable:
            by_reporter[one.reporter].append(one)
    found: dict[int, int] = {}
    for filing in filings:
        candidates = by_reporter.get(filing.reporter) or by_reporter.get(-1)
        if not candidates or not filing.readable or not filing.has_rows:
            continue
        known = [one for one in candidates if one.signed_at <= filing.signed_at]
        opposite = known[-1] if known else candidates[0]
        if opposite.has_rows:
            found[filing.number] = opposite.number
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
            ("F01", "F03"),
            ("F01", "F06"),
            ("F02", "F01"),
            ("F03", "F01"),
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
            _mediations_exist(frames, with_form["F01", "F03"], past),
            _without_business(frames, with_form["F01", "F06"], span),
            _unmediated(frames, with_form["F03", "F01"], past, span),
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


def _mediations_exist(frames: Mapping[str, pl.DataFrame], pairs: pl.DataFrame, past: Past) -> pl.DataFrame:
    """F01-X04: a complaint handed to mediation names a case that exists."""
    own = frames["F01"].filter(_C("outcome") == "转调解").join(pairs, on="filing")
    here = frames["F03"].select(_C("filing").alias("other"), "mediation_id")
    missing = own.join(here, on=["other", "mediation_id"], how="anti").join(
        past.mediations, on=["reporter", "mediation_id"], how="anti"
    )
    return findings(missing, "F01-X04", "mediation_id")


def _without_business(
    frames: Mapping[str, pl.DataFrame], pairs: pl.DataFrame, span: tuple[date, date]
) -> pl.DataFrame:
    """F01-X06: by branch and line, complaints of the month where no business is filed; told once a cell."""
    received = frames["F01"].filter(_C("received_at").dt.date().is_between(*span))
    cells = received.join(pairs, on="filing").unique(["filing", "org_code", "line_code"])
    nothing = (_C("premium") == 0) & (_C("policies_new") == 0) & (_C("policies_in_force") == 0)
    business = frames["F06"].filter(~nothing.fill_null(value=False)).rename({"filing": "other"})
    missing = cells.join(business, on=["other", "org_code", "line_code"], how="anti")
    return findings(missing, "F01-X06", "line_code", rid=None)


def _unmediated(
    frames: Mapping[str, pl.DataFrame], pairs: pl.DataFrame, past: Past, span: tuple[date, date]
) -> pl.DataFrame:
    """F03-X02: complaints closed in the month without agreement, not simple, that nobody mediated."""
    disputed = frames["F01"].filter(
        (_C("status") == "已办结")
        & _C("outcome").is_in(["部分支持", "不支持"])
        & (_C("complexity") != "简单")
        & _C("decision_date").is_between(*span)
    )
    asked = pairs.join(disputed.rename({"filing": "other"}), on="other").unique(["filing", "complaint_id"])
    missing = asked.join(frames["F03"], on=["filing", "complaint_id"], how="anti").join(
        past.mediations, on=["reporter", "complaint_id"], how="anti"
    )
    return findings(missing, "F03-X02", "complaint_id", rid=None)


# ------------------------------------------------------------------------------------------- other periods


def across_periods(
    frames: Mapping[str, pl.DataFrame],
    filings: Mapping[str, Sequence[Filing]],
    past: Past,
    registry: Registry,
    span: tuple[date, date],
) -> pl.DataFrame:
    """The P rules of one month that compare with the month before.

    Args:
        frames: readable rows as filed, by form.
        filings: the filings of the same forms.
        past: what earlier periods held; its ``before`` is the month before.
        registry: the institutions.
        span: first and last day of the month.
    """
    if "F01" not in past.before:
        return none()
    to_cases = _pairs(counterparts(filings["F04"], filings["F05"]))
    to_complaints = _pairs(counterparts(filings["F02"], filings["F01"]))
    earlier = {
        form: _earlier(form, filings[form], past) for form in ("F01", "F02", "F03", "F04", "F05", "F06")
    }
    return pl.concat(
        [
            _complaints_roll(frames["F01"], *earlier["F01"], past, registry, span),
            _reopened(frames["F01"], earlier["F01"][1]),
            _silent(
                filings["F02"], earlier["F02"][0], past.before["F02"], to_complaints, frames["F01"], span
            ),
            _fulfilments(frames["F03"], earlier["F03"][1]),
            _calls_stay(frames["F04"], earlier["F04"][1], frames["F05"], to_cases, span),
            _cases_roll(frames["F05"], *earlier["F05"], past, registry, span),
            _totals(frames["F06"], earlier["F06"][0], earlier["F06"][1], span),
            _stocks(frames["F06"], earlier["F06"][1]),
        ]
    )


def _earlier(form: str, filings: Sequence[Filing], past: Past) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Pairs of filings (``filing``, ``other``) with the period before, and the rows of the others."""
    before = past.before[form]
    pairs = _pairs(counterparts(filings, before.filings))
    return pairs, pairs.join(before.rows.rename({"filing": "other"}), on="other")


def _gone(rows: pl.DataFrame, opened: pl.DataFrame, own: str, rule: str) -> pl.DataFrame:
    """Records open in a sound row of the period before that are not filed now. (Ids are always readable here.)"""
    missing = opened.filter("sound").unique(["filing", own]).join(rows, on=["filing", own], how="anti")
    return findings(missing, rule, own, rid=None)


def _never_filed(
    rows: pl.DataFrame,
    known: pl.DataFrame,
    own: str,
    day: pl.Expr,
    registry: Registry,
    span: tuple[date, date],
) -> pl.DataFrame:
    """Rows that no earlier period held and that nobody who merged into the reporter can have handed over."""
    new = rows.join(known, on=["reporter", own], how="anti")
    gone = registry.merged()
    if gone is None or gone.closed_on is None or gone.closed_on > span[1]:
        return new
    return new.filter(~((_C("reporter") == gone.successor) & (day < gone.closed_on)))


def _complaints_roll(
    rows: pl.DataFrame,
    pairs: pl.DataFrame,
    before: pl.DataFrame,
    past: Past,
    registry: Registry,
    span: tuple[date, date],
) -> pl.DataFrame:
    """F01-P01: what was open is here, and what is older than the month was filed before."""
    received = _C("received_at").dt.date()
    first = span[0]
    at_work = (_C("status") == "处理中") | (_C("decision_date") >= first) | (_C("withdrawn_date") >= first)
    older = rows.join(pairs, on="filing", how="semi").filter((received < first) & at_work)
    late = _never_filed(older, past.complaints, "complaint_id", received, registry, span)
    return pl.concat(
        [
            _gone(rows, before.filter(_C("status") == "处理中"), "complaint_id", "F01-P01"),
            findings(late, "F01-P01", "complaint_id"),
        ]
    )


def _reopened(rows: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    """F01-P02: closed in the month before and open now, without a link it did not have. (Nothing that was closed is
    left out for a month and filed as open after that here.)"""
    closed = before.filter(_C("sound") & (_C("status") != "处理中"))
    both = rows.filter(_C("status") == "处理中").join(closed, on=["filing", "complaint_id"], suffix="_before")
    linked = _C("first_complaint_id").is_not_null() & _C("first_complaint_id").ne_missing(
        _C("first_complaint_id_before")
    )
    return findings(both.filter(~linked), "F01-P02", "status")


def _silent(
    ledgers: Sequence[Filing],
    pairs: pl.DataFrame,
    before: Before,
    to_complaints: pl.DataFrame,
    complaints: pl.DataFrame,
    span: tuple[date, date],
) -> pl.DataFrame:
    """F02-P01: an empty ledger after an empty one, while complaints came in."""
    empty = [one.number for one in ledgers if not one.full_rows]
    empty_before = [one.number for one in before.filings if not one.full_rows]
    received = complaints.filter(_C("received_at").dt.date().is_between(*span)).select(
        _C("filing").alias("other")
    )
    told = (
        pairs.filter(_C("filing").is_in(empty) & _C("other").is_in(empty_before))
        .select("filing")
        .join(to_complaints, on="filing")
        .join(received, on="other", how="semi")
    )
    return findings(told, "F02-P01", None, rid=None)


def _fulfilments(rows: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    """F03-P01: a fulfilment that was told and is now told otherwise."""
    final = before.filter(_C("sound") & (_C("fulfil_status") != "未到期"))
    both = rows.join(final, on=["filing", "mediation_org", "mediation_id"], suffix="_before")
    return findings(
        both.filter(_C("fulfil_status") != _C("fulfil_status_before")), "F03-P01", "fulfil_status"
    )


def _calls_stay(
    rows: pl.DataFrame,
    before: pl.DataFrame,
    cases: pl.DataFrame,
    to_cases: pl.DataFrame,
    span: tuple[date, date],
) -> pl.DataFrame:
    """F04-P01: due, not successful, without a problem case or with one that was still open: still filed."""
    unhandled = cases.filter((_C("handle_result") == "处理中") | (_C("handled_date") >= span[0]))
    still = to_cases.join(unhandled.rename({"filing": "other"}), on="other").select("filing", "problem_id")
    waiting = (
        before.drop("other").join(to_cases, on="filing", how="semi").filter(_C("must_call") & ~_C("success"))
    )
    opened = pl.concat(
        [
            waiting.filter(_C("problem_id").is_null()),
            waiting.join(still, on=["filing", "problem_id"], how="semi"),
        ]
    )
    return _gone(rows, opened, "callback_id", "F04-P01")


def _cases_roll(
    rows: pl.DataFrame,
    pairs: pl.DataFrame,
    before: pl.DataFrame,
    past: Past,
    registry: Registry,
    span: tuple[date, date],
) -> pl.DataFrame:
    """F05-P01: what was open is here; what is older than the month was filed before, and not as handled. (No handled
    case is left out for a month and filed again after that here.)"""
    first = span[0]
    at_work = (_C("handle_result") == "处理中") | (_C("handled_date") >= first)
    older = rows.join(pairs, on="filing", how="semi").filter((_C("found_date") < first) & at_work)
    late = _never_filed(older, past.problems, "problem_id", _C("found_date"), registry, span)
    handled = before.filter(_C("sound") & (_C("handle_result") != "处理中"))
    again = older.join(handled, on=["filing", "problem_id"], how="semi")
    return pl.concat(
        [
            _gone(rows, before.filter(_C("handle_result") == "处理中"), "problem_id", "F05-P01"),
            findings(late, "F05-P01", "problem_id"),
            findings(again, "F05-P01", "problem_id"),
        ]
    )


def _totals(
    rows: pl.DataFrame, pairs: pl.DataFrame, before: pl.DataFrame, span: tuple[date, date]
) -> pl.DataFrame:
    """F06-P01: the year to date is that of the month before and this month's; in January this month's alone (fen)."""
    measured = rows.join(pairs, on="filing", how="semi").join(
        before.filter("sound"), on=["filing", *_CELL], how="left", suffix="_before"
    )
    start = pl.lit(0, pl.Int64) if span[0].month == 1 else _C("premium_ytd_before")
    wrong = measured.filter((_C("premium_ytd") - start - _C("premium")).abs() > 1)
    return findings(wrong, "F06-P01", "premium_ytd")


def _stocks(rows: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    """F06-P02: policies in force that move by more than three tenths."""
    both = rows.join(before.filter("sound"), on=["filing", *_CELL], suffix="_before")
    then = _C("policies_in_force_before")
    moved = both.filter((then > 0) & ((_C("policies_in_force") - then).abs() * 10 > then * 3))
    return findings(moved, "F06-P02", "policies_in_force")


def turned(rows: pl.DataFrame, filings: Sequence[Filing], past: Past) -> pl.DataFrame:
    """F11-P01: what was Y in the quarter before and is N now, cell by cell."""
    if "F11" not in past.before:
        return none()
    before = _earlier("F11", filings, past)[1].filter("sound")
    both = rows.join(before, on=["filing", "org_code"], suffix="_before")
    return pl.concat(
        [
            findings(both.filter(_C(f"{name}_before") & ~_C(name)), "F11-P01", name)
            for name in GOVERNANCE_FLAGS
        ]
    )


# ------------------------------------------------------------------------------------------- states


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
