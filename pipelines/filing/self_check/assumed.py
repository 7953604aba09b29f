"""What a self-check makes up so that it decides nothing: the institution master, the beginning of a chain, history.

Belongs here: an R03 filing in which everybody named in the files exists, chains renumbered as if they began with the
first file at hand, and findings taken back that earlier filings may answer. Which rules are told as not run because of
it is said in `outcome`. Does not belong here: stand-ins for envelopes (`intake.handed`).
"""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import duckdb

from pipelines.contracts.model import Catalogue, Form
from pipelines.contracts.periods import Period
from pipelines.filing.settlement import REGISTRY_FORM
from pipelines.intake.envelope import Envelope
from pipelines.intake.handed import Handed, UnrecognisedError, as_sidecar
from pipelines.intake.template import example_row

_NOBODY = "0" * 14
_SINCE = "1990-01-01"


def assumed_master(
    con: duckdb.DuckDBPyConnection, catalogue: Catalogue, folder: Path, now: dt.datetime
) -> tuple[Handed, bytes]:
    """An R03 filing in which every reporter and office of the files exists; it decides nothing by itself.

    A reporter gets the insurer class that owes most of the forms filed, an office the reporter that names it.
    """
    form = catalogue.forms[REGISTRY_FORM]
    example = example_row(form)
    period, signed_at = _moment(con, form, now)
    fixed = {
        "reporter_code": catalogue.supervisor_code, "period": period.label, "record_action": "I",
        "updated_at": f"{_SINCE} 00:00:00", "opened_on": _SINCE, "closed_on": "", "successor_code": "",
        "valid_from": _SINCE, "valid_to": "",
    }  # fmt: skip
    rows = [
        {**example, **fixed, "org_code": org, "parent_code": parent, "legal_code": parent or org,
         "insurer_class": insurer_class or example["insurer_class"]}
        for org, parent, insurer_class in _institutions(con, catalogue)
    ]  # fmt: skip
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(column.title_zh for column in form.columns)
    writer.writerows([row.get(column.name, "") for column in form.columns] for row in rows)
    path = folder / "assumed_master.csv"
    path.write_text(text.getvalue(), encoding="utf-8")
    envelope = Envelope(
        submission_id=f"{REGISTRY_FORM}-ASSUMED",
        form=form.code,
        version=form.version,
        reporter=catalogue.supervisor_code,
        period=period.label,
        kind="ORIGINAL",
        sequence_no=1,
        state="SUBMITTED",
        row_count=len(rows),
        signers=("填报", "复核", "批准"),
        signed_at=signed_at,
    )
    return Handed(path, None), as_sidecar(envelope)


def _moment(con: duckdb.DuckDBPyConnection, form: Form, now: dt.datetime) -> tuple[Period, dt.datetime]:
    """A period that none of the files is for, and the latest signature: the assumed master moves no date."""
    row = con.execute("SELECT min(period_start), max(signed_at) FROM ledger.parcel").fetchone()
    first, signed_at = row or (None, None)
    before = Period.containing("month", first or now.date()).shift(-1)
    return max(before, Period.containing("month", form.effective_from)), signed_at or now


def _institutions(con: duckdb.DuckDBPyConnection, catalogue: Catalogue) -> list[tuple[str, str, str | None]]:
    """Reporters (no parent) and offices (the reporter that names them) with a class: org_code, parent, class.

    Whom the supervisor's forms name stands by itself.
    """
    named = " UNION ALL ".join(
        f"SELECT org_code, submission_no FROM store.{form.table}"
        for form in catalogue.forms.values()
        if form.side != "official" and form.code != REGISTRY_FORM
    )
    rows = con.execute(
        f"""
        WITH filed AS (
            SELECT p.submission_no, p.reporter_code, o.insurer_class
            FROM ledger.parcel AS p
            JOIN reference.forms AS f ON f.form = p.form AND f.side = 'insurer'
            JOIN reference.obliged_classes AS o ON o.form = p.form
            WHERE regexp_full_match(p.reporter_code, '[0-9A-Z]{{14}}')),
        reporters AS (
            SELECT reporter_code, insurer_class FROM filed GROUP BY reporter_code, insurer_class
            QUALIFY row_number() OVER (
                PARTITION BY reporter_code ORDER BY count(DISTINCT submission_no) DESC, insurer_class) = 1),
        named AS (
            SELECT n.org_code, min(r.reporter_code) AS parent_code
            FROM ({named}) AS n JOIN ledger.parcel AS p USING (submission_no)
            LEFT JOIN reporters AS r USING (reporter_code)
            WHERE n.org_code IS NOT NULL AND n.org_code NOT IN (SELECT reporter_code FROM reporters)
            GROUP BY ALL)
        SELECT reporter_code, '', insurer_class FROM reporters
        UNION ALL
        SELECT n.org_code, coalesce(n.parent_code, ''), r.insurer_class
        FROM named AS n LEFT JOIN reporters AS r ON r.reporter_code = n.parent_code
        ORDER BY 2, 1"""
    ).fetchall()
    return [(_NOBODY, "", None), *((row[0], row[1], row[2]) for row in rows)]


