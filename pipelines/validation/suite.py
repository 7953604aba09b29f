"""Great Expectations over the marks: one expectation per rule, all read from one query.

Belongs here: the suite of a form, the custom expectation and its metric, and the line between bad data and a broken
engine: an exception inside GX is ours and stops the run. Does not belong here: predicates (contracts), marks.
Great Expectations is imported when a batch is validated, not when this module is: its import costs seconds.
"""

from __future__ import annotations

import functools
import importlib
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any

import duckdb

from pipelines.contracts.model import Catalogue, Form, Rule
from pipelines.validation.marks import MarkPlan
from pipelines.warehouse.schema import MARK_WORDS

#: SQL of each rule set's counts, by rule-set name; filled before a validation and read by the metric.
_COUNT_SQL: dict[str, str] = {}
#: View of the batch's stored rows that the suite runs on.
_BATCH_VIEW = "marked_batch"


class ValidationEngineError(RuntimeError):
    """Great Expectations itself failed: our fault, not bad data; nothing of the batch is kept."""


def rows_of_batch(form: Form) -> str:
    """The stored rows of the temp table `batch`, as a subquery; the bounds let DuckDB pass over all older rows."""
    return (
        f"(SELECT * FROM store.{form.table} WHERE submission_no IN (SELECT submission_no FROM batch) "
        "AND submission_no BETWEEN (SELECT min(submission_no) FROM batch) AND (SELECT max(submission_no) FROM batch))"
    )


def marked_rules(catalogue: Catalogue, plan: MarkPlan) -> tuple[Rule, ...]:
    """Rules of a form that the one pass decides."""
    decided = {check.rule_code for check in plan.checks}
    return tuple(rule for rule in catalogue.rules_for(plan.form) if rule.code in decided)


def validate_marks(con: duckdb.DuckDBPyConnection, catalogue: Catalogue, plan: MarkPlan) -> str | None:
    """Validate the stored rows of the temp table `batch`; returns the GX result as JSON, or None if there are none.

    The suite holds one rule expectation per marked rule plus structural ones (columns, row count). Raises
    `ValidationEngineError` when GX reports an exception, or counts other rows than the findings do.
    """
    form = plan.form
    rows = con.execute(f"SELECT count(*) FROM {rows_of_batch(form)}").fetchone()
    if not rows or not rows[0]:
        return None
    rules = marked_rules(catalogue, plan)
    con.execute(f"CREATE OR REPLACE TEMP VIEW {_BATCH_VIEW} AS FROM {rows_of_batch(form)}")
    rule_set = f"{form.code}-{form.version}-{catalogue.ruleset_version}"
    marks = ", ".join(f"broken_{word}" for word in range(MARK_WORDS))
    _COUNT_SQL[rule_set] = (
        "SELECT sum(alike)::BIGINT AS n, "
        + ", ".join(
            f'coalesce(sum(alike) FILTER ({plan.rule_fired(rule.code)}), 0)::BIGINT AS "{rule.code}"'
            for rule in rules
        )
        # rows have few different marks: rules are asked of these, not of every row
        + f" FROM (SELECT {marks}, count(*) AS alike FROM {_BATCH_VIEW} GROUP BY ALL)"
    )
    result = _run_suite(con, plan, rule_set, rules, int(rows[0]))
    con.execute(f"DROP VIEW {_BATCH_VIEW}")
    return json.dumps(result, ensure_ascii=False, sort_keys=True, default=str)


def _run_suite(
    con: duckdb.DuckDBPyConnection, plan: MarkPlan, rule_set: str, rules: tuple[Rule, ...], rows: int
) -> Mapping[str, Any]:
    gx = _great_expectations()
    context = gx.core.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = gx.lend(context, "warehouse", con).add_table_asset(name=rule_set, table_name=_BATCH_VIEW)
    batch = asset.add_batch_definition_whole_table("whole").get_batch()
    expectations = [
        gx.core.expectations.ExpectTableColumnsToMatchSet(
            column_set=[name for name, _ in plan.typed_columns], exact_match=False
        ),
        gx.core.expectations.ExpectTableRowCountToEqual(value=rows),
        # the code stands in the description: GX drops an expectation that equals another but for its meta
        *(gx.RuleHolds(rule_set=rule_set, rule_code=rule.code, description=rule.code) for rule in rules),
    ]
    suite = gx.Suite(name=rule_set, expectations=expectations)
    result = batch.validate(suite, result_format={"result_format": "BASIC", "partial_unexpected_count": 0})
    described = result.to_json_dict()
    _refuse_engine_errors(described)
    _refuse_disagreement(con, described)
    return _evidence(plan, described)


