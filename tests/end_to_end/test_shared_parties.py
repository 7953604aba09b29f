"""A rule that compares reporters (F09-U01): the later of two filings is told, whichever arrives first."""

from __future__ import annotations

import pytest

from tests.support.desk import BRANCH, OTHER, REPORTER, Desk, row

EARLY, LATE = "2024-04-03T10:00:00", "2024-04-05T10:00:00"


def clue(desk: Desk, reporter: str, signed_at: str) -> str:
    branch = BRANCH if reporter == REPORTER else reporter
    rows = [row("F09", 1, reporter_code=reporter, org_code=branch, party_hash="5" * 64)]
    return desk.file("F09", rows, reporter=reporter, signed_at=signed_at)


def told(desk: Desk, submission: str) -> bool:
    return ("F09-U01", 2, "party_hash") in desk.findings(submission)


@pytest.mark.parametrize("early_first", [True, False])
def test_the_later_of_two_insurers_is_told(desk: Desk, *, early_first: bool) -> None:
    filings = [(REPORTER, EARLY), (OTHER, LATE)]
    found = {}
    for reporter, signed_at in filings if early_first else reversed(filings):
        found[reporter] = clue(desk, reporter, signed_at)
        desk.run()
    assert not told(desk, found[REPORTER])
    assert told(desk, found[OTHER])
    [shown] = desk.ask("SELECT value, expected FROM filing.findings WHERE rule_code = 'F09-U01'")
    # How many others, and neither who nor which party.
    assert shown["expected"] == "1"
    assert "5" * 64 not in shown["value"]


def test_one_insurer_alone_is_told_nothing(desk: Desk) -> None:
    first = clue(desk, REPORTER, EARLY)
    desk.run()
    assert not told(desk, first)
