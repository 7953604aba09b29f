"""What happens to files as a whole: missing, broken in transit, wrongly declared, sent again, restated, withdrawn.

Put here: the list of incidents, on which form and when they strike, whom, what follows, and what each does to
envelope, table or bytes. Do not put here: defects of single rows (defects) or the layout of files
(rendering).

Each incident breaks one structure rule, so the answer key can name it. An insurer is struck by at most one
incident per form and period. Which insurer it is depends on the sizes of the files of that period only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Literal

import polars as pl

from pipelines.samples.filings import Desk, Filing, submission_id
from pipelines.samples.truth import middle

Size = Literal["large", "medium", "small"]
_PLACES: Mapping[Size, float] = {"large": 0.0, "medium": 0.35, "small": 0.7}
ZIP_PART = 0.6
_OLE_HEAD = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(504)
_RESTATED_AFTER = 75


@dataclass(frozen=True, slots=True)
class Incident:
    """One thing that happens to one file.

    Attributes:
        name: what happens; envelope, table and byte effects are looked up by it.
        form: form it happens to.
        at: where in the history, 0 (first period) to 1 (last).
        size: size of the file among those of the form and period.
        rule: structure rule it breaks; None if it breaks none.
        corrected: the insurer sends a sound file soon after.
        least_rows: rows the file must have.
    """

    name: str
    form: str
    at: float
    size: Size
    rule: str | None
    corrected: bool = True
    least_rows: int = 1


INCIDENTS: tuple[Incident, ...] = (
    Incident("missing", "F01", 0.30, "medium", None, corrected=False),
    Incident("missing", "F06", 0.47, "small", None, corrected=False),
    Incident("missing", "F03", 0.62, "medium", None, corrected=False),
    Incident("missing", "F11", 0.80, "medium", None, corrected=False),
    Incident("missing", "F08", 0.2, "medium", None, corrected=False),
    Incident("missing", "F09", 0.5, "medium", None, corrected=False),
    Incident("missing", "F10", 0.4, "medium", None, corrected=False),
    Incident("wrong_digest", "F05", 0.08, "medium", "ENV-S02"),
    Incident("wrong_digest", "F06", 0.56, "medium", "ENV-S02", corrected=False),
    Incident("wrong_row_count", "F06", 0.12, "medium", "ENV-S02"),
    Incident("wrong_control_total", "F06", 0.21, "large", "ENV-S02"),
    Incident("truncated_workbook", "F06", 0.17, "small", "ENV-S01"),
    Incident("protected_workbook", "F01", 0.26, "small", "ENV-S01"),
    Incident("empty_file", "F02", 0.35, "medium", "ENV-S01"),
    Incident("nul_byte", "F04", 0.39, "medium", "ENV-S01"),
    Incident("undecodable", "F01", 0.43, "medium", "ENV-S01"),
    Incident("unknown_column", "F05", 0.48, "medium", "ENV-S01"),
    Incident("missing_column", "F02", 0.52, "small", "ENV-S01"),
    Incident("doubled_column", "F04", 0.56, "small", "ENV-S01"),
    Incident("ragged_row", "F06", 0.61, "large", "ENV-S01", least_rows=3),
    Incident("wrong_period_in_rows", "F06", 0.65, "small", "ENV-S03"),
    Incident("unknown_form", "F03", 0.69, "medium", "ENV-S03"),
    Incident("unknown_version", "F04", 0.73, "medium", "ENV-S03"),
    Incident("wrong_reporter_in_rows", "F05", 0.78, "small", "ENV-S04"),
    Incident("not_obliged", "F04", 0.34, "large", "ENV-S04", corrected=False, least_rows=0),
    Incident("closed_reporter", "F01", 0.95, "small", "ENV-S04", corrected=False, least_rows=0),
    Incident("no_envelope", "F05", 0.60, "large", "ENV-S01"),
    Incident("nil_with_rows", "F02", 0.82, "medium", "ENV-S05"),
    Incident("empty_original", "F03", 0.86, "small", "ENV-S05", corrected=False, least_rows=0),
    Incident("wrong_sequence", "F03", 0.26, "small", "ENV-S06", corrected=False),
    Incident("resubmission_without_reason", "F06", 0.43, "medium", "ENV-S06", corrected=False),
    Incident("number_used_twice", "F06", 0.78, "medium", "ENV-S06", corrected=False),
    Incident("same_persons", "F06", 0.90, "medium", "ENV-S07"),
    Incident("only_saved", "F01", 0.60, "small", "ENV-S09"),
    Incident("sent_twice", "F02", 0.65, "large", None, corrected=False),
    Incident("restated", "F01", 0.21, "large", None, corrected=False, least_rows=5),
    Incident("restated", "F01", 0.69, "medium", None, corrected=False, least_rows=3),
    Incident("restated", "F06", 0.30, "large", None, corrected=False),
    Incident("restated", "R01", 0.34, "large", None, corrected=False),
    Incident("rewritten", "F02", 0.47, "large", None, corrected=False, least_rows=21),
    Incident("sent_unchanged", "F06", 0.69, "medium", None, corrected=False),
    Incident("overtaken", "F06", 0.34, "medium", None, corrected=False),
    Incident("only_validated", "F05", 0.86, "small", "ENV-S09", corrected=False),
    Incident("corrected", "F06", 0.52, "medium", None, corrected=False, least_rows=5),
    Incident("corrected_again", "F06", 0.08, "medium", None, corrected=False, least_rows=10),
    Incident("corrected_in_three_ways", "F02", 0.26, "large", None, corrected=False, least_rows=21),
    Incident("nil_by_mistake", "F03", 0.43, "medium", None, corrected=False),
    Incident("mended", "F02", 0.73, "large", None, corrected=False, least_rows=41),
    Incident("unknown_key_corrected", "F05", 0.30, "large", None, corrected=False),
    Incident("known_key_inserted", "F05", 0.65, "small", None, corrected=False),
    Incident("stale_version_corrected", "F06", 0.60, "small", None, corrected=False, least_rows=5),
    Incident("withdrawn", "F05", 0.43, "small", None, corrected=False),
    Incident("withdrawn_and_filed_anew", "F06", 0.86, "small", None, corrected=False),
)
"""``restated``: a sound filing is sent again with changed rows; ``rewritten``: with another inquiry_at;
``overtaken``: of two restatements the third file is signed before the second."""

DAMAGES: tuple[tuple[str, str, float, Size], ...] = (
    ("slash_dates", "F02", 0.13, "medium"),
    ("chinese_dates", "F05", 0.22, "medium"),
    ("compact_dates", "F01", 0.39, "medium"),
    ("slash_moments", "F02", 0.78, "small"),
    ("full_width_numbers", "F06", 0.39, "small"),
    ("full_width_numbers", "F02", 0.60, "medium"),
    ("apostrophes", "F06", 0.73, "small"),
    ("decimal_counts", "F04", 0.65, "small"),
    ("scientific", "F01", 0.52, "large"),
    ("trimmed_codes", "F05", 0.90, "small"),
    ("trimmed_codes", "F06", 0.26, "small"),
    ("slash_dates", "F11", 0.40, "medium"),
)
"""Damage by spreadsheets: name, form, place in the history, size. Every changed cell is a finding."""


def strike(
    desk: Desk, form: str, periods: Sequence[object], position: int, filings: list[Filing]
) -> tuple[list[Filing], list[Filing]]:
    """Let the incidents of one form and period happen.

    Args:
        desk: numbers and signs what is sent in addition.
        form: form code.
        periods: all periods of the form; only their number matters.
        position: which of them this is.
        filings: the originals; those struck are changed in place.

    Returns:
        The filings that are sent in the end (originals without the missing ones, then what is sent in
        addition), and of these the ones whose rows differ on purpose from the clean facts (``restated`` and
        ``rewritten``).
    """
    sent = list(filings)
    changed: list[Filing] = []
    for incident in INCIDENTS:
        if incident.form != form or middle(len(periods), incident.at) != position:
            continue
        filing = _struck(desk, incident, sent)
        if filing is None:
            continue
        filing.incident = incident.name
        filing.readable = incident.rule is None
        extra = _follow(desk, incident, filing)
        if incident.name == "missing":
            sent.remove(filing)
        sent.extend(extra)
        changed.extend(one for one in extra if one.restates)
    for name, damaged, at, size in DAMAGES:
        if damaged == form and middle(len(periods), at) == position:
            hit = _choose(sent, size, least_rows=1)
            if hit is not None:
                hit.damage = name
    return sent, changed


def _choose(filings: Sequence[Filing], size: Size, least_rows: int) -> Filing | None:
    """A free original of the wanted size; equal sizes are told apart by the reporter's code."""
    free = [one for one in filings if one.is_free and one.rows >= least_rows]
    free.sort(key=lambda one: (-one.rows, one.reporter_code))
    return free[middle(len(free), _PLACES[size])] if free else None


