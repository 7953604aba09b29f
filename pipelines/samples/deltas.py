"""Corrections: the few rows their files hold, and the full file each of them stands for.

Put here: what a correction inserts, updates and deletes, and how it unfolds over the version it names. Do not put
here: when corrections happen (incidents) or what the rows then break (expected).

A correction's rows are of three kinds. Own rows stand in its file. Rows with ``record_action`` D stand in the file
and not in the full file. Carried rows stand in the full file only; ``origin`` and ``origin_rid`` say in which filing
and row they were sent (null for all other rows), because that is where a person looks for them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import polars as pl

from pipelines.contracts.model import Form
from pipelines.samples.filings import Filing

UNKNOWN_NUMBER = 99_999_999
"""Running number that no real record gets."""
_MORE_POLICIES = 11
_C = pl.col


@dataclass(slots=True)
class Unfolded:
    """The rows of a form and period with those of its corrections, and what was broken for them to mend.

    Attributes:
        rows: all rows, those of corrections included.
        findings: (row id, column, rule) of cells broken on purpose.
        texts: (row id, column, text) of the same cells.
    """

    rows: pl.DataFrame
    findings: list[tuple[int, str, str]] = field(default_factory=list)
    texts: list[tuple[int, str, str | None]] = field(default_factory=list)

    def full(self, number: int) -> pl.DataFrame:
        """The full file of a filing."""
        return self.rows.filter((_C("filing") == number) & (_C("record_action") != "D"))

    def keep_out(self, rids: Sequence[int]) -> None:
        """Let the sender forget rows."""
        self.rows = self.rows.filter(~_C("rid").is_in(list(rids)))

    def spoil(self, rid: int, column: str, text: str, rule: str) -> None:
        """Let the sender fill a cell with a text that is not of its type."""
        here = _C("rid") == rid
        self.rows = self.rows.with_columns(
            pl.when(here).then(None).otherwise(_C(column)).alias(column),
        )
        self.findings.append((rid, column, rule))
        self.texts.append((rid, column, text))


def unfold(form: Form, rows: pl.DataFrame, facts: pl.DataFrame, filings: Sequence[Filing]) -> Unfolded:
    """Add the rows of every correction among the filings of one form and period, in their order.

    Args:
        form: the contract.
        rows: rows of all other filings (``filing``, ``rid``, ``order``, ``origin``, ``origin_rid``).
        facts: the clean rows of everybody.
        filings: all filings.
    """
    done = Unfolded(rows)
    for filing in sorted((one for one in filings if one.kind == "CORRECTION"), key=lambda one: one.number):
        delta = _DELTAS[filing.change](done, filing, facts)
        own = delta.with_columns(
            pl.lit(filing.number, pl.Int64).alias("filing"),
            pl.lit(filing.signed_at - timedelta(hours=1)).cast(pl.Datetime("us")).alias("updated_at"),
            pl.lit(None, pl.Int64).alias("origin"),
            pl.lit(None, pl.Int64).alias("origin_rid"),
            pl.lit(1, pl.Int8).alias("order"),
        )
        base, key = done.full(filing.base or 0), list(form.key)
        carried = base.join(own, on=key, how="anti").with_columns(
            pl.coalesce("origin", "filing").alias("origin"),
            pl.coalesce("origin_rid", "rid").alias("origin_rid"),
            pl.lit(filing.number, pl.Int64).alias("filing"),
        )
        largest = done.rows["rid"].max()
        first = int(largest) + 1 if isinstance(largest, int) else 0
        full = pl.concat([own, carried.select(own.columns)]).with_columns(
            (pl.int_range(pl.len(), dtype=pl.Int64) + first).alias("rid")
        )
        done.rows = pl.concat([done.rows, full.select(done.rows.columns)])
        known = _C("known").fill_null(value=False)
        misfits = (
            sent(full)
            .join(base.select(*key, known=pl.lit(value=True)).unique(), on=key, how="left")
            .filter(known == (_C("record_action") == "I"))
        )
        done.findings.extend((rid, form.key[-1], "GEN-U01") for rid in misfits["rid"].to_list())
    return done


def sent(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows that stand in files."""
    return rows.filter(_C("origin").is_null())


