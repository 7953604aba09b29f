"""Forms of which nothing came: a step that has nothing to read does not open the build database to find that out."""

from __future__ import annotations

import duckdb
import pytest

from pipelines.contracts.loader import load_catalogue
from pipelines.orchestration import steps
from pipelines.validation import batch
from pipelines.warehouse.connection import open_warehouse
from tests.support.desk import Desk, row


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every opening of a build database by the steps."""
    found: list[str] = []

    def spied(*args: object, **given: object) -> duckdb.DuckDBPyConnection:
        found.append("opened")
        return open_warehouse(*args, **given)  # type: ignore[arg-type]

    monkeypatch.setattr(steps, "open_warehouse", spied)
    return found


def test_only_forms_with_something_to_read_open_the_build_database(desk: Desk, opened: list[str]) -> None:
    desk.file("F05", [row("F05")])
    steps.pull(desk.settings)
    opened.clear()
    assert steps.load_form(desk.settings, "F01", None).submissions == 0
    assert opened == []
    assert steps.load_form(desk.settings, "F05", None).submissions == 1
    assert opened == ["opened"]
    assert steps.load_form(desk.settings, "F05", None).submissions == 0
    assert opened == ["opened"]


def test_what_another_writer_left_is_looked_at(desk: Desk, opened: list[str]) -> None:
    desk.file("F05", [row("F05")])
    steps.pull(desk.settings)
    steps.load_form(desk.settings, "F05", None)
    with open_warehouse(desk.settings.build_database) as con:
        con.execute("DELETE FROM ledger.reading")
    opened.clear()
    assert steps.load_form(desk.settings, "F05", None).submissions == 1
    assert opened == ["opened"]


def test_another_version_looks_again_at_what_this_one_failed_on(
    desk: Desk, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.file("F05", [row("F05")])
    steps.pull(desk.settings)
    monkeypatch.setattr(batch, "_load", lambda *_, **__: pytest.fail("nothing is read here"))
    with open_warehouse(desk.settings.build_database) as con:
        [[number]] = con.execute("SELECT submission_no FROM ledger.parcel WHERE form = 'F05'").fetchall()
        version = steps._reader_version(load_catalogue())
        con.execute(
            "INSERT INTO ledger.failure VALUES (?, 'read', 'ours', ?, now()::TIMESTAMP, true)",
            [number, version],
        )
    assert steps.load_form(desk.settings, "F05", None).submissions == 0
    opened.clear()
    assert steps.load_form(desk.settings, "F05", None).submissions == 0
    assert opened == []
    monkeypatch.undo()
    monkeypatch.setattr(steps, "code_version", lambda: "another")
    assert steps.load_form(desk.settings, "F05", None).submissions == 1
