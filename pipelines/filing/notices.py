"""Notices: which obligation is to be chased on which day, and what the insurer is told about it.

Belongs here: the stages of chasing, their days on the working-day calendar, `ledger.notice`, and the messages that are
still to be sent. A notice of a day is a fact about that day: the obligation was unmet on its morning. What is sent is
less: the newest stage of each obligation that is still unmet, once.
Does not belong here: how a message reaches somebody (`delivery`), what is owed (`obligations`).
Source: domain book §7: reminder D-3, D-1; missing notice D+1; second D+3; to the responsible officer D+5. We count
working days (decision 0011): a notice is an act of the office.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb
import jinja2

from pipelines.contracts.predicates import macro_sql
from pipelines.filing.obligations import compute_obligations, record_obligations, require_calendar
from pipelines.filing.outbox import folder_of
from pipelines.filing.registry import prepare_registry
from pipelines.filing.states import OBLIGATION_STATES, UNMET


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of chasing: `offset` working days from the due date (before it if negative), and its words."""

    code: str
    offset: int
    label_zh: str
    label_en: str
    sentence_zh: str
    sentence_en: str
    to_officer: bool = False


STAGES: dict[str, Stage] = {
    stage.code: stage
    for stage in (
        Stage(
            "reminder",
            -3,
            "到期提醒",
            "reminder",
            "以下报表将于三个工作日后到期,尚无有效报送,请按期报送。",
            "The forms below are due in three working days and no filing is in force.",
        ),
        Stage(
            "last_reminder",
            -1,
            "到期前最后提醒",
            "last reminder",
            "以下报表将于下一个工作日到期,尚无有效报送,请按期报送。",
            "The forms below are due on the next working day and no filing is in force.",
        ),
        Stage(
            "missing",
            1,
            "缺报通知",
            "notice of missing filing",
            "以下报表已过报送截止日,没有有效报送,请立即报送。缺报不作零处理。",
            "The forms below are past their deadline and no filing is in force; file at once. Missing is not zero.",
        ),
        Stage(
            "second",
            3,
            "二次催报",
            "second notice",
            "以下报表经催报仍无有效报送,请立即报送并说明原因。",
            "The forms below are still not filed after a first notice; file at once and say why.",
        ),
        Stage(
            "escalation",
            5,
            "致报送责任人的催报",
            "notice to the responsible officer",
            "以下报表经两次催报仍无有效报送,现告知报送责任人,请督促立即报送。",
            "The forms below are still not filed after two notices; this goes to the responsible officer.",
            to_officer=True,
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Item:
    """One obligation that a message is about."""

    form: str
    title_zh: str
    title_en: str
    period: str
    due_date: date
    status: str
    last_submission_id: str | None


@dataclass(frozen=True, slots=True)
class Message:
    """A notice to one insurer: everything of one stage and day that it is still to be told.

    `message_id` depends on nothing but the content, so a message sent again after a crash carries the same one.
    """

    reporter_code: str
    reporter_name: str
    stage: Stage
    notice_date: date
    items: tuple[Item, ...]

    @property
    def message_id(self) -> str:
        """Day, stage, insurer and a digest of the obligations named."""
        told = "|".join(f"{item.form}/{item.period}" for item in self.items)
        digest = hashlib.sha256(told.encode()).hexdigest()[:8]
        return f"{self.notice_date}-{self.stage.code}-{folder_of(self.reporter_code)}-{digest}"

    @property
    def subject(self) -> str:
        """One line, Chinese first."""
        return (
            f"[{self.stage.label_zh}] {self.reporter_name} {len(self.items)} 份报表 "
            f"({self.stage.label_en}, {len(self.items)} forms)"
        )

    def document(self) -> dict[str, Any]:
        """The notice as JSON values."""
        return {
            "message_id": self.message_id,
            "reporter_code": self.reporter_code,
            "reporter_name": self.reporter_name,
            "stage": self.stage.code,
            "stage_zh": self.stage.label_zh,
            "stage_en": self.stage.label_en,
            "notice_date": self.notice_date.isoformat(),
            "to_responsible_officer": self.stage.to_officer,
            "sentence_zh": self.stage.sentence_zh,
            "sentence_en": self.stage.sentence_en,
            "obligations": [
                {
                    "form": item.form,
                    "title_zh": item.title_zh,
                    "title_en": item.title_en,
                    "period": item.period,
                    "due_date": item.due_date.isoformat(),
                    "status": item.status,
                    "status_zh": OBLIGATION_STATES[item.status].label_zh,
                    "sentence_zh": OBLIGATION_STATES[item.status].sentence_zh,
                    "sentence_en": OBLIGATION_STATES[item.status].sentence_en,
                    "next_zh": OBLIGATION_STATES[item.status].next_zh,
                    "next_en": OBLIGATION_STATES[item.status].next_en,
                    "last_submission_id": item.last_submission_id,
                }
                for item in self.items
            ],
        }

    def json(self) -> bytes:
        """The document, the same bytes each time."""
        return (json.dumps(self.document(), ensure_ascii=False, indent=1) + "\n").encode()

    def html(self) -> bytes:
        """The document as one page that stands alone."""
        return _page().render(self.document()).encode()

    def text(self) -> str:
        """The document as plain text, for mail."""
        lines = [self.stage.sentence_zh, self.stage.sentence_en, ""]
        for item in self.items:
            state = OBLIGATION_STATES[item.status]
            lines += [
                f"{item.form} {item.title_zh} {item.period} 截止 due {item.due_date}: {state.label_zh} {item.status}",
                f"    {state.next_zh} {state.next_en}",
            ]
        return "\n".join([*lines, "", f"编号 id {self.message_id}", ""])


def record_notices(con: duckdb.DuckDBPyConnection) -> None:
    """Replace `ledger.notice`: one row per obligation and stage whose day has come, if it was unmet on that morning.

    Unmet: no version was in force and none waited for us, as known when the day began. `is_newest` marks the last stage
    whose day has come; an earlier one would tell the insurer what is no longer so. Reads `ledger.obligation`, the temp
    table `met` of `record_obligations` and the macros of `contracts.predicates`.

    Raises:
        CalendarRangeError: the day of a stage lies outside the working-day calendar.
    """
    stages = ", ".join(f"('{stage.code}', {stage.offset})" for stage in STAGES.values())
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE notice_days AS
        SELECT d.due_date, s.stage,
            CASE WHEN s.days > 0 THEN add_working_days(d.due_date, s.days)
                WHEN working_day_no(d.due_date) + s.days > 0 THEN list_extract(
                    getvariable('calendar_working_days'), working_day_no(d.due_date) + s.days) END AS notice_date
        FROM (SELECT DISTINCT due_date FROM ledger.obligation) AS d
        CROSS JOIN (VALUES {stages}) AS s(stage, days)
        """
    )
    require_calendar(
        con, "SELECT concat('notice ', stage), due_date FROM notice_days WHERE notice_date IS NULL"
    )
    con.execute("DELETE FROM ledger.notice")
    con.execute(
        """
        INSERT INTO ledger.notice
        WITH come AS (
            SELECT *, notice_date = max(notice_date) OVER (PARTITION BY due_date) AS is_newest
            FROM notice_days WHERE notice_date <= (SELECT as_of FROM reference.run)::DATE),
        called AS (
            SELECT o.reporter_code, o.form, o.period, o.period_start, o.due_date, d.stage, d.notice_date, d.is_newest
            FROM ledger.obligation AS o JOIN come AS d USING (due_date)),
        -- Joined on equality and filtered: as one anti join over the interval it loops over all pairs.
        in_order AS (
            SELECT DISTINCT c.reporter_code, c.form, c.period, c.notice_date
            FROM called AS c JOIN met AS m USING (reporter_code, form, period)
            WHERE m.since < c.notice_date::TIMESTAMP AND (m.until IS NULL OR m.until >= c.notice_date::TIMESTAMP))
        SELECT c.reporter_code, c.form, c.period, c.stage, c.notice_date, c.due_date, c.is_newest
        FROM called AS c ANTI JOIN in_order USING (reporter_code, form, period, notice_date)
        ORDER BY c.reporter_code, c.form, c.period_start, c.notice_date"""
    )


def unsent(con: duckdb.DuckDBPyConnection) -> list[Message]:
    """Messages to send now: of each obligation that is still unmet the newest stage, unless it was told already."""
    rows = con.execute(
        """
        SELECT n.reporter_code, coalesce(r.alias, r.name, n.reporter_code), n.stage, n.notice_date, n.form, f.title_zh,
            f.title_en, n.period, n.due_date, n.status, n.last_submission_id
        FROM filing.notices AS n
        JOIN reference.forms AS f USING (form)
        LEFT JOIN registry.reporters AS r ON r.org_code = n.reporter_code
        ANTI JOIN ledger.delivery AS d ON d.reporter_code = n.reporter_code AND d.form = n.form
            AND d.period = n.period AND d.stage = n.stage
        WHERE n.is_newest AND n.status IN (SELECT unnest(?))
        ORDER BY n.reporter_code, n.notice_date, n.stage, n.form, n.period""",
        [list(UNMET)],
    ).fetchall()
    return [
        Message(code, name, STAGES[stage], day, tuple(Item(*row[4:]) for row in group))
        for (code, name, stage, day), group in groupby(rows, key=lambda row: row[:4])
    ]


@contextmanager
def as_of(con: duckdb.DuckDBPyConnection, moment: datetime) -> Iterator[None]:
    """Obligations and notices as of a moment after the run's, for reading inside the block; nothing of it is kept.

    A bureau chases by the day, also on days on which nobody has filed. Figures go by the moment of the last run, so
    the later day is looked at inside a transaction that is rolled back.
    """
    for statement in macro_sql("reference.working_days"):
        con.execute(statement)
    con.execute("BEGIN TRANSACTION")
    try:
        con.execute("UPDATE reference.run SET as_of = ?", [moment])
        prepare_registry(con)
        compute_obligations(con)
        record_obligations(con)
        record_notices(con)
        yield
    finally:
        con.execute("ROLLBACK")


@cache
def _page() -> jinja2.Template:
    folder = Path(__file__).with_name("templates")
    return jinja2.Environment(loader=jinja2.FileSystemLoader(folder), autoescape=True).get_template(
        "notice.html.j2"
    )
