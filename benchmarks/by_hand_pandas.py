"""What a user would do instead: pandas for reading, casting and KPIs, Great Expectations' pandas engine for the rules.

Put here: the job as an analyst writes it who knows pandas and Great Expectations and has the contracts at hand. Do not
put here: anything of `pipelines`, or a trick: this is what the pipeline replaces, not a reference to beat.

It does less than the pipeline: the forms and row rules of `_RULES`, facts of columns of every form, unique keys, and
measures of the larger KPIs by insurer and for all. It has no rules between forms or periods, no versions, no
corrections, no spreadsheet damage repaired, no windows above the month, no ranks.
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd  # type: ignore[import-untyped]  # it ships no types

from benchmarks.reference_files import Column, Form, _folded, list_inbox, read_facts

_PREAMBLE = 20
_PERSON = (
    r"(?:^|[^0-9])(?:[1-9][0-9]{5}(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{3}[0-9Xx]"
    r"|1[3-9][0-9]{9})(?:[^0-9]|$)"
)

Rule = Callable[[pd.DataFrame], "pd.Series[bool]"]
#: F04S-I03: of more than so many due policies, so many in so many called with success are too good to be true.
_MANY_DUE, _NEARLY_ALL, _OUT_OF = 1_000, 19_999, 20_000


def _day(column: pd.Series) -> pd.Series:
    return column.dt.normalize()


def _given(rows: pd.DataFrame, name: str) -> pd.Series:
    return rows[f"{name}_filed"].notna()


def _ordered(rows: pd.DataFrame, *names: str) -> pd.Series:
    """Days in order, unknown ones left aside."""
    holds = pd.Series(data=True, index=rows.index)
    for place, earlier in enumerate(names):
        for later in names[place + 1 :]:
            holds &= ~(_day(rows[earlier]) > _day(rows[later]))
    return holds


def _answers(rows: pd.DataFrame) -> pd.Series:
    """Whether every question of the call was answered with yes."""
    questions = (
        "q1_is_holder",
        "q2_bought_signed",
        "q3_read_docs",
        "q4_liability",
        "q5_surrender_loss",
        "q6_cooling_off",
    )
    yes = pd.Series(data=True, index=rows.index)
    for name in questions:
        yes &= rows[name].eq("Y")
    return yes & (rows["pay_mode"].ne("期缴") | rows["q7_pay_term"].eq("Y"))


def _doubtful(rows: pd.DataFrame) -> pd.Series:
    questions = [name for name in rows.columns if name[0] == "q" and not name.endswith("_filed")]
    return rows[questions].isin(["N", "U"]).any(axis=1)


#: Row rules by form: rule -> true where it holds.
_RULES: dict[str, dict[str, Rule]] = {
    "F01": {
        "F01-I01": lambda r: (
            (r.source_channel.str.startswith("REG_") & _given(r, "reg_ref_no") & _given(r, "reg_forward_date"))
            | (~r.source_channel.str.startswith("REG_") & ~_given(r, "reg_ref_no") & ~_given(r, "reg_forward_date"))
        ),
        "F01-I02": lambda r: _ordered(r, "received_at", "decision_date", "notify_date")
        & ~(_day(r.received_at) > r.withdrawn_date),
        "F01-I03": lambda r: (
            r.status.ne("已办结")
            | (
                _given(r, "decision_date")
                & _given(r, "outcome")
                & (_given(r, "notify_date") | r.root_cause.eq("无法联系"))
            )
        )
        & (r.status.ne("处理中") | (~_given(r, "decision_date") & ~_given(r, "notify_date") & ~_given(r, "outcome"))),
        "F01-I04": lambda r: (r.due_date - _day(r.received_at)).dt.days.eq(
            r.complexity.map({"简单": 15, "复杂": 30, "特别复杂": 60}).astype(float) + r.clock_stop_days
        ),
        "F01-I05": lambda r: r.complexity.ne("特别复杂")
        | (r.extension_approved_on - _day(r.received_at)).dt.days.between(0, 30),
        "F01-I06": lambda r: (
            (r.validity.eq("不纳入") & _given(r, "exclusion_code"))
            | (r.validity.eq("重复") & _given(r, "first_complaint_id"))
            | (~r.validity.isin(["不纳入", "重复"]) & ~_given(r, "exclusion_code") & ~_given(r, "first_complaint_id"))
        ),
        "F01-I07": lambda r: r.settlement_type.ne("无") | ~(r.settlement_amount.fillna(0) != 0),
        "F01-I09": lambda r: ~(r.status.eq("处理中") & (r.due_date < r.period_end)),
        "F01-I10": lambda r: ~(
            r.outcome.eq("协商一致") & r.decision_date.eq(_day(r.received_at)) & (r.settlement_amount > 0)
        ),
    },
    "F02": {
        "F02-I01": lambda r: r.is_complaint.eq(_given(r, "complaint_id")),
        "F02-I02": lambda r: ~(r.inquiry_at > r.first_contact_at)
        & _ordered(r, "inquiry_at", "first_contact_at", "resolved_date", "informed_date"),
        "F02-I03": lambda r: ~r.resolved_at_first.isin([True])
        | (~(r.transfer_count > 1) & ~_given(r, "escalated_to_regulator_on")),
        "F02-I04": lambda r: ~(_day(r.first_contact_at) > _day(r.inquiry_at).map(_next_working_day)),
    },
    "F03": {
        "F03-I02": lambda r: _ordered(r, "apply_date", "org_notified_date", "end_date"),
        "F03-I03": lambda r: r.result.isin(["成功", "部分成功"])
        == (_given(r, "agreement_date") & _given(r, "fulfil_status")),
        "F03-I04": lambda r: r.fulfil_status.eq("已履行") == _given(r, "fulfil_date"),
        "F03-I05": lambda r: ~(r.agreement_amount > r.demand_amount),
    },
    "F04": {
        "F04-I01": lambda r: ~_given(r, "delivery_date")
        | (r.cooling_off_end - r.delivery_date).dt.days.eq(r.cooling_off_days),
        "F04-I02": lambda r: r.must_call.ne(_given(r, "exempt_reason")),
        "F04-I03": lambda r: r.success.eq(_given(r, "completed_at") & ~_given(r, "problem_id") & _answers(r)),
        "F04-I04": lambda r: (~r.method.isin(["信函", "会见"]) | _given(r, "receipt_signed_on"))
        & (r.method.ne("电话") | _given(r, "recording_ref")),
        "F04-I05": lambda r: ~(r.first_attempt_at > r.completed_at) & ~(r.issue_date > _day(r.first_attempt_at)),
        "F04-I06": lambda r: ~(_day(r.first_attempt_at) > r.cooling_off_end),
        "F04-I07": lambda r: _given(r, "problem_id") | ~_given(r, "completed_at") | ~_doubtful(r),
    },
    "F04S": {
        "F04S-I01": lambda r: r.due_count.eq(r.done_count + r.in_progress + r.receipt_pending + r.problem_open),
        "F04S-I02": lambda r: ~(r.success_in_cooling_off > r.success_count) & ~(r.success_count > r.done_count)
        & ~(r.done_count > r.due_count),
        "F04S-I03": lambda r: ~(
            (r.due_count > _MANY_DUE) & (r.success_count * _OUT_OF >= r.due_count * _NEARLY_ALL)
        ),
    },
    "F05": {
        "F05-I02": lambda r: r.handle_result.ne("处理中").eq(_given(r, "handled_date")),
    },
    "F06": {
        "F06-I01": lambda r: ~(r.policies_new < 0) & ~(r.policies_in_force < 0) & ~(r.person_times < 0),
        "F06-I02": lambda r: ~(r.premium < 0),
    },
    "R05": {
        "R05-I01": lambda r: r.answered.eq(_given(r, "call_kind")),
        "R05-I02": lambda r: _given(r, "transferred_at").eq(_given(r, "insurer_answered")),
        "R05-I03": lambda r: ~(r.called_at > r.transferred_at),
    },
}  # fmt: skip

_NEXT: dict[Any, Any] = {}


def _next_working_day(day: Any) -> Any:
    return _NEXT.get(day)


def _read_calendar(folder: Path) -> None:
    days = pd.read_csv(folder / "data" / "calendar" / "working_days.csv", parse_dates=["day"])
    working = days["day"].where(days["is_working_day"].astype(str).str.lower().eq("true"))
    _NEXT.update(zip(days["day"], working.bfill().shift(-1), strict=True))


# ------------------------------------------------------------------------------------------------------- reading


def read_all(inbox: Path, forms: Mapping[str, Form]) -> dict[str, pd.DataFrame]:
    """One frame of text per form, with the envelope's reporter, period and signature in every row."""
    parts: dict[str, list[pd.DataFrame]] = {}
    for path, sidecar in list_inbox(inbox):
        if sidecar is None:
            continue
        try:
            envelope = json.loads(sidecar.read_text(encoding="utf-8-sig"))
            form = forms[envelope["form"]]
            rows = _read(path, form, envelope.get("encoding"))
        except (ValueError, KeyError, OSError, StopIteration, zipfile.BadZipFile):
            continue  # an analyst would set it aside and ask
        if rows is not None and len(rows):
            rows["submission"] = envelope["submission_id"]
            rows["signed_at"] = pd.Timestamp(envelope["signed_at"]).tz_localize(None)
            rows["period_end"] = pd.Period(envelope["period"]).end_time.normalize()
            parts.setdefault(form.code, []).append(rows)
    return {code: pd.concat(frames, ignore_index=True) for code, frames in parts.items()}