def _struck(desk: Desk, incident: Incident, filings: Sequence[Filing]) -> Filing | None:
    if incident.name == "empty_original":
        return next((one for one in filings if one.is_free and one.rows == 0), None)
    if incident.name in ("not_obliged", "closed_reporter"):
        return _uncalled(desk, incident, filings)
    return _choose(filings, incident.size, incident.least_rows)


def _uncalled(desk: Desk, incident: Incident, filings: Sequence[Filing]) -> Filing | None:
    """A nil report of somebody who owes none; it is appended by :func:`_follow`."""
    period = filings[0].period if filings else None
    if period is None:
        return None
    if incident.name == "closed_reporter":
        gone = desk.registry.merged()
        if gone is None or gone.owes(period):
            return None
        reporter = gone.index
    else:
        classes = desk.catalogue.forms[incident.form].obliged_classes
        reporter = next(one.index for one in desk.registry.insurers if one.insurer_class not in classes)
    filing = desk.new(incident.form, period, reporter, filings[0].signed_at, rows=0)
    filing.attributable = False
    return filing


def _follow(desk: Desk, incident: Incident, filing: Filing) -> list[Filing]:
    """What is sent because of an incident; the struck filing itself is changed where its envelope lies."""
    name = incident.name
    special = _SPECIAL.get(name)
    if special is not None:
        return special(desk, filing)
    effect = _ENVELOPES.get(name)
    if effect is not None:
        filing.declared.update(effect)
    if incident.corrected:
        return [desk.again(filing, reason="更正上次报送的文件错误", after_days=2)]
    return []


