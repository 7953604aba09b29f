"""Each row rule, filed through the real path, is found in its row and column and nowhere else."""

from __future__ import annotations

import pytest

from pipelines.contracts.loader import load_catalogue
from tests.support.desk import BRANCH, OTHER, REPORTER, SUPERVISOR, Desk, example, row

FORMS = [code for code, form in load_catalogue().forms.items() if form.side == "insurer"]


@pytest.mark.parametrize("code", FORMS)
def test_failing_example_of_each_row_rule_gives_that_finding_alone(desk: Desk, code: str) -> None:
    form = load_catalogue().forms[code]
    insurer = REPORTER
    period = "2024Q1" if form.frequency == "quarterly" else "2024-03"
    rules = {rule.code: rule for rule in form.rules if rule.kind == "row"}
    fixed = {"reporter_code": insurer, "org_code": BRANCH, "period": period}
    sound = [row(code, n, **fixed) for n in range(100, 340)]
    if code in ("F04S", "F06", "F11"):
        sound = [row(code, **fixed)]
    broken = [
        row(code, n, **{**example(code)["rules"][rule]["fail"], **fixed})
        for n, rule in enumerate(rules, start=1)
    ]
    if code in ("F04S", "F06"):
        # Keys of F04S, F06 and F11 are not free text: one broken row a file would do, here channels differ.
        channels = load_catalogue().code_list("CL_CHN").values()
        broken = [line | {"sales_channel": channels[n + 1]} for n, line in enumerate(broken)]
    if code == "F11":
        broken = [line | {"as_of_date": f"2024-03-{n + 10}"} for n, line in enumerate(broken)]
    submission = desk.file(code, sound + broken, period=period, reporter=insurer)
    desk.run()
    own = {(rule, line, column) for rule, line, column in desk.findings(submission) if rule in rules}
    needed = {(rule, len(sound) + n + 1, rules[rule].blamed_column) for n, rule in enumerate(rules, start=1)}
    assert own == needed


def test_general_rules_fire_in_their_cell(desk: Desk) -> None:
    fixed = {"reporter_code": REPORTER, "org_code": BRANCH}
    rows = [row("F01", n, **fixed) for n in range(1, 221)]
    rows[0] |= {"complainant_type": "路人"}  # code list
    rows[1] |= {"matter_count": "0"}  # below its minimum
    rows[2] |= {"age_band": ""}  # required
    rows[3] |= {"received_at": "2030-01-01 00:00:00"}  # future
    rows[4] |= {"demand_amount": "12.345"}  # a third decimal
    rows[5] |= {"product_code": "电话13812345678"}  # clear personal data
    rows[6] |= {"complaint_id": "F01-8"}  # key twice, with row 7
    rows[8] |= {"org_code": OTHER}  # belongs to another insurer
    rows[9] |= {"matter_count": "１"}  # full-width digit, repaired
    submission = desk.file("F01", rows)
    desk.run()
    found = {f for f in desk.findings(submission) if f[0].startswith("GEN-")}
    assert found >= {
        ("GEN-I01", 2, "complainant_type"),
        ("GEN-I01", 3, "matter_count"),
        ("GEN-I01", 4, "age_band"),
        ("GEN-I02", 5, "received_at"),
        ("GEN-I03", 6, "demand_amount"),
        ("GEN-I04", 7, "product_code"),
        ("GEN-U01", 8, "complaint_id"),
        ("GEN-U01", 9, "complaint_id"),
        ("GEN-U02", 10, "org_code"),
        ("GEN-I05", 11, "matter_count"),
    }
    assert {f[:2] for f in found} == {
        ("GEN-I01", 2), ("GEN-I01", 3), ("GEN-I01", 4), ("GEN-I02", 5), ("GEN-I03", 6), ("GEN-I04", 7),
        ("GEN-U01", 8), ("GEN-U01", 9), ("GEN-U02", 10), ("GEN-I05", 11),
    }  # fmt: skip
    [shown] = desk.ask("SELECT value FROM filing.findings WHERE rule_code = 'GEN-I04'")
    assert "138" not in shown["value"]
    kept = desk.ask("SELECT product_code FROM quarantine.f01 WHERE row_no = 7")
    assert "138" not in kept[0]["product_code"]


def test_supervisor_register_late_forwarding_is_told(desk: Desk) -> None:
    fail = example("R01")["rules"]["R01-I01"]["fail"]
    rows = [row("R01", 1, org_code=REPORTER), row("R01", 2, org_code=REPORTER, **fail)]
    submission = desk.file("R01", rows, reporter=SUPERVISOR)
    desk.run()
    assert ("R01-I01", 3, "forwarded_on") in desk.findings(submission)
    assert desk.state(submission) == "accepted"
