"""What spreadsheets do to text is put right and listed; what is canonical or unclear stays as it was filed."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.contracts.loader import load_catalogue
from pipelines.intake.normalise import normalise

FORM = load_catalogue().forms["F06"]
COMPLAINT = load_catalogue().forms["F01"]


def frame(form: object, **cells: list[str | None]) -> pl.DataFrame:
    height = len(next(iter(cells.values())))
    names = [column.name for column in form.columns]  # type: ignore[attr-defined]
    data = {name: cells.get(name, [None] * height) for name in names}
    return pl.DataFrame(data, schema=dict.fromkeys(names, pl.String)).with_columns(
        submission_no=pl.lit(1, pl.UInt32), row_no=pl.int_range(2, height + 2, dtype=pl.UInt32)
    )


@pytest.mark.parametrize(
    ("column", "filed", "needed"),
    [
        ("premium", "１２３.４５", "123.45"),
        ("premium", "1,234,567.80", "1234567.80"),
        ("premium", "1.5E+3", "1500"),
        ("premium", "'12.5", "12.5"),
        ("policies_new", "12.0", "12"),
        ("policies_new", " 12 ", "12"),
        ("reporter_code", "12343090000", "00012343090000"),
        ("updated_at", "2024/3/5 8:01", "2024-03-05 08:01:00"),
        ("updated_at", "2024年3月5日", "2024-03-05"),
        ("updated_at", "20240305", "2024-03-05"),
        ("updated_at", "２０２４-03-05", "2024-03-05"),
    ],
)
def test_unambiguous_spellings_are_put_right_and_listed(column: str, filed: str, needed: str) -> None:
    repaired, damages = normalise(FORM, frame(FORM, **{column: [filed]}))
    assert repaired[column].to_list() == [needed]
    assert damages.rows() == [(1, 2, column, filed, needed)]


@pytest.mark.parametrize(
    ("column", "filed"),
    [
        ("premium", "12.345"),
        ("premium", "1.2.3"),
        ("premium", "约12"),
        ("policies_new", "12.5"),
        ("reporter_code", "12A"),
        ("updated_at", "05/03/2024"),
        ("updated_at", "昨天"),
        ("updated_at", "2024-13-01"),
    ],
)
def test_what_is_unclear_stays_for_validation_to_judge(column: str, filed: str) -> None:
    repaired, damages = normalise(FORM, frame(FORM, **{column: [filed]}))
    assert repaired[column].to_list() == [filed]
    assert damages.height == 0


@given(st.lists(st.dates(dt.date(1990, 1, 1), dt.date(2026, 12, 31)), min_size=1, max_size=20))
def test_every_spelling_of_a_date_means_the_same_day(days: list[dt.date]) -> None:
    spellings = [
        "{0.year}/{0.month}/{0.day}",
        "{0.year}年{0.month}月{0.day}日",
        "{0.year}.{0.month:02d}.{0.day:02d}",
        "{0:%Y%m%d}",
    ]
    for spelling in spellings:
        repaired, _ = normalise(COMPLAINT, frame(COMPLAINT, due_date=[spelling.format(day) for day in days]))
        assert repaired["due_date"].to_list() == [day.isoformat() for day in days]


@given(
    st.lists(
        st.tuples(
            st.dates(dt.date(1990, 1, 1)),
            st.integers(-(10**9), 10**9),
            st.decimals(-(10**6), 10**6, places=2),
        ),
        min_size=1,
    )
)
def test_canonical_text_is_never_touched(values: list[tuple[dt.date, int, object]]) -> None:
    given_frame = frame(
        FORM,
        updated_at=[day.isoformat() for day, _, _ in values],
        policies_new=[str(number) for _, number, _ in values],
        premium=[f"{amount:f}" for _, _, amount in values],
    )
    repaired, damages = normalise(FORM, given_frame)
    assert damages.height == 0
    assert repaired.equals(given_frame)