def _wrong_sequence(_: Desk, filing: Filing) -> list[Filing]:
    filing.sequence = 2
    filing.submission = submission_id(filing.form, filing.period, filing.reporter_code, 2)
    return []


def _nil_with_rows(desk: Desk, filing: Filing) -> list[Filing]:
    filing.kind = "NIL"
    return [desk.again(filing, reason="上次误报为零报告", after_days=1)]


def _empty_original(_: Desk, filing: Filing) -> list[Filing]:
    filing.kind = "ORIGINAL"
    return []


def _unknown_form(desk: Desk, filing: Filing) -> list[Filing]:
    """The insurer calls its form by a code that does not exist, then files it properly as a first filing."""
    proper = desk.new(filing.form, filing.period, filing.reporter, filing.signed_at, rows=filing.rows)
    filing.submission = filing.submission.replace(filing.form, "F99", 1)
    filing.declared["form"] = "F99"
    filing.attributable = False
    return [proper]


def _no_envelope(desk: Desk, filing: Filing) -> list[Filing]:
    """A file without an envelope is nobody's; its sender then files properly for the first time."""
    filing.attributable = False
    return [desk.new(filing.form, filing.period, filing.reporter, filing.signed_at, rows=filing.rows)]


def _restated(desk: Desk, filing: Filing) -> list[Filing]:
    filing.readable = True
    return [desk.again(filing, reason="复核后更正已报数据", after_days=_RESTATED_AFTER, restates=True)]


