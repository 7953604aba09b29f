"""Runs in this process: what `xiaobao run` does.

Put here: starting a refresh through Dagster without daemon or web server, and what came of it. Do not put
here: how it is shown (cli), what a refresh does (assets and steps).
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from pipelines.contracts.loader import load_catalogue
from pipelines.contracts.periods import Period
from pipelines.orchestration import idle
from pipelines.orchestration.assets import RECEIVED, RELEASE, filed_key
from pipelines.orchestration.build import build_defs
from pipelines.orchestration.checks import VERDICTS
from pipelines.orchestration.dbt_process import DbtProcess
from pipelines.orchestration.instance import STARTED_BY, bury_dead_runs, open_instance
from pipelines.orchestration.jobs import REFRESH
from pipelines.orchestration.models import DbtBuilder
from pipelines.orchestration.resources import Progress, SilentProgress
from pipelines.orchestration.summaries import (
    FormSummary,
    ModelsSummary,
    NoticesSummary,
    PullSummary,
    RefreshOutcome,
    ReleaseSummary,
    SettleSummary,
)
from pipelines.settings import Settings


class RunBusyError(Exception):
    """Another command-line run holds the lock."""


class UnknownScopeError(Exception):
    """A form or period asked for does not exist; the message names those that do."""


class _Recorder:
    """Keeps every summary, passes everything on."""

    def __init__(self, outcome: RefreshOutcome, watcher: Progress) -> None:
        self._outcome = outcome
        self._watcher = watcher
        self._started = 0.0

    def begin(self, stage: str, title: str) -> None:
        self._started = time.perf_counter()
        self._watcher.begin(stage, title)

    def update(self, what: str, done: int, total: int) -> None:
        self._watcher.update(what, done, total)

    def finish(self, stage: str, summary: object) -> None:
        outcome = self._outcome
        outcome.seconds[stage] = time.perf_counter() - self._started
        match summary:
            case PullSummary():
                outcome.pull = summary
            case FormSummary():
                outcome.forms.append(summary)
            case SettleSummary():
                outcome.settle = summary
            case NoticesSummary():
                outcome.notices = summary
            case ModelsSummary():
                outcome.models = summary
            case ReleaseSummary():
                outcome.release = summary
        self._watcher.finish(stage, summary)


def refresh(
    settings: Settings,
    *,
    full: bool = False,
    forms: Sequence[str] = (),
    periods: Sequence[str] = (),
    progress: Progress | None = None,
) -> RefreshOutcome:
    """Run the whole pipeline in this process: receive, read, judge, model, release.

    Args:
        settings: where and with what.
        full: build every model even if the data did not change.
        forms: codes to read; all if empty. Verdicts, models and release always cover everything.
        periods: period labels to read; all if empty.
        progress: watches.

    Raises:
        UnknownScopeError: a form or period asked for does not exist.
        RunBusyError: another command-line run is at work and did not end within `lock_wait_seconds`.
        Exception: whatever a step raised; the run is recorded as failed.
    """
    wanted = _scope(forms, periods)
    outcome = RefreshOutcome()
    recorder = _Recorder(outcome, progress or SilentProgress())
    with _only_run(settings), DbtProcess(settings) as dbt, open_instance(settings) as instance:
        bury_dead_runs(instance)
        state = idle.present_state(settings)
        idle.forget(settings)
        resources = {"progress": recorder, "model_builder": DbtBuilder(settings, dbt)}
        defs = build_defs(settings=settings, resource_overrides=resources)
        job = defs.resolve_job_def(REFRESH)
        result = job.execute_in_process(
            instance=instance,
            asset_selection=_selection(job, wanted) if forms else None,
            run_config={
                "ops": {
                    **{
                        f"filed__{form.lower()}": {
                            "config": {"periods": list(periods), "then": wanted[place:]}
                        }
                        for place, form in enumerate(wanted, 1)
                    },
                    "models": {"config": {"full": full}},
                },
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            },
            tags={STARTED_BY: str(os.getpid()), "xiaobao/cause": "command line"},
        )
        outcome.run_id = result.run_id
        # Notices that did not arrive are tried again by the next run, also when nothing new has come.
        waiting = outcome.notices is not None and outcome.notices.waiting
        if not (forms or periods or waiting):
            idle.remember(settings, state)
    return outcome


def _scope(forms: Sequence[str], periods: Sequence[str]) -> list[str]:
    """Codes of the forms to read, upper case, in the order in which Dagster runs their assets.

    Raises:
        UnknownScopeError: a code is unknown.
        PeriodError: a label names no period.
    """
    known = sorted(load_catalogue().forms)
    wanted = sorted({form.upper() for form in forms}) or known
    if unknown := sorted(set(wanted) - set(known)):
        raise UnknownScopeError(f"no report form {', '.join(unknown)}; known: {', '.join(known)}")
    for period in periods:
        Period.parse(period)
    return wanted


def _selection(job: dg.JobDefinition, wanted: Sequence[str]) -> list[dg.AssetKey]:
    """Everything but the forms that were not asked for."""
    asked = {filed_key(form) for form in wanted}
    return [
        key
        for key in job.asset_layer.executable_asset_keys
        if key in asked or key in (RECEIVED, VERDICTS, RELEASE) or key.path[0] != "filed"
    ]


@contextmanager
def _only_run(settings: Settings) -> Iterator[Path]:
    """Hold the lock of command-line runs; the system lets it go with the process, however that ends."""
    path = settings.home / "run.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + settings.lock_wait_seconds
    with path.open("a+", encoding="utf-8") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    file.seek(0)
                    raise RunBusyError(
                        f"process {file.read().strip() or '?'} is running the pipeline on {settings.home}: "
                        f"waited {settings.lock_wait_seconds:.0f} s. Let it end or stop it, then run again."
                    ) from None
                time.sleep(0.25)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield path
