"""Reproducible chance: one independent stream per purpose and month, and draws from labelled weights.

Put here: how random numbers are seeded and turned into choices. Do not put here: the weights themselves; they
are facts about a market and stand where they are used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def stream(seed: int, purpose: str, month: int = 0) -> np.random.Generator:
    """Generator that depends on seed, purpose and month only, never on what was drawn elsewhere before."""
    key = int.from_bytes(hashlib.sha256(purpose.encode()).digest()[:8], "big")
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, key, month])))


def chance(rng: np.random.Generator, size: int, probability: float | Floats) -> Bools:
    """True with the given probability, per element."""
    drawn: Bools = rng.random(size) < probability
    return drawn


def pick(rng: np.random.Generator, size: int, weights: Sequence[float]) -> Ints:
    """Positions 0..k-1 drawn with the given weights (any positive scale)."""
    return pick_by(rng, np.asarray([weights], dtype=np.float64), np.zeros(size, dtype=np.int64))


def pick_by(rng: np.random.Generator, weights: Floats, group: Ints) -> Ints:
    """Positions drawn per element from the weights of its group.

    Args:
        rng: source of chance.
        weights: shape (groups, choices), each row of any positive scale; zero means never.
        group: the group of each element.
    """
    bounds = np.cumsum(weights, axis=1)
    bounds = bounds / bounds[:, -1:]
    drawn = rng.random(group.size)
    position: Ints = np.zeros(group.size, dtype=np.int64)
    # The last bound is 1 and never passed, so it needs no comparison.
    for column in range(bounds.shape[1] - 1):
        position += drawn >= bounds[group, column]
    return position


def enum_series(labels: Sequence[str], positions: Ints) -> pl.Series:
    """Positions as an Enum column of the labels; a negative position is null."""
    codes = pl.Series(np.where(positions < 0, 0, positions).astype(np.uint32))
    if (positions < 0).any():
        codes = pl.select(pl.when(pl.Series(positions >= 0)).then(codes).otherwise(None)).to_series()
    return codes.cat.to(pl.Enum(list(labels)))


def seeds(rng: np.random.Generator, size: int) -> npt.NDArray[np.uint64]:
    """Random 64-bit numbers that stand for persons, policies and recordings until they become hashes."""
    return rng.integers(0, 2**64, size, dtype=np.uint64)
