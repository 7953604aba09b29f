"""Runs in this process: recorded, one at a time, and a killed one neither blocks nor haunts the next."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import dagster as dg
import pytest
import yaml

from pipelines.contracts.errors import PeriodError
from pipelines.contracts.model import Catalogue
from pipelines.orchestration import idle, runs
from pipelines.orchestration.event_log import PooledSqliteEventLogStorage
from pipelines.orchestration.instance import STARTED_BY, open_instance, prepare_home
from pipelines.orchestration.summaries import NoticesSummary
from pipelines.settings import Settings

from .conftest import FakeSteps

MakeDefs = Callable[..., dg.Definitions]


@pytest.fixture
def refresh(
    make_defs: MakeDefs, catalogue: Catalogue, run_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., runs.RefreshOutcome]:
    """`runs.refresh` over the fakes."""

    def build(*, settings: Settings, resource_overrides: dict[str, object]) -> dg.Definitions:
        return make_defs(**resource_overrides)

    monkeypatch.setattr(runs, "build_defs", build)
    monkeypatch.setattr(runs, "load_catalogue", lambda: catalogue)
    monkeypatch.setattr(idle, "present_state", lambda settings: "state")

    def call(**arguments: object) -> runs.RefreshOutcome:
        return runs.refresh(run_settings, **arguments)  # type: ignore[arg-type]

    return call


def test_a_refresh_tells_every_stage_and_is_recorded(
    refresh: Callable[..., runs.RefreshOutcome], run_settings: Settings
) -> None:
    outcome = refresh()
    assert outcome.pull
    assert outcome.settle
    assert outcome.models
    assert outcome.release
    assert {form.form for form in outcome.forms} == {"F01", "F11", "R03", "PUB"}
    assert {"received", "filed/f01", "verdicts", "models", "release"} <= set(outcome.seconds)
    with open_instance(run_settings) as instance:
        run = instance.get_run_by_id(outcome.run_id)
        assert run
        assert run.status is dg.DagsterRunStatus.SUCCESS
        assert run.tags[STARTED_BY] == str(os.getpid())
    assert (run_settings.home / "refreshed").read_text(encoding="utf-8").startswith("state ")


def test_while_notices_wait_the_next_refresh_is_not_idle(
    refresh: Callable[..., runs.RefreshOutcome], steps: FakeSteps, run_settings: Settings
) -> None:
    steps.notices = NoticesSummary(3, 1, 2, 0)
    outcome = refresh()
    assert outcome.notices == steps.notices
    assert not (run_settings.home / "refreshed").exists()
    steps.notices = NoticesSummary(3, 1, 0, 2)  # refused for good: a run would change nothing
    refresh()
    assert (run_settings.home / "refreshed").exists()


def test_a_refresh_can_be_narrowed_to_forms_and_periods(
    refresh: Callable[..., runs.RefreshOutcome], steps: FakeSteps
) -> None:
    refresh(forms=["f01"], periods=["2025-02"])
    assert [call for call in steps.calls if call[0] == "load_form"] == [("load_form", "F01", ("2025-02",))]
    assert ("publish",) in steps.calls


def test_a_form_or_period_that_does_not_exist_is_refused_before_anything_runs(
    refresh: Callable[..., runs.RefreshOutcome], steps: FakeSteps
) -> None:
    with pytest.raises(runs.UnknownScopeError, match=r"no report form F99; known: F01, F11, PUB, R03"):
        refresh(forms=["F99"])
    with pytest.raises(PeriodError, match="2025-13"):
        refresh(periods=["2025-13"])
    assert steps.calls == []


def test_a_failed_refresh_is_recorded_as_failed(
    refresh: Callable[..., runs.RefreshOutcome], steps: FakeSteps, run_settings: Settings
) -> None:
    steps.failing = "settle"
    with pytest.raises(RuntimeError, match="the disk is full"):
        refresh()
    with open_instance(run_settings) as instance:
        assert [run.status for run in instance.get_runs()] == [dg.DagsterRunStatus.FAILURE]
    assert not (run_settings.home / "refreshed").exists()


_HOLDER = """
import sys, time
from pathlib import Path
import dagster as dg
from pipelines.orchestration.assets import WRITER_POOL
from pipelines.orchestration.instance import STARTED_BY, open_instance
from pipelines.orchestration.runs import _only_run
from pipelines.settings import load_settings

@dg.asset(pool=WRITER_POOL)
def stuck():
    print("holding", flush=True)
    time.sleep(60)

settings = load_settings()
with _only_run(settings), open_instance(settings) as instance:
    job = dg.Definitions(assets=[stuck], executor=dg.in_process_executor).resolve_implicit_global_asset_job_def()
    job.execute_in_process(instance=instance, tags={STARTED_BY: "1"})
"""


@pytest.mark.slow
def test_a_second_run_waits_and_then_names_the_first_and_a_killed_run_is_buried(
    refresh: Callable[..., runs.RefreshOutcome], run_settings: Settings
) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert holder.stdout
        assert holder.stdout.readline() == "holding\n"
        with pytest.raises(runs.RunBusyError, match=rf"process {holder.pid} is running the pipeline"):
            refresh()
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()

    started = time.monotonic()
    outcome = refresh()
    assert time.monotonic() - started < 30  # the dead run's pool slot was given back
    with open_instance(run_settings) as instance:
        by_status = {run.status: run.run_id for run in instance.get_runs()}
    assert by_status[dg.DagsterRunStatus.SUCCESS] == outcome.run_id
    assert dg.DagsterRunStatus.FAILURE in by_status
    assert dg.DagsterRunStatus.STARTED not in by_status


def test_records_keep_few_files_open_and_are_there_for_another_process(run_settings: Settings) -> None:
    @dg.asset
    def counted() -> dg.MaterializeResult[None]:
        return dg.MaterializeResult(metadata={"n": 1})

    job = dg.Definitions(
        assets=[counted], executor=dg.in_process_executor
    ).resolve_implicit_global_asset_job_def()
    with open_instance(run_settings) as instance:
        storage = instance.event_log_storage
        assert isinstance(storage, PooledSqliteEventLogStorage)
        for _ in range(10):
            job.execute_in_process(instance=instance)
        assert len(storage._engines) == 8
    assert not storage._engines
    with open_instance(run_settings) as instance:
        assert len(instance.fetch_materializations(dg.AssetKey("counted"), limit=20).records) == 10
        assert len(instance.get_run_ids()) == 10
    assert len(list((run_settings.dagster_home / "history" / "runs").glob("*.db"))) == 11


def test_dagsters_records_are_private_limited_to_one_writer_and_left_to_the_operator(
    run_settings: Settings,
) -> None:
    home = prepare_home(run_settings)
    config = yaml.safe_load((home / "dagster.yaml").read_text(encoding="utf-8"))
    assert config["telemetry"] == {"enabled": False}
    assert config["concurrency"]["pools"]["default_limit"] == 1
    assert config["run_monitoring"]["free_slots_after_run_end_seconds"] > 0
    with open_instance(run_settings) as instance:
        assert not instance.telemetry_enabled
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    prepare_home(run_settings)
    assert (home / "dagster.yaml").read_text(encoding="utf-8") == "telemetry: {enabled: false}\n"
