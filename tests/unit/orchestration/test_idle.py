"""Idle: a refresh is skipped only when everything it depends on is what the last complete one saw."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.orchestration import idle
from pipelines.settings import Settings


@pytest.fixture
def refreshed(run_settings: Settings) -> Settings:
    """A home after a complete refresh."""
    inbox = run_settings.home / "inbox"
    inbox.mkdir(parents=True)
    (inbox / "a.csv").write_text("x", encoding="utf-8")
    (run_settings.releases_dir / "v3").mkdir(parents=True)
    run_settings.current_release.symlink_to("v3")
    run_settings.build_dir.mkdir()
    run_settings.build_database.touch()
    idle.remember(run_settings, idle.present_state(run_settings))
    return run_settings


def test_nothing_changed_names_the_release_in_force(refreshed: Settings) -> None:
    release = idle.release_if_idle(refreshed, idle.present_state(refreshed))
    assert release
    assert (release.release_no, release.created) == (3, False)


def _new_file(settings: Settings) -> Settings:
    (settings.home / "inbox" / "b.csv").write_text("y", encoding="utf-8")
    return settings


def _other_moment(settings: Settings) -> Settings:
    return settings.model_copy(update={"small_base": 5})


def _other_addresses(settings: Settings) -> Settings:
    path = settings.home / "recipients.csv"
    path.write_text("reporter_code,channel,address,officer_address\n", encoding="utf-8")
    return settings.model_copy(update={"recipients": path})


def _lost_build(settings: Settings) -> Settings:
    settings.build_database.unlink()
    return settings


def _other_release(settings: Settings) -> Settings:
    (settings.releases_dir / "v4").mkdir()
    settings.current_release.unlink()
    settings.current_release.symlink_to("v4")
    return settings


def _begun(settings: Settings) -> Settings:
    idle.forget(settings)
    return settings


@pytest.mark.parametrize(
    "change", [_new_file, _other_moment, _other_addresses, _lost_build, _other_release, _begun]
)
def test_whatever_changed_asks_for_a_refresh(
    refreshed: Settings, change: Callable[[Settings], Settings]
) -> None:
    changed = change(refreshed)
    assert idle.release_if_idle(changed, idle.present_state(changed)) is None


def test_a_change_of_the_program_asks_for_a_refresh(
    refreshed: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = idle.present_state(refreshed)
    (tmp_path / "program").mkdir()
    (tmp_path / "program" / "rules.py").write_text("pass", encoding="utf-8")
    monkeypatch.setattr(idle, "_PROGRAM", tmp_path / "program")
    assert idle.present_state(refreshed) != before
