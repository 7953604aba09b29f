"""What insurers file about their own conduct, and the bureau about its hotline: F07 to F10, F15, F16 and R05.

Put here: reviews, courses, black-market clues, actions on sales persons, education, surveys and calls, as they happen
month by month and quarter by quarter. Do not put here: complaints and call-backs, which clues, actions and re-entries
refer to (complaints, call_backs), or mistakes in rows (conduct_defects).

Each record belongs to the city branch of its insurer. What merges or closes files no more; nothing of it is handed on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

import numpy as np
import polars as pl

from pipelines.contracts.periods import Period
from pipelines.samples.conduct_words import (
    ACTIVITY_FORMS,
    CALL_KINDS,
    CHANGE_KINDS,
    CLUE_STAGES,
    CLUE_STATUSES,
    COLUMN_LABELS,
    MANAGER_LEVELS,
    PLATFORMS,
    REVIEW_ITEMS,
    SURVEY_METHODS,
    TARGET_GROUPS,
    THEMES,
    TOPICS,
)
from pipelines.samples.days import as_date, day_number, first_day, last_day
from pipelines.samples.identities import AGENTS, pack
from pipelines.samples.market import LIFE_CLASSES
from pipelines.samples.randomness import stream
from pipelines.samples.registry import SUPERVISOR, Insurer, Registry
from pipelines.samples.volumes import rows_per_month

_ENUMS = {name: pl.Enum(list(labels)) for (_, name), labels in COLUMN_LABELS.items() if name != "status"}
_SCHEMAS: dict[str, dict[str, Any]] = {
    "F07": {
        "review_id": pl.Int64,
        "item_type": _ENUMS["item_type"],
        "change_kind": _ENUMS["change_kind"],
        "required_date": pl.Date,
        "review_date": pl.Date,
        "launch_date": pl.Date,
        "opinions": pl.Int64,
        "opinions_adopted": pl.Int64,
        "conclusion": _ENUMS["conclusion"],
    },
    "F08": {
        "course_id": pl.Int64,
        "course_name": pl.String,
        "audience": _ENUMS["audience"],
        "session_date": pl.Date,
        "roster_date": pl.Date,
        "expected": pl.Int64,
        "attended": pl.Int64,
        "passed": pl.Int64,
        "hours": pl.String,
    },
    "F09": {
        "clue_id": pl.Int64,
        "found_date": pl.Date,
        "found_stage": _ENUMS["found_stage"],
        "platform": _ENUMS["platform"],
        "party_hash": pl.UInt64,
        "policy_count": pl.Int64,
        "surrender_amount": pl.Int64,
        "fee_amount": pl.Int64,
        "reported_on": pl.Date,
        "case_filed_on": pl.Date,
        "verified_on": pl.Date,
        "recovered_amount": pl.Int64,
        "status": pl.Enum(list(CLUE_STATUSES)),
    },
    "F10": {
        "action_id": pl.Int64,
        "agent_code": pl.Int64,
        "person_hash": pl.UInt64,
        "action_type": _ENUMS["action_type"],
        "action_date": pl.Date,
        "basis": pl.String,
        "complaint_id": pl.Int64,
        "manager_level": _ENUMS["manager_level"],
        "valid_until": pl.Date,
        "moves_24m": pl.Int64,
    },
    "R05": {
        "call_id": pl.Int64,
        "called_at": pl.Datetime("us"),
        "answered": pl.Boolean,
        "call_kind": _ENUMS["call_kind"],
        "transferred_at": pl.Datetime("us"),
        "insurer_answered": pl.Boolean,
        "resolved": pl.Boolean,
        "recomplained_on": pl.Date,
    },
    "F15": {
        "activity_id": pl.Int64,
        "activity_name": pl.String,
        "activity_form": _ENUMS["activity_form"],
        "theme": _ENUMS["theme"],
        "target_group": _ENUMS["target_group"],
        "start_date": pl.Date,
        "end_date": pl.Date,
        "is_campaign": pl.Boolean,
        "campaign_name": pl.String,
        "sessions": pl.Int64,
        "reach": pl.Int64,
        "sites": pl.Int64,
        "sites_total": pl.Int64,
        "evidence_ref": pl.String,
    },
    "F16": {
        "survey_id": pl.Int64,
        "survey_name": pl.String,
        "method": _ENUMS["method"],
        "surveyed_from": pl.Date,
        "surveyed_to": pl.Date,
        "question_id": pl.String,
        "question_text": pl.String,
        "topic": _ENUMS["topic"],
        "question_type": _ENUMS["question_type"],
        "choice_id": pl.String,
        "choice_text": pl.String,
        "is_satisfied": pl.Boolean,
        "issued": pl.Int64,
        "valid_answers": pl.Int64,
        "chosen": pl.Int64,
    },
}
_INTERNAL = {"reporter": pl.Int32, "branch": pl.Int32, "_closes": pl.Boolean, "_carried": pl.Boolean}
_CLUE_EVERY, _CLUE_AT = 29, 7
"""Of every 29 complaints one brings a clue to light; which, its number says."""
_SHARED_PARTIES = 5
_HOTLINE = 100
"""Company number in the ids of the bureau's own calls."""
_LEAST_CLUES, _LEAST_ACTIONS, _LEAST_CALLS = 8, 14, 160
_CALLS = 400
_AGENTS = 300
_RATINGS = (("A", "非常满意", True), ("B", "满意", True), ("C", "一般", False), ("D", "不满意", False))
_WISHES = (("A", "服务态度与处理速度"), ("B", "专业能力"), ("C", "一次办结"), ("D", "其他"))
_C = pl.col


