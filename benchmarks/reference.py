"""The same job by hand: a DuckDB script that reads what insurers sent, checks it, loads it and computes the KPIs.

Put here: the shortest honest way from the files of one inbox to findings, typed tables and KPI values, as one process
that starts from nothing. It is what `make bench` holds the pipeline against. Do not put here: orchestration, Great
Expectations, archive, receipts, releases, restarts; anything of `pipelines` (a reference that shares code with what it
measures measures nothing).

From the contracts it takes the facts of columns (type, length, values, headers); every rule is written out below and in
`rules.sql`, every KPI in `kpis.sql`. Official figures (form PUB) are left out: they are the pipeline's fixed cost.

What makes it fast: reading as in `reference_files`; a form is cast and checked in one pass, a rule being a bit; files
in which nothing is wrong need no cast; cells that a spreadsheet damaged are found by the cast that fails, and only
their rows are repaired and checked again; values of lists are stored as ENUM; keys are compared by hash.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.reference_files import (
    FORMS,
    ROOT,
    Column,
    Filing,
    Form,
    arrow_type,
    bounds_of,
    identify,
    list_inbox,
    open_filing,
    read_facts,
    read_filing,
)
from benchmarks.reference_versions import compare_periods, count_files, unfold, walk_chains

HERE = Path(__file__).resolve().parent
WORD = 60
"""Bits of a word that hold checks; the four above them mark rows as a whole."""

# ------------------------------------------------------------------------------------- one pass over a form

#: Row rules by form: (rule, blamed column, severity, SQL that is true where it is broken). `x` is the typed column,
#: `x_` the same as filed; unknown breaks nothing. Working days come from the calendar joined as w (`_CALENDARS`).
ROW_RULES: dict[str, tuple[tuple[str, str, str, str], ...]] = {
    "F01": (
        ("F01-I01", "reg_ref_no", "E", """source_channel IS NOT NULL AND CASE WHEN starts_with(source_channel_, 'REG_')
            THEN reg_ref_no_ IS NULL OR reg_forward_date_ IS NULL
            ELSE reg_ref_no_ IS NOT NULL OR reg_forward_date_ IS NOT NULL END"""),
        ("F01-I02", "decision_date", "E", """received_at::DATE > least(decision_date, notify_date, withdrawn_date)
            OR decision_date > notify_date"""),
        ("F01-I03", "status", "E", """CASE status_ WHEN '已办结' THEN decision_date_ IS NULL OR outcome_ IS NULL
                OR (notify_date_ IS NULL AND coalesce(root_cause <> '无法联系', true))
            WHEN '处理中' THEN decision_date_ IS NOT NULL OR notify_date_ IS NOT NULL OR outcome_ IS NOT NULL END"""),
        ("F01-I04", "due_date", "E", """due_date - received_at::DATE - clock_stop_days <>
            CASE complexity_ WHEN '简单' THEN 15 WHEN '复杂' THEN 30 WHEN '特别复杂' THEN 60 END"""),
        ("F01-I05", "extension_approved_on", "E", """complexity_ = '特别复杂' AND (extension_approved_on_ IS NULL
            OR extension_approved_on - received_at::DATE NOT BETWEEN 0 AND 30)"""),
        ("F01-I06", "validity", "E", """CASE validity_ WHEN '不纳入' THEN exclusion_code_ IS NULL
            WHEN '重复' THEN first_complaint_id_ IS NULL
            ELSE validity IS NOT NULL AND (exclusion_code_ IS NOT NULL OR first_complaint_id_ IS NOT NULL) END"""),
        ("F01-I07", "settlement_type", "E", """CASE settlement_type_ WHEN '无' THEN settlement_amount <> 0
            WHEN '协议解约' THEN settlement_amount_ IS NULL OR settlement_amount = 0 OR surrender_diff_amount_ IS NULL
                OR surrender_diff_amount > settlement_amount
            ELSE settlement_type IS NOT NULL AND (settlement_amount_ IS NULL OR settlement_amount = 0) END"""),
        ("F01-I08", "line_code", "E", """line_code IS NOT NULL AND CASE
            WHEN insurer_class_ = 'P' THEN line_code_ NOT IN ('机动车辆', '保证', '责任', '企财', '家财', '农业',
                '意外', '短期健康', '退货运费', '财产险其他')
            WHEN insurer_class_ IN ('L', 'H', 'A') THEN line_code_ NOT IN ('意外', '普通寿险', '分红', '万能',
                '投连', '疾病', '医疗', '护理失能', '年金') END"""),
        ("F01-I09", "due_date", "W", "status_ = '处理中' AND due_date < pe"),
        ("F01-I10", "settlement_amount", "W",
            "outcome_ = '协商一致' AND decision_date = received_at::DATE AND settlement_amount > 0"),
    ),
    "F02": (
        ("F02-I01", "complaint_id", "E", "is_complaint <> (complaint_id_ IS NOT NULL)"),
        ("F02-I02", "first_contact_at", "E", """inquiry_at > first_contact_at
            OR greatest(inquiry_at, first_contact_at)::DATE > least(resolved_date, informed_date)
            OR resolved_date > informed_date"""),
        ("F02-I03", "resolved_at_first", "E",
            "resolved_at_first AND (transfer_count > 1 OR escalated_to_regulator_on_ IS NOT NULL)"),
        ("F02-I04", "first_contact_at", "W", "first_contact_at::DATE > w.d1"),
    ),
    "F03": (
        ("F03-I01", "refuse_reason", "E",
            """(org_accepts = false AND refuse_reason_ IS NULL)
            OR (accept_status_ = '不予受理' AND result_ IS NOT NULL)"""),
        ("F03-I02", "org_notified_date", "E", """apply_date > least(org_notified_date, end_date)
            OR org_notified_date > end_date OR agreement_date > least(end_date, fulfil_due_date)"""),
        ("F03-I03", "result", "E", """CASE WHEN result_ IN ('成功', '部分成功')
            THEN agreement_date_ IS NULL OR fulfil_status_ IS NULL
            WHEN result IS NOT NULL OR result_ IS NULL
            THEN agreement_date_ IS NOT NULL OR fulfil_status_ IS NOT NULL END"""),
        ("F03-I04", "fulfil_status", "E", """CASE WHEN fulfil_status_ = '已履行' THEN fulfil_date_ IS NULL
            WHEN fulfil_status IS NOT NULL OR fulfil_status_ IS NULL THEN fulfil_date_ IS NOT NULL END
            OR (fulfil_status_ = '逾期' AND fulfil_due_date >= pe)"""),
        ("F03-I05", "agreement_amount", "W", "agreement_amount > demand_amount"),
    ),
    "F04": (
        ("F04-I01", "cooling_off_end", "E",
            """delivery_date_ IS NOT NULL
            AND (cooling_off_end_ IS NULL OR cooling_off_end - delivery_date <> cooling_off_days)"""),
        ("F04-I02", "exempt_reason", "E", "must_call = (exempt_reason_ IS NOT NULL)"),
        # What is not asked counts against success; what cannot be read is unknown.
        ("F04-I03", "success", "E", """success <> (completed_at_ IS NOT NULL AND problem_id_ IS NULL
            AND q1_is_holder_ IS NOT NULL AND q1_is_holder = 'Y' AND q2_bought_signed_ IS NOT NULL
            AND q2_bought_signed = 'Y' AND q3_read_docs_ IS NOT NULL AND q3_read_docs = 'Y'
            AND q4_liability_ IS NOT NULL AND q4_liability = 'Y' AND q5_surrender_loss_ IS NOT NULL
            AND q5_surrender_loss = 'Y' AND q6_cooling_off_ IS NOT NULL AND q6_cooling_off = 'Y'
            AND (pay_mode <> '期缴' OR (q7_pay_term_ IS NOT NULL AND q7_pay_term = 'Y')))"""),
        ("F04-I04", "method", "E", """CASE WHEN method_ IN ('信函', '会见') THEN receipt_signed_on_ IS NULL
            WHEN method_ = '电话' THEN recording_ref_ IS NULL END"""),
        ("F04-I05", "first_attempt_at", "E", "first_attempt_at > completed_at OR issue_date > first_attempt_at::DATE"),
        ("F04-I06", "first_attempt_at", "W", "first_attempt_at::DATE > cooling_off_end"),
        ("F04-I07", "problem_id", "E", """problem_id_ IS NULL AND completed_at_ IS NOT NULL
            AND (q1_is_holder_ IN ('N', 'U') OR q2_bought_signed_ IN ('N', 'U') OR q3_read_docs_ IN ('N', 'U')
                OR q4_liability_ IN ('N', 'U') OR q5_surrender_loss_ IN ('N', 'U') OR q6_cooling_off_ IN ('N', 'U')
                OR q7_pay_term_ IN ('N', 'U'))"""),
    ),
    "F05": (
        ("F05-I01", "due_date", "E", "due_date <> CASE customer_action WHEN true THEN w.d20 WHEN false THEN w.d10 END"),
        ("F05-I02", "handle_result", "E", "(handle_result <> '处理中') <> (handled_date_ IS NOT NULL)"),
    ),
    "F06": (
        ("F06-I01", "policies_new", "E", "least(policies_new, policies_in_force, person_times) < 0"),
        ("F06-I02", "premium", "W", "premium < 0"),
    ),
    "F11": (
        ("F11-I01", "fi_rules", "E", "fi_rules AND (fi_rules_date_ IS NULL OR evidence_ref_ IS NULL)"),
        ("F11-I02", "fi_weight_pct", "W", "fi_weight_pct NOT BETWEEN 5 AND 60"),
    ),
    "F04S": (
        ("F04S-I01", "due_count", "E",
            "due_count <> done_count::HUGEINT + in_progress + receipt_pending + problem_open"),
        ("F04S-I02", "success_count", "E", """success_in_cooling_off > least(success_count, done_count, due_count)
            OR success_count > least(done_count, due_count) OR done_count > due_count"""),
        ("F04S-I03", "success_count", "W", """due_count > 1000 AND success_count <= due_count
            AND success_count::HUGEINT * 20000 >= due_count::HUGEINT * 19999"""),
    ),
    "F07": (
        ("F07-I01", "opinions_adopted", "E", "opinions_adopted > opinions"),
        ("F07-I02", "review_date", "E",
            "review_date > launch_date OR (conclusion = '未审' AND review_date_ IS NOT NULL)"),
        ("F07-I03", "launch_date", "W", "launch_date <= pe AND review_date_ IS NULL"),
    ),
    "F08": (
        ("F08-I01", "attended", "E", "passed > attended OR attended > expected"),
        ("F08-I02", "roster_date", "E", "abs(session_date - roster_date) > 31"),
    ),
    "F09": (
        ("F09-I01", "found_date", "E",
            "found_date > least(reported_on, case_filed_on, verified_on) OR reported_on > case_filed_on"),
        ("F09-I02", "recovered_amount", "E", """recovered_amount > surrender_amount
            + CASE WHEN fee_amount_ IS NOT NULL THEN fee_amount ELSE 0 END"""),
    ),
    "F10": (
        ("F10-I01", "action_type", "E", """(action_type = '管理责任' AND manager_level_ IS NULL)
            OR (action_type = '列入灰名单' AND valid_until_ IS NULL)"""),
    ),
    "F12": (
        ("F12-I01", "called_ok", "E", "called_ok > least(called, orphan_policies) OR called > orphan_policies"),
    ),
    "F13": (
        ("F13-I01", "risk_cleared", "E", "risk_cleared > least(risk_found, screened) OR risk_found > screened"),
    ),
    "F15": (
        ("F15-I01", "end_date", "E", "start_date > end_date OR end_date NOT BETWEEN ps AND pe"),
        ("F15-I02", "sites", "E", "sites > sites_total"),
        ("F15-I03", "is_campaign", "E", "is_campaign <> (campaign_name_ IS NOT NULL)"),
        ("F15-I04", "reach", "W", """activity_form IN ('线下集中宣教', '走进社区企业学校农村')
            AND reach::HUGEINT > sessions::HUGEINT * 5000"""),
    ),
    "F16": (
        ("F16-I01", "chosen", "E", "chosen > valid_answers OR valid_answers > issued"),
        ("F16-I02", "surveyed_to", "E", "surveyed_from > surveyed_to OR surveyed_to NOT BETWEEN ps AND pe"),
        ("F16-I03", "is_satisfied", "E", "(question_type = '满意度') <> (is_satisfied_ IS NOT NULL)"),
        ("F16-I04", "valid_answers", "W", "valid_answers < 30"),
    ),
    "F17": (
        ("F17-I01", "printed_value", "E",
            "NOT regexp_full_match(printed_value, '-?[0-9]{1,15}(\\.[0-9]{1,4})?')"),
        ("F17-I02", "indicator_period", "E", """NOT regexp_full_match(indicator_period, CASE indicator_period_type
            WHEN 'quarter' THEN '[12][0-9][0-9][0-9]Q[1-4]' WHEN 'half_year' THEN '[12][0-9][0-9][0-9]H[12]'
            WHEN 'year' THEN '[12][0-9][0-9][0-9]' ELSE '[12][0-9][0-9][0-9]-(0[1-9]|1[0-2])' END)"""),
        ("F17-I03", "dimension_value", "E", "(dimension = 'total') <> (dimension_value = 'total')"),
    ),
    "R05": (
        ("R05-I01", "answered", "E",
            "answered <> (call_kind_ IS NOT NULL) OR (transferred_at_ IS NOT NULL AND NOT answered)"),
        ("R05-I02", "insurer_answered", "E", """(transferred_at_ IS NULL) <> (insurer_answered_ IS NULL)
            OR (resolved_ IS NOT NULL)
            <> (insurer_answered_ IS NOT NULL AND coalesce(insurer_answered, resolved_ IS NOT NULL))"""),
        ("R05-I03", "transferred_at", "E", """called_at > transferred_at OR transferred_at::DATE > recomplained_on
            OR (recomplained_on_ IS NOT NULL AND transferred_at_ IS NULL)"""),
    ),
    "R06": (),
    "R07": (),
    "R08": (
        ("R08-I01", "score", "E", """(deduction_ IS NOT NULL) <> (element = '监督检查')
            OR (score_ IS NOT NULL) <> (element <> '监督检查')"""),
    ),
    "R01": (("R01-I01", "forwarded_on", "W", "forwarded_on > w.d7"),),
    "R03": (),
}  # fmt: skip

#: Date whose working-day limits a form's rules need.
_CALENDARS = {"F02": "inquiry_at::DATE", "F05": "found_date", "R01": "received_on"}

PERSON = (
    r"(^|[^0-9])([1-9][0-9]{5}(19|20)[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])[0-9]{3}[0-9Xx]"
    r"|1[3-9][0-9]{9})([^0-9]|$)"
)


@dataclass(frozen=True, slots=True)
class Check:
    """One bit: which rule on which column, and where it is broken."""

    rule: str
    column: str | None
    severity: str
    broken: str


def _quoted(values: Iterable[str]) -> str:
    return ", ".join("'" + value.replace("'", "''") + "'" for value in values)


def _typed(column: Column, clean: set[str]) -> str:
    """Text as the column's type, NULL where it is not exactly that; enums stay text until they are stored."""
    text = f"s.{column.name}"
    if column.name in clean:
        return text
    if column.kind == "boolean":
        return f"CASE {text} WHEN 'Y' THEN true WHEN 'N' THEN false END"
    fits = {
        "date": f"strlen({text}) = 10",
        "timestamp": f"strlen({text}) IN (10, 16, 19)",
        "decimal": f"regexp_full_match({text}, '-?[0-9]{{1,{column.precision - column.scale}}}"
        f"(\\.[0-9]{{1,{column.scale}}})?')",
        "integer": f"regexp_full_match({text}, '-?[0-9]{{1,18}}')",
        "hash": f"regexp_full_match({text}, '[0-9a-fA-F]{{64}}')",
        "code": f"regexp_full_match({text}, '[0-9A-Z]{{{column.length}}}')",
        "enum": f"{text} IN ({_quoted(column.values)})",
    }.get(column.kind)
    value = text if column.sql_type == "VARCHAR" else f"try_cast({text} AS {column.sql_type})"
    return f"CASE WHEN {fits} THEN {value} END" if fits else value


