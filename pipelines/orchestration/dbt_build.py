"""dbt's side of the models: the parsed project, the profile, one build; without Dagster.

Put here: how dbt is called and what it answers. Do not put here: what Dagster makes of it (`models`), SQL, decisions
about what a model means. dbt keeps its database connection for the life of a process, so it must never run in the
daemon or the code server; the connection is closed after every build.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from pipelines.settings import Settings

if TYPE_CHECKING:
    from dbt.cli.main import dbtRunner

_NOT_PROJECT = {"target", "logs", "dbt_packages", ".user.yml"}
_RESULT_EVENTS = {"LogModelResult", "LogTestResult", "LogSeedResult", "LogSnapshotResult"}
_KEPT_RUN_FOLDERS = 5
_KEPT_PARSED = 5
_TARGET = "duckdb"  # the name that dbt_project/profiles.yml uses too
_RECOUNT = "XIAOBAO_RECOUNT"  # told to macros/recount.sql; a variable would have dbt parse the project again
_SOUND = "sound"  # dbt_project/tests/generic/sound.sql: all rules of one model in one test
_dbt_lock = threading.Lock()  # dbt's adapters are process-global


Event = dict[str, Any]
"""What dbt says of one finished node, as plain values."""


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


def get_ready(settings: Settings, project: ModelProject) -> Any | None:
    """Do what a build does before its first node, as far as it needs no database; the parsed project for that build.

    dbt imports a quarter of itself, and makes schemas to check profile and project by, only when a command runs: the
    list of no nodes is one. None if the present project was not parsed yet.
    """
    runner = _runner()
    parsed = read_parsed(project)
    if parsed is not None:
        target = project.work_dir / "ready"
        runner(manifest=parsed).invoke(
            [
                *("list", "--resource-type", "exposure", "--no-write-json"),
                *_common_arguments(project, write_profile(settings, project), target),
            ]
        )
    return parsed


def _runner() -> type[dbtRunner]:
    """dbt's way in. With dbt comes a tracker that would have every line of every log printed on stderr."""
    handlers = [*logging.getLogger().handlers]
    from dbt.cli.main import dbtRunner

    logging.getLogger().handlers = handlers
    return dbtRunner


def invoke_build(
    settings: Settings,
    project: ModelProject,
    target: Path,
    selection: Sequence[str],
    indirect_selection: str | None,
    heard: Callable[[Event], None] | None,
    *,
    by_partition: bool = False,
    parsed: Any | None = None,
) -> tuple[list[Event], str | None]:
    """Run `dbt build` here; returns the result events in order, and dbt's words if it failed.

    `heard` is told each event as it comes, by whichever of dbt's threads. `by_partition`: facts that are counted by
    filing count the partitions of `build.recount` again and keep the rest; otherwise every model is counted whole.
    `parsed`: the project as `read_parsed` gave it; it serves one build.
    """
    runner = _runner()
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from google.protobuf.json_format import MessageToDict

    events: list[Event] = []

    def on_event(event: Any) -> None:
        if event.info.name not in _RESULT_EVENTS:
            return
        raw = MessageToDict(event, preserving_proto_field_name=True)
        events.append(raw)
        if heard:
            heard(raw)

    arguments = _common_arguments(project, write_profile(settings, project), target)
    indirect = ["--indirect-selection", indirect_selection] if indirect_selection else []
    with _dbt_lock:
        os.environ[_RECOUNT] = "changed" if by_partition else "all"
        try:
            result = runner(manifest=parsed or read_parsed(project), callbacks=[on_event]).invoke(
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


def run_folder(project: ModelProject, run_id: str) -> Path:
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
