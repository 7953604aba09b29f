"""Filings from which the KPIs of the catalogue give what the founding documents print.

Put here: who files, for which months, and rows whose counts are those of a document, or the first that its percentage
allows. They stand in a database shaped like the build database, over which the project's own models are built. Do not
put here: what is expected of a figure (`seed_stories`).

Four documents, three times: the Yiyang office (S0) and Taiping (S2) in 2022 and 2023, Ping An in Xinjiang (S1) in 2020
and 2021, the call-backs of a whole city (S4), whose years are masked, in 2020 and 2021. A form or column that the
project does not have is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import duckdb

from pipelines.contracts.loader import load_catalogue
from tests.unit.models.conftest import ROOT, SUPERVISOR, Row, fill, month_end, source_tables

AS_OF = datetime(2024, 6, 30, 18, 0)

YIYANG = [f"000000000003{number:02d}" for number in range(1, 42)]
"""The 41 insurers of S0, 2022 and 2023."""
CPIC_LIFE, CHINA_LIFE, NEW_CHINA, TAIPING, OTHER_LIFE, PROPERTY = YIYANG[:6]
PING_AN = "00000000000201"
"""S1, 2020 and 2021."""
CITY = "00000000000202"
"""All insurers of S4's city as one, 2020 and 2021."""
BRANCHES = [f"000000000004{number:02d}" for number in range(1, 9)]
"""伊宁 石河子 昌吉 库尔勒 阿克苏 哈密 塔城 博乐: branches of PING_AN."""

EARLY, LATE = date(2019, 1, 1), date(2022, 1, 1)
REPORTERS: list[Row] = [
    *(
        {
            "org_code": code,
            "insurer_class": "P" if code == PROPERTY else "L",
            "peer_group": "财产" if code == PROPERTY else "人身",
            "opened_on": LATE,
        }
        for code in YIYANG
    ),
    *(
        {
            "org_code": code,
            "insurer_class": "L",
            "peer_group": "人身",
            "opened_on": EARLY,
            "closed_on": LATE,
        }
        for code in (PING_AN, CITY)
    ),
]


def complaints() -> Iterator[Row]:
    """F01. S0: 119 in the first half of 2022, 74 a year later, of which the two pilots 4 to 1 and 8 to 1."""

    def some(reporter: str, count: int, received: str, **other: Any) -> Iterator[Row]:
        day = date.fromisoformat(received)
        for number in range(count):
            yield {
                "reporter_code": reporter,
                "complaint_id": f"{reporter[-3:]}-{received}-{other.get('settlement_type', '')}-{number}",
                "received_at": datetime.combine(day, datetime.min.time()) + timedelta(hours=9),
                "source_channel": "REG_12378",
                "line_code": "机动车辆" if reporter == PROPERTY else "分红",
                "sales_channel": "个人代理",
                "insurer_class": "P" if reporter == PROPERTY else "L",
                "reason_l1": "销售纠纷",
                "validity": "有效",
                "matter_count": 1,
                "complexity": "简单",
                "clock_stop_days": 0,
                "due_date": day + timedelta(days=15),
                "decision_date": day + timedelta(days=10),
                "notify_date": day + timedelta(days=11),
                "status": "已办结",
                "outcome": "协商一致",
                "responsible": "无责",
                "settlement_type": "无",
                "escalation": "无",
                "verify_requested": False,
                "filing_period": received[:7],
                **other,
            }

    for reporter, before, after in ((CPIC_LIFE, 4, 1), (CHINA_LIFE, 8, 1), (OTHER_LIFE, 107, 62)):
        yield from some(reporter, before, "2022-03-10")
        yield from some(reporter, after, "2023-03-10")
    yield from some(PROPERTY, 9, "2023-03-10", reason_l1="理赔(给付)纠纷")
    yield from some(PROPERTY, 1, "2023-03-11")
    # S2: 179 of 200 taken by the firm itself, near 90 %; in the second half, which S0 does not count.
    yield from some(TAIPING, 179, "2023-09-05", source_channel="OWN_HOTLINE")
    yield from some(TAIPING, 21, "2023-09-06")
    # S1: 1,032 in 2021, in halves of 618 and 414; 310 accommodated; 29.73 million yuan of differentials.
    accommodated: Row = {"settlement_type": "协议解约", "settlement_amount": 100_000}
    yield from some(PING_AN, 1, "2020-05-12", surrender_diff_amount=10_216_000, **accommodated)
    yield from some(PING_AN, 200, "2021-04-07", surrender_diff_amount=100_000, **accommodated)
    yield from some(PING_AN, 109, "2021-10-12", surrender_diff_amount=89_000, **accommodated)
    yield from some(PING_AN, 1, "2021-10-13", surrender_diff_amount=29_000, **accommodated)
    yield from some(PING_AN, 418, "2021-04-08")
    yield from some(PING_AN, 304, "2021-10-14")