def _stored(form: Form, column: Column) -> str:
    return f"t.{column.name}::e_{form.table}_{column.name}" if column.kind == "enum" else f"t.{column.name}"


def _suspect(column: Column) -> str:
    """Where a cell is not plainly canonical, so that its row must be looked at for a spreadsheet's damage."""
    text, value = f"{column.name}_", column.name
    if column.kind == "text":
        return f"coalesce(regexp_matches({text}, '^[''\\s\\x{{3000}}\\x{{a0}}]|[\\s\\x{{3000}}\\x{{a0}}]$'), false)"
    if column.kind in ("date", "timestamp"):
        return f"({text} IS NOT NULL AND ({value} IS NULL OR {text} NOT LIKE '____-__-__%'))"
    return f"({text} IS NOT NULL AND {value} IS NULL)"


def _checks(form: Form, clean: set[str]) -> list[Check]:
    """Every check of a form, in the order of their bits; columns in `clean` hold no cell that cannot be read."""
    checks = [Check("GEN-I01", c.name, "E", _gen_i01(form, c, clean)) for c in form.columns]
    for c in form.columns:
        if c.kind in ("date", "timestamp"):
            late = "" if c.future else f" OR {c.name}::DATE > signed_on"
            unreal = "" if c.name in clean else f" OR ({c.name} IS NULL AND {_day_shaped(c)})"
            checks.append(Check("GEN-I02", c.name, "E", f"{c.name} < DATE '1990-01-01'{late}{unreal}"))
        if c.kind == "integer" and c.non_negative:
            checks.append(Check("GEN-I03", c.name, "E", f"{c.name} < 0"))
        if c.kind == "decimal":
            too_large = f"abs({c.name}) >= 1000000000000" + (f" OR {c.name} < 0" if c.non_negative else "")
            too_fine = (
                f"{c.name}_ IS NOT NULL AND regexp_full_match({c.name}_, '-?[0-9]+\\.[0-9]+|-?[0-9]{{13,}}')"
            )
            unread = "" if c.name in clean else f" OR ({c.name} IS NULL AND {too_fine})"
            checks.append(Check("GEN-I03", c.name, "E", f"{too_large}{unread}"))
        if c.kind == "text" and c.name != "period":
            checks.append(Check("GEN-I04", c.name, "E", f"regexp_matches({c.name}_, '{PERSON}')"))
    checks += [Check(rule, column, severity, sql) for rule, column, severity, sql in ROW_RULES[form.code]]
    return checks


