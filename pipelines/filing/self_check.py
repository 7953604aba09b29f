"""A filer's own check before sending: the regulator's judgement over files at hand, without the regulator's data.

Belongs here: running the rooms of the pipeline (pull, read, settle) over handed files in a database in memory, and
telling what that cannot know. There is no rule and no state of its own here: `settle` judges, receipts tell. What is
missing is made up for so that it decides nothing, and the rules concerned are told as not run:

- the institution master: one is assumed in which every reporter and office named in the files exists;
- earlier submissions: a chain that starts later than number 1 is judged as if it started there;
- earlier periods: findings of rules that look back (`Rule.looks_back`) are taken back and listed as pending;
- an envelope: a stand-in is written, see `intake.handed.stand_in`.

A file whose own envelope keeps it from being read is judged a second time with a stand-in, so that the rows' findings
are known before the envelope is signed (`beyond`). Great Expectations, the evidence of a run, is left out: findings
come from the same marks. Does not belong here: terminal output (`cli`).
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import duckdb

from pipelines.contracts.errors import CalendarRangeError
from pipelines.contracts.model import Catalogue, Form, Rule
from pipelines.contracts.periods import Period, filing_deadline
from pipelines.contracts.predicates import macro_sql
from pipelines.contracts.working_days import load_working_days
from pipelines.filing.events import prepare_events
from pipelines.filing.receipts.gathering import dossiers
from pipelines.filing.registry import NoRegistryError, prepare_registry
from pipelines.filing.settlement import REGISTRY_FORM, settle
from pipelines.intake.envelope import Envelope
from pipelines.intake.faults import Fault
from pipelines.intake.handed import (
    Handed,
    HandedSource,
    InPlace,
    Told,
    UnrecognisedError,
    as_sidecar,
    declared,
    stand_in,
)
from pipelines.intake.pull import pull
from pipelines.intake.template import example_row
from pipelines.intake.xlsx_reader import XlsxLimits
from pipelines.validation.batch import batches, load_batch, unread
from pipelines.validation.structure import judge_envelope
from pipelines.warehouse.connection import OFFLINE
from pipelines.warehouse.schema import prepare

Envelopes = Literal["sidecar", "cover", "none"]
_BATCH_BYTES = 64 << 20
#: Rules that ask an envelope; without one they have nothing to ask.
_ENVELOPE_RULES = frozenset({"ENV-S02", "ENV-S05", "ENV-S06", "ENV-S07", "ENV-S08", "ENV-S09"})
_MASTER_RULES = frozenset({"ENV-S04", "GEN-U02"})
#: Earlier periods that a rule compares with, at least.
_PERIODS_NEEDED = {"GEN-P01": 1, "GEN-P02": 3}
_NOBODY = "0" * 14
_SINCE = "1990-01-01"

#: Fields of a finding, as receipts have them.
_FINDING = (
    "rule_code", "severity", "sheet", "cell", "row_no", "column_name", "header", "value", "expected",
    "message_zh", "message_en", "fix_zh", "fix_en",
)  # fmt: skip
#: Nothing is kept, so nothing is ever tried again under another version.
_PROGRAM = "self-check"

#: Why a rule did not run, Chinese and English.
CAUSES = {
    "envelope": ("没有信封", "there is no envelope"),
    "master": (
        "需要机构主数据(R03),由监管核对",
        "needs the institution master (R03); the regulator checks it",
    ),
    "sequence": ("此前的报送不在所给文件中", "the submissions before this one are not among the files"),
    "periods": ("以前各期的报送不在所给文件中", "the earlier periods are not among the files"),
    "history": (
        "有引用在所给文件中找不到,须与以前各期的报送核对,见“待核对”",
        "references that are not in the files must be looked up in earlier filings, see pending",
    ),
    "refused": ("文件未能读取,各行没有检查", "the file was refused, its rows were not looked at"),
}


class CheckFailedError(RuntimeError):
    """Our own program failed on a file; nothing is said about the file."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a check may take: bytes of a file, bounds of a workbook, DuckDB's memory and threads."""

    file_bytes: int
    workbook: XlsxLimits
    memory: str
    threads: int


@dataclass(frozen=True, slots=True)
class RuleVerdict:
    """What became of one rule: pass, fail, or not_run with the reason."""

    rule_code: str
    severity: str
    verdict: Literal["pass", "fail", "not_run"]
    text_zh: str
    text_en: str
    reason_zh: str | None = None
    reason_en: str | None = None


