"""Assets on a filing's way: what was received, each form as filed, the verdicts, the release.

Put here: which step an asset calls, what it depends on, and the metadata a person sees. Do not put here: the
steps' work, dbt's models (`models`), checks (`checks`). A form's asset comes from its contract; adding a form
adds no code.
"""

# No `from __future__ import annotations`: dagster reads the annotations of assets and sensors as objects.

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import dagster as dg
from dagster import AssetExecutionContext
from pydantic import Field

from pipelines.contracts.errors import PeriodError
from pipelines.contracts.model import Form
from pipelines.orchestration.checks import (
    OBLIGATIONS,
    VERDICTS,
    board_table,
    obligation_check_results,
    obligation_check_specs,
    verdict_check_results,
    verdict_check_specs,
)
from pipelines.orchestration.partitions import partition_key, partitions_of, periods_of
from pipelines.orchestration.resources import Progress, Steps
from pipelines.orchestration.summaries import PeriodCounts
from pipelines.settings import Settings

WRITER_POOL = "duckdb_writer"
"""Whoever writes the build database holds this pool's single slot (the limit stands in dagster.yaml)."""

RECEIVED = dg.AssetKey("received")
RELEASE = dg.AssetKey("release")
NOTICES = dg.AssetKey("notices")


def filed_key(form: str) -> dg.AssetKey:
    """Asset key of a form as filed, from its code."""
    return dg.AssetKey(["filed", form.lower()])


class LoadConfig(dg.Config):
    """What a form's asset reads when the run itself names no partitions."""

    periods: list[str] = Field(
        default_factory=list, description="报告期 period labels (2025-03, 2025Q1); empty: every period"
    )
    then: list[str] = Field(
        default_factory=list,
        description="后续报表 forms that the same process loads next, in order: read ahead while this one is stored",
    )


@dg.asset(
    key=RECEIVED,
    group_name="intake",
    kinds={"file"},
    pool=WRITER_POOL,
    description="收件: what insurers sent, archived byte for byte, rejects included.",
)
def received(
    settings: dg.ResourceParam[Settings],
    steps: dg.ResourceParam[Steps],
    progress: dg.ResourceParam[Progress],
) -> dg.MaterializeResult[Any]:
    """Pull the inbox; files known by name and stamp are not opened again."""
    progress.begin("received", "收件 receive")
    summary = steps.pull(settings, progress.update)
    progress.finish("received", summary)
    return dg.MaterializeResult(
        metadata={
            "new": summary.new,
            "seen_before": summary.seen,
            "in_inbox": summary.total,
            "inbox": settings.inbox,
        }
    )


def filed_asset(form: Form, first_month: str) -> dg.AssetsDefinition:
    """The asset `filed/<form>`: its files read, typed, and checked row by row, all insurers of a period at
    once.
    """
    partitions_def = partitions_of(form, first_month)

    @dg.asset(
        key=filed_key(form.code),
        deps=[RECEIVED],
        partitions_def=partitions_def,
        backfill_policy=dg.BackfillPolicy.single_run() if partitions_def else None,
        group_name="filed",
        kinds={"duckdb"},
        pool=WRITER_POOL,
        description=f"{form.title_zh} {form.title_en}: {form.description}",
        metadata={"contract": f"{form.code} {form.version}", "dagster/column_schema": _column_schema(form)},
        tags={"frequency": form.frequency, "side": form.side},
    )
    def filed(
        context: AssetExecutionContext,
        config: LoadConfig,
        settings: dg.ResourceParam[Settings],
        steps: dg.ResourceParam[Steps],
        progress: dg.ResourceParam[Progress],
    ) -> dg.MaterializeResult[Any]:
        stage = f"filed/{form.table}"
        progress.begin(stage, f"{form.code} {form.title_zh}")
        summary = steps.load_form(
            settings, form.code, _asked_periods(context, config), progress.update, config.then
        )
        progress.finish(stage, summary)
        elsewhere = _record_periods(context, partitions_def, summary.by_period)
        return dg.MaterializeResult(
            metadata={
                "submissions": summary.submissions,
                "rows_read": summary.rows_read,
                "periods": len(summary.by_period),
                **({"periods_without_partition": elsewhere} if elsewhere else {}),
            }
        )

    return filed


def verdicts_asset(forms: Sequence[Form]) -> dg.AssetsDefinition:
    """The asset `verdicts`, after every form, with one check per form."""

    @dg.asset(
        key=VERDICTS,
        deps=[filed_key(form.code) for form in forms],
        check_specs=verdict_check_specs(forms),
        group_name="filing",
        kinds={"duckdb"},
        pool=WRITER_POOL,
        description="结论: rules across forms and periods, states, obligations, receipts.",
    )
    def verdicts(
        settings: dg.ResourceParam[Settings],
        steps: dg.ResourceParam[Steps],
        progress: dg.ResourceParam[Progress],
    ) -> dg.MaterializeResult:  # type: ignore[type-arg] # with checks dagster wants it plain
        progress.begin("verdicts", "结论 verdicts")
        summary = steps.settle(settings, progress.update)
        progress.finish("verdicts", summary)
        return dg.MaterializeResult(
            metadata={
                "accepted": summary.accepted,
                "partly_accepted": summary.partly_accepted,
                "rejected": summary.rejected,
                "malformed": summary.malformed,
                "superseded": summary.superseded,
                "findings_blocking": summary.findings_e,
                "findings_warning": summary.findings_w,
            },
            check_results=list(verdict_check_results(forms, summary)),
        )

    return verdicts