def _read(path: Path, form: Form, encoding: str | None) -> pd.DataFrame | None:
    if path.suffix in (".xlsx", ".xls"):
        sheets = pd.read_excel(path, sheet_name=None, header=None, dtype=str, engine="openpyxl")
        grid = list(sheets.values())[-1]
        above = next(n for n in range(_PREAMBLE) if _known(grid.iloc[n], form) * 2 >= len(form.columns))
        rows = grid.iloc[above + 1 :].set_axis(list(grid.iloc[above]), axis=1)
    else:
        data = path.read_bytes()
        text = _decode(data, encoding)
        lines = text.splitlines()[: _PREAMBLE + 1]
        above = next(
            n for n, line in enumerate(lines) if _known(line.split(","), form) * 2 >= len(form.columns)
        )
        rows = pd.read_csv(
            io.StringIO(text), dtype=str, skiprows=above, keep_default_na=False, na_values=[""]
        )
    named = {header: form.headers.get(_folded(str(header)), "") for header in rows.columns}
    rows = rows.rename(columns=named)
    wanted = [column.name for column in form.columns]
    rows = rows.dropna(how="all")
    return rows[wanted].copy() if set(wanted) <= set(rows.columns) and rows.columns.is_unique else None


def _known(cells: Any, form: Form) -> int:
    return sum(1 for cell in cells if form.headers.get(_folded(str(cell).strip('"'))))