@dataclass(slots=True)
class Report:
    """What is known of one file.

    Attributes:
        file: its name as it was handed in.
        envelope: where its envelope stood.
        receipt: what the regulator would send, as far as it can be known here; None for a copy of another file.
        beyond: findings that the regulator would only tell once the envelope is in order.
        pending: findings that an earlier filing, not among the files, may answer.
        verdicts: every rule of the form.
        due: last day on which the filing is on time; None if it has none or is not known.
        same_as: the file that has the same content.
    """

    file: str
    envelope: Envelopes
    receipt: dict[str, Any] | None = None
    beyond: list[dict[str, Any]] = field(default_factory=list)
    pending: list[dict[str, Any]] = field(default_factory=list)
    verdicts: list[RuleVerdict] = field(default_factory=list)
    due: dt.date | None = None
    same_as: str | None = None

    @property
    def findings(self) -> list[dict[str, Any]]:
        """What is wrong: in the receipt, and beyond it."""
        return [*(self.receipt["findings"] if self.receipt else ()), *self.beyond]

    @property
    def is_clean(self) -> bool:
        """True if nothing blocks."""
        return all(finding["severity"] == "W" for finding in self.findings)


def self_check(
    files: Sequence[Handed],
    catalogue: Catalogue,
    bounds: Bounds,
    *,
    told: Told,
    now: dt.datetime,
    calendar: Path,
) -> list[Report]:
    """Check files together: what they say of each other is judged when both are among them.

    Args:
        files: data files with their sidecars.
        catalogue: the contracts.
        bounds: of one run.
        told: form, period and reporter of files that have no envelope.
        now: the moment at which a file without signature counts as signed, the bureau's clock.
        calendar: the working-day calendar's file.

    Raises:
        UnrecognisedError: a file has no envelope and does not say what it is; nothing was checked.
    """
    desk = _Desk(catalogue, bounds, told, now, calendar)
    envelopes = {file.name: declared(file, bounds.workbook, bounds.file_bytes) for file in files}
    bare = [file for file in files if envelopes[file.name] is None]
    standing_in, unreadable = desk.stand_ins(bare, envelopes)
    _refuse_twins(standing_in, envelopes)
    known = {name: envelope for name, envelope in envelopes.items() if envelope is not None} | standing_in
    first = desk.judge(files, known, standing_in)
    refused = [file for file in files if envelopes[file.name] is not None and first[file.name].is_refused]
    second: dict[str, _Outcome] = {}
    if refused:
        in_order, _ = desk.stand_ins(refused, envelopes, lenient=True)
        if in_order:
            second = desk.judge(files, known | in_order, standing_in | in_order)
    reports = [_report(file, envelopes[file.name], first[file.name], second.get(file.name)) for file in files]
    for report in reports:
        if report.file in unreadable:
            report.beyond.append(_worded(catalogue, unreadable[report.file]))
    return reports


@dataclass(slots=True)
class _Outcome:
    """What one run says of a file; `is_refused`: its own envelope keeps its rows from being looked at."""

    receipt: dict[str, Any] | None = None
    pending: list[dict[str, Any]] = field(default_factory=list)
    verdicts: list[RuleVerdict] = field(default_factory=list)
    due: dt.date | None = None
    same_as: str | None = None
    is_refused: bool = False


def _report(file: Handed, envelope: Envelope | None, first: _Outcome, second: _Outcome | None) -> Report:
    where: Envelopes = "none" if envelope is None else "sidecar" if file.sidecar else "cover"
    report = Report(
        file.name, where, first.receipt, [], first.pending, first.verdicts, first.due, first.same_as
    )
    if second is not None and second.receipt is not None and first.is_refused:
        told = {_place(finding) for finding in report.findings}
        report.beyond = [
            finding
            for finding in second.receipt["findings"]
            if not finding["rule_code"].startswith("ENV-") and _place(finding) not in told
        ]
        report.pending = second.pending
        report.verdicts = [
            verdict
            for outcome, structural in ((first, True), (second, False))
            for verdict in outcome.verdicts
            if verdict.rule_code.startswith("ENV-") is structural
        ]
    return report


