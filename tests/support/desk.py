"""An insurer's desk for tests: writes filings into an inbox and runs the steps over them.

Base rows come from the contract examples, so every form can be filed with a row that breaks nothing.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from pipelines.contracts.loader import load_catalogue
from pipelines.intake.sources import Source
from pipelines.orchestration import steps
from pipelines.settings import Settings
from pipelines.warehouse.connection import open_warehouse

SUPERVISOR = "00000000000001"
REPORTER = "00012343090000"
BRANCH = "00012343090100"
OTHER = "00045643090000"
EXAMPLES = Path(__file__).parent.parent / "contract" / "examples"


class TextLoader(yaml.SafeLoader):
    """Every scalar is the text that was filed."""


TextLoader.yaml_implicit_resolvers = {"<": [("tag:yaml.org,2002:merge", re.compile(r"^<<$"))]}


@cache
def example(form: str) -> dict[str, Any]:
    """Examples of a form: `base` row and, per rule, texts that keep and break it."""
    with (EXAMPLES / f"{form.lower()}.yaml").open(encoding="utf-8") as file:
        loaded: dict[str, Any] = yaml.load(file, Loader=TextLoader)  # noqa: S506 - a SafeLoader
    return loaded


def row(form: str, number: int = 1, **changes: str) -> dict[str, str]:
    """A valid row of a form with its own id; period and signature fit 2024-03."""
    base = dict(example(form)["base"])
    own_id = load_catalogue().forms[form].key[-1]
    if load_catalogue().forms[form].column(own_id).kind == "text":
        base[own_id] = f"{form}-{number}"
    return base | changes


def csv_text(form: str, rows: Sequence[Mapping[str, str]], header: Sequence[str] | None = None) -> str:
    """CSV with Chinese headers in contract order (or other headers for the same columns)."""
    columns = load_catalogue().forms[form].columns
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(header or [column.title_zh for column in columns])
    writer.writerows([[line.get(column.name, "") for column in columns] for line in rows])
    return out.getvalue()


class Desk:
    """An inbox, the insurers who write to it, and the pipeline that reads it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.inbox = Path(settings.inbox.removeprefix("file://"))
        self.inbox.mkdir(parents=True, exist_ok=True)

    def twin(self, settings: Settings) -> Desk:
        """A desk that has lived through the same: its own copy of the home, in which nothing need be run again.

        Only the address of the inbox differs, so the copy is told that it has seen these files at its own.
        """
        shutil.copytree(self.settings.home, settings.home, dirs_exist_ok=True)
        other = Desk(settings)
        con = open_warehouse(settings.build_database)
        con.execute(
            "UPDATE ledger.sighting SET source = ? WHERE source = ?",
            [Source(settings.inbox).url, Source(self.settings.inbox).url],
        )
        con.close()
        return other

    def register(self, *reporters: tuple[str, str], opened: str = "2015-01-01", **changes: str) -> None:
        """File the institution master: reporters as (code, class); REPORTER has one branch."""
        rows = []
        for code, insurer_class in reporters or ((REPORTER, "L"), (OTHER, "P")):
            rows.append(
                row("R03", org_code=code, parent_code="", legal_code=code, name=f"机构{code[3:6]}", alias="",
                    insurer_class=insurer_class, opened_on=opened, valid_from=opened, closed_on="",
                    successor_code="", valid_to="", period="2024-01", reporter_code=SUPERVISOR,
                    updated_at="2024-01-01 00:00:00") | changes
            )  # fmt: skip
        if any(line["org_code"] == REPORTER for line in rows):
            rows.append(rows[0] | {"org_code": BRANCH, "parent_code": REPORTER})
        self.file("R03", rows, period="2024-01", reporter=SUPERVISOR, signed_at="2024-01-02T09:00:00")

    def file(
        self,
        form: str,
        rows: Sequence[Mapping[str, str]],
        *,
        period: str = "2024-03",
        reporter: str = REPORTER,
        sequence: int = 1,
        name: str | None = None,
        data: bytes | None = None,
        encoding: str = "utf-8",
        declared: Mapping[str, Any] | None = None,
        **envelope: Any,
    ) -> str:
        """Write a data file and its sidecar; returns the submission id. Envelope fields may be overridden
        by keyword, or by `declared` where a keyword has another meaning here."""
        body = csv_text(form, rows).encode(encoding) if data is None else data
        submission_id = envelope.get("submission_id") or f"{form}-{period}-{reporter}-{sequence:03d}"
        previous = f"{form}-{period}-{reporter}-{sequence - 1:03d}" if sequence > 1 else None
        fields: dict[str, Any] = (
            {
                "submission_id": submission_id,
                "form": form,
                "version": "1.0.0",
                "reporter": reporter,
                "period": period,
                "kind": "RESUBMIT" if sequence > 1 else ("ORIGINAL" if rows else "NIL"),
                "sequence_no": sequence,
                "supersedes": previous,
                "reason_code": "数据更正" if previous else None,
                "state": "SUBMITTED",
                "row_count": len(rows),
                "control_totals": {},
                "sha256": hashlib.sha256(body).hexdigest(),
                "prepared_by": "填报01",
                "reviewed_by": "复核02",
                "approved_by": "批准03",
                "signed_at": f"2024-04-0{min(sequence + 4, 9)}T10:00:00",
            }
            | envelope
            | dict(declared or {})
        )
        path = self.inbox / (name or f"{submission_id}.csv")
        path.write_bytes(body)
        path.with_name(path.name + ".json").write_text(
            json.dumps(fields, ensure_ascii=False), encoding="utf-8"
        )
        return str(submission_id)

    def run(self) -> None:
        """Pull, read every form that waits, settle."""
        steps.pull(self.settings)
        waiting = {
            found["form"]
            for found in self.ask("SELECT DISTINCT form FROM ledger.parcel WHERE form IS NOT NULL")
        }
        for form in sorted(waiting & set(load_catalogue().forms) - {"PUB"}):
            steps.load_form(self.settings, form, None)
        steps.settle(self.settings)

    def ask(self, sql: str, *parameters: object) -> list[dict[str, Any]]:
        """Rows of a query over the build database."""
        con = open_warehouse(self.settings.build_database)
        try:
            found = con.execute(sql, list(parameters))
            names = [column[0] for column in found.description or ()]
            return [dict(zip(names, values, strict=True)) for values in found.fetchall()]
        finally:
            con.close()

    def state(self, submission_id: str) -> str:
        """State of a submission."""
        [found] = self.ask("SELECT state FROM filing.submissions WHERE submission_id = ?", submission_id)
        return str(found["state"])

    def findings(self, submission_id: str) -> list[tuple[str, int | None, str | None]]:
        """Findings of a submission: rule, row, column, in order."""
        found = self.ask(
            "SELECT rule_code, row_no, column_name FROM filing.findings WHERE submission_id = ? ORDER BY ALL",
            submission_id,
        )
        return [(line["rule_code"], line["row_no"], line["column_name"]) for line in found]
