"""Reading on: the next form's files are read while one form is stored, each once, and nothing else comes of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines.orchestration import steps
from pipelines.validation import read_ahead
from tests.support.desk import Desk, row


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Form of every file that was read, in order."""
    found: list[str] = []
    original = read_ahead.read_parcel

    def spied(form: Any, *arguments: Any, **options: Any) -> Any:
        found.append(form.code)
        return original(form, *arguments, **options)

    monkeypatch.setattr(read_ahead, "read_parcel", spied)
    return found


def receive(desk: Desk, *forms: str) -> None:
    """One file of one row of each form."""
    for form in forms:
        desk.file(form, [row(form)])
    steps.pull(desk.settings)


def begun(desk: Desk) -> None:
    """F03 is stored and F05 has been read meanwhile."""
    receive(desk, "F03", "F05")
    steps.load_form(desk.settings, "F03", None, then=["F05"])
    wait(desk)


def reader_of(desk: Desk) -> read_ahead.Reader:
    return steps._readers[desk.settings.build_database]


def wait(desk: Desk) -> None:
    """Until what was begun is read."""
    for batch in reader_of(desk)._ahead:
        for outcome in batch.outcomes:
            outcome.result()


def test_the_next_forms_files_are_read_while_one_is_stored_and_not_again(desk: Desk, read: list[str]) -> None:
    receive(desk, "F03", "F05")
    assert steps.load_form(desk.settings, "F03", None, then=["F04", "F05"]).rows_read == 1
    wait(desk)
    assert read == ["F03", "F05"]
    assert steps.load_form(desk.settings, "F04", None, then=["F05"]).submissions == 0
    assert steps.load_form(desk.settings, "F05", None).rows_read == 1
    assert read == ["F03", "F05"]
    assert desk.settings.build_database not in steps._readers


def test_what_was_begun_and_has_changed_since_is_read_again(desk: Desk, read: list[str]) -> None:
    begun(desk)
    desk.file("F05", [row("F05")], period="2024-01")
    steps.pull(desk.settings)
    assert steps.load_form(desk.settings, "F05", None).submissions == 2
    assert read == ["F03", "F05", "F05", "F05"]
    readings = (
        "SELECT count(*) AS n FROM ledger.reading JOIN ledger.parcel USING (submission_no) WHERE form = 'F05'"
    )
    assert desk.ask(readings) == [{"n": 2}]


def test_a_new_run_does_not_read_on_with_what_one_that_died_has_begun(desk: Desk, read: list[str]) -> None:
    begun(desk)
    died = reader_of(desk)
    steps.pull(desk.settings)
    assert desk.settings.build_database not in steps._readers
    assert not died._ahead
    assert steps.load_form(desk.settings, "F05", None).submissions == 1
    assert read == ["F03", "F05", "F05"]


def test_what_was_begun_for_a_form_that_is_not_asked_for_is_let_go(desk: Desk, read: list[str]) -> None:
    begun(desk)
    assert steps.load_form(desk.settings, "F03", None).submissions == 0
    assert desk.settings.build_database not in steps._readers
    assert steps.load_form(desk.settings, "F05", None).submissions == 1
    assert read == ["F03", "F05", "F05"]


def test_a_file_that_cannot_be_had_stops_its_own_form_and_no_other(desk: Desk) -> None:
    receive(desk, "F03", "F05")
    [place] = desk.ask("SELECT archive_path FROM ledger.parcel WHERE form = 'F05'")
    folder: Path = desk.settings.archive_dir / place["archive_path"]
    hidden = folder.rename(folder.with_name("hidden"))
    assert steps.load_form(desk.settings, "F03", None, then=["F05"]).submissions == 1
    with pytest.raises(FileNotFoundError, match="restore the archive"):
        steps.load_form(desk.settings, "F05", None, then=["F06"])
    assert desk.settings.build_database not in steps._readers
    hidden.rename(folder)
    assert steps.load_form(desk.settings, "F05", None).submissions == 1


def test_no_more_is_read_ahead_than_three_batches_hold(
    desk: Desk, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next form's batch waits while those of this one fill what three batches may hold."""
    starts: list[tuple[str, int]] = []
    original: Callable[..., Any] = read_ahead.Reader._begin

    def spied(self: read_ahead.Reader, con: Any, form: Any, parcels: Any) -> Any:
        starts.append((form.code, sum(batch.size for batch in self._ahead)))
        return original(self, con, form, parcels)

    monkeypatch.setattr(read_ahead.Reader, "_begin", spied)
    monkeypatch.setattr(type(desk.settings), "batch_bytes", property(lambda _: 1))
    for period in ("2024-01", "2024-02", "2024-03"):
        desk.file("F03", [row("F03")], period=period, signed_at="2024-04-02T10:00:00")
    desk.file("F05", [row("F05")])
    steps.pull(desk.settings)
    assert steps.load_form(desk.settings, "F03", None, then=["F05"]).submissions == 3
    assert [form for form, _ in starts] == ["F03", "F03", "F03", "F05"]
    assert all(held == 0 for _, held in starts), "each of these files is larger than three batches"
    wait(desk)
    assert steps.load_form(desk.settings, "F05", None).submissions == 1
    assert read == ["F03", "F03", "F03", "F05"]
