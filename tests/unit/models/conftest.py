"""A small bureau made by hand, in a DuckDB file shaped like the build database, and the dbt build over it.

Put here: the fixture's insurers, calendar and filed rows, chosen so that every expected KPI can be worked out
on paper; and the one in-process dbt build that the tests of this folder share. Do not put here: expectations
(they stand in the tests), or anything of the sample bureau (`pipelines.samples` has its own answer key).

Tables are created from dbt's own source descriptions: a source that names a wrong column or type fails here.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from . import conduct_rows

ROOT = Path(__file__).resolve().parents[3]
PROJECT = ROOT / "dbt_project"

AS_OF = datetime(2025, 1, 20, 18, 0)
MONTHS = [f"{year}-{month:02d}" for year in (2023, 2024) for month in range(1, 13)]
QUARTERS = [f"{year}Q{quarter}" for year in (2023, 2024) for quarter in range(1, 5)]

SUPERVISOR = "00000000000001"
LIFE_A = "00000000000101"  # takes over LIFE_B
LIFE_B = "00000000000102"  # closed on 2024-06-30, successor LIFE_A
PROPERTY_C = "00000000000103"
HEALTH_D = "00000000000104"  # opened on 2024-04-15
PROPERTY_E = "00000000000105"  # never filed F01 for 2024-08
BRANCH_OF_C = "00000000000203"

#: org_code, class, type, peer group, opened, closed, successor
REPORTERS = [
    (LIFE_A, "L", "life", "人身-大型", date(1999, 1, 1), None, None),
    (LIFE_B, "L", "life", "人身-中小", date(2005, 1, 1), date(2024, 6, 30), LIFE_A),
    (PROPERTY_C, "P", "property", "财产", date(2001, 1, 1), None, None),
    (HEALTH_D, "H", "health", "人身-中小", date(2024, 4, 15), None, None),
    (PROPERTY_E, "P", "property", "财产", date(2003, 1, 1), None, None),
]
FORMS = {"F01": "PLHAM", "F02": "PLHAM", "F03": "PLHAM", "F04": "LHA", "F05": "LHA", "F06": "PLHAM"}
#: Forms asked for from a month on, and of whom.
LATER_FORMS = {"F04S": "LHA", "F12": "LHA", "F13": "LHA"}
LATER_FROM = "2024-11"

MISSING = {("F01", "2024-08", PROPERTY_E), ("F11", "2024Q4", PROPERTY_E)}
MISSING |= {(form, "2023Q1", PROPERTY_E) for form in ("F08", "F15")}
LATE = {("F01", "2024-05", LIFE_A), ("F02", "2024-05", LIFE_A)}
#: First submission rejected, accepted on the second attempt.
SECOND_ATTEMPT = {("F01", "2024-05", LIFE_A)}
#: Accepted in part, with an error, and never corrected.
UNCORRECTED = {("F02", "2024-06", PROPERTY_C)}

Row = dict[str, Any]


def source_tables() -> Iterator[tuple[str, str, list[tuple[str, str]]]]:
    """Schema, table and (column, type) list of every dbt source."""
    for path in sorted((PROJECT / "models").rglob("*__sources.yml")):
        for source in yaml.safe_load(path.read_text(encoding="utf-8"))["sources"]:
            for table in source["tables"]:
                yield source["schema"], table["name"], [(c["name"], c["data_type"]) for c in table["columns"]]


def month_end(period: str) -> date:
    """Last day of a month or quarter label."""
    month = int(period[5:]) * 3 if "Q" in period else int(period[5:7])
    year = int(period[:4]) + month // 12
    return date(year, month % 12 + 1, 1) - timedelta(days=1)


def complaint(reporter: str, number: str, received: str, **other: Any) -> Row:
    """A valid property complaint, decided on the tenth day, filed for the month it was received in."""
    received_at = datetime.fromisoformat(f"{received}T09:30:00")
    defaults: Row = {
        "reporter_code": reporter,
        "complaint_id": number,
        "received_at": received_at,
        "source_channel": "OWN_HOTLINE",
        "line_code": "机动车辆",
        "sales_channel": "个人代理",
        "reason_l1": "理赔(给付)纠纷",
        "validity": "有效",
        "complexity": "简单",
        "clock_stop_days": 0,
        "due_date": received_at.date() + timedelta(days=15),
        "decision_date": received_at.date() + timedelta(days=10),
        "status": "已办结",
        "outcome": "协商一致",
        "filing_period": received[:7],
    }
    return {**defaults, **other}


def complaints() -> list[Row]:
    rows: list[Row] = []

    def some(reporter: str, received: str, count: int, **other: Any) -> None:
        rows.extend(
            complaint(reporter, f"{reporter[-3:]}-{received}-{n}", received, **other) for n in range(count)
        )

    some(LIFE_A, "2023-01-10", 8, line_code="分红")
    some(LIFE_A, "2024-01-10", 1, line_code="分红")
    some(PROPERTY_C, "2024-02-05", 5)  # 5 over a base of 0
    some(PROPERTY_C, "2023-03-05", 5)  # 0 over a base of 5
    some(HEALTH_D, "2024-04-20", 2, line_code="医疗")
    some(HEALTH_D, "2024-05-20", 3, line_code="医疗")
    some(LIFE_A, "2023-07-03", 6, line_code="分红")
    some(LIFE_B, "2023-07-04", 4, line_code="分红")
    some(LIFE_A, "2024-07-03", 5, line_code="分红")
    # Received in the month that was never filed, known from the next month's filing.
    some(PROPERTY_E, "2024-08-15", 1, filing_period="2024-09")
    # Re-classed from 有效 to 不纳入 three months later: the latest state counts.
    rows.append(complaint(LIFE_A, "reclassed", "2024-02-20", line_code="疾病"))
    rows.append(
        complaint(
            LIFE_A, "reclassed", "2024-02-20", line_code="疾病", validity="不纳入", filing_period="2024-05"
        )
    )
    # Deleted by a later filing.
    rows.append(complaint(LIFE_A, "deleted", "2024-02-21"))
    rows.append(complaint(LIFE_A, "deleted", "2024-02-21", record_action="D", filing_period="2024-03"))
    # Of a superseded filing: known once, no longer in force.
    rows.append(complaint(LIFE_A, "superseded", "2024-02-22", sys_to=datetime(2024, 4, 1)))
    # 2024-09, property C: the kinds of CMP-13, CMP-15, CMP-17 and CMP-18.
    some(PROPERTY_C, "2024-09-02", 40, source_channel="REG_WEB", validity="有效")
    rows += [
        complaint(PROPERTY_C, "invalid", "2024-09-03", validity="无效"),
        complaint(PROPERTY_C, "repeat", "2024-09-03", validity="重复"),
        complaint(PROPERTY_C, "pending", "2024-09-03", validity="待定"),
        complaint(PROPERTY_C, "own", "2024-09-03", first_inquiry_id="q-linked"),
        complaint(PROPERTY_C, "own-unlinked", "2024-09-03", first_inquiry_id="q-other"),
        complaint(PROPERTY_C, "late", "2024-09-04", decision_date=date(2024, 9, 24), reason_l1="销售纠纷"),
        complaint(PROPERTY_C, "withdrawn", "2024-09-04", status="撤回", decision_date=None, validity="无效"),
    ]
    # 2024-10, property C against the register; the first number stands on two complaints.
    rows += [
        complaint(
            PROPERTY_C, "ledger-1", "2024-10-08", reg_ref_no="R-both", reg_forward_date=date(2024, 10, 7)
        ),
        complaint(
            PROPERTY_C, "ledger-2", "2024-10-08", reg_ref_no="R-both", reg_forward_date=date(2024, 10, 7)
        ),
        complaint(
            PROPERTY_C, "ledger-3", "2024-10-09", reg_ref_no="R-firm-only", reg_forward_date=date(2024, 10, 8)
        ),
    ]
    # 2024-11, life B's heir. Mediation not offered: closed against the complainant, not simple, not mediated.
    rows += [
        complaint(LIFE_A, "m-offered", "2024-11-01", complexity="复杂", outcome="不支持", line_code="分红"),
        complaint(
            LIFE_A, "m-not-offered", "2024-11-01", complexity="复杂", outcome="不支持", line_code="分红"
        ),
        complaint(LIFE_A, "m-simple", "2024-11-01", complexity="简单", outcome="不支持", line_code="分红"),
    ]
    # 2024-12: one in hand whose limit lies after the run's date, one in hand past its limit.
    in_hand: Row = {"status": "处理中", "decision_date": None, "outcome": None}
    rows += [
        complaint(PROPERTY_E, "open", "2024-12-20", due_date=date(2025, 1, 20), **in_hand),
        complaint(PROPERTY_E, "overdue", "2024-12-20", due_date=date(2024, 12, 31), **in_hand),
        complaint(PROPERTY_E, "closed", "2024-12-20"),
    ]
    # 2024-04, property E: what complaints end in. Decided on 2024-04-20; the run's date is far behind the 30 days.
    ended: Row = {"responsible": "有责", "settlement_type": "无", "escalation": "无", "matter_count": 1}
    rows += [
        complaint(
            PROPERTY_E,
            "out-1",
            "2024-04-10",
            **ended
            | {
                "matter_count": 3,
                "escalation": "越级",
                "settlement_type": "协议解约",
                "surrender_diff_amount": 1_250.5,
                "verify_result": "维持",
                "rectify_close_date": date(2024, 6, 1),
            },
        ),
        complaint(
            PROPERTY_E,
            "out-2",
            "2024-04-10",
            **ended | {"source_channel": "REG_WEB", "outcome": "不支持", "verify_result": "部分变更"},
        ),
        # Escalated and not valid: among those received, not among the escalated valid ones.
        complaint(PROPERTY_E, "out-3", "2024-04-10", **ended | {"validity": "重复", "escalation": "群访"}),
        complaint(PROPERTY_E, "out-4", "2024-04-10", **ended | {"responsible": "无责"}),
        # The year before: 500.00 above cash value.
        complaint(PROPERTY_E, "out-0", "2023-04-10", surrender_diff_amount=500, validity="无效"),
        # Decided on 2024-12-21, 30 days before the run's date: not yet due.
        complaint(PROPERTY_C, "young", "2024-12-11", responsible="有责", rectify_close_date=date(2025, 1, 2)),
        complaint(PROPERTY_C, "due", "2024-12-10", responsible="有责"),
    ]
    return rows


def inquiries() -> list[Row]:
    def inquiry(number: str, asked: str, contact: str | None, **other: Any) -> Row:
        row: Row = {
            "reporter_code": PROPERTY_C,
            "inquiry_id": number,
            "inquiry_at": datetime.fromisoformat(f"{asked}T16:00:00"),
            "first_contact_at": datetime.fromisoformat(f"{contact}T09:00:00") if contact else None,
            "responder_is_sales": False,
            "resolved_at_first": False,
            "filing_period": asked[:7],
        }
        return {**row, **other}

    return [
        # The next working day after Monday 2024-09-30 is 2024-10-08: the National Day week lies between.
        inquiry(
            "q-holiday-in-time", "2024-09-30", "2024-10-08", resolved_at_first=True, responder_is_sales=True
        ),
        inquiry("q-holiday-late", "2024-09-30", "2024-10-09"),
        inquiry("q-never", "2024-09-10", None, escalated_to_regulator_on=date(2024, 9, 20)),
        inquiry("q-linked", "2024-09-03", "2024-09-03", complaint_id="own", pre_resolved=True),
        inquiry("q-other", "2024-09-03", "2024-09-04", complaint_id="somebody-else", pre_resolved=True),
    ]


def mediations() -> list[Row]:
    def mediation(number: str, applied: str, **other: Any) -> Row:
        row: Row = {
            "reporter_code": LIFE_A,
            "mediation_id": number,
            "mediation_org": "00000000000901",
            "apply_date": date.fromisoformat(applied),
            "should_mediate": True,
            "filing_period": applied[:7],
        }
        return {**row, **other}

    paid: Row = {"fulfil_due_date": date(2024, 12, 10), "fulfil_status": "已履行"}
    return [
        mediation(
            "m1",
            "2024-11-20",
            complaint_id="m-offered",
            org_notified_date=date(2024, 11, 21),
            org_accepts=True,
            end_date=date(2024, 11, 29),
            result="成功",
            fulfil_date=date(2024, 12, 10),
            **paid,
        ),
        mediation(
            "m2",
            "2024-11-20",
            org_notified_date=date(2024, 11, 21),
            org_accepts=False,
            end_date=date(2024, 11, 29),
            result="撤回",
            should_mediate=False,
        ),
        mediation(
            "m3",
            "2024-11-20",
            org_notified_date=date(2024, 11, 21),
            org_accepts=True,
            end_date=date(2024, 11, 30),
            result="不成功",
            mediation_org="00000000000902",
            fulfil_date=date(2024, 12, 11),
            **paid,
        ),
    ]


def call_backs() -> list[Row]:
    def call_back(number: str, completed: str | None, success: bool, **other: Any) -> Row:
        row: Row = {
            "reporter_code": LIFE_A,
            "callback_id": number,
            "callback_type": "新单",
            "cooling_off_end": date(2024, 11, 15),
            "product_type": "分红",
            "sales_channel": "银邮代理",
            "must_call": True,
            "completed_at": datetime.fromisoformat(f"{completed}T20:00:00") if completed else None,
            "success": success,
            "filing_period": "2024-11",
        }
        return {**row, **other}

    return [
        call_back("in-time", "2024-11-15", success=True),
        call_back("after-cooling-off", "2024-11-16", success=True),
        call_back("not-clear", "2024-11-10", success=False),
        call_back("not-reached", None, success=False, sales_channel="个人代理"),
        call_back("exempt", None, success=False, must_call=False),
        call_back("orphan", "2024-11-12", success=True, callback_type="孤儿保单"),
        call_back("letter", "2024-12-03", success=True, must_call=False, method="信函",
                  receipt_signed_on=date(2024, 12, 3)),
        call_back("visit", "2024-12-04", success=True, must_call=False, method="会见",
                  receipt_signed_on=date(2024, 12, 4)),
    ]  # fmt: skip


def summaries() -> list[Row]:
    def summed(month: str, kind: str, *counts: int) -> Row:
        names = ("due_count", "done_count", "success_count", "success_in_cooling_off", "receipt_pending")
        cell = {"reporter_code": LIFE_A, "sales_channel": "银邮代理", "callback_type": kind}
        return {**cell, **dict(zip(names, counts, strict=True)), "filing_period": month}

    return [
        summed("2024-11", "新单", 9, 6, 4, 3, 2),
        summed("2024-11", "孤儿保单", 5, 5, 5, 0, 0),
        summed("2024-12", "新单", 1, 1, 1, 1, 2),
        summed("2024-12", "孤儿保单", 1, 0, 0, 0, 1),
    ]


def departures() -> list[Row]:
    def leaving(number: str, effective: str | None, *counts: int, **other: Any) -> Row:
        row = {
            "reporter_code": LIFE_A,
            "departure_id": number,
            "apply_date": date(2024, 11, 4),
            "effective_date": date.fromisoformat(effective) if effective else None,
            "filing_period": "2024-11",
        }
        return {**row, **dict(zip(("orphan_policies", "called", "called_ok"), counts, strict=True)), **other}

    return [
        leaving("whole", "2024-11-20", 4, 4, 4),
        leaving("waived", "2024-11-21", 6, 3, 2),
        leaving("pending", None, 5, 1, 1),
        # As the next month told it.
        leaving("pending", "2024-12-02", 5, 5, 5, filing_period="2024-12"),
    ]


def screenings() -> list[Row]:
    def screened(month: str, *counts: int) -> Row:
        names = ("screened", "risk_found", "risk_cleared", "pre_resolved")
        return {"reporter_code": LIFE_A, **dict(zip(names, counts, strict=True)), "filing_period": month}

    # One batch that goes on: each month tells what it screened anew.
    return [screened("2024-11", 100, 20, 13, 4), screened("2024-12", 60, 10, 9, 1)]


def problems() -> list[Row]:
    def problem(number: str, kind: str, handled: str | None, result: str) -> Row:
        return {
            "reporter_code": LIFE_A,
            "problem_id": number,
            "problem_type": kind,
            "sales_channel": "银邮代理",
            "found_date": date(2024, 11, 11),
            "due_date": date(2024, 11, 25),
            "handled_date": date.fromisoformat(handled) if handled else None,
            "handle_result": result,
            "filing_period": "2024-11",
        }

    return [
        problem("p1", "销售误导", "2024-11-20", "成功"),
        problem("p2", "销售误导", "2024-11-28", "不成功"),
        problem("p3", "其他", None, "处理中"),
    ]


def business() -> list[Row]:
    """Premium of 1 亿元 (life A: 2) and 10,000 policies a month; C refunds more than it takes in June 2024."""
    rows: list[Row] = []
    for reporter, *_, opened, closed, _ in REPORTERS:
        for number, month in enumerate(MONTHS):
            if opened > month_end(month) or (closed and closed <= month_end(month)):
                continue
            premium = 200_000_000 if reporter == LIFE_A else 100_000_000
            if (reporter, month) == (PROPERTY_C, "2024-06"):
                premium = -5
            rows.append(
                {
                    "reporter_code": reporter,
                    "line_code": "机动车辆" if reporter in {PROPERTY_C, PROPERTY_E} else "分红",
                    "sales_channel": "个人代理",
                    "premium": premium,
                    "policies_new": 10_000,
                    "policies_in_force": 100_000 + 1_000 * number,
                    "person_times": 20_000,
                    "filing_period": month,
                }
            )
    return rows


def governance() -> list[Row]:
    return [
        {
            "reporter_code": reporter,
            "as_of_date": month_end(quarter),
            "fi_ledger": reporter == LIFE_A or (reporter == PROPERTY_C and quarter == "2024Q4"),
            "fi_rules": reporter == LIFE_A,
            "fi_sales_covered": False,
            "fi_pilot": reporter == LIFE_A,
            "cp_weight_pct": {LIFE_A: 5, PROPERTY_C: 4.99}.get(reporter),
            "fi_weight_pct": {LIFE_A: 10, PROPERTY_C: 60, HEALTH_D: 0}.get(reporter),
            "filing_period": quarter,
        }
        for quarter in QUARTERS
        for reporter, *_, opened, closed, _ in REPORTERS
        if opened <= month_end(quarter) and not (closed and closed <= month_end(quarter))
        if ("F11", quarter, reporter) not in MISSING
    ]


def register() -> list[Row]:
    def forwarded(number: str, org: str, validity: str) -> Row:
        return {
            "reporter_code": SUPERVISOR,
            "org_code": org,
            "reg_ref_no": number,
            "forwarded_on": date(2024, 10, 7),
            "reg_validity": validity,
            "filing_period": "2024-10",
        }

    return [
        # Received on Monday 2024-09-23: the seventh working day after it is 2024-10-08 (29 September is a make-up
        # Sunday, the National Day week is none). The bureau forwards on the holiday before.
        forwarded("R-both", BRANCH_OF_C, "有效") | {"received_on": date(2024, 9, 23)},
        # Received on Friday 2024-09-20: 30 September was the seventh; no working day later, and too late.
        forwarded("R-register-only", PROPERTY_C, "无效") | {"received_on": date(2024, 9, 20)},
    ]


def master() -> list[Row]:
    """The institution master as filed on 2 January 2023; C has one branch."""
    names = ["org_code", "insurer_class", "type", "peer_group", "opened_on", "closed_on", "successor_code"]
    rows: list[Row] = [dict(zip(names, reporter, strict=True)) for reporter in REPORTERS]
    rows.append({**rows[2], "org_code": BRANCH_OF_C, "parent_code": PROPERTY_C})
    for row in rows:
        del row["type"]
        row |= {"reporter_code": SUPERVISOR, "valid_from": row["opened_on"], "filing_period": "2023-01"}
        row |= {"sys_from": datetime(2023, 1, 2)}
    return rows


def disclosures() -> list[Row]:
    """What property C and life A have printed; C's own-channel share of September 2024 is 3/43 = 6.976744 %."""

    def printed(
        number: str, kpi: str, period: str, value: str, reporter: str = PROPERTY_C, **more: Any
    ) -> Row:
        row: Row = {
            "reporter_code": reporter,
            "disclosure_id": number,
            "kpi_id": kpi,
            "dimension": "total",
            "dimension_value": "total",
            "indicator_period_type": "month",
            "indicator_period": period,
            "printed_value": value,
            "disclosed_on": date(2024, 12, 1),
            "filing_period": "2024-12",
        }
        return {**row, **more}

    return [
        printed("two-decimals", "CMP-15", "2024-09", "6.98"),
        printed("one-decimal", "CMP-15", "2024-09", "7.0"),
        printed("truncated", "CMP-15", "2024-09", "6.9"),
        # 14.3333 over the quarter; rounded twice (14.33, then 14.3) or once gives the same here.
        printed("quarter", "CMP-06", "2024Q3", "14.3", indicator_period_type="quarter"),
        printed("unknown", "XYZ-01", "2024-09", "1"),
        printed("no-window", "CMP-15", "2031-09", "1"),
        printed("no-value", "CMP-03", "2024-09", "1"),
        printed("growth", "CMP-03", "2024-07", "-16.667", reporter=LIFE_A),
    ]


