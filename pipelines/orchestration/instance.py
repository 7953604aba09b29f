"""Dagster's own records: where they lie, how they are configured, and what a dead run left behind.

Put here: dagster.yaml and the instance. Do not put here: our data (the build database and the archive survive
the loss of all of this).
"""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg

from pipelines.settings import Settings

STARTED_BY = "xiaobao/started_by"
"""Tag of a run that lives in a command-line process: its value is the process id."""

_DAGSTER_YAML = """\
# Written by xiaobao once; yours to change afterwards (PostgreSQL storage, run launchers, retention).
nux:
  enabled: false
telemetry:
  enabled: false

# SQLite with connections that stay open. For PostgreSQL, replace this entry by a `storage:` entry.
event_log_storage:
  module: pipelines.orchestration.event_log
  class: PooledSqliteEventLogStorage
  config:
    base_dir:
      env: DAGSTER_HOME

# One writer of the build database at a time, whoever starts the run.
concurrency:
  pools:
    granularity: op
    default_limit: 1

run_monitoring:
  enabled: true
  # A run that ended without giving its pool slot back must not block the next one.
  free_slots_after_run_end_seconds: 30

# Retried is what may heal: a worker that died. A step that failed would fail again.
run_retries:
  enabled: true
  max_retries: 2
  retry_on_asset_or_op_failure: false
"""


def prepare_home(settings: Settings) -> Path:
    """The folder of Dagster's records, created with its dagster.yaml if there is none."""
    home = settings.dagster_home
    home.mkdir(parents=True, exist_ok=True)
    config = home / "dagster.yaml"
    if not config.is_file():
        part = config.with_name(f".dagster.yaml.{os.getpid()}")
        part.write_text(_DAGSTER_YAML, encoding="utf-8")
        part.replace(config)
    return home


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """The persistent instance; close it (it is a context manager) when done."""
    home = prepare_home(settings)
    os.environ["DAGSTER_HOME"] = str(home)  # dagster.yaml refers to it
    return dg.DagsterInstance.from_config(str(home))


def bury_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Mark command-line runs whose process is gone as failed and free their pool slots; returns their ids.

    Call it only while holding the lock of command-line runs: then none of them can be alive.
    """
    unfinished = instance.get_runs(
        filters=dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.NOT_STARTED])
    )
    dead = [run for run in unfinished if STARTED_BY in run.tags]
    for run in dead:
        instance.report_run_failed(
            run, "the process ended before the run did; the next run finishes its work"
        )
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
    return [run.run_id for run in dead]