def inquiries() -> Iterator[Row]:
    """F02. S0: of what New China's first responders received in 2023, one matter reached the regulator."""
    for number in range(50):
        yield {
            "reporter_code": NEW_CHINA,
            "inquiry_id": f"sw-{number}",
            "inquiry_at": datetime(2023, 4, 3, 10),
            "first_contact_at": datetime(2023, 4, 3, 11),
            "responder_is_sales": False,
            "is_complaint": False,
            "resolved_at_first": number != 0,
            "pre_resolved": False,
            "escalated_to_regulator_on": date(2023, 4, 20) if number == 0 else None,
            "filing_period": "2023-04",
        }
    # S1: 456 disputes settled before they became complaints.
    for number in range(456):
        yield {
            "reporter_code": PING_AN,
            "inquiry_id": f"qz-{number}",
            "inquiry_at": datetime(2021, 6, 1, 10),
            "first_contact_at": datetime(2021, 6, 1, 11),
            "responder_is_sales": False,
            "is_complaint": False,
            "resolved_at_first": True,
            "pre_resolved": True,
            "filing_period": "2021-06",
        }


def mediations() -> Iterator[Row]:
    """F03. S1: 227 cases of 2021, all accepted and performed; 49 in eight branches that had none before."""
    for number in range(-1, 227):
        applied = date(2021, 7, 1) if number >= 0 else date(2020, 7, 1)
        yield {
            "reporter_code": PING_AN,
            "org_code": BRANCHES[number % 8] if 0 <= number < 49 else PING_AN,
            "mediation_id": f"tj-{number}",
            "mediation_org": "65000000000001",
            "entry_channel": "机构引导",
            "apply_date": applied,
            "org_notified_date": applied + timedelta(days=1),
            "should_mediate": True,
            "org_accepts": True,
            "accept_status": "受理",
            "end_date": applied + timedelta(days=20),
            "result": "成功",
            "agreement_date": applied + timedelta(days=20),
            "fulfil_due_date": applied + timedelta(days=30),
            "fulfil_date": applied + timedelta(days=28),
            "fulfil_status": "已履行",
            "filing_period": applied.isoformat()[:7],
        }


def call_backs() -> Iterator[Row]:
    """F04 of the first year. S4: of 100 policies sold by banks 49 were reached with success, less than a half."""
    for number in range(100):
        yield {
            "reporter_code": CITY,
            "callback_id": f"hf-{number}",
            "callback_type": "新单",
            "product_type": "分红",
            "sales_channel": "银邮代理",
            "must_call": True,
            "cooling_off_end": date(2020, 3, 20),
            "completed_at": datetime(2020, 3, 18, 10) if number < 49 else None,
            "success": number < 49,
            "filing_period": "2020-03",
        }


CALLED, SUCCESSFUL = 370_123, 356_836
"""S4, second year: more than 370,000 new policies, 96.41 % of them with success."""


def problems() -> Iterator[Row]:
    """F05. S4: found on the Friday before the Spring Festival of 2021, each handled and solved on its last day."""
    for number in range(10):
        needs_customer = number < 5
        yield {
            "reporter_code": CITY,
            "problem_id": f"wt-{number}",
            "problem_type": "客户抱怨及投诉",
            "sales_channel": "银邮代理",
            "found_date": date(2021, 2, 5),
            "customer_action": needs_customer,
            "due_date": date(2021, 3, 10) if needs_customer else date(2021, 2, 24),
            "handled_date": date(2021, 3, 10) if needs_customer else date(2021, 2, 24),
            "handle_result": "成功",
            "filing_period": "2021-02",
        }


