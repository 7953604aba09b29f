"""What a step lets go: rows of filings must not outlive the batch they were read for."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from pipelines.intake.grid import Grid
from pipelines.orchestration import steps
from tests.support.desk import Desk, row


@pytest.fixture
def no_collection() -> Iterator[None]:
    """Python does not look for cycles by itself, as in a long run it hardly does."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collection")
def test_rows_are_gone_when_a_form_is_loaded(desk: Desk) -> None:
    desk.file("F05", [row("F05")])
    steps.pull(desk.settings)
    assert steps.load_form(desk.settings, "F05", None).submissions == 1
    assert [held for held in gc.get_objects() if isinstance(held, Grid)] == []
