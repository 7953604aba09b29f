"""The sensor `new_filings`: content decides, and a file that is still being copied is waited for."""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg
import pytest

from pipelines.intake.sources import SourceUnavailableError
from pipelines.orchestration.idle import inbox_digest
from pipelines.orchestration.sensors import Look, inbox_sensor
from pipelines.settings import Settings


def look(settings: Settings, cursor: str | None) -> dg.SensorResult:
    context = dg.build_sensor_context(cursor=cursor, resources={"settings": settings})
    result = inbox_sensor()(context)
    assert isinstance(result, dg.SensorResult)
    return result


@pytest.fixture
def inbox(run_settings: Settings) -> Path:
    folder = run_settings.home / "inbox"
    folder.mkdir(parents=True)
    return folder


def write(path: Path, text: str, mtime: int = 1_700_000_000) -> None:
    path.write_text(text, encoding="utf-8")
    os.utime(path, (mtime, mtime))


def test_an_empty_inbox_is_skipped(run_settings: Settings, inbox: Path) -> None:
    assert "is empty" in str(look(run_settings, None).skip_reason)


def test_new_files_are_asked_for_once_when_they_have_come_to_rest(
    run_settings: Settings, inbox: Path
) -> None:
    write(inbox / "a.csv", "x")
    first = look(run_settings, None)
    assert not first.run_requests
    assert "still changing" in str(first.skip_reason)

    second = look(run_settings, first.cursor)
    assert [request.run_key for request in second.run_requests or ()] == [inbox_digest(run_settings.inbox)[0]]

    third = look(run_settings, second.cursor)
    assert not third.run_requests
    assert "nothing new among 1 files" in str(third.skip_reason)


def test_a_growing_file_is_waited_for(run_settings: Settings, inbox: Path) -> None:
    cursor = None
    for size in range(1, 4):
        write(inbox / "a.csv", "x" * size)
        result = look(run_settings, cursor)
        assert not result.run_requests
        cursor = result.cursor
    assert look(run_settings, cursor).run_requests


def test_a_changed_file_is_new_and_another_process_agrees_on_the_digest(
    run_settings: Settings, inbox: Path
) -> None:
    write(inbox / "a.csv", "x")
    before = inbox_digest(run_settings.inbox)
    assert inbox_digest(run_settings.inbox) == before
    write(inbox / "a.csv", "y", mtime=1_700_000_001)
    assert inbox_digest(run_settings.inbox) != before


def test_a_cursor_of_another_shape_is_a_fresh_start() -> None:
    assert Look.parse("[1, 2]") == Look()
    assert Look.parse("not json") == Look()
    assert Look.parse(Look("a", "b").dump()) == Look("a", "b")


def test_an_inbox_that_cannot_be_listed_fails_the_tick(run_settings: Settings) -> None:
    with pytest.raises(SourceUnavailableError, match="XIAOBAO_INBOX"):
        look(run_settings, None)
