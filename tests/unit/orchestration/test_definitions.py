"""The real definitions: what is committed in definitions_snapshot.json is what schedules, dashboards and people name.

A rename breaks links and histories, so it must be seen in review. When it is meant:
`UPDATE_SNAPSHOT=1 python -m pytest tests/unit/orchestration/test_definitions.py`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from pipelines.contracts.loader import load_catalogue
from pipelines.orchestration.assets import WRITER_POOL
from pipelines.orchestration.build import build_defs
from pipelines.orchestration.dbt_build import ModelProject, model_project, prepare_manifest
from pipelines.settings import Settings

SNAPSHOT = Path(__file__).with_name("definitions_snapshot.json")


@pytest.fixture(scope="module")
def real_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(home=tmp_path_factory.mktemp("definitions"))


@pytest.fixture(scope="module")
def defs(real_settings: Settings) -> dg.Definitions:
    return build_defs(settings=real_settings)


@pytest.fixture(scope="module")
def real_project(real_settings: Settings) -> ModelProject:
    project = model_project(real_settings)
    prepare_manifest(real_settings, project)
    return project


def picture(defs: dg.Definitions) -> dict[str, object]:
    """Everything with a name, as plain JSON."""
    graph = defs.resolve_asset_graph()
    repository = defs.get_repository_def()
    return {
        "assets": {
            key.to_user_string(): {
                "group": graph.get(key).group_name,
                "partitions": str(graph.get(key).partitions_def or "none"),
                "after": sorted(parent.to_user_string() for parent in graph.get(key).parent_keys),
            }
            for key in sorted(graph.materializable_asset_keys)
        },
        "checks": sorted(f"{key.asset_key.to_user_string()}: {key.name}" for key in graph.asset_check_keys),
        "jobs": sorted(name for name in repository.job_names if not name.startswith("__")),
        "schedules": {s.name: f"{s.cron_schedule} {s.execution_timezone}" for s in repository.schedule_defs},
        "sensors": {s.name: s.job_name for s in repository.sensor_defs},
    }


def test_names_are_those_of_the_snapshot(defs: dg.Definitions) -> None:
    now = picture(defs)
    if os.environ.get("UPDATE_SNAPSHOT") == "1":
        SNAPSHOT.write_text(
            json.dumps(now, ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8"
        )
    frozen = json.loads(SNAPSHOT.read_text(encoding="utf-8"))
    for part in now:
        assert now[part] == frozen[part], (
            f"{part} differ from {SNAPSHOT.name}; the module's docstring says what to do"
        )


def test_every_form_is_an_asset_with_a_check(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    for code in load_catalogue().forms:
        assert dg.AssetKey(["filed", code.lower()]) in graph.materializable_asset_keys
        assert dg.AssetCheckKey(dg.AssetKey("verdicts"), f"rules_{code.lower()}") in graph.asset_check_keys


def test_whatever_writes_holds_the_pool_and_backfills_in_one_run(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    for key in graph.materializable_asset_keys:
        node = graph.get(key)
        assert node.pools == {WRITER_POOL}, key
        assert not node.is_partitioned or node.backfill_policy == dg.BackfillPolicy.single_run(), key


def test_every_dbt_test_is_a_check_exactly_once(defs: dg.Definitions, real_project: ModelProject) -> None:
    manifest = json.loads(real_project.manifest_path.read_text(encoding="utf-8"))
    tests = [node["name"] for node in manifest["nodes"].values() if node["resource_type"] == "test"]
    checks = [
        key.name
        for key in defs.resolve_asset_graph().asset_check_keys
        if key.asset_key.path not in (["verdicts"], ["obligations"])
    ]
    lost = sorted(set(tests) - set(checks))
    assert not lost, (
        f"no check shows {lost}: a test that reads several models must name the one that shows it, "
        "{{ config(meta={'dagster': {'ref': {'name': 'kpi_values'}}}) }}"
    )
    assert sorted(checks) == sorted(tests)


def test_models_come_after_the_verdicts_and_the_release_after_the_models(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    release = graph.get(dg.AssetKey("release"))
    above = graph.get_ancestor_asset_keys(release.key)
    models = {key for key in graph.materializable_asset_keys if graph.get(key).group_name not in _HAND_MADE}
    assert models <= above
    for key in models:
        if not graph.get(key).parent_keys & models and graph.get(key).group_name != "seeds":
            assert graph.get(key).parent_keys == {dg.AssetKey("verdicts")}, key


_HAND_MADE = {"intake", "filed", "filing", "publication"}


@pytest.mark.slow
def test_the_definitions_module_loads_as_dagster_loads_it(
    real_settings: Settings, defs: dg.Definitions
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dagster", "definitions", "validate", "-m", "pipelines.definitions"],
        env={**os.environ, "XIAOBAO_HOME": str(real_settings.home), "DAGSTER_HOME": str(real_settings.home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