def _worded(catalogue: Catalogue, fault: Fault) -> dict[str, Any]:
    """A fault of a file that no run could read, worded as the view of findings words it."""
    rule = next(rule for rule in catalogue.common_rules if rule.code == fault.rule_code)

    def said(template: str, shown: str | None) -> str:
        return template.replace("{value}", shown or "").replace("{expected}", fault.expected or "-")

    return dict.fromkeys(_FINDING) | {
        "rule_code": rule.code,
        "severity": rule.severity,
        "row_no": fault.row_no,
        "value": fault.value,
        "expected": fault.expected,
        "message_zh": said(rule.message_zh, fault.detail),
        "message_en": said(rule.message_en, fault.value or fault.detail),
        "fix_zh": said(rule.fix_zh, fault.detail),
        "fix_en": said(rule.fix_en, fault.value or fault.detail),
    }


def _place(finding: Mapping[str, Any]) -> tuple[object, ...]:
    return tuple(finding[key] for key in ("rule_code", "row_no", "column_name", "value", "expected"))


def _refuse_twins(standing_in: Mapping[str, Envelope], envelopes: Mapping[str, Envelope | None]) -> None:
    """Two files for one form, period and reporter need envelopes that tell which comes first."""
    seen: dict[tuple[str | None, ...], str] = {
        (own.form, own.period, own.reporter): name for name, own in envelopes.items() if own is not None
    }
    for name, envelope in standing_in.items():
        key = (envelope.form, envelope.period, envelope.reporter)
        if key in seen:
            raise UnrecognisedError(
                f"{name} and {seen[key]} are both {' '.join(part or '' for part in key)}, and without an envelope it "
                "is not known which comes first; check one at a time, or give both an envelope"
            )
        seen[key] = name


@dataclass(frozen=True, slots=True)
class _Desk:
    """What every run of one check shares."""

    catalogue: Catalogue
    bounds: Bounds
    told: Told
    now: dt.datetime
    calendar: Path

    def stand_ins(
        self, files: Iterable[Handed], envelopes: Mapping[str, Envelope | None], *, lenient: bool = False
    ) -> tuple[dict[str, Envelope], dict[str, Fault]]:
        """Envelopes in order, and why a file cannot be read at all; `lenient` leaves out what is not recognised."""
        found: dict[str, Envelope] = {}
        faults: dict[str, Fault] = {}
        for file in files:
            if file.path.stat().st_size > self.bounds.file_bytes:
                continue
            try:
                envelope = stand_in(
                    file, envelopes[file.name], self.told, self.catalogue, self.bounds.workbook, self.now
                )
            except UnrecognisedError:
                if lenient:
                    continue
                raise
            if isinstance(envelope, Fault):
                faults[file.name] = envelope
            else:
                found[file.name] = envelope
        return found, faults

    def judge(
        self, files: Sequence[Handed], known: Mapping[str, Envelope], standing_in: Mapping[str, Envelope]
    ) -> dict[str, _Outcome]:
        """Run all files, those of each reporter by themselves unless the institution master is among them."""
        whole = any(envelope.form == REGISTRY_FORM for envelope in known.values())
        groups: dict[object, list[Handed]] = {}
        for file in files:
            envelope = known.get(file.name, Envelope())
            form = self.catalogue.forms.get(envelope.form or "")
            key = None if whole else (envelope.reporter, form.side if form else None)
            groups.setdefault(key, []).append(file)
        outcomes: dict[str, _Outcome] = {}
        for group in groups.values():
            outcomes |= self._run(group, known, standing_in)
        return outcomes

    def _run(
        self, files: Sequence[Handed], known: Mapping[str, Envelope], standing_in: Mapping[str, Envelope]
    ) -> dict[str, _Outcome]:
        own = {file.name: known[file.name] for file in files if file.name in known}
        moved = _from_the_start(own)
        written = {name: as_sidecar(envelope) for name, envelope in ({**own, **moved}).items()
                   if name in moved or name in standing_in}  # fmt: skip
        with _memory(self.bounds) as (con, folder):
            prepare(con, self.catalogue, self.calendar)
            prepare_events(con)
            prepare_registry(con)
            for statement in macro_sql("reference.working_days"):
                con.execute(statement)
            self._receive(con, HandedSource(files, written), self.bounds.file_bytes)
            assumed = self._settle(con, folder)
            run = _Run(con, self.catalogue, standing_in, own, moved, assumed=assumed)
            return {file.name: run.outcome(file.name) for file in files}

    def _receive(self, con: duckdb.DuckDBPyConnection, source: HandedSource, max_bytes: int) -> None:
        """Pull and read; what was read before is left alone."""
        pull(
            con,
            source,
            InPlace(),
            judge=partial(judge_envelope, catalogue=self.catalogue),
            limits=self.bounds.workbook,
            max_file_bytes=max_bytes,
        )
        for form in self.catalogue.forms.values():
            for batch in batches(unread(con, form, None, _PROGRAM), _BATCH_BYTES):
                load_batch(
                    con,
                    self.catalogue,
                    form,
                    batch,
                    InPlace(),
                    self.bounds.workbook,
                    threads=self.bounds.threads,
                    program_version=_PROGRAM,
                    prove=False,
                )
        failure = con.execute(
            "SELECT p.source_name, f.error FROM ledger.failure AS f JOIN ledger.parcel AS p USING (submission_no) "
            "WHERE f.is_open LIMIT 1"
        ).fetchone()
        if failure is not None:
            raise CheckFailedError(f"reading {failure[0]} failed inside this program: {failure[1]}")

    def _settle(self, con: duckdb.DuckDBPyConnection, folder: Path) -> bool:
        """Judge; True if the institution master had to be assumed because none is in force among the files."""
        withhold = partial(_hold_pending, looks_back=_looking_back(self.catalogue))
        if con.execute("SELECT 1 FROM ledger.parcel WHERE form = ? LIMIT 1", [REGISTRY_FORM]).fetchone():
            try:
                settle(con, self.catalogue, as_of=None, withhold=withhold)
            except NoRegistryError:
                pass
            else:
                return False
        file, sidecar = self._assumed_master(con, folder)
        self._receive(con, HandedSource([file], {file.name: sidecar}), file.path.stat().st_size)
        settle(con, self.catalogue, as_of=None, withhold=withhold)
        return True

    def _assumed_master(self, con: duckdb.DuckDBPyConnection, folder: Path) -> tuple[Handed, bytes]:
        """An R03 filing in which every reporter and office of the files exists; it decides nothing by itself.

        A reporter gets the insurer class that owes most of the forms filed, an office the reporter that names it.
        """
        form = self.catalogue.forms[REGISTRY_FORM]
        example = example_row(form)
        period, signed_at = _moment(con, form, self.now)
        fixed = {
            "reporter_code": self.catalogue.supervisor_code, "period": period.label, "record_action": "I",
            "updated_at": f"{_SINCE} 00:00:00", "opened_on": _SINCE, "closed_on": "", "successor_code": "",
            "valid_from": _SINCE, "valid_to": "",
        }  # fmt: skip
        rows = [
            {**example, **fixed, "org_code": org, "parent_code": parent, "legal_code": parent or org,
             "insurer_class": insurer_class or example["insurer_class"]}
            for org, parent, insurer_class in _institutions(con, self.catalogue)
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
            reporter=self.catalogue.supervisor_code,
            period=period.label,
            kind="ORIGINAL",
            sequence_no=1,
            state="SUBMITTED",
            row_count=len(rows),
            signers=("填报", "复核", "批准"),
            signed_at=signed_at,
        )
        return Handed(path, None), as_sidecar(envelope)


