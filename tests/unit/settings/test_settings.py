"""Settings: defaults, the environment, errors, and the lines of `xiaobao config`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from pipelines import settings as module
from pipelines.settings import (
    PERSON_KEY_VARIABLE,
    Settings,
    SettingsError,
    describe,
    load_settings,
    project_root,
    unknown_variables,
)


def test_everything_a_run_writes_lies_under_home(home: Path) -> None:
    settings = load_settings()
    assert settings.home == home
    for place in (
        settings.archive_dir,
        settings.build_database,
        settings.current_release,
        settings.outbox_dir,
        settings.dagster_home,
        settings.dbt_dir,
    ):
        assert place.is_relative_to(home)
    assert settings.inbox == (home / "inbox").as_uri()


def test_a_checkout_keeps_runs_in_var(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XIAOBAO_HOME")
    assert load_settings().home == project_root() / "var"


def test_a_relative_home_is_fixed_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XIAOBAO_HOME", "here")
    settings = load_settings()
    monkeypatch.chdir("/")
    assert settings.home == tmp_path / "here"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("/srv/filings", "file:///srv/filings"),
        ("memory://inbox", "memory://inbox"),
        ("/srv/报送", "file:///srv/%E6%8A%A5%E9%80%81"),
    ],
)
def test_an_inbox_is_a_url_or_a_folder(monkeypatch: pytest.MonkeyPatch, given: str, expected: str) -> None:
    monkeypatch.setenv("XIAOBAO_INBOX", given)
    assert load_settings().inbox == expected


def test_a_zoned_knowledge_time_is_brought_to_the_bureaus_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XIAOBAO_AS_OF", "2025-03-31T16:30:00Z")
    assert load_settings().as_of == datetime(2025, 4, 1, 0, 30)


def test_all_bad_values_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XIAOBAO_THREADS", "0")
    monkeypatch.setenv("XIAOBAO_MEMORY_LIMIT", "much")
    monkeypatch.setenv("XIAOBAO_FIRST_MONTH", "2024-13")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    for part in (
        "XIAOBAO_THREADS",
        "XIAOBAO_MEMORY_LIMIT",
        "'much'",
        "XIAOBAO_FIRST_MONTH",
        "xiaobao config",
    ):
        assert part in str(caught.value)


def test_an_empty_inbox_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XIAOBAO_INBOX", " ")
    with pytest.raises(SettingsError, match="an inbox is needed") as refused:
        load_settings()
    assert "XIAOBAO_OUTBOX" not in str(refused.value)  # one mistake is told once


def test_the_outbox_is_local_unless_it_is_set_elsewhere(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().outbox == (home / "outbox").as_uri()
    assert load_settings().outbox_dir == home / "outbox"
    monkeypatch.setenv("XIAOBAO_OUTBOX", str(home / "回执 out"))
    assert load_settings().outbox_dir == home / "回执 out"
    monkeypatch.setenv("XIAOBAO_OUTBOX", "memory://bureau/outbox")
    assert load_settings().outbox == "memory://bureau/outbox"
    assert load_settings().outbox_dir == home / "outbox"


def test_each_setting_is_described_with_its_source() -> None:
    lines = {line.variable: line for line in describe(load_settings())}
    assert set(lines) == {f"XIAOBAO_{name.upper()}" for name in Settings.model_fields}
    assert all(line.description for line in lines.values())
    assert lines["XIAOBAO_HOME"].source == "environment"
    assert lines["XIAOBAO_MAX_CELLS"].source == "default"
    assert lines["XIAOBAO_AS_OF"].value == ""


def test_a_project_of_ones_own_is_named_by_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert load_settings().project_dir == project_root()
    for name in ("expectations", "dbt_project", "data"):
        (tmp_path / "own" / name).mkdir(parents=True)
    monkeypatch.setenv("XIAOBAO_PROJECT", str(tmp_path / "own"))
    assert project_root() == load_settings().project_dir == tmp_path / "own"
    with pytest.raises(ValueError, match="chosen by the variable XIAOBAO_PROJECT alone"):
        Settings(project=tmp_path)


def test_a_project_that_lacks_a_folder_is_refused_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "expectations").mkdir()
    monkeypatch.setenv("XIAOBAO_PROJECT", str(tmp_path))
    with pytest.raises(SettingsError, match=r"has no dbt_project/, data/\. Copy the project's"):
        load_settings()
    with pytest.raises(SettingsError, match="has no dbt_project/, data/"):
        project_root()


def test_a_typo_in_a_variable_is_found() -> None:
    assert unknown_variables({"XIAOBAO_HOME": "", "XIAOBAO_INBOXES": "", "PATH": ""}) == ["XIAOBAO_INBOXES"]


def test_the_secret_of_persons_is_known_but_no_setting() -> None:
    assert unknown_variables({PERSON_KEY_VARIABLE: "s"}) == []
    assert PERSON_KEY_VARIABLE not in {line.variable for line in describe(load_settings())}


def test_the_projects_inputs_are_found_in_a_checkout_and_in_a_wheel(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert (project_root() / "expectations").is_dir()
    package = tmp_path / "site-packages" / "pipelines"
    package.mkdir(parents=True)
    monkeypatch.setattr(module, "_PACKAGE", package)
    with pytest.raises(SettingsError, match="Reinstall the package"):
        project_root()
    (package / "_project" / "expectations").mkdir(parents=True)
    assert project_root() == package / "_project"
    monkeypatch.delenv("XIAOBAO_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert load_settings().home == tmp_path / "data" / "xiaobao"


def test_delivery_is_the_outbox_unless_channels_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert load_settings().channels == ("directory",)
    monkeypatch.setenv("XIAOBAO_DELIVERY", "webhook, email")
    monkeypatch.setenv("XIAOBAO_RECIPIENTS", str(tmp_path / "recipients.csv"))
    monkeypatch.setenv("XIAOBAO_MAIL_FROM", "bureau@example.org")
    assert load_settings().channels == ("directory", "email", "webhook")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"delivery": "fax"}, "channels are directory, email, webhook"),
        ({"delivery": " , "}, "channels are directory, email, webhook"),
        ({"delivery": "webhook"}, "needs XIAOBAO_RECIPIENTS"),
        ({"delivery": "email", "recipients": "r.csv"}, "needs XIAOBAO_MAIL_FROM"),
        (
            {"delivery": "email", "recipients": "r.csv", "mail_from": "a@b.example", "smtp_tls": "none",
             "smtp_host": "mail.example"},
            "XIAOBAO_SMTP_TLS=none is for a mail server on this machine",
        ),
    ],
)  # fmt: skip
def test_delivery_that_cannot_work_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], told: str
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(f"XIAOBAO_{name.upper()}", value)
    with pytest.raises(SettingsError, match=told):
        load_settings()


def test_credentials_are_no_settings_and_no_typos() -> None:
    secrets = ["XIAOBAO_SMTP_USER", "XIAOBAO_SMTP_PASSWORD", "XIAOBAO_WEBHOOK_TOKEN", PERSON_KEY_VARIABLE]
    assert unknown_variables(dict.fromkeys(secrets, "x")) == []
    shown = {line.variable for line in describe(load_settings())}
    assert not shown & set(secrets)
