"""Complaints and what surrounds them: ledger entries before, mediations beside, the regulator's register
opposite.

Put here: F01, F02, F03 and R01 as lives and as files of a month, and the links among them. Do not put here:
problem cases (call_backs), which only hand over the ones that become complaints.

F01 of a month holds every complaint received in it or open at its start, as its last day saw it; F03 likewise
while a case or its agreement is open; F02 and R01 are filed once. The ledger entry of a complaint lies in the
same month, not after it; a repeated complaint is closed within its month, so that what it refers to is always
in the same file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from pipelines.contracts.periods import Period
from pipelines.samples.days import (
    NEVER,
    SECONDS_PER_DAY,
    WorkingDays,
    first_day,
    last_day,
    month_end,
    seen_date,
    seen_moment,
)
from pipelines.samples.identities import AGENTS, pack
from pipelines.samples.market import Market, classes_of
from pipelines.samples.randomness import (
    Bools,
    Floats,
    Ints,
    chance,
    enum_series,
    pick,
    pick_by,
    seeds,
    stream,
)
from pipelines.samples.registry import CLASSES, quarter_index
from pipelines.samples.vocabulary import (
    ACCEPT_STATUSES,
    AGES,
    CHANNELS,
    COMPLAINANTS,
    COMPLAINT_PRODUCTS,
    COMPLEXITIES,
    ENTRY_CHANNELS,
    ENTRY_POINTS,
    ESCALATIONS,
    EXCLUSIONS,
    FULFILMENTS,
    LINES,
    NATURES,
    OUTCOMES,
    REASONS,
    REFUSALS,
    REGULATOR_CHANNELS,
    RESPONSIBLE,
    RESULTS,
    RISKS,
    SETTLEMENTS,
    SOURCES,
    STATUSES,
    VALIDITIES,
    VERIFICATIONS,
    at,
    weights,
)
from pipelines.samples.volumes import rows_per_month

_NEW_SHARE = 0.68
"""Share of F01 rows that are received in the month; the others are carried over."""
_OWN_SOURCES = {
    "OWN_HOTLINE": 0.42,
    "OWN_COUNTER": 0.15,
    "OWN_ONLINE": 0.22,
    "OWN_LETTER": 0.02,
    "OWN_VISIT": 0.06,
    "OWN_AGENT": 0.05,
    "GOV_12345": 0.045,
    "ASSOC": 0.015,
    "COURT": 0.005,
    "MEDIA": 0.005,
    "OTHER": 0.01,
}
_REGULATOR_SOURCES = {
    "REG_12378": 0.60,
    "REG_12378_DIRECT": 0.12,
    "REG_LETTER": 0.08,
    "REG_VISIT": 0.05,
    "REG_WEB": 0.15,
}
_PROPERTY_REASONS = {
    "理赔(给付)纠纷": 0.83,
    "销售纠纷": 0.04,
    "承保纠纷": 0.04,
    "续保/续期纠纷": 0.02,
    "收付费纠纷": 0.02,
    "服务质量": 0.03,
    "信息安全": 0.01,
    "其他": 0.01,
}
_LIFE_REASONS = {
    "销售纠纷": 0.37,
    "退保纠纷": 0.22,
    "理赔(给付)纠纷": 0.14,
    "续保/续期纠纷": 0.05,
    "保全纠纷": 0.07,
    "回访纠纷": 0.02,
    "收付费纠纷": 0.04,
    "合同变更": 0.02,
    "服务质量": 0.05,
    "信息安全": 0.01,
    "其他": 0.01,
}
_SECOND_REASONS = {
    "销售纠纷": "夸大收益或隐瞒免责",
    "承保纠纷": "拒绝或延迟承保",
    "理赔(给付)纠纷": "对核损金额或结论不满",
    "退保纠纷": "退保金额争议",
    "保全纠纷": "保全办理时效",
    "服务质量": "服务态度",
}
_AGES = (0.01, 0.12, 0.30, 0.29, 0.17, 0.04, 0.07)
_LIMITS = {"简单": 15, "复杂": 30, "特别复杂": 60}
_EXTENSION = (20, 30)
"""Days after receipt in which a further extension is approved; until then the case counts as 复杂."""
_VALIDITIES = {"有效": 0.73, "无效": 0.12, "重复": 0.06, "不纳入": 0.09}
_VALIDITY_KNOWN_AFTER = 6
_OUTCOMES_VALID = {"全部支持": 0.13, "部分支持": 0.22, "不支持": 0.2, "协商一致": 0.36, "转调解": 0.09}
_OUTCOMES_OTHER = {"不支持": 0.8, "协商一致": 0.1, "部分支持": 0.1}
_SETTLED_OUTCOMES = ("全部支持", "部分支持", "协商一致")
_ROOT_CAUSES = (
    "销售行为不规范",
    "理赔时效与定损",
    "条款告知不充分",
    "服务流程缺陷",
    "系统差错",
    "客户理解偏差",
)
_REGULATOR_AGREES = 0.9
_LINK_SHARE = 0.92
"""Own-channel complaints of insurers with a ledger that have a ledger entry."""
_MEDIATION_ORGS = ("00000043090011", "00000043090012", "00000043090013")
_MEDIATED_SHARE = 0.16
_UNLINKED_MEDIATIONS = 0.12
_GROUP_SIZE = 6
_DAY_STARTS, _DAY_LASTS = 8 * 3600 + 1800, 10 * 3600 + 1800
_FEN = 100
_ENTRY_OF_SOURCE = {
    "OWN_HOTLINE": "热线",
    "OWN_COUNTER": "柜面",
    "OWN_ONLINE": "线上",
    "OWN_LETTER": "其他部门",
    "OWN_VISIT": "柜面",
    "OWN_AGENT": "销售人员",
}


@dataclass(frozen=True, slots=True)
class MonthOfComplaints:
    """What a month adds to the complaint side: F02 and R01 rows, and the ids that call-backs need back."""

    inquiries: pl.DataFrame
    forwarded: pl.DataFrame
    transferred_problems: pl.Series
    transferred_complaints: pl.Series


class Complaints:
    """Lives of complaints and mediations; months must be asked for in order."""

    def __init__(
        self,
        market: Market,
        seed: int,
        days: WorkingDays,
        *,
        silent: Mapping[int, tuple[int, ...]],
        unannounced: Mapping[int, tuple[int, ...]],
    ) -> None:
        """No life has begun yet; see ``truth.Lapses`` for ``silent`` and ``unannounced``."""
        self._market = market
        self._seed = seed
        self._days = days
        self._silent = silent
        self._unannounced = unannounced
        self._lives = pl.DataFrame()
        self._mediations = pl.DataFrame()

    def begin(self, month: int, transferred: pl.DataFrame) -> MonthOfComplaints:
        """Draw what is received in a month and drop what was closed before it.

        Args:
            month: index of the month.
            transferred: lives of the problem cases that become complaints in the month.
        """
        start = first_day(self._market.months[month])
        rng = stream(self._seed, "complaints", month)
        arrivals = self._arrivals(rng, month, transferred)
        lives = self._lives_of(rng, month, arrivals)
        inquiries, lives = self._ledger(month, lives)
        mediations, lives = self._mediated(month, lives)
        forwarded = self._register(month, lives)
        if month:
            lives_before = self._lives.filter(pl.col("end_day") >= start)
            mediations_before = self._mediations.filter(pl.col("closed_day") >= start)
            self._lives = pl.concat([lives_before, lives])
            self._mediations = pl.concat([mediations_before, mediations])
        else:
            self._lives, self._mediations = lives, mediations
        handed = lives.filter(pl.col("problem_id").is_not_null())
        return MonthOfComplaints(inquiries, forwarded, handed["problem_id"], handed["complaint_id"])

    # ------------------------------------------------------------------------------------------ new
    # complaints

    def _arrivals(self, rng: np.random.Generator, month: int, transferred: pl.DataFrame) -> pl.DataFrame:
        """Who complains when about what: ordinary ones, those the regulator forwards, and problem cases."""
        market, period = self._market, self._market.months[month]
        start, end = first_day(period), last_day(period)
        rate = market.complaint_rate(month)
        wanted = rows_per_month("F01", market.scale) * _NEW_SHARE
        by_regulator = rows_per_month("R01", market.scale)
        ordinary = np.repeat(np.arange(rate.size), rng.poisson(rate * (wanted - by_regulator)))
        group = self._crowd(rng, month)
        forwarded = np.repeat(np.arange(rate.size), rng.poisson(rate * by_regulator))
        cell = np.concatenate([ordinary, group, forwarded])
        size = cell.size
        is_forwarded = np.arange(size) >= ordinary.size + group.size
        in_group = (np.arange(size) >= ordinary.size) & ~is_forwarded
        workdays = self._days.within(start, end)
        day = np.where(is_forwarded, rng.choice(workdays, size), rng.integers(start, end + 1, size))
        day = np.where(in_group, workdays[workdays.size // 2], day)
        opened = market.registry.opened_days[market.reporter[cell]]
        day = np.maximum(day, opened)
        source = np.where(
            is_forwarded,
            pick(rng, size, weights(SOURCES, _REGULATOR_SOURCES)),
            pick(rng, size, weights(SOURCES, _OWN_SOURCES)),
        )
        source = np.where(in_group, at(SOURCES, "OWN_VISIT"), source)
        company = market.registry.companies[market.reporter[cell]]
        agent = company * AGENTS + rng.integers(1, 400, size)
        frame = pl.DataFrame(
            {
                "reporter": market.reporter[cell].astype(np.int32),
                "branch": market.branch[cell].astype(np.int32),
                "line": market.line[cell],
                "channel": market.channel[cell],
                "day": day,
                "second": _DAY_STARTS + rng.integers(0, _DAY_LASTS, size),
                "source": source,
                "forwarded": is_forwarded,
                "grouped": in_group,
                "agent_code": np.where(in_group, company * AGENTS + 7, agent),
                "policy_hash": seeds(rng, size),
                "problem_id": pl.Series([None] * size, dtype=pl.Int64),
            }
        )
        return pl.concat([frame, self._from_problems(transferred)]).sort(
            "reporter", "day", "second", maintain_order=True
        )

    def _crowd(self, rng: np.random.Generator, month: int) -> Ints:
        """Cells of a group complaint: some persons about one agent of a large insurer, in some months."""
        every, at_month = 5, 2
        if month % every != at_month:
            return np.zeros(0, dtype=np.int64)
        market = self._market
        life = [one for one in market.registry.insurers if one.insurer_class == "L"]
        largest = max(life, key=lambda one: one.complaint_share)
        cells = np.flatnonzero(market.reporter == largest.index)
        return np.repeat(rng.choice(cells, 1), _GROUP_SIZE)

    def _from_problems(self, transferred: pl.DataFrame) -> pl.DataFrame:
        size = transferred.height
        market = self._market
        first_cell = np.searchsorted(market.reporter, np.arange(len(market.registry.insurers)))
        reporter = transferred["reporter"].to_numpy().astype(np.int64)
        return pl.DataFrame(
            {
                "reporter": transferred["reporter"],
                "branch": transferred["branch"],
                # The case does not say its line; a life insurer's most sold one stands for it.
                "line": market.line[first_cell[reporter]] if size else pl.Series([], dtype=pl.Int64),
                "channel": transferred["sales_channel"].to_physical().cast(pl.Int64),
                "day": transferred["handled_day"].cast(pl.Int64),
                "second": pl.Series([16 * 3600] * size, dtype=pl.Int64),
                "source": pl.Series([at(SOURCES, "OWN_HOTLINE")] * size, dtype=pl.Int64),
                "forwarded": pl.Series([False] * size, dtype=pl.Boolean),
                "grouped": pl.Series([False] * size, dtype=pl.Boolean),
                "agent_code": transferred["agent_code"],
                "policy_hash": transferred["policy_hash"],
                "problem_id": transferred["problem_id"],
            }
        )

    def _lives_of(self, rng: np.random.Generator, month: int, arrivals: pl.DataFrame) -> pl.DataFrame:
        """The whole course of each complaint, to its decision and beyond."""
        market, period = self._market, self._market.months[month]
        size = arrivals.height
        reporter = arrivals["reporter"].to_numpy().astype(np.int64)
        day = arrivals["day"].to_numpy()
        second = day * SECONDS_PER_DAY + arrivals["second"].to_numpy()
        kind = classes_of(market.registry)[reporter]
        is_property = np.isin(kind, [CLASSES.index("P"), CLASSES.index("M")])
        company = market.registry.companies[reporter]
        number = np.arange(size)
        complaint_id = pack(company, period, number)
        grouped = arrivals["grouped"].to_numpy()
        # The last day on which a merging insurer still files: everything it has must be closed by then.
        last_days = np.asarray(
            [one.last_day if one.last_day is not None else NEVER for one in market.registry.insurers]
        )
        must_end = last_days[reporter]

        reasons = np.asarray([weights(REASONS, _PROPERTY_REASONS), weights(REASONS, _LIFE_REASONS)])
        reason = pick_by(rng, reasons, np.where(is_property, 0, 1))
        reason = np.where(grouped, at(REASONS, "退保纠纷"), reason)
        validity = pick(rng, size, weights(VALIDITIES, _VALIDITIES))
        validity = np.where(grouped, at(VALIDITIES, "有效"), validity)
        holder = seeds(rng, size)
        policy = arrivals["policy_hash"].to_numpy()
        has_policy = chance(rng, size, 0.93)
        repeat, first_of = _repeats(reporter, validity, grouped)
        validity = np.where((validity == at(VALIDITIES, "重复")) & ~repeat, at(VALIDITIES, "有效"), validity)
        reason = np.where(repeat, reason[first_of], reason)

        course = self._course(rng, day, last_day(period), must_end, repeat)
        closed_normally = course.end_kind == at(STATUSES, "已办结")
        valid = validity == at(VALIDITIES, "有效")
        outcomes = np.asarray([weights(OUTCOMES, _OUTCOMES_OTHER), weights(OUTCOMES, _OUTCOMES_VALID)])
        outcome = pick_by(rng, outcomes, valid.astype(np.int64))
        # Mediation is for cases that are not simple; an insurer that is closing settles instead.
        simple = course.complexity == at(COMPLEXITIES, "简单")
        no_mediation = (outcome == at(OUTCOMES, "转调解")) & (simple | (must_end < NEVER))
        outcome = np.where(no_mediation, at(OUTCOMES, "协商一致"), outcome)
        outcome = np.where(course.end_kind == at(STATUSES, "撤回"), at(OUTCOMES, "撤诉"), outcome)
        outcome = np.where(course.end_kind == at(STATUSES, "终止"), at(OUTCOMES, "转诉讼"), outcome)
        settlement, amount, difference = _settlements(rng, outcome, reason, closed_normally, is_property)
        guilty = closed_normally & valid & chance(rng, size, 0.32)
        rectified = np.where(guilty, course.end_day + rng.integers(0, 25, size), NEVER)
        excluded = validity == at(VALIDITIES, "不纳入")
        verify = closed_normally & chance(rng, size, 0.03)
        forwarded = arrivals["forwarded"].to_numpy()
        products = np.asarray(
            [COMPLAINT_PRODUCTS.index(_product(line)) if _product(line) else -1 for line in LINES],
            dtype=np.int64,
        )
        demand = np.round(rng.lognormal(8.2, 1.2, size)).astype(np.int64) * _FEN
        return pl.DataFrame(
            {
                "reporter": arrivals["reporter"],
                "branch": arrivals["branch"],
                "born": np.full(size, month, dtype=np.int16),
                "complaint_id": complaint_id,
                "first_complaint_id": np.where(repeat, complaint_id[first_of], -1),
                "group_id": np.where(grouped, pack(company, period, np.zeros(size, dtype=np.int64)), -1),
                "received_day": day.astype(np.int32),
                "received_second": second,
                "source_channel": enum_series(SOURCES, arrivals["source"].to_numpy()),
                "reg_ref_no": np.where(forwarded, pack(company, period, number), -1),
                "insurer_class": enum_series(CLASSES, kind),
                "line_code": enum_series(LINES, arrivals["line"].to_numpy()),
                "product_code": company * AGENTS + rng.integers(1, 60, size),
                "product_type": enum_series(
                    COMPLAINT_PRODUCTS, np.where(is_property, -1, products[arrivals["line"].to_numpy()])
                ),
                "sales_channel": enum_series(CHANNELS, arrivals["channel"].to_numpy()),
                "policy_hash": pl.Series(np.where(repeat, policy[first_of], policy)),
                "has_policy": np.where(repeat, has_policy[first_of], has_policy),
                "complainant_type": enum_series(
                    COMPLAINANTS, pick(rng, size, (0.72, 0.16, 0.05, 0.04, 0.03))
                ),
                "complainant_hash": pl.Series(np.where(repeat, holder[first_of], holder)),
                "age_band": enum_series(AGES, pick(rng, size, _AGES)),
                "reason_l1": enum_series(REASONS, reason),
                "nature": enum_series(NATURES, chance(rng, size, 0.05).astype(np.int64)),
                "matter_count": np.minimum(5, rng.geometric(0.88, size)).astype(np.int16),
                "demand_amount": np.where(chance(rng, size, 0.6), demand, -1),
                "complexity": enum_series(COMPLEXITIES, course.complexity),
                "extension_day": course.extension_day.astype(np.int32),
                "clock_stop_days": course.clock_stop.astype(np.int16),
                "decision_day": course.decision_day.astype(np.int32),
                "notify_day": np.where(closed_normally, course.end_day, NEVER).astype(np.int32),
                "withdrawn_day": np.where(
                    course.end_kind == at(STATUSES, "撤回"), course.end_day, NEVER
                ).astype(np.int32),
                "end_day": course.end_day.astype(np.int32),
                "status": enum_series(STATUSES, course.end_kind),
                "outcome": enum_series(OUTCOMES, outcome),
                "responsible": enum_series(RESPONSIBLE, np.where(guilty, 0, 1)),
                "settlement_type": enum_series(SETTLEMENTS, settlement),
                "settlement_amount": amount,
                "surrender_diff_amount": difference,
                "verify_requested": verify,
                "verify_result": enum_series(VERIFICATIONS, np.where(verify, pick(rng, size, (7, 1, 2)), -1)),
                "validity": enum_series(VALIDITIES, validity),
                "validity_day": (day + rng.integers(1, _VALIDITY_KNOWN_AFTER, size)).astype(np.int32),
                "exclusion_code": enum_series(
                    EXCLUSIONS,
                    np.where(excluded, pick(rng, size, (10, 14, 15, 12, 8, 12, 8, 6, 5, 6, 4)), -1),
                ),
                "escalation": enum_series(ESCALATIONS, pick(rng, size, (0.965, 0.015, 0.004, 0.006, 0.01))),
                "agent_code": arrivals["agent_code"],
                "has_agent": grouped | (arrivals["channel"].to_numpy() <= at(CHANNELS, "电销")),
                "root_cause": enum_series(
                    _ROOT_CAUSES, np.where(closed_normally, pick(rng, size, (25, 25, 15, 15, 5, 15)), -1)
                ),
                "rectify_day": rectified.astype(np.int32),
                "problem_id": arrivals["problem_id"],
            }
        ).with_columns(
            pl.when(pl.col(name) >= 0).then(pl.col(name)).otherwise(None).alias(name)
            for name in (
                "first_complaint_id",
                "group_id",
                "reg_ref_no",
                "demand_amount",
                "settlement_amount",
                "surrender_diff_amount",
            )
        )

    def _course(
        self, rng: np.random.Generator, day: Ints, month_end: int, must_end: Ints, repeat: Bools
    ) -> _Course:
        size = day.size
        complexity = pick(rng, size, (0.62, 0.31, 0.07))
        complexity = np.where(repeat | (must_end < NEVER), at(COMPLEXITIES, "简单"), complexity)
        clock_stop = np.where(chance(rng, size, 0.07), rng.integers(3, 21, size), 0)
        limit = np.asarray(list(_LIMITS.values()))[complexity] + clock_stop
        special = complexity == at(COMPLEXITIES, "特别复杂")
        extension = np.where(special, day + rng.integers(_EXTENSION[0], _EXTENSION[1] + 1, size), NEVER)
        # A case of the longest limit is one that the middle limit did not suffice for.
        shortest = np.where(special, _EXTENSION[1] + 1, 0)
        taken = shortest + np.floor((limit - shortest) * rng.beta(1.7, 1.6, size)).astype(np.int64)
        taken = np.where(chance(rng, size, 0.07), limit + rng.integers(1, 21, size), taken)
        decision = day + taken
        kind = pick(rng, size, weights(STATUSES, {"已办结": 0.945, "撤回": 0.042, "终止": 0.013}))
        kind = np.where(repeat, at(STATUSES, "已办结"), kind)
        decision = np.where(repeat, np.minimum(day + rng.integers(0, 4, size), month_end), decision)
        notify = decision + pick(rng, size, (0.6, 0.25, 0.1, 0.05))
        notify = np.where(repeat, decision, notify)
        end = np.where(kind == at(STATUSES, "撤回"), day + rng.integers(1, 13, size), notify)
        end = np.minimum(end, np.maximum(must_end, day))
        decision = np.where(kind == at(STATUSES, "已办结"), np.minimum(decision, end), NEVER)
        return _Course(complexity, clock_stop, extension, decision, end, kind)

    # ------------------------------------------------------------------------------------------- the ledger

    def _ledger(self, month: int, lives: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """F02 rows of the month, and the complaints with the number of their entry."""
        market, period = self._market, self._market.months[month]
        registry = market.registry
        rng = stream(self._seed, "ledger", month)
        quarter = quarter_index(market.months, period)
        quarters = quarter_index(market.months, market.months[-1]) + 1
        keeps = np.asarray([one.ledger_from <= quarter for one in registry.insurers])
        keeps[list(self._silent.get(month, ()))] = False
        reporter = lives["reporter"].to_numpy().astype(np.int64)
        own = lives["source_channel"].cast(pl.String).str.starts_with("OWN_").to_numpy()
        linked = own & keeps[reporter] & chance(rng, lives.height, _LINK_SHARE)
        # Entries without a complaint: what is left of the month's volume, growing with the ledgers.
        spread = [
            sum(one.complaint_share for one in registry.insurers if one.ledger_from <= each)
            for each in range(quarters)
        ]
        average = sum(spread) / quarters
        wanted = rows_per_month("F02", market.scale)
        rate = market.complaint_rate(month) * keeps[market.reporter]
        others = np.maximum(
            wanted / max(average, 1e-9) - rows_per_month("F01", market.scale) * _NEW_SHARE * 0.75, 0
        )
        other_cell = np.repeat(
            np.arange(rate.size), rng.poisson(rate * others * self._campaign(month)[market.reporter])
        )
        # A ledger is never empty while there are complaints: one entry at least for each insurer that keeps
        # one.
        owing = np.asarray([one.owes(period) for one in registry.insurers])
        first_cell = np.searchsorted(market.reporter, np.arange(len(registry.insurers)))
        unannounced = np.asarray(self._unannounced.get(month, ()), dtype=np.int64)
        other_cell = np.concatenate(
            [other_cell, first_cell[keeps & owing], np.repeat(first_cell[unannounced], 4)]
        )
        extra = self._entries(rng, period, market.reporter[other_cell], market.branch[other_cell])
        mine = lives.filter(pl.Series(linked))
        entries = self._entries_of(rng, period, mine, extra.height)
        links = entries.select("complaint_id", pl.col("inquiry_id").alias("first_inquiry_id"))
        lives = lives.join(links, on="complaint_id", how="left", maintain_order="left")
        inquiries = pl.concat([extra, entries]).sort("reporter", "inquiry_second", maintain_order=True)
        return self._inquiry_file(inquiries, last_day(period)), lives

    def _campaign(self, month: int) -> Floats:
        """A hailstorm: one month in which a large property insurer is asked far more than usual (GEN-P02)."""
        registry = self._market.registry
        factor = np.ones(len(registry.insurers))
        if month == min(8, len(self._market.months) - 1):
            large = max(
                (one for one in registry.insurers if one.insurer_class == "P"),
                key=lambda one: one.premium_share,
            )
            factor[large.index] = 3.0
        return factor

    def _entries(
        self, rng: np.random.Generator, period: Period, reporter: Ints, branch: Ints
    ) -> pl.DataFrame:
        size = reporter.size
        start, end = first_day(period), last_day(period)
        day = np.maximum(rng.integers(start, end + 1, size), self._market.registry.opened_days[reporter])
        second = day * SECONDS_PER_DAY + _DAY_STARTS + rng.integers(0, _DAY_LASTS, size)
        entry = enum_series(ENTRY_POINTS, pick(rng, size, (0.22, 0.38, 0.14, 0.12, 0.07, 0.05, 0.02)))
        frame = pl.DataFrame(
            {
                "reporter": reporter.astype(np.int32),
                "branch": branch.astype(np.int32),
                "inquiry_second": second,
                "entry_point": entry,
                "complaint_id": pl.Series([None] * size, dtype=pl.Int64),
                "customer_hash": seeds(rng, size),
            }
        )
        return self._handled(rng, period, frame, first_number=0)

    def _entries_of(
        self, rng: np.random.Generator, period: Period, complaints: pl.DataFrame, first_number: int
    ) -> pl.DataFrame:
        """Entries that became complaints: asked up to two days before, never in an earlier month."""
        size = complaints.height
        received = complaints["received_second"].to_numpy()
        reporter = complaints["reporter"].to_numpy().astype(np.int64)
        earliest = (
            np.maximum(first_day(period), self._market.registry.opened_days[reporter]) * SECONDS_PER_DAY
        )
        asked = np.maximum(received - rng.integers(600, 2 * SECONDS_PER_DAY, size), earliest + 60)
        sources = (
            complaints["source_channel"]
            .cast(pl.String)
            .replace_strict(_ENTRY_OF_SOURCE, return_dtype=pl.String)
        )
        frame = pl.DataFrame(
            {
                "reporter": complaints["reporter"],
                "branch": complaints["branch"],
                "inquiry_second": np.minimum(asked, received),
                "entry_point": sources.cast(pl.Enum(list(ENTRY_POINTS))),
                "complaint_id": complaints["complaint_id"],
                "customer_hash": complaints["complainant_hash"],
            }
        )
        return self._handled(rng, period, frame, first_number)

    def _handled(
        self, rng: np.random.Generator, period: Period, frame: pl.DataFrame, first_number: int
    ) -> pl.DataFrame:
        """What the first responder does with an entry; the number of the entry is given here."""
        size = frame.height
        is_complaint = frame["complaint_id"].is_not_null().to_numpy()
        asked = frame["inquiry_second"].to_numpy()
        wait = np.minimum(rng.exponential(4.0, size), 20).astype(np.int64) * 3600 + rng.integers(
            60, 3_000, size
        )
        wait = np.where(chance(rng, size, 0.045), rng.integers(3, 9, size) * SECONDS_PER_DAY, wait)
        contact = asked + wait
        contact_day = contact // SECONDS_PER_DAY
        at_once = ~is_complaint & chance(rng, size, 0.62)
        resolved = np.where(at_once, contact_day, contact_day + rng.integers(1, 15, size))
        resolved = np.where(is_complaint | chance(rng, size, 0.06), NEVER, resolved)
        at_once &= resolved < NEVER
        informed = np.where(resolved < NEVER, resolved + pick(rng, size, (0.7, 0.2, 0.1)), NEVER)
        transfers = np.where(at_once, chance(rng, size, 0.1), rng.geometric(0.6, size) - 1)
        escalated = np.where(
            ~at_once & chance(rng, size, 0.012), contact_day + rng.integers(1, 9, size), NEVER
        )
        company = self._market.registry.companies[frame["reporter"].to_numpy()]
        duty = chance(rng, size, 0.6)
        return frame.with_columns(
            pl.Series("inquiry_id", pack(company, period, first_number + np.arange(size))),
            pl.Series(
                "responder_hash", rng.integers(1, 2**63, 4_096, dtype=np.uint64)[rng.integers(0, 4_096, size)]
            ),
            pl.Series(
                "responder_is_sales",
                (frame["entry_point"] == "销售人员").to_numpy() | chance(rng, size, 0.05),
            ),
            pl.Series("own_duty", duty),
            pl.Series("transfer_count", transfers.astype(np.int16)),
            pl.Series("contact_second", contact),
            pl.Series("at_once", at_once),
            pl.Series("resolved_day", resolved),
            pl.Series("informed_day", informed),
            pl.Series(
                "satisfaction", np.where(resolved < NEVER, pick(rng, size, (2, 3, 10, 35, 50)) + 1, -1)
            ),
            enum_series(RISKS, pick(rng, size, (0.82, 0.14, 0.04))).alias("risk_level"),
            pl.Series("pre_resolved", at_once & chance(rng, size, 0.2)),
            pl.Series("escalated_day", escalated),
            pl.Series("clue_found", chance(rng, size, 0.006)),
            pl.Series("review_done", chance(rng, size, 0.35)),
        )

    def _inquiry_file(self, entries: pl.DataFrame, end: int) -> pl.DataFrame:
        """F02 rows as the month's end saw them, without the common header."""
        resolved = pl.col("resolved_day") <= end
        return entries.select(
            "reporter",
            "branch",
            "inquiry_id",
            seen_moment("inquiry_second", end).alias("inquiry_at"),
            "entry_point",
            "responder_hash",
            "responder_is_sales",
            pl.col("complaint_id").is_not_null().alias("is_complaint"),
            "complaint_id",
            "customer_hash",
            "own_duty",
            "transfer_count",
            seen_moment("contact_second", end).alias("first_contact_at"),
            (pl.col("at_once") & resolved).alias("resolved_at_first"),
            seen_date("resolved_day", end).alias("resolved_date"),
            seen_date("informed_day", end).alias("informed_date"),
            pl.when(resolved & (pl.col("satisfaction") > 0))
            .then(pl.col("satisfaction"))
            .otherwise(None)
            .alias("satisfaction"),
            "risk_level",
            (pl.col("pre_resolved") & resolved).alias("pre_resolved"),
            seen_date("escalated_day", end).alias("escalated_to_regulator_on"),
            "clue_found",
            "review_done",
            pl.lit(value=True).alias("_closes"),
            pl.lit(value=False).alias("_carried"),
        )

    # ------------------------------------------------------------------------------------------- mediation

    def _mediated(self, month: int, lives: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Lives of the mediations of the month's complaints, and the complaints with their numbers."""
        market, period = self._market, self._market.months[month]
        rng = stream(self._seed, "mediation", month)
        closing = pl.Series([one.last_day is not None for one in market.registry.insurers])
        stays = ~closing.gather(lives["reporter"]).to_numpy()
        handed = (lives["outcome"] == "转调解").to_numpy()
        possible = (
            (lives["complexity"] != "简单").to_numpy()
            & stays
            & (lives["first_complaint_id"].is_null()).to_numpy()
        )
        chosen = handed | (possible & chance(rng, lives.height, _MEDIATED_SHARE * 1.6))
        mine = lives.filter(pl.Series(chosen))
        received = mine["received_day"].to_numpy().astype(np.int64)
        decided = np.minimum(mine["decision_day"].to_numpy(), mine["end_day"].to_numpy()).astype(np.int64)
        soon = received + rng.integers(1, 16, mine.height)
        apply_day = np.where(
            mine["outcome"].to_numpy() == "转调解", np.minimum(soon, np.maximum(decided, received)), soon
        )
        loose = int(rng.poisson(rows_per_month("F03", market.scale) * _UNLINKED_MEDIATIONS * 0.45))
        rate = market.complaint_rate(month)
        rate = rate * (~closing.to_numpy())[market.reporter]
        cell = rng.choice(rate.size, loose, p=rate / rate.sum())
        loose_day = np.maximum(
            rng.integers(first_day(period), last_day(period) + 1, loose),
            market.registry.opened_days[market.reporter[cell]],
        )
        reporter = np.concatenate([mine["reporter"].to_numpy(), market.reporter[cell]])
        company = market.registry.companies[reporter]
        size = reporter.size
        mediation_id = pack(company, period, np.arange(size))
        frame = pl.DataFrame(
            {
                "reporter": reporter.astype(np.int32),
                "branch": np.concatenate([mine["branch"].to_numpy(), market.branch[cell]]).astype(np.int32),
                "mediation_id": mediation_id,
                "complaint_id": pl.concat([mine["complaint_id"], pl.Series([None] * loose, dtype=pl.Int64)]),
                "apply_day": np.concatenate([apply_day, loose_day]),
            }
        )
        links = pl.DataFrame(
            {
                "complaint_id": mine["complaint_id"],
                "mediation_id": mediation_id[: mine.height],
                "mediation_day": apply_day,
            }
        )
        lives = lives.join(links, on="complaint_id", how="left", maintain_order="left")
        return self._mediation_lives(rng, month, frame), lives

    def _mediation_lives(self, rng: np.random.Generator, month: int, frame: pl.DataFrame) -> pl.DataFrame:
        size = frame.height
        applied = frame["apply_day"].to_numpy()
        notified = applied + rng.integers(0, 4, size)
        answered = notified + rng.integers(0, 5, size)
        accepts = chance(rng, size, 0.91)
        # One of every month's cases is refused for a reason that is none of the list's (MED-06).
        refusing = np.flatnonzero(~accepts)
        unreasoned = refusing[:1] if refusing.size else np.arange(min(1, size))
        accepts[unreasoned] = False
        admitted = chance(rng, size, 0.96)
        goes_on = accepts & admitted
        end = np.where(goes_on, answered + rng.integers(6, 41, size), answered + rng.integers(0, 5, size))
        result = pick(
            rng, size, weights(RESULTS, {"成功": 0.62, "部分成功": 0.12, "不成功": 0.18, "撤回": 0.08})
        )
        result = np.where(accepts, result, at(RESULTS, "终止"))
        result = np.where(admitted, result, -1)
        agreed = np.isin(result, [at(RESULTS, "成功"), at(RESULTS, "部分成功")])
        agreement = np.where(agreed, np.maximum(end - rng.integers(0, 2, size), answered), NEVER)
        due = np.where(agreed, agreement + rng.integers(10, 31, size), NEVER)
        keeps = agreed & chance(rng, size, 0.93)
        delay = np.where(chance(rng, size, 0.9), -rng.integers(0, 10, size), rng.integers(1, 15, size))
        fulfilled = np.where(keeps, np.maximum(due + delay, agreement), NEVER)
        # The first month's end after the due day tells for good how the agreement was kept (F03-P01); performance
        # after it is not filed.
        told = np.where(agreed, month_end(due + 1), NEVER)
        fulfilled = np.where(fulfilled <= told, fulfilled, NEVER)
        closed = np.where(agreed, np.minimum(fulfilled, told), end)
        demand = np.round(rng.lognormal(8.6, 1.0, size)).astype(np.int64) * _FEN
        reasons = pick(rng, size, (1, 2, 2, 3, 1, 1))
        reasons[unreasoned] = at(REFUSALS, "其他")
        return frame.with_columns(
            pl.Series("born", np.full(size, month, dtype=np.int16)),
            enum_series(_MEDIATION_ORGS, pick(rng, size, (0.6, 0.3, 0.1))).alias("mediation_org"),
            enum_series(ENTRY_CHANNELS, pick(rng, size, (0.38, 0.3, 0.15, 0.07, 0.1))).alias("entry_channel"),
            pl.Series("notified_day", notified),
            pl.Series("answered_day", answered),
            pl.Series("should_mediate", chance(rng, size, 0.86)),
            pl.Series("org_accepts", accepts),
            enum_series(REFUSALS, np.where(accepts, -1, reasons)).alias("refuse_reason"),
            pl.Series("admitted", admitted),
            pl.Series("consumer_accepts", chance(rng, size, 0.94)),
            pl.Series("sessions", np.where(goes_on, rng.integers(1, 4, size), 0).astype(np.int16)),
            pl.Series("end_day", end),
            enum_series(RESULTS, result).alias("result"),
            pl.Series("agreement_day", agreement),
            pl.Series("demand_amount", demand),
            pl.Series(
                "agreement_amount", (demand * rng.uniform(0.3, 0.95, size) / _FEN).astype(np.int64) * _FEN
            ),
            pl.Series("due_day", due),
            pl.Series("fulfilled_day", fulfilled),
            pl.Series("refused", ~keeps & chance(rng, size, 0.5)),
            pl.Series("judicial_confirm", chance(rng, size, 0.12)),
            pl.Series("quick_point", chance(rng, size, 0.2)),
            pl.Series("repeat_complainer", chance(rng, size, 0.03)),
            pl.Series("black_market", chance(rng, size, 0.02)),
            pl.Series("closed_day", closed),
        )

    def mediation_file(self, month: int) -> pl.DataFrame:
        """F03 rows as the month's end saw them, without the common header."""
        period = self._market.months[month]
        start, end = first_day(period), last_day(period)
        answered, ended = pl.col("answered_day") <= end, pl.col("end_day") <= end
        agreed = pl.col("agreement_day") <= end
        agreed = agreed & ended
        fulfilment = (
            pl.when(pl.col("fulfilled_day") <= end)
            .then(pl.lit("已履行"))
            .when(pl.col("due_day") >= end)
            .then(pl.lit("未到期"))
            .when("refused")
            .then(pl.lit("不履行"))
            .otherwise(pl.lit("逾期"))
        )
        # A mediation applied for after the month is not known yet; one born earlier may start only now.
        return self._mediations.filter(pl.col("apply_day") <= end).select(
            "reporter",
            "branch",
            "mediation_id",
            "complaint_id",
            "mediation_org",
            "entry_channel",
            seen_date("apply_day", end).alias("apply_date"),
            seen_date("notified_day", end).alias("org_notified_date"),
            "should_mediate",
            pl.when(answered).then("org_accepts").otherwise(None).alias("org_accepts"),
            pl.when(answered).then("refuse_reason").otherwise(None).alias("refuse_reason"),
            pl.when(~answered)
            .then(pl.lit("待定"))
            .when(pl.col("admitted"))
            .then(pl.lit("受理"))
            .otherwise(pl.lit("不予受理"))
            .cast(pl.Enum(list(ACCEPT_STATUSES)))
            .alias("accept_status"),
            pl.when(answered).then("consumer_accepts").otherwise(None).alias("consumer_accepts"),
            pl.when(ended).then("sessions").otherwise(0).alias("sessions"),
            seen_date("end_day", end).alias("end_date"),
            pl.when(ended).then("result").otherwise(None).alias("result"),
            pl.when(agreed).then(seen_date("agreement_day", end)).otherwise(None).alias("agreement_date"),
            "demand_amount",
            pl.when(agreed).then("agreement_amount").otherwise(None).alias("agreement_amount"),
            pl.when(agreed)
            .then(pl.col("due_day").cast(pl.Int32).cast(pl.Date))
            .otherwise(None)
            .alias("fulfil_due_date"),
            pl.when(agreed).then(seen_date("fulfilled_day", end)).otherwise(None).alias("fulfil_date"),
            pl.when(agreed)
            .then(fulfilment)
            .otherwise(None)
            .cast(pl.Enum(list(FULFILMENTS)))
            .alias("fulfil_status"),
            pl.when(agreed).then("judicial_confirm").otherwise(None).alias("judicial_confirm"),
            "quick_point",
            "repeat_complainer",
            "black_market",
            (pl.col("closed_day") <= end).alias("_closes"),
            (pl.col("apply_day") < start).alias("_carried"),
        )

    # -------------------------------------------------------------------------------------------- register

    def _register(self, month: int, lives: pl.DataFrame) -> pl.DataFrame:
        """R01 rows: complaints the regulator forwarded in the month, without the common header."""
        rng = stream(self._seed, "register", month)
        mine = lives.filter(pl.col("reg_ref_no").is_not_null())
        size = mine.height
        forwarded = mine["received_day"].to_numpy().astype(np.int64)
        held = np.where(chance(rng, size, 0.04), rng.integers(8, 13, size), rng.integers(0, 7, size))
        opened = self._market.registry.opened_days[mine["reporter"].to_numpy()]
        received = np.maximum(self._days.subtract(forwarded, held), opened)
        firm_view = mine["validity"].to_physical().to_numpy().astype(np.int64)
        own_view = pick(
            rng, size, weights(VALIDITIES, {"有效": 0.7, "无效": 0.15, "不纳入": 0.1, "待定": 0.05})
        )
        view = np.where(chance(rng, size, _REGULATOR_AGREES), firm_view, own_view)
        settled = view != at(VALIDITIES, "待定")
        end = last_day(self._market.months[month])
        final = np.minimum(forwarded + rng.integers(0, 6, size), end)
        channel = (
            mine["source_channel"].cast(pl.String).replace_strict(REGULATOR_CHANNELS, return_dtype=pl.String)
        )
        return mine.select(
            "reporter",
            "branch",
            "reg_ref_no",
            pl.Series("received_on", received.astype(np.int32)).cast(pl.Date),
            pl.col("received_day").cast(pl.Date).alias("forwarded_on"),
            channel.cast(pl.Enum(list(REGULATOR_CHANNELS.values()))).alias("reg_channel"),
            "reason_l1",
            "line_code",
            enum_series(VALIDITIES, view).alias("reg_validity"),
            pl.Series("finalised_on", np.where(settled, final, NEVER)),
            pl.lit(value=True).alias("_closes"),
            pl.lit(value=False).alias("_carried"),
        ).with_columns(seen_date("finalised_on", end))

    # ------------------------------------------------------------------------------------------- the file

    def complaint_file(self, month: int) -> pl.DataFrame:
        """F01 rows as the month's end saw them (ids packed, money in fen), without the common header."""
        period = self._market.months[month]
        end = last_day(period)
        closed = pl.col("end_day") <= end
        judged = closed | (pl.col("validity_day") <= end)
        extended = pl.col("extension_day") <= end
        special = pl.col("complexity") == "特别复杂"
        complexity = (
            pl.when(special & ~extended)
            .then(pl.lit("复杂", pl.Enum(list(COMPLEXITIES))))
            .otherwise(pl.col("complexity"))
        )
        limit = complexity.replace_strict(_LIMITS, return_dtype=pl.Int32)
        when_closed = {
            name: pl.when(closed).then(name).otherwise(None).alias(name)
            for name in (
                "outcome",
                "settlement_amount",
                "surrender_diff_amount",
                "verify_result",
                "root_cause",
            )
        }
        forwarded = pl.col("reg_ref_no").is_not_null()
        return self._lives.select(
            "reporter",
            "branch",
            "complaint_id",
            pl.when(judged).then("first_complaint_id").otherwise(None).alias("first_complaint_id"),
            "group_id",
            seen_moment("received_second", end).alias("received_at"),
            "source_channel",
            "reg_ref_no",
            pl.when(forwarded).then(seen_date("received_day", end)).otherwise(None).alias("reg_forward_date"),
            "insurer_class",
            "line_code",
            "product_code",
            "product_type",
            "sales_channel",
            pl.when(pl.col("has_policy")).then("policy_hash").otherwise(None).alias("policy_hash"),
            "complainant_type",
            "complainant_hash",
            "age_band",
            "reason_l1",
            pl.col("reason_l1")
            .cast(pl.String)
            .replace_strict(_SECOND_REASONS, default=None, return_dtype=pl.String)
            .alias("reason_l2"),
            "nature",
            "matter_count",
            "demand_amount",
            complexity.alias("complexity"),
            pl.when(extended)
            .then(seen_date("extension_day", end))
            .otherwise(None)
            .alias("extension_approved_on"),
            "clock_stop_days",
            (pl.col("received_day") + limit + pl.col("clock_stop_days"))
            .cast(pl.Int32)
            .cast(pl.Date)
            .alias("due_date"),
            pl.when(closed).then(seen_date("decision_day", end)).otherwise(None).alias("decision_date"),
            pl.when(closed).then(seen_date("notify_day", end)).otherwise(None).alias("notify_date"),
            pl.when(closed)
            .then("status")
            .otherwise(pl.lit("处理中", pl.Enum(list(STATUSES))))
            .alias("status"),
            when_closed["outcome"],
            pl.when(closed)
            .then("responsible")
            .otherwise(pl.lit("待认定", pl.Enum(list(RESPONSIBLE))))
            .alias("responsible"),
            pl.when(closed)
            .then("settlement_type")
            .otherwise(pl.lit("无", pl.Enum(list(SETTLEMENTS))))
            .alias("settlement_type"),
            when_closed["settlement_amount"],
            when_closed["surrender_diff_amount"],
            (closed & pl.col("verify_requested")).alias("verify_requested"),
            when_closed["verify_result"],
            pl.when(judged)
            .then("validity")
            .otherwise(pl.lit("待定", pl.Enum(list(VALIDITIES))))
            .alias("validity"),
            pl.when(judged).then("exclusion_code").otherwise(None).alias("exclusion_code"),
            seen_date("withdrawn_day", end).alias("withdrawn_date"),
            "escalation",
            "first_inquiry_id",
            pl.when(pl.col("mediation_day") <= end)
            .then("mediation_id")
            .otherwise(None)
            .alias("mediation_id"),
            pl.lit(None, pl.Int64).alias("clue_id"),
            pl.when(pl.col("has_agent")).then("agent_code").otherwise(None).alias("agent_code"),
            when_closed["root_cause"],
            seen_date("rectify_day", end).alias("rectify_close_date"),
            closed.alias("_closes"),
            (pl.col("born") < month).alias("_carried"),
            (pl.col("end_day") > last_day(period.shift(1))).alias("_stays"),
        )


@dataclass(frozen=True, slots=True)
class _Course:
    """How long complaints take: positions in the vocabularies and day numbers, one element each."""

    complexity: Ints
    clock_stop: Ints
    extension_day: Ints
    decision_day: Ints
    end_day: Ints
    end_kind: Ints


def _repeats(reporter: Ints, validity: Ints, grouped: Bools) -> tuple[Bools, Ints]:
    """Which complaints repeat an earlier one of the same insurer and month, and the position of that one.

    The complaints are sorted by insurer and time, so the last one before that is no repeat itself can be
    carried on.
    """
    candidate = (validity == at(VALIDITIES, "重复")) & ~grouped
    position = np.arange(reporter.size)
    last_other: Ints = np.maximum.accumulate(np.where(candidate, -1, position)) if position.size else position
    first_of = np.where(last_other < 0, 0, last_other)
    found = candidate & (last_other >= 0) & (reporter[first_of] == reporter) if position.size else candidate
    # A group's complaints are not one matter; nothing refers to them.
    found = found & ~grouped[first_of] if position.size else found
    return found, np.where(found, first_of, position)


def _settlements(
    rng: np.random.Generator, outcome: Ints, reason: Ints, closed_normally: Bools, is_property: Bools
) -> tuple[Ints, Ints, Ints]:
    """Kind, amount and difference (fen; -1 for none) of what is paid beyond the contract."""
    size = outcome.size
    settled = np.isin(outcome, [at(OUTCOMES, name) for name in _SETTLED_OUTCOMES]) & closed_normally
    settled &= chance(rng, size, 0.38)
    surrender = np.isin(reason, [at(REASONS, "退保纠纷"), at(REASONS, "销售纠纷")]) & ~is_property
    kind = np.where(
        surrender,
        at(SETTLEMENTS, "协议解约"),
        pick(rng, size, weights(SETTLEMENTS, {"通融赔付": 0.7, "退费": 0.2, "其他": 0.1})),
    )
    kind = np.where(settled, kind, at(SETTLEMENTS, "无"))
    amount = np.round(rng.lognormal(7.6, 1.1, size) * _FEN).astype(np.int64) + _FEN
    difference = (amount * rng.uniform(0.1, 0.8, size)).astype(np.int64)
    return (
        kind,
        np.where(settled, amount, -1),
        np.where(kind == at(SETTLEMENTS, "协议解约"), difference, -1),
    )


def _product(line: str) -> str | None:
    products = {"普通寿险": "普通", "年金": "普通", "分红": "分红", "万能": "万能", "投连": "投连"}
    if line in products:
        return products[line]
    return "其他" if line in ("疾病", "医疗", "护理失能", "意外") else None
