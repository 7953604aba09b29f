"""Fakes of the steps and contracts in miniature: what Dagster does with them is what these tests look at."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from pipelines.contracts.model import Catalogue, Column, Form
from pipelines.orchestration.build import assemble
from pipelines.orchestration.dbt_build import ModelProject, prepare_manifest
from pipelines.orchestration.summaries import (
    FormSummary,
    ModelsSummary,
    NoticesSummary,
    ObligationsSummary,
    PeriodBoard,
    PeriodCounts,
    PullSummary,
    ReleaseSummary,
    RuleTally,
    SettleSummary,
)
from pipelines.settings import Settings
from pipelines.warehouse.schema import LEDGER_DDL


def form(
    code: str, *, frequency: str = "monthly", side: str = "insurer", deadline_days: int | None = 10
) -> Form:
    """A form with one column."""
    return Form(
        code=code,
        version="1.0.0",
        title_zh=f"{code}表",
        title_en=f"form {code}",
        table=code.lower(),
        description="one thing",
        columns=(Column("org_code", "经办机构编码", "code", required=True, length=14),),
        key=("org_code",),
        rules=(),
        frequency=frequency,  # type: ignore[arg-type]
        deadline_days=deadline_days,
        side=side,  # type: ignore[arg-type]
        obliged_classes=("P",),
        reject_above=Decimal("0.05"),
        quarantine_rows=True,
        control_totals=(),
        event_date=None,
        effective_from=date(2020, 1, 1),
    )


FORMS = (
    form("F01"),
    form("F11", frequency="quarterly", deadline_days=12),
    form("R03", frequency="event", side="supervisor", deadline_days=None),
    form("PUB", side="official", deadline_days=None),
)


DELIVERED = NoticesSummary(3, 3, 0, 0)
BOARD = ObligationsSummary(
    datetime(2025, 4, 11, 8),
    [PeriodBoard("2025-03", date(2025, 4, 10), {"filed": 7})],
)


@dataclass
class FakeSteps:
    """Steps that remember how they were called and write just enough for the small dbt project."""

    by_period: dict[str, dict[str, PeriodCounts]] = field(default_factory=dict)
    calls: list[tuple[object, ...]] = field(default_factory=list)
    submissions: int = 3
    failing: str = ""
    board: ObligationsSummary = BOARD
    notices: NoticesSummary = DELIVERED

    def pull(
        self, settings: Settings, progress: Callable[[str, int, int], None] | None = None
    ) -> PullSummary:
        self._call("pull")
        return PullSummary(new=2, seen=1, total=3)

    def load_form(
        self,
        settings: Settings,
        form: str,
        periods: Sequence[str] | None,
        progress: Callable[[str, int, int], None] | None = None,
        then: Sequence[str] = (),
    ) -> FormSummary:
        self._call("load_form", form, tuple(periods) if periods is not None else None)
        counts = {
            period: found
            for period, found in self.by_period.get(form, {}).items()
            if periods is None or period in periods
        }
        return FormSummary(
            form,
            sum(c.submissions for c in counts.values()),
            sum(c.rows_read for c in counts.values()),
            counts,
        )

    def settle(
        self, settings: Settings, progress: Callable[[str, int, int], None] | None = None
    ) -> SettleSummary:
        self._call("settle")
        settings.build_dir.mkdir(parents=True, exist_ok=True)
        with duckdb.connect(str(settings.build_database)) as con:
            con.execute(LEDGER_DDL)
            con.execute("CREATE SCHEMA IF NOT EXISTS filing")
            con.execute(
                "CREATE OR REPLACE TABLE filing.submissions AS "
                f"SELECT 'S' || n AS submission_id, 10 AS rows_accepted FROM range({self.submissions}) AS t(n)"
            )
        rules = (
            RuleTally("F01", "F01-I01", "intra", "E", passed=1, failed=1, not_run=0, findings=4),
            RuleTally("F01", "F01-X01", "cross", "E", passed=0, failed=0, not_run=2, findings=0),
            RuleTally("F11", "F11-I01", "intra", "E", passed=2, failed=0, not_run=0, findings=0),
        )
        return SettleSummary(1, 1, 0, 0, 0, findings_e=4, findings_w=0, rules=rules)

    def obligations(self, settings: Settings) -> ObligationsSummary:
        self._call("obligations")
        return self.board

    def notify(self, settings: Settings, at: datetime | None = None) -> NoticesSummary:
        self._call("notify", at)
        return self.notices

    def publish(self, settings: Settings) -> ReleaseSummary:
        self._call("publish")
        return ReleaseSummary(1, settings.releases_dir / "v1", created=True, reason="new filings")

    def _call(self, *call: object) -> None:
        self.calls.append(call)
        if self.failing == call[0]:
            raise RuntimeError("the disk is full")


class FakeBuilder:
    """Says that every selected model was built."""

    summary = ModelsSummary(models=2, tests_passed=0, tests_warned=0, rebuilt=True)

    def build(
        self,
        context: dg.AssetExecutionContext,
        project: ModelProject,
        *,
        full: bool,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> Iterator[dg.Output[None]]:
        for layer, name in (("staging", "stg_submissions"), ("kpi", "kpi_values")):
            key = dg.AssetKey([layer, name])
            yield dg.Output(None, context.assets_def.get_output_name_for_asset_key(key))


@pytest.fixture(scope="session")
def parsed_project(tmp_path_factory: pytest.TempPathFactory) -> ModelProject:
    """The small dbt project, parsed once."""
    base = tmp_path_factory.mktemp("dbt")
    shutil.copytree(Path(__file__).parent / "small_dbt", base / "project")
    project = ModelProject(base / "project", base / "work", {})
    prepare_manifest(Settings(home=base / "home"), project)
    return project


@pytest.fixture
def project(parsed_project: ModelProject, tmp_path: Path) -> ModelProject:
    """The small dbt project with a work folder of the test's own."""
    shutil.copytree(parsed_project.project_dir, tmp_path / "project")
    shutil.copytree(parsed_project.work_dir, tmp_path / "work")
    copy = ModelProject(tmp_path / "project", tmp_path / "work", {})
    shutil.copytree(
        parsed_project.parsed_dir, copy.parsed_dir
    )  # it has no seeds that dbt would read elsewhere
    return copy


@pytest.fixture
def steps() -> FakeSteps:
    """Fake steps that found something in two months, one quarter, and a month that has not ended."""
    counts = PeriodCounts(submissions=2, rows_read=20, malformed=0, readable=2)
    return FakeSteps(
        {"F01": {"2025-01": counts, "2025-02": counts, "2999-01": counts}, "F11": {"2025Q1": counts}}
    )


@pytest.fixture
def catalogue() -> Catalogue:
    """Four forms: monthly, quarterly, on event, and official figures."""
    return Catalogue({f.code: f for f in FORMS}, {}, (), "00000000000001", "ruleset")


@pytest.fixture
def make_defs(
    run_settings: Settings, project: ModelProject, steps: FakeSteps, catalogue: Catalogue
) -> Callable[..., dg.Definitions]:
    """Definitions over the fakes; further overrides by name."""

    def make(**overrides: object) -> dg.Definitions:
        resources: Mapping[str, object] = {"steps": steps, "model_builder": FakeBuilder(), **overrides}
        return assemble(run_settings, catalogue, project, resources)

    return make
