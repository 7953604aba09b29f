"""dbt in the run's own process: models and tests as Dagster sees them, what is rebuilt and what is not."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from pipelines.orchestration.models import (
    InProcessBuilder,
    ModelProject,
    ModelsError,
    invoke_build,
    leaf_keys,
    prepare_manifest,
)
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
def builder(run_settings: Settings) -> InProcessBuilder:
    return InProcessBuilder(run_settings)


def test_models_are_built_and_their_tests_are_checks(
    make_defs: MakeDefs, run_settings: Settings, builder: InProcessBuilder, instance: dg.DagsterInstance
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


def test_unchanged_data_are_not_built_again_but_the_release_is_reached(
    make_defs: MakeDefs, builder: InProcessBuilder, steps: FakeSteps, instance: dg.DagsterInstance
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
    make_defs: MakeDefs, builder: InProcessBuilder, steps: FakeSteps, instance: dg.DagsterInstance
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