def evaluations() -> list[Row]:
    """Life A: all six elements of 2023. Property C lacks one, so it has no total."""
    scores = {"体制建设": 90, "机制与运行": 80.5, "操作与服务": 70, "教育宣传": 100, "纠纷化解": 60.25}
    rows: list[Row] = []
    for insurer in (LIFE_A, PROPERTY_C):
        shared: Row = {
            "reporter_code": SUPERVISOR,
            "org_code": insurer,
            "evaluation_year": 2023,
            "evaluated_on": date(2024, 3, 28),
            "filing_period": "2024-03",
        }
        rows += [shared | {"element": element, "score": score} for element, score in scores.items()]
        rows.append(shared | {"element": "监督检查", "deduction": 2.5})
    return rows[:-1]


def obligations() -> list[Row]:
    def owed(form: str, period: str, reporter: str) -> Row:
        key = (form, period, reporter)
        due = month_end(period) + timedelta(days=12 if "Q" in period else 10)
        status = "missing" if key in MISSING else "late" if key in LATE else "filed"
        return {"form": form, "period": period, "reporter_code": reporter, "due_date": due, "status": status}

    rows = [owed("R01", month, SUPERVISOR) for month in MONTHS]
    rows += [owed("R05", month, SUPERVISOR) for month in conduct_rows.HOTLINE_MONTHS]
    for reporter, insurer_class, *_, opened, closed, _ in REPORTERS:
        for period in [*MONTHS, *QUARTERS]:
            if opened > month_end(period) or (closed and closed <= month_end(period)):
                continue
            forms = (
                ["F11"] if "Q" in period else [f for f, classes in FORMS.items() if insurer_class in classes]
            )
            if "Q" not in period and period >= LATER_FROM:
                forms += [form for form, classes in LATER_FORMS.items() if insurer_class in classes]
            forms += conduct_rows.FORMS_OWED.get(period, [])
            rows += [owed(form, period, reporter) for form in forms]
    return rows


