"""Mistakes in single rows, each made to break exactly the rules it names.

Put here: the list of planted defects, how a row is chosen for each, and what is changed in it. Do not put
here: warnings and cross-form findings that follow from the rows as they stand; the answer key computes those
(:mod:`pipelines.samples.expected`), for planted rows and innocent ones alike.

A defect waits until a month offers a row it fits. Rows are preferred that appear in no later month, so that a
later file neither repeats nor contradicts the defect. A file takes no more defective rows than its form
tolerates (5 %), unless every file of the form is too small for one; then the file is rejected whole and its
sender resubmits it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import polars as pl

from pipelines.samples.days import WorkingDays
from pipelines.samples.filings import Filing
from pipelines.samples.market import LIFE_CLASSES
from pipelines.samples.registry import Registry

UNKNOWN_NUMBER = 99_999_999
"""Running number that no real record gets."""

_C = pl.col
_DONE = _C("_closes") & ~_C("_carried")
"""Rows that appear in this month's file only."""
_IS_LIFE = _C("insurer_class").is_in(list(LIFE_CLASSES))


@dataclass(frozen=True, slots=True)
class Defect:
    """One mistake.

    Attributes:
        name: what is wrong.
        form: form it is planted in.
        rules: findings it makes on its row, as (rule, column); rules that the answer key computes by itself
            are not listed.
        where: rows that can carry it.
        change: new typed values of columns.
        text: new texts of cells whose content is not of the column's type (or is no packed id); None is an
            empty cell. Their typed value is null.
        rows: how many rows get it.
        drop: remove the row instead.
        double: add the row a second time at the end of the file.
        blocks: the row is quarantined, so the file's tolerance counts.
        small: every file of the form is small: plant it although the file will be rejected, and let it be
            resubmitted.
        corrected: the insurer resubmits the file without the defect although it was partly accepted.
        patient: planted only where the file tolerates it, never forced, and in a file that is not
            resubmitted: the corrected row would contradict the defective one.
        needs: forms without which nobody would notice; ``F01 before`` is the form's period before.
        echoes: noticed only when the next period contradicts it, so it is not planted in the last one, nor in a
            file that is resubmitted.
        early: fits so few rows that it waits for one from the first period on.
    """

    name: str
    form: str
    rules: tuple[tuple[str, str], ...]
    where: pl.Expr
    change: Mapping[str, pl.Expr] = field(default_factory=dict)
    text: Mapping[str, str | None] = field(default_factory=dict)
    rows: int = 1
    drop: bool = False
    double: bool = False
    blocks: bool = True
    small: bool = False
    corrected: bool = False
    patient: bool = False
    needs: tuple[str, ...] = ()
    echoes: bool = False
    early: bool = False

    @property
    def bad_rows(self) -> int:
        """Rows of the file that are quarantined because of it."""
        return 0 if not self.blocks else self.rows * (2 if self.double else 1)


def _unknown(column: str) -> pl.Expr:
    """A packed id of the same company and month that nobody has."""
    return _C(column) // 10**8 * 10**8 + UNKNOWN_NUMBER


def _lit(value: str, column: str) -> pl.Expr:
    """A label of an Enum column."""
    return pl.lit(value).alias(column)


_CLOSED = _C("status") == "已办结"
_OPEN = _C("status") == "处理中"
_LATER_THAN_RECEIVED = _C("decision_date") > _C("received_at").dt.date()
_SUCCESSFUL = _C("success") & (_C("callback_type") == "新单")
_ID_NUMBER = "430902199003071234"
_PHONE = "13812345678"

