"""The check itself: files in, one report a file out.

Belongs here: the order of runs, and what a report holds. A file whose own envelope keeps it from being read is judged a
second time with a stand-in, so that the rows' findings are known before the envelope is signed (`Report.beyond`). Does
not belong here: a run (`desk`), terminal output (`cli`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pipelines.contracts.model import Catalogue
from pipelines.filing.receipts.content import Dossier
from pipelines.filing.self_check.desk import Bounds, Desk
from pipelines.filing.self_check.outcome import FINDING_FIELDS, Outcome, RuleVerdict
from pipelines.intake.envelope import Envelope
from pipelines.intake.faults import Fault
from pipelines.intake.handed import Handed, Told, UnrecognisedError, declared

Envelopes = Literal["sidecar", "cover", "none"]


@dataclass(slots=True)
class Report:
    """What is known of one file.

    Attributes:
        file: its name as it was handed in.
        envelope: where its envelope stood.
        receipt: what the regulator would send, as far as it can be known here; None for a copy of another file.
        dossier: the same with the rows concerned, as receipts are drawn from it; marked as a check.
        beyond: findings that the regulator would only tell once the envelope is in order.
        beyond_dossier: what the regulator would send then.
        pending: findings that an earlier filing, not among the files, may answer.
        verdicts: every rule of the form.
        due: last day on which the filing is on time; None if it has none or is not known.
        same_as: the file that has the same content.
    """

    file: str
    envelope: Envelopes
    receipt: dict[str, Any] | None = None
    dossier: Dossier | None = None
    beyond: list[dict[str, Any]] = field(default_factory=list)
    beyond_dossier: Dossier | None = None
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
    desk = Desk(catalogue, bounds, told, now, calendar)
    envelopes = {file.name: declared(file, bounds.workbook, bounds.file_bytes) for file in files}
    bare = [file for file in files if envelopes[file.name] is None]
    standing_in, unreadable = desk.stand_ins(bare, envelopes)
    _refuse_twins(standing_in, envelopes)
    known = {name: envelope for name, envelope in envelopes.items() if envelope is not None} | standing_in
    first = desk.judge(files, known, standing_in)
    refused = [file for file in files if envelopes[file.name] is not None and first[file.name].is_refused]
    second: dict[str, Outcome] = {}
    if refused:
        in_order, _ = desk.stand_ins(refused, envelopes, lenient=True)
        if in_order:
            second = desk.judge(files, known | in_order, standing_in | in_order)
    reports = [_report(file, envelopes[file.name], first[file.name], second.get(file.name)) for file in files]
    for report in reports:
        if report.file in unreadable:
            report.beyond.append(_worded(catalogue, unreadable[report.file]))
    return reports


def _report(file: Handed, envelope: Envelope | None, first: Outcome, second: Outcome | None) -> Report:
    where: Envelopes = "none" if envelope is None else "sidecar" if file.sidecar else "cover"
    report = Report(
        file=file.name,
        envelope=where,
        receipt=first.receipt,
        dossier=first.dossier,
        pending=first.pending,
        verdicts=first.verdicts,
        due=first.due,
        same_as=first.same_as,
    )
    if second is not None and second.receipt is not None and first.is_refused:
        told = {_place(finding) for finding in report.findings}
        report.beyond = [
            finding
            for finding in second.receipt["findings"]
            if not finding["rule_code"].startswith("ENV-") and _place(finding) not in told
        ]
        report.beyond_dossier = second.dossier
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

    return dict.fromkeys(FINDING_FIELDS) | {
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
