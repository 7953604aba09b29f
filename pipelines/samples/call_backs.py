"""Call-backs and the problem cases they bring: whole lives drawn once, shown as each month's end saw them.

Put here: F04 and F05, and how a month's file is cut from the lives. Do not put here: the complaints that
problem cases turn into (complaints), or how many policies are sold (market).

A life holds day numbers and seconds of everything that will ever happen, ``NEVER`` if it does not; a snapshot
hides what lies after the month's end. F04 of a month holds the new policies of the month, the other calls
that fell due in it, and every older due policy whose call is not yet successful or otherwise closed; F05
likewise while a case is open.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from pipelines.samples.days import (
    NEVER,
    SECONDS_PER_DAY,
    WorkingDays,
    first_day,
    last_day,
    seen_date,
    seen_moment,
)
from pipelines.samples.departures import leavers
from pipelines.samples.identities import AGENTS, pack
from pipelines.samples.market import Market, long_term_policies
from pipelines.samples.randomness import Bools, Ints, chance, enum_series, pick, pick_by, seeds, stream
from pipelines.samples.vocabulary import (
    ANSWERS,
    CALL_BACK_PRODUCTS,
    CALL_BACK_TYPES,
    CHANNELS,
    EXEMPT_REASONS,
    HANDLE_RESULTS,
    LINES,
    METHODS,
    PAY_MODES,
    PROBLEM_TYPES,
    at,
    weights,
)

_OTHER_CALLS_SHARE = 0.07
"""Call-backs for other reasons than a new policy, for each new policy."""
_OTHER_TYPES = {"孤儿保单": 0.45, "理赔": 0.2, "保全": 0.25, "问题件复访": 0.1}
_PRODUCTS = {
    "普通寿险": "普通",
    "分红": "分红",
    "万能": "万能",
    "投连": "投连",
    "疾病": "健康",
    "医疗": "健康",
    "护理失能": "健康",
    "意外": "其他",
    "年金": "普通",
}
_COOLING_OFF = (10, 15, 20)
_QUESTIONS = (
    "q1_is_holder",
    "q2_bought_signed",
    "q3_read_docs",
    "q4_liability",
    "q5_surrender_loss",
    "q6_cooling_off",
    "q7_pay_term",
)
_BAD_ANSWER_TYPES = {
    "客户不清楚保险权益": 0.55,
    "相关保险材料未签名或代签名": 0.2,
    "销售误导": 0.15,
    "其他": 0.1,
}
_OTHER_PROBLEM_TYPES = {"保险单信息错误": 0.4, "客户抱怨及投诉": 0.4, "其他": 0.2}
_UNREACHED_TYPES = {"无法联系客户": 0.75, "提供不真实电话": 0.25}
_RESULTS = {"成功": 0.79, "不成功": 0.07, "客户退保": 0.08, "转投诉": 0.06}
_HOUR = 3600
_DAY_STARTS, _DAY_LASTS = 9 * _HOUR, 9 * _HOUR
_LIMIT_CUSTOMER, _LIMIT_OTHER = 20, 10
_AGENTS_PER_COMPANY = 400


class CallBacks:
    """Lives of call-backs and problem cases; months must be asked for in order.

    Attributes:
        problems: lives of problem cases not yet closed before the current month (see :meth:`problem_file`).
    """

    def __init__(self, market: Market, seed: int, days: WorkingDays) -> None:
        """No life has begun yet."""
        self._market = market
        self._seed = seed
        self._days = days
        self._lives = pl.DataFrame()
        self.problems = pl.DataFrame()

    def begin(self, month: int, new_policies: Ints) -> None:
        """Draw what comes into being in a month and drop what was closed before it."""
        period = self._market.months[month]
        start = first_day(period)
        born, cases = self._born(month, new_policies)
        if month:
            self._lives = self._lives.filter(pl.col("closed_day") >= start)
            self.problems = self.problems.filter(pl.col("handled_day") >= start)
            born = pl.concat([self._lives, born])
            cases = pl.concat([self.problems, cases])
        self._lives, self.problems = born, cases

    def orphaned(self, month: int) -> pl.DataFrame:
        """Call-backs of policies that an agent who leaves in the month orphans (lives)."""
        return self._lives.filter(
            (pl.col("born") == month)
            & (pl.col("callback_type") == "孤儿保单")
            & pl.col("agent_code").is_not_null()
        )

    def turned_into_complaints(self, month: int) -> pl.DataFrame:
        """Problem cases handled in the month by making them a complaint (lives; see ``problems``)."""
        period = self._market.months[month]
        return self.problems.filter(
            pl.col("handled_day").is_between(first_day(period), last_day(period))
            & (pl.col("handle_result") == "转投诉")
        )

    def link_complaints(self, problem_ids: pl.Series, complaint_ids: pl.Series) -> None:
        """Enter the numbers of the complaints that problem cases became."""
        links = pl.DataFrame({"problem_id": problem_ids, "linked": complaint_ids})
        self.problems = (
            self.problems.join(links, on="problem_id", how="left", maintain_order="left")
            .with_columns(pl.coalesce("linked", "complaint_id").alias("complaint_id"))
            .drop("linked")
        )

    def call_file(self, month: int) -> pl.DataFrame:
        """F04 rows as the month's end saw them (ids packed, hashes as seeds), without the common header."""
        end = last_day(self._market.months[month])
        completed = pl.col("completed_day") <= end
        attempted = pl.col("first_day") <= end
        return self._lives.select(
            "reporter",
            "branch",
            "callback_id",
            "policy_hash",
            "callback_type",
            seen_date("issue_day", end).alias("issue_date"),
            seen_date("delivery_day", end).alias("delivery_date"),
            "cooling_off_days",
            pl.when(pl.col("delivery_day") <= end)
            .then(pl.col("delivery_day") + pl.col("cooling_off_days"))
            .otherwise(None)
            .cast(pl.Int32)
            .cast(pl.Date)
            .alias("cooling_off_end"),
            "product_type",
            "pay_mode",
            "sales_channel",
            "agent_code",
            "must_call",
            "exempt_reason",
            pl.when(completed)
            .then("attempts")
            .when(attempted)
            .then(pl.max_horizontal(pl.col("attempts") // 2, 1))
            .otherwise(0)
            .alias("attempts"),
            seen_moment("first_second", end).alias("first_attempt_at"),
            pl.when(completed).then("method").otherwise(None).alias("method"),
            seen_moment("completed_second", end).alias("completed_at"),
            *(pl.when(completed).then(name).otherwise(None).alias(name) for name in _QUESTIONS),
            (completed & pl.col("success")).alias("success"),
            pl.when(completed & pl.col("method").is_in(["信函", "会见"]))
            .then(seen_date("completed_day", end))
            .otherwise(None)
            .alias("receipt_signed_on"),
            pl.when(completed & (pl.col("method") == "电话"))
            .then("recording_ref")
            .otherwise(None)
            .alias("recording_ref"),
            pl.when(pl.col("problem_day") <= end).then("problem_id").otherwise(None).alias("problem_id"),
            # Not filed; defects that must not return in the next month's file ask for these.
            (pl.col("closed_day") <= end).alias("_closes"),
            (pl.col("born") < month).alias("_carried"),
        )

    def summary_file(self, month: int) -> pl.DataFrame:
        """F04S rows: the month's F04 by branch, channel, product type and call-back type, without the common header.

        What a letter waits for is known here alone: F04 names the method only of what is completed.
        """
        start, end = first_day(self._market.months[month]), last_day(self._market.months[month])
        cell = ("reporter", "branch", "sales_channel", "product_type", "callback_type")
        done, success = pl.col("completed_day") <= end, pl.col("success")
        in_time = pl.col("completed_day") <= pl.col("delivery_day") + pl.col("cooling_off_days")
        delivered = pl.col("delivery_day") <= end
        found = pl.col("problem_day") <= end
        waiting = ~done & ~found
        letter = (pl.col("method") == "信函") & (pl.col("first_day") <= end)
        solved = self.problems.filter(
            pl.col("handled_day").is_between(start, end) & (pl.col("handle_result") == "成功")
        ).select("problem_id", solved=pl.lit(value=True))
        figures = {
            "due_count": pl.lit(value=True),
            "done_count": done,
            "success_count": done & success,
            "success_in_cooling_off": done & success & delivered & in_time,
            "in_progress": waiting & ~letter,
            "receipt_pending": waiting & letter,
            "problem_new": pl.col("problem_day").is_between(start, end),
            "problem_handled": pl.col("solved").fill_null(value=False),
            "problem_open": ~done & found,
        }
        due = self._lives.filter("must_call").join(solved, on="problem_id", how="left", maintain_order="left")
        return due.group_by(*cell, maintain_order=True).agg(
            one.cast(pl.Int64).sum().alias(name)
            if name != "due_count"
            else pl.len().cast(pl.Int64).alias(name)
            for name, one in figures.items()
        )

    def problem_file(self, month: int) -> pl.DataFrame:
        """F05 rows as the month's end saw them, without the common header."""
        end = last_day(self._market.months[month])
        start = first_day(self._market.months[month])
        handled = pl.col("handled_day") <= end
        return self.problems.filter(pl.col("found_day") <= end).select(
            "reporter",
            "branch",
            "problem_id",
            "callback_id",
            seen_date("found_day", end).alias("found_date"),
            "problem_type",
            "customer_action",
            pl.col("due_day").cast(pl.Int32).cast(pl.Date).alias("due_date"),
            seen_date("assigned_day", end).alias("assigned_date"),
            seen_date("handled_day", end).alias("handled_date"),
            pl.when(handled)
            .then("handle_result")
            .otherwise(pl.lit("处理中", pl.Enum(list(HANDLE_RESULTS))))
            .alias("handle_result"),
            "agent_code",
            "sales_channel",
            pl.when(handled & (pl.col("handle_result") == "转投诉"))
            .then("complaint_id")
            .otherwise(None)
            .alias("complaint_id"),
            handled.alias("_closes"),
            (pl.col("found_day") < start).alias("_carried"),
        )

    def _born(self, month: int, new_policies: Ints) -> tuple[pl.DataFrame, pl.DataFrame]:
        market, period = self._market, self._market.months[month]
        rng = stream(self._seed, "call-backs", month)
        start, end = first_day(period), last_day(period)
        fresh = np.repeat(np.arange(new_policies.size), np.where(market.is_long_term, new_policies, 0))
        other_rate = market.business_rate(month) * market.is_long_term
        other_rate = other_rate / (market.business * market.is_long_term).sum()
        others = rng.poisson(other_rate * long_term_policies(market) * _OTHER_CALLS_SHARE)
        cell = np.concatenate([fresh, np.repeat(np.arange(others.size), others)])
        is_new = np.arange(cell.size) < fresh.size
        reporter = market.reporter[cell]
        opened = market.registry.opened_days[reporter]
        event = np.maximum(rng.integers(start, end + 1, cell.size), opened)
        issue = np.where(is_new, event, np.maximum(event - rng.integers(200, 1_900, cell.size), opened))
        delivery = np.where(
            is_new, issue + np.minimum(20, rng.exponential(4.0, cell.size)).astype(np.int64), NEVER
        )
        cooling = np.asarray(_COOLING_OFF)[pick(rng, cell.size, (0.1, 0.75, 0.15))]
        channel = market.channel[cell]
        group = channel == at(CHANNELS, "团险")
        exempt = is_new & (group | chance(rng, cell.size, 0.04))
        reason = pick(rng, cell.size, weights(EXEMPT_REASONS, {"犹豫期撤单": 0.6, "其他": 0.4}))
        reason = np.where(group, at(EXEMPT_REASONS, "团险"), reason)
        base = np.where(is_new, delivery, event)
        late = is_new & chance(rng, cell.size, 0.009)
        first = base + np.minimum(7, rng.exponential(1.6, cell.size)).astype(np.int64)
        first = np.where(late, delivery + cooling + rng.integers(1, 6, cell.size), first)
        first = np.where(exempt, NEVER, first)
        reached = ~exempt & chance(rng, cell.size, 0.972)
        completed = np.where(
            reached, first + np.minimum(12, rng.exponential(1.5, cell.size)).astype(np.int64), NEVER
        )
        first_second = first * SECONDS_PER_DAY + _DAY_STARTS + rng.integers(0, _DAY_LASTS, cell.size)
        completed_second = np.where(
            completed == first,
            first_second + rng.integers(120, 2_400, cell.size),
            completed * SECONDS_PER_DAY + _DAY_STARTS + rng.integers(0, _DAY_LASTS, cell.size),
        )
        pay_regularly = chance(rng, cell.size, np.where(channel == at(CHANNELS, "银邮代理"), 0.45, 0.82))
        answers = self._answers(rng, reached, pay_regularly)
        # A completed call with an answer other than Y is a problem; some calls bring one to light all the
        # same.
        answered_badly = reached & (np.stack(list(answers.values())) > 0).any(axis=0)
        otherwise_bad = reached & ~answered_badly & chance(rng, cell.size, 0.006)
        unreached = ~exempt & ~reached
        problem = answered_badly | otherwise_bad | unreached
        problem_day = np.where(reached, completed, first + rng.integers(8, 20, cell.size))
        problem_day = np.where(problem, problem_day, NEVER)
        company = market.registry.companies[reporter]
        number = np.arange(cell.size)
        agent = company * AGENTS + rng.integers(1, _AGENTS_PER_COMPANY, cell.size)
        has_agent = channel <= at(CHANNELS, "电销")
        cases = self._cases(
            rng,
            period_month=month,
            at_rows=np.flatnonzero(problem),
            found=problem_day,
            kind=np.where(answered_badly, 0, np.where(otherwise_bad, 1, 2)),
        )
        handled = np.full(cell.size, NEVER, dtype=np.int64)
        handled[np.flatnonzero(problem)] = cases["handled_day"].to_numpy()
        closed = np.where(exempt, issue, np.where(problem, handled, completed))
        problem_id = np.full(cell.size, -1, dtype=np.int64)
        problem_id[np.flatnonzero(problem)] = pack(company[problem], period, np.arange(problem.sum()))
        products = np.asarray([CALL_BACK_PRODUCTS.index(_PRODUCTS.get(line, "其他")) for line in LINES])
        lives = (
            pl.DataFrame(
                {
                    "reporter": reporter.astype(np.int32),
                    "branch": market.branch[cell].astype(np.int32),
                    "born": np.full(cell.size, month, dtype=np.int16),
                    "callback_id": pack(company, period, number),
                    "policy_hash": seeds(rng, cell.size),
                    "callback_type": enum_series(
                        CALL_BACK_TYPES,
                        np.where(is_new, 0, pick(rng, cell.size, weights(CALL_BACK_TYPES, _OTHER_TYPES))),
                    ),
                    "issue_day": issue.astype(np.int32),
                    "delivery_day": delivery.astype(np.int32),
                    "cooling_off_days": cooling.astype(np.int16),
                    "product_type": enum_series(CALL_BACK_PRODUCTS, products[market.line[cell]]),
                    "pay_mode": enum_series(PAY_MODES, pay_regularly.astype(np.int64)),
                    "sales_channel": enum_series(CHANNELS, channel),
                    "agent_code": agent,
                    "must_call": ~exempt,
                    "exempt_reason": enum_series(EXEMPT_REASONS, np.where(exempt, reason, -1)),
                    "attempts": np.where(
                        exempt, 0, np.where(reached, rng.geometric(0.6, cell.size), 5)
                    ).astype(np.int16),
                    "first_day": first.astype(np.int32),
                    "first_second": first_second,
                    "method": enum_series(METHODS, pick(rng, cell.size, (0.74, 0.23, 0.015, 0.015))),
                    "completed_day": completed.astype(np.int32),
                    "completed_second": np.where(reached, completed_second, NEVER * SECONDS_PER_DAY),
                    **{name: enum_series(ANSWERS, position) for name, position in answers.items()},
                    "success": reached & ~problem,
                    "recording_ref": seeds(rng, cell.size),
                    "problem_id": problem_id,
                    "problem_day": problem_day.astype(np.int32),
                    "closed_day": closed.astype(np.int32),
                }
            )
            .with_columns(
                pl.when(pl.Series(has_agent)).then(pl.col("agent_code")).otherwise(None).alias("agent_code"),
                pl.when(pl.Series(pay_regularly))
                .then(pl.col("q7_pay_term"))
                .otherwise(None)
                .alias("q7_pay_term"),
                pl.when(pl.col("problem_id") >= 0)
                .then(pl.col("problem_id"))
                .otherwise(None)
                .alias("problem_id"),
            )
            .pipe(_with_leavers, company, month)
        )
        linked = lives.filter(pl.Series(problem)).select(
            "reporter", "branch", "problem_id", "callback_id", "agent_code", "sales_channel", "policy_hash"
        )
        return lives, pl.concat([linked, cases], how="horizontal")

    def _answers(self, rng: np.random.Generator, reached: Bools, pay_regularly: Bools) -> dict[str, Ints]:
        """Positions in ``ANSWERS`` of the seven questions; the seventh counts for regular premiums only."""
        found = {
            name: np.where(
                reached, pick_by(rng, np.asarray([[0.9945, 0.0037, 0.0018]]), np.zeros(reached.size, int)), 0
            )
            for name in _QUESTIONS
        }
        found["q7_pay_term"] = np.where(pay_regularly, found["q7_pay_term"], 0)
        return found

    def _cases(
        self, rng: np.random.Generator, period_month: int, at_rows: Ints, found: Ints, kind: Ints
    ) -> pl.DataFrame:
        """Lives of the problem cases of some calls: when found, due, assigned, handled, and how they end."""
        size = at_rows.size
        found_day, cause = found[at_rows], kind[at_rows]
        tables = np.asarray(
            [
                weights(PROBLEM_TYPES, table)
                for table in (_BAD_ANSWER_TYPES, _OTHER_PROBLEM_TYPES, _UNREACHED_TYPES)
            ]
        )
        customer = chance(rng, size, 0.35)
        limit = np.where(customer, _LIMIT_CUSTOMER, _LIMIT_OTHER)
        on_time = chance(rng, size, 0.92)
        taken = np.where(on_time, rng.integers(1, limit + 1), limit + rng.integers(1, 9, size))
        taken = np.where(chance(rng, size, 0.01), limit + 45, taken)
        handled = self._days.add(found_day, taken)
        return pl.DataFrame(
            {
                "born_month": np.full(size, period_month, dtype=np.int16),
                "found_day": found_day.astype(np.int32),
                "problem_type": enum_series(PROBLEM_TYPES, pick_by(rng, tables, cause)),
                "customer_action": customer,
                "due_day": self._days.add(found_day, limit).astype(np.int32),
                "assigned_day": np.minimum(found_day + rng.integers(0, 3, size), handled).astype(np.int32),
                "handled_day": handled.astype(np.int32),
                "handle_result": enum_series(
                    HANDLE_RESULTS, pick(rng, size, weights(HANDLE_RESULTS, _RESULTS))
                ),
                "complaint_id": pl.Series([None] * size, dtype=pl.Int64),
            }
        )


def _with_leavers(lives: pl.DataFrame, company: Ints, month: int) -> pl.DataFrame:
    """Give the orphaned policies that had an agent the codes of the agents who leave."""
    orphaned = (lives["callback_type"] == "孤儿保单") & lives["agent_code"].is_not_null()
    at_rows = np.flatnonzero(orphaned.to_numpy())
    agents = leavers(lives["reporter"][at_rows], company[at_rows], month)
    return lives.with_columns(lives["agent_code"].scatter(at_rows, agents).alias("agent_code"))