def from_the_start(envelopes: Mapping[str, Envelope]) -> dict[str, Envelope]:
    """Envelopes of chains whose beginning is not among the files, renumbered as if they began here.

    A chain with two files under one number, or a follow-up that does not say what it follows, stays as it is: what is
    wrong with it is known.

    Raises:
        UnrecognisedError: a correction without the filing it corrects says nothing by itself.
    """
    chains: dict[tuple[str, str, str], list[tuple[int, str, Envelope]]] = {}
    for name, envelope in envelopes.items():
        form, period, reporter, number = (
            envelope.form,
            envelope.period,
            envelope.reporter,
            envelope.sequence_no,
        )
        if form and period and reporter and number and not envelope.faults:
            chains.setdefault((form, period, reporter), []).append((number, name, envelope))
    moved: dict[str, Envelope] = {}
    for links in chains.values():
        links.sort(key=lambda link: link[0])
        numbers = [number for number, _, _ in links]
        if numbers == list(range(1, len(links) + 1)) or len(set(numbers)) < len(numbers):
            continue
        ids = {envelope.submission_id for _, _, envelope in links}
        if any(e.kind != "ORIGINAL" and not (e.supersedes and e.reason_code) and n > 1 for n, _, e in links):
            continue
        before: Envelope | None = None
        for position, (_, name, envelope) in enumerate(links, start=1):
            moved[name] = before = _placed(name, envelope, position, before, ids)
    return {name: envelope for name, envelope in moved.items() if envelope != envelopes[name]}


def _placed(
    name: str, envelope: Envelope, position: int, before: Envelope | None, ids: set[str | None]
) -> Envelope:
    if envelope.kind == "CORRECTION" and envelope.supersedes not in ids:
        raise UnrecognisedError(
            f"{name} corrects {envelope.supersedes}, which is not among the files; needed: that filing too, because a "
            "correction is checked as the whole file it stands for"
        )
    if before is None:
        kind = {"RESUBMIT": "ORIGINAL", "WITHDRAW": "NIL"}.get(envelope.kind or "", envelope.kind)
        return replace(envelope, kind=kind, sequence_no=1, supersedes=None, reason_code=None)
    supersedes = envelope.supersedes if envelope.supersedes in ids else before.submission_id
    return replace(envelope, sequence_no=position, supersedes=supersedes)


def looking_back(catalogue: Catalogue) -> list[str]:
    """Codes of the rules whose findings an earlier filing may answer."""
    return [rule.code for form in catalogue.forms.values() for rule in form.rules if rule.looks_back]


def hold_pending(con: duckdb.DuckDBPyConnection, *, looks_back: list[str]) -> None:
    """Take findings back that an earlier filing may answer, before anything is decided on them."""
    con.execute("CREATE TEMP TABLE IF NOT EXISTS pending AS SELECT * FROM ledger.finding LIMIT 0")
    con.execute("DELETE FROM pending WHERE submission_no IN (SELECT submission_no FROM checked)")
    ours = (
        "FROM ledger.finding WHERE stage = 'settle' AND rule_code IN (SELECT unnest(?)) "
        "AND submission_no IN (SELECT submission_no FROM checked)"
    )
    con.execute(f"INSERT INTO pending SELECT * {ours}", [looks_back])
    con.execute(f"DELETE {ours}", [looks_back])