def _without_reason(desk: Desk, filing: Filing) -> list[Filing]:
    filing.readable = True
    filing.incident = "followed"
    again = desk.again(filing, reason="", after_days=9)
    again.reason = None
    again.incident, again.readable = "resubmission_without_reason", False
    return [again]


def _number_used_twice(desk: Desk, filing: Filing) -> list[Filing]:
    filing.readable = True
    filing.incident = "restated"
    second = desk.again(filing, reason="更正有效保单件数", after_days=20, restates=True)
    third = desk.again(filing, reason="更正有效保单件数", after_days=32)
    third.submission = f"{second.submission}B"
    third.incident, third.readable = "number_used_twice", False
    return [second, third]


def _sent_unchanged(desk: Desk, filing: Filing) -> list[Filing]:
    again = desk.again(filing, reason="再次报送", after_days=6)
    again.unfit = True
    return [again]


def _overtaken(desk: Desk, filing: Filing) -> list[Filing]:
    second = desk.again(filing, reason="更正有效保单件数", after_days=24, restates=True)
    third = desk.again(second, reason="再次更正有效保单件数", after_days=1, restates=True)
    third.signed_at = filing.signed_at + timedelta(
        seconds=(second.signed_at - filing.signed_at).total_seconds() // 2
    )
    return [second, third]


def _corrected(desk: Desk, filing: Filing) -> list[Filing]:
    return [desk.correct(filing, "more_policies", reason="更正有效保单件数", after_days=11)]


def _corrected_again(desk: Desk, filing: Filing) -> list[Filing]:
    """A restatement, corrected twice."""
    second = desk.again(filing, reason="更正有效保单件数", after_days=15, restates=True)
    third = desk.correct(second, "more_policies", reason="更正有效保单件数", after_days=8)
    return [second, third, desk.correct(third, "more_policies", reason="更正有效保单件数", after_days=8)]


def _corrected_in_three_ways(desk: Desk, filing: Filing) -> list[Filing]:
    return [desk.correct(filing, "three_actions", reason="补报、更正和删除首问记录", after_days=7)]


def _nil_by_mistake(desk: Desk, filing: Filing) -> list[Filing]:
    filing.kind, filing.rows = "NIL", 0
    return [desk.correct(filing, "fill_in", reason="误报零报告，补报明细", after_days=4)]


def _mended(desk: Desk, filing: Filing) -> list[Filing]:
    first = desk.correct(filing, "mend_first", reason="更正首问入口", after_days=3)
    return [first, desk.correct(first, "mend_second", reason="更正其余首问入口", after_days=3)]


def _unknown_key_corrected(desk: Desk, filing: Filing) -> list[Filing]:
    return [desk.correct(filing, "unknown_key", reason="更正明细", after_days=5)]


def _known_key_inserted(desk: Desk, filing: Filing) -> list[Filing]:
    return [desk.correct(filing, "known_key", reason="补报明细", after_days=5)]


def _stale_version_corrected(desk: Desk, filing: Filing) -> list[Filing]:
    """A correction that names the first filing although a second one is in force."""
    second = desk.again(filing, reason="更正有效保单件数", after_days=12, restates=True)
    third = desk.correct(second, "more_policies", reason="更正有效保单件数", after_days=5)
    third.supersedes, third.base, third.unfit = filing.submission, filing.number, True
    return [second, third]


def _withdrawn(desk: Desk, filing: Filing) -> list[Filing]:
    return [desk.withdraw(filing, reason="误报他期数据，撤回", after_days=2)]


def _withdrawn_and_filed_anew(desk: Desk, filing: Filing) -> list[Filing]:
    withdrawal = desk.withdraw(filing, reason="误报草稿，撤回", after_days=1)
    anew = desk.again(withdrawal, reason="撤回后重新报送", after_days=1, restates=True)
    anew.rows = filing.rows
    return [withdrawal, anew]


