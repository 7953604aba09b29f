"""The clean facts of a bureau, month by month, as each insurer's own systems hold them at the month's end.

Put here: the order in which the parts (market, call-backs, complaints, governance) move through a month, and
the common header of their rows. Do not put here: who files when, in which shape, and with which mistakes.

A frame of a form has the contract's columns (ids packed, hashes as 64-bit seeds, money in fen, percentages in
hundredths; see ``identities`` and ``rendering``) plus ``reporter`` (index of the insurer whose fact it is),
``_closes`` (the record does not appear in later months), ``_carried`` (it appeared in earlier ones) and ``_stays`` (it
is known to be open at the next month's end too; told of complaints only).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta

import numpy as np
import polars as pl

from pipelines.contracts.model import Catalogue
from pipelines.contracts.periods import Period
from pipelines.samples import conduct, counterparts, governance, market, screening
from pipelines.samples.call_backs import CallBacks
from pipelines.samples.complaints import Complaints
from pipelines.samples.conduct import Conduct
from pipelines.samples.days import WorkingDays
from pipelines.samples.departures import Departures
from pipelines.samples.randomness import stream
from pipelines.samples.registry import Registry, master
from pipelines.samples.vocabulary import ACTIONS

_MOMENTS = (18 * 3600, 5 * 3600)
"""Firms close their books between 18:00 and 23:00 of the month's last day."""


_INTERNAL = ("reporter", "_closes", "_carried", "_stays")
"""Columns of a frame that are not filed."""


@dataclass(frozen=True, slots=True)
class Lapses:
    """Months in which an insurer's ledger contradicts what it says about itself (F02-X03).

    Attributes:
        silent: month -> insurers that keep a ledger and enter nothing in it.
        unannounced: month -> insurers without a ledger that file entries all the same.
    """

    silent: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    unannounced: Mapping[int, tuple[int, ...]] = field(default_factory=dict)


