"""Jobs: the whole refresh in one run, one job per frequency for backfills over a range of periods, and the notices.

`refresh` covers forms of every frequency and all their periods in a single run without partitions: files say
which period they are for, so nobody has to choose. `refresh_monthly` and `refresh_quarterly` do the same for
chosen periods of the forms of one frequency; as every asset is `single_run`, a backfill over a year of
periods is one run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.definitions.asset_selection import AssetSelection
from dagster._core.definitions.assets.job.asset_job import build_asset_job, get_asset_graph_for_job
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from pipelines.contracts.model import Form
from pipelines.orchestration.assets import NOTICES, filed_key

if TYPE_CHECKING:
    from dagster._core.definitions.assets.graph.asset_graph import AssetGraph

REFRESH = "refresh"
NOTIFY = "notify"


class MixedPartitionsJob(UnresolvedAssetJobDefinition):
    """An asset job whose assets may have different partitions definitions.

    Dagster builds its own implicit job over all assets this way and runs it without partitions, but refuses
    it to a named job, which sensors, schedules and people need. The two functions are internal; Dagster is
    pinned exactly and `tests/unit/orchestration` runs this job over monthly and quarterly assets.
    """

    def resolve(
        self,
        asset_graph: AssetGraph,
        default_executor_def: dg.ExecutorDefinition | None = None,
        resource_defs: Mapping[str, dg.ResourceDefinition] | None = None,
    ) -> dg.JobDefinition:
        """Build the job over its selection, whatever the partitions of the selected assets."""
        return build_asset_job(
            self.name,
            asset_graph=get_asset_graph_for_job(
                asset_graph, self.selection, allow_different_partitions_defs=True
            ),
            description=self.description,
            tags=self.tags,
            executor_def=self.executor_def or default_executor_def,
            resource_defs=resource_defs,
            allow_different_partitions_defs=True,
        )


def build_jobs(forms: Iterable[Form]) -> list[UnresolvedAssetJobDefinition]:
    """`refresh`, `notify`, then one job per frequency that has partitions."""
    quarterly = [form for form in forms if form.side != "official" and form.frequency == "quarterly"]
    monthly = [form for form in forms if form.side != "official" and form.frequency != "quarterly"]
    return [
        MixedPartitionsJob(
            REFRESH,
            selection=AssetSelection.all(),
            description="收件到发布: everything received so far, all forms and periods, in one run.",
        ),
        dg.define_asset_job(
            NOTIFY,
            selection=AssetSelection.assets(NOTICES),
            description="催报: send the notices that are due on the day, without reading or computing anything.",
        ),
        *(
            dg.define_asset_job(
                f"refresh_{frequency}",
                selection=AssetSelection.all()
                - AssetSelection.assets(*(filed_key(form.code) for form in others)),
                description=f"Chosen periods of the {frequency} forms, then verdicts, models and release.",
            )
            for frequency, others in (("monthly", quarterly), ("quarterly", monthly))
        ),
    ]