def _gen_i01(form: Form, column: Column, clean: set[str]) -> str:
    """Filled where required; of its type, length, range and list."""
    text, value = f"{column.name}_", column.name
    unfit = f"{value} IS NULL"
    if column.kind == "text":
        unfit = f"length({text}) > {column.length}"
    elif column.name in clean:
        unfit = "false"
    elif column.kind in ("date", "timestamp"):
        unfit = f"{value} IS NULL AND NOT {_day_shaped(column)}"
    elif column.kind == "decimal":
        unfit = f"{value} IS NULL AND NOT regexp_full_match({text}, '-?[0-9]+(\\.[0-9]+)?')"
    for bound, operator in ((column.low, "<"), (column.high, ">")):
        if bound is not None:
            unfit += f" OR {value} {operator} {bound}"
    event = f"coalesce({form.event}::DATE, pe)" if form.event else "pe"
    for entry, first, last in column.dated:
        outside = " OR ".join(
            [f"{event} < DATE '{first}'"] * bool(first) + [f"{event} > DATE '{last}'"] * bool(last)
        )
        unfit += f" OR ({text} = '{entry}' AND ({outside}))"
    return f"{text} IS NULL OR {unfit}" if column.required else f"{text} IS NOT NULL AND ({unfit})"


def _day_shaped(column: Column) -> str:
    """Looks like a date, so if it is none the day does not exist (GEN-I02) and its spelling is right (GEN-I01)."""
    return f"regexp_matches({column.name}_, '^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}')"


