"""Governance facts of a quarter (F11): rules, ledgers, staff and weights of each insurer.

Put here: the snapshot of a quarter's end. Do not put here: when an insurer set up its ledger or rules; that
is a lasting trait (registry), because first-inquiry files depend on it too.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from pipelines.contracts.periods import Period
from pipelines.samples.randomness import chance, stream
from pipelines.samples.registry import Registry, quarter_index
from pipelines.samples.vocabulary import INSURER_CLASSES, ORG_LEVELS

_HUNDREDTHS = 100


def snapshot(registry: Registry, seed: int, months: tuple[Period, ...], quarter: Period) -> pl.DataFrame:
    """F11 rows of a quarter, one per insurer that owes it (weights in hundredths of a percent), no header."""
    traits = stream(seed, "governance")
    size = len(registry.insurers)
    cp_weight = np.round(traits.uniform(3, 20, size) * _HUNDREDTHS / 50).astype(np.int64) * 50
    fi_weight = np.round(traits.uniform(8, 50, size)).astype(np.int64) * _HUNDREDTHS
    # Two insurers weigh it far outside what is usual (F11-I02).
    fi_weight[[1, size - 2]] = (3 * _HUNDREDTHS, 70 * _HUNDREDTHS)
    no_weight = chance(traits, size, 0.12)
    no_weight[[1, size - 2]] = False
    committee, party, head = (chance(traits, size, share) for share in (0.7, 19 / 41, 26 / 41))
    staff = np.maximum(1, np.round(np.asarray([one.premium_share for one in registry.insurers]) * 60)).astype(
        np.int64
    )
    covers_sales = chance(traits, size, 0.55)
    current = quarter_index(months, quarter.months()[-1])
    rng = stream(seed, "governance of a quarter", current)
    rules_from = [one.rules_from for one in registry.insurers]
    has_rules = [start <= current for start in rules_from]
    has_ledger = [one.ledger_from <= current for one in registry.insurers]
    frame = pl.DataFrame(
        {
            "reporter": np.arange(size).astype(np.int32),
            "branch": [
                next(place for place, branch in enumerate(registry.branches) if branch.code == one.code)
                for one in registry.insurers
            ],
            "as_of_date": [quarter.end] * size,
            "insurer_class": pl.Series(
                [one.insurer_class for one in registry.insurers], dtype=pl.Enum(list(INSURER_CLASSES))
            ),
            "org_level": pl.Series(["地市"] * size, dtype=pl.Enum(list(ORG_LEVELS))),
            "fi_rules": has_rules,
            "fi_rules_date": pl.Series(
                [
                    quarter.shift(min(start, current) - current).start if has else None
                    for start, has in zip(rules_from, has_rules, strict=True)
                ],
                dtype=pl.Date,
            ),
            "fi_ledger": has_ledger,
            "fi_pilot": pl.Series(has_ledger) & pl.Series(has_rules),
            "fi_sales_covered": pl.Series(has_ledger) & pl.Series(covers_sales),
            "mechanisms_revised": rng.integers(0, 3, size),
            "cp_committee": committee,
            "cp_staff": staff,
            "cp_liaison": staff + rng.integers(1, 6, size),
            "cp_weight_pct": cp_weight,
            "fi_weight_pct": pl.Series(fi_weight).zip_with(
                pl.Series(~no_weight), pl.Series([None] * size, dtype=pl.Int64)
            ),
            "own_in_assessment": pl.Series(has_rules),
            "party_branch": party,
            "head_party_member": head,
            "evidence_ref": [
                f"ZZ-{one.company}-{quarter.label}" if has else None
                for one, has in zip(registry.insurers, has_rules, strict=True)
            ],
        }
    ).with_columns(pl.lit(value=True).alias("_closes"), pl.lit(value=False).alias("_carried"))
    return frame.filter(pl.Series([one.owes(quarter) for one in registry.insurers]))