_F01: tuple[Defect, ...] = (
    Defect(
        "closed too early",
        "F01",
        (),
        _OPEN & _C("_stays"),
        {
            "status": _lit("已办结", "status"),
            "decision_date": _C("updated_at").dt.date(),
            "notify_date": _C("updated_at").dt.date(),
            "outcome": _lit("不支持", "outcome"),
        },
        blocks=False,
        echoes=True,
    ),
    Defect(
        "open complaint left out",
        "F01",
        (),
        _OPEN & _C("_carried") & ~_C("_closes") & ~_C("_referred"),
        drop=True,
        blocks=False,
        needs=("F01 before",),
    ),
    Defect(
        "complaint of an earlier month",
        "F01",
        (),
        _DONE
        & _CLOSED
        & (_C("complexity") == "简单")
        & (_C("validity") != "重复")
        & (_C("reason_l1") != "退保纠纷")
        & _C("source_channel").cast(pl.String).str.starts_with("OWN_")
        & _C("first_inquiry_id").is_null()
        & ~_C("_referred")
        & ~_C("_newcomer"),
        {
            "received_at": _C("received_at").dt.offset_by("-40d"),
            "due_date": _C("due_date").dt.offset_by("-40d"),
        },
        patient=True,
        needs=("F01 before",),
    ),
    Defect(
        "handed to an unknown mediation",
        "F01",
        (),
        _C("_closes") & (_C("outcome") == "转调解"),
        {"mediation_id": _unknown("complaint_id")},
        needs=("F03",),
    ),
    Defect(
        "clue that the complaint does not name",
        "F01",
        (),
        _DONE & _C("clue_id").is_not_null(),
        {"clue_id": pl.lit(None, pl.Int64)},
        blocks=False,
        needs=("F09",),
    ),
    Defect(
        "line that the branch does not sell",
        "F01",
        (),
        _DONE & (_C("insurer_class") == "P"),
        {"line_code": _lit("退货运费", "line_code")},
        blocks=False,
        needs=("F06",),
    ),
    Defect(
        "reference on an own complaint",
        "F01",
        (("F01-I01", "reg_ref_no"),),
        _DONE & _C("source_channel").cast(pl.String).str.starts_with("OWN_"),
        {"reg_ref_no": _unknown("complaint_id")},
    ),
    Defect(
        "notified before the decision",
        "F01",
        (("F01-I02", "decision_date"),),
        _C("_closes") & _CLOSED & _LATER_THAN_RECEIVED,
        {"notify_date": _C("decision_date").dt.offset_by("-1d")},
    ),
    Defect(
        "open with an outcome",
        "F01",
        (("F01-I03", "status"),),
        _OPEN,
        {"outcome": _lit("协商一致", "outcome")},
    ),
    Defect(
        "group without its number",
        "F01",
        (),
        _C("group_id").is_not_null() & ~_C("_carried"),
        {"group_id": pl.lit(None, pl.Int64)},
        rows=6,
        blocks=False,
    ),
    Defect(
        "limit a day too long",
        "F01",
        (("F01-I04", "due_date"),),
        _C("_closes") & _CLOSED,
        {"due_date": _C("due_date").dt.offset_by("1d")},
    ),
    Defect(
        "extension before receipt",
        "F01",
        (("F01-I05", "extension_approved_on"),),
        _C("complexity") == "特别复杂",
        {"extension_approved_on": _C("received_at").dt.date().dt.offset_by("-1d")},
    ),
    Defect(
        "valid and excluded",
        "F01",
        (("F01-I06", "validity"),),
        _C("_closes") & (_C("validity") == "有效"),
        {"exclusion_code": _lit("03", "exclusion_code")},
    ),
    Defect(
        "paid without a settlement",
        "F01",
        (("F01-I07", "settlement_type"),),
        _C("_closes") & _CLOSED & _LATER_THAN_RECEIVED & (_C("settlement_type") == "无"),
        {"settlement_amount": pl.lit(50_000, pl.Int64)},
    ),
    Defect(
        "life line at a property insurer",
        "F01",
        (("F01-I08", "line_code"),),
        _C("_closes") & (_C("insurer_class") == "P"),
        {"line_code": _lit("万能", "line_code")},
    ),
    Defect(
        "property line at a life insurer",
        "F01",
        (("F01-I08", "line_code"),),
        _C("_closes") & _IS_LIFE,
        {"line_code": _lit("机动车辆", "line_code")},
    ),
    Defect(
        "paid to close on the day",
        "F01",
        (),
        _DONE & _CLOSED & (_C("complexity") != "特别复杂") & (_C("validity") == "有效"),
        {
            "outcome": _lit("协商一致", "outcome"),
            "decision_date": _C("received_at").dt.date(),
            "notify_date": _C("received_at").dt.date(),
            "settlement_type": _lit("通融赔付", "settlement_type"),
            "settlement_amount": pl.lit(88_800, pl.Int64),
            "surrender_diff_amount": pl.lit(None, pl.Int64),
        },
        blocks=False,
    ),
    Defect(
        "repeat of an unknown complaint",
        "F01",
        (),
        _C("validity") == "重复",
        {"first_complaint_id": _unknown("complaint_id")},
    ),
    Defect(
        "repeat of itself",
        "F01",
        (),
        _C("validity") == "重复",
        {"first_complaint_id": _C("complaint_id")},
    ),
    Defect(
        "forwarded complaint left out",
        "F01",
        (),
        _DONE & _C("reg_ref_no").is_not_null() & (_C("validity") != "重复") & ~_C("_referred"),
        drop=True,
        blocks=False,
        needs=("R01",),
    ),
    Defect(
        "forwarded complaint under a wrong number",
        "F01",
        (),
        _DONE & _C("reg_ref_no").is_not_null(),
        {"reg_ref_no": _unknown("reg_ref_no")},
        needs=("R01",),
    ),
    Defect(
        "inquiry that does not exist",
        "F01",
        (),
        _DONE & _C("first_inquiry_id").is_not_null(),
        {"first_inquiry_id": _unknown("first_inquiry_id")},
        needs=("F02",),
    ),
    Defect(
        "a day that does not exist",
        "F01",
        (("GEN-I02", "rectify_close_date"),),
        _C("_closes") & _CLOSED,
        text={"rectify_close_date": "2023-02-30"},
    ),
    Defect(
        "a day to come",
        "F01",
        (("GEN-I02", "rectify_close_date"),),
        _C("_closes") & _CLOSED,
        {"rectify_close_date": _C("updated_at").dt.date().dt.offset_by("400d")},
    ),
    Defect(
        "a day of the spreadsheet's birth",
        "F01",
        (("GEN-I02", "rectify_close_date"),),
        _C("_closes") & _CLOSED,
        {"rectify_close_date": pl.date(1899, 12, 30)},
    ),
    Defect(
        "negative demand",
        "F01",
        (("GEN-I03", "demand_amount"),),
        _C("_closes"),
        {"demand_amount": pl.lit(-10_000, pl.Int64)},
    ),
    Defect(
        "tenths of a fen",
        "F01",
        (("GEN-I03", "demand_amount"),),
        _C("_closes"),
        text={"demand_amount": "100.123"},
    ),
    Defect(
        "demand of a trillion",
        "F01",
        (("GEN-I03", "demand_amount"),),
        _C("_closes"),
        {"demand_amount": pl.lit(10**14, pl.Int64)},
    ),
    Defect(
        "identity number for a product",
        "F01",
        (("GEN-I04", "product_code"),),
        _C("_closes"),
        text={"product_code": _ID_NUMBER},
    ),
    Defect(
        "phone number for an agent",
        "F01",
        (("GEN-I04", "agent_code"),),
        # An agent to blame would be missed by F10-X01.
        _C("_closes") & _C("group_id").is_null() & (_C("responsible") != "有责"),
        text={"agent_code": _PHONE},
    ),
    Defect(
        "unknown age band",
        "F01",
        (("GEN-I01", "age_band"),),
        _C("_closes"),
        text={"age_band": "未知"},
        corrected=True,
    ),
    Defect(
        "product code too long",
        "F01",
        (("GEN-I01", "product_code"),),
        _C("_closes"),
        text={"product_code": "CP-" + "X" * 30},
    ),
    Defect(
        "no matter at all",
        "F01",
        (("GEN-I01", "matter_count"),),
        _C("_closes"),
        {"matter_count": pl.lit(0, pl.Int16)},
    ),
    Defect("complaint filed twice", "F01", (), _DONE & (_C("validity") == "有效"), double=True),
    Defect(
        "received at another hour",
        "F01",
        (("GEN-P01", "received_at"),),
        _C("_carried") & _C("_closes") & (_C("received_at").dt.hour() < 17),  # noqa: PLR2004
        {"received_at": _C("received_at").dt.offset_by("1h")},
        patient=True,
        early=True,
    ),
)