def _words(checks: Sequence[Check]) -> int:
    return (len(checks) + WORD - 1) // WORD


def _marking(form: Form, clean: set[str], *, suspects: bool) -> str:
    """SELECT over `raw`: typed columns, hash of the key, bits; the top bit of w0 marks rows to be repaired."""
    checks = _checks(form, clean)
    typed = ",\n".join(
        f"{_typed(column, clean)} AS {column.name}, s.{column.name} AS {column.name}_"
        for column in form.columns
    )
    words = []
    for word in range(_words(checks)):
        own = checks[word * WORD : (word + 1) * WORD]
        terms = [f"CASE WHEN {c.broken} THEN {1 << bit}::UBIGINT ELSE 0 END" for bit, c in enumerate(own)]
        if word == 0:
            terms.append("CASE WHEN period_ <> per THEN 1152921504606846976::UBIGINT ELSE 0 END")
            terms.append("CASE WHEN reporter_code_ <> rep THEN 2305843009213693952::UBIGINT ELSE 0 END")
            if suspects:
                odd = (
                    " OR ".join(_suspect(column) for column in form.columns if column.name not in clean)
                    or "false"
                )
                terms.append(f"CASE WHEN {odd} THEN 9223372036854775808::UBIGINT ELSE 0 END")
        words.append(f"{' | '.join(terms)} AS w{word}")
    day = _CALENDARS.get(form.code)
    calendar = f"LEFT JOIN limits AS w ON w.day = t.{day}" if day else ""
    key = ", ".join(name for name in form.key if name != "reporter_code")
    return f"""
        SELECT t.no, r, {", ".join(f"{_stored(form, column)} AS {column.name}" for column in form.columns)},
            hash(rep, {key}) AS kh,
            {", ".join(words)}
        FROM (
            SELECT s.no, s.r, {typed}, b.ps, b.pe, b.per, b.rep, b.signed_on
            FROM raw AS s JOIN b USING (no)) AS t {calendar}"""