def submissions(owed: list[Row]) -> list[Row]:
    rows: list[Row] = []
    for obligation in owed:
        key = (obligation["form"], obligation["period"], obligation["reporter_code"])
        if key in MISSING:
            continue
        due = datetime.combine(obligation["due_date"], datetime.min.time())
        attempts = 2 if key in SECOND_ATTEMPT else 1
        for attempt in range(1, attempts + 1):
            good = attempt == attempts
            rows.append(
                {
                    "submission_id": "-".join([*key, f"{attempt:03d}"]),
                    "submission_no": len(rows) + 1,
                    "form": key[0],
                    "period": key[1],
                    "reporter_code": key[2],
                    "kind": "ORIGINAL" if attempt == 1 else "RESUBMIT",
                    "sequence_no": attempt,
                    "state": "accepted" if good else "rejected",
                    "first_pass": good and key not in UNCORRECTED,
                    "signed_at": due + timedelta(days=3 if key in LATE and good else -1),
                    "sys_from": due if good else None,
                }
            )
    return rows


def verdicts() -> list[Row]:
    """Verdicts of three rules on four submissions of F01 for May 2024."""
    found = {
        "F01-I01": ("fail", 2, "fail", 3, "pass", 0, "pass", 0),
        "F01-I02": ("fail", 7, "pass", 0, "pass", 0, "not_run", 0),
        "F01-I03": ("pass", 0, "pass", 0, "pass", 0, "pass", 0),
    }
    on = [("F01", "2024-05", LIFE_A, 1), ("F01", "2024-05", LIFE_A, 2), ("F01", "2024-05", LIFE_B, 1),
          ("F01", "2024-05", PROPERTY_C, 1)]  # fmt: skip
    return [
        {
            "submission_id": f"{form}-{period}-{reporter}-{attempt:03d}",
            "form": form,
            "period": period,
            "rule_code": rule,
            "verdict": told[2 * place],
            "findings": told[2 * place + 1],
        }
        for rule, told in found.items()
        for place, (form, period, reporter, attempt) in enumerate(on)
    ]


