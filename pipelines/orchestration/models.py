"""Models: the dbt project as assets and its tests as checks.

Put here: the names assets get, when models are built, and the translation of dbt's events. Do not put here: calls of
dbt (`dbt_build`, `dbt_process`), SQL, or decisions about what a model means.

Event translation is dagster-dbt's own but internal; the version is pinned and a test runs it.
"""

# No `from __future__ import annotations`: dagster reads the annotations of assets and sensors as objects.

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import dagster as dg
from dagster import AssetExecutionContext
from pydantic import Field

from pipelines.orchestration import recount
from pipelines.orchestration.assets import WRITER_POOL
from pipelines.orchestration.checks import VERDICTS
from pipelines.orchestration.dbt_build import Event, ModelProject, invoke_build, run_folder
from pipelines.orchestration.dbt_process import DbtProcess, Ended
from pipelines.orchestration.resources import ModelBuilder, Progress, ProgressCallback
from pipelines.orchestration.summaries import ModelsSummary
from pipelines.settings import Settings


@contextmanager
def _without_dbt() -> Iterator[None]:
    """Have dagster-dbt do without dbt, as it does where dbt is not installed.

    Of dbt it wants names of states, and the choice among nodes that `dbt build --select` makes; here every node is
    chosen. dbt's import, 800 modules and a second, is left to the process that builds (`dbt_process`).
    """
    asked = "dbt.version"
    if asked in sys.modules:
        yield
        return
    sys.modules[asked] = None  # type: ignore[assignment] # importing it then raises ImportError
    try:
        yield
    finally:
        del sys.modules[asked]


with _without_dbt():
    from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, DbtProject, dbt_assets


class ModelTranslator(DagsterDbtTranslator):
    """Names of models as assets: `<layer>/<model>`; every source is the verdicts.

    Models read accepted rows only, and what is accepted is what the verdicts decided: the dependency on them
    is the true one for `filed.*`, `filing.*`, `registry.*` and `reference.*` alike.
    """

    def __init__(self) -> None:
        """Tests are checks, also on sources."""
        super().__init__(
            DagsterDbtTranslatorSettings(enable_asset_checks=True, enable_duplicate_source_asset_keys=True)
        )

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """Layer and name; the layer is the folder under models/, or `seeds`."""
        if dbt_resource_props["resource_type"] == "source":
            return VERDICTS
        return dg.AssetKey([self.get_group_name(dbt_resource_props), dbt_resource_props["name"]])

    def get_asset_check_spec(
        self,
        asset_spec: dg.AssetSpec,
        manifest: Mapping[str, Any],
        unique_id: str,
        project: DbtProject | None,
    ) -> dg.AssetCheckSpec | None:
        """A test as a check that does not block: a failing one already fails the build, and with it the
        release.
        """
        spec = super().get_asset_check_spec(asset_spec, manifest, unique_id, project)
        return spec._replace(blocking=False) if spec else None

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """The layer."""
        if dbt_resource_props["resource_type"] == "seed":
            return "seeds"
        folders = dbt_resource_props["fqn"][1:-1]
        return str(folders[0]) if folders else "models"


class ModelsConfig(dg.Config):
    """How models are built."""

    full: bool = Field(
        default=False, description="全部重建 build every model even if the data did not change"
    )


