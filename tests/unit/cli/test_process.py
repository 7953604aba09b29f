"""The program as the shell sees it: exit codes, streams, start-up."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import Result

from pipelines.cli import app as application
from pipelines.cli import run as run_command
from pipelines.cli.errors import ExitCode, OperatorError
from pipelines.orchestration.summaries import (
    FormSummary,
    ModelsSummary,
    PullSummary,
    RefreshOutcome,
    ReleaseSummary,
    SettleSummary,
)


def start(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pipelines.cli", *arguments], capture_output=True, text=True, check=False
    )


def test_reading_before_any_release_is_the_operators_to_mend() -> None:
    done = start("kpi")
    assert done.returncode == ExitCode.OPERATOR
    assert done.stdout == ""
    assert "xiaobao run" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_setting_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XIAOBAO_THREADS", "many")
    done = start("config")
    assert done.returncode == ExitCode.OPERATOR
    assert "XIAOBAO_THREADS" in done.stderr


def test_a_variable_that_names_no_setting_is_pointed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XIAOBAO_HOEM", "somewhere")
    done = start("config", "--format", "json")
    assert done.returncode == ExitCode.OK
    assert "XIAOBAO_HOEM" in done.stderr
    assert {line["variable"] for line in json.loads(done.stdout)} >= {"XIAOBAO_HOME", "XIAOBAO_INBOX"}


def test_reading_commands_start_without_the_heavy_libraries() -> None:
    code = (
        "import sys\n"
        "from pipelines.cli.app import app\n"
        "from typer.testing import CliRunner\n"
        "CliRunner().invoke(app, ['kpi'])\n"
        "print(sorted({'dagster', 'great_expectations', 'dbt', 'polars', 'pandas', 'pyarrow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_our_own_failure_has_its_own_code_and_a_trace(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def explode() -> None:
        raise ZeroDivisionError("an invariant broke")

    monkeypatch.setattr(application, "app", explode)
    with pytest.raises(SystemExit) as stopped:
        application.run_app()
    assert stopped.value.code == ExitCode.FAILURE
    captured = capsys.readouterr()
    assert "not of a filing" in captured.err
    assert "Traceback" in captured.err


def test_an_operators_error_has_no_trace(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse() -> None:
        raise OperatorError("set [XIAOBAO_HOME]")

    monkeypatch.setattr(application, "app", refuse)
    with pytest.raises(SystemExit) as stopped:
        application.run_app()
    assert stopped.value.code == ExitCode.OPERATOR
    assert "set [XIAOBAO_HOME]" in capsys.readouterr().err


@contextmanager
def refresh_gives(
    monkeypatch: pytest.MonkeyPatch, outcome: RefreshOutcome
) -> Iterator[list[dict[str, object]]]:
    calls: list[dict[str, object]] = []

    def refresh(_settings: object, **arguments: object) -> RefreshOutcome:
        calls.append(arguments)
        progress = arguments["progress"]
        assert isinstance(progress, run_command.StageProgress)
        progress.begin("received", "收件 receive")
        progress.update("received", 1, 2)
        progress.finish("received", outcome.pull)
        return outcome

    monkeypatch.setattr("pipelines.orchestration.runs.refresh", refresh)
    monkeypatch.setattr("pipelines.orchestration.idle.present_state", lambda _settings: "state")
    yield calls


def outcome(home: Path, *, created: bool, rejected: int = 0) -> RefreshOutcome:
    return RefreshOutcome(
        run_id="r",
        pull=PullSummary(new=2 if created else 0, seen=0, total=2),
        forms=[FormSummary("F01", 2, 100)] if created else [FormSummary("F01", 0, 0)],
        settle=SettleSummary(2, 0, rejected, 0, 0, findings_e=1, findings_w=0),
        models=ModelsSummary(3, 5, 0, rebuilt=created),
        release=ReleaseSummary(1, home / "releases" / "v1", created=created, reason="new filings"),
        seconds={"received": 0.5},
    )


def test_run_tells_what_happened_and_where_it_lies(
    xiaobao: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    with refresh_gives(monkeypatch, outcome(home, created=True)) as calls:
        result = xiaobao("run", "--form", "f01,f02", "--period", "2025-03")
    assert result.exit_code == ExitCode.OK
    assert "release v1 已发布" in result.stdout
    assert str(home / "releases" / "current") in result.stdout
    assert str(home / "outbox") in result.stdout
    assert "2 new of 2 files" in result.stderr
    assert calls[0]["forms"] == ["F01", "F02"]
    assert calls[0]["periods"] == ["2025-03"]


def test_a_run_says_in_one_line_that_the_key_of_persons_is_public(
    xiaobao: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    with refresh_gives(monkeypatch, outcome(home, created=True)):
        assert xiaobao("run").stderr.count("XIAOBAO_PERSON_KEY") == 1
        monkeypatch.setenv("XIAOBAO_PERSON_KEY", "long enough and nobody's business")
        assert "XIAOBAO_PERSON_KEY" not in xiaobao("run").stderr
        assert "nobody's business" not in xiaobao("config").stdout


def test_a_run_with_nothing_new_says_so(
    xiaobao: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    with refresh_gives(monkeypatch, outcome(home, created=False)):
        result = xiaobao("run")
    assert "Nothing new since release v1" in result.stdout


def test_an_idle_run_does_not_even_start_dagster(
    xiaobao: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, home: Path, release: Path
) -> None:
    (home / "build").mkdir()
    (home / "build" / "warehouse.duckdb").touch()
    (home / "refreshed").write_text("state v1\n", encoding="utf-8")
    with refresh_gives(monkeypatch, outcome(home, created=True)) as calls:
        result = xiaobao("run")
        assert not calls
        assert "Nothing new since release v1" in result.stdout
        xiaobao("run", "--full")
        assert len(calls) == 1


def test_rejected_filings_are_ordinary_unless_strict(
    xiaobao: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    with refresh_gives(monkeypatch, outcome(home, created=True, rejected=1)):
        assert xiaobao("run").exit_code == ExitCode.OK
        assert xiaobao("run", "--strict").exit_code == ExitCode.STRICT


def test_run_for_programs_is_clean_json(
    xiaobao: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    with refresh_gives(monkeypatch, outcome(home, created=True)):
        facts = {row["name"]: row["value"] for row in json.loads(xiaobao("run", "--format", "json").stdout)}
    assert facts["release"] == "v1"
    assert facts["release_created"] is True
    assert facts["rows_read"] == 100