def _sent_twice(_: Desk, filing: Filing) -> list[Filing]:
    filing.readable = True
    filing.copies = 2
    return []


def _appended(_: Desk, filing: Filing) -> list[Filing]:
    return [filing]


_SPECIAL: Mapping[str, Callable[[Desk, Filing], list[Filing]]] = {
    "wrong_sequence": _wrong_sequence,
    "nil_with_rows": _nil_with_rows,
    "empty_original": _empty_original,
    "unknown_form": _unknown_form,
    "no_envelope": _no_envelope,
    "restated": _restated,
    "rewritten": _restated,
    "resubmission_without_reason": _without_reason,
    "number_used_twice": _number_used_twice,
    "sent_twice": _sent_twice,
    "not_obliged": _appended,
    "closed_reporter": _appended,
    "sent_unchanged": _sent_unchanged,
    "overtaken": _overtaken,
    "corrected": _corrected,
    "corrected_again": _corrected_again,
    "corrected_in_three_ways": _corrected_in_three_ways,
    "nil_by_mistake": _nil_by_mistake,
    "mended": _mended,
    "unknown_key_corrected": _unknown_key_corrected,
    "known_key_inserted": _known_key_inserted,
    "stale_version_corrected": _stale_version_corrected,
    "withdrawn": _withdrawn,
    "withdrawn_and_filed_anew": _withdrawn_and_filed_anew,
}

_ENVELOPES: Mapping[str, Mapping[str, object]] = {
    "wrong_digest": {"sha256": sha256(b"another file").hexdigest()},
    "unknown_version": {"version": "9.0.0"},
    "same_persons": {"reviewed_by": "经办人甲", "prepared_by": "经办人甲"},
    "only_saved": {"state": "SAVED"},
    "only_validated": {"state": "VALIDATED"},
}
"""Envelope fields that an incident states wrongly; wrong counts and totals are made from the right ones."""

WORKBOOK_INCIDENTS = ("truncated_workbook", "protected_workbook")
"""Incidents that need a workbook with a sidecar, whatever the insurer usually sends."""
CSV_INCIDENTS = ("empty_file", "nul_byte", "undecodable", "ragged_row", "no_envelope")
"""Incidents that need a CSV file."""

SIDECAR_INCIDENTS = ("wrong_digest", "only_saved", "only_validated")
"""Incidents that need an envelope beside the file; a cover sheet has no digest."""

RULE_OF: Mapping[str, str] = {one.name: one.rule for one in INCIDENTS if one.rule is not None}


def misdeclare(filing: Filing, envelope: dict[str, object]) -> None:
    """State in the envelope what the incident makes wrong."""
    envelope.update(filing.declared)
    if filing.incident == "wrong_row_count":
        envelope["row_count"] = filing.rows + 1
    if filing.incident == "wrong_control_total":
        totals = envelope["control_totals"]
        if isinstance(totals, dict):
            column = next(iter(totals))
            totals[column] = f"9{totals[column]}"


def spoil_table(filing: Filing, table: pl.DataFrame, other_reporter: str) -> pl.DataFrame:
    """Change the text cells of a file as its incident does."""
    if filing.incident == "wrong_period_in_rows":
        return table.with_columns(pl.lit(filing.period.shift(-1).label).alias("period"))
    if filing.incident == "wrong_reporter_in_rows":
        return table.with_columns(pl.lit(other_reporter).alias("reporter_code"))
    return table


def spoil_bytes(filing: Filing, data: bytes) -> bytes:
    """Change the bytes of a file as its incident does."""
    half = data.find(b"\n", len(data) // 2) + 1
    match filing.incident:
        case "truncated_workbook":
            return data[: int(len(data) * ZIP_PART)]
        case "protected_workbook":
            return _OLE_HEAD + data
        case "empty_file":
            return b""
        case "nul_byte":
            return data[:half] + b"\x00" + data[half:]
        case "undecodable":
            return data[:half] + b"\xff\xfe\xff" + data[half:]
        case _:
            return data
