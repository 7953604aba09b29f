"""How files are put together before DuckDB sees them: what becomes of one must not depend on the others."""

from __future__ import annotations

from functools import partial

import pyarrow as pa
import pytest

from pipelines.contracts.loader import load_catalogue
from pipelines.contracts.model import Form
from pipelines.intake.canonical import Cells, typed_cells
from pipelines.intake.grid import Grid, Keep, as_filed, text_table
from pipelines.validation import batch, read_ahead
from pipelines.validation.marks import values_at_any_time
from pipelines.validation.read_ahead import Failed, Found, Unread

CATALOGUE = load_catalogue()
FORM = CATALOGUE.forms["F09"]


@pytest.fixture
def typed() -> Keep:
    return partial(typed_cells, FORM, values=values_at_any_time(CATALOGUE, FORM))


def rows(form: Form, count: int, **cells: str | None) -> pa.Table:
    """`count` rows with nothing in them but these cells."""
    columns = {c.name: pa.array([cells.get(c.name)] * count, pa.string()) for c in form.columns}
    return text_table(form, columns, pa.array(range(2, count + 2), pa.uint32()))


def found(number: int, table: pa.Table, size: int = 1_000, keep: Keep = as_filed) -> Found:
    parcel = Unread(number, f"a/{number}", "2024-03", None, None, None, None, "0" * 64, size)
    return Found(parcel, Grid(pieces=[keep(table)], rows_read=table.num_rows))


def test_small_files_are_typed_together_and_keep_their_rows(typed: Keep) -> None:
    tables = [rows(FORM, 2, found_date="2024-03-05"), rows(FORM, 3, found_date="2024-02-29")]
    outcomes = read_ahead._small_ones_typed(
        [found(number, table) for number, table in enumerate(tables)], typed
    )
    for outcome, table in zip(outcomes, tables, strict=True):
        assert isinstance(outcome, Found)
        [cells] = outcome.grid.pieces or []
        alone = typed(table)
        assert cells.canonical == alone.canonical
        assert cells.table.to_pylist() == alone.table.to_pylist()


def test_what_is_odd_in_one_small_file_is_text_in_all_and_unchanged(typed: Keep) -> None:
    odd = rows(FORM, 1, found_date="2024/3/5")
    outcomes = read_ahead._small_ones_typed(
        [found(1, rows(FORM, 1, found_date="2024-03-05")), found(2, odd)], typed
    )
    texts = []
    for outcome in outcomes:
        assert isinstance(outcome, Found)
        [cells] = outcome.grid.pieces or []
        assert "found_date" not in cells.canonical
        texts += cells.table["found_date"].to_pylist()
    assert texts == ["2024-03-05", "2024/3/5"]


def test_large_files_come_typed_and_are_left_alone(typed: Keep) -> None:
    large = found(1, rows(FORM, 2), size=1 << 20, keep=typed)
    before = large.grid.pieces
    assert read_ahead._small_ones_typed([large], typed) == [large]
    assert large.grid.pieces is before


def test_our_own_failure_is_that_of_one_file(typed: Keep) -> None:
    def breaks(table: pa.Table) -> Cells:
        if "2024-03-05" in table["found_date"].to_pylist():
            raise ZeroDivisionError("ours")
        return typed(table)

    outcomes = read_ahead._small_ones_typed(
        [found(1, rows(FORM, 1, found_date="2024-03-05")), found(2, rows(FORM, 1, found_date="2024-03-06"))],
        breaks,
    )
    assert isinstance(outcomes[0], Failed)
    assert outcomes[0].error == "ZeroDivisionError: ours"
    assert isinstance(outcomes[1], Found)
    assert "found_date" in (outcomes[1].grid.pieces or [])[0].canonical


def test_a_few_odd_files_are_a_part_of_their_own(typed: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, odd = rows(FORM, 10, found_date="2024-03-05"), rows(FORM, 1, found_date="2024/3/5")
    outcomes = [found(1, plain, keep=typed), found(2, odd, keep=typed), found(3, plain, keep=typed)]
    assert batch._parts(outcomes) == [outcomes]
    monkeypatch.setattr(batch, "_MANY_CELLS", 20)
    assert batch._parts(outcomes) == [[outcomes[0], outcomes[2]], [outcomes[1]]]


def test_no_file_is_lost_in_parts(typed: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "_MANY_CELLS", 0)
    empty = Found(found(1, rows(FORM, 1)).parcel, Grid())
    failed = Failed(found(2, rows(FORM, 1)).parcel, "ours")
    odd = found(3, rows(FORM, 1, found_date="2024/3/5"), keep=typed)
    plain = found(4, rows(FORM, 5, found_date="2024-03-05"), keep=typed)
    parts = batch._parts([empty, failed, odd, plain])
    assert parts == [[empty, failed, plain], [odd]]
    assert batch._parts([empty, failed]) == [[empty, failed]]
