"""Numbers that stand for ids, persons and policies, and how they are written in a file.

Put here: the packing of ids into integers (cheap to join at national volume) and their text. Do not put here:
which record refers to which (complaints, call-backs).

An id packs company number, year and month, and a running number; its text is
``<letter><company>-<yymm>-<number>``. The parts are separated so that no id holds a run of eleven or eighteen
digits, which the screen for phone and identity numbers would rightly stop.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from pipelines.contracts.periods import Period
from pipelines.samples.randomness import Ints

_NUMBERS = 10**8
_MONTHS = 10**4
AGENTS = 10**5
"""Agent codes of a company: company number times this, plus the agent's number."""

ID_LETTERS = {
    "complaint_id": "C",
    "first_complaint_id": "C",
    "group_id": "G",
    "reg_ref_no": "ZB",
    "first_inquiry_id": "Q",
    "inquiry_id": "Q",
    "mediation_id": "M",
    "callback_id": "H",
    "problem_id": "W",
    "review_id": "V",
    "course_id": "K",
    "clue_id": "X",
    "action_id": "S",
    "call_id": "L",
    "activity_id": "E",
    "survey_id": "D",
    "departure_id": "LZ",
    "batch_id": "PC",
}
"""Prefix of every id column that is kept as a packed number."""

HASH_COLUMNS = (
    "policy_hash",
    "complainant_hash",
    "responder_hash",
    "customer_hash",
    "recording_ref",
    "party_hash",
    "person_hash",
)
"""Columns kept as 64-bit seeds and written as 64 hexadecimal digits."""


def pack(company: Ints | int, period: Period, number: Ints) -> Ints:
    """Packed ids of one month; company numbers have three digits."""
    month = period.start.year % 100 * 100 + period.start.month
    packed: Ints = (np.asarray(company, dtype=np.int64) * _MONTHS + month) * _NUMBERS + number
    return packed


def id_text(column: str) -> pl.Expr:
    """Text of a packed id column; null stays null."""
    packed = pl.col(column)
    return pl.format(
        ID_LETTERS[column] + "{}-{}-{}",
        packed // (_NUMBERS * _MONTHS),
        (packed // _NUMBERS % _MONTHS).cast(pl.String).str.zfill(4),
        (packed % _NUMBERS).cast(pl.String).str.zfill(8),
    )


def agent_text(column: str) -> pl.Expr:
    """Text of agent codes, e.g. ``A204-00017``; null stays null."""
    agent = pl.col(column)
    return pl.format("A{}-{}", agent // AGENTS, (agent % AGENTS).cast(pl.String).str.zfill(5))


def hash_text(seeds: pl.Series) -> pl.Series:
    """64 lower-case hexadecimal digits for each 64-bit seed; null stays null. Equal seeds give equal text."""
    filled = seeds.fill_null(0).to_numpy()
    words = np.empty((filled.size, 4), dtype=np.uint64)
    state = filled.copy()
    for word in range(4):
        state = state + np.uint64(0x9E3779B97F4A7C15)
        words[:, word] = _mix(state)
    digits = _HEX[words.view(np.uint8)].reshape(filled.size, -1).view("S64").ravel()
    text = (
        pl.Series(seeds.name, digits).cast(pl.String) if digits.size else pl.Series(seeds.name, [], pl.String)
    )
    return pl.select(pl.when(seeds.is_not_null()).then(text).otherwise(None).alias(seeds.name)).to_series()


def _mix(state: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Finaliser of splitmix64: spreads a counter over all 64 bits."""
    mixed = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    spread: npt.NDArray[np.uint64] = mixed ^ (mixed >> np.uint64(31))
    return spread


_HEX = np.array([f"{value:02x}" for value in range(256)], dtype="S2")