def governance() -> Iterator[Row]:
    """F11. S0: 13 of 41 have a ledger, 12 rules of their own; S1: 22 liaison officers, 11 posts."""
    for quarter in ("2022Q1", "2022Q2", "2022Q3", "2022Q4", "2023Q1", "2023Q2", "2023Q3", "2023Q4"):
        for place, reporter in enumerate(YIYANG):
            yield {
                "reporter_code": reporter,
                "as_of_date": month_end(quarter),
                "insurer_class": "P" if reporter == PROPERTY else "L",
                "org_level": "地市",
                "fi_rules": place < 12,
                "fi_ledger": place < 13,
                "fi_pilot": place < 3,
                "fi_sales_covered": place < 3,
                "mechanisms_revised": 1 if place < 11 else 0,
                "cp_committee": True,
                "cp_staff": 1500 if reporter == TAIPING else 1,
                "cp_liaison": 1,
                "cp_weight_pct": 5,
                "fi_weight_pct": (10, 60)[place] if place < 2 else 30,
                "own_in_assessment": True,
                "party_branch": place >= 22,
                "head_party_member": place >= 15,
                "filing_period": quarter,
            }
    for quarter in ("2020Q1", "2020Q2", "2020Q3", "2020Q4", "2021Q1", "2021Q2", "2021Q3", "2021Q4"):
        for reporter in (PING_AN, CITY):
            yield {
                "reporter_code": reporter,
                "as_of_date": month_end(quarter),
                "insurer_class": "L",
                "org_level": "省级",
                "fi_rules": False,
                "fi_ledger": False,
                "fi_pilot": False,
                "fi_sales_covered": False,
                "mechanisms_revised": 0,
                "cp_committee": True,
                "cp_staff": 11,
                "cp_liaison": 22,
                "cp_weight_pct": 5,
                "own_in_assessment": True,
                "filing_period": quarter,
            }


def reviews() -> Iterator[Row]:
    """F07. S1: 131 items required, 131 reviewed, 30 opinions, 30 adopted."""
    for number in range(131):
        yield {
            "reporter_code": PING_AN,
            "review_id": f"sc-{number}",
            "item_type": "产品",
            "change_kind": "新增",
            "required_date": date(2021, 5, 20),
            "review_date": date(2021, 5, 18),
            "launch_date": date(2021, 6, 1),
            "opinions": 1 if number < 30 else 0,
            "opinions_adopted": 1 if number < 30 else 0,
            "conclusion": "通过",
            "filing_period": "2021Q2",
        }


def training() -> Iterator[Row]:
    """F08. S1: two courses of the office staff on rosters of other days, four of the sales force at two thirds."""
    courses = [("内勤", 1088, 1088), ("内勤", 1054, 1054), *[("外勤", 300, 200)] * 4]
    for number, (audience, expected, attended) in enumerate(courses):
        yield {
            "reporter_code": PING_AN,
            "course_id": f"kc-{number}",
            "course_name": f"消保课程{number}",
            "audience": audience,
            "session_date": date(2021, 8, 10 + number),
            "roster_date": date(2021, 8, 1 + number),
            "expected": expected,
            "attended": attended,
            "passed": attended,
            "hours": 2,
            "filing_period": "2021Q3",
        }


def clues() -> Iterator[Row]:
    """F09. S0: 11 verified cases, 561,000 yuan surrendered, 168,000 recovered."""
    for number in range(11):
        yield {
            "reporter_code": OTHER_LIFE,
            "clue_id": f"hc-{number}",
            "found_date": date(2023, 2, 6),
            "found_stage": "投诉处理",
            "policy_count": 1,
            "surrender_amount": 51_000,
            "recovered_amount": 15_000 if number else 18_000,
            "reported_on": date(2023, 2, 20),
            "case_filed_on": date(2023, 3, 1),
            "verified_on": date(2023, 5, 9),
            "status": "查实",
            "filing_period": "2023-05",
        }


