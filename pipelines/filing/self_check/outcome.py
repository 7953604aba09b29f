"""What one run says of one file: receipt, pending findings, a verdict for every rule and why it did not run.

Belongs here: reading a judged database for a file, and which passes are none because what the rule needs is not at
hand. Does not belong here: judging (`desk`).
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import duckdb

from pipelines.contracts.errors import CalendarRangeError
from pipelines.contracts.identities import hide_identities
from pipelines.contracts.model import PREVIOUS, RELEASE, Catalogue, Form, Rule
from pipelines.contracts.periods import Period, filing_deadline
from pipelines.contracts.working_days import load_working_days
from pipelines.filing.receipts.content import Dossier, Verdict
from pipelines.filing.receipts.gathering import dossiers
from pipelines.intake.envelope import Envelope

#: Rules that ask an envelope; without one they have nothing to ask.
_ENVELOPE_RULES = frozenset({"ENV-S02", "ENV-S05", "ENV-S06", "ENV-S07", "ENV-S08", "ENV-S09"})
_MASTER_RULES = frozenset({"ENV-S04", "GEN-U02"})
_MASTER_RELATIONS = re.compile(r"\{(rollup|reporters)\}")
#: Earlier periods that a rule compares with, at least.
_PERIODS_NEEDED = {"GEN-P01": 1, "GEN-P02": 3}
#: Fields of a finding, as receipts have them.
FINDING_FIELDS = (
    "rule_code", "severity", "sheet", "cell", "row_no", "column_name", "header", "value", "expected",
    "message_zh", "message_en", "fix_zh", "fix_en",
)  # fmt: skip
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
    "others": ("其他机构的报送不在所给文件中", "the filings of other insurers are not among the files"),
    "refused": ("文件未能读取,各行没有检查", "the file was refused, its rows were not looked at"),
}


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


#: What is put before the submission id, so that nobody takes a check for a receipt.
MARK = "自查"


@dataclass(slots=True)
class Outcome:
    """What one run says of a file; `is_refused`: its own envelope keeps its rows from being looked at."""

    receipt: dict[str, Any] | None = None
    dossier: Dossier | None = None
    pending: list[dict[str, Any]] = field(default_factory=list)
    verdicts: list[RuleVerdict] = field(default_factory=list)
    due: dt.date | None = None
    same_as: str | None = None
    is_refused: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """A judged database and what was made up for it."""

    con: duckdb.DuckDBPyConnection
    catalogue: Catalogue
    standing_in: Mapping[str, Envelope]
    own: Mapping[str, Envelope]
    moved: Mapping[str, Envelope]
    assumed: bool

    def outcome(self, name: str) -> Outcome:
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
            return Outcome(same_as=source_name)
        [dossier] = dossiers(self.con, [submission_id])
        dossier = self._declared(name, dossier)
        form = self.catalogue.forms.get(form_code or "")
        pending = self._pending(number)
        unsure = {finding["rule_code"] for finding in pending}
        verdicts = list(self._verdicts(name, number, form, unsure, readable=readable))
        return Outcome(
            self._receipt(submission_id, dossier),
            _marked(dossier, verdicts),
            pending,
            verdicts,
            _due(form, period),
            is_refused=not readable and name not in self.standing_in,
        )

    def _declared(self, name: str, dossier: Dossier) -> Dossier:
        """The dossier with the filer's own place in its chain, and without the names of an assumed master."""
        facts: dict[str, object] = {"reporter_name": None} if self.assumed else {}
        if name in self.moved:
            own = self.own[name]
            facts |= {"kind": own.kind, "sequence_no": own.sequence_no, "supersedes": own.supersedes}
        submission = dossier.receipt.submission.model_copy(update=facts)
        return replace(dossier, receipt=dossier.receipt.model_copy(update={"submission": submission}))

    def _receipt(self, submission_id: str, dossier: Dossier) -> dict[str, Any]:
        """What the regulator would send: `receipt` (facts), `verdict` (state), `findings` (all, in one list)."""
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
            SELECT {", ".join(FINDING_FIELDS)} FROM filing.findings WHERE submission_id = ?
            ORDER BY severity, rule_code, row_no NULLS FIRST, column_name NULLS FIRST, value, expected""",
            [submission_id],
        ).fetchall()
        verdict = told.state.model_dump(exclude={"code", "in_force"}) | {"state": told.state.code}
        return {
            "receipt": facts,
            "verdict": verdict,
            "findings": [_finding(row) for row in rows],
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
                SELECT {", ".join(FINDING_FIELDS)} FROM filing.findings JOIN ledger.parcel AS p USING (submission_id)
                WHERE p.submission_no = ? ORDER BY rule_code, row_no NULLS FIRST, value""",
                [number],
            ).fetchall()
        finally:
            self.con.execute("ROLLBACK")
        return [_finding(row) for row in rows]

    def _verdicts(
        self, name: str, number: int, form: Form | None, pending: set[str], *, readable: bool
    ) -> Iterator[RuleVerdict]:
        if form is None:
            return
        rules = {rule.code: rule for rule in self.catalogue.rules_for(form)}
        earlier, there = self._earlier_periods(number), self._needs_met(number)
        for code, verdict in self.con.execute(
            "SELECT rule_code, verdict FROM ledger.verdict WHERE submission_no = ? ORDER BY rule_code",
            [number],
        ).fetchall():
            rule = rules[code]
            if verdict == "fail":
                yield _told(rule, "fail")
                continue
            if verdict == "not_run":
                yield _told(rule, "not_run", *(_why(rule, there) if readable else CAUSES["refused"]))
                continue
            cause = "history" if code in pending else self._unknown(name, rule, earlier)
            yield _told(rule, "pass") if cause is None else _told(rule, "not_run", *CAUSES[cause])

    def _unknown(self, name: str, rule: Rule, earlier: int) -> str | None:
        """Why a rule that found nothing says nothing here, if that is so."""
        if name in self.standing_in and rule.code in _ENVELOPE_RULES:
            return "envelope"
        if self.assumed and (rule.code in _MASTER_RULES or _MASTER_RELATIONS.search(rule.query or "")):
            return "master"
        if name in self.moved and rule.code in ("ENV-S06", "GEN-P03"):
            return "sequence"
        if earlier < _PERIODS_NEEDED.get(rule.code, 0):
            return "periods"
        if "{self.others}" in (rule.query or ""):
            return "others"
        return None

    def _needs_met(self, number: int) -> set[str]:
        """What a rule may need and could be read: forms of the same period, and the form's own of the period before."""
        rows = self.con.execute(
            f"""
            SELECT DISTINCT CASE WHEN e.period_end >= p.period_end THEN e.form ELSE '{PREVIOUS}' END
            FROM ledger.parcel AS p
            JOIN ledger.parcel AS e ON (e.period_start <= p.period_start AND e.period_end >= p.period_end)
                OR (e.form = p.form AND e.reporter_code = p.reporter_code AND e.period_end = p.period_start - 1)
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


def _finding(row: Sequence[object]) -> dict[str, Any]:
    """A finding by field; texts of the filer's origin let no clear identity through, as in a receipt."""
    return {
        name: hide_identities(value) if isinstance(value, str) else value
        for name, value in zip(FINDING_FIELDS, row, strict=True)
    }


def _marked(dossier: Dossier, verdicts: Sequence[RuleVerdict]) -> Dossier:
    """The dossier as it may leave the house: marked as a check, with what did not run here."""
    told = dossier.receipt
    unrun = {verdict.rule_code: verdict for verdict in verdicts if verdict.verdict == "not_run"}
    shown = tuple(
        _not_run(verdict, unrun[verdict.rule_code]) if verdict.rule_code in unrun else verdict
        for verdict in told.verdicts
    )
    submission = told.submission.model_copy(
        update={"submission_id": f"{MARK} {told.submission.submission_id}"}
    )
    return replace(dossier, receipt=told.model_copy(update={"submission": submission, "verdicts": shown}))


def _not_run(verdict: Verdict, here: RuleVerdict) -> Verdict:
    reasons = {"reason_zh": here.reason_zh, "reason_en": here.reason_en}
    return verdict.model_copy(
        update={"verdict": "not_run", **reasons, "text_zh": here.text_zh, "text_en": here.text_en}
    )


def _told(
    rule: Rule,
    verdict: Literal["pass", "fail", "not_run"],
    reason_zh: str | None = None,
    reason_en: str | None = None,
) -> RuleVerdict:
    return RuleVerdict(rule.code, rule.severity, verdict, rule.text_zh, rule.text_en, reason_zh, reason_en)


def _why(rule: Rule, there: set[str]) -> tuple[str, str]:
    """Why the regulator's own judgement leaves a rule out, given which of its needs are met."""
    if rule.kind == "not_evaluable":
        return rule.not_evaluable_reason_zh or "", rule.not_evaluable_reason or ""
    absent = [need for need in rule.needs if need not in there]
    if not absent:
        return CAUSES["refused"]
    forms = [need for need in absent if need not in (PREVIOUS, RELEASE)]
    zh = [f"同期的 {'、'.join(forms)}"] if forms else []
    en = [f"{', '.join(forms)} of the same period"] if forms else []
    if PREVIOUS in absent:
        zh.append("本表上一期的报送")
        en.append("this form's filing of the period before")
    if RELEASE in absent:
        zh.append("监管机构的历次发布")
        en.append("the regulator's releases")
    return f"{'、'.join(zh)}不在所给文件中", f"{' and '.join(en)} not among the files"


def _due(form: Form | None, period: str | None) -> dt.date | None:
    if form is None or form.deadline_days is None or period is None:
        return None
    try:
        return filing_deadline(Period.parse(period), form.deadline_days, load_working_days().is_working_day)
    except (ValueError, CalendarRangeError):
        return None