@contextmanager
def _memory(bounds: Bounds) -> Iterator[tuple[duckdb.DuckDBPyConnection, Path]]:
    """A database in memory, and a folder for what does not fit into it; both are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="xiaobao-check-") as folder:
        con = duckdb.connect(
            ":memory:",
            config={
                **OFFLINE,
                "memory_limit": bounds.memory,
                "threads": bounds.threads,
                "temp_directory": str(Path(folder) / "spill"),
            },
        )
        try:
            yield con, Path(folder)
        finally:
            con.close()


def _looking_back(catalogue: Catalogue) -> list[str]:
    return [rule.code for form in catalogue.forms.values() for rule in form.rules if rule.looks_back]


def _hold_pending(con: duckdb.DuckDBPyConnection, *, looks_back: list[str]) -> None:
    """Take findings back that an earlier filing may answer, before anything is decided on them."""
    con.execute("CREATE TEMP TABLE IF NOT EXISTS pending AS SELECT * FROM ledger.finding LIMIT 0")
    con.execute("DELETE FROM pending WHERE submission_no IN (SELECT submission_no FROM checked)")
    ours = (
        "FROM ledger.finding WHERE stage = 'settle' AND rule_code IN (SELECT unnest(?)) "
        "AND submission_no IN (SELECT submission_no FROM checked)"
    )
    con.execute(f"INSERT INTO pending SELECT * {ours}", [looks_back])
    con.execute(f"DELETE {ours}", [looks_back])


def _from_the_start(envelopes: Mapping[str, Envelope]) -> dict[str, Envelope]:
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


def _moment(con: duckdb.DuckDBPyConnection, form: Form, now: dt.datetime) -> tuple[Period, dt.datetime]:
    """A period that none of the files is for, and the latest signature: the assumed master moves no date."""
    row = con.execute("SELECT min(period_start), max(signed_at) FROM ledger.parcel").fetchone()
    first, signed_at = row or (None, None)
    before = Period.containing("month", first or now.date()).shift(-1)
    return max(before, Period.containing("month", form.effective_from)), signed_at or now


def _institutions(con: duckdb.DuckDBPyConnection, catalogue: Catalogue) -> list[tuple[str, str, str | None]]:
    """Reporters (no parent) and offices (the reporter that names them) with a class: org_code, parent, class."""
    offices = " UNION ALL ".join(
        f"SELECT org_code, submission_no FROM store.{form.table}"
        for form in catalogue.forms.values()
        if form.side == "insurer"
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
        offices AS (
            SELECT r.org_code, min(p.reporter_code) AS parent_code
            FROM ({offices}) AS r JOIN ledger.parcel AS p USING (submission_no)
            WHERE r.org_code IS NOT NULL AND r.org_code NOT IN (SELECT reporter_code FROM reporters)
            GROUP BY ALL)
        SELECT reporter_code, '', insurer_class FROM reporters
        UNION ALL
        SELECT o.org_code, o.parent_code, r.insurer_class
        FROM offices AS o JOIN reporters AS r ON r.reporter_code = o.parent_code
        ORDER BY 2, 1"""
    ).fetchall()
    return [(_NOBODY, "", None), *((row[0], row[1], row[2]) for row in rows)]


