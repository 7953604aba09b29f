"""What a follow-up changes, from real files to the public tables."""

from __future__ import annotations

from tests.support.desk import BRANCH, REPORTER, Desk, row

FIXED = {"reporter_code": REPORTER, "org_code": BRANCH}


def cases(*numbers: int, **changes: str) -> list[dict[str, str]]:
    return [row("F05", number, **{**FIXED, **changes}) for number in numbers]


def counts(desk: Desk, submission: str) -> tuple[object, ...]:
    [found] = desk.ask(
        "SELECT rows_added, rows_removed, rows_changed, rows_unchanged, in_effect, against_submission_id "
        "FROM filing.differences WHERE submission_id = ?", submission
    )  # fmt: skip
    return tuple(found.values())


def test_each_kind_of_follow_up_tells_what_it_changes(desk: Desk) -> None:
    first = desk.file("F05", cases(1, 2, 3, 4))
    delta = [
        row("F05", 2, **FIXED, record_action="U", agent_code="A2"),
        row("F05", 3, **FIXED, record_action="D"),
        row("F05", 9, **FIXED),
    ]
    correction = desk.file("F05", delta, sequence=2, kind="CORRECTION")
    again = desk.file("F05", cases(1, 4, 9), sequence=3)
    nil = desk.file("F05", [], sequence=4, kind="NIL")
    withdrawal = desk.file("F05", [], sequence=5, kind="WITHDRAW")
    desk.run()
    assert counts(desk, correction) == (1, 1, 1, 2, True, first)
    assert counts(desk, again) == (0, 1, 0, 3, True, correction)
    assert counts(desk, nil) == (0, 3, 0, 0, True, again)
    assert counts(desk, withdrawal) == (0, 0, 0, 0, True, nil)
    cells = desk.ask(
        "SELECT change, record_key, row_no, old_row_no, old_filed_in, column_name, new_value "
        "FROM filing.changed_cells WHERE submission_id = ? ORDER BY change", correction
    )  # fmt: skip
    assert [tuple(cell.values()) for cell in cells] == [
        ("added", "F05-9", 4, None, None, None, None),
        ("changed", "F05-2", 2, 3, first, "agent_code", "A2"),
        ("removed", "F05-3", None, 4, first, None, None),
    ]
    [gone] = desk.ask(
        "SELECT record_key, old_row_no, old_filed_in FROM filing.changed_cells WHERE submission_id = ?", again
    )
    assert tuple(gone.values()) == ("F05-2", 2, correction)
    history = desk.ask(
        "SELECT version_no, versions, replaced_submission_id FROM filing.submissions_history "
        "WHERE form = 'F05' ORDER BY version_no"
    )
    assert [tuple(line.values()) for line in history] == [
        (1, 5, None), (2, 5, first), (3, 5, correction), (4, 5, again), (5, 5, nil),
    ]  # fmt: skip
    assert desk.ask("SELECT count(*) AS n FROM filing.submissions_current WHERE form = 'F05'") == [{"n": 0}]


def test_a_refused_resubmission_tells_what_it_would_have_changed(desk: Desk) -> None:
    first = desk.file("F05", cases(1, 2, 3))
    refused = desk.file("F05", cases(1, 2, 3, handle_result="不知"), sequence=2)
    same = desk.file("F05", cases(1, 2, 3), sequence=3, supersedes=first)
    desk.run()
    assert counts(desk, refused) == (0, 0, 3, 0, False, first)
    assert counts(desk, same) == (0, 0, 0, 3, False, first)
    assert [desk.state(one) for one in (first, refused, same)] == ["accepted", "rejected", "rejected"]


def test_personal_values_are_masked_and_still_differ(desk: Desk) -> None:
    sound = [row("F01", number, **FIXED) for number in range(1, 41)]
    desk.file("F01", [sound[0] | {"agent_code": "13812345678"}, *sound[1:]])
    changed = [sound[0] | {"agent_code": "13912345678"}, sound[1] | {"complainant_hash": "3" * 64}]
    second = desk.file("F01", [*changed, *sound[2:]], sequence=2)
    desk.run()
    told = desk.ask(
        "SELECT column_name, old_value, new_value FROM filing.changed_cells WHERE submission_id = ? ORDER BY ALL",
        second,
    )
    assert [tuple(cell.values()) for cell in told] == [
        ("agent_code", "13***(11)", "13***(11)"),
        ("complainant_hash", "22***(64)", "33***(64)"),
    ]


def test_differences_follow_what_was_received_not_when(desk: Desk) -> None:
    third = desk.file("F05", cases(1), sequence=3)
    desk.run()
    assert desk.ask("SELECT * FROM filing.differences") == []
    first = desk.file("F05", cases(1, 2, 3))
    second = desk.file("F05", cases(1, 2), sequence=2)
    desk.run()
    assert counts(desk, second) == (0, 1, 0, 2, True, first)
    assert counts(desk, third) == (0, 1, 0, 1, True, second)
