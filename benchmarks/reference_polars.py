"""The second reference: rows are checked in Polars, loaded and computed on in DuckDB.

Put here: the checks of the forms with many rows as Polars expressions, in the order of `reference`'s bits. Do not put
here: reading, the rules between rows, KPIs (they are `reference`'s), anything of `pipelines`.

What makes it fast: a check is asked first whether it is broken anywhere; only for those that are, the rows get their
bits. Files in which a cell is not canonical, and forms without expressions here, go through `reference`'s own pass.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from functools import reduce
from typing import Any

import duckdb
import pyarrow as pa

from benchmarks import reference
from benchmarks.reference_files import Column, Filing, Form

_POLARS_THREADS = "POLARS_MAX_THREADS"
_TOO_LARGE, _MANY = 10**12, 1000


def _rules() -> dict[str, list[Any]]:
    """Row rules by form, true where broken, in the order of `reference.ROW_RULES`; unknown breaks nothing."""
    import polars as pl

    c = pl.col

    def day(name: str) -> Any:
        return c(name).dt.date()

    def given(name: str) -> Any:
        return c(name).is_not_null()

    def empty(name: str) -> Any:
        return c(name).is_null()

    def starts(name: str, text: str) -> Any:
        return c(name).cat.starts_with(text)

    def yes(name: str) -> Any:
        return (c(name) == "Y").fill_null(value=False)

    def is_in(name: str, *values: str) -> Any:
        return reduce(lambda a, b: a | b, [c(name) == value for value in values])

    def before(earlier: Any, *names: str) -> Any:
        """An earlier moment after a later one, anywhere."""
        return reduce(lambda a, b: a | b, [(earlier > day(name)).fill_null(value=False) for name in names])

    received = day("received_at")
    limit = c("complexity").replace_strict(
        {"简单": 15, "复杂": 30, "特别复杂": 60}, default=None, return_dtype=pl.Int64
    )
    questions = (
        "q1_is_holder",
        "q2_bought_signed",
        "q3_read_docs",
        "q4_liability",
        "q5_surrender_loss",
        "q6_cooling_off",
    )
    property_lines = (
        "机动车辆",
        "保证",
        "责任",
        "企财",
        "家财",
        "农业",
        "意外",
        "短期健康",
        "退货运费",
        "财产险其他",
    )
    person_lines = ("意外", "普通寿险", "分红", "万能", "投连", "疾病", "医疗", "护理失能", "年金")
    return {
        "F01": [
            pl.when(starts("source_channel", "REG_")).then(empty("reg_ref_no") | empty("reg_forward_date"))
            .when(given("source_channel")).then(given("reg_ref_no") | given("reg_forward_date")),
            before(received, "decision_date", "notify_date", "withdrawn_date")
            | (c("decision_date") > c("notify_date")).fill_null(value=False),
            pl.when(c("status") == "已办结").then(
                empty("decision_date") | empty("outcome")
                | (empty("notify_date") & (c("root_cause") != "无法联系").fill_null(value=True)))
            .when(c("status") == "处理中").then(given("decision_date") | given("notify_date") | given("outcome")),
            (c("due_date") - received).dt.total_days() - c("clock_stop_days") != limit,
            (c("complexity") == "特别复杂") & (empty("extension_approved_on")
                | ~(c("extension_approved_on") - received).dt.total_days().is_between(0, 30)),
            pl.when(c("validity") == "不纳入").then(empty("exclusion_code"))
            .when(c("validity") == "重复").then(empty("first_complaint_id"))
            .when(given("validity")).then(given("exclusion_code") | given("first_complaint_id")),
            pl.when(c("settlement_type") == "无").then(c("settlement_amount") != 0)
            .when(c("settlement_type") == "协议解约").then(
                empty("settlement_amount") | (c("settlement_amount") == 0) | empty("surrender_diff_amount")
                | (c("surrender_diff_amount") > c("settlement_amount")))
            .when(given("settlement_type")).then(empty("settlement_amount") | (c("settlement_amount") == 0)),
            pl.when(c("insurer_class") == "P").then(~is_in("line_code", *property_lines))
            .when(is_in("insurer_class", "L", "H", "A")).then(~is_in("line_code", *person_lines)),
            (c("status") == "处理中") & (c("due_date") < c("pe")),
            (c("outcome") == "协商一致") & (c("decision_date") == received) & (c("settlement_amount") > 0),
        ],
        "F02": [
            c("is_complaint") != given("complaint_id"),
            (c("inquiry_at") > c("first_contact_at")).fill_null(value=False)
            | before(pl.max_horizontal(day("inquiry_at"), day("first_contact_at")), "resolved_date", "informed_date")
            | (c("resolved_date") > c("informed_date")).fill_null(value=False),
            c("resolved_at_first") & ((c("transfer_count") > 1) | given("escalated_to_regulator_on")),
            day("first_contact_at") > c("d1"),
        ],
        "F04": [
            given("delivery_date") & (empty("cooling_off_end")
                | ((c("cooling_off_end") - c("delivery_date")).dt.total_days() != c("cooling_off_days"))),
            c("must_call") == given("exempt_reason"),
            c("success") != (
                given("completed_at") & empty("problem_id") & reduce(lambda a, b: a & b, map(yes, questions))
                & ((c("pay_mode") != "期缴") | yes("q7_pay_term"))),
            pl.when(is_in("method", "信函", "会见")).then(empty("receipt_signed_on"))
            .when(c("method") == "电话").then(empty("recording_ref")),
            (c("first_attempt_at") > c("completed_at")).fill_null(value=False)
            | (c("issue_date") > day("first_attempt_at")).fill_null(value=False),
            day("first_attempt_at") > c("cooling_off_end"),
            empty("problem_id") & given("completed_at") & reduce(
                lambda a, b: a | b,
                [is_in(name, "N", "U").fill_null(value=False) for name in (*questions, "q7_pay_term")]),
        ],
        "F04S": [
            c("due_count") != c("done_count") + c("in_progress") + c("receipt_pending") + c("problem_open"),
            (c("success_in_cooling_off") > pl.min_horizontal("success_count", "done_count", "due_count"))
            .fill_null(value=False)
            | (c("success_count") > pl.min_horizontal("done_count", "due_count")).fill_null(value=False)
            | (c("done_count") > c("due_count")).fill_null(value=False),
            (c("due_count") > _MANY) & (c("success_count") <= c("due_count"))
            & (c("success_count") * 20000 >= c("due_count") * 19999),
        ],
        "F05": [
            c("due_date") != pl.when(c("customer_action")).then(c("d20")).when(~c("customer_action")).then(c("d10")),
            (c("handle_result") != "处理中") != given("handled_date"),
        ],
        "F06": [pl.min_horizontal("policies_new", "policies_in_force", "person_times") < 0, c("premium") < 0],
        "R05": [
            (c("answered") != given("call_kind")).fill_null(value=False)
            | (given("transferred_at") & ~c("answered")).fill_null(value=False),
            (empty("transferred_at") != empty("insurer_answered"))
            | (given("resolved") != (given("insurer_answered") & c("insurer_answered").fill_null(given("resolved")))),
            (c("called_at") > c("transferred_at")).fill_null(value=False)
            | (day("transferred_at") > c("recomplained_on")).fill_null(value=False)
            | (given("recomplained_on") & empty("transferred_at")),
        ],
        "R06": [],
    }  # fmt: skip


def _facts(column: Column, event: Any) -> dict[str, Any]:
    """Generic checks of one canonical column by rule, true where broken; a rule that cannot be broken is left out."""
    import polars as pl

    c = pl.col(column.name)
    parts: list[Any] = [c.is_null()] if column.required else []
    if column.kind == "text" and column.name != "period":  # the period is the envelope's (`Marker.takes`)
        parts.append(c.str.len_chars() > column.length)
    parts += [c < float(column.low)] if column.low is not None else []
    parts += [c > float(column.high)] if column.high is not None else []
    for entry, first, last in column.dated:
        outside = [event < pl.lit(first).str.to_date()] if first else []
        outside += [event > pl.lit(last).str.to_date()] if last else []
        parts.append((c == entry) & reduce(lambda a, b: a | b, outside))
    found: dict[str, Any] = {"GEN-I01": parts}
    if column.kind in ("date", "timestamp"):
        late = [] if column.future else [c.dt.date() > pl.col("signed_on")]
        found["GEN-I02"] = [c.dt.date() < pl.date(1990, 1, 1), *late]
    if column.kind == "integer" and column.non_negative:
        found["GEN-I03"] = [c < 0]
    if column.kind == "decimal":
        found["GEN-I03"] = [c.abs() >= _TOO_LARGE, *([c < 0] if column.non_negative else [])]
    if column.kind == "text" and column.name != "period":
        found["GEN-I04"] = [c.str.contains(reference.PERSON)]
    filled = {rule: [part.fill_null(value=False) for part in own] for rule, own in found.items()}
    return {rule: reduce(lambda a, b: a | b, own) for rule, own in filled.items() if own}


class Marker:
    """Marks the rows of files in which every cell is canonical; forms without expressions are left to `reference`."""

    def __init__(self) -> None:
        """Expressions are made once."""
        self._rules = _rules()

    def takes(self, form: Form, filing: Filing) -> bool:
        """Whether a file's rows can be marked here: its form is known and its rows are the envelope's."""
        if form.code not in self._rules or filing.table is None or not filing.typed:
            return False
        for name, told in (("period", "period"), ("reporter_code", "reporter")):
            column = filing.table[name]
            values = {value for chunk in column.chunks for value in chunk.dictionary.to_pylist()}
            if values - {str(filing.envelope[told])}:
                return False
        return True

    def mark(self, con: duckdb.DuckDBPyConnection, form: Form, rows: pa.Table) -> pa.Table:
        """The rows with their words of bits, as `reference` would have marked them."""
        import polars as pl

        frame, facts = (
            pl.DataFrame(rows),
            pl.DataFrame(con.execute("SELECT no, ps, pe, signed_on FROM b").to_arrow_table()),
        )
        joined = frame.lazy().join(facts.lazy(), on="no", how="left", maintain_order="left")
        day = {"F02": pl.col("inquiry_at").dt.date(), "F05": pl.col("found_date")}.get(form.code)
        if day is not None:
            limits = pl.DataFrame(con.execute("SELECT day, d1, d10, d20 FROM limits").to_arrow_table())
            joined = joined.with_columns(day.alias("day"))
            joined = joined.join(limits.lazy(), on="day", how="left", maintain_order="left")
        wide = joined.collect()
        checks = self._in_order(form)
        asked = [expr.fill_null(value=False).any().alias(str(bit)) for bit, expr in checks.items()]
        broken = [bit for bit, hit in enumerate_hits(wide.select(asked)) if hit]
        words = []
        for word in range(reference.count_words(form)):
            own = [bit for bit in broken if bit // reference.WORD == word]
            bits = [
                pl.when(checks[bit].fill_null(value=False)).then(pl.lit(1 << bit % reference.WORD, pl.UInt64))
                .otherwise(pl.lit(0, pl.UInt64))
                for bit in own
            ]  # fmt: skip
            combined = reduce(lambda a, b: a | b, bits) if bits else pl.lit(0, pl.UInt64)
            words.append(combined.alias(f"w{word}"))
        marks = wide.select([pl.col("no"), *words]).drop("no").to_arrow()
        for name in marks.column_names:
            rows = rows.append_column(name, marks[name])
        return rows

    def _in_order(self, form: Form) -> dict[int, Any]:
        """Expressions by the number of their bit, in the order of `reference.checks_of`."""
        import polars as pl

        event = pl.col("pe")
        if form.event:
            event = pl.coalesce(pl.col(form.event).dt.date(), pl.col("pe"))
        generic = {column.name: _facts(column, event) for column in form.columns}
        own = iter(self._rules[form.code])
        found: dict[int, Any] = {}
        for bit, check in enumerate(reference.checks_of(form)):
            if check.rule.startswith("GEN-"):
                expr = generic[str(check.column)].get(check.rule)
                if expr is not None:
                    found[bit] = expr
            else:
                found[bit] = next(own)
        return found


def enumerate_hits(row: Any) -> Sequence[tuple[int, bool]]:
    """(bit, broken anywhere) of a frame of one row whose columns are named by bits."""
    return [(int(name), bool(row[name][0])) for name in row.columns]


def main() -> None:
    """Command line."""
    asked = reference.asked_on_the_command_line(__doc__)
    os.environ[_POLARS_THREADS] = str(asked.threads)
    told = reference.run(asked.inbox, asked.database, asked.threads, asked.memory, Marker())
    print(json.dumps(told, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