def _decode(data: bytes, encoding: str | None) -> str:
    if encoding:
        return data.decode(encoding)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("gb18030")


def cast(rows: pd.DataFrame, form: Form) -> pd.DataFrame:
    """Typed columns beside what was filed, where rules ask for it."""
    made: dict[str, Any] = {}
    for column in form.columns:
        filed = rows[column.name]
        made[f"{column.name}_filed"] = filed
        if column.kind in ("date", "timestamp"):
            made[column.name] = pd.to_datetime(filed, errors="coerce", format="ISO8601")
        elif column.kind in ("integer", "decimal"):
            made[column.name] = pd.to_numeric(filed, errors="coerce")
        elif column.kind == "boolean":
            made[column.name] = filed.map({"Y": True, "N": False})
        else:
            made[column.name] = filed
    return pd.DataFrame(made | {name: rows[name] for name in ("submission", "signed_at", "period_end")})


# --------------------------------------------------------------------------------------------- Great Expectations


def expectations(form: Form) -> Iterator[Any]:
    """The contract's facts of columns, as an analyst writes them down, and the row rules as columns of truth."""
    gxe: Any = import_module("great_expectations.expectations")
    for column in form.columns:
        yield from _of_column(gxe, column)
    yield gxe.ExpectCompoundColumnsToBeUnique(column_list=["submission", *form.key])
    for rule in _RULES.get(form.code, {}):
        yield gxe.ExpectColumnValuesToBeInSet(column=rule, value_set=[True])