_F02: tuple[Defect, ...] = (
    Defect(
        "complaint without a number",
        "F02",
        (("F02-I01", "complaint_id"),),
        ~_C("is_complaint"),
        {"is_complaint": pl.lit(value=True)},
    ),
    Defect(
        "contact before the inquiry",
        "F02",
        (("F02-I02", "first_contact_at"),),
        _C("first_contact_at").is_not_null() & (_C("inquiry_at").dt.hour() > 3),  # noqa: PLR2004
        {"first_contact_at": _C("inquiry_at").dt.offset_by("-1h")},
    ),
    Defect(
        "resolved at first after three transfers",
        "F02",
        (("F02-I03", "resolved_at_first"),),
        _C("resolved_at_first"),
        {"transfer_count": pl.lit(3, pl.Int16)},
    ),
    Defect(
        "entry of an unknown complaint",
        "F02",
        (),
        ~_C("is_complaint"),
        {"is_complaint": pl.lit(value=True), "complaint_id": _unknown("inquiry_id")},
        needs=("F01",),
    ),
    Defect(
        "unknown entry point",
        "F02",
        (("GEN-I01", "entry_point"),),
        ~_C("is_complaint"),
        text={"entry_point": "微信"},
    ),
    Defect(
        "no customer",
        "F02",
        (("GEN-I01", "customer_hash"),),
        ~_C("is_complaint"),
        text={"customer_hash": None},
    ),
    Defect(
        "satisfaction of nine",
        "F02",
        (("GEN-I01", "satisfaction"),),
        _C("satisfaction").is_not_null(),
        {"satisfaction": pl.lit(9, pl.Int64)},
    ),
    Defect(
        "letter in the region",
        "F02",
        (("GEN-I01", "region_code"),),
        ~_C("is_complaint"),
        text={"region_code": "43O9"},
    ),
    Defect(
        "branch of another insurer",
        "F02",
        (("GEN-U02", "org_code"),),
        ~_C("is_complaint"),
        {"org_code": _C("_other_org")},
    ),
    Defect("inquiry filed twice", "F02", (), ~_C("is_complaint"), double=True),
)

_AGREED = _C("result").is_in(["成功", "部分成功"])
_DUE_LATER = _C("fulfil_status") == "未到期"

_F03: tuple[Defect, ...] = (
    Defect(
        "given up too early",
        "F03",
        (),
        _AGREED & _DUE_LATER & ~_C("_closes"),
        {"fulfil_status": _lit("不履行", "fulfil_status")},
        blocks=False,
        echoes=True,
    ),
    Defect(
        "refusal without a reason",
        "F03",
        (("F03-I01", "refuse_reason"),),
        ~_C("org_accepts"),
        {"refuse_reason": pl.lit(None)},
        small=True,
    ),
    Defect(
        "not admitted and yet a result",
        "F03",
        (("F03-I01", "refuse_reason"),),
        (_C("accept_status") == "受理") & (_C("result") == "不成功"),
        {"accept_status": _lit("不予受理", "accept_status")},
        small=True,
    ),
    Defect(
        "notified before the application",
        "F03",
        (("F03-I02", "org_notified_date"),),
        _C("org_notified_date").is_not_null(),
        {"org_notified_date": _C("apply_date").dt.offset_by("-1d")},
        small=True,
    ),
    Defect(
        "agreement without its state",
        "F03",
        (("F03-I03", "result"),),
        _AGREED & _DUE_LATER,
        {"fulfil_status": pl.lit(None)},
        small=True,
    ),
    Defect(
        "fulfilled on no day",
        "F03",
        (("F03-I04", "fulfil_status"),),
        _AGREED & _DUE_LATER,
        {"fulfil_status": _lit("已履行", "fulfil_status")},
        small=True,
    ),
    Defect(
        "another result than the mediation body's",
        "F03",
        (),
        _C("_closes") & (_C("result") == "不成功"),
        {"result": _lit("终止", "result")},
        small=True,
        needs=("R07",),
    ),
    Defect(
        "case that the mediation body does not know",
        "F03",
        (),
        _C("_closes") & _C("complaint_id").is_null(),
        {"mediation_id": _unknown("mediation_id")},
        small=True,
        needs=("R07",),
    ),
    Defect(
        "agreement above the demand",
        "F03",
        (),
        _AGREED & _C("_closes"),
        {"agreement_amount": _C("demand_amount") + 10_000},
        blocks=False,
    ),
)