def with_clues(complaints: pl.DataFrame) -> pl.DataFrame:
    """F01 rows with the clue that a complaint brought to light (the same number as the complaint's), if any."""
    found = _C("complaint_id") % _CLUE_EVERY == _CLUE_AT
    return complaints.with_columns(
        pl.when(found).then("complaint_id").otherwise(None).cast(pl.Int64).alias("clue_id")
    )


#: Upper ends of what becomes of a clue: handed to the police, verified, ruled out; the rest stays in screening.
_HANDED_OVER, _VERIFIED, _RULED_OUT = 0.6, 0.7, 0.9
_SMALL_SURVEY_EVERY = 6
"""One insurer in so many asks too few customers for a ranking."""


@dataclass(slots=True)
class _Clue:
    """The course of one clue: day numbers, None for what does not happen."""

    row: dict[str, Any]
    found: int
    reported: int | None
    filed: int | None
    verified: int | None
    dropped: int | None
    recovered: int

    def changes(self, first: int, last: int) -> bool:
        """True if it was found or went on in the days."""
        steps = (self.found, self.reported, self.filed, self.verified, self.dropped)
        return any(step is not None and first <= step <= last for step in steps)

    def known(self, last: int) -> dict[str, Any]:
        """The row as it is known on a day."""

        def seen(step: int | None) -> date | None:
            return as_date(step) if step is not None and step <= last else None

        reported, filed, verified = seen(self.reported), seen(self.filed), seen(self.verified)
        status = "初筛"
        if seen(self.dropped):
            status = "排除"
        elif verified:
            status = "查实"
        elif filed:
            status = "立案"
        elif reported:
            status = "移送"
        return {
            **self.row,
            "reported_on": reported,
            "case_filed_on": filed,
            "verified_on": verified,
            "recovered_amount": self.recovered if verified else None,
            "status": status,
        }


