"""Batches in which insurers screen their policies for the risk of a complaint: F13.

Put here: how many batches and products a month brings and what screening finds. Do not put here: the common header.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from pipelines.samples.identities import AGENTS, pack
from pipelines.samples.market import Market
from pipelines.samples.randomness import stream
from pipelines.samples.volumes import rows_per_month

_PRODUCTS_A_BATCH = 4
_SCREENED = 400
_RISKY, _CLEARED, _PRE_RESOLVED = 0.2, 0.68, 0.12


def batches(market: Market, seed: int, month: int) -> pl.DataFrame:
    """F13 rows of a month (ids packed): one per batch and product of the insurers that call back, no common header."""
    rng = stream(seed, "screening", month)
    life = np.unique(market.reporter[market.is_life])
    size = np.asarray([one.premium_share for one in market.registry.insurers])[life]
    wanted = rows_per_month("F13", market.scale) * size / size.sum()
    rows = np.maximum(1, rng.poisson(wanted)) * (market.activity(month)[life] > 0)
    reporter = np.repeat(life, rows)
    place = np.concatenate([np.arange(count) for count in rows]) if rows.size else np.arange(0)
    first_branch = {one: int(market.branch[market.reporter == one][0]) for one in life}
    company = market.registry.companies[reporter]
    screened = np.maximum(5, rng.lognormal(np.log(_SCREENED), 0.7, reporter.size)).astype(np.int64)
    found = rng.binomial(screened, _RISKY)
    return pl.DataFrame(
        {
            "reporter": reporter.astype(np.int32),
            "branch": np.asarray([first_branch[one] for one in reporter], dtype=np.int32),
            "batch_id": pack(company, market.months[month], place // _PRODUCTS_A_BATCH),
            "product_code": company * AGENTS + 100 + place % _PRODUCTS_A_BATCH,
            "screened": screened,
            "risk_found": found,
            "risk_cleared": rng.binomial(found, _CLEARED),
            "pre_resolved": rng.binomial(found, _PRE_RESOLVED),
        }
    )