@dg.asset(
    key=OBLIGATIONS,
    deps=[VERDICTS],
    check_specs=obligation_check_specs(),
    group_name="filing",
    kinds={"duckdb"},
    pool=WRITER_POOL,
    description="报送义务: who owes what by when and how it stands, period by period.",
)
def obligations(settings: dg.ResourceParam[Settings], steps: dg.ResourceParam[Steps]) -> dg.MaterializeResult:  # type: ignore[type-arg] # with checks dagster wants it plain
    """The board, newest deadline first; checks tell who is missing and who was late, and block nothing."""
    summary = steps.obligations(settings)
    return dg.MaterializeResult(
        metadata={
            "as_of": str(summary.as_of or ""),
            "obligations": sum(sum(board.counts.values()) for board in summary.periods),
            "missing": len(summary.missing),
            "periods": board_table(summary),
        },
        check_results=list(obligation_check_results(summary)),
    )


class NoticesConfig(dg.Config):
    """The day to chase by."""

    at: str = Field(
        default="", description="催报时点 moment, 2025-04-11T08:00:00; empty: that of the verdicts"
    )


@dg.asset(
    key=NOTICES,
    deps=[OBLIGATIONS],
    group_name="filing",
    kinds={"file"},
    pool=WRITER_POOL,
    description="催报: reminders and notices of missing filings, delivered once each.",
)
def notices(
    config: NoticesConfig,
    settings: dg.ResourceParam[Settings],
    steps: dg.ResourceParam[Steps],
    progress: dg.ResourceParam[Progress],
) -> dg.MaterializeResult[Any]:
    """Send what is due; what fails waits for the next run and shows in `xiaobao status`."""
    progress.begin("notices", "催报 notices")
    summary = steps.notify(settings, datetime.fromisoformat(config.at) if config.at else None)
    progress.finish("notices", summary)
    return dg.MaterializeResult(
        metadata={
            "notices": summary.notices,
            "delivered": summary.delivered,
            "waiting": summary.waiting,
            "refused": summary.refused,
            **({"problem": summary.problem} if summary.problem else {}),
        }
    )


def release_asset(models: Iterable[dg.AssetKey]) -> dg.AssetsDefinition:
    """The asset `release`, after the models that readers see."""

    @dg.asset(
        key=RELEASE,
        deps=[VERDICTS, *models],
        group_name="publication",
        kinds={"duckdb", "parquet"},
        pool=WRITER_POOL,
        description="发布: a frozen, read-only release; made only if something differs.",
    )
    def release(
        settings: dg.ResourceParam[Settings],
        steps: dg.ResourceParam[Steps],
        progress: dg.ResourceParam[Progress],
    ) -> dg.MaterializeResult[Any]:
        progress.begin("release", "发布 release")
        summary = steps.publish(settings)
        progress.finish("release", summary)
        return dg.MaterializeResult(
            metadata={
                "release_no": summary.release_no,
                "created": summary.created,
                "reason": summary.reason,
                "path": dg.MetadataValue.path(summary.path),
            }
        )

    return release


def _asked_periods(context: AssetExecutionContext, config: LoadConfig) -> list[str] | None:
    """Periods of the run's partitions; else those of the configuration; else None, which means all."""
    if context.has_partition_key or context.has_partition_key_range:
        return periods_of(context.partition_keys)
    return list(config.periods) or None


def _record_periods(
    context: AssetExecutionContext,
    partitions_def: dg.TimeWindowPartitionsDefinition | None,
    by_period: Mapping[str, PeriodCounts],
) -> list[str]:
    """Give each partition its own counts; returns the periods that have no partition (yet)."""
    if partitions_def is None:
        return sorted(map(str, by_period))
    ranged = context.has_partition_key or context.has_partition_key_range
    existing = set(partitions_def.get_partition_keys())
    elsewhere = []
    for period, counts in sorted(by_period.items(), key=lambda item: str(item[0])):
        key = _key_or_none(str(period))
        if key not in existing:
            elsewhere.append(str(period))
            continue
        metadata: dict[str, str | int] = {
            "period": period,
            "submissions": counts.submissions,
            "rows_read": counts.rows_read,
            "readable": counts.readable,
            "malformed": counts.malformed,
        }
        if ranged:  # the run's own event already names each partition of the range; this fills it in
            context.add_asset_metadata(metadata, asset_key=context.asset_key, partition_key=key)
        else:
            context.log_event(dg.AssetMaterialization(context.asset_key, partition=key, metadata=metadata))
    return elsewhere


def _key_or_none(period: str) -> str | None:
    """A malformed envelope may name anything or nothing as its period; the finding is the filer's."""
    try:
        return partition_key(period)
    except PeriodError:
        return None


def _column_schema(form: Form) -> dg.TableSchema:
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                column.name,
                column.duckdb_type,
                description=column.title_zh,
                constraints=dg.TableColumnConstraints(nullable=not column.required),
            )
            for column in form.columns
        ]
    )