class Truth:
    """Everything that happens in the bureau; months must be asked for in order."""

    def __init__(
        self,
        catalogue: Catalogue,
        registry: Registry,
        months: tuple[Period, ...],
        *,
        scale: float,
        seed: int,
        days: WorkingDays,
        lapses: Lapses,
    ) -> None:
        """Nothing has happened yet."""
        self._catalogue = catalogue
        self._registry = registry
        self._months = months
        self._seed = seed
        self._market = market.build(seed, registry, months, scale)
        self._denominators = market.Denominators(self._market, seed)
        self._call_backs = CallBacks(self._market, seed, days)
        self._departures = Departures(self._market, seed)
        self._complaints = Complaints(
            self._market, seed, days, silent=lapses.silent, unannounced=lapses.unannounced
        )
        self._conduct = Conduct(registry, seed, months, scale)
        codes = [branch.code for branch in registry.branches]
        self._codes = pl.Enum(list(dict.fromkeys([*codes, catalogue.supervisor_code])))
        self._branch_codes = pl.Series(codes, dtype=self._codes)
        regions = [branch.region for branch in registry.branches]
        self._branch_regions = pl.Series(regions, dtype=pl.Enum(sorted(set(regions))))
        self._reporter_codes = pl.Series([one.code for one in registry.insurers], dtype=self._codes)

    def month(self, month: int) -> dict[str, pl.DataFrame]:
        """Frames of the monthly forms."""
        policies = market.policies(self._market, self._seed, month)
        denominators = self._denominators.month(month, policies)
        self._call_backs.begin(month, policies)
        self._departures.begin(month, self._call_backs.orphaned(month))
        arrived = self._complaints.begin(month, self._call_backs.turned_into_complaints(month))
        self._call_backs.link_complaints(arrived.transferred_problems, arrived.transferred_complaints)
        period = self._months[month]
        mediations = self._complaints.mediation_file(month)
        complaints = conduct.with_clues(self._complaints.complaint_file(month))
        of_conduct = self._conduct.month(month, complaints)
        return {
            "F01": self._headed("F01", period, complaints),
            "F02": self._headed("F02", period, arrived.inquiries),
            "F03": self._headed("F03", period, mediations),
            "F04": self._headed("F04", period, self._call_backs.call_file(month)),
            "F04S": self._headed("F04S", period, self._call_backs.summary_file(month)),
            "F05": self._headed("F05", period, self._call_backs.problem_file(month)),
            "F06": self._headed("F06", period, denominators),
            "F12": self._headed("F12", period, self._departures.file(month)),
            "F13": self._headed("F13", period, screening.batches(self._market, self._seed, month)),
            "R01": self._headed("R01", period, arrived.forwarded),
            "R06": self._headed("R06", period, counterparts.premiums(self._seed, month, denominators)),
            "R07": self._headed("R07", period, counterparts.cases(self._registry, period, mediations)),
            **{form: self._headed(form, period, rows) for form, rows in of_conduct.items()},
        }

    def quarter(self, quarter: Period) -> dict[str, pl.DataFrame]:
        """Frames of the quarterly forms F07, F08, F11, F15 and F16."""
        facts = governance.snapshot(self._registry, self._seed, self._months, quarter)
        frames = {"F11": facts, **self._conduct.quarter(quarter)}
        return {form: self._headed(form, quarter, rows) for form, rows in frames.items()}

    def no_governance(self, period: Period) -> pl.DataFrame:
        """A frame of F11 without rows, for months of which no whole quarter is covered."""
        rows = governance.snapshot(self._registry, self._seed, self._months, period).clear()
        return self._headed("F11", period, rows)

    def events(self, form: str, period: Period, rows: pl.DataFrame) -> pl.DataFrame:
        """Frame of an event form under a period; columns that begin with an underscore stay with their rows."""
        extra = [name for name in rows.columns if name.startswith("_")]
        return pl.concat([self._headed(form, period, rows), rows.select(extra)], how="horizontal")

    def institutions(self, period: Period, known_at: datetime) -> pl.DataFrame:
        """Frame of R03 as the supervisor knew it at a moment."""
        rows = master(self._registry, known_at.date())
        frame = rows.with_columns(
            pl.lit(self._catalogue.supervisor_code).alias("reporter_code"),
            pl.lit(period.label).alias("period"),
            pl.lit("I", pl.Enum(list(ACTIONS))).alias("record_action"),
            pl.lit(known_at - timedelta(hours=1)).cast(pl.Datetime("us")).alias("updated_at"),
            pl.lit(-1, pl.Int32).alias("reporter"),
            pl.lit(value=True).alias("_closes"),
            pl.lit(value=False).alias("_carried"),
            pl.lit(value=False).alias("_stays"),
        )
        return frame.select(*self._columns("R03"), *_INTERNAL)

    def _headed(self, form: str, period: Period, rows: pl.DataFrame) -> pl.DataFrame:
        """Put the common header before the rows of a form, in the contract's column order."""
        rng = stream(self._seed, f"books {form}", period.start.year * 12 + period.start.month)
        close = datetime.combine(period.end, time()) + timedelta(seconds=_MOMENTS[0])
        moments = rng.integers(0, _MOMENTS[1], rows.height)
        told = {"_closes": True, "_carried": False, "_stays": False}
        extra = {
            name: pl.repeat(value, n=rows.height, eager=True)
            for name, value in told.items()
            if name not in rows.columns
        }
        supervised = self._catalogue.forms[form].side == "supervisor"
        signer = (
            pl.lit(self._catalogue.supervisor_code, self._codes)
            if supervised
            else pl.lit(self._reporter_codes.gather(rows["reporter"]))
        )
        branch = rows["branch"]
        frame = rows.with_columns(
            signer.alias("reporter_code"),
            # What is nobody's (a call to the bureau) stands under the bureau's own code, in the city.
            self._branch_codes.gather(branch).fill_null(self._catalogue.supervisor_code).alias("org_code"),
            self._branch_regions.gather(branch).fill_null(self._branch_regions[0]).alias("region_code"),
            pl.lit(period.label).alias("period"),
            pl.lit("I", pl.Enum(list(ACTIONS))).alias("record_action"),
            (pl.lit(close) + pl.duration(seconds=pl.lit(pl.Series("moment", moments))))
            .cast(pl.Datetime("us"))
            .alias("updated_at"),
            pl.col("reporter").cast(pl.Int32),
            **extra,
        )
        return frame.select(*self._columns(form), *_INTERNAL)

    def _columns(self, form: str) -> Iterable[str]:
        return (column.name for column in self._catalogue.forms[form].columns)


def whole_quarters(months: tuple[Period, ...]) -> tuple[Period, ...]:
    """The quarters all of whose months are covered; only these are filed."""
    labels = {month.label for month in months}
    quarters = dict.fromkeys(month.within("quarter") for month in months)
    return tuple(quarter for quarter in quarters if all(month.label in labels for month in quarter.months()))


def middle(count: int, share: float) -> int:
    """Position at a share (0 to 1) of the way through ``count`` places."""
    return int(np.floor(share * (count - 1) + 0.5))