# Repairs of spreadsheet damage, for the few cells that the casts refused.
_REPAIRS = r"""
CREATE TEMP MACRO bare(x) AS regexp_replace(trim(x, ' ' || chr(9) || chr(12288) || chr(160)), '^''', '');
CREATE TEMP MACRO narrow(x) AS trim(translate(bare(x), '{wide}', '{slim}'));
CREATE TEMP MACRO plain(x) AS CASE WHEN regexp_full_match(x, '-?[0-9]{{1,3}}(,[0-9]{{3}})+(\.[0-9]+)?')
    THEN replace(x, ',', '') ELSE x END;
CREATE TEMP MACRO spelled(x) AS CASE WHEN regexp_full_match(x, '-?[0-9]+(\.[0-9]+)?[eE]\+?[0-9]{{1,2}}')
    THEN coalesce(rtrim(rtrim(try_cast(x AS DECIMAL(38, 6))::VARCHAR, '0'), '.'), x) ELSE x END;
CREATE TEMP MACRO repaired_number(x) AS regexp_replace(spelled(plain(narrow(x))), '^(-?[0-9]+)\.0+$', '\1');
CREATE TEMP MACRO repaired_code(x, n) AS CASE WHEN regexp_full_match(narrow(x), '[0-9]+') AND length(narrow(x)) < n
    THEN lpad(narrow(x), n, '0') ELSE narrow(x) END;
CREATE TEMP MACRO moment(x) AS regexp_extract(x,
    '^([0-9]{{4}})\s*[-/.年]\s*([0-9]{{1,2}})\s*[-/.月]\s*([0-9]{{1,2}})\s*日?'
    '(?:[\sT]+([0-9]{{1,2}})[:时]([0-9]{{1,2}})(?:[:分]([0-9]{{1,2}})秒?)?(?:\.0+)?)?$',
    ['y', 'm', 'd', 'h', 'i', 's']);
CREATE TEMP MACRO two(x) AS lpad(x, 2, '0');
CREATE TEMP MACRO day_of(p) AS p.y || '-' || two(p.m) || '-' || two(p.d);
CREATE TEMP MACRO clock_of(p) AS two(p.h) || ':' || two(p.i) || ':' || two(p.s);
CREATE TEMP MACRO packed(x) AS regexp_replace(x, '^([0-9]{{4}})([0-9]{{2}})([0-9]{{2}})$', '\1-\2-\3');
CREATE TEMP MACRO dated(x, p) AS CASE WHEN p.y = '' OR (p.h <> '' AND clock_of(p) <> '00:00:00') THEN packed(x)
    ELSE day_of(p) END;
CREATE TEMP MACRO timed(x, p) AS CASE WHEN p.y = '' THEN packed(x) WHEN p.h = '' THEN day_of(p)
    ELSE day_of(p) || ' ' || clock_of(p) END;
CREATE TEMP MACRO repaired_date(x) AS dated(narrow(x), moment(narrow(x)));
CREATE TEMP MACRO repaired_timestamp(x) AS timed(narrow(x), moment(narrow(x)));
"""


def _repairs() -> str:
    wide = "".join(chr(0xFF01 + i) for i in range(94)) + "\u3000"
    slim = "".join(chr(0x21 + i) for i in range(94)) + " "
    return _REPAIRS.format(wide=wide.replace("'", "''"), slim=slim.replace("'", "''"))


def _repair(column: Column) -> str:
    """The cell put right; a cell that is canonical stays as it is."""
    x = column.name
    edge = f"regexp_matches({x}, '^[''\\s\\x{{3000}}\\x{{a0}}]|[\\s\\x{{3000}}\\x{{a0}}]$')"
    odd, repair = {
        "date": (f"NOT regexp_full_match({x}, '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}')", f"repaired_date({x})"),
        "timestamp": (
            f"NOT regexp_full_match({x}, '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}([ T][0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}})?)?')",
            f"repaired_timestamp({x})",
        ),
        "integer": (f"NOT regexp_full_match({x}, '-?[0-9]+')", f"repaired_number({x})"),
        "decimal": (f"NOT regexp_full_match({x}, '-?[0-9]+(\\.[0-9]+)?')", f"repaired_number({x})"),
        "code": (f"length({x}) <> {column.length} OR {edge}", f"repaired_code({x}, {column.length})"),
        "boolean": (f"strlen({x}) <> 1", f"narrow({x})"),
        "hash": (f"strlen({x}) <> 64", f"narrow({x})"),
    }.get(column.kind, (edge, f"bare({x})"))
    return f"CASE WHEN {odd} THEN {repair} ELSE {x} END"


def checks_of(form: Form) -> list[Check]:
    """Every check of a form in the order of its bits."""
    return _checks(form, set())


def count_words(form: Form) -> int:
    """How many words of bits a row of the form has."""
    return _words(checks_of(form))


class Marker(Protocol):
    """Another way to mark rows in which every cell is canonical."""

    def takes(self, form: Form, filing: Filing) -> bool:
        """Whether it can mark the rows of a file."""

    def mark(self, con: duckdb.DuckDBPyConnection, form: Form, rows: pa.Table) -> pa.Table:
        """Typed rows with a column per word of bits."""


def _load_marked(con: duckdb.DuckDBPyConnection, form: Form, rows: pa.Table, made: str) -> None:
    """Store rows that were marked elsewhere."""
    con.register("raw", rows)
    key = ", ".join(f"t.{name}" for name in form.key if name != "reporter_code")
    words = ", ".join(f"t.w{word}" for word in range(count_words(form)))
    con.execute(
        f"""{made} SELECT t.no, t.r, {", ".join(f"{_stored(form, c)} AS {c.name}" for c in form.columns)},
            hash(b.rep, {key}) AS kh, {words}
        FROM raw AS t JOIN b USING (no)"""
    )
    con.unregister("raw")