def sanctions() -> Iterator[Row]:
    """F10. S1: 463 persons for quality, 390 managers."""
    for number in range(463 + 390):
        quality = number < 463
        yield {
            "reporter_code": PING_AN,
            "action_id": f"cf-{number}",
            "agent_code": f"A{number}",
            "person_hash": f"{number:064x}",
            "action_type": "品质处罚" if quality else "管理责任",
            "action_date": date(2021, 9, 15),
            "basis": "品质管理办法",
            "manager_level": None if quality else "经理",
            "filing_period": "2021-09",
        }


def departures() -> Iterator[Row]:
    """F12. S4: every orphan policy called with success before the departure is processed."""
    for number in range(3):
        yield {
            "reporter_code": CITY,
            "departure_id": f"lz-{number}",
            "agent_code": f"B{number}",
            "apply_date": date(2021, 6, 1),
            "effective_date": date(2021, 6, 20),
            "orphan_policies": 10,
            "called": 10,
            "called_ok": 10,
            "reassigned": 10,
            "filing_period": "2021-06",
        }


def screening() -> Iterator[Row]:
    """F13. S1: 88,328 policies screened, 11,970 cleared."""
    yield {
        "reporter_code": PING_AN,
        "batch_id": "pc-1",
        "product_code": "FH01",
        "screened": 88_328,
        "risk_found": 12_426,
        "risk_cleared": 11_970,
        "pre_resolved": 456,
        "filing_period": "2021-06",
    }


def education() -> Iterator[Row]:
    """F15. S2: all of 1,252 counters have an education area."""
    for quarter in ("2023Q1", "2023Q2", "2023Q3", "2023Q4"):
        yield {
            "reporter_code": TAIPING,
            "activity_id": f"xj-{quarter}",
            "activity_form": "网点宣教专区",
            "start_date": month_end(quarter),
            "end_date": month_end(quarter),
            "is_campaign": False,
            "sessions": 1,
            "reach": 1252,
            "sites": 1252,
            "sites_total": 1252,
            "filing_period": quarter,
        }


def surveys() -> Iterator[Row]:
    """F16. S0: 43 of 54 name attitude and speed, the first counts that print as 79.63 %."""
    for choice, chosen in (("A", 43), ("B", 11)):
        yield {
            "reporter_code": OTHER_LIFE,
            "survey_id": "dc-1",
            "surveyed_from": date(2023, 5, 1),
            "surveyed_to": date(2023, 5, 20),
            "question_id": "Q1",
            "topic": "首问服务",
            "question_type": "单选",
            "choice_id": choice,
            "choice_text": "服务态度与处理速度" if choice == "A" else "其他",
            "issued": 80,
            "valid_answers": 54,
            "chosen": chosen,
            "filing_period": "2023Q2",
        }


FILED = {
    "F01": complaints,
    "F02": inquiries,
    "F03": mediations,
    "F04": call_backs,
    "F05": problems,
    "F07": reviews,
    "F08": training,
    "F09": clues,
    "F10": sanctions,
    "F11": governance,
    "F12": departures,
    "F13": screening,
    "F15": education,
    "F16": surveys,
}


def master() -> Iterator[Row]:
    """R03: every institution from its opening on, and the branches of S1's insurer."""
    branches = ({**REPORTERS[-2], "org_code": branch, "parent_code": PING_AN} for branch in BRANCHES)
    for line in (*REPORTERS, *branches):
        yield {
            **line,
            "reporter_code": SUPERVISOR,
            "valid_from": line["opened_on"],
            "filing_period": "2020-01",
        }


