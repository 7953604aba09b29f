"""dbt in the run's process or beside it: models and tests as Dagster sees them, what is rebuilt and what is not."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import dagster as dg
import duckdb
import psutil  # type: ignore[import-untyped]  # it ships no types
import pytest

from pipelines.orchestration.dbt_build import ModelProject, ModelsError, invoke_build, prepare_manifest
from pipelines.orchestration.dbt_process import DbtProcess
from pipelines.orchestration.models import DbtBuilder, leaf_keys
from pipelines.settings import Settings

from .conftest import FakeSteps

MakeDefs = Callable[..., dg.Definitions]


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture(autouse=True)
def same_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fakes have no ledger to take a fingerprint of."""
    monkeypatch.setattr("pipelines.orchestration.models.ModelState._digest", lambda self, con: "state")


@pytest.fixture
def builder(run_settings: Settings) -> DbtBuilder:
    return DbtBuilder(run_settings)


def test_models_are_built_and_their_tests_are_checks(
    make_defs: MakeDefs, run_settings: Settings, builder: DbtBuilder, instance: dg.DagsterInstance
) -> None:
    defs = make_defs(model_builder=builder)
    result = defs.resolve_job_def("refresh").execute_in_process(instance=instance)

    by_hand = {dg.AssetKey("verdicts"), dg.AssetKey("obligations")}
    evaluations = [e for e in result.get_asset_check_evaluations() if e.asset_key not in by_hand]
    specs = defs.resolve_all_asset_specs()
    assert {e.check_name for e in evaluations} == {
        "not_null_stg_submissions_submission_id",
        "unique_stg_submissions_submission_id",
        "not_null_kpi_values_value",
    }
    assert all(e.passed for e in evaluations)
    assert {s.key.to_user_string(): s.group_name for s in specs}["kpi/kpi_values"] == "kpi"
    with duckdb.connect(str(run_settings.build_database)) as con:  # the lock was let go
        assert con.execute("SELECT value FROM main_kpi.kpi_values").fetchall() == [(30,)]


def test_a_process_of_its_own_builds_the_same(
    make_defs: MakeDefs, run_settings: Settings, instance: dg.DagsterInstance
) -> None:
    told: dict[str, list[object]] = {}
    for name in ("here", "there"):
        with DbtProcess(run_settings) if name == "there" else nullcontext() as dbt:
            builder = DbtBuilder(run_settings, dbt)
            job = make_defs(model_builder=builder).resolve_job_def("refresh")
            config = {"ops": {"models": {"config": {"full": True}}}}
            result = job.execute_in_process(instance=instance, run_config=config)
            told[name] = [
                builder.summary,
                sorted((e.asset_key, e.check_name, e.passed) for e in result.get_asset_check_evaluations()),
                sorted(e.asset_key for e in result.get_asset_materialization_events() if e.asset_key),
            ]
        with duckdb.connect(str(run_settings.build_database)) as con:  # the lock was let go
            assert con.execute("SELECT value FROM main_kpi.kpi_values").fetchall() == [(30,)]
    assert told["there"] == told["here"]


def test_a_failing_test_in_a_process_of_its_own_stops_the_release(
    make_defs: MakeDefs, run_settings: Settings, steps: FakeSteps, instance: dg.DagsterInstance
) -> None:
    steps.submissions = 0
    with DbtProcess(run_settings) as dbt:
        job = make_defs(model_builder=DbtBuilder(run_settings, dbt)).resolve_job_def("refresh")
        with pytest.raises(dg.Failure, match="not_null_kpi_values_value"):
            job.execute_in_process(instance=instance)
    assert ("publish",) not in steps.calls


def test_a_process_that_died_fails_the_run_with_what_to_do(
    make_defs: MakeDefs, run_settings: Settings, steps: FakeSteps, instance: dg.DagsterInstance
) -> None:
    with DbtProcess(run_settings) as dbt:
        assert dbt.pid
        os.kill(dbt.pid, signal.SIGKILL)
        job = make_defs(model_builder=DbtBuilder(run_settings, dbt)).resolve_job_def("refresh")
        with pytest.raises(dg.Failure, match=r"code -9.*XIAOBAO_MEMORY_LIMIT.*run again"):
            job.execute_in_process(instance=instance)
    assert ("publish",) not in steps.calls


def is_alive(pid: int) -> bool:
    """A dead process whose parent is gone too may wait long for being noticed."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE  # type: ignore[no-any-return]
    except psutil.NoSuchProcess:
        return False


def test_the_process_ends_with_the_one_that_started_it(run_settings: Settings, tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        """import sys, time
from pathlib import Path
from pipelines.orchestration.dbt_process import DbtProcess
from pipelines.settings import Settings

if __name__ == "__main__":
    print(DbtProcess(Settings(home=Path(sys.argv[1]))).pid, flush=True)
    time.sleep(600)