def _of_column(gxe: Any, column: Column) -> Iterator[Any]:
    filed = f"{column.name}_filed"
    if column.required:
        yield gxe.ExpectColumnValuesToNotBeNull(column=filed)
    if column.kind == "enum":
        yield gxe.ExpectColumnValuesToBeInSet(column=filed, value_set=list(column.values))
    elif column.kind == "boolean":
        yield gxe.ExpectColumnValuesToBeInSet(column=filed, value_set=["Y", "N"])
    elif column.kind == "code":
        yield gxe.ExpectColumnValuesToMatchRegex(column=filed, regex=f"^[0-9A-Z]{{{column.length}}}$")
    elif column.kind == "hash":
        yield gxe.ExpectColumnValuesToMatchRegex(column=filed, regex="^[0-9a-fA-F]{64}$")
    elif column.kind in ("date", "timestamp"):
        yield gxe.ExpectColumnValuesToMatchRegex(
            column=filed, regex=r"^\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d)?)?$"
        )
        yield gxe.ExpectColumnValuesToBeBetween(column=column.name, min_value=pd.Timestamp("1990-01-01"))
        if not column.future:
            yield gxe.ExpectColumnPairValuesAToBeGreaterThanB(
                column_A="signed_at",
                column_B=column.name,
                or_equal=True,
                ignore_row_if="either_value_is_missing",
            )
    elif column.kind in ("integer", "decimal"):
        yield gxe.ExpectColumnValuesToMatchRegex(column=filed, regex=r"^-?\d+(\.\d{1,2})?$")
        low = 0 if column.non_negative else column.low and float(column.low)
        yield gxe.ExpectColumnValuesToBeBetween(
            column=column.name,
            min_value=-1e12 if low is None else low,
            max_value=float(column.high) if column.high else 1e12,
        )
    elif column.kind == "text":
        yield gxe.ExpectColumnValueLengthsToBeBetween(column=filed, max_value=column.length)
        yield gxe.ExpectColumnValuesToNotMatchRegex(column=filed, regex=_PERSON)


def validate(rows: pd.DataFrame, form: Form, context: Any) -> dict[str, int]:
    """Rows that break each expectation; their places come with the result, as findings need them."""
    import great_expectations as gx

    for rule, holds in _RULES.get(form.code, {}).items():
        rows[rule] = holds(rows).fillna(value=True).astype(bool)  # what is unknown breaks nothing
    suite = gx.ExpectationSuite(name=form.code, expectations=list(expectations(form)))
    source = context.data_sources.add_pandas(form.code)
    batch = source.add_dataframe_asset(form.code).add_batch_definition_whole_dataframe("all")
    found = batch.get_batch(batch_parameters={"dataframe": rows}).validate(
        suite, result_format={"result_format": "COMPLETE", "return_unexpected_index_query": False}
    )
    broken: dict[str, int] = {}
    for one in found.results:
        name = f"{form.code} {one.expectation_config.type} {one.expectation_config.kwargs.get('column', '')}"
        broken[name] = int(one.result.get("unexpected_count") or 0)
    return {name: count for name, count in broken.items() if count}


# ----------------------------------------------------------------------------------------------------------- KPIs


