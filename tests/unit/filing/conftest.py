"""A build database with hand-made obligations: an institution master, a few files, the real calendar and contracts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import duckdb
import pytest

from pipelines.contracts.loader import load_catalogue
from pipelines.contracts.predicates import macro_sql
from pipelines.contracts.working_days import default_calendar_path
from pipelines.filing.notices import record_notices
from pipelines.filing.obligations import compute_obligations, record_obligations
from pipelines.warehouse.schema import prepare

A, B, C = "00000000000101", "00000000000102", "00000000000103"

Line = dict[str, Any]


def institution(code: str, insurer_class: str = "P", **changes: Any) -> Line:
    """A line of the institution master."""
    return {
        "org_code": code,
        "parent_code": None,
        "insurer_class": insurer_class,
        "opened_on": date(2015, 1, 1),
        "closed_on": None,
        "successor_code": None,
        "valid_from": date(2015, 1, 1),
        "valid_to": None,
    } | changes


class Bureau:
    """The tables that obligations are computed from, filled by hand."""

    def __init__(self, calendar_ends: str = "9999-12-31") -> None:
        self.con = duckdb.connect()
        prepare(self.con, load_catalogue(), default_calendar_path())
        self.con.execute("DELETE FROM reference.working_days WHERE day > ?::DATE", [calendar_ends])
        for statement in macro_sql("reference.working_days"):
            self.con.execute(statement)
        self._number = 0

    def clear(self) -> None:
        """Nothing has been filed, A is the one insurer."""
        for table in (
            "parcel",
            "standing",
            "obligation",
            "obligation_event",
            "notice",
            "delivery",
            "undelivered",
        ):
            self.con.execute(f"DELETE FROM ledger.{table}")
        self._number = 0
        self.register(institution(A))

    def register(self, *lines: Line) -> None:
        """Make these lines the institution master (in place of filed R03 rows)."""
        self.con.execute("CREATE OR REPLACE TABLE master (org_code VARCHAR, parent_code VARCHAR, name VARCHAR, "
                         "alias VARCHAR, insurer_class VARCHAR, peer_group VARCHAR, opened_on DATE, closed_on DATE, "
                         "successor_code VARCHAR, valid_from DATE, valid_to DATE)")  # fmt: skip
        for line in lines:
            names = ", ".join(line)
            self.con.execute(
                f"INSERT INTO master ({names}) VALUES ({', '.join('?' * len(line))})", list(line.values())
            )
        self.con.execute(
            "CREATE OR REPLACE VIEW filed.r03 AS SELECT *, NULL AS legal_code, NULL AS region_code, "
            "'2024-01' AS filing_period, NULL::TIMESTAMP AS sys_to FROM master"
        )
        from pipelines.filing.registry import prepare_registry

        prepare_registry(self.con)

    def file(
        self,
        signed: str | datetime,
        *,
        form: str = "F01",
        period: str = "2024-03",
        reporter: str = A,
        sequence: int = 1,
        kind: str = "ORIGINAL",
        state: str | None = "accepted",
        saved: bool = False,
    ) -> str:
        """A file and what became of it (`state` None: it waits for us)."""
        self._number += 1
        at = datetime.fromisoformat(signed) if isinstance(signed, str) else signed
        submission = f"{form}-{period}-{reporter}-{sequence}-{self._number}"
        start = f"{period}-01" if "-" in period else f"{period[:4]}-{int(period[5]) * 3 - 2:02d}-01"
        months = 1 if "-" in period else 3
        self.con.execute(
            "INSERT INTO ledger.parcel (submission_no, content_key, submission_id, form, reporter_code, period, "
            "period_start, period_end, kind, sequence_no, declared_state, signed_at, on_cover, sha256, byte_size, "
            "source_name, archive_path) VALUES (?, ?, ?, ?, ?, ?, ?::DATE, (?::DATE + to_months(?) - INTERVAL 1 "
            "DAY)::DATE, ?, ?, ?, ?, false, '', 0, '', '')",
            [self._number, submission, submission, form, reporter, period, start, start, months, kind, sequence,
             "SAVED" if saved else "SUBMITTED", at],
        )  # fmt: skip
        if state is not None:
            accepted = state in ("accepted", "partly_accepted")
            self.con.execute(
                "INSERT INTO ledger.standing (submission_no, state, readable, rows_read, rows_accepted, "
                "rows_quarantined, rows_rejected, error_count, warning_count, first_pass, sys_from, ruleset_version) "
                "VALUES (?, ?, true, 0, 0, 0, 0, 0, 0, ?, ?, '')",
                [self._number, state, accepted, at if accepted else None],
            )
        return submission

    def settle(self, moment: str) -> None:
        """Chain the versions as settlement does, then obligations and notices as of a moment."""
        self.con.execute("DELETE FROM reference.run")
        self.con.execute("INSERT INTO reference.run VALUES (?)", [datetime.fromisoformat(moment)])
        self.con.execute(
            """
            UPDATE ledger.standing AS s SET sys_to = l.until FROM (
                SELECT s.submission_no, greatest(lead(s.sys_from) OVER (
                    PARTITION BY form, period, reporter_code ORDER BY sequence_no), s.sys_from) AS until,
                    lead(s.sys_from) OVER (PARTITION BY form, period, reporter_code ORDER BY sequence_no) AS next
                FROM ledger.standing AS s JOIN ledger.parcel USING (submission_no)
                WHERE s.sys_from IS NOT NULL AND signed_at <= (SELECT as_of FROM reference.run)) AS l
            WHERE l.submission_no = s.submission_no AND l.next IS NOT NULL"""
        )
        compute_obligations(self.con)
        record_obligations(self.con)
        record_notices(self.con)

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        return self.con.execute(sql, list(values)).fetchall()

    def owed(self, form: str = "F01") -> list[tuple[str, str]]:
        """(period, reporter) of what is owed of a form."""
        return self.rows(
            "SELECT period, reporter_code FROM ledger.obligation WHERE form = ? ORDER BY ALL", form
        )

    def status(self, period: str = "2024-03", reporter: str = A, form: str = "F01") -> str:
        """Status of one obligation."""
        [(found,)] = self.rows(
            "SELECT status FROM ledger.obligation WHERE form = ? AND period = ? AND reporter_code = ?",
            form,
            period,
            reporter,
        )
        return str(found)

    def notices(self, period: str = "2024-03", reporter: str = A, form: str = "F01") -> list[tuple[str, str]]:
        """(stage, day) of the notices of one obligation, by day."""
        return [
            (stage, str(day))
            for stage, day in self.rows(
                "SELECT stage, notice_date FROM ledger.notice WHERE form = ? AND period = ? AND reporter_code = ? "
                "ORDER BY notice_date",
                form,
                period,
                reporter,
            )
        ]


@pytest.fixture(scope="session")
def _prepared() -> Iterator[Bureau]:
    """One build database for all tests: preparing it takes longer than any of them."""
    made = Bureau()
    yield made
    made.con.close()


@pytest.fixture
def bureau(_prepared: Bureau) -> Bureau:
    """A bureau with one property insurer, A, and nothing filed."""
    _prepared.clear()
    return _prepared
