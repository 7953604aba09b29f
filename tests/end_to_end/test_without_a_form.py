"""The whole pipeline in a project folder from which a form's contract has been taken away."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipelines.contracts.loader import load_catalogue
from pipelines.orchestration import steps
from pipelines.orchestration.absent import absent_forms
from pipelines.orchestration.moments import build_models
from pipelines.settings import Settings, project_root
from pipelines.warehouse.connection import open_readonly
from tests.support.desk import OTHER, REPORTER, Desk, row

pytestmark = [pytest.mark.slow, pytest.mark.end_to_end]


def test_without_the_first_inquiry_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without F02 complaints are received, judged and counted; what needs F02 is not run or has no figure."""
    project = tmp_path / "project"
    for name in ("expectations", "dbt_project", "data"):
        ignored = shutil.ignore_patterns("target", "logs", "dbt_packages")
        shutil.copytree(project_root() / name, project / name, ignore=ignored)
    next((project / "expectations").glob("f02_*.odcs.yaml")).unlink()
    monkeypatch.setenv("XIAOBAO_PROJECT", str(project))
    settings = Settings(home=tmp_path / "home", inbox=(tmp_path / "inbox").as_uri(), threads=2)
    [absent] = absent_forms(project, load_catalogue())
    assert absent.form == "F02"

    desk = Desk(settings)
    desk.register()
    submission = ""
    for reporter in (REPORTER, OTHER):
        fixed = {"reporter_code": reporter, "org_code": reporter}
        submission = desk.file("F01", [row("F01", n, **fixed) for n in range(3)], reporter=reporter)
    desk.file("F03", [], period="2024-03", signed_at="2024-04-20T10:00:00")
    desk.run()
    verdicts = desk.ask(
        "SELECT rule_code, reason, reason_zh FROM filing.verdicts WHERE submission_id = ? AND verdict = 'not_run' "
        "AND reason LIKE '%no contract defines form F02'",
        submission,
    )
    assert {line["rule_code"] for line in verdicts} == {"F01-X03"} == set(absent.rules)
    assert {line["reason_zh"] for line in verdicts} == {"报表 F02 没有合同"}
    assert desk.state(submission) == "accepted"

    build_models(settings, settings)
    release = steps.publish(settings)
    with open_readonly(release.path / "warehouse.duckdb") as con:
        [(complaints,)] = con.execute(
            "SELECT value FROM kpi.kpi_values WHERE kpi_id = 'CMP-01' AND period = '2024-03' AND period_type = 'month' "
            "AND grain = 'bureau' AND dimension = 'total'"
        ).fetchall()
        counted = {kpi for (kpi,) in con.execute("SELECT DISTINCT kpi_id FROM kpi.kpi_values").fetchall()}
    assert complaints == 6
    assert {"CMP-01", "DQ-01"} <= counted
    assert not counted & set(absent.kpis)
