"""Put right what spreadsheets do to text, and say so: every changed cell is listed (GEN-I05).

Belongs here: full-width characters, leading apostrophes, spaces, scientific notation, `12.0` for a whole number,
lost leading zeros of fixed-length codes, and other unambiguous spellings of dates. Only changes that cannot alter
the meaning are made; anything else stays as filed for validation to judge. Set-based (polars), and skipped for
columns that need nothing.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

import polars as pl

from pipelines.contracts.model import Column, Form

#: Columns of the table of changed cells.
DAMAGE_SCHEMA = {
    "submission_no": pl.UInt32,
    "row_no": pl.UInt32,
    "column_name": pl.String,
    "filed": pl.String,
    "normalised": pl.String,
}

#: Full-width forms FF01-FF5E map onto ASCII 21-7E; the ideographic space onto a space.
_WIDE = {chr(0xFF01 + i): chr(0x21 + i) for i in range(94)} | {"\u3000": " "}
_CANONICAL = {
    "date": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
    "timestamp": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}(:[0-9]{2})?)?$",
    "integer": r"^-?[0-9]+$",
    "decimal": r"^-?[0-9]+(\.[0-9]+)?$",
}
_DATE = r"^([0-9]{4})\s*[-/.年]\s*([0-9]{1,2})\s*[-/.月]\s*([0-9]{1,2})\s*日?"
_TIME = r"(?:[\sT]+([0-9]{1,2})[:时]([0-9]{1,2})(?:[:分]([0-9]{1,2})秒?)?(?:\.0+)?)?$"
_COMPACT = r"^([0-9]{4})([0-9]{2})([0-9]{2})$"
_SCIENTIFIC = r"^-?[0-9]+(\.[0-9]+)?[eE]\+?[0-9]{1,2}$"
_WIDE_KINDS = ("code", "enum", "boolean", "date", "timestamp", "integer", "decimal", "hash")


def normalise(form: Form, frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Normalise the text cells of many files of one form at once.

    `frame` holds columns of the contract as strings (those that need looking at) plus `submission_no` and `row_no`.
    Returns the frame put right and the changed cells: submission_no, row_no, column_name, filed, normalised.
    """
    repaired_columns: list[pl.Series] = []
    damages: list[pl.DataFrame] = []
    for column in form.columns:
        if column.name not in frame.columns:
            continue
        filed = frame[column.name]
        repaired = _repair(column, filed)
        if repaired is None:
            continue
        differs = (filed != repaired).fill_null(value=False)
        if not differs.any():
            continue
        damages.append(
            pl.DataFrame(
                {
                    "submission_no": frame["submission_no"].filter(differs),
                    "row_no": frame["row_no"].filter(differs),
                    "column_name": pl.repeat(column.name, int(differs.sum()), dtype=pl.String, eager=True),
                    "filed": filed.filter(differs),
                    "normalised": repaired.filter(differs),
                }
            )
        )
        repaired_columns.append(repaired.alias(column.name))
    changed = pl.concat(damages) if damages else pl.DataFrame(schema=DAMAGE_SCHEMA)
    return frame.with_columns(repaired_columns), changed


def _repair(column: Column, filed: pl.Series) -> pl.Series | None:
    """The column put right, or None when a quick look shows nothing to do."""
    suspicious = _suspicious(column, filed)
    if not suspicious.any():
        return None
    kind = column.kind
    text = filed.str.strip_chars(" \t\u3000\u00a0").str.strip_prefix("'")
    if kind in _WIDE_KINDS and kind != "enum":
        text = text.str.replace_many(list(_WIDE.keys()), list(_WIDE.values())).str.strip_chars()
    if kind == "code" and column.length:
        short = text.str.contains(r"^[0-9]+$") & (text.str.len_chars() < column.length)
        text = _where(short.fill_null(value=False), text.str.zfill(column.length), text)
    elif kind in ("integer", "decimal"):
        text = _plain_number(text)
    elif kind in ("date", "timestamp"):
        text = _iso(text, with_time=kind == "timestamp")
    return _where(suspicious, text, filed)


def _suspicious(column: Column, filed: pl.Series) -> pl.Series:
    """Cells that are not plainly canonical; null cells are never suspicious."""
    pattern = _CANONICAL.get(column.kind)
    if pattern is not None:
        return (~filed.str.contains(pattern)).fill_null(value=False)
    if column.kind == "code" and column.length:
        return (filed.str.len_chars() != column.length).fill_null(value=False) | _edged(filed)
    if column.kind in ("boolean", "hash"):
        longest = 1 if column.kind == "boolean" else 64
        return (filed.str.len_bytes() != longest).fill_null(value=False)
    return _edged(filed)


def _edged(filed: pl.Series) -> pl.Series:
    """Leading apostrophe, or space at either end."""
    return filed.str.contains(r"^['\s\u{3000}\u{a0}]|[\s\u{3000}\u{a0}]$").fill_null(value=False)


def _where(mask: pl.Series, then: pl.Series, otherwise: pl.Series) -> pl.Series:
    return pl.select(pl.when(mask).then(then).otherwise(otherwise).alias(otherwise.name)).to_series()


def _plain_number(text: pl.Series) -> pl.Series:
    """Thousands separators and exact scientific notation written out; `12.0` as `12`."""
    plain = _where(
        text.str.contains(r"^-?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?$").fill_null(value=False),
        text.str.replace_all(",", ""),
        text,
    )
    scientific = plain.str.contains(_SCIENTIFIC).fill_null(value=False)
    if scientific.any():
        spelled = plain.map_elements(_spell_out, return_dtype=pl.String)
        plain = _where(scientific, spelled, plain)
    return plain.str.replace(r"^(-?[0-9]+)\.0+$", "$1")


def _spell_out(text: str) -> str:
    try:
        return format(Decimal(text), "f")
    except InvalidOperation:
        return text


def _iso(text: pl.Series, *, with_time: bool) -> pl.Series:
    """Unambiguous year-first dates as ISO; a time part is kept for timestamps and only 00:00:00 dropped for dates."""
    frame = text.to_frame("t")
    parts = pl.col("t").str.extract_groups(_DATE + _TIME)
    compact = pl.col("t").str.extract_groups(_COMPACT)
    frame = frame.select("t", parts.alias("p"), compact.alias("c"))
    day = pl.concat_str(
        pl.col("p").struct.field("1"),
        pl.lit("-"),
        pl.col("p").struct.field("2").str.zfill(2),
        pl.lit("-"),
        pl.col("p").struct.field("3").str.zfill(2),
    )
    hour, minute, second = (pl.col("p").struct.field(n) for n in ("4", "5", "6"))
    clock = pl.concat_str(
        hour.fill_null("00").str.zfill(2),
        pl.lit(":"),
        minute.fill_null("00").str.zfill(2),
        pl.lit(":"),
        second.fill_null("00").str.zfill(2),
    )
    compact_day = pl.concat_str(
        pl.col("c").struct.field("1"),
        pl.lit("-"),
        pl.col("c").struct.field("2"),
        pl.lit("-"),
        pl.col("c").struct.field("3"),
    )
    if with_time:
        value = pl.when(hour.is_null()).then(day).otherwise(pl.concat_str(day, pl.lit(" "), clock))
    else:
        value = pl.when(clock == "00:00:00").then(day)
    return frame.select(pl.coalesce(value, compact_day, pl.col("t")).alias(text.name)).to_series()
