"""What was gathered of one submission, and the receipt it makes.

Belongs here: how the fields of a receipt follow from the rows of the public views. Does not belong here: queries
(`gathering`), files (`drawing`). It needs no database, so that processes which draw can start quickly.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from pipelines.contracts.identities import hide_identities
from pipelines.filing.receipts import content
from pipelines.filing.receipts.content import Dossier, FiledRow, FiledRows, Receipt
from pipelines.filing.states import STATES

Row = dict[str, Any]
"""A row of a query: name -> value."""


class Rule(NamedTuple):
    """A rule's words; None when no contract has it."""

    severity: str | None
    text_zh: str | None
    text_en: str | None


Rules = Mapping[str, Rule]
"""Rule code -> rule, of one submission's form."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """What the database says of one submission, as plain values: cheap to hand to another process."""

    submission_id: str
    head: Row
    rules: Rules
    counts: list[Row]
    found: list[Row]
    verdicts: list[Row]
    totals: list[Row]
    excuses: list[Row]
    differences: list[Row]
    changes: list[Row]
    changed_totals: list[Row]
    kpi_effects: Sequence[content.KpiEffect] | None
    rows: FiledRows | None

    def dossier(self) -> Dossier:
        """The receipt that says it, and its filed rows; clear identities are masked here."""
        groups = _groups(self.counts, self.found, self.rules)
        receipt = Receipt(
            schema_version=content.SCHEMA_VERSION,
            submission=_submission(self.head),
            state=_state(self.head),
            next_deadline=_next_deadline(self.head),
            rows=_account(self.head),
            totals=_totals(groups),
            findings=groups,
            verdicts=tuple(_verdict(row, self.rules) for row in self.verdicts),
            to_explain=tuple(
                group.rule_code for group in groups if group.needs_explanation and self.head["in_force"]
            ),
            control_totals=tuple(content.ControlTotal(**row) for row in self.totals),
            excuses=tuple(content.Excuse(**row) for row in self.excuses),
            difference=_difference(self.differences, self.changes, self.changed_totals),
            kpi_effects=None if self.kpi_effects is None else tuple(self.kpi_effects),
        )
        return Dossier(receipt, None if self.rows is None else _masked(self.rows))


def _submission(head: Row) -> content.Submission:
    return content.Submission(
        **{name: head[name] for name in content.Submission.model_fields if name in head},
        form_title_zh=head["title_zh"],
        form_title_en=head["title_en"],
        late_days=_late_days(head["signed_at"], head["due_date"]),
    )


def _late_days(signed_at: datetime | None, due: date | None) -> int | None:
    if signed_at is None or due is None:
        return None
    return max((signed_at.date() - due).days, 0)


def _state(head: Row) -> content.State:
    state = STATES[head["state"]]
    return content.State(
        code=state.code,
        label_zh=state.label_zh,
        sentence_zh=state.sentence_zh,
        sentence_en=state.sentence_en,
        actor=state.actor,
        next_zh=state.next_zh,
        next_en=state.next_en,
        in_force=head["in_force"],
    )


def _next_deadline(head: Row) -> content.Deadline | None:
    if head["next_due"] is None:
        return None
    return content.Deadline(form=head["form"], period=head["next_period"], due_date=head["next_due"])


def _account(head: Row) -> content.RowAccount | None:
    read = head["rows_read"]
    if read is None:
        return None
    accepted, held_back, refused = head["rows_accepted"], head["rows_quarantined"], head["rows_rejected"]
    return content.RowAccount(
        read=read,
        accepted=accepted,
        held_back=held_back,
        refused=refused,
        adds_up=read == accepted + held_back + refused,
        in_force=head["rows_in_force"],
    )


def _groups(counts: list[Row], found: list[Row], rules: Rules) -> tuple[content.FindingGroup, ...]:
    details: defaultdict[str, list[content.Finding]] = defaultdict(list)
    for row in found:
        details[row["rule_code"]].append(
            content.Finding(**{name: text for name, text in row.items() if name != "rule_code"})
        )
    groups = []
    for count in counts:
        listed = tuple(details[count["rule_code"]])
        rule = rules[count["rule_code"]]
        groups.append(
            content.FindingGroup(
                rule_code=count["rule_code"],
                rule_class=count["rule_class"],
                severity=count["severity"],
                text_zh=rule.text_zh,
                text_en=rule.text_en,
                count=count["findings"],
                listed=len(listed),
                is_truncated=len(listed) < count["findings"],
                waived_by=count["waived_by"],
                explained_by=count["explained_by"],
                needs_explanation=count["severity"] == "W" and count["explained_by"] is None,
                findings=listed,
            )
        )
    return tuple(groups)


def _totals(groups: Sequence[content.FindingGroup]) -> content.FindingTotals:
    blocking = sum(group.count for group in groups if group.severity != "W")
    advisory = sum(group.count for group in groups if group.severity == "W")
    listed = sum(group.listed for group in groups)
    return content.FindingTotals(
        blocking=blocking,
        advisory=advisory,
        waived=sum(group.count for group in groups if group.waived_by is not None),
        unexplained=sum(group.count for group in groups if group.needs_explanation),
        listed=listed,
        is_truncated=listed < blocking + advisory,
    )


def _verdict(row: Row, rules: Rules) -> content.Verdict:
    rule = rules[row["rule_code"]]
    passed = row["verdict"] == "pass"
    return content.Verdict(
        rule_code=row["rule_code"],
        severity=rule.severity,
        verdict=row["verdict"],
        reason_zh=row["reason_zh"],
        reason_en=row["reason_en"],
        count=row["findings"],
        text_zh=None if passed else rule.text_zh,
        text_en=None if passed else rule.text_en,
    )


def _difference(counted: list[Row], changes: list[Row], totals: list[Row]) -> content.Difference | None:
    if not counted:
        return None
    [counts] = counted
    count = changes[0]["changes"] if changes else 0
    listed = tuple(
        content.ChangedCell(**{name: text for name, text in change.items() if name != "changes"})
        for change in changes
    )
    return content.Difference(
        **counts,
        change_count=count,
        is_truncated=len(listed) < count,
        changes=listed,
        totals=tuple(content.ChangedTotal(**total) for total in totals),
    )


def _masked(rows: FiledRows) -> FiledRows:
    """The rows without clear identities in headers and cells."""
    return FiledRows(
        tuple((name, hide_identities(header)) for name, header in rows.columns),
        tuple(
            FiledRow(
                row.row_no,
                row.filed_in,
                tuple([None if text is None else hide_identities(text) for text in row.cells]),
            )
            for row in rows.rows
        ),
    )
