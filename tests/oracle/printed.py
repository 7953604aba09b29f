"""Percentages as a bulletin prints them, computed exactly: the simple second route beside the contract's SQL.

Put here: half-up rounding at printed decimals, and how many decimals a published table prints. Do not put here: any
figure (`data/`), or which of them do not add up (`explained`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction


def rounded(number: Fraction, decimals: int) -> Decimal:
    """Number rounded half away from zero, with exactly that many decimals."""
    units = int(abs(number) * 10**decimals + Fraction(1, 2))
    return Decimal(-units if number < 0 else units).scaleb(-decimals)


def share(part: str, base: str, decimals: int, per: int = 100) -> Decimal:
    """`per` times part / base; of two numbers in decimal notation."""
    return rounded(Fraction(part) * per / Fraction(base), decimals)


def growth(value: str, base: str, decimals: int) -> Decimal:
    """Change of a value against its base in per cent."""
    return rounded((Fraction(value) - Fraction(base)) * 100 / Fraction(base), decimals)


def decimals_of(text: str) -> int:
    """Digits after the point of a number as it is written."""
    return len(text.partition(".")[2])


def printed_decimals(rows: Iterable[Mapping[str, str]], column: str) -> dict[str, int]:
    """Decimals that each source prints in a column: source_ids -> the most of any of its figures.

    The oracle's tables were written without trailing zeros (44.0 for 44.00), but a source prints a column alike.
    """
    found: dict[str, int] = {}
    for row in rows:
        if row[column]:
            found[row["source_ids"]] = max(found.get(row["source_ids"], 0), decimals_of(row[column]))
    return found


def at_printed_decimals(row: Mapping[str, str], column: str, decimals: Mapping[str, int]) -> Decimal:
    """A figure of the oracle with the decimals its source prints; whole numbers stay whole (84 is not 84.00)."""
    text = row[column]
    places = decimals[row["source_ids"]] if "." in text else 0
    return Decimal(text).quantize(Decimal(1).scaleb(-places))
