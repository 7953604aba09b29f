"""Which notices the calendar calls for, and which of them are still to be sent."""

from __future__ import annotations

import json
from datetime import date, datetime
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.filing.notices import STAGES, as_of, unsent
from tests.unit.filing.conftest import A, B, Bureau, institution

#: Stages of an obligation due on Wednesday 2024-04-10; Sunday the 7th is worked (make-up for Qingming).
APRIL = [
    ("reminder", "2024-04-07"),
    ("last_reminder", "2024-04-09"),
    ("missing", "2024-04-11"),
    ("second", "2024-04-15"),
    ("escalation", "2024-04-17"),
]


def owing(bureau: Bureau) -> None:
    """A has filed for February, so March is owed."""
    bureau.file("2024-03-05T10:00:00", period="2024-02")


def test_an_obligation_never_met_is_chased_at_every_stage(bureau: Bureau) -> None:
    owing(bureau)
    bureau.settle("2024-04-30T12:00:00")
    assert bureau.notices() == APRIL


def test_days_are_working_days_across_spring_festival(bureau: Bureau) -> None:
    bureau.file("2024-01-05T10:00:00", period="2023-12")
    bureau.settle("2024-03-01T12:00:00")
    # Due on Sunday 2024-02-18, which is worked; the 10th to the 17th are holiday.
    assert bureau.notices("2024-01") == [
        ("reminder", "2024-02-07"),
        ("last_reminder", "2024-02-09"),
        ("missing", "2024-02-19"),
        ("second", "2024-02-21"),
        ("escalation", "2024-02-23"),
    ]


def test_a_stage_comes_with_the_morning_of_its_day(bureau: Bureau) -> None:
    owing(bureau)
    bureau.settle("2024-04-06T23:59:59")
    assert bureau.notices() == []
    bureau.settle("2024-04-07T00:00:00")
    assert bureau.notices() == APRIL[:1]


@pytest.mark.parametrize(
    ("signed", "stages"),
    [
        ("2024-04-06T10:00:00", []),
        ("2024-04-07T10:00:00", ["reminder"]),  # unmet that morning
        ("2024-04-10T23:00:00", ["reminder", "last_reminder"]),
        ("2024-04-11T00:00:01", ["reminder", "last_reminder", "missing"]),
        ("2024-04-16T10:00:00", ["reminder", "last_reminder", "missing", "second"]),
    ],
)
def test_chasing_ends_with_the_filing(bureau: Bureau, signed: str, stages: list[str]) -> None:
    owing(bureau)
    bureau.file(signed)
    bureau.settle("2024-04-30T12:00:00")
    assert [stage for stage, _ in bureau.notices()] == stages


@pytest.mark.parametrize(
    "how", [{"state": "rejected"}, {"state": "malformed"}, {"state": "rejected", "saved": True}]
)
def test_what_is_refused_or_only_saved_is_chased_as_missing(bureau: Bureau, how: dict[str, object]) -> None:
    owing(bureau)
    bureau.file("2024-04-02T10:00:00", **how)  # type: ignore[arg-type]
    bureau.settle("2024-04-30T12:00:00")
    assert bureau.notices() == APRIL


def test_nobody_is_chased_for_what_waits_for_us(bureau: Bureau) -> None:
    owing(bureau)
    bureau.file("2024-04-08T10:00:00", state=None)
    bureau.settle("2024-04-30T12:00:00")
    assert [stage for stage, _ in bureau.notices()] == ["reminder"]
    assert unsent(bureau.con) == []


def test_a_withdrawal_opens_the_chase_again(bureau: Bureau) -> None:
    owing(bureau)
    bureau.file("2024-04-05T10:00:00")
    bureau.file("2024-04-12T10:00:00", sequence=2, kind="WITHDRAW")
    bureau.settle("2024-04-15T12:00:00")
    assert bureau.notices() == [("second", "2024-04-15")]
    [message] = unsent(bureau.con)
    assert [item.status for item in message.items] == ["withdrawn"]


# ------------------------------------------------------------------------------------- a property over days

moments = st.datetimes(min_value=datetime(2024, 4, 1), max_value=datetime(2024, 4, 25)).map(
    lambda moment: moment.replace(microsecond=0)
)
files = st.lists(
    st.tuples(moments, st.sampled_from(["accepted", "rejected", "withdrawn", "waiting", "saved"])), max_size=5
)


@settings(max_examples=60)
@given(came=files, now=moments)
def test_a_notice_exists_exactly_if_the_obligation_was_unmet_that_morning(
    bureau: Bureau, came: list[tuple[datetime, str]], now: datetime
) -> None:
    bureau.clear()
    owing(bureau)
    in_force, chain, waits = False, [], []
    for number, (signed, drawn) in enumerate(sorted(came), start=1):
        # A withdrawal with nothing in force is refused.
        what = "rejected" if drawn == "withdrawn" and not in_force else drawn
        how: dict[str, object] = {"sequence": number}
        if what == "withdrawn":
            how["kind"] = "WITHDRAW"
        elif what == "saved":
            how |= {"saved": True, "state": "rejected"}
        elif what != "accepted":
            how["state"] = None if what == "waiting" else what
        bureau.file(signed, **how)  # type: ignore[arg-type]
        if what in ("accepted", "withdrawn"):
            in_force = what == "accepted"
            chain.append((signed, in_force))
        elif what == "waiting":
            waits.append(signed)
    bureau.settle(now.isoformat())

    def unmet(morning: datetime) -> bool:
        known = [met for signed, met in chain if signed < morning and signed <= now]
        return not (known and known[-1]) and not any(s < morning and s <= now for s in waits)

    expected = [
        (stage, day)
        for stage, day in APRIL
        if date.fromisoformat(day) <= now.date() and unmet(datetime.fromisoformat(day))
    ]
    assert bureau.notices() == expected