def kpis(frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The larger measures by insurer and month, and for all: what a notebook holds."""
    parts: list[pd.DataFrame] = []

    def count(code: str, month: str, **measures: Callable[[pd.DataFrame], Any]) -> None:
        rows = frames.get(code)
        if rows is None:
            return
        when = rows["period_end"] if month == "period" else rows[month]
        keyed = pd.DataFrame({name: make(rows) for name, make in measures.items()})
        keyed["month"] = when.dt.strftime("%Y-%m")
        keyed["reporter"] = rows["reporter_code"]
        parts.append(keyed.groupby(["reporter", "month"]).sum().melt(ignore_index=False).reset_index())

    as_of = max((rows["signed_at"].max() for rows in frames.values()), default=pd.Timestamp(0)).normalize()
    count("F01", "received_at", complaints=lambda r: r.validity.notna(), valid=lambda r: r.validity.eq("有效"),
          own=lambda r: r.source_channel.str.startswith("OWN_"),
          excluded=lambda r: r.validity.isin(["无效", "重复", "不纳入"]), closed=lambda r: r.status.eq("已办结"),
          matters=lambda r: r.matter_count.where(r.validity.eq("有效"), 0))  # fmt: skip
    count("F01", "due_date", due=lambda r: r.due_date < as_of,
          on_time=lambda r: (r.due_date < as_of) & (r.decision_date <= r.due_date))  # fmt: skip
    count("F02", "inquiry_at", inquiries=lambda r: r.inquiry_at.notna(),
          at_first=lambda r: r.resolved_at_first.isin([True]),
          by_sales=lambda r: r.responder_is_sales.isin([True]),
          escalated=lambda r: r.escalated_to_regulator_on.notna())  # fmt: skip
    count(
        "F03",
        "end_date",
        ended=lambda r: r.result.ne("撤回"),
        settled=lambda r: r.result.isin(["成功", "部分成功"]),
    )

    def over(r: pd.DataFrame) -> pd.Series:
        return r.must_call.isin([True]) & r.callback_type.eq("新单") & (r.cooling_off_end < as_of)

    count("F04", "cooling_off_end", call_backs_due=over, completed=lambda r: over(r) & r.completed_at.notna(),
          successful=lambda r: over(r) & r.success.isin([True]),
          inside=lambda r: over(r) & r.success.isin([True]) & (_day(r.completed_at) <= r.cooling_off_end))  # fmt: skip
    count("F05", "due_date", problems_due=lambda r: r.due_date < as_of,
          handled=lambda r: (r.due_date < as_of) & (r.handled_date <= r.due_date))  # fmt: skip
    count("F06", "period", premium=lambda r: r.premium, policies_new=lambda r: r.policies_new,
          policies_in_force=lambda r: r.policies_in_force)  # fmt: skip
    count("F04S", "period", summary_due=lambda r: r.due_count, summary_done=lambda r: r.done_count)
    if not parts:
        return pd.DataFrame(columns=["reporter", "month", "variable", "value"])
    own = pd.concat(parts, ignore_index=True)
    all_of_them = own.groupby(["month", "variable"], as_index=False)["value"].sum().assign(reporter="bureau")
    wide = pd.concat([own, all_of_them]).pivot_table(
        index=["reporter", "month"], columns="variable", values="value"
    )
    for name, above, below in (
        ("CMP-06", "valid", "premium"), ("CMP-13", "excluded", "complaints"), ("CMP-17", "on_time", "due"),
        ("CMP-19", "closed", "complaints"), ("FIR-04", "at_first", "inquiries"), ("MED-03", "settled", "ended"),
        ("CBK-02", "completed", "call_backs_due"), ("CBK-03", "successful", "call_backs_due"),
        ("CBK-04", "inside", "call_backs_due"), ("CBK-08", "handled", "problems_due"),
    ):  # fmt: skip
        if above in wide and below in wide:
            wide[name] = (wide[above] / wide[below].where(wide[below] > 0) * 100).round(2)
    return wide.reset_index()


def run(inbox: Path, out: Path) -> dict[str, Any]:
    """Do the job over the files under `inbox`; Parquet and KPIs go to the folder `out`."""
    import great_expectations as gx

    warnings.simplefilter("ignore")
    seconds: dict[str, float] = {}
    started = time.perf_counter()

    def lap(name: str) -> None:
        nonlocal started
        now = time.perf_counter()
        seconds[name] = round(now - started, 2)
        started = now

    forms = read_facts()
    _read_calendar(Path(__file__).resolve().parents[1])
    context: Any = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    lap("start")
    texts = read_all(inbox, forms)
    lap("read")
    frames = {code: cast(texts.pop(code), forms[code]) for code in list(texts)}
    lap("cast")
    broken: dict[str, int] = {}
    for code, rows in frames.items():
        broken |= validate(rows, forms[code], context)
    lap("Great Expectations")
    out.mkdir(parents=True, exist_ok=True)
    for code, rows in frames.items():
        rows[[column.name for column in forms[code].columns]].to_parquet(out / f"{code.lower()}.parquet")
    lap("load")
    values = kpis(frames)
    values.to_parquet(out / "kpi.parquet")
    lap("KPIs")
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "rows": {code: len(rows) for code, rows in frames.items()},
        "broken": broken,
        "kpi_rows": len(values),
        "seconds": seconds,
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_mib": usage.ru_maxrss // 1024,
    }


def main() -> None:
    """Command line; threads and memory are not pandas' to set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("inbox", type=Path, help="folder of what insurers sent")
    parser.add_argument("out", type=Path, help="folder for Parquet and KPIs")
    parser.add_argument("--threads", type=int, default=0, help="ignored")
    parser.add_argument("--memory", default="", help="ignored")
    asked = parser.parse_args()
    print(json.dumps(run(asked.inbox, asked.out), ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