def _load(
    con: duckdb.DuckDBPyConnection, form: Form, filings: Sequence[Filing], marker: Marker | None = None
) -> int:
    """Cast, check and load one form; repairs the rows that need it. Returns the rows read."""
    checks = _checks(form, set())
    rows = [(form.code, i // WORD, 1 << i % WORD, c.rule, c.column, c.severity) for i, c in enumerate(checks)]
    places = ", ".join(["(?, ?, ?, ?, ?, ?)"] * len(rows))
    con.execute(f"INSERT INTO checks VALUES {places}", [value for row in rows for value in row])
    for column in form.columns:
        if column.kind == "enum":
            con.execute(f"CREATE TYPE e_{form.table}_{column.name} AS ENUM ({_quoted(column.values)})")
    filled = [filing for filing in filings if filing.table is not None and filing.rows]
    names = {column.name for column in form.columns}
    marked = [filing for filing in filled if marker is not None and marker.takes(form, filing)]
    taken = {filing.number for filing in marked}
    sound = [filing for filing in filled if filing.typed and filing.number not in taken]
    rest = [filing for filing in filled if not filing.typed]
    clean = set.intersection(*(set(filing.sound) for filing in rest)) if rest else names
    made = f"CREATE TABLE {form.table} AS"
    if marker is not None and marked:
        _load_marked(con, form, marker.mark(con, form, _joined(marked, form, names)), made)
        made = f"INSERT INTO {form.table}"
    for files, own in ((sound, names), (rest, clean)) if filled else (([], set[str]()),):
        if files or (not filled and not marked):
            con.register("raw", _joined(files, form, own))
            con.execute(f"{made} {_marking(form, own, suspects=True)}")
            con.unregister("raw")
            made = f"INSERT INTO {form.table}"
    odd = con.execute(f"SELECT no, r FROM {form.table} WHERE w0 >= 9223372036854775808").to_arrow_table()
    if odd.num_rows:
        _repair_rows(con, form, _joined(rest, form, set()), odd)
    count = sum(filing.rows for filing in filled)
    for filing in filings:
        filing.table, filing.sound = None, {}
    any_bit = " OR ".join(f"w{word} & 1152921504606846975 <> 0" for word in range(_words(checks)))
    picked = " WHEN ".join(f"{word} THEN w{word}" for word in range(_words(checks)))
    con.execute(
        f"""INSERT INTO hit SELECT t.no, c.rule, t.r, c.col FROM (SELECT * FROM {form.table} WHERE {any_bit}) AS t
        JOIN checks AS c ON c.form = '{form.code}' AND CASE c.word WHEN {picked} END & c.mask <> 0"""
    )
    return count


def _joined(filings: Sequence[Filing], form: Form, clean: set[str]) -> pa.Table:
    """Rows of some files in one table: columns in `clean` in their type, the others as text."""
    tables = []
    for filing in filings:
        assert filing.table is not None  # noqa: S101 - the caller picked files that were read
        own = {} if filing.typed else {name: filing.sound[name] for name in clean}
        arrays = [own.get(c.name, filing.table[c.name]) for c in form.columns]
        tables.append(
            pa.table([*arrays, filing.table["r"], filing.table["no"]], names=filing.table.column_names)
        )
    if not tables:
        schema = [(c.name, arrow_type(c)) for c in form.columns] + [("r", pa.uint32()), ("no", pa.uint32())]
        return pa.schema(schema).empty_table()
    return pa.concat_tables(tables)


def _repair_rows(con: duckdb.DuckDBPyConnection, form: Form, text: pa.Table, odd: pa.Table) -> None:
    """Put damaged cells right, tell each (GEN-I05), and check their rows again."""
    con.register("raw", text.filter(pc.is_in(_place(text), _place(odd))))
    con.execute("CREATE OR REPLACE TEMP TABLE filed AS SELECT * FROM raw")
    con.unregister("raw")
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE raw AS SELECT no, r, "
        f"{', '.join(f'{_repair(c)} AS {c.name}' for c in form.columns)} FROM filed"
    )
    con.execute(f"DELETE FROM {form.table} WHERE w0 >= 9223372036854775808")
    con.execute(f"INSERT INTO {form.table} {_marking(form, set(), suspects=False)}")
    changed = ", ".join(f"CASE WHEN a.{c.name} <> z.{c.name} THEN '{c.name}' END" for c in form.columns)
    con.execute(
        f"""INSERT INTO hit SELECT no, 'GEN-I05', r, unnest(list_filter([{changed}], lambda c: c IS NOT NULL))
        FROM filed AS a JOIN raw AS z USING (no, r)"""
    )
    con.execute("DROP TABLE raw")


def _place(rows: pa.Table) -> pa.ChunkedArray:
    """Filing and row as one number."""
    high = pc.multiply(rows["no"].cast(pa.uint64()), pa.scalar(1 << 32, pa.uint64()))
    return pc.add(high, rows["r"].cast(pa.uint64()))


# ------------------------------------------------------------------------------------------------- the job


class Clock:
    """Seconds per stage, of wall and of CPU (reading ahead counts where it happens to run)."""

    def __init__(self) -> None:
        """Start."""
        self.seconds: dict[str, float] = {}
        self.cpu: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a block."""
        started, used = time.perf_counter(), time.process_time()
        yield
        self.cpu[name] = self.cpu.get(name, 0.0) + time.process_time() - used
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started


_TYPED = (
    "no",
    "signed_at",
    "ps",
    "pe",
)  # given their types below; all others are text, also where none is filled


def _enter(con: duckdb.DuckDBPyConnection, filings: Sequence[Filing], forms: Mapping[str, Form]) -> None:
    """Table b: one row per filing."""
    names = (
        "no",
        "id",
        "form",
        "rep",
        "per",
        "ps",
        "pe",
        "kind",
        "seq",
        "prior",
        "reason",
        "declared",
        "signed_at",
    )
    rows: dict[str, list[Any]] = {name: [] for name in names}
    for filing in filings:
        fields = filing.envelope
        usable = "ENV-S01" not in filing.broken
        bounds = bounds_of(str(fields.get("period"))) if usable else None
        values = (
            filing.number,
            filing.name,
            fields.get("form") if usable else None,
            fields.get("reporter") if usable else None,
            fields.get("period") if usable else None,
            bounds and bounds[0],
            bounds and bounds[1],
            fields.get("kind"),
            fields.get("sequence_no") if usable else None,
            fields.get("supersedes"),
            fields.get("reason_code"),
            fields.get("state"),
            fields.get("signed_at") if usable else None,
        )
        for column, value in zip(rows.values(), values, strict=True):
            column.append(value)
    frame = pa.table(
        {
            **{
                name: pa.array(
                    values, pa.int64() if name == "seq" else None if name in _TYPED else pa.string()
                )
                for name, values in rows.items()
            },
            "no": pa.array(rows["no"], pa.uint32()),
            "signed_at": pa.array(rows["signed_at"], pa.timestamp("us")),
            "ps": pa.array(rows["ps"], pa.date32()),
            "pe": pa.array(rows["pe"], pa.date32()),
        }
    )
    con.register("frame", frame)
    con.execute("CREATE TABLE b AS SELECT *, signed_at::DATE AS signed_on FROM frame")
    con.unregister("frame")
    facts = [(f.code, f.frequency, f.days, f.side, f.reject) for f in forms.values()]
    con.execute(
        "CREATE TEMP TABLE forms (form VARCHAR, frequency VARCHAR, days INTEGER, side VARCHAR, reject DECIMAL(3, 2))"
    )
    con.executemany("INSERT INTO forms VALUES (?, ?, ?, ?, ?)", facts)
    con.execute("CREATE TEMP TABLE classes (form VARCHAR, class VARCHAR)")
    con.executemany(
        "INSERT INTO classes VALUES (?, ?)", [(f.code, c) for f in forms.values() for c in f.classes]
    )


_SETUP = """
CREATE TEMP TABLE checks (form VARCHAR, word INTEGER, mask UBIGINT, rule VARCHAR, col VARCHAR, severity VARCHAR);
CREATE TEMP TABLE hit (no UINTEGER, rule VARCHAR, r UINTEGER, col VARCHAR);
CREATE TEMP TABLE calendar AS
SELECT day, is_working_day, count(*) FILTER (is_working_day) OVER (ORDER BY day) AS n
FROM read_csv('{calendar}', header = true, columns = {{'day': 'DATE', 'is_working_day': 'BOOLEAN', 'note': 'VARCHAR'}});
CREATE TEMP TABLE limits AS
SELECT c.day, {limits} FROM calendar AS c {joins};
"""


def _set_up(con: duckdb.DuckDBPyConnection) -> None:
    steps = (1, 7, 10, 20)
    joins = " ".join(
        f"LEFT JOIN calendar AS c{n} ON c{n}.is_working_day AND c{n}.n = c.n + {n}" for n in steps
    )
    con.execute(
        _SETUP.format(
            calendar=ROOT / "data" / "calendar" / "working_days.csv",
            limits=", ".join(f"c{n}.day AS d{n}" for n in steps),
            joins=joins,
        )
    )
    con.execute(_repairs())


def _totals(con: duckdb.DuckDBPyConnection, form: Form, filings: Sequence[Filing]) -> set[int]:
    """Filings whose declared control totals differ from their rows' sums."""
    declared = {f.number: f.totals for f in filings if f.totals and f.read and not f.broken}
    names = sorted({name for totals in declared.values() for name in totals})
    known = {column.name for column in form.columns if column.kind in ("integer", "decimal")}
    wrong = {number for number, totals in declared.items() if not set(totals) <= known}
    summed = [name for name in names if name in known]
    if not summed:
        return wrong
    sums = {
        row[0]: dict(zip(summed, row[1:], strict=True))
        for row in con.execute(
            f"SELECT no, {', '.join(f'coalesce(sum({name}), 0)' for name in summed)} FROM {form.table} GROUP BY no"
        ).fetchall()
    }
    for number, totals in declared.items():
        found = sums.get(number, {})
        if any(
            _decimal(text) != _decimal(str(found.get(name, 0)))
            for name, text in totals.items()
            if name in known
        ):
            wrong.add(number)
    return wrong


def _decimal(text: str) -> str:
    whole, _, fraction = text.strip().partition(".")
    return f"{whole}.{fraction.rstrip('0')}"


def _structure(
    con: duckdb.DuckDBPyConnection, forms: Mapping[str, Form], by_form: Mapping[str, Sequence[Filing]]
) -> None:
    """Structure findings that need the rows, then all of them into `hit`; unread filings keep no rows."""
    for code, filings in by_form.items():
        table = forms[code].table
        clashes = con.execute(
            f"""SELECT no, bool_or(w0 & 1152921504606846976 <> 0), bool_or(w0 & 2305843009213693952 <> 0)
            FROM {table} WHERE w0 & 3458764513820540928 <> 0 GROUP BY no"""
        ).fetchall()
        numbered = {filing.number: filing for filing in filings}
        for number, period, reporter in clashes:
            numbered[number].broken |= {"ENV-S03"} if period else set()
            numbered[number].broken |= {"ENV-S04"} if reporter else set()
        for number in _totals(con, forms[code], filings):
            numbered[number].broken.add("ENV-S02")


def _states(con: duckdb.DuckDBPyConnection, filings: Sequence[Filing]) -> None:
    rows = [(f.number, rule) for f in filings for rule in sorted(f.broken)]
    if rows:
        con.execute(
            "INSERT INTO hit SELECT unnest(?::UINTEGER[]), unnest(?::VARCHAR[]), NULL, NULL",
            [[row[0] for row in rows], [row[1] for row in rows]],
        )
    con.execute("CREATE TEMP TABLE reading (no UINTEGER, n BIGINT, refused BOOLEAN)")
    con.execute(
        "INSERT INTO reading SELECT unnest(?::UINTEGER[]), unnest(?::BIGINT[]), unnest(?::BOOLEAN[])",
        [
            [f.number for f in filings],
            [f.rows if f.read else 0 for f in filings],
            [f.refused for f in filings],
        ],
    )


def _script(name: str) -> list[str]:
    """Statements of a SQL file beside this one."""
    lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.lstrip().startswith("--"))
    return [part for part in text.split(";\n") if part.strip()]