@dataclass(frozen=True, slots=True)
class _Run:
    """A judged database and what was made up for it."""

    con: duckdb.DuckDBPyConnection
    catalogue: Catalogue
    standing_in: Mapping[str, Envelope]
    own: Mapping[str, Envelope]
    moved: Mapping[str, Envelope]
    assumed: bool

    def outcome(self, name: str) -> _Outcome:
        """What the run says of a file."""
        found = self.con.execute(
            """
            SELECT p.submission_no, p.submission_id, p.source_name, p.form, p.period, coalesce(s.readable, false)
            FROM ledger.sighting AS g JOIN ledger.parcel AS p USING (content_key)
            LEFT JOIN ledger.standing AS s USING (submission_no)
            WHERE g.name = ?""",
            [name],
        ).fetchone()
        if found is None:
            raise LookupError(
                f"{name} was handed in and not received: a defect of this program, not of the file"
            )
        number, submission_id, source_name, form_code, period, readable = found
        if source_name != name:
            return _Outcome(same_as=source_name)
        receipt = self._receipt(submission_id)
        if name in self.moved:
            own = self.own[name]
            receipt["receipt"] |= {
                "kind": own.kind,
                "sequence_no": own.sequence_no,
                "supersedes": own.supersedes,
            }
        form = self.catalogue.forms.get(form_code or "")
        pending = self._pending(number)
        return _Outcome(
            receipt,
            pending,
            list(self._verdicts(name, number, form, {f["rule_code"] for f in pending}, readable=readable)),
            _due(form, period),
            is_refused=not readable and name not in self.standing_in,
        )

    def _receipt(self, submission_id: str) -> dict[str, Any]:
        """What the regulator would send: `receipt` (facts), `verdict` (state), `findings` (all, in one list)."""
        [dossier] = dossiers(self.con, [submission_id])
        told = dossier.receipt
        account = told.rows
        facts = told.submission.model_dump() | {
            "state": told.state.code,
            "rows_read": account and account.read,
            "rows_accepted": account and account.accepted,
            "rows_quarantined": account and account.held_back,
            "rows_rejected": account and account.refused,
            "error_count": told.totals.blocking,
            "warning_count": told.totals.advisory,
        }
        rows = self.con.execute(
            f"""
            SELECT {", ".join(_FINDING)} FROM filing.findings WHERE submission_id = ?
            ORDER BY severity, rule_code, row_no NULLS FIRST, column_name NULLS FIRST, value, expected""",
            [submission_id],
        ).fetchall()
        verdict = told.state.model_dump(exclude={"code", "in_force"}) | {"state": told.state.code}
        return {
            "receipt": facts,
            "verdict": verdict,
            "findings": [dict(zip(_FINDING, row, strict=True)) for row in rows],
        }

    def _pending(self, number: int) -> list[dict[str, Any]]:
        """Findings taken back, worded as findings are."""
        if not self.con.execute("SELECT 1 FROM pending WHERE submission_no = ? LIMIT 1", [number]).fetchone():
            return []
        self.con.execute("BEGIN TRANSACTION")
        try:
            self.con.execute("DELETE FROM ledger.finding WHERE submission_no = ?", [number])
            self.con.execute(
                "INSERT INTO ledger.finding SELECT * FROM pending WHERE submission_no = ?", [number]
            )
            rows = self.con.execute(
                f"""
                SELECT {", ".join(_FINDING)} FROM filing.findings JOIN ledger.parcel AS p USING (submission_id)
                WHERE p.submission_no = ? ORDER BY rule_code, row_no NULLS FIRST, value""",
                [number],
            ).fetchall()
        finally:
            self.con.execute("ROLLBACK")
        return [dict(zip(_FINDING, row, strict=True)) for row in rows]

    def _verdicts(
        self, name: str, number: int, form: Form | None, pending: set[str], *, readable: bool
    ) -> Iterator[RuleVerdict]:
        if form is None:
            return
        rules = {rule.code: rule for rule in self.catalogue.rules_for(form)}
        earlier, there = self._earlier_periods(number), self._forms_beside(number)
        for code, verdict in self.con.execute(
            "SELECT rule_code, verdict FROM ledger.verdict WHERE submission_no = ? ORDER BY rule_code",
            [number],
        ).fetchall():
            rule = rules[code]
            if verdict == "fail":
                yield _told(rule, "fail")
                continue
            cause = "history" if code in pending else self._unknown(name, rule, earlier)
            if cause is not None:
                yield _told(rule, "not_run", *CAUSES[cause])
            elif verdict == "not_run":
                yield _told(rule, "not_run", *(_why(rule, there) if readable else CAUSES["refused"]))
            else:
                yield _told(rule, "pass")

    def _unknown(self, name: str, rule: Rule, earlier: int) -> str | None:
        """Why a rule that found nothing says nothing here, if that is so."""
        if name in self.standing_in and rule.code in _ENVELOPE_RULES:
            return "envelope"
        if self.assumed and rule.code in _MASTER_RULES:
            return "master"
        if name in self.moved and rule.code in ("ENV-S06", "GEN-P03"):
            return "sequence"
        if earlier < _PERIODS_NEEDED.get(rule.code, 0):
            return "periods"
        return None

    def _forms_beside(self, number: int) -> set[str]:
        """Forms of the same period that could be read."""
        rows = self.con.execute(
            """
            SELECT DISTINCT e.form FROM ledger.parcel AS p
            JOIN ledger.parcel AS e ON e.period_start <= p.period_start AND e.period_end >= p.period_end
            JOIN ledger.standing AS s ON s.submission_no = e.submission_no AND s.readable
            WHERE p.submission_no = ?""",
            [number],
        ).fetchall()
        return {row[0] for row in rows}

    def _earlier_periods(self, number: int) -> int:
        row = self.con.execute(
            """
            SELECT count(DISTINCT e.period) FROM ledger.parcel AS p
            JOIN ledger.parcel AS e ON e.form = p.form AND e.reporter_code = p.reporter_code
                AND e.period_start < p.period_start
            JOIN ledger.standing AS s ON s.submission_no = e.submission_no AND s.readable
            WHERE p.submission_no = ?""",
            [number],
        ).fetchone()
        return int(row[0]) if row else 0


def _told(
    rule: Rule,
    verdict: Literal["pass", "fail", "not_run"],
    reason_zh: str | None = None,
    reason_en: str | None = None,
) -> RuleVerdict:
    return RuleVerdict(rule.code, rule.severity, verdict, rule.text_zh, rule.text_en, reason_zh, reason_en)


def _why(rule: Rule, there: set[str]) -> tuple[str, str]:
    """Why the regulator's own judgement leaves a rule out, given the forms that are there."""
    if rule.kind == "not_evaluable":
        return rule.not_evaluable_reason_zh or "", rule.not_evaluable_reason or ""
    absent = [form for form in rule.needs if form not in there]
    if not absent:
        return CAUSES["refused"]
    return (
        f"同期的 {'、'.join(absent)} 不在所给文件中",
        f"{', '.join(absent)} of the same period not among the files",
    )


def _due(form: Form | None, period: str | None) -> dt.date | None:
    if form is None or form.deadline_days is None or period is None:
        return None
    try:
        return filing_deadline(Period.parse(period), form.deadline_days, load_working_days().is_working_day)
    except (ValueError, CalendarRangeError):
        return None
