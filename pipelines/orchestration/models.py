"""Models: the dbt project as assets and its tests as checks, built inside the run's own process.

Put here: the manifest (parsed when stale), the names assets get, the run of dbt and the translation of its
events. Do not put here: SQL, or decisions about what a model means. dbt keeps its database connection for the
life of a process, so it must never run in the daemon or the code server; the connection is closed after every
build.

Event translation is dagster-dbt's own but internal; the version is pinned and a test runs it.
"""

# No `from __future__ import annotations`: dagster reads the annotations of assets and sensors as objects.

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import TopologicalSorter
from importlib.metadata import version
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from dagster import AssetExecutionContext
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, DbtProject, dbt_assets
from pydantic import Field

from pipelines.orchestration import recount
from pipelines.orchestration.assets import WRITER_POOL
from pipelines.orchestration.checks import VERDICTS
from pipelines.orchestration.resources import ModelBuilder, Progress, ProgressCallback
from pipelines.orchestration.summaries import ModelsSummary
from pipelines.settings import Settings

_NOT_PROJECT = {"target", "logs", "dbt_packages", ".user.yml"}
_RESULT_EVENTS = {"LogModelResult", "LogTestResult", "LogSeedResult", "LogSnapshotResult"}
_KEPT_RUN_FOLDERS = 5
_KEPT_PARSED = 5
_TARGET = "duckdb"  # the name that dbt_project/profiles.yml uses too
_RECOUNT = "XIAOBAO_RECOUNT"  # told to macros/recount.sql; a variable would have dbt parse the project again
_SOUND = "sound"  # dbt_project/tests/generic/sound.sql: all rules of one model in one test
_dbt_lock = threading.Lock()  # dbt's adapters are process-global


class ModelsError(Exception):
    """The dbt project cannot be parsed, or a model failed; the message carries dbt's own words."""


@dataclass(frozen=True)
class ModelProject:
    """The dbt project with the place of its parsed form.

    Attributes:
        project_dir: folder of dbt_project.yml.
        work_dir: folder for everything dbt writes.
        variables: dbt variables that differ from those of dbt_project.yml.
    """

    project_dir: Path
    work_dir: Path
    variables: Mapping[str, int]

    @cached_property
    def fingerprint(self) -> str:
        """Digest of every file of the project that dbt reads, and of the variables; names the parsed form."""
        digest = hashlib.sha256(json.dumps(dict(self.variables), sort_keys=True).encode())
        for path in sorted(self.project_dir.rglob("*")):
            parts = path.relative_to(self.project_dir).parts
            if path.is_file() and not _NOT_PROJECT.intersection(parts) and not parts[-1].startswith("."):
                digest.update("/".join(parts).encode() + b"\0" + path.read_bytes() + b"\0")
        return digest.hexdigest()[:16]

    @cached_property
    def parsed_dir(self) -> Path:
        """Where the parsed form of exactly this state of the project lies.

        It depends on the project and its place alone: beside it, where dbt keeps such things, it serves every home;
        where the project cannot be written, it lies under `work_dir`.
        """
        beside = self.project_dir / "target"
        writable = os.access(beside if beside.is_dir() else self.project_dir, os.W_OK)
        # dbt notes where the project lies, and reads its seeds there: a copy elsewhere is parsed for itself.
        place = hashlib.sha256(f"{self.project_dir.resolve()}|{version('dbt-core')}".encode()).hexdigest()[:8]
        return (beside if writable else self.work_dir) / "parsed" / f"{self.fingerprint}-{place}"

    @property
    def manifest_path(self) -> Path:
        """The manifest; exists after :func:`prepare_manifest`."""
        return self.parsed_dir / "manifest.json"


def model_project(settings: Settings) -> ModelProject:
    """The project's dbt folder, with `XIAOBAO_HOME` for what dbt writes."""
    default = type(settings).model_fields["small_base"].default
    variables = {} if settings.small_base == default else {"small_base": settings.small_base}
    return ModelProject(settings.project_dir / "dbt_project", settings.dbt_dir, variables)


