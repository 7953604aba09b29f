"""Resources of the assets: the settings, the steps, the dbt runner, and whoever watches the work.

Put here: what an asset may ask for by name, as protocols, so that tests hand in fakes through `build_defs`.
Do not put here: connections (each step opens and closes its own, so that no lock outlives it).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, cast

import dagster as dg

from pipelines.orchestration.summaries import (
    FormSummary,
    ModelsSummary,
    NoticesSummary,
    ObligationsSummary,
    PullSummary,
    ReleaseSummary,
    SettleSummary,
)
from pipelines.settings import Settings

if TYPE_CHECKING:
    from pipelines.orchestration.dbt_build import ModelProject

ProgressCallback = Callable[[str, int, int], None]
"""Called with what is being worked on, how much is done, and how much there is."""


class Steps(Protocol):
    """The work of the assets, in the order of a filing's way; every step is idempotent and commits on its
    own.
    """

    def pull(self, settings: Settings, progress: ProgressCallback | None = None) -> PullSummary:
        """Archive what the source holds and was not received before."""

    def load_form(
        self,
        settings: Settings,
        form: str,
        periods: Sequence[str] | None,
        progress: ProgressCallback | None = None,
        then: Sequence[str] = (),
    ) -> FormSummary:
        """Read the form's received but unread files (of some periods, or all) and check their rows.

        `then`: forms that the same run loads afterwards, in order; the next one's files may be read meanwhile.
        """

    def settle(self, settings: Settings, progress: ProgressCallback | None = None) -> SettleSummary:
        """Check across forms and periods, give every submission its state, renew obligations."""

    def obligations(self, settings: Settings) -> ObligationsSummary:
        """The board of obligations as the last settlement left it."""

    def notify(self, settings: Settings, at: datetime | None = None) -> NoticesSummary:
        """Send the notices that are due; a failing delivery is recorded, never raised."""

    def publish(self, settings: Settings) -> ReleaseSummary:
        """Freeze a release if anything differs from the one in force."""


class ModelBuilder(Protocol):
    """Builds dbt models inside the running asset and yields its Dagster events; `summary` is of the last
    build.
    """

    summary: ModelsSummary

    def build(
        self,
        context: dg.AssetExecutionContext,
        project: ModelProject,
        *,
        full: bool,
        progress: ProgressCallback | None = None,
    ) -> Iterator[Any]:
        """Yield outputs and check results of the selected models and tests."""


class Progress(Protocol):
    """Watches a run: the command line draws bars, the daemon's runs need none."""

    def begin(self, stage: str, title: str) -> None:
        """A stage starts; `stage` is the asset's name, `title` is for a person."""

    def update(self, what: str, done: int, total: int) -> None:
        """The current stage has done so much of so much."""

    def finish(self, stage: str, summary: object) -> None:
        """The stage ended well with one of the shapes of `summaries`."""


class SilentProgress:
    """Watches and says nothing."""

    def begin(self, stage: str, title: str) -> None:
        """Nothing."""

    def update(self, what: str, done: int, total: int) -> None:
        """Nothing."""

    def finish(self, stage: str, summary: object) -> None:
        """Nothing."""


class _LazySteps:
    """The real steps, imported when the first of them is used."""

    def __getattr__(self, name: str) -> Any:
        return getattr(_real_steps(), name)


def _real_steps() -> Steps:
    from pipelines.orchestration import steps

    return steps


def default_resources(settings: Settings) -> dict[str, object]:
    """Resource name -> object, as assets ask for them."""
    from pipelines.orchestration.models import DbtBuilder

    return {
        "settings": settings,
        "steps": cast("Steps", _LazySteps()),
        "model_builder": DbtBuilder(settings),
        "progress": SilentProgress(),
    }
