"""Sales persons who leave and the policies they orphan: F12, in step with the call-backs of those policies.

Put here: which call-backs belong to one departure, its days, and how a month's file is cut from them. Do not put
here: the call-backs themselves (call_backs).

A departure holds the 孤儿保单 call-backs of one agent that fell due in one month. It is processed some days after the
last of them was successful; one with a call that never is stays pending, and the person is kept on after two months
more. F12 of a month holds the departures applied for in it and those pending at its start.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from pipelines.samples.days import NEVER, first_day, last_day, seen_date
from pipelines.samples.identities import AGENTS, pack
from pipelines.samples.market import Market
from pipelines.samples.randomness import stream

LEAVERS_FROM = 1_000
"""Number of the first agent of a company who leaves; those who stay have lower ones."""
LEAVERS_A_MONTH = 800
"""Most agents of a company who leave in a month; a departure then holds more policies."""
_POLICIES = 2
_PENDING_MONTHS = 2
_APPLIED_BEFORE, _TOLD_WITHIN, _PROCESSED_WITHIN = 5, 4, 6
_C = pl.col


def leavers(
    reporter: pl.Series, company: np.ndarray[tuple[int], np.dtype[np.int64]], month: int
) -> pl.Series:
    """Agent codes of policies orphaned in a month: about two policies to an agent, nobody leaves twice.

    Args:
        reporter: insurer of each policy.
        company: company number of each policy.
        month: position of the month.
    """
    place = pl.DataFrame({"reporter": reporter, "company": company}).with_columns(
        pl.int_range(pl.len(), dtype=pl.Int64).over("reporter").alias("place"),
        pl.len().over("reporter").cast(pl.Int64).alias("policies"),
    )
    groups = pl.min_horizontal((_C("policies") + _POLICIES - 1) // _POLICIES, pl.lit(LEAVERS_A_MONTH))
    number = LEAVERS_FROM + month * LEAVERS_A_MONTH + _C("place") * groups // _C("policies")
    return place.select((_C("company") * AGENTS + number).alias("agent_code"))["agent_code"]


class Departures:
    """Lives of departures; months must be asked for in order."""

    def __init__(self, market: Market, seed: int) -> None:
        """Nobody has left yet."""
        self._market = market
        self._seed = seed
        self._lives = pl.DataFrame()
        self._calls = pl.DataFrame()

    def begin(self, month: int, orphans: pl.DataFrame) -> None:
        """Let the agents leave whose orphaned policies fall due for a call in a month.

        Args:
            month: position of the month.
            orphans: call-backs (reporter, branch, agent_code, first_day, completed_day, success).
        """
        period = self._market.months[month]
        start, end = first_day(period), last_day(period)
        rng = stream(self._seed, "departures", month)
        grouped = orphans.group_by("reporter", "agent_code", maintain_order=True).agg(
            _C("branch").first(),
            pl.len().cast(pl.Int64).alias("orphan_policies"),
            _C("first_day").min().cast(pl.Int64).alias("first_call"),
            pl.when(_C("success").all()).then(_C("completed_day").max()).cast(pl.Int64).alias("last_success"),
        )
        size = grouped.height
        reporter = grouped["reporter"].to_numpy()
        opened = self._market.registry.opened_days[reporter]
        first = np.minimum(grouped["first_call"].to_numpy(), end)
        applied = np.maximum(first - rng.integers(0, _APPLIED_BEFORE, size), np.maximum(start, opened))
        applied = np.minimum(applied, first)
        after = rng.integers(1, _PROCESSED_WITHIN, size)
        number = pl.int_range(pl.len(), dtype=pl.Int64).over("reporter")
        born = grouped.with_columns(
            pl.Series("company", self._market.registry.companies[reporter]),
            pl.Series("apply_day", applied),
            pl.Series("told_day", applied + rng.integers(0, _TOLD_WITHIN, size)),
            (_C("last_success") + pl.Series(after)).fill_null(NEVER).alias("effective_day"),
            pl.lit(month, pl.Int64).alias("born"),
            number.alias("number"),
        )
        born = born.with_columns(
            pl.Series("departure_id", pack(born["company"].to_numpy(), period, born["number"].to_numpy()))
        )
        calls = orphans.select("reporter", "agent_code", "completed_day", "success")
        if month:
            pending = (_C("effective_day") >= start) & (
                (_C("effective_day") < NEVER) | (_C("born") + _PENDING_MONTHS >= month)
            )
            kept = self._lives.filter(pending)
            calls = pl.concat([self._calls.join(kept, on=["reporter", "agent_code"], how="semi"), calls])
            born = pl.concat([kept, born])
        self._lives, self._calls = born, calls

    def file(self, month: int) -> pl.DataFrame:
        """F12 rows as the month's end saw them (ids packed), without the common header."""
        end = last_day(self._market.months[month])
        completed = _C("completed_day") <= end
        counted = self._calls.group_by("reporter", "agent_code").agg(
            completed.sum().cast(pl.Int64).alias("called"),
            (completed & _C("success")).sum().cast(pl.Int64).alias("called_ok"),
        )
        processed = _C("effective_day") <= end
        rows = self._lives.join(counted, on=["reporter", "agent_code"], how="left", maintain_order="left")
        return rows.select(
            "reporter",
            "branch",
            "departure_id",
            "agent_code",
            seen_date("apply_day", end).alias("apply_date"),
            seen_date("effective_day", end).alias("effective_date"),
            "orphan_policies",
            "called",
            "called_ok",
            pl.when(processed).then("orphan_policies").otherwise("called_ok").alias("reassigned"),
            seen_date("told_day", end).alias("notified_date"),
            pl.lit(None, pl.String).alias("waiver_code"),
            processed.alias("_closes"),
            (_C("born") < month).alias("_carried"),
        )
