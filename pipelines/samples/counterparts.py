"""What others than the insurers file about the same facts: premium of the statistics system, cases of mediation bodies.

Put here: R06 and R07, made from the clean facts of F06 and F03. Do not put here: those facts, or who errs (defects).
"""

from __future__ import annotations

import numpy as np
import polars as pl

from pipelines.contracts.periods import Period
from pipelines.samples.randomness import stream
from pipelines.samples.registry import Registry

_WITHIN = 0.003
"""The statistics system books a little otherwise, well within the tolerance of 0.5 %."""
_C = pl.col


def premiums(seed: int, month: int, denominators: pl.DataFrame) -> pl.DataFrame:
    """R06 rows of a month (money in fen): F06 by branch and line, without cells that wrote nothing, no common header.

    Args:
        seed: of the bureau.
        month: position of the month.
        denominators: F06 rows of the month.
    """
    cells = denominators.group_by("reporter", "branch", "line_code", maintain_order=True).agg(
        _C("premium").sum()
    )
    rng = stream(seed, "statistics system", month)
    booked = cells["premium"].to_numpy() * (1 + rng.uniform(-_WITHIN, _WITHIN, cells.height))
    return cells.with_columns(pl.Series("premium", np.round(booked).astype(np.int64))).filter(
        _C("premium") != 0
    )


def cases(registry: Registry, period: Period, mediations: pl.DataFrame) -> pl.DataFrame:
    """R07 rows of a month: the cases about insurers that file for it, no common header.

    Args:
        registry: the institutions.
        period: the month.
        mediations: F03 rows of the month.
    """
    filing = [one.index for one in registry.insurers if one.owes(period)]
    return mediations.filter(_C("reporter").is_in(filing))