""",
        encoding="utf-8",
    )
    command = [sys.executable, str(script), str(run_settings.home)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 30
    while is_alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_unchanged_data_are_not_built_again_but_the_release_is_reached(
    make_defs: MakeDefs, builder: DbtBuilder, steps: FakeSteps, instance: dg.DagsterInstance
) -> None:
    job = make_defs(model_builder=builder).resolve_job_def("refresh")
    job.execute_in_process(instance=instance)
    assert builder.summary.rebuilt

    steps.calls.clear()
    assert job.execute_in_process(instance=instance).success
    assert not builder.summary.rebuilt
    assert ("publish",) in steps.calls

    config = {"ops": {"models": {"config": {"full": True}}}}
    job.execute_in_process(instance=instance, run_config=config)
    assert builder.summary.rebuilt
    assert builder.summary.tests_passed == 3


def test_a_failing_test_stops_the_release_and_everything_is_built_next_time(
    make_defs: MakeDefs, builder: DbtBuilder, steps: FakeSteps, instance: dg.DagsterInstance
) -> None:
    job = make_defs(model_builder=builder).resolve_job_def("refresh")
    job.execute_in_process(instance=instance)

    steps.submissions = 0  # the sum of nothing is NULL, which the not_null test refuses
    steps.calls.clear()
    config = {"ops": {"models": {"config": {"full": True}}}}
    with pytest.raises(dg.Failure, match="not_null_kpi_values_value"):
        job.execute_in_process(instance=instance, run_config=config)
    assert ("publish",) not in steps.calls

    steps.submissions = 2
    assert job.execute_in_process(instance=instance).success
    assert builder.summary.rebuilt


def test_a_failing_test_of_many_rules_names_those_that_broke(
    project: ModelProject, run_settings: Settings, steps: FakeSteps, tmp_path: Path
) -> None:
    tests = project.project_dir / "tests" / "generic"
    tests.mkdir(parents=True)
    shutil.copy(Path(__file__).parents[3] / "dbt_project" / "tests" / "generic" / "sound.sql", tests)
    (project.project_dir / "models" / "kpi" / "sound.yml").write_text(
        """models:
  - name: kpi_values
    data_tests:
      - sound:
          name: kpi_values_is_sound
          arguments:
            not_null: [kpi_id, value]
            accepted: {kpi_id: [CMP-02]}
            holds: {value_is_positive: value > 0}
""",
        encoding="utf-8",
    )
    schema = project.project_dir / "models" / "schema.yml"
    kept = schema.read_text(encoding="utf-8").split("  - name: kpi_values")[0]
    schema.write_text(kept, encoding="utf-8")
    changed = ModelProject(project.project_dir, project.work_dir, {})
    prepare_manifest(run_settings, changed)
    steps.submissions = 0
    steps.settle(run_settings)

    _, failure = invoke_build(run_settings, changed, tmp_path / "target", [], None, None)

    assert failure
    assert (
        "kpi_values_is_sound: fail: value not_null (1), kpi_id accepted (1), value_is_positive (1)" in failure
    )


def test_the_release_waits_for_models_that_no_model_reads(project: ModelProject) -> None:
    assert leaf_keys(project) == [dg.AssetKey(["kpi", "kpi_values"])]


def test_a_project_is_parsed_once_per_state(project: ModelProject, run_settings: Settings) -> None:
    before = project.manifest_path.stat().st_mtime_ns
    assert prepare_manifest(run_settings, project).stat().st_mtime_ns == before
    (project.project_dir / "models" / "kpi" / "more.sql").write_text("select 1 as one", encoding="utf-8")
    changed = ModelProject(project.project_dir, project.work_dir, {})
    assert changed.fingerprint != project.fingerprint
    assert (
        ModelProject(project.project_dir, project.work_dir, {"small_base": 5}).fingerprint
        != changed.fingerprint
    )


def test_a_copy_of_a_project_is_parsed_for_itself(project: ModelProject, tmp_path: Path) -> None:
    """dbt reads seeds where the project was parsed: a copy must not read those of its original."""
    shutil.copytree(project.project_dir, tmp_path / "copy")
    copy = ModelProject(tmp_path / "copy", project.work_dir, {})
    assert copy.fingerprint == project.fingerprint
    assert copy.parsed_dir.name != project.parsed_dir.name


def test_a_project_that_dbt_refuses_is_told_in_dbts_words(
    project: ModelProject, run_settings: Settings
) -> None:
    (project.project_dir / "models" / "broken.sql").write_text("select {{ nonsense( }}", encoding="utf-8")
    broken = ModelProject(project.project_dir, project.work_dir, {})
    with pytest.raises(ModelsError, match=r"broken\.sql"):
        prepare_manifest(run_settings, broken)
    assert not list(broken.parsed_dir.parent.glob(".parsing-*"))