_F04: tuple[Defect, ...] = (
    Defect(
        "call that waits left out",
        "F04",
        (),
        _C("_carried") & ~_C("_closes") & _C("must_call"),
        drop=True,
        blocks=False,
        needs=("F04 before", "F05"),
    ),
    Defect(
        "cooling-off a day too long",
        "F04",
        (("F04-I01", "cooling_off_end"),),
        _C("_closes") & _SUCCESSFUL,
        {"cooling_off_end": _C("cooling_off_end").dt.offset_by("1d")},
    ),
    Defect(
        "exempt without a reason",
        "F04",
        (("F04-I02", "exempt_reason"),),
        ~_C("must_call"),
        {"exempt_reason": pl.lit(None)},
    ),
    Defect(
        "success denied",
        "F04",
        (("F04-I03", "success"),),
        _C("_closes") & _SUCCESSFUL,
        {"success": pl.lit(value=False)},
    ),
    Defect(
        "phone call without a recording",
        "F04",
        (("F04-I04", "method"),),
        _C("_closes") & _SUCCESSFUL & (_C("method") == "电话"),
        {"recording_ref": pl.lit(None, pl.UInt64)},
    ),
    Defect(
        "letter without a receipt",
        "F04",
        (("F04-I04", "method"),),
        _C("_closes") & _SUCCESSFUL & (_C("method") == "信函"),
        {"receipt_signed_on": pl.lit(None, pl.Date)},
    ),
    Defect(
        "first call after the last",
        "F04",
        (("F04-I05", "first_attempt_at"),),
        _C("_closes")
        & _SUCCESSFUL
        & (_C("completed_at").dt.date() < _C("cooling_off_end"))
        & (_C("completed_at").dt.date() < _C("updated_at").dt.date()),
        {"first_attempt_at": _C("completed_at").dt.offset_by("1h")},
    ),
    Defect(
        "bad answer without a problem case",
        "F04",
        (("F04-I07", "problem_id"),),
        _C("_closes") & _C("problem_id").is_not_null() & (_C("q4_liability") != "Y"),
        {"problem_id": pl.lit(None, pl.Int64)},
    ),
    Defect(
        "policy left out",
        "F04",
        (),
        _DONE & _SUCCESSFUL & _C("must_call"),
        drop=True,
        blocks=False,
        needs=("F06",),
    ),
    Defect(
        "problem case that does not exist",
        "F04",
        (),
        _C("_closes") & _C("problem_id").is_not_null(),
        {"problem_id": _unknown("problem_id")},
        needs=("F05",),
    ),
    Defect(
        "unknown product type",
        "F04",
        (("GEN-I01", "product_type"),),
        _C("_closes") & _SUCCESSFUL,
        text={"product_type": "两全"},
    ),
    Defect(
        "minus one attempts",
        "F04",
        (("GEN-I03", "attempts"),),
        _C("_closes") & _SUCCESSFUL,
        {"attempts": pl.lit(-1, pl.Int16)},
    ),
    Defect(
        "another policy",
        "F04",
        (("GEN-P01", "policy_hash"),),
        _C("_carried") & _C("_closes"),
        {"policy_hash": _C("policy_hash") + 1},
        patient=True,
    ),
)

_F05: tuple[Defect, ...] = (
    Defect(
        "handled too early",
        "F05",
        (),
        ~_C("_closes"),
        {"handle_result": _lit("成功", "handle_result"), "handled_date": _C("updated_at").dt.date()},
        blocks=False,
        echoes=True,
    ),
    Defect(
        "open problem case left out",
        "F05",
        (),
        _C("_carried") & ~_C("_closes"),
        drop=True,
        blocks=False,
        needs=("F05 before",),
    ),
    Defect(
        "limit a day too long",
        "F05",
        (("F05-I01", "due_date"),),
        _C("_closes"),
        {"due_date": _C("due_date").dt.offset_by("1d")},
    ),
    Defect(
        "handled and in progress",
        "F05",
        (("F05-I02", "handle_result"),),
        _C("_closes") & (_C("handle_result") == "成功"),
        {"handle_result": _lit("处理中", "handle_result")},
    ),
    Defect(
        "made a complaint without a number",
        "F05",
        (),
        _C("_closes") & (_C("handle_result") == "成功"),
        {"handle_result": _lit("转投诉", "handle_result")},
        needs=("F01",),
    ),
    Defect(
        "made an unknown complaint",
        "F05",
        (),
        _C("_closes") & (_C("handle_result") == "转投诉"),
        {"complaint_id": _unknown("problem_id")},
        needs=("F01",),
    ),
    Defect(
        "unknown problem type",
        "F05",
        (("GEN-I01", "problem_type"),),
        _C("_closes"),
        text={"problem_type": "电话虚假"},
    ),
    Defect(
        "是 for Y",
        "F05",
        (("GEN-I01", "customer_action"),),
        _C("_closes"),
        text={"customer_action": "是"},
    ),
    Defect("problem case filed twice", "F05", (), _DONE & (_C("handle_result") == "成功"), double=True),
    Defect(
        "found on another day",
        "F05",
        (("GEN-P01", "found_date"),),
        # Moved back from a day of rest, the limit stays what it was.
        _C("_carried") & _C("_closes") & _C("_rest_day"),
        {"found_date": _C("found_date").dt.offset_by("-1d")},
        patient=True,
    ),
    Defect(
        "a tenth of the file with wrong limits",
        "F05",
        (("F05-I01", "due_date"),),
        _C("_closes"),
        {"due_date": _C("due_date").dt.offset_by("-1d")},
        rows=0,
        small=True,
    ),
)