def _acting(rows: pl.DataFrame, action: str, **changes: pl.Expr) -> pl.DataFrame:
    """Rows of a delta: the action, and columns that change."""
    return rows.with_columns(
        pl.lit(action).cast(rows.schema["record_action"]).alias("record_action"),
        *(value.cast(rows.schema[name]).alias(name) for name, value in changes.items()),
    )


def _more_policies(done: Unfolded, filing: Filing, _: pl.DataFrame) -> pl.DataFrame:
    """F06: two branches count again what is in force."""
    base = done.full(filing.base or 0)
    return _acting(base.tail(2), "U", policies_in_force=_C("policies_in_force") + _MORE_POLICIES)


def _three_actions(done: Unfolded, filing: Filing, _: pl.DataFrame) -> pl.DataFrame:
    """F02: an entry that had been forgotten, one that was not resolved at first, and one that never was."""
    plain = done.full(filing.base or 0).filter(~_C("is_complaint"))
    forgotten = plain.filter(~_C("resolved_at_first")).head(1)
    done.keep_out(forgotten["rid"].to_list())
    resolved = plain.filter("resolved_at_first")
    return pl.concat(
        [
            _acting(forgotten, "I"),
            _acting(resolved.head(1), "U", resolved_at_first=pl.lit(value=False)),
            _acting(resolved.slice(1, 1), "D"),
        ]
    )


def _fill_in(done: Unfolded, filing: Filing, facts: pl.DataFrame) -> pl.DataFrame:
    """Everything, after a nil report."""
    mine = facts.filter(_C("reporter") == filing.reporter)
    return _acting(
        mine.with_columns(
            pl.lit(0, pl.Int64).alias(name) for name in ("filing", "rid", "origin", "origin_rid")
        ).with_columns(pl.lit(1, pl.Int8).alias("order")),
        "I",
    ).select(done.rows.columns)


def _mend_first(done: Unfolded, filing: Filing, _: pl.DataFrame) -> pl.DataFrame:
    """F02: two entries had been filed with an entry point nobody knows; the first is put right."""
    wrong = done.full(filing.base or 0).filter(~_C("is_complaint")).head(2)
    for rid in wrong["rid"].to_list():
        done.spoil(rid, "entry_point", "微信", "GEN-I01")
    return _acting(wrong.head(1), "U")


def _mend_second(done: Unfolded, filing: Filing, facts: pl.DataFrame) -> pl.DataFrame:
    """F02: the other is put right by a correction of the correction."""
    wrong = done.full(filing.base or 0).filter(_C("entry_point").is_null())
    right = facts.select("reporter", "inquiry_id", "entry_point")
    mended = wrong.drop("entry_point").join(right, on=["reporter", "inquiry_id"])
    return _acting(mended.select(wrong.columns), "U")


def _unknown_key(done: Unfolded, filing: Filing, _: pl.DataFrame) -> pl.DataFrame:
    """F05: an update of a problem case that was never filed."""
    row = done.full(filing.base or 0).head(1)
    return _acting(row, "U", problem_id=_C("problem_id") // 10**8 * 10**8 + UNKNOWN_NUMBER)


def _known_key(done: Unfolded, filing: Filing, _: pl.DataFrame) -> pl.DataFrame:
    """F05: a problem case that was filed before is inserted, as another type than before: the file restates it."""
    before = done.full(filing.base or 0).filter(_C("problem_type").cast(pl.String) != "其他")
    return _acting(before.head(1), "I", problem_type=pl.lit("其他"))


_DELTAS: Mapping[str, Callable[[Unfolded, Filing, pl.DataFrame], pl.DataFrame]] = {
    "more_policies": _more_policies,
    "three_actions": _three_actions,
    "fill_in": _fill_in,
    "mend_first": _mend_first,
    "mend_second": _mend_second,
    "unknown_key": _unknown_key,
    "known_key": _known_key,
}
