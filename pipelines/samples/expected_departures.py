"""What F12 must agree with over several months of F04: the successful calls of an agent's orphaned policies (F12-X01).

Put here: the one rule that counts over all months since a date. Do not put here: rules within a month and the month
before (expected).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from pipelines.contracts.periods import Period
from pipelines.samples.expected import counterparts, findings, none
from pipelines.samples.filings import Filing

_C = pl.col


@dataclass(slots=True)
class OrphanCalls:
    """The call-backs that orphaned policies got, month by month, as filed; months must be given in order."""

    _months: list[tuple[date, Sequence[Filing], pl.DataFrame]] = field(default_factory=list)

    def successes(
        self, frames: Mapping[str, pl.DataFrame], filings: Mapping[str, Sequence[Filing]], period: Period
    ) -> pl.DataFrame:
        """F12-X01 for the filings of a month; its F04 is remembered for the months that follow.

        Told of departures since whose application every month has a filing of F04 with rows: of each month the
        version known when F12 was signed, else the first that came after.

        Args:
            frames: readable rows as filed, by form.
            filings: the filings of the same forms.
            period: the month.
        """
        calls = frames["F04"]
        made = calls.filter(
            (_C("callback_type") == "孤儿保单") & _C("success") & _C("agent_code").is_not_null()
        ).select("agent_code", "callback_id", other="filing", called_on=_C("completed_at").dt.date())
        with_rows = set(calls["filing"].unique().to_list())
        readable = [one for one in filings["F04"] if one.number in with_rows or not one.has_rows]
        self._months.append((period.start, readable, made))
        opposite = [
            (start, filing, other)
            for start, others, _ in self._months
            for filing, other in counterparts(filings["F12"], others).items()
        ]
        if not opposite:
            return none()
        pairs = pl.DataFrame(
            opposite, schema={"start": pl.Date, "filing": pl.Int64, "other": pl.Int64}, orient="row"
        )
        rows = frames["F12"].with_columns(_C("apply_date").dt.truncate("1mo").alias("since"))
        # An F04 of this month must be there, whatever its rows; months without rows are months not told of.
        there = list(counterparts(filings["F12"], filings["F04"]))
        spans = rows.filter(_C("filing").is_in(there)).join(pairs, on="filing")
        spans = spans.filter(_C("start") >= _C("since"))
        asked = (
            (period.start.year - _C("since").dt.year()) * 12 + period.start.month - _C("since").dt.month() + 1
        )
        whole = spans.filter(pl.len().over("filing", "rid") == asked)
        every = pl.concat(one for _, _, one in self._months)
        counted = (
            whole.join(every, on=["other", "agent_code"])
            .filter(_C("called_on").is_between(_C("apply_date"), period.end))
            .group_by("filing", "rid")
            .agg(_C("callback_id").n_unique().cast(pl.Int64).alias("calls"))
        )
        judged = whole.unique(["filing", "rid"], maintain_order=True).join(
            counted, on=["filing", "rid"], how="left"
        )
        wrong = judged.filter(_C("called_ok") != _C("calls").fill_null(0))
        return findings(wrong, "F12-X01", "called_ok")