def write_profile(settings: Settings, project: ModelProject) -> Path:
    """Write `profiles.yml` for the build database from the settings; returns its folder.

    The DuckDB options are those of `warehouse.connection`: one process may not open a file with two
    configurations.
    """
    from pipelines.warehouse.connection import OFFLINE, STORAGE_VERSION

    name = yaml.safe_load((project.project_dir / "dbt_project.yml").read_text(encoding="utf-8"))["profile"]
    profile = {
        name: {
            "target": _TARGET,
            "outputs": {
                _TARGET: {
                    "type": "duckdb",
                    "schema": "main",
                    "path": str(settings.build_database),
                    "threads": settings.threads,
                    "config_options": {
                        **OFFLINE,
                        "memory_limit": settings.memory_limit,
                        "threads": settings.threads,
                        "temp_directory": str(settings.build_dir / "spill"),
                        "storage_compatibility_version": STORAGE_VERSION,
                    },
                    "retries": {"connect_attempts": max(1, round(settings.lock_wait_seconds / 2))},
                }
            },
        }
    }
    folder = project.work_dir / "profile"
    folder.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(profile, allow_unicode=True, sort_keys=True)
    path = folder / "profiles.yml"
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        _replace_text(path, text)
    return folder


def prepare_manifest(settings: Settings, project: ModelProject) -> Path:
    """Parse the dbt project unless its present state was parsed before; returns the manifest's path.

    Runs `dbt parse` in a process of its own (definitions are loaded by the code server, which must not hold
    dbt). The folder appears under its final name only when it is complete, so two processes may do this at
    once.

    Raises:
        ModelsError: dbt refuses the project.
    """
    if project.manifest_path.is_file():
        return project.manifest_path
    if not (project.project_dir / "dbt_project.yml").is_file():
        raise ModelsError(
            f"no dbt project at {project.project_dir}; reinstall the package or complete the checkout"
        )
    profile = write_profile(settings, project)
    project.parsed_dir.parent.mkdir(parents=True, exist_ok=True)
    workspace = Path(tempfile.mkdtemp(dir=project.parsed_dir.parent, prefix=".parsing-"))
    try:
        command = [
            sys.executable,
            "-c",
            "from dbt.cli.main import cli; cli()",
            "parse",
            *_common_arguments(project, profile, workspace, log_level="error"),
        ]
        done = subprocess.run(  # noqa: S603 (our own interpreter, arguments from settings)
            command, capture_output=True, text=True, check=False, env={**os.environ, "DO_NOT_TRACK": "1"}
        )
        if done.returncode or not (workspace / "manifest.json").is_file():
            raise ModelsError(
                f"dbt cannot parse {project.project_dir}:\n{(done.stdout + done.stderr).strip()}\n"
                "Correct the models; `make lint` shows SQL mistakes."
            )
        try:
            workspace.rename(project.parsed_dir)
        except OSError:
            if not project.manifest_path.is_file():
                raise
    finally:
        shutil.rmtree(workspace, ignore_errors=True)
    _keep_newest(project.parsed_dir.parent, project.parsed_dir, _KEPT_PARSED)
    return project.manifest_path


def read_parsed(project: ModelProject) -> Any | None:
    """dbt's own object of the parsed project, ready to be run; None if it cannot be read: dbt parses again then."""
    from dbt.contracts.graph.manifest import Manifest
    from dbt.parser.manifest import extended_mashumuro_decoder

    try:
        packed = (project.parsed_dir / "partial_parse.msgpack").read_bytes()
        manifest = Manifest.from_msgpack(packed, decoder=extended_mashumuro_decoder)
    except (OSError, ValueError, TypeError, LookupError):
        return None
    manifest.build_flat_graph()  # type: ignore[no-untyped-call] # dbt is untyped
    return manifest


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


class InProcessBuilder:
    """Runs dbt in this process: one import, no second interpreter, and the lock is let go afterwards."""

    def __init__(self, settings: Settings) -> None:
        """Remember where to build."""
        self._settings = settings
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
        target = _run_folder(project, context.run.run_id)
        events, failure = invoke_build(
            self._settings,
            project,
            target,
            parameters.selection_args,
            parameters.indirect_selection,
            progress,
            by_partition=by_partition,
        )
        counts = {"model": 0, "pass": 0, "warn": 0}
        for event in events:
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


