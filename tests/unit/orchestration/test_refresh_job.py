"""The job `refresh`: every form and period in one run, with events per period and checks with their tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import dagster as dg
import pytest

from .conftest import FakeSteps

MakeDefs = Callable[..., dg.Definitions]
F01 = dg.AssetKey(["filed", "f01"])
F11 = dg.AssetKey(["filed", "f11"])


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def test_one_run_covers_monthly_quarterly_and_unpartitioned_assets(
    make_defs: MakeDefs, steps: FakeSteps, instance: dg.DagsterInstance
) -> None:
    result = make_defs().resolve_job_def("refresh").execute_in_process(instance=instance)

    assert result.success
    assert steps.calls[0] == ("pull",)
    assert sorted(steps.calls[1:5]) == [("load_form", code, None) for code in ("F01", "F11", "PUB", "R03")]
    assert steps.calls[5] == ("settle",)
    rest = steps.calls[6:]
    assert sorted(call[0] for call in rest) == ["notify", "obligations", "publish"]
    assert rest.index(("obligations",)) < rest.index(("notify", None))
    assert instance.get_materialized_partitions(F01) == {"2025-01", "2025-02"}
    assert instance.get_materialized_partitions(F11) == {"2025-01-Q"}
    assert len(instance.get_run_ids()) == 1


def test_each_period_carries_its_own_counts_and_the_rest_is_named(
    make_defs: MakeDefs, instance: dg.DagsterInstance
) -> None:
    make_defs().resolve_job_def("refresh").execute_in_process(instance=instance)

    events = {
        record.partition_key: record.asset_materialization.metadata
        for record in instance.fetch_materializations(F01, limit=10).records
        if record.asset_materialization
    }
    assert events["2025-01"]["rows_read"].value == 20
    assert events[None]["rows_read"].value == 60
    assert events[None]["periods_without_partition"].value == ["2999-01"]


def test_a_range_of_periods_is_one_run_with_counts_per_period(
    make_defs: MakeDefs, steps: FakeSteps, instance: dg.DagsterInstance
) -> None:
    defs = make_defs()
    job = defs.resolve_job_def("refresh_monthly")
    tags = {"dagster/asset_partition_range_start": "2025-01", "dagster/asset_partition_range_end": "2025-03"}
    result = job.execute_in_process(instance=instance, tags=tags)

    assert result.success
    assert ("load_form", "F01", ("2025-01", "2025-02", "2025-03")) in steps.calls
    assert not [call for call in steps.calls if call[:2] == ("load_form", "F11")]
    assert ("publish",) in steps.calls
    records = {
        record.partition_key: record.asset_materialization.metadata
        for record in instance.fetch_materializations(F01, limit=10).records
        if record.asset_materialization
    }
    assert records["2025-02"]["rows_read"].value == 20
    assert records["2025-02"]["period"].value == "2025-02"


def test_configuration_narrows_a_run_without_partitions(
    make_defs: MakeDefs, steps: FakeSteps, instance: dg.DagsterInstance
) -> None:
    make_defs().resolve_job_def("refresh").execute_in_process(
        instance=instance, run_config={"ops": {"filed__f01": {"config": {"periods": ["2025-02"]}}}}
    )
    assert ("load_form", "F01", ("2025-02",)) in steps.calls


def test_every_form_has_a_check_with_its_rule_table(
    make_defs: MakeDefs, instance: dg.DagsterInstance
) -> None:
    result = make_defs().resolve_job_def("refresh").execute_in_process(instance=instance)
    checks = {
        evaluation.check_name: evaluation
        for evaluation in result.get_asset_check_evaluations()
        if evaluation.asset_key == dg.AssetKey("verdicts")
    }

    assert set(checks) == {"rules_f01", "rules_f11", "rules_pub", "rules_r03"}
    assert not checks["rules_f01"].passed
    assert checks["rules_f01"].severity is dg.AssetCheckSeverity.WARN
    assert "F01-I01 (4)" in (checks["rules_f01"].description or "")
    table = checks["rules_f01"].metadata["rules"]
    assert isinstance(table, dg.TableMetadataValue)
    assert [record.data["rule"] for record in table.records] == ["F01-I01", "F01-X01"]
    assert table.records[1].data["not_run"] == 2
    assert checks["rules_f11"].passed


def test_a_form_without_any_rule_run_does_not_pass(make_defs: MakeDefs, instance: dg.DagsterInstance) -> None:
    result = make_defs().resolve_job_def("refresh").execute_in_process(instance=instance)
    (check,) = [e for e in result.get_asset_check_evaluations() if e.check_name == "rules_r03"]
    assert not check.passed
    assert "no rule of R03 was run" in (check.description or "")


def test_a_failing_step_leaves_what_comes_after_alone(
    make_defs: MakeDefs, steps: FakeSteps, instance: dg.DagsterInstance
) -> None:
    steps.failing = "settle"
    with pytest.raises(RuntimeError, match="the disk is full"):
        make_defs().resolve_job_def("refresh").execute_in_process(instance=instance)
    assert ("publish",) not in steps.calls