_F06: tuple[Defect, ...] = (
    Defect(
        "total that does not add up",
        "F06",
        (),
        _C("premium") > 0,
        {"premium_ytd": _C("premium_ytd") + 12_345},
        needs=("F06 before",),
    ),
    Defect(
        "twice the policies in force",
        "F06",
        (),
        _C("policies_in_force") > 0,
        {"policies_in_force": _C("policies_in_force") * 2},
        blocks=False,
        needs=("F06 before",),
    ),
    Defect(
        "fewer than no policies",
        "F06",
        (("F06-I01", "policies_new"),),
        _C("long_term_new").is_null(),
        {"policies_new": pl.lit(-3, pl.Int64)},
    ),
    Defect(
        "phone number in the note",
        "F06",
        (("GEN-I04", "basis_note"),),
        pl.lit(value=True),
        text={"basis_note": "如有疑问请联系13987654321"},
    ),
    Defect(
        "words for a number",
        "F06",
        (("GEN-I01", "person_times"),),
        _C("person_times").is_not_null(),
        text={"person_times": "约三百"},
    ),
    Defect(
        "one more long-term policy",
        "F06",
        (),
        _C("long_term_new") > 0,
        {"long_term_new": _C("long_term_new") + 1},
        blocks=False,
        needs=("F04",),
    ),
)

_F11: tuple[Defect, ...] = (
    Defect(
        "rules of no date",
        "F11",
        (("F11-I01", "fi_rules"),),
        _C("fi_rules"),
        {"fi_rules_date": pl.lit(None, pl.Date)},
        small=True,
    ),
    Defect(
        "committee dissolved",
        "F11",
        (),
        _C("cp_committee"),
        {"cp_committee": pl.lit(value=False)},
        blocks=False,
        needs=("F11 before",),
    ),
)

_F07: tuple[Defect, ...] = (
    Defect(
        "more opinions adopted than given",
        "F07",
        (("F07-I01", "opinions_adopted"),),
        _C("opinions") > 0,
        {"opinions_adopted": _C("opinions") + 1},
        small=True,
    ),
    Defect(
        "reviewed after the launch",
        "F07",
        (("F07-I02", "review_date"),),
        _C("review_date").is_not_null() & ~_C("_carried"),
        {"launch_date": _C("review_date").dt.offset_by("-1d")},
        small=True,
    ),
    Defect(
        "launched without a review",
        "F07",
        (),
        _C("review_date").is_not_null() & ~_C("_carried") & (_C("launch_date") <= _C("updated_at").dt.date()),
        {"review_date": pl.lit(None, pl.Date)},
        blocks=False,
    ),
)