def _expanded(statement: str, forms: Mapping[str, Form]) -> Iterator[str]:
    """A statement with {form}, {key}, {event}, {sound}, {immutable} is run once per form (and immutable column)."""
    if "{" not in statement:
        yield statement
        return
    for form in forms.values():
        if form.side != "insurer" and "{insurer}" in statement:
            continue
        if "{immutable}" in statement:
            for column in form.columns:
                if column.immutable and column.name not in form.key:
                    yield _filled(statement, form, column.name)
        else:
            yield _filled(statement, form, "")


def _filled(statement: str, form: Form, column: str) -> str:
    own = form.key[-1]
    return (
        statement.replace("{insurer}", "")
        .replace("{form}", form.code)
        .replace("{table}", form.table)
        .replace("{own}", own)
        .replace("{key}", ", ".join(name for name in form.key if name != "reporter_code"))
        .replace("{event}", f"coalesce(t.{form.event}::DATE, b.pe)" if form.event else "b.pe")
        .replace("{immutable}", column)
        .replace("{compared}", ", ".join(c.name for c in form.columns if c.name != "updated_at"))
    )


def run(
    inbox: Path, database: Path, threads: int, memory: str, marker: Marker | None = None
) -> dict[str, Any]:
    """Do the whole job over the files under `inbox` into a new database; returns counts and seconds per stage."""
    clock = Clock()
    database.unlink(missing_ok=True)
    with clock.stage("facts"):
        forms = read_facts()
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": memory,
            "threads": threads,
            "preserve_insertion_order": "false",
            "wal_autocheckpoint": "1GB",  # one checkpoint, at the end
        }
        con = duckdb.connect(str(database), config=config)
        _set_up(con)
    counts: dict[str, int] = {}
    with ThreadPoolExecutor(threads) as pool:
        with clock.stage("envelopes"):
            filings = identify(pool.map(lambda pair: open_filing(pair, forms), list(list_inbox(inbox))))
            _enter(con, filings, forms)
            by_form = {
                code: [f for f in filings if f.envelope.get("form") == code and not f.refused]
                for code in FORMS
            }
        reading: deque[list[Future[None]]] = deque()
        for code, following in zip(FORMS, [*FORMS[1:], None], strict=True):
            for wanted in (
                (code, following) if not reading else (following,)
            ):  # the next form is read meanwhile
                if wanted:
                    reading.append([pool.submit(read_filing, f, forms[wanted]) for f in by_form[wanted]])
            with clock.stage("read (waiting)"):
                for future in reading.popleft():
                    future.result()
            with clock.stage("cast, check, load"):
                counts[code] = _load(con, forms[code], by_form[code], marker)
    with clock.stage("cross rules and states"):
        con.execute("BEGIN")
        _structure(con, forms, by_form)
        _states(con, filings)
        _all(con, "registry.sql", forms)
        unfold(con, forms)
        count_files(con, forms)
        _all(con, "rules.sql", forms)
        compare_periods(con, lambda: _all(con, "periods.sql", forms))
        _all(con, "verdicts.sql", forms)
        walk_chains(con, forms)
        _all(con, "standing.sql", forms)
    with clock.stage("KPIs"):
        _all(con, "kpis.sql", forms)
    with clock.stage("checkpoint"):
        con.execute("COMMIT")
        con.execute("CHECKPOINT")
    found = _report(con, counts, clock)
    con.close()
    return found