def invoke_build(
    settings: Settings,
    project: ModelProject,
    target: Path,
    selection: Sequence[str],
    indirect_selection: str | None,
    progress: ProgressCallback | None,
    *,
    by_partition: bool = False,
) -> tuple[list[dict[str, Any]], str | None]:
    """Run `dbt build` here; returns the result events in order, and dbt's words if it failed.

    `by_partition`: facts that are counted by filing count the partitions of `build.recount` again and keep the rest;
    otherwise every model is counted whole.
    """
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner
    from google.protobuf.json_format import MessageToDict

    events: list[dict[str, Any]] = []

    def on_event(event: Any) -> None:
        if event.info.name not in _RESULT_EVENTS:
            return
        raw = MessageToDict(event, preserving_proto_field_name=True)
        events.append(raw)
        if progress:
            node = raw["data"]["node_info"]
            progress(node["node_name"], raw["data"].get("index", 0), raw["data"].get("total", 0))

    arguments = _common_arguments(project, write_profile(settings, project), target)
    indirect = ["--indirect-selection", indirect_selection] if indirect_selection else []
    with _dbt_lock:
        os.environ[_RECOUNT] = "changed" if by_partition else "all"
        try:
            result = dbtRunner(manifest=read_parsed(project), callbacks=[on_event]).invoke(
                [
                    "build",
                    *selection,
                    *indirect,
                    "--exclude-resource-type",
                    "unit_test",
                    "--no-write-json",
                    *([] if by_partition else ["--full-refresh"]),
                    *arguments,
                ]
            )
        finally:
            del os.environ[_RECOUNT]
            DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call] # dbt is untyped
    return events, None if result.success else _failure(settings, result)


def _failure(settings: Settings, result: Any) -> str:
    if result.exception is not None:
        return f"dbt stopped: {result.exception}"
    failed = [
        item
        for item in getattr(result.result, "results", None) or ()
        if item.status in ("error", "fail", "runtime error")
    ]
    broken = _broken_rules(settings, failed)
    lines = [
        f"{item.node.name}: {item.status}: {broken.get(item.node.unique_id, item.message)}" for item in failed
    ]
    return "dbt build failed:\n" + "\n".join(lines)


def _broken_rules(settings: Settings, failed: Sequence[Any]) -> dict[str, str]:
    """By failed `sound` test, the rules that broke and in how many rows or keys: dbt's own message is their sum."""
    from pipelines.warehouse.connection import open_warehouse

    asked = {
        item.node.unique_id: item.node.compiled_code
        for item in failed
        if item.status == "fail" and getattr(getattr(item.node, "test_metadata", None), "name", "") == _SOUND
    }
    if not asked:
        return {}
    with open_warehouse(
        settings.build_database,
        memory_limit=settings.memory_limit,
        threads=settings.threads,
        wait_seconds=settings.lock_wait_seconds,
    ) as con:
        return {
            unique_id: ", ".join(f"{rule} ({rows:,})" for rule, rows in con.execute(sql).fetchall())
            for unique_id, sql in asked.items()
        }


def _common_arguments(
    project: ModelProject, profile_dir: Path, target: Path, log_level: str = "none"
) -> list[str]:
    variables = ["--vars", json.dumps(dict(project.variables))] if project.variables else []
    return [
        *variables,
        *("--project-dir", str(project.project_dir), "--profiles-dir", str(profile_dir), "--target", _TARGET),
        *(
            "--target-path",
            str(target),
            "--log-path",
            str(project.work_dir / "logs"),
            "--log-level",
            log_level,
        ),
        *("--log-level-file", "none", "--no-use-colors", "--quiet", "--no-print"),
        *("--no-send-anonymous-usage-stats", "--no-version-check"),
    ]


def _run_folder(project: ModelProject, run_id: str) -> Path:
    """A fresh folder for what one build writes; old ones go."""
    target = project.work_dir / "runs" / run_id
    target.mkdir(parents=True, exist_ok=True)
    _keep_newest(target.parent, target, _KEPT_RUN_FOLDERS)
    return target


def _keep_newest(folder: Path, own: Path, kept: int) -> None:
    """Remove all but the newest folders beside `own`, and nothing that is being made."""
    others = [path for path in folder.iterdir() if path != own and not path.name.startswith(".")]
    others.sort(key=lambda path: path.stat().st_mtime)
    for path in others[: max(0, len(others) - kept)]:
        shutil.rmtree(path, ignore_errors=True)


def _replace_text(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