class Conduct:
    """Everything of these forms that happens in the bureau; months and quarters must be asked for in order."""

    def __init__(self, registry: Registry, seed: int, months: tuple[Period, ...], scale: float) -> None:
        """Nothing has happened yet."""
        self._registry, self._seed, self._months, self._scale = registry, seed, months, scale
        codes = [branch.code for branch in registry.branches]
        self._branch = {one.index: codes.index(one.code) for one in registry.insurers}
        self._clues: list[_Clue] = []
        self._actions: list[tuple[int, int, dict[str, Any]]] = []
        self._reviews: list[dict[str, Any]] = []
        self._calls: list[dict[str, Any]] = []
        parties = stream(seed, "black-market parties")
        self._parties = parties.integers(1, 2**63, (len(registry.insurers), 3), dtype=np.int64)
        self._shared = parties.integers(1, 2**63, _SHARED_PARTIES, dtype=np.int64)

    # ---------------------------------------------------------------------------------------------- monthly

    def month(self, month: int, complaints: pl.DataFrame) -> dict[str, pl.DataFrame]:
        """Frames of F09, F10 and R05, given the month's complaints (F01, with clues)."""
        period = self._months[month]
        owing = [one for one in self._registry.insurers if one.owes(period)]
        return {
            "F09": self._clue_file(period, month, owing, complaints),
            "F10": self._action_file(period, month, owing, complaints),
            "R05": self._call_file(period, month, owing),
        }

    def _clue_file(
        self, period: Period, month: int, owing: Sequence[Insurer], complaints: pl.DataFrame
    ) -> pl.DataFrame:
        rng = stream(self._seed, "clues", month)
        first, last = first_day(period), last_day(period)
        named = complaints.filter(_C("clue_id").is_not_null() & ~_C("_carried")).select(
            "reporter", "clue_id", _C("received_at").dt.date().alias("found")
        )
        for reporter, clue, found in named.iter_rows():
            self._clues.append(self._clue(rng, reporter, clue, day_number(found), "投诉处理"))
        others = max(_LEAST_CLUES, round(rows_per_month("F09", self._scale)))
        shares = _shares(owing)
        stages = [stage for stage in CLUE_STAGES if stage != "投诉处理"]
        for number in range(others):
            one = owing[int(rng.choice(len(owing), p=shares))]
            day = max(int(rng.integers(first, last + 1)), day_number(one.opened_on))
            clue = int(pack(one.company, period, np.asarray([50_000_000 + number]))[0])
            stage = stages[int(rng.integers(0, len(stages)))]
            self._clues.append(self._clue(rng, one.index, clue, day, stage))
        here = {one.index for one in owing}
        rows = [
            {
                **clue.known(last),
                **self._place(clue.row["reporter"]),
                "_closes": not clue.changes(last + 1, last + 1_000),
                "_carried": clue.found < first,
            }
            for clue in self._clues
            if clue.row["reporter"] in here and clue.changes(first, last)
        ]
        return _frame("F09", rows)

    def _clue(self, rng: np.random.Generator, reporter: int, clue: int, found: int, stage: str) -> _Clue:
        shared = _chance(rng, 0.12)
        party = (
            self._shared[rng.integers(0, _SHARED_PARTIES)] if shared else self._parties[reporter][clue % 3]
        )
        surrendered = int(rng.lognormal(10.2, 0.7) * 100)
        screened = found + int(rng.integers(1, 25))
        kind = rng.random()
        reported = screened if kind < _HANDED_OVER else None
        filed = reported + int(rng.integers(2, 20)) if reported and _chance(rng, 0.7) else None
        verified = (filed or reported or screened) + int(rng.integers(1, 30)) if kind < _VERIFIED else None
        return _Clue(
            {
                "reporter": reporter,
                "clue_id": clue,
                "found_date": as_date(found),
                "found_stage": stage,
                "platform": PLATFORMS[int(rng.integers(0, 5))] if _chance(rng, 0.9) else None,
                "party_hash": int(party) if _chance(rng, 0.85) else None,
                "policy_count": int(rng.integers(1, 6)),
                "surrender_amount": surrendered,
                "fee_amount": int(surrendered * 0.2) if _chance(rng, 0.6) else None,
            },
            found,
            reported,
            filed,
            verified,
            screened if _VERIFIED <= kind < _RULED_OUT else None,
            int(surrendered * rng.uniform(0, 0.9)),
        )

    def _action_file(
        self, period: Period, month: int, owing: Sequence[Insurer], complaints: pl.DataFrame
    ) -> pl.DataFrame:
        rng = stream(self._seed, "actions", month)
        first, last = first_day(period), last_day(period)
        blamed = complaints.filter(
            _C("_closes")
            & (_C("status") == "已办结")
            & (_C("responsible") == "有责")
            & _C("agent_code").is_not_null()
        ).select("reporter", "complaint_id", "agent_code", "decision_date")
        for reporter, complaint, agent, decided in blamed.iter_rows():
            if _chance(rng, 0.8):
                day = max(day_number(decided) + int(rng.integers(0, 80)), first)
                self._act(rng, reporter, agent, day, complaint)
        others = max(_LEAST_ACTIONS, round(rows_per_month("F10", self._scale)))
        shares = _shares(owing)
        for _ in range(others):
            one = owing[int(rng.choice(len(owing), p=shares))]
            day = max(int(rng.integers(first, last + 1)), day_number(one.opened_on))
            self._act(rng, one.index, one.company * AGENTS + int(rng.integers(1, _AGENTS)), day, None)
        here = {one.index for one in owing}
        due = [one for one in self._actions if one[0] <= last]
        self._actions = [one for one in self._actions if one[0] > last]
        rows: list[dict[str, Any]] = []
        for day, reporter, action in due:
            if reporter not in here:
                continue
            company = self._registry.insurers[reporter].company
            number = int(pack(company, period, np.asarray([len(rows)]))[0])
            rows.append(
                {
                    **action,
                    **self._place(reporter),
                    "action_id": number,
                    "action_date": as_date(day),
                    "basis": "销售人员品质管理办法",
                    "_closes": True,
                    "_carried": False,
                }
            )
        return _frame("F10", rows)

    def _act(
        self, rng: np.random.Generator, reporter: int, agent: int, day: int, complaint: int | None
    ) -> None:
        """Plan an action on an agent, and what follows when it is an entry on the grey list."""
        kind = ("品质处罚", "管理责任", "解除合同", "列入灰名单")[
            int(rng.choice(4, p=(0.55, 0.2, 0.05, 0.2)))
        ]
        person = _person(agent)
        action = {
            "agent_code": agent,
            "person_hash": person,
            "action_type": kind,
            "complaint_id": complaint,
            "manager_level": MANAGER_LEVELS[int(rng.integers(0, 3))] if kind == "管理责任" else None,
            "valid_until": None,
            "moves_24m": int(rng.integers(0, 4)) if _chance(rng, 0.5) else None,
        }
        if kind != "列入灰名单":
            self._actions.append((day, reporter, action))
            return
        lasts = int(rng.choice((45, 180, 365)))
        self._actions.append((day, reporter, {**action, "valid_until": as_date(day + lasts)}))
        if _chance(rng, 0.3):
            removal = {**action, "action_type": "移出灰名单", "complaint_id": None}
            self._actions.append((day + int(rng.integers(5, 70)), reporter, removal))
        if _chance(rng, 0.5):
            self._return(rng, reporter, person, day)

    def _return(self, rng: np.random.Generator, reporter: int, person: int, day: int) -> None:
        """The person works elsewhere: punished there after the entry, or known there before it and selling on."""
        others = [one for one in self._registry.insurers if one.index != reporter]
        sells_on = _chance(rng, 0.5)
        if sells_on:
            others = [one for one in others if one.insurer_class in LIFE_CLASSES] or others
        one = others[int(rng.integers(0, len(others)))]
        action = {
            "agent_code": one.company * AGENTS + int(rng.integers(1, _AGENTS)),
            "person_hash": person,
            "action_type": "品质处罚",
            "complaint_id": None,
            "manager_level": None,
            "valid_until": None,
            "moves_24m": 1,
        }
        moment = day - 1 if sells_on else day + int(rng.integers(1, 60))
        moment = max(moment, day_number(one.opened_on))
        self._actions.append((moment, one.index, action))
        if _chance(rng, 0.4):
            leaves = {**action, "action_type": "解除合同"}
            self._actions.append((moment + int(rng.integers(30, 90)), one.index, leaves))

    def _call_file(self, period: Period, month: int, owing: Sequence[Insurer]) -> pl.DataFrame:
        rng = stream(self._seed, "hotline", month)
        first, last = first_day(period), last_day(period)
        calls = max(_LEAST_CALLS, round(_CALLS * self._scale))
        shares = _shares(owing)
        for number in range(calls):
            day = int(rng.integers(first, last + 1))
            called = _moment(day, int(rng.integers(8 * 3600, 18 * 3600)))
            answered = _chance(rng, 0.94)
            kind = CALL_KINDS[int(rng.choice(3, p=(0.25, 0.37, 0.38)))] if answered else None
            moved = answered and _chance(rng, 0.4)
            one = owing[int(rng.choice(len(owing), p=shares))]
            day_ok = day >= day_number(one.opened_on)
            moved = moved and day_ok
            taken = _chance(rng, 0.9) if moved else None
            again = day + int(rng.integers(1, 50)) if moved and _chance(rng, 0.15) else None
            self._calls.append(
                {
                    "call_id": int(pack(_HOTLINE, period, np.asarray([number]))[0]),
                    "called_at": called,
                    "answered": answered,
                    "call_kind": kind,
                    "transferred_at": called + timedelta(minutes=4) if moved else None,
                    "insurer_answered": taken,
                    "resolved": _chance(rng, 0.6) if taken else None,
                    "again": again,
                    "day": day,
                    "reporter": one.index if moved else SUPERVISOR,
                    "branch": self._branch[one.index] if moved else None,
                }
            )
        rows = []
        for call in self._calls:
            again = call["again"]
            repeated = again is not None and first <= again <= last
            if call["day"] < first and not repeated:
                continue
            known = as_date(again) if again is not None and again <= last else None
            later = again is not None and again > last
            rows.append(
                {**call, "recomplained_on": known, "_closes": not later, "_carried": call["day"] < first}
            )
        self._calls = [call for call in self._calls if call["again"] is not None and call["again"] > last]
        return _frame("R05", rows)

    # -------------------------------------------------------------------------------------------- quarterly

    def quarter(self, quarter: Period) -> dict[str, pl.DataFrame]:
        """Frames of F07, F08, F15 and F16."""
        owing = [one for one in self._registry.insurers if one.owes(quarter)]
        place = quarter.start.year * 4 + (quarter.start.month - 1) // 3
        return {
            "F07": self._review_file(quarter, place, owing),
            "F08": self._course_file(quarter, place, owing),
            "F15": self._activity_file(quarter, place, owing),
            "F16": self._survey_file(quarter, place, owing),
        }

    def _review_file(self, quarter: Period, place: int, owing: Sequence[Insurer]) -> pl.DataFrame:
        rng = stream(self._seed, "reviews", place)
        first, last = first_day(quarter), last_day(quarter)
        carried, self._reviews = self._reviews, []
        here = {one.index for one in owing}
        rows = [
            {
                **one,
                "review_date": as_date(first + 9),
                "conclusion": "通过",
                "_carried": True,
                "_closes": True,
            }
            for one in carried
            if one["reporter"] in here
        ]
        mean = max(3.0, rows_per_month("F07", self._scale) / len(owing))
        for one in owing:
            opened = day_number(one.opened_on)
            for number in range(int(rng.poisson(mean)) + 1):
                required = max(int(rng.integers(first, last + 1)), opened)
                reviewed = required + int(rng.integers(0, 12))
                done = reviewed <= last
                opinions = int(rng.integers(0, 5)) if done else 0
                adopted = opinions - int(opinions > 0 and _chance(rng, 0.15))
                launch = reviewed + int(rng.integers(0, 25))
                row = {
                    **self._place(one.index),
                    "review_id": self._id(one, quarter, number),
                    "item_type": REVIEW_ITEMS[int(rng.integers(0, 6))],
                    "change_kind": CHANGE_KINDS[int(rng.integers(0, 2))],
                    "required_date": as_date(required),
                    "review_date": as_date(reviewed) if done else None,
                    "launch_date": as_date(launch) if done and _chance(rng, 0.8) else None,
                    "opinions": opinions,
                    "opinions_adopted": adopted,
                    "conclusion": ("修改后通过" if opinions else "通过") if done else "未审",
                    "_closes": done,
                    "_carried": False,
                }
                rows.append(row)
                if not done:
                    self._reviews.append(row)
        return _frame("F07", rows)

    def _course_file(self, quarter: Period, place: int, owing: Sequence[Insurer]) -> pl.DataFrame:
        rng = stream(self._seed, "courses", place)
        first, last = first_day(quarter), last_day(quarter)
        rows: list[dict[str, Any]] = []
        for one in owing:
            opened = day_number(one.opened_on)
            number = 0
            for audience, courses, size, rate in (
                ("内勤", 2, 30, 0.97),
                ("外勤", 4, 120, 0.7),
                ("客服", 1, 12, 0.95),
            ):
                roster = size + int(size * 20 * one.premium_share)
                for _ in range(courses):
                    session = max(int(rng.integers(first, last + 1)), opened)
                    few = _chance(rng, 0.04)
                    expected = roster - (roster // 12 if few else int(rng.integers(0, max(1, roster // 60))))
                    attended = int(rng.binomial(expected, rate))
                    rows.append(
                        {
                            **self._place(one.index),
                            "course_id": self._id(one, quarter, number),
                            "course_name": "消费者权益保护实务",
                            "audience": audience,
                            "session_date": as_date(session),
                            "roster_date": as_date(session - int(rng.integers(0, 20))),
                            "expected": expected,
                            "attended": attended,
                            "passed": int(rng.binomial(attended, 0.95)) if audience != "外勤" else None,
                            "hours": f"{int(rng.integers(1, 9))}.{('0', '5')[int(rng.integers(0, 2))]}",
                            "_closes": True,
                            "_carried": False,
                        }
                    )
                    number += 1
        return _frame("F08", rows)

    def _activity_file(self, quarter: Period, place: int, owing: Sequence[Insurer]) -> pl.DataFrame:
        rng = stream(self._seed, "education", place)
        first, last = first_day(quarter), last_day(quarter)
        rows: list[dict[str, Any]] = []
        for one in owing:
            outlets = 3 + int(60 * one.premium_share)
            for number in range(int(rng.integers(2, 6))):
                standing = number == 0
                form = "网点宣教专区" if standing else ACTIVITY_FORMS[(0, 1, 3, 4)[int(rng.integers(0, 4))]]
                end = last if standing else max(int(rng.integers(first, last + 1)), day_number(one.opened_on))
                start = end if standing else max(end - int(rng.integers(0, 9)), day_number(one.opened_on))
                campaign = not standing and _chance(rng, 0.4)
                sessions = 0 if standing else int(rng.integers(1, 8))
                rows.append(
                    {
                        **self._place(one.index),
                        "activity_id": self._id(one, quarter, number),
                        "activity_name": "消费者权益保护宣传",
                        "activity_form": form,
                        "theme": THEMES[int(rng.integers(0, 6))],
                        "target_group": TARGET_GROUPS[int(rng.integers(0, 5))],
                        "start_date": as_date(start),
                        "end_date": as_date(end),
                        "is_campaign": campaign,
                        "campaign_name": "金融教育宣传月" if campaign else None,
                        "sessions": sessions,
                        "reach": sessions * int(rng.integers(20, 900)),
                        "sites": outlets - int(rng.integers(0, 3)),
                        "sites_total": outlets,
                        "evidence_ref": f"XJ-{one.company}-{quarter.label}-{number}",
                        "_closes": True,
                        "_carried": False,
                    }
                )
        return _frame("F15", rows)

    def _survey_file(self, quarter: Period, place: int, owing: Sequence[Insurer]) -> pl.DataFrame:
        rng = stream(self._seed, "surveys", place)
        rows: list[dict[str, Any]] = []
        for one in owing:
            if _chance(rng, 0.15):
                continue
            end = max(
                int(rng.integers(first_day(quarter) + 10, last_day(quarter) + 1)), day_number(one.opened_on)
            )
            start = max(end - int(rng.integers(3, 10)), day_number(one.opened_on))
            few = one.index % _SMALL_SURVEY_EVERY == _SMALL_SURVEY_EVERY // 2
            issued = int(rng.integers(20, 35)) if few else int(rng.integers(50, 90) + 900 * one.premium_share)
            common = {
                **self._place(one.index),
                "survey_id": self._id(one, quarter, 0),
                "survey_name": "客户服务满意度调查",
                "method": SURVEY_METHODS[int(rng.integers(0, 4))],
                "surveyed_from": as_date(start),
                "surveyed_to": as_date(end),
                "issued": issued,
                "_closes": True,
                "_carried": False,
            }
            rated, wished = int(rng.binomial(issued, 0.7)), int(rng.binomial(issued, 0.65))
            for (choice, text, satisfied), chosen in zip(
                _RATINGS, rng.multinomial(rated, (0.4, 0.42, 0.12, 0.06)), strict=True
            ):
                rows.append(
                    {
                        **common,
                        "question_id": "Q1",
                        "question_text": "您对本次服务是否满意",
                        "topic": TOPICS[one.index % len(TOPICS)],
                        "question_type": "满意度",
                        "choice_id": choice,
                        "choice_text": text,
                        "is_satisfied": satisfied,
                        "valid_answers": rated,
                        "chosen": int(chosen),
                    }
                )
            for (choice, text), chosen in zip(
                _WISHES, rng.multinomial(wished, (0.7, 0.15, 0.1, 0.05)), strict=True
            ):
                rows.append(
                    {
                        **common,
                        "question_id": "Q2",
                        "question_text": "您认为落实首问最重要的是什么",
                        "topic": "首问服务",
                        "question_type": "单选",
                        "choice_id": choice,
                        "choice_text": text,
                        "is_satisfied": None,
                        "valid_answers": wished,
                        "chosen": int(chosen),
                    }
                )
        return _frame("F16", rows)

    def _place(self, reporter: int) -> dict[str, int]:
        return {"reporter": reporter, "branch": self._branch[reporter]}

    def _id(self, one: Insurer, quarter: Period, number: int) -> int:
        return int(pack(one.company, quarter.months()[-1], np.asarray([number]))[0])


def _shares(owing: Sequence[Insurer]) -> list[float]:
    """Chances of the insurers, by their shares of the market's complaints."""
    total = sum(one.complaint_share for one in owing)
    return [one.complaint_share / total for one in owing]


def _person(agent: int) -> int:
    """The person behind an agent code, as the seed of a hash."""
    return int(stream(agent, "person").integers(1, 2**63))


def _chance(rng: np.random.Generator, share: float) -> bool:
    """True in this share of draws."""
    return rng.random() < share


def _moment(day: int, second: int) -> datetime:
    """The timestamp of a second of a day."""
    return datetime.combine(as_date(day), time()) + timedelta(seconds=second)


def _frame(form: str, rows: Sequence[dict[str, Any]]) -> pl.DataFrame:
    """Typed rows of a form with the columns that are not filed, by insurer."""
    schema = {**_INTERNAL, **_SCHEMAS[form]}
    columns = {name: [row.get(name) for row in rows] for name in schema}
    return pl.DataFrame(columns, schema=schema, strict=False).sort("reporter", maintain_order=True)
