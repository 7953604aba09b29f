"""Rows of the forms of conduct (F07 to F10, F15, F16, R05) for the hand-made bureau, small enough to count on paper.

They lie in the first half of 2023 (the hotline at the end of 2024), where they move none of the bureau's other figures.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

LIFE_A, PROPERTY_C, PROPERTY_E = "00000000000101", "00000000000103", "00000000000105"
SUPERVISOR, BRANCH_OF_C = "00000000000001", "00000000000203"
HOTLINE_MONTHS = ["2024-11", "2024-12"]
FORMS_OWED = {
    **{f"2023-0{month}": ["F09", "F10"] for month in range(1, 7)},
    **{quarter: ["F07", "F08", "F15", "F16"] for quarter in ("2023Q1", "2023Q2")},
}
"""Forms of insurers that are owed beside the others, by period."""
P, Q, R = "p" * 64, "q" * 64, "r" * 64
Row = dict[str, Any]


def day(text: str | None) -> date | None:
    """A date of text."""
    return date.fromisoformat(text) if text else None


def filed() -> dict[str, list[Row]]:
    """Rows by form."""
    return {
        "F07": reviews(),
        "F08": courses(),
        "F09": clues(),
        "F10": actions(),
        "F15": activities(),
        "F16": surveys(),
        "R05": calls(),
    }


def reviews() -> list[Row]:
    """Of four items three are reviewed, one of them in the next quarter; 10 opinions, 9 adopted."""

    def review(
        number: str, required: str, reviewed: str | None, opinions: int, adopted: int, quarter: str
    ) -> Row:
        return {
            "reporter_code": PROPERTY_C,
            "review_id": number,
            "item_type": "产品" if number == "r1" else "服务",
            "required_date": day(required),
            "review_date": day(reviewed),
            "opinions": opinions,
            "opinions_adopted": adopted,
            "filing_period": quarter,
        }

    return [
        review("r1", "2023-01-10", "2023-01-20", 6, 5, "2023Q1"),
        review("r2", "2023-02-10", "2023-02-20", 4, 4, "2023Q1"),
        review("r3", "2023-03-30", None, 0, 0, "2023Q1"),
        review("r3", "2023-03-30", "2023-04-03", 2, 0, "2023Q2"),
        review("r4", "2023-03-31", None, 0, 0, "2023Q1"),
    ]


def courses() -> list[Row]:
    """Four sales courses of two thirds each (one of them large), one without a roster, and the seed's staff courses."""

    def course(number: str, audience: str, attended: int, expected: int, **other: Any) -> Row:
        row: Row = {
            "reporter_code": PROPERTY_C,
            "course_id": number,
            "audience": audience,
            "session_date": date(2023, 2, 14),
            "expected": expected,
            "attended": attended,
            "filing_period": "2023Q1",
        }
        return {**row, **other}

    return [
        *(course(f"s{number}", "外勤", 200, 300) for number in range(3)),
        course("large", "外勤", 2_000, 3_000),
        course("nobody", "外勤", 0, 0),
        course("in", "内勤", 1_088, 1_088),
        course("in again", "内勤", 1_054, 1_054),
        course(
            "later",
            "外勤",
            1,
            2,
            reporter_code=PROPERTY_E,
            session_date=date(2023, 5, 2),
            filing_period="2023Q2",
        ),
    ]


def clues() -> list[Row]:
    """Eleven verified clues of 561,000 yuan, 168,000 recovered (seed 000); of 13 through screening 12 were reported."""

    def clue(number: str, **other: Any) -> Row:
        row: Row = {
            "reporter_code": PROPERTY_C,
            "clue_id": number,
            "found_date": date(2023, 1, 5),
            "found_stage": "回访",
            "reported_on": date(2023, 1, 9),
            "verified_on": date(2023, 2, 9),
            "surrender_amount": 51_000,
            "recovered_amount": 16_800,
            "status": "查实",
            "filing_period": "2023-02",
        }
        return {**row, **other}

    none: Row = {"verified_on": None, "recovered_amount": None, "filing_period": "2023-01"}
    return [
        *(clue(f"k{number}") for number in range(10)),
        clue("unknown amount", recovered_amount=None, reported_on=None),
        clue("reported", status="移送", **none),
        clue("reported in screening", status="初筛", **none),
        clue("in screening", status="初筛", reported_on=None, **none),
    ]


