"""Findings of rules that hold two files of one month against each other and tell the difference on both, or in both
directions: F04 and its summary.

Put here: rules that compare figures or cases of two files. Do not put here: whether something referred to exists
(expected).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from pipelines.samples.expected import FINDING_SCHEMA, counterparts, findings
from pipelines.samples.filings import Filing

_CELL = ("org_code", "sales_channel", "product_type", "callback_type")
_SUMMARY_COLUMNS = {
    "due": ("due_count", "must_call"),
    "done": ("done_count", "completed_at"),
    "successful": ("success_count", "success"),
    "in_time": ("success_in_cooling_off", "cooling_off_end"),
    "waiting": ("in_progress", "completed_at"),
    "with_problem": ("problem_open", "problem_id"),
}
"""Figures of a call-back cell: the column blamed in the summary, and in the records."""
_C = pl.col


def paired(found: Mapping[int, int]) -> pl.DataFrame:
    """Pairs of filings (``filing``, ``other``)."""
    return pl.DataFrame(
        {"filing": list(found), "other": list(found.values())}, schema={"filing": pl.Int64, "other": pl.Int64}
    )


def summaries(frames: Mapping[str, pl.DataFrame], filings: Mapping[str, Sequence[Filing]]) -> pl.DataFrame:
    """F04-X03: every figure of a summary's cell is what the records of the cell add up to.

    Told on the row of F04S, and on the filing of F04; a cell of records without a row is told on both filings. Records
    whose product type cannot be read may belong to any cell.
    """
    records, cells = _added_up(frames["F04"]), _cells(frames["F04S"])
    of_summary = paired(counterparts(filings["F04S"], filings["F04"]))
    of_records = paired(counterparts(filings["F04"], filings["F04S"]))
    found = [pl.DataFrame(schema=FINDING_SCHEMA)]
    for pairs, summary, record in ((of_summary, "filing", "other"), (of_records, "other", "filing")):
        both = _compared(cells.rename({"number": summary}), records.rename({"number": record}), pairs)
        for figure, (own, shown) in _SUMMARY_COLUMNS.items():
            filed, sure, unsure = (
                _C(f"{figure}_filed"),
                _C(figure).fill_null(0),
                _C(f"{figure}_nowhere").fill_null(0),
            )
            apart = both.filter((filed < sure) | (filed > sure + unsure))
            missing = both.filter(filed.is_null() & (sure > 0)) if figure == "due" else both.clear()
            if summary == "filing":
                found += [findings(apart, "F04-X03", own), findings(missing, "F04-X03", own, rid=None)]
            else:
                found += [findings(pl.concat([apart, missing]), "F04-X03", shown, rid=None)]
    return pl.concat(found)


def _added_up(calls: pl.DataFrame) -> pl.DataFrame:
    """Figures of every cell of call-backs that are due, and of those whose cell cannot be read (null)."""
    done = _C("completed_at").is_not_null()
    in_time = (_C("completed_at").dt.date() <= _C("cooling_off_end")).fill_null(value=False)
    due = calls.filter("must_call").unique(["filing", "callback_id"], maintain_order=True)
    return due.group_by(_C("filing").alias("number"), *_as_text()).agg(
        pl.len().cast(pl.Int64).alias("due"),
        done.sum().cast(pl.Int64).alias("done"),
        _C("success").sum().cast(pl.Int64).alias("successful"),
        (_C("success") & in_time).sum().cast(pl.Int64).alias("in_time"),
        (~done & _C("problem_id").is_null()).sum().cast(pl.Int64).alias("waiting"),
        (~done & _C("problem_id").is_not_null()).sum().cast(pl.Int64).alias("with_problem"),
    )


def _cells(rows: pl.DataFrame) -> pl.DataFrame:
    """Figures of every row of the summary, as filed."""
    figures = {figure: _C(own) for figure, (own, _) in _SUMMARY_COLUMNS.items()}
    figures["waiting"] = _C("in_progress") + _C("receipt_pending")
    return rows.select(
        "rid",
        *_as_text(),
        *(one.alias(f"{name}_filed") for name, one in figures.items()),
        number="filing",
    )


def _as_text() -> list[pl.Expr]:
    return [_C(name).cast(pl.String) for name in _CELL]


def _compared(cells: pl.DataFrame, records: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """Cells of each pair of filings with the figures of both; each side names its filing as the pairs do."""
    keys = ["filing", "other", *_CELL]
    left = pairs.join(cells, on=[name for name in ("filing", "other") if name in cells.columns])
    right = pairs.join(records, on=[name for name in ("filing", "other") if name in records.columns])
    unreadable = pl.any_horizontal(_C(name).is_null() for name in _CELL)
    lost = (
        right.filter(unreadable)
        .group_by("filing", "other")
        .agg(_C(name).sum().alias(f"{name}_nowhere") for name in _SUMMARY_COLUMNS)
    )
    both = left.join(right.filter(~unreadable), on=keys, how="full", coalesce=True)
    return both.join(lost, on=["filing", "other"], how="left")
