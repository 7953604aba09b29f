"""An urgent clue (F09) reaches the bureau before its month is over, and the monthly filing completes it."""

from __future__ import annotations

from tests.support.desk import BRANCH, REPORTER, Desk, row


def clue(number: int, found: str, **changes: str) -> dict[str, str]:
    open_: dict[str, str] = {
        "reported_on": "",
        "case_filed_on": "",
        "verified_on": "",
        "recovered_amount": "",
    }
    dates = {"period": "2024-04", "found_date": found, "updated_at": f"{found} 18:00:00", "status": "初筛"}
    return row("F09", number, reporter_code=REPORTER, org_code=BRANCH, **open_ | dates | changes)


def test_a_clue_of_the_running_month_counts_at_once_and_is_completed_by_a_correction(desk: Desk) -> None:
    first = desk.file("F09", [clue(1, "2024-04-09")], period="2024-04", signed_at="2024-04-09T20:00:00")
    desk.run()
    assert desk.state(first) == "accepted"
    assert [found["clue_id"] for found in desk.ask("SELECT clue_id FROM filed.f09 WHERE sys_to IS NULL")] == [
        "F09-1"
    ]
    rest = desk.file(
        "F09",
        [clue(1, "2024-04-09", status="移送", reported_on="2024-04-20", record_action="U"),
         clue(2, "2024-04-25", record_action="I")],
        period="2024-04", sequence=2, kind="CORRECTION", signed_at="2024-05-08T10:00:00",
    )  # fmt: skip
    desk.run()
    assert desk.state(rest) == "accepted"
    kept = desk.ask("SELECT clue_id, status FROM filed.f09 WHERE sys_to IS NULL ORDER BY 1")
    assert [(found["clue_id"], found["status"]) for found in kept] == [("F09-1", "移送"), ("F09-2", "初筛")]
    [owed] = desk.ask(
        "SELECT status FROM filing.obligations WHERE form = 'F09' AND period = '2024-04' AND reporter_code = ?",
        REPORTER,
    )
    assert owed["status"] == "filed"
