"""The board as an asset, its checks, and the notices: what a person sees in Dagster."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime

import dagster as dg
import pytest

from pipelines.orchestration.schedules import notices_schedule
from pipelines.orchestration.summaries import NoticesSummary, ObligationsSummary, PeriodBoard, UnmetObligation
from pipelines.settings import Settings

from .conftest import FakeSteps

MakeDefs = Callable[..., dg.Definitions]
DUE = date(2025, 4, 10)
MISSING = UnmetObligation("F01", "2025-03", "00000000000011", "甲财险", DUE, "missing", None)
DRAFT = UnmetObligation("F02", "2025-03", "00000000000011", "甲财险", DUE, "draft", None)
LATE = UnmetObligation("F01", "2025-03", "00000000000012", "乙人寿", DUE, "late", 2)


def board(
    *, missing: tuple[UnmetObligation, ...] = (), late: tuple[UnmetObligation, ...] = ()
) -> ObligationsSummary:
    periods = [
        PeriodBoard("2025-03", DUE, {"filed": 5, "late": len(late), "missing": len(missing)}),
        PeriodBoard("2025-02", date(2025, 3, 10), {"filed": 7}),
    ]
    return ObligationsSummary(datetime(2025, 4, 11, 8), periods, missing, late)


def run(make_defs: MakeDefs, job: str = "refresh", **config: object) -> dg.ExecuteInProcessResult:
    with dg.DagsterInstance.ephemeral() as instance:
        return (
            make_defs().resolve_job_def(job).execute_in_process(instance=instance, run_config=config or None)
        )


def checks(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {
        found.check_name: found
        for found in result.get_asset_check_evaluations()
        if found.asset_key == dg.AssetKey("obligations")
    }


def test_the_board_is_a_table_of_periods_and_statuses(make_defs: MakeDefs, steps: FakeSteps) -> None:
    steps.board = board(missing=(MISSING,))
    [event] = run(make_defs).asset_materializations_for_node("obligations")
    records = event.metadata["periods"].records
    assert [(r.data["period"], r.data["due_date"], r.data["filed"], r.data["missing"]) for r in records] == [
        ("2025-03", "2025-04-10", 5, 1),
        ("2025-02", "2025-03-10", 7, 0),
    ]
    assert event.metadata["obligations"].value == 13


def test_missing_and_late_filings_warn_and_block_nothing(make_defs: MakeDefs, steps: FakeSteps) -> None:
    steps.board = board(missing=(MISSING, DRAFT), late=(LATE,))
    result = run(make_defs)
    found = checks(result)
    assert result.success
    assert ("publish",) in steps.calls
    assert {name: one.passed for name, one in found.items()} == {
        "no_missing_filings": False,
        "no_late_filings": False,
    }
    assert {one.severity for one in found.values()} == {dg.AssetCheckSeverity.WARN}
    missing = found["no_missing_filings"]
    assert missing.description == "2 obligations of 1 reporters without a filing in force"
    assert [r.data["status"] for r in missing.metadata["obligations"].records] == ["missing", "draft"]
    assert found["no_late_filings"].metadata["obligations"].records[0].data["days_late"] == 2


def test_when_everybody_has_filed_both_checks_pass(make_defs: MakeDefs, steps: FakeSteps) -> None:
    steps.board = board()
    assert {one.passed for one in checks(run(make_defs)).values()} == {True}


def test_without_any_obligation_nothing_passes(make_defs: MakeDefs, steps: FakeSteps) -> None:
    steps.board = ObligationsSummary(None)
    found = checks(run(make_defs))
    assert {one.passed for one in found.values()} == {False}
    assert "nothing has been filed" in str(found["no_missing_filings"].description)


def test_notices_tell_what_was_delivered_and_what_is_wrong(make_defs: MakeDefs, steps: FakeSteps) -> None:
    steps.notices = NoticesSummary(5, 2, 2, 1, "line 3 is wrong")
    result = run(make_defs)
    assert result.success
    [event] = result.asset_materializations_for_node("notices")
    assert {name: value.value for name, value in event.metadata.items()} == {
        "notices": 5,
        "delivered": 2,
        "waiting": 2,
        "refused": 1,
        "problem": "line 3 is wrong",
    }


def test_the_job_notify_sends_by_its_day_and_does_nothing_else(make_defs: MakeDefs, steps: FakeSteps) -> None:
    run(make_defs, "notify", ops={"notices": {"config": {"at": "2025-04-11T08:00:00"}}})
    assert steps.calls == [("notify", datetime(2025, 4, 11, 8))]


@pytest.mark.parametrize(
    ("moment", "runs"),
    [
        (datetime(2025, 4, 11, 8), True),
        (datetime(2025, 4, 12, 8), False),  # Saturday
        (datetime(2025, 4, 27, 8), True),  # Sunday, worked for Labour Day
        (datetime(2025, 5, 1, 8), False),  # Labour Day
    ],
)
def test_the_schedule_runs_on_working_days(run_settings: Settings, moment: datetime, runs: bool) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_schedule_context(instance=instance, scheduled_execution_time=moment)
        answer = notices_schedule()(context)
    if runs:
        assert isinstance(answer, dg.RunRequest)
        assert answer.run_config["ops"]["notices"]["config"]["at"] == moment.isoformat()
    else:
        assert isinstance(answer, dg.SkipReason)