_F08: tuple[Defect, ...] = (
    Defect(
        "more people than on the roster",
        "F08",
        (("F08-I01", "attended"),),
        _C("audience") == "外勤",
        {"attended": _C("expected") + 3},
        small=True,
    ),
    Defect(
        "roster of another season",
        "F08",
        (("F08-I02", "roster_date"),),
        _C("audience") == "客服",
        {"roster_date": _C("session_date").dt.offset_by("-32d")},
        small=True,
    ),
    Defect(
        "half the roster",
        "F08",
        (),
        (_C("audience") == "内勤"),
        {"expected": _C("expected") // 2, "attended": _C("expected") // 3, "passed": pl.lit(None, pl.Int64)},
        blocks=False,
    ),
)

_F09: tuple[Defect, ...] = (
    Defect(
        "reported before it was found",
        "F09",
        (("F09-I01", "found_date"),),
        _C("reported_on").is_not_null() & ~_C("_carried"),
        {"reported_on": _C("found_date").dt.offset_by("-1d")},
        small=True,
    ),
    Defect(
        "more recovered than lost",
        "F09",
        (("F09-I02", "recovered_amount"),),
        _C("_closes"),
        {"recovered_amount": _C("surrender_amount") * 2},
        small=True,
    ),
    Defect(
        "clue of a complaint left out",
        "F09",
        (),
        (_C("found_stage") == "投诉处理") & ~_C("_carried"),
        drop=True,
        blocks=False,
        needs=("F01",),
    ),
)

_F10: tuple[Defect, ...] = (
    Defect(
        "manager of no level",
        "F10",
        (("F10-I01", "action_type"),),
        _C("action_type") == "管理责任",
        {"manager_level": pl.lit(None)},
        small=True,
    ),
    Defect(
        "removed and never listed",
        "F10",
        (),
        (_C("action_type") == "品质处罚") & _C("complaint_id").is_null(),
        {"action_type": _lit("移出灰名单", "action_type")},
        small=True,
    ),
)

_F15: tuple[Defect, ...] = (
    Defect(
        "ended before it began",
        "F15",
        (("F15-I01", "end_date"),),
        _C("sessions") > 0,
        {"start_date": _C("end_date").dt.offset_by("1d")},
        small=True,
    ),
    Defect(
        "more outlets than there are",
        "F15",
        (("F15-I02", "sites"),),
        _C("sessions") > 0,
        {"sites": _C("sites_total") + 1},
        small=True,
    ),
    Defect(
        "campaign of no name",
        "F15",
        (("F15-I03", "is_campaign"),),
        _C("is_campaign"),
        {"campaign_name": pl.lit(None, pl.String)},
        small=True,
    ),
    Defect(
        "a stadium at every session",
        "F15",
        (),
        _C("activity_form").is_in(["线下集中宣教", "走进社区企业学校农村"]),
        {"reach": _C("sessions") * 5_001},
        blocks=False,
    ),
)

_F16: tuple[Defect, ...] = (
    Defect(
        "more answers than questionnaires",
        "F16",
        (("F16-I01", "chosen"),),
        _C("question_id") == "Q2",
        {"issued": _C("valid_answers") - 1},
        small=True,
    ),
    Defect(
        "survey of a quarter to come",
        "F16",
        (("F16-I02", "surveyed_to"),),
        _C("question_id") == "Q2",
        {"surveyed_from": _C("surveyed_to").dt.offset_by("1d")},
        small=True,
    ),
    Defect(
        "a wish that satisfies",
        "F16",
        (("F16-I03", "is_satisfied"),),
        _C("question_id") == "Q2",
        {"is_satisfied": pl.lit(value=True)},
        small=True,
    ),
    Defect(
        "one answer too few",
        "F16",
        (),
        (_C("choice_id") == "A") & (_C("chosen") > 0),
        {"chosen": _C("chosen") - 1},
        blocks=False,
        corrected=True,
    ),
)

_R05: tuple[Defect, ...] = (
    Defect(
        "unanswered call of a kind",
        "R05",
        (("R05-I01", "answered"),),
        ~_C("answered"),
        {"call_kind": _lit("咨询", "call_kind")},
    ),
    Defect(
        "settled without an answer",
        "R05",
        (("R05-I02", "insurer_answered"),),
        _C("insurer_answered") & _C("_closes"),
        {"insurer_answered": pl.lit(value=False)},
    ),
    Defect(
        "transferred before it came",
        "R05",
        (("R05-I03", "transferred_at"),),
        _C("transferred_at").is_not_null() & _C("_closes"),
        {"transferred_at": _C("called_at").dt.offset_by("-1m")},
    ),
    Defect(
        "transferred to the bureau",
        "R05",
        (("R05-X01", "org_code"),),
        _C("transferred_at").is_not_null() & _C("_closes"),
        {"org_code": pl.lit("00000000000001")},
    ),
)

_WHOLE_CELL = {
    "due_count": pl.lit(1_200, pl.Int64),
    "done_count": pl.lit(1_200, pl.Int64),
    "success_count": pl.lit(1_200, pl.Int64),
    "in_progress": pl.lit(0, pl.Int64),
    "receipt_pending": pl.lit(0, pl.Int64),
    "problem_open": pl.lit(0, pl.Int64),
}

_F04S: tuple[Defect, ...] = (
    Defect(
        "withdrawn among the due",
        "F04S",
        (("F04S-I01", "due_count"),),
        _C("due_count") > 0,
        {"due_count": _C("due_count") + 1},
        small=True,
    ),
    Defect(
        "more in cooling-off than in all",
        "F04S",
        (("F04S-I02", "success_count"),),
        _C("success_count") > 0,
        {"success_in_cooling_off": _C("success_count") + 1},
        small=True,
    ),
    Defect("too good to be true", "F04S", (), _C("success_count") < _C("due_count"), _WHOLE_CELL, small=True),
    Defect(
        "completed call counted as waiting",
        "F04S",
        (),
        _C("done_count") > _C("success_count"),
        {"done_count": _C("done_count") - 1, "in_progress": _C("in_progress") + 1},
        small=True,
        needs=("F04",),
    ),
    Defect("cell left out", "F04S", (), _C("due_count") > 0, drop=True, blocks=False, needs=("F04",)),
)

_PENDING = _C("effective_date").is_null() & (_C("called_ok") < _C("orphan_policies"))

_F12: tuple[Defect, ...] = (
    Defect(
        "more called than orphaned",
        "F12",
        (("F12-I01", "called_ok"),),
        _C("_closes"),
        {"called": _C("orphan_policies") + 1},
        small=True,
    ),
    Defect(
        "processed before every call",
        "F12",
        (("F12-I02", "effective_date"),),
        _PENDING,
        {"effective_date": _C("updated_at").dt.date()},
        small=True,
    ),
    Defect(
        "a waiver that nobody granted",
        "F12",
        (("F12-I02", "effective_date"),),
        _PENDING,
        {"effective_date": _C("updated_at").dt.date(), "waiver_code": pl.lit("HM-2024-9999")},
        small=True,
    ),
    Defect(
        "a policy that nobody called",
        "F12",
        (),
        _C("_closes"),
        {name: _C(name) + 1 for name in ("orphan_policies", "called", "called_ok")},
        small=True,
        needs=("F04",),
    ),
)

_F13: tuple[Defect, ...] = (
    Defect(
        "more cleared than found",
        "F13",
        (("F13-I01", "risk_cleared"),),
        pl.lit(value=True),
        {"risk_cleared": _C("risk_found") + 1},
        small=True,
    ),
    Defect(
        "fewer than none resolved",
        "F13",
        (("GEN-I03", "pre_resolved"),),
        pl.lit(value=True),
        {"pre_resolved": pl.lit(-1, pl.Int64)},
        small=True,
    ),
    Defect("batch filed twice", "F13", (), pl.lit(value=True), double=True, small=True),
)

_R06: tuple[Defect, ...] = (
    Defect(
        "premium of the statistics system a hundredth higher",
        "R06",
        (),
        _C("premium") > 0,
        {"premium": _C("premium") + _C("premium") // 100 + 1},
        blocks=False,
    ),
    Defect(
        "booked under another line",
        "R06",
        (),
        (_C("premium") > 0) & (_C("line_code") == "年金"),
        {"line_code": _lit("机动车辆", "line_code")},
        blocks=False,
    ),
    Defect("premium that the statistics system lacks", "R06", (), _C("premium") > 0, drop=True, blocks=False),
)

_R07: tuple[Defect, ...] = (
    Defect("case left out by the mediation body", "R07", (), _C("_closes"), drop=True, blocks=False),
    Defect(
        "ended on another day",
        "R07",
        (),
        _C("end_date").is_not_null() & (_C("end_date") > _C("apply_date")),
        {"end_date": _C("end_date").dt.offset_by("-1d")},
        blocks=False,
    ),
)

DEFECTS: tuple[Defect, ...] = (
    *_F01,
    *_F02,
    *_F03,
    *_F04,
    *_F04S,
    *_F05,
    *_F06,
    *_F07,
    *_F08,
    *_F09,
    *_F10,
    *_F11,
    *_F12,
    *_F13,
    *_F15,
    *_F16,
    *_R05,
    *_R06,
    *_R07,
)

PAIRED = ("same matter complained of twice", "second open mediation")
"""Defects that need two rows of one file; :func:`_put_pair` makes them."""
_MASSIVE_SHARE = 0.1
_LEAST_MASSIVE = 15
_PAIR_TRIES = 60
_LEAST_TO_DROP = 3


@dataclass(slots=True)
class Planted:
    """What was planted in one form and period.

    Attributes:
        frame: the rows as they will be filed.
        findings: (row id, column, rule) of the rules that the defects name.
        texts: (row id, column, text) of cells whose text is not that of the typed value.
        to_resubmit: filings that are resubmitted without their defects.
        names: the defects planted.
    """

    frame: pl.DataFrame
    findings: list[tuple[int, str, str]] = field(default_factory=list)
    texts: list[tuple[int, str, str | None]] = field(default_factory=list)
    to_resubmit: list[Filing] = field(default_factory=list)
    names: list[str] = field(default_factory=list)


class Planter:
    """Plants each defect once, as soon as a period at or after its turn offers a fitting row.

    Args:
        history: periods of each form, by code; the defects of a form are spread evenly over them.
    """

    def __init__(self, history: Mapping[str, int]) -> None:
        """Give every defect the period from which it waits for a row: the first one if it is an early one."""
        self._history = history
        self._waiting: list[tuple[int, Defect]] = []
        self._pairs = {name: _turn(number, len(PAIRED), history["F01"]) for number, name in enumerate(PAIRED)}
        for form in dict.fromkeys(one.form for one in DEFECTS):
            mine = [one for one in DEFECTS if one.form == form]
            self._waiting.extend(
                (0 if one.early else _turn(number, len(mine), history[form]), one)
                for number, one in enumerate(mine)
            )
        self._used: dict[str, set[int]] = {}

    @property
    def waiting(self) -> list[str]:
        """Defects that found no row yet, as ``form: name``."""
        return [f"{one.form}: {one.name}" for _, one in self._waiting] + list(self._pairs)

    def plant(
        self,
        form: str,
        position: int,
        frame: pl.DataFrame,
        filings: Sequence[Filing],
        tolerance: Decimal,
        absent: Mapping[str, set[int]],
    ) -> Planted:
        """Plant what is due in one form and period.

        Args:
            form: form code.
            position: which of the form's periods this is.
            frame: rows with ``rid`` (row id, ascending) and ``filing``; see ``truth`` for the others.
            filings: the filings of the form and period.
            tolerance: share of bad rows a file may hold.
            absent: by form, insurers whose filing of the period cannot be read.
        """
        planted = Planted(frame)
        free = {one.number: one for one in filings if one.is_free and one.rows}
        room = {number: int(one.rows * tolerance) for number, one in free.items()}
        place = _Place(planted, free, room, absent, self._used.setdefault(form, set()))
        last_chance = position + 1 >= self._history[form]
        for turn, defect in list(self._waiting):
            too_late = defect.echoes and last_chance
            if defect.form != form or turn > position or not free or too_late:
                continue
            if _put(place, defect, last_chance=last_chance):
                self._waiting.remove((turn, defect))
                planted.names.append(defect.name)
        for name, turn in list(self._pairs.items()):
            if _PAIR_FORMS[name] == form and turn <= position and _put_pair(place, name):
                del self._pairs[name]
                planted.names.append(name)
        return planted


@dataclass(slots=True)
class _Place:
    """Where the defects of one form and period may go.

    Attributes:
        planted: what was planted so far, with the frame.
        free: filings that may be given a defect, by number.
        room: rows each of them may still have quarantined.
        absent: by form, insurers whose filing of the period cannot be read.
        keys: records that were given a defect in any period.
        rows: row ids that were given a defect in this one.
    """

    planted: Planted
    free: dict[int, Filing]
    room: dict[int, int]
    absent: Mapping[str, set[int]]
    keys: set[int]
    rows: set[int] = field(default_factory=set)

    def untouched(self, form: str) -> pl.Expr:
        """Rows whose record has no defect yet."""
        return ~_C("rid").is_in(list(self.rows)) & ~_key(form).is_in(list(self.keys))


def _allowed(place: _Place, defect: Defect, *, last_chance: bool) -> list[int]:
    """Filings that can take a defect."""
    forced = not defect.patient and (defect.small or last_chance)
    found: list[int] = []
    for number, filing in place.free.items():
        blind = any(filing.reporter in place.absent.get(form, ()) for form in defect.needs)
        fits = forced or place.room[number] >= defect.bad_rows
        too_short = defect.drop and filing.rows < _LEAST_TO_DROP
        spoiled = (defect.patient or defect.echoes) and filing in place.planted.to_resubmit
        if fits and not (blind or too_short or spoiled):
            found.append(number)
    return found


def _put(place: _Place, defect: Defect, *, last_chance: bool) -> bool:
    """Put one defect into the frame; False if no row fits."""
    allowed = _allowed(place, defect, last_chance=last_chance)
    fitting = place.planted.frame.filter(
        _C("filing").is_in(allowed) & place.untouched(defect.form) & defect.where
    ).select("filing", "rid", _key(defect.form).alias("key"))
    sizes = fitting.group_by("filing", maintain_order=True).len()
    if defect.rows:
        enough = sizes.filter(_C("len") >= defect.rows)["filing"].to_list()
        number = max(enough, key=lambda one: (place.room[one], -one), default=None)
        count = defect.rows
    else:
        number, count = _middling(place, sizes)
    if number is None:
        return False
    rows = fitting.filter(_C("filing") == number)
    chosen = rows.slice(rows.height // 2 if count == 1 else 0, count)
    _apply(place, defect, place.free[number], chosen["rid"].to_list())
    place.keys.update(chosen["key"].to_list())
    if defect.patient or defect.corrected or defect.echoes:
        del place.free[number]
    return True


def _middling(place: _Place, sizes: pl.DataFrame) -> tuple[int | None, int]:
    """The smallest file of some size with a tenth of its rows fitting, and how many rows that is."""
    able = [
        number
        for number, count in sizes.iter_rows()
        if place.free[number].rows >= _LEAST_MASSIVE and count > place.free[number].rows * _MASSIVE_SHARE
    ]
    number = min(able, key=lambda one: (place.free[one].rows, one), default=None)
    return number, 0 if number is None else int(place.free[number].rows * _MASSIVE_SHARE) + 1


def _apply(place: _Place, defect: Defect, filing: Filing, rows: list[int]) -> None:
    """Change the rows of a filing as the defect says."""
    planted = place.planted
    here = _C("rid").is_in(rows)
    frame = planted.frame
    if defect.drop:
        frame = frame.filter(~here)
    if defect.double:
        last = frame.select(_C("rid").max()).item()
        copies = frame.filter(here).with_columns(
            (pl.int_range(pl.len(), dtype=pl.Int64) + last + 1).alias("rid"),
            pl.lit(2, pl.Int8).alias("order"),
        )
        frame = pl.concat([frame, copies])
        rows = [*rows, *copies["rid"].to_list()]
    changes = [
        pl.when(here).then(value.cast(frame.schema[name])).otherwise(_C(name)).alias(name)
        for name, value in defect.change.items()
    ]
    changes.extend(pl.when(here).then(None).otherwise(_C(name)).alias(name) for name in defect.text)
    planted.frame = frame.with_columns(changes)
    planted.findings.extend((row, column, rule) for row in rows for rule, column in defect.rules)
    planted.texts.extend((row, name, text) for row in rows for name, text in defect.text.items())
    place.rows.update(rows)
    if defect.blocks:
        place.room[filing.number] -= len(rows)
    too_many = defect.blocks and place.room[filing.number] < 0
    if (too_many or defect.corrected) and filing not in planted.to_resubmit:
        planted.to_resubmit.append(filing)


def _put_pair(place: _Place, name: str) -> bool:
    """Make the second of two rows like the first; only rows that this file alone holds are changed."""
    form = _PAIR_FORMS[name]
    whole = [number for number, one in place.free.items() if one not in place.planted.to_resubmit]
    mine = place.planted.frame.filter(_C("filing").is_in(whole) & place.untouched(form))
    if form == "F01":
        received, columns = "received_at", ["complainant_hash", "policy_hash", "reason_l1"]
        lone = (_C("validity") != "重复") & _C("group_id").is_null() & ~_C("_referred")
        able = mine.filter(_C("policy_hash").is_not_null() & lone)
        second = able.filter(_DONE)
    else:
        received, columns = "apply_date", ["complaint_id"]
        able = mine.filter(_C("complaint_id").is_not_null() & _C("end_date").is_null())
        second = able
    for number, row, moment in second.select("filing", "rid", received).head(_PAIR_TRIES).iter_rows():
        mates = able.filter((_C("filing") == number) & (_C("rid") != row) & (_C(received) <= moment))
        if mates.is_empty():
            continue
        first = mates.row(0, named=True)
        change = {column: pl.lit(first[column]) for column in columns}
        defect = Defect(name, form, (), pl.lit(value=True), change, blocks=False, corrected=form == "F03")
        place.rows.add(first["rid"])
        _apply(place, defect, place.free[number], [row])
        del place.free[number]
        return True
    return False


_PAIR_FORMS = {"same matter complained of twice": "F01", "second open mediation": "F03"}

_KEYS = {
    "F01": "complaint_id",
    "F02": "inquiry_id",
    "F03": "mediation_id",
    "F04": "callback_id",
    "F05": "problem_id",
    "F07": "review_id",
    "F08": "course_id",
    "F09": "clue_id",
    "F10": "action_id",
    "F15": "activity_id",
    "F16": "survey_id",
    "R05": "call_id",
    "F12": "departure_id",
}


def _key(form: str) -> pl.Expr:
    """The packed id of a form's records; forms without one are told apart by row."""
    return _C(_KEYS.get(form, "rid"))


def _turn(number: int, count: int, periods: int) -> int:
    """Period from which a defect may be planted: the first is left clean if there is more than one."""
    first = min(1, periods - 1)
    return first + number * max(periods - 1 - first, 0) // max(count, 1)


def prepare(frame: pl.DataFrame, form: str, registry: Registry, days: WorkingDays) -> pl.DataFrame:
    """Add what defects ask about a row.

    F01: ``_referred`` (another row names it) and ``_newcomer`` (of an insurer that opened lately); F02:
    ``_other_org`` (a branch of another insurer); F05: ``_rest_day`` (found on a day that is no working day).
    """
    if form == "F01":
        named = frame["first_complaint_id"].drop_nulls().unique()
        newcomer = registry.newcomer()
        opened = _C("reporter") == newcomer.index if newcomer else pl.lit(value=False)
        return frame.with_columns(
            _C("complaint_id").is_in(named.to_list()).alias("_referred"), opened.alias("_newcomer")
        )
    if form == "F02":
        codes = [one.code for one in registry.insurers]
        elsewhere = pl.Series([codes[(one.index + 1) % len(codes)] for one in registry.insurers])
        return frame.with_columns(elsewhere.gather(frame["reporter"]).alias("_other_org"))
    if form == "F05":
        found = frame["found_date"].to_physical().to_numpy().astype("int64")
        return frame.with_columns(pl.Series("_rest_day", ~days.is_working(found)))
    return frame
