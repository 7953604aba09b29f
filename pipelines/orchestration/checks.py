"""Checks: one per form, on the verdicts, carrying the form's rule table; two on the obligations.

A check only shows what the verdicts say; it gates nothing (the gate is data: models read accepted rows). A
filer's findings are ordinary and make a warning. A form none of whose rules was run does not pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import dagster as dg

from pipelines.contracts.model import Form
from pipelines.filing.states import OBLIGATION_STATES
from pipelines.orchestration.summaries import ObligationsSummary, RuleTally, SettleSummary, UnmetObligation

VERDICTS = dg.AssetKey("verdicts")
OBLIGATIONS = dg.AssetKey("obligations")


def check_name(form: str) -> str:
    """Name of a form's check."""
    return f"rules_{form.lower()}"


def verdict_check_specs(forms: Iterable[Form]) -> list[dg.AssetCheckSpec]:
    """One check per form, in the order given."""
    return [
        dg.AssetCheckSpec(
            check_name(form.code),
            asset=VERDICTS,
            description=f"{form.code} {form.title_zh}: 规则核对结果 verdicts of all rules of {form.title_en}",
        )
        for form in forms
    ]


def verdict_check_results(forms: Iterable[Form], summary: SettleSummary) -> Iterator[dg.AssetCheckResult]:
    """Results for the specs of :func:`verdict_check_specs`, with the rule table as metadata."""
    for form in forms:
        yield _result(form, [tally for tally in summary.rules if tally.form == form.code])


def _result(form: Form, tallies: Sequence[RuleTally]) -> dg.AssetCheckResult:
    ran = sum(1 for tally in tallies if tally.passed + tally.failed)
    failed = [tally for tally in tallies if tally.failed]
    findings = sum(tally.findings for tally in tallies)
    if not ran:
        description = f"no rule of {form.code} was run: nothing readable has been received"
    elif failed:
        description = f"{len(failed)} of {ran} rules run found something: " + ", ".join(
            f"{tally.rule_code} ({tally.findings})" for tally in sorted(failed, key=lambda t: -t.findings)[:5]
        )
    else:
        description = f"{ran} rules run, nothing found"
    return dg.AssetCheckResult(
        asset_key=VERDICTS,
        check_name=check_name(form.code),
        passed=bool(ran) and not failed,
        severity=dg.AssetCheckSeverity.WARN,
        description=description,
        metadata={
            "rules_run": ran,
            "rules_not_run": sum(1 for tally in tallies if not tally.passed + tally.failed),
            "findings_blocking": sum(tally.findings for tally in tallies if tally.severity == "E"),
            "findings_warning": findings - sum(tally.findings for tally in tallies if tally.severity == "E"),
            "rules": dg.MetadataValue.table(
                records=[
                    dg.TableRecord(
                        {
                            "rule": tally.rule_code,
                            "class": tally.rule_class,
                            "severity": tally.severity,
                            "passed": tally.passed,
                            "failed": tally.failed,
                            "not_run": tally.not_run,
                            "findings": tally.findings,
                        }
                    )
                    for tally in tallies
                ],
                schema=_RULE_TABLE,
            ),
        },
    )


_RULE_TABLE = dg.TableSchema(
    columns=[
        dg.TableColumn("rule", "string", description="规则 code of the rule catalogue"),
        dg.TableColumn("class", "string", description="类别 what the rule looks at"),
        dg.TableColumn("severity", "string", description="级别 E blocks, W is told"),
        dg.TableColumn("passed", "int", description="通过 submissions without a finding"),
        dg.TableColumn("failed", "int", description="不通过 submissions with findings"),
        dg.TableColumn("not_run", "int", description="未运行 submissions the rule could not be run on"),
        dg.TableColumn("findings", "int", description="问题数 findings in all"),
    ]
)


_SHOWN = 500
"""Obligations that a check's table lists; the count beside it is of all."""

_STATUSES = tuple(OBLIGATION_STATES)


def obligation_check_specs() -> list[dg.AssetCheckSpec]:
    """Nobody is missing; nobody was late at the newest deadline."""
    return [
        dg.AssetCheckSpec(
            "no_missing_filings",
            asset=OBLIGATIONS,
            description="缺报: obligations past their deadline without a filing in force",
        ),
        dg.AssetCheckSpec(
            "no_late_filings",
            asset=OBLIGATIONS,
            description="迟报: obligations of the newest deadline that were met after it",
        ),
    ]


def obligation_check_results(summary: ObligationsSummary) -> Iterator[dg.AssetCheckResult]:
    """Results for the specs of :func:`obligation_check_specs`; they warn and carry who it is."""
    for name, found, told in (
        ("no_missing_filings", summary.missing, "without a filing in force"),
        ("no_late_filings", summary.late, "filed late at the newest deadline"),
    ):
        reporters = len({one.reporter_code for one in found})
        yield dg.AssetCheckResult(
            asset_key=OBLIGATIONS,
            check_name=name,
            # Without any obligation nothing was checked, which is no success.
            passed=bool(summary.periods) and not found,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"{len(found)} obligations of {reporters} reporters {told}"
            if summary.periods
            else "no obligation is known: nothing has been filed yet",
            metadata={
                "count": len(found),
                "obligations": dg.MetadataValue.table(
                    records=[_unmet_record(one) for one in found[:_SHOWN]], schema=_UNMET_TABLE
                ),
            },
        )


def board_table(summary: ObligationsSummary) -> dg.TableMetadataValue:
    """One line a period: its deadline and how many obligations have each status."""
    return dg.MetadataValue.table(
        records=[
            dg.TableRecord(
                {
                    "period": board.period,
                    "due_date": board.due_date.isoformat(),
                    **{status: board.counts.get(status, 0) for status in _STATUSES},
                }
            )
            for board in summary.periods
        ],
        schema=dg.TableSchema(
            columns=[
                dg.TableColumn("period", "string", description="报告期"),
                dg.TableColumn("due_date", "string", description="截止日"),
                *(
                    dg.TableColumn(code, "int", description=state.label_zh)
                    for code, state in OBLIGATION_STATES.items()
                ),
            ]
        ),
    )


def _unmet_record(one: UnmetObligation) -> dg.TableRecord:
    return dg.TableRecord(
        {
            "form": one.form,
            "period": one.period,
            "reporter": one.reporter_code,
            "name": one.name,
            "due_date": one.due_date.isoformat(),
            "status": one.status,
            "days_late": one.days_late or 0,
        }
    )


_UNMET_TABLE = dg.TableSchema(
    columns=[
        dg.TableColumn("form", "string", description="报表"),
        dg.TableColumn("period", "string", description="报告期"),
        dg.TableColumn("reporter", "string", description="报送机构"),
        dg.TableColumn("name", "string", description="简称"),
        dg.TableColumn("due_date", "string", description="截止日"),
        dg.TableColumn("status", "string", description="状态"),
        dg.TableColumn("days_late", "int", description="迟报天数"),
    ]
)