def rules() -> list[Row]:
    return [
        {"form": "F01", "rule_code": f"F01-I0{n}", "severity": "W" if n == 2 else "E", "text_zh": "规则",
         "text_en": "a rule"}
        for n in (1, 2, 3)
    ]  # fmt: skip


def code_lists() -> list[Row]:
    return [
        {"list": "CL_REASON", "value": "理赔(给付)纠纷", "valid_from": None, "valid_to": None},
        {"list": "CL_REASON", "value": "销售纠纷", "valid_from": date(2024, 8, 15), "valid_to": None},
    ]


def fill(con: duckdb.DuckDBPyConnection, table: str, rows: list[Row]) -> None:
    """Insert dicts of unlike keys; a column that no row names stays NULL."""
    columns = sorted({column for row in rows for column in row})
    marks = ", ".join("?" * len(columns))
    con.executemany(
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})",
        [[row.get(column) for column in columns] for row in rows],
    )


def fill_form(con: duckdb.DuckDBPyConnection, form: str, rows: list[Row]) -> None:
    """Filed rows in force, of submissions numbered by their filing period."""
    for number, row in enumerate(rows, start=1):
        row.setdefault("org_code", row["reporter_code"])
        row.setdefault("record_action", "I")
        row.setdefault("submission_no", int(row["filing_period"].replace("-", "").replace("Q", "0")))
        row.setdefault("row_no", number)
        row.setdefault("sys_from", datetime.combine(month_end(row["filing_period"]), datetime.min.time()))
    fill(con, f"filed.{form.lower()}", rows)