def _all(con: duckdb.DuckDBPyConnection, name: str, forms: Mapping[str, Form]) -> None:
    for written in _script(name):
        statement = written
        for mark, text in _REPEATED.items():
            statement = statement.replace(mark, text)
        for sql in _expanded(statement, forms):
            con.execute(sql)


def _six(sure: str, may: str) -> str:
    return ", ".join(f"{sure.format(f'f{n}')} AS s{n}, {may.format(f'f{n}')} AS p{n}" for n in range(1, 7))


#: Lists in the SQL files that only repeat themselves.
_REPEATED = {
    "{root}": str(ROOT),
    "{calls}": _six("count(*) FILTER ({0})", "count(*) FILTER ({0} IS NOT FALSE)"),
    "{distinct_calls}": _six("count(DISTINCT id) FILTER ({0})", "count(DISTINCT id) FILTER ({0} IS NOT FALSE)"),
    "{no_calls}": _six("0", "0"),
    "{governance}": ", ".join(
        f"CASE WHEN p.{name} AND NOT o.{name} THEN '{name}' END"
        for name in (
            "fi_rules", "fi_ledger", "fi_pilot", "fi_sales_covered", "cp_committee", "own_in_assessment",
            "party_branch", "head_party_member",
        )
    ),
}  # fmt: skip


def _report(con: duckdb.DuckDBPyConnection, counts: Mapping[str, int], clock: Clock) -> dict[str, Any]:
    ask: Callable[[str], list[Any]] = lambda sql: con.execute(sql).fetchall()  # noqa: E731 - short for the lines below
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "rows": dict(counts),
        "states": dict(ask("SELECT state, count(*) FROM standing GROUP BY ALL ORDER BY ALL")),
        "findings": dict(ask("SELECT rule, count(*) FROM finding GROUP BY ALL ORDER BY ALL")),
        "kpis": dict(ask("SELECT kpi_id, count(*) FROM kpi_values GROUP BY ALL ORDER BY ALL")),
        "valid_complaints": {
            period: str(n)
            for period, n in ask(
                "SELECT period, numerator FROM kpi_values WHERE kpi_id = 'CMP-01' AND grain = 'bureau' "
                "AND dimension = 'total' AND period_type = 'month' ORDER BY ALL"
            )
        },
        "seconds": {name: round(value, 3) for name, value in clock.seconds.items()},
        "cpu_by_stage": {name: round(value, 3) for name, value in clock.cpu.items()},
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_mib": usage.ru_maxrss // 1024,
    }


def asked_on_the_command_line(description: str | None) -> argparse.Namespace:
    """What every reference takes: inbox, database, threads, memory."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0] if description else None)
    parser.add_argument("inbox", type=Path, help="folder of what insurers sent")
    parser.add_argument("database", type=Path, help="DuckDB file to write (replaced)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory", default="3GiB")
    return parser.parse_args()


def main() -> None:
    """Command line."""
    asked = asked_on_the_command_line(__doc__)
    told = run(asked.inbox, asked.database, asked.threads, asked.memory)
    print(json.dumps(told, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