def models_assets(project: ModelProject) -> dg.AssetsDefinition:
    """All models and seeds as one subsettable asset definition; the manifest must have been prepared."""

    @dbt_assets(
        manifest=project.manifest_path,
        name="models",
        dagster_dbt_translator=ModelTranslator(),
        pool=WRITER_POOL,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def models(
        context: AssetExecutionContext,
        config: ModelsConfig,
        model_builder: dg.ResourceParam[ModelBuilder],
        progress: dg.ResourceParam[Progress],
    ) -> Iterator[Any]:
        progress.begin("models", "指标 models")
        yield from model_builder.build(context, project, full=config.full, progress=progress.update)
        progress.finish("models", model_builder.summary)

    return models


def leaf_keys(project: ModelProject) -> list[dg.AssetKey]:
    """Models that no other model reads: what a release waits for."""
    manifest = json.loads(project.manifest_path.read_text(encoding="utf-8"))
    translator = ModelTranslator()
    nodes = {
        unique_id: node
        for unique_id, node in manifest["nodes"].items()
        if node["resource_type"] in ("model", "seed", "snapshot")
    }
    return sorted(
        translator.get_asset_key(node)
        for unique_id, node in nodes.items()
        if not any(child in nodes for child in manifest["child_map"].get(unique_id, ()))
    )


class DbtBuilder:
    """Builds the models with dbt, in the process that was warmed for it or in this one; the lock is let go
    afterwards.
    """

    def __init__(self, settings: Settings, dbt: DbtProcess | None = None) -> None:
        """Remember where to build, and in which process: none means this one."""
        self._settings = settings
        self._dbt = dbt
        self.summary = ModelsSummary(models=0, tests_passed=0, tests_warned=0, rebuilt=False)

    def build(
        self,
        context: AssetExecutionContext,
        project: ModelProject,
        *,
        full: bool,
        progress: ProgressCallback | None = None,
    ) -> Iterator[Any]:
        """Build the selected models, unless they are already those of the present data.

        Raises:
            dagster.Failure: a model or an error-severity test failed (not retried: it would fail again).
        """
        state = ModelState(self._settings, project)
        whole = context.selected_asset_keys == context.assets_def.keys
        if whole and not full and state.is_current():
            yield from self._unchanged(context)
            return
        by_partition = state.begin(full=full)
        yield from self._run(context, project, progress, by_partition=by_partition)
        if whole:
            state.remember()

    def _unchanged(self, context: AssetExecutionContext) -> Iterator[Any]:
        """Events that let the release go on (an earlier run may have died before it)."""
        dependencies = context.assets_def.asset_deps
        order = TopologicalSorter({key: dependencies[key] & dependencies.keys() for key in dependencies})
        keys = list(order.static_order())
        self.summary = ModelsSummary(models=len(keys), tests_passed=0, tests_warned=0, rebuilt=False)
        for key in keys:
            yield dg.Output(
                None, context.assets_def.get_output_name_for_asset_key(key), metadata={"rebuilt": False}
            )

    def _run(
        self,
        context: AssetExecutionContext,
        project: ModelProject,
        progress: ProgressCallback | None,
        *,
        by_partition: bool,
    ) -> Iterator[Any]:
        from dagster_dbt.asset_utils import get_updated_cli_invocation_params_for_context
        from dagster_dbt.core.dbt_cli_event import DbtCoreCliEventMessage

        parameters = get_updated_cli_invocation_params_for_context(
            context=context, manifest={}, dagster_dbt_translator=ModelTranslator()
        )
        target = run_folder(project, context.run.run_id)
        failure = None
        counts = {"model": 0, "pass": 0, "warn": 0}
        for event in self._told(
            project,
            target,
            parameters.selection_args,
            parameters.indirect_selection,
            progress,
            by_partition=by_partition,
        ):
            if isinstance(event, Ended):
                failure = event.failure
                break
            node = event["data"]["node_info"]
            kind = "model" if node["resource_type"] != "test" else node["node_status"]
            counts[kind] = counts.get(kind, 0) + 1
            if node["node_status"] not in ("success", "pass"):
                context.log.warning(event["info"]["msg"])
            yield from DbtCoreCliEventMessage(
                raw_event=event, event_history_metadata={}
            ).to_default_asset_events(
                manifest=parameters.manifest,
                dagster_dbt_translator=parameters.dagster_dbt_translator,
                context=context,
                target_path=target,
                project=parameters.dbt_project,
            )
        if failure:
            raise dg.Failure(description=failure, allow_retries=False)
        self.summary = ModelsSummary(
            models=counts["model"], tests_passed=counts["pass"], tests_warned=counts["warn"], rebuilt=True
        )

    def _told(
        self,
        project: ModelProject,
        target: Path,
        selection: Sequence[str],
        indirect_selection: str | None,
        progress: ProgressCallback | None,
        *,
        by_partition: bool,
    ) -> Iterator[Event | Ended]:
        """dbt's events; how it ended comes last. From a process of its own they come while dbt works."""

        def heard(event: Event) -> None:
            if progress:
                data = event["data"]
                progress(data["node_info"]["node_name"], data.get("index", 0), data.get("total", 0))

        if self._dbt is None:
            events, failure = invoke_build(
                self._settings,
                project,
                target,
                selection,
                indirect_selection,
                heard,
                by_partition=by_partition,
            )
            yield from events
            yield Ended(failure)
            return
        for event in self._dbt.build(
            project, target, selection, indirect_selection, by_partition=by_partition
        ):
            if not isinstance(event, Ended):
                heard(event)
            yield event


class ModelState:
    """Whether the models in the build database are those of the present data and code, and if not, what to count again.

    The build database remembers a digest over the project's code, the committed inputs and everything the
    verdicts wrote (`recount`). It goes before a build starts and comes back after it succeeded.
    """

    def __init__(self, settings: Settings, project: ModelProject) -> None:
        """Nothing is opened yet."""
        self._settings = settings
        self._project = project

    def is_current(self) -> bool:
        """True if a successful build of exactly this state is there."""
        with self._open() as con:
            remembered = recount.remembered_digest(con)
            return remembered is not None and remembered == self._digest(con)

    def begin(self, *, full: bool) -> bool:
        """From now on a build is unfinished; True if it has to count changed partitions only."""
        with self._open() as con:
            manifest = recount.read_manifest(self._project.manifest_path)
            return recount.begin(con, manifest, self._definition(con), full=full)

    def remember(self) -> None:
        """The build just made is the present state's."""
        with self._open() as con:
            recount.complete(con, self._definition(con), self._digest(con))

    def _open(self) -> Any:
        from pipelines.warehouse.connection import open_warehouse

        settings = self._settings
        return open_warehouse(
            settings.build_database,
            memory_limit=settings.memory_limit,
            threads=settings.threads,
            wait_seconds=settings.lock_wait_seconds,
        )

    def _digest(self, con: Any) -> str:
        """What a release of this state would state, over the present models and committed inputs."""
        from pipelines.publication.release import fingerprint

        return fingerprint(con, self._inputs)

    def _definition(self, con: Any) -> str:
        """What makes figures beside the filings and the moment: models, committed inputs, contracts and calendar."""
        prepared = con.execute("SELECT stamp FROM reference.prepared ORDER BY 1").fetchall()
        return hashlib.sha256(f"{self._inputs}|{prepared}".encode()).hexdigest()

    @cached_property
    def _inputs(self) -> str:
        inputs = sorted((self._settings.project_dir / "data").rglob("*"))
        definition = [self._project.fingerprint]
        definition.extend(hashlib.sha256(path.read_bytes()).hexdigest() for path in inputs if path.is_file())
        return "|".join(definition)