# -------------------------------------------------------------------------------------------- what is sent


def test_a_backfill_of_two_years_sends_the_newest_stage_of_what_is_unmet_only(bureau: Bureau) -> None:
    for month in range(1, 25):
        period = f"{2022 + (month - 1) // 12}-{(month - 1) % 12 + 1:02d}"
        if month == 7:
            continue  # never filed
        year, following = (2022 + month // 12, month % 12 + 1)
        bureau.file(f"{year}-{following:02d}-28T10:00:00", period=period)  # always late
    bureau.settle("2024-02-08T12:00:00")
    everything = bureau.rows("SELECT count(*) FROM ledger.notice")[0][0]
    assert everything > 100
    told = [(m.stage.code, [item.period for item in m.items]) for m in unsent(bureau.con)]
    assert told == [("escalation", ["2022-07"]), ("reminder", ["2024-01"])]


def test_one_message_per_insurer_day_and_stage_lists_every_form(bureau: Bureau) -> None:
    bureau.register(institution(A), institution(B, name="乙公司"))
    owing(bureau)
    bureau.file("2024-03-05T10:00:00", period="2024-02", form="F02")
    bureau.file("2024-04-02T10:00:00", reporter=B, form="F02", saved=True, state="rejected")
    bureau.file("2024-04-02T10:00:00", reporter=B, form="F01")
    bureau.settle("2024-04-09T12:00:00")
    march = [m for m in unsent(bureau.con) if m.stage.code == "last_reminder"]
    assert [(m.reporter_code, [(i.form, i.status) for i in m.items]) for m in march] == [
        (A, [("F01", "pending"), ("F02", "pending")]),
        (B, [("F02", "draft")]),
    ]
    assert march[1].reporter_name == "乙公司"


def test_an_old_stage_is_not_sent_when_a_later_one_found_the_obligation_met(bureau: Bureau) -> None:
    owing(bureau)
    bureau.file("2024-04-08T10:00:00")  # after the first reminder's morning
    bureau.file("2024-04-18T10:00:00", sequence=2, kind="WITHDRAW")  # after the last stage's
    bureau.settle("2024-04-19T12:00:00")
    assert [stage for stage, _ in bureau.notices()] == ["reminder"]
    assert bureau.status() == "withdrawn"
    assert unsent(bureau.con) == []


def test_the_message_id_is_stable_and_names_its_content(bureau: Bureau) -> None:
    owing(bureau)
    bureau.settle("2024-04-11T08:00:00")
    [first] = unsent(bureau.con)
    bureau.settle("2024-04-12T08:00:00")
    [again] = unsent(bureau.con)
    assert first.message_id == again.message_id
    assert first.message_id.startswith(f"2024-04-11-missing-{A}-")
    bureau.settle("2024-04-15T08:00:00")
    assert unsent(bureau.con)[0].message_id != first.message_id


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.words += data


def test_the_page_says_what_to_do_and_escapes_what_was_filed(bureau: Bureau) -> None:
    bureau.register(institution(A, name="<b>甲</b>&公司"))
    owing(bureau)
    bureau.settle("2024-04-17T08:00:00")
    [message] = unsent(bureau.con)
    page = _Text()
    page.feed(message.html().decode())
    assert "b" not in page.tags
    assert "<b>甲</b>&公司" in page.words
    for words in (
        "致报送责任人",
        "F01",
        "投诉明细",
        "2024-03",
        "2024-04-10",
        "缺报",
        "立即报送",
        message.message_id,
    ):
        assert words in page.words
    document = json.loads(message.json())
    assert document["to_responsible_officer"] is True
    assert document["obligations"][0]["next_zh"]
    assert message.json() == message.json()
    assert "F01" in message.text()


def test_a_later_day_is_looked_at_without_keeping_it(bureau: Bureau) -> None:
    owing(bureau)
    bureau.settle("2024-03-28T12:00:00")
    before = bureau.rows("SELECT * FROM ledger.obligation ORDER BY ALL")
    with as_of(bureau.con, datetime(2024, 4, 11, 8)):
        [message] = unsent(bureau.con)
        assert (message.stage, message.notice_date) == (STAGES["missing"], date(2024, 4, 11))
    assert bureau.rows("SELECT * FROM ledger.obligation ORDER BY ALL") == before
    assert bureau.rows("SELECT as_of FROM reference.run") == [(datetime(2024, 3, 28, 12),)]
    assert unsent(bureau.con) == []


def test_stages_stand_in_the_order_of_their_days() -> None:
    offsets = [stage.offset for stage in STAGES.values()]
    assert offsets == [-3, -1, 1, 3, 5]
    assert [stage.code for stage in STAGES.values() if stage.to_officer] == ["escalation"]