def build_sources(con: duckdb.DuckDBPyConnection) -> None:
    """Every source table, and the small bureau in them."""
    for schema, table, columns in source_tables():
        con.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        con.execute(f"CREATE TABLE {schema}.{table} ({', '.join(f'{n} {t}' for n, t in columns)})")
    con.execute("BEGIN TRANSACTION")
    fill(con, "reference.run", [{"as_of": AS_OF}])
    con.execute(
        "INSERT INTO reference.working_days (day, is_working_day)"
        " SELECT day, is_working_day FROM read_csv(?)",
        [str(ROOT / "data" / "calendar" / "working_days.csv")],
    )
    fill(con, "reference.code_lists", code_lists())
    types = {row[1]: row[2] for row in REPORTERS}
    pairs = [{"insurer_class": letter, "insurer_type": word} for letter, word in types.items()]
    fill(con, "registry.insurer_types", pairs)
    owed = obligations()
    fill(con, "filing.obligations", owed)
    fill(con, "filing.submissions", submissions(owed))
    fill(con, "filing.verdicts", verdicts())
    fill(con, "reference.rules", rules())
    filed = {
        "F01": complaints(),
        "F02": inquiries(),
        "F03": mediations(),
        "F04": [*call_backs(), *conduct_rows.sales()],
        "F04S": summaries(),
        "F05": problems(),
        "F06": business(),
        "F11": governance(),
        "F12": [*departures(), *conduct_rows.departures()],
        "F13": screenings(),
        "R01": register(),
        "R03": master(),
        **conduct_rows.filed(),
        "F17": disclosures(),
        "R08": evaluations(),
    }
    for form, rows in filed.items():
        fill_form(con, form, rows)
    con.execute("COMMIT")


