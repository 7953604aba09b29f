"""Every count and ratio of a release goes down to filed rows: `explain --rows` names rows whose sum is the printed one.

One small sample bureau; of every KPI and every division of it the largest cell is explained.
"""

from __future__ import annotations

import os
import subprocess
import sys
from decimal import Decimal
from typing import Any

import pytest

from pipelines.contracts.loader import load_catalogue
from pipelines.orchestration.moments import as_released
from pipelines.publication.explanation import GROUP_COLUMNS, CellKey, Explainer
from pipelines.settings import Settings

pytestmark = [pytest.mark.slow, pytest.mark.end_to_end]

#: KPIs about filing itself: their facts are obligations, which have a filing and no row of it.
ABOUT_FILING = {"DQ-01", "DQ-02", "DQ-03"}


#: Nobody here refuses mediation without a reason, and half a year holds no whole year that could be evaluated (R08).
ALWAYS_ZERO = {"MED-06", "EVA-01"}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A bureau of six insurers and six months whose first release is out."""
    folder = tmp_path_factory.mktemp("explained")
    made = Settings(home=folder / "home", inbox=(folder / "inbox").as_uri(), threads=2)
    env = os.environ | {"XIAOBAO_HOME": str(made.home), "XIAOBAO_INBOX": made.inbox}
    size = ("--insurers", "6", "--months", "6", "--scale", "0.2")
    for arguments in (("sample", "--out", str(folder), *size), ("run",)):
        done = subprocess.run(
            [sys.executable, "-m", "pipelines.cli", *arguments],
            env=env, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
    return made


def largest_cells(con: Any) -> list[tuple[CellKey, Decimal]]:
    """Of every count and ratio and every division of it the cell with the largest numerator that is not zero: of the
    bureau, or where it has none of another group; undivided figures of an insurer besides."""
    found = con.execute(
        """
        SELECT v.kpi_id, v.period_type, v.period, v.grain, v.org_code, v.insurer_type, v.peer_group, v.dimension,
            v.dimension_value, v.numerator
        FROM kpi.kpi_values AS v
        JOIN intermediate.kpi_series AS s ON s.kpi_id = v.kpi_id AND s.dimension = v.dimension
            AND coalesce(s.dimension_value, v.dimension_value) = v.dimension_value
        WHERE s.kind IN ('count', 'ratio') AND v.basis = 'current' AND v.numerator <> 0
        QUALIFY row_number() OVER (
            PARTITION BY v.kpi_id, v.dimension, coalesce(s.dimension_value, ''),
                v.dimension = 'total' AND v.grain = 'insurer'
            ORDER BY v.grain = 'bureau' DESC, abs(v.numerator) DESC, v.period_type, v.period,
                v.org_code, v.insurer_type, v.peer_group, v.dimension_value) = 1
        ORDER BY ALL"""
    ).fetchall()
    cells = []
    for kpi, period_type, period, grain, org, insurer_type, peer_group, dimension, value, numerator in found:
        groups = {"org_code": org, "insurer_type": insurer_type, "peer_group": peer_group}
        group = groups[GROUP_COLUMNS[grain]] if grain in GROUP_COLUMNS else None
        cells.append(
            (CellKey(kpi, period_type, period, grain, group, dimension, value, "current"), numerator)
        )
    return cells


def test_every_figure_goes_down_to_its_filed_rows(settings: Settings) -> None:
    con = as_released(settings, settings.current_release.resolve(), lambda _: None).open()
    try:
        explainer = Explainer(con, load_catalogue(), settings.project_dir / "dbt_project")
        cells = largest_cells(con)
        kinds = dict(con.execute("SELECT kpi_id, kind FROM kpi.kpi_catalogue").fetchall())
        wrong = []
        for key, numerator in cells:
            told = explainer.explain(key, rows=True, most=10**6)
            [part] = [part for part in told.parts if part.role == "numerator"]
            addressed = all(
                row.submission_id is not None and (row.row_no is not None or key.kpi_id in ABOUT_FILING)
                for row in part.rows
            )
            sums = (
                part.amount,
                sum(row.amount for row in part.rows),
                sum(one.amount for one in part.filings),
            )
            if set(sums) != {numerator} or part.agrees is False or not addressed:
                wrong.append((key, numerator, sums, addressed))
    finally:
        con.close()
    assert wrong == []
    silent = {kpi for kpi, kind in kinds.items() if kind in ("count", "ratio")} - {
        key.kpi_id for key, _ in cells
    }
    assert silent <= ALWAYS_ZERO