def actions() -> list[Row]:
    """Two persons whom C lists. P is punished at E in February and dismissed there in April. Q, listed until mid-March,
    sells on for life A in February under an agent code that A once named for the person. R, whom E lists, is punished
    at A in February and has left A in March (F12)."""

    def action(reporter: str, number: str, kind: str, on: str, person: str, **other: Any) -> Row:
        row: Row = {
            "reporter_code": reporter,
            "action_id": number,
            "agent_code": f"{reporter[-3:]}-{person[0]}",
            "person_hash": person,
            "action_type": kind,
            "action_date": day(on),
            "filing_period": on[:7],
        }
        return {**row, **other}

    return [
        action(PROPERTY_C, "c1", "列入灰名单", "2023-01-10", P, valid_until=date(2023, 12, 31)),
        action(PROPERTY_C, "c2", "列入灰名单", "2023-01-10", Q, valid_until=date(2023, 3, 15)),
        action(PROPERTY_C, "c3", "管理责任", "2023-01-31", "m" * 64),
        action(PROPERTY_E, "e1", "品质处罚", "2023-02-15", P),
        action(PROPERTY_E, "e2", "解除合同", "2023-04-10", P),
        action(LIFE_A, "a1", "品质处罚", "2022-12-20", Q, filing_period="2023-01"),
        action(PROPERTY_C, "c4", "移出灰名单", "2023-06-10", P),
        action(PROPERTY_E, "e3", "列入灰名单", "2023-01-12", R, valid_until=date(2023, 12, 31)),
        action(LIFE_A, "a2", "品质处罚", "2023-02-15", R),
    ]


def departures() -> list[Row]:
    """R leaves life A; the form was not owed yet, so no call-back figure is told of it."""
    return [
        {
            "reporter_code": LIFE_A,
            "departure_id": "listed",
            "agent_code": f"{LIFE_A[-3:]}-r",
            "apply_date": date(2023, 3, 1),
            "effective_date": date(2023, 3, 20),
            "orphan_policies": 0,
            "called": 0,
            "called_ok": 0,
            "filing_period": "2023-03",
        }
    ]


def sales() -> list[Row]:
    """A policy sold for life A by person Q, outside every call-back cohort."""
    return [
        {
            "reporter_code": LIFE_A,
            "callback_id": "sold",
            "callback_type": "孤儿保单",
            "issue_date": date(2023, 2, 20),
            "agent_code": f"{LIFE_A[-3:]}-q",
            "must_call": False,
            "success": False,
            "filing_period": "2023-02",
        }
    ]


def activities() -> list[Row]:
    """C's areas grow from 6 of 8 outlets to all; E missed its first quarter."""

    def area(reporter: str, quarter: str, sites: int) -> Row:
        return {
            "reporter_code": reporter,
            "activity_id": "area",
            "activity_form": "网点宣教专区",
            "sessions": 0,
            "reach": 0,
            "sites": sites,
            "sites_total": 8,
            "filing_period": quarter,
        }

    event = {"activity_form": "线下集中宣教", "activity_id": "event", "sessions": 4, "reach": 620, "sites": 6}
    return [
        area(PROPERTY_C, "2023Q1", 6),
        {**area(PROPERTY_C, "2023Q1", 6), **event},
        area(PROPERTY_C, "2023Q2", 8),
        area(PROPERTY_E, "2023Q2", 4),
    ]


def surveys() -> list[Row]:
    """The seed's 79.63 %, first possible at 43 of 54; and a rating by 20 persons."""

    def choice(question: str, kind: str, letter: str, chosen: int, valid: int, **other: Any) -> Row:
        row: Row = {
            "reporter_code": PROPERTY_C,
            "survey_id": "S",
            "question_id": question,
            "choice_id": letter,
            "topic": "首问服务",
            "question_type": kind,
            "surveyed_to": date(2023, 3, 20),
            "issued": 80,
            "valid_answers": valid,
            "chosen": chosen,
            "filing_period": "2023Q1",
        }
        return {**row, **other}

    return [
        choice("Q1", "单选", "A", 43, 54),
        choice("Q1", "单选", "B", 11, 54),
        choice("Q2", "满意度", "A", 12, 20, is_satisfied=True),
        choice("Q2", "满意度", "B", 5, 20, is_satisfied=True),
        choice("Q2", "满意度", "C", 3, 20, is_satisfied=False),
    ]


def calls() -> list[Row]:
    """November: ten calls, nine answered, four put through to C. December: one more, too young to judge."""

    def call(number: str, on: str, **other: Any) -> Row:
        row: Row = {
            "reporter_code": SUPERVISOR,
            "org_code": SUPERVISOR,
            "call_id": number,
            "called_at": datetime.fromisoformat(f"{on}T10:00:00"),
            "answered": True,
            "call_kind": "咨询",
            "filing_period": on[:7],
        }
        return {**row, **other}

    def transfer(number: str, on: str, again: str | None = None, *, taken: bool = True, **other: Any) -> Row:
        moved = datetime.fromisoformat(f"{on}T10:04:00")
        return call(
            number,
            on,
            org_code=BRANCH_OF_C,
            call_kind="投诉",
            transferred_at=moved,
            insurer_answered=taken,
            resolved=number == "t1" if taken else None,
            recomplained_on=day(again),
            **other,
        )

    return [
        *(call(f"c{number}", "2024-11-05") for number in range(5)),
        call("nobody", "2024-11-05", answered=False, call_kind=None),
        transfer("t1", "2024-11-06"),
        transfer("t2", "2024-11-06", "2024-12-06"),  # on the 30th day
        transfer("t3", "2024-11-06", "2024-12-07"),  # a day later
        transfer("t4", "2024-11-06", taken=False),
        transfer("t5", "2024-12-21"),  # 30 days before the run's day: not over yet
    ]