@dataclass(frozen=True)
class Dbt:
    """dbt over one build database, in this process."""

    warehouse: Path
    scratch: Path

    def invoke(self, *arguments: str) -> Any:
        """Run dbt and let go of the database: dbt-duckdb would keep its lock for the life of the process."""
        from dbt.adapters.duckdb.connections import DuckDBConnectionManager
        from dbt.cli.main import dbtRunner

        os.environ["XIAOBAO_WAREHOUSE"] = str(self.warehouse)
        folders = ["--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)]
        folders += ["--target-path", str(self.scratch / "target"), "--log-path", str(self.scratch / "logs")]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # dbt's own deprecations are not this project's
                return dbtRunner().invoke([*arguments, *folders, "--quiet", "--no-use-colors"])
        finally:
            DuckDBConnectionManager.close_all_connections()
            del os.environ["XIAOBAO_WAREHOUSE"]

    def query(self, sql: str, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
        """Rows of a query on the built database."""
        with duckdb.connect(str(self.warehouse)) as con:
            return con.execute(sql, parameters or []).fetchall()


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Dbt:
    """The small bureau, built once by `dbt build` with every data test."""
    scratch = tmp_path_factory.mktemp("dbt")
    dbt = Dbt(warehouse=scratch / "warehouse.duckdb", scratch=scratch)
    with duckdb.connect(str(dbt.warehouse)) as con:
        build_sources(con)
    result = dbt.invoke("build", "--exclude-resource-type", "unit_test")
    assert result.success, [
        f"{r.node.name}: {r.message}" for r in result.result if r.status not in {"success", "pass"}
    ]
    return dbt
