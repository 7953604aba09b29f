"""What a correct pipeline must find in the forms of conduct beyond the planted rows: F01-X05, F07 to F10, F15, F16.

Put here: the rules that follow from the rows as they are filed, each as the plainest polars that says it, and what
later months ask of earlier ones. Do not put here: findings that a planted defect names itself (defects).

Frames are those of :mod:`pipelines.samples.expected`: ``filing``, ``rid``, ``reporter`` and the form's columns; a
rule with a null operand finds nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from pipelines.samples.expected import counterparts, findings, none
from pipelines.samples.filings import Filing
from pipelines.samples.registry import Registry

_ROSTERS_APART = 3
_PERSONS_A_SESSION = 5_000
_ENOUGH_ANSWERS = 30
_DAYS_TO_ACT = 60
_ATTENDED = ("线下集中宣教", "走进社区企业学校农村")
_C = pl.col
_CLOSED_SCHEMA = {
    "reporter": pl.Int32,
    "complaint_id": pl.Int64,
    "status": pl.String,
    "responsible": pl.String,
    "has_agent": pl.Boolean,
    "decision_date": pl.Date,
}
_NUMBERS = {"reporter": pl.Int32, "clue_id": pl.Int64}
_LISTED = {"reporter": pl.Int32, "person_hash": pl.UInt64, "action_date": pl.Date}
_ACTED = {"reporter": pl.Int32, "complaint_id": pl.Int64}
_PARTIES = {"filing": pl.Int64, "party_hash": pl.UInt64}


@dataclass(slots=True)
class Past:
    """What readable filings of earlier months held, as far as later ones ask for it.

    Attributes:
        named: clue numbers that complaints named.
        clues: clue numbers of F09.
        closed: the latest state of every complaint, as filed.
        listed: entries on grey lists.
        acted: complaints that an action (other than a removal from the list) names.
        parties: agent parties by F09 filing.
        surrenders: all readable F09 filings.
    """

    named: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_NUMBERS))
    clues: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_NUMBERS))
    closed: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_CLOSED_SCHEMA))
    listed: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_LISTED))
    acted: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_ACTED))
    parties: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_PARTIES))
    surrenders: list[Filing] = field(default_factory=list)

    def remember(self, frames: Mapping[str, pl.DataFrame], filings: Mapping[str, Sequence[Filing]]) -> None:
        """Add the readable rows and filings of a month."""
        self.named = pl.concat([self.named, _numbers(frames["F01"])]).unique(maintain_order=True)
        self.clues = pl.concat([self.clues, _numbers(frames["F09"])]).unique(maintain_order=True)
        self.closed = _latest(self.closed, frames["F01"], filings["F01"])
        self.listed = pl.concat([self.listed, _entries(frames["F10"])])
        self.acted = pl.concat([self.acted, _actions(frames["F10"])])
        self.parties = pl.concat([self.parties, _named_parties(frames["F09"])])
        self.surrenders.extend(_readable(filings["F09"]))


def _numbers(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(_C("clue_id").is_not_null()).select(
        _C(name).cast(dtype) for name, dtype in _NUMBERS.items()
    )


def _entries(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(_C("action_type") == "列入灰名单").select(
        _C(name).cast(dtype) for name, dtype in _LISTED.items()
    )


def _actions(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter((_C("action_type") != "移出灰名单") & _C("complaint_id").is_not_null()).select(
        _C(name).cast(dtype) for name, dtype in _ACTED.items()
    )


def _named_parties(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(_C("party_hash").is_not_null()).select(
        _C(name).cast(dtype) for name, dtype in _PARTIES.items()
    )


def _readable(filings: Sequence[Filing]) -> list[Filing]:
    return [one for one in filings if one.readable and one.attributable]


def _latest(before: pl.DataFrame, rows: pl.DataFrame, filings: Sequence[Filing]) -> pl.DataFrame:
    """The latest state of every complaint: of the latest month, its last filing, and in that its first row."""
    order = pl.DataFrame(
        {"filing": [one.number for one in filings], "sequence": [one.sequence for one in filings]},
        schema={"filing": pl.Int64, "sequence": pl.Int64},
    )
    now = (
        rows.filter(_C("complaint_id").is_not_null())
        .join(order, on="filing")
        .sort("sequence", "order", "rid", descending=[True, False, False])
        .unique(["reporter", "complaint_id"], keep="first", maintain_order=True)
        .select(
            _C("reporter").cast(pl.Int32),
            _C("complaint_id").cast(pl.Int64),
            _C("status").cast(pl.String),
            _C("responsible").cast(pl.String),
            _C("agent_code").is_not_null().alias("has_agent"),
            "decision_date",
        )
    )
    return pl.concat([before.join(now, on=["reporter", "complaint_id"], how="anti"), now])


# ------------------------------------------------------------------------------------------- one file


def within_file(form: str, rows: pl.DataFrame, period_end: date) -> pl.DataFrame:
    """W rules on single rows, and the rules over the rows of a file."""
    match form:
        case "F07":
            early = (_C("launch_date") <= period_end) & _C("review_date").is_null()
            return findings(rows.filter(early), "F07-I03", "launch_date")
        case "F08":
            largest = _C("expected").max().over("filing", "org_code", "audience")
            apart = (largest - _C("expected")) * 100 > largest * _ROSTERS_APART
            return findings(rows.filter(apart), "F08-P01", "expected")
        case "F15":
            crowded = _C("activity_form").is_in(list(_ATTENDED)) & (
                _C("reach") > _C("sessions") * _PERSONS_A_SESSION
            )
            return findings(rows.filter(crowded), "F15-I04", "reach")
        case "F16":
            return _questions(rows)
        case _:
            return none()


def _questions(rows: pl.DataFrame) -> pl.DataFrame:
    """F16-I04 few answers, F16-U01 one number of answers a question, F16-U02 choices that add up."""
    question = ["filing", "survey_id", "question_id"]
    differ = (_C("valid_answers").n_unique().over(question) > 1) | (
        _C("issued").n_unique().over(question) > 1
    )
    sums = (
        rows.group_by(question)
        .agg(
            _C("chosen").sum().alias("together"),
            _C("valid_answers").max(),
            (_C("valid_answers").n_unique() == 1).alias("agreed"),
            _C("question_type").is_in(["满意度", "单选"]).all().alias("whole"),
            (_C("choice_id").n_unique() == pl.len()).alias("distinct"),
        )
        .filter(_C("agreed") & _C("whole") & _C("distinct"))
        .filter(_C("together") != _C("valid_answers"))
    )
    return pl.concat(
        [
            findings(rows.filter(_C("valid_answers") < _ENOUGH_ANSWERS), "F16-I04", "valid_answers"),
            findings(rows.filter(differ), "F16-U01", "valid_answers"),
            findings(sums, "F16-U02", "chosen", rid=None),
        ]
    )


# ------------------------------------------------------------------------------------ forms and periods


def across_forms(
    frames: Mapping[str, pl.DataFrame],
    filings: Mapping[str, Sequence[Filing]],
    past: Past,
    registry: Registry,
    span: tuple[date, date],
) -> pl.DataFrame:
    """F01-X05, F09-U01, F10-U01 and F10-X01 of one month.

    Args:
        frames: readable rows as filed, by form.
        filings: the filings of the same forms.
        past: what earlier months held.
        registry: the institutions.
        span: first and last day of the month.
    """
    return pl.concat(
        [
            _clues_agree(frames, filings, past, span),
            _shared_parties(frames["F09"], filings["F09"], past, registry),
            _removals(frames["F10"], past),
            _not_acted_on(frames, filings, past, span),
        ]
    )


def _pairs(found: Mapping[int, int]) -> pl.DataFrame:
    return pl.DataFrame(
        {"filing": list(found), "other": list(found.values())}, schema={"filing": pl.Int64, "other": pl.Int64}
    )


def _clues_agree(
    frames: Mapping[str, pl.DataFrame],
    filings: Mapping[str, Sequence[Filing]],
    past: Past,
    span: tuple[date, date],
) -> pl.DataFrame:
    """F01-X05, both ways: a clue that no F09 holds, and a clue of complaint handling that no complaint names."""
    pairs = _pairs(counterparts(filings["F01"], filings["F09"]))
    own = frames["F01"].filter(_C("clue_id").is_not_null()).join(pairs, on="filing")
    here = frames["F09"].select(
        _C("filing").alias("other"), "reporter", "clue_id", "found_stage", "found_date"
    )
    unknown = own.join(here, on=["other", "clue_id"], how="anti").join(
        past.clues, on=["reporter", "clue_id"], how="anti"
    )
    asked = (
        pairs.join(here, on="other")
        .filter((_C("found_stage") == "投诉处理") & _C("found_date").is_between(*span))
        .unique(["filing", "clue_id"])
    )
    unnamed = asked.join(frames["F01"], on=["filing", "clue_id"], how="anti").join(
        past.named, on=["reporter", "clue_id"], how="anti"
    )
    return pl.concat(
        [
            findings(unknown, "F01-X05", "clue_id"),
            findings(unnamed, "F01-X05", "clue_id", rid=None),
        ]
    )


def _shared_parties(
    rows: pl.DataFrame, filings: Sequence[Filing], past: Past, registry: Registry
) -> pl.DataFrame:
    """F09-U01: a party that somebody else had filed when this was signed, in the version known then."""
    gone = registry.merged()
    everybody = [*past.surrenders, *_readable(filings)]
    known: list[tuple[int, int]] = []
    for one in _readable(filings):
        latest: dict[tuple[int, str], Filing] = {}
        for other in sorted(everybody, key=lambda each: (each.signed_at, each.sequence)):
            inherited = gone is not None and (other.reporter, one.reporter) == (gone.index, gone.successor)
            if other.reporter != one.reporter and other.signed_at <= one.signed_at and not inherited:
                latest[other.reporter, other.period.label] = other
        known.extend((one.number, other.number) for other in latest.values() if other.has_rows)
    pairs = pl.DataFrame(known, schema={"filing": pl.Int64, "other": pl.Int64}, orient="row")
    held = pl.concat([past.parties, _named_parties(rows)]).rename({"filing": "other"})
    seen = pairs.join(held, on="other").select("filing", "party_hash").unique()
    told = rows.with_columns(_C("party_hash").cast(pl.UInt64)).join(
        seen, on=["filing", "party_hash"], how="semi"
    )
    return findings(told, "F09-U01", "party_hash")


def _removals(rows: pl.DataFrame, past: Past) -> pl.DataFrame:
    """F10-U01: taken off the list without an entry on the day or before. (No heir removes whom its predecessor
    listed here.)"""
    removals = rows.filter((_C("action_type") == "移出灰名单") & _C("person_hash").is_not_null())
    before = past.listed.group_by("reporter", "person_hash").agg(_C("action_date").min().alias("before"))
    here = (
        rows.filter(_C("action_type") == "列入灰名单")
        .group_by("filing", "person_hash")
        .agg(_C("action_date").min().alias("here"))
    )
    judged = removals.join(before, on=["reporter", "person_hash"], how="left").join(
        here, on=["filing", "person_hash"], how="left"
    )
    sound = (_C("before") <= _C("action_date")).fill_null(value=False) | (
        _C("here") <= _C("action_date")
    ).fill_null(value=False)
    return findings(judged.filter(~sound), "F10-U01", "action_type")


def _not_acted_on(
    frames: Mapping[str, pl.DataFrame],
    filings: Mapping[str, Sequence[Filing]],
    past: Past,
    span: tuple[date, date],
) -> pl.DataFrame:
    """F10-X01: blamed agents whose 60 days ran out in the month, without an action that names the complaint."""
    pairs = _pairs(counterparts(filings["F10"], filings["F01"]))
    reporters = pl.DataFrame(
        {
            "filing": [one.number for one in filings["F10"]],
            "reporter": [one.reporter for one in filings["F10"]],
        },
        schema={"filing": pl.Int64, "reporter": pl.Int32},
    )
    closed = _latest(past.closed, frames["F01"], filings["F01"]).filter(
        (_C("status") == "已办结") & (_C("responsible") == "有责") & _C("has_agent")
    )
    age = (pl.lit(span[1]) - _C("decision_date")).dt.total_days()
    age_at_start = (pl.lit(span[0]) - _C("decision_date")).dt.total_days()
    due = closed.filter((age > _DAYS_TO_ACT) & (age_at_start <= _DAYS_TO_ACT + 1))
    asked = pairs.select("filing").join(reporters, on="filing").join(due, on="reporter")
    here = frames["F10"].filter((_C("action_type") != "移出灰名单") & _C("complaint_id").is_not_null())
    missing = asked.join(here, on=["filing", "complaint_id"], how="anti").join(
        past.acted, on=["reporter", "complaint_id"], how="anti"
    )
    return findings(missing, "F10-X01", "complaint_id", rid=None)
