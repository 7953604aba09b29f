"""Each state and each event of a submission, reached by a real file through the real steps.

One bureau lives through a story in which everything happens; the tables below name the file that shows it. A state or
event that is added to the vocabulary without a place in the story fails here.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from itertools import pairwise

import pytest

from pipelines.contracts.loader import load_catalogue
from pipelines.filing.states import EVENTS, STATES, TRANSITIONS
from pipelines.orchestration import steps
from pipelines.settings import Settings
from pipelines.validation import read_ahead
from tests.end_to_end.test_lifecycle import ENVELOPE_CASES
from tests.support.desk import BRANCH, REPORTER, Desk, row

#: Which file of the story ends in a state.
SHOWS_STATE = {
    "received": "not read yet",
    "malformed": "nothing in it",
    "rejected": "mostly wrong",
    "partly_accepted": "one row wrong",
    "accepted": "sound",
    "superseded": "first version",
    "withdrawn": "taken back",
    "quarantined": "unlucky",
}
#: Which file of the story an event happened to.
SHOWS_EVENT = {
    "receive": "sound",
    "fail": "unlucky",
    "retry": "unlucky once",
    "set_aside": "second version",
    "find_malformed": "nothing in it",
    "refuse": "mostly wrong",
    "accept_in_part": "one row wrong",
    "accept": "sound",
    "supersede": "first version",
    "withdraw": "taken back",
}
ASKED_MOMENT = dt.datetime(2024, 4, 5, 12)


@dataclass(frozen=True)
class Story:
    """The desk after everything has happened, and the submission ids of its files."""

    desk: Desk
    files: dict[str, str]

    def log(self, name: str) -> list[tuple[str, str]]:
        """Events of a file with the state each led to."""
        found = self.desk.ask(
            "SELECT event, state FROM filing.events WHERE submission_id = ? ORDER BY event_no",
            self.files[name],
        )
        return [(line["event"], line["state"]) for line in found]


def cases(count: int, period: str, wrong: int = 0) -> list[dict[str, str]]:
    """Problem cases of a month, the first of them with an unknown result."""
    filed = {
        "period": period,
        "updated_at": f"{period}-28 09:00:00",
        "reporter_code": REPORTER,
        "org_code": BRANCH,
    }
    return [
        row("F05", int(period.replace("-", "")) * 100 + n, **filed)
        | ({"handle_result": "不知"} if n < wrong else {})
        for n in range(count)
    ]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    folder = tmp_path_factory.mktemp("story")
    desk = Desk(
        Settings(home=folder / "home", inbox=(folder / "inbox").as_uri(), threads=2, lock_wait_seconds=1)
    )
    desk.register()
    files = {
        "sound": file(desk, "2023-05", 3),
        "nothing in it": desk.file("F02", [], data=b"", kind="ORIGINAL", row_count=1),
        "mostly wrong": file(desk, "2023-06", 10, wrong=9),
        "one row wrong": file(desk, "2023-07", 40, wrong=1),
        "first version": file(desk, "2023-08", 3),
        "second version": file(desk, "2023-08", 2, sequence=2),
        "taken back": file(desk, "2023-09", 3),
        "withdrawal": desk.file("F05", [], period="2023-09", sequence=2, kind="WITHDRAW"),
        "unlucky": file(desk, "2024-03", 3),
        "unlucky once": file(desk, "2023-11", 3),
    }
    read = read_ahead.read_parcel

    def broken(form: object, data: bytes, **facts: object) -> object:
        if b"F05-202403" in data or b"F05-202311" in data:
            raise ZeroDivisionError("a defect of our own")
        return read(form, data, **facts)  # type: ignore[arg-type] # handed on as it came

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(read_ahead, "read_parcel", broken)
        desk.run()
    steps.retry(desk.settings, [files["unlucky once"]])
    desk.run()
    steps.settle(desk.settings.model_copy(update={"as_of": ASKED_MOMENT}))
    steps.settle(desk.settings)
    files["not read yet"] = file(desk, "2023-12", 3)
    steps.pull(desk.settings)
    return Story(desk, files)


def file(desk: Desk, period: str, count: int, *, wrong: int = 0, sequence: int = 1) -> str:
    return desk.file("F05", cases(count, period, wrong), period=period, sequence=sequence)


@pytest.mark.parametrize("state", STATES)
def test_each_state_is_reached_and_told(story: Story, state: str) -> None:
    submission = story.files[SHOWS_STATE[state]]
    assert story.desk.state(submission) == state
    told = STATES[state]
    for text in (told.label_zh, told.sentence_zh, told.sentence_en, told.next_zh, told.next_en):
        assert text.strip()
    if state not in ("received", "quarantined"):
        [receipt] = (story.desk.settings.outbox_dir / REPORTER).rglob(f"{submission}*.json")
        assert told.sentence_zh in receipt.read_text(encoding="utf-8")


@pytest.mark.parametrize("event", EVENTS)
def test_each_event_happens_and_leads_where_the_table_says(story: Story, event: str) -> None:
    log = story.log(SHOWS_EVENT[event])
    assert event in [name for name, _ in log]
    assert log[0] == ("receive", "received")
    for (_, before), (name, after) in pairwise(log):
        assert TRANSITIONS[before, name] == after


def test_the_story_has_a_place_for_the_whole_vocabulary() -> None:
    assert set(SHOWS_STATE) == set(STATES)
    assert set(SHOWS_EVENT) == set(EVENTS)


def test_our_own_failure_is_never_told_as_the_filers(story: Story) -> None:
    assert story.desk.findings(story.files["unlucky"]) == []
    assert story.log("unlucky once") == [
        ("receive", "received"), ("fail", "quarantined"), ("retry", "received"), ("accept", "accepted"),
    ]  # fmt: skip


def test_each_envelope_rule_has_a_case() -> None:
    rules = {rule.code for rule in load_catalogue().common_rules if rule.code.startswith("ENV-")}
    assert {rule for rule, _, _ in ENVELOPE_CASES} == rules


def test_a_file_says_no_more_and_no_less_than_its_kind(desk: Desk) -> None:
    """ENV-S05: what holds rows holds some, a nil report and a withdrawal hold none."""
    first = file(desk, "2024-03", 3)
    wrong = [
        desk.file("F05", cases(2, "2024-03"), period="2024-03", sequence=2, kind="WITHDRAW"),
        desk.file("F05", [], period="2024-03", sequence=3, kind="CORRECTION", supersedes=first),
        desk.file("F05", [], period="2024-03", sequence=4, kind="RESUBMIT", supersedes=first),
        desk.file("F05", cases(2, "2024-03"), period="2024-03", sequence=5, kind="NIL", supersedes=first),
        desk.file("F05", [], period="2024-02", signed_at="2024-03-05T10:00:00", kind="ORIGINAL"),
    ]
    desk.run()
    assert [desk.findings(one) for one in wrong] == [[("ENV-S05", None, None)]] * len(wrong)
    assert {desk.state(one) for one in wrong} == {"rejected"}
    assert desk.state(first) == "accepted"