def _refuse_engine_errors(described: Mapping[str, Any]) -> None:
    """GX reports engine errors as failed expectations: tell them from bad data (the dict has two shapes)."""
    for item in described["results"]:
        info = item.get("exception_info") or {}
        cases = [info] if "raised_exception" in info else list(info.values())
        for case in cases:
            if case and case.get("raised_exception"):
                kind = item["expectation_config"]["type"]
                raise ValidationEngineError(
                    f"Great Expectations failed inside {kind}: {case.get('exception_message')}. No filing is judged by "
                    "this run; the batch is rolled back and will be read again. Report this with the run's log."
                )


def _refuse_disagreement(con: duckdb.DuckDBPyConnection, described: Mapping[str, Any]) -> None:
    found = dict(
        con.execute(
            """
            SELECT rule_code, count(DISTINCT (submission_no, row_no)) FROM ledger.finding
            WHERE stage = 'rows' AND rule_code <> 'GEN-I05' AND submission_no IN (SELECT submission_no FROM batch)
            GROUP BY rule_code"""
        ).fetchall()
    )
    for item in described["results"]:
        rule_code = item["expectation_config"]["kwargs"].get("rule_code")
        if rule_code is None:
            if not item["success"]:
                raise ValidationEngineError(f"stored rows do not fit their contract: {item['result']}")
            continue
        counted = item["result"]["unexpected_count"]
        if counted != found.get(rule_code, 0):
            raise ValidationEngineError(
                f"rule {rule_code}: the suite counts {counted} rows, the findings hold {found.get(rule_code, 0)}; "
                "the batch is rolled back. This is a defect of the program, not of the data."
            )


def _evidence(plan: MarkPlan, described: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "form": plan.form.code,
        "version": plan.form.version,
        "success": described["success"],
        "statistics": described["statistics"],
        "rules": {
            item["expectation_config"]["kwargs"].get("rule_code", item["expectation_config"]["type"]): {
                "success": item["success"],
                "rows_broken": item["result"].get("unexpected_count"),
                "observed": item["result"].get("observed_value"),
            }
            for item in described["results"]
        },
    }


@functools.cache
def _great_expectations() -> SimpleNamespace:
    """Import GX once, with the adapter, the shared metric and the rule expectation registered."""
    with _without_statistics():
        import great_expectations as core
    from great_expectations.core import ExpectationSuite
    from great_expectations.execution_engine.sqlalchemy_execution_engine import SqlAlchemyExecutionEngine
    from great_expectations.expectations.expectation import BatchExpectation
    from great_expectations.expectations.metrics.metric_provider import metric_value
    from great_expectations.expectations.metrics.table_metric_provider import TableMetricProvider

    from pipelines.validation.gx_duckdb import lend

    class RuleSetCounts(TableMetricProvider):
        """Rows that break each rule of a set, in one query; GX computes it once for all expectations."""

        metric_name = "table.rule_set_counts"
        value_keys = ("rule_set",)

        @metric_value(engine=SqlAlchemyExecutionEngine)
        def _sqlalchemy(  # GX hands everything over by name, the class too
            cls,  # noqa: N805
            execution_engine: Any,
            metric_value_kwargs: Any,
            **_: Any,
        ) -> dict[str, int]:
            import sqlalchemy as sa

            sql = _COUNT_SQL[metric_value_kwargs["rule_set"]]
            row = execution_engine.execute_query(sa.text(sql)).mappings().fetchone()
            return dict(row)

    class ExpectRuleToHold(BatchExpectation):
        """A contract rule holds for every row of the batch; reads the shared counts."""

        rule_set: str
        rule_code: str
        metric_dependencies = ("table.rule_set_counts",)
        success_keys = ("rule_set", "rule_code")
        domain_keys = ("batch_id",)

        def _validate(self, metrics: Any, *_: Any, **__: Any) -> dict[str, Any]:
            counts = metrics["table.rule_set_counts"]
            broken = counts[self.rule_code]
            return {
                "success": broken == 0,
                "result": {
                    "observed_value": broken,
                    "unexpected_count": broken,
                    "element_count": counts["n"],
                },
            }

    return SimpleNamespace(core=core, Suite=ExpectationSuite, lend=lend, RuleHolds=ExpectRuleToHold)


class _PutOff(ModuleType):
    """Stands for a module in those that import it, and loads it when they first ask it for something."""

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(self.__name__), name)


@contextmanager
def _without_statistics() -> Iterator[None]:
    """What is imported meanwhile and says `from scipy import stats` gets it when it is used, not before.

    GX imports its whole catalogue, and for three expectations of distributions that no contract has, scipy.stats: 500
    modules, a third of GX's import.
    """
    scipy: Any = importlib.import_module("scipy")
    if "scipy.stats" in sys.modules:
        yield
        return
    scipy.stats = _PutOff("scipy.stats")
    try:
        yield
    finally:
        del scipy.stats
