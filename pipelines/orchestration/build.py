"""Everything Dagster knows of the project, put together by one function.

`build_defs` makes a new object at every call and reads no global state, so tests hand in settings and
resources instead of patching.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import dagster as dg

from pipelines.contracts.loader import load_catalogue
from pipelines.contracts.model import Catalogue
from pipelines.orchestration.assets import (
    filed_asset,
    notices,
    obligations,
    received,
    release_asset,
    verdicts_asset,
)
from pipelines.orchestration.dbt_build import ModelProject, model_project, prepare_manifest
from pipelines.orchestration.jobs import build_jobs
from pipelines.orchestration.models import leaf_keys, models_assets
from pipelines.orchestration.resources import default_resources
from pipelines.orchestration.schedules import deadline_schedules, notices_schedule
from pipelines.orchestration.sensors import inbox_sensor
from pipelines.settings import Settings, load_settings


def build_defs(
    *, settings: Settings | None = None, resource_overrides: Mapping[str, object] | None = None
) -> dg.Definitions:
    """Assets, checks, jobs, schedules and sensors of the project.

    Args:
        settings: by default those of the environment.
        resource_overrides: resource name -> object that takes the default's place (`settings`, `steps`,
            `model_builder`, `progress`).

    Raises:
        SettingsError: the environment cannot be used.
        ContractError: a contract under expectations/ cannot be used.
        ModelsError: dbt refuses the project.
    """
    settings = settings or load_settings()
    project = model_project(settings)
    prepare_manifest(settings, project)
    return assemble(settings, load_catalogue(), project, resource_overrides or {})


def assemble(
    settings: Settings, catalogue: Catalogue, project: ModelProject, resource_overrides: Mapping[str, object]
) -> dg.Definitions:
    """The definitions for given contracts and a dbt project whose manifest has been prepared."""
    with warnings.catch_warnings():
        # Backfill policies and the like are marked beta; the exact pin of dagster makes that safe.
        for category in (dg.BetaWarning, dg.PreviewWarning):
            warnings.simplefilter("ignore", category)
        forms = sorted(catalogue.forms.values(), key=lambda form: form.code)
        return dg.Definitions(
            assets=[
                received,
                *(filed_asset(form, settings.first_month) for form in forms),
                verdicts_asset(forms),
                obligations,
                notices,
                models_assets(project),
                release_asset(leaf_keys(project)),
            ],
            jobs=build_jobs(forms),
            schedules=[*deadline_schedules(forms), notices_schedule()],
            sensors=[inbox_sensor()],
            resources={**default_resources(settings), **resource_overrides},
            executor=dg.in_process_executor,
        )