def build(con: duckdb.DuckDBPyConnection) -> None:
    """Every source table, and the filings of the founding documents in them, all in time and in force."""
    columns: dict[str, set[str]] = {}
    for schema, table, named in source_tables():
        con.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        con.execute(f"CREATE TABLE {schema}.{table} ({', '.join(f'{n} {t}' for n, t in named)})")
        columns[f"{schema}.{table}"] = {name for name, _ in named}
    con.execute("BEGIN TRANSACTION")
    fill(con, "reference.run", [{"as_of": AS_OF}])
    con.execute(
        "INSERT INTO reference.working_days (day, is_working_day) SELECT day, is_working_day FROM read_csv(?)",
        [str(ROOT / "data" / "calendar" / "working_days.csv")],
    )
    fill(
        con,
        "registry.insurer_types",
        [{"insurer_class": "P", "insurer_type": "property"}, {"insurer_class": "L", "insurer_type": "life"}],
    )
    file(con, "filed.r03", columns["filed.r03"], list(master()))
    owe(con)
    for form, rows in FILED.items():
        table = f"filed.{form.lower()}"
        if table in columns:
            file(con, table, columns[table], list(rows()))
    # The second year's policies: too many to write row by row.
    con.execute(
        """
        INSERT INTO filed.f04 BY NAME
        SELECT ? AS reporter_code, ? AS org_code, 'I' AS record_action, concat('hf2-', i) AS callback_id,
            '新单' AS callback_type, '分红' AS product_type, '个人代理' AS sales_channel, true AS must_call,
            DATE '2021-03-20' AS cooling_off_end, TIMESTAMP '2021-03-18 10:00:00' AS completed_at, i < ? AS success,
            '2021-03' AS filing_period, 202103 AS submission_no, i::UINTEGER AS row_no,
            TIMESTAMP '2021-03-31 00:00:00' AS sys_from
        FROM range(?) AS numbers (i)""",
        [CITY, CITY, SUCCESSFUL, CALLED],
    )
    con.execute("COMMIT")


def file(con: duckdb.DuckDBPyConnection, table: str, known: set[str], rows: list[Row]) -> None:
    """Rows in force since the end of their period; a column that the form does not have is left out."""
    for number, row in enumerate(rows, start=1):
        row.setdefault("org_code", row["reporter_code"])
        row.setdefault("record_action", "I")
        row.setdefault("submission_no", int(row["filing_period"].replace("-", "").replace("Q", "0")))
        row.setdefault("row_no", number)
        row.setdefault("sys_from", datetime.combine(month_end(row["filing_period"]), datetime.min.time()))
    fill(con, table, [{name: cell for name, cell in row.items() if name in known} for row in rows])


def owe(con: duckdb.DuckDBPyConnection) -> None:
    """An obligation met for every form, period and institution that owes it, the supervisor included."""
    months = [f"{year}-{month:02d}" for year in range(2020, 2024) for month in range(1, 13)]
    quarters = [f"{year}Q{quarter}" for year in range(2020, 2024) for quarter in range(1, 5)]
    owed: list[Row] = []
    for form in load_catalogue().forms.values():
        if form.deadline_days is None:
            continue
        for period in months if form.frequency == "monthly" else quarters:
            due = month_end(period) + timedelta(days=form.deadline_days)
            early = month_end(period) < LATE
            who = [SUPERVISOR] if form.side == "supervisor" else [PING_AN, CITY] if early else YIYANG
            for reporter in who:
                is_property = reporter == PROPERTY
                if form.side == "insurer" and ("P" if is_property else "L") not in form.obliged_classes:
                    continue
                owed.append({"form": form.code, "period": period, "reporter_code": reporter, "due_date": due})
    con.execute("CREATE TEMP TABLE owed (form VARCHAR, period VARCHAR, reporter_code VARCHAR, due_date DATE)")
    rows = ", ".join(
        f"('{o['form']}', '{o['period']}', '{o['reporter_code']}', '{o['due_date']}')" for o in owed
    )
    con.execute(f"INSERT INTO owed VALUES {rows}")
    con.execute("""
        INSERT INTO filing.obligations BY NAME SELECT *, 'filed' AS status FROM owed""")
    con.execute("""
        INSERT INTO filing.submissions BY NAME
        SELECT concat_ws('-', form, period, reporter_code, '001') AS submission_id,
            row_number() OVER (ORDER BY form, period, reporter_code)::UINTEGER AS submission_no,
            form, period, reporter_code,
            'ORIGINAL' AS kind, 1 AS sequence_no, 'accepted' AS state, true AS first_pass,
            due_date::TIMESTAMP - INTERVAL 1 DAY AS signed_at, due_date::TIMESTAMP AS sys_from
        FROM owed""")
    con.execute("DROP TABLE owed")
