"""Every count and ratio of a release goes down to filed rows: `explain --rows` names rows whose sum is the printed one.

One small sample bureau; of every KPI and every division of it the largest cell is explained. What is no sum has the
values it is read off, or what it compares; every KPI of the catalogue is asked.
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
from pipelines.publication.explanation import GROUP_COLUMNS, CellKey, Explainer, Explanation
from pipelines.settings import Settings

pytestmark = [pytest.mark.slow, pytest.mark.end_to_end]

#: KPIs about filing itself: their facts are obligations, which have a filing and no row of it.
ABOUT_FILING = {"DQ-01", "DQ-02", "DQ-03"}


#: Half a year holds no whole year that could be evaluated (R08).
ALWAYS_ZERO = {"EVA-01"}


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


def one_cell_of_each(con: Any) -> list[tuple[CellKey, str]]:
    """Of every KPI, kind, division and statistic the cell with the largest value, and its status."""
    found = con.execute(
        """
        SELECT v.kpi_id, v.period_type, v.period, v.grain, coalesce(v.org_code, v.peer_group, v.insurer_type),
            v.dimension, v.dimension_value, v.basis, v.status
        FROM (SELECT * REPLACE (CASE WHEN grain = 'insurer' THEN NULL ELSE peer_group END AS peer_group)
            FROM kpi.kpi_values) AS v
        JOIN intermediate.kpi_series AS s ON s.kpi_id = v.kpi_id AND s.dimension = v.dimension
            AND coalesce(s.dimension_value, v.dimension_value) = v.dimension_value
        WHERE v.basis = 'current'
        QUALIFY row_number() OVER (
            PARTITION BY v.kpi_id, v.dimension, s.kind,
                CASE WHEN s.kind IN ('rate_median', 'case_median', 'spread') THEN v.dimension_value END
            ORDER BY v.value IS NULL, v.grain = 'bureau' DESC, abs(v.value) DESC, v.period_type, v.period,
                v.grain, v.org_code, v.dimension_value) = 1
        ORDER BY ALL"""
    ).fetchall()
    return [(CellKey(*row[:8]), row[8]) for row in found]


def faults(told: Explanation, status: str) -> list[str]:
    """What an explanation of a cell lacks."""
    found = []
    if not told.parts:
        found.append("no parts")
    for part in told.parts:
        if part.agrees is False:
            found.append(f"{part.role} {part.amount} is not the printed {part.printed}")
        if part.amount and not part.filings:
            found.append(f"{part.role} has no filings")
    if told.cell["value"] is not None and not any(part.filings for part in told.parts):
        found.append("a value without a filing behind it")
    if told.cell["value"] is None and status in ("", "OK"):
        found.append("no value, and no reason")
    if told.statistic and not told.statistic.agrees:
        found.append(f"the values give {told.statistic.value}")
    return found


@pytest.fixture(scope="module")
def explainer(settings: Settings) -> Any:
    """Asks the first release."""
    con = as_released(settings, settings.current_release.resolve(), lambda _: None).open()
    yield Explainer(con, load_catalogue(), settings.project_dir / "dbt_project", 1), con
    con.close()


def test_every_kpi_of_the_catalogue_has_parts_or_a_reason(explainer: Any) -> None:
    asked, con = explainer
    cells = one_cell_of_each(con)
    wrong = {key: found for key, status in cells if (found := faults(asked.explain(key), status))}
    assert wrong == {}
    catalogue = {kpi for (kpi,) in con.execute("SELECT kpi_id FROM kpi.kpi_catalogue").fetchall()}
    windows = {
        kind for (kind,) in con.execute("SELECT DISTINCT period_type FROM intermediate.int_window").fetchall()
    }
    silent = catalogue - {key.kpi_id for key, _ in cells}
    # Without a cell is only what is counted by windows that half a year does not hold.
    for kpi in silent:
        [(types,)] = con.execute(
            "SELECT period_types FROM kpi.kpi_catalogue WHERE kpi_id = ?", [kpi]
        ).fetchall()
        assert not windows & set(types.split("|")), kpi


def test_a_median_of_rates_names_every_institution_and_who_is_left_out(explainer: Any) -> None:
    asked, con = explainer
    found = con.execute(
        """
        SELECT a.period_type, a.period, a.value, a.denominator, b.value, b.denominator
        FROM kpi.kpi_values AS a JOIN kpi.kpi_values AS b USING (kpi_id, grain, period_type, period)
        WHERE kpi_id = 'CMP-09' AND grain = 'bureau' AND a.dimension_value = 'CMP-06.incl_zero'
            AND b.dimension_value = 'CMP-06.excl_zero' AND a.denominator > b.denominator
        ORDER BY ALL LIMIT 1"""
    ).fetchone()
    assert found, "no window in which an institution had no complaint"
    for population, value, used in (("incl_zero", found[2], found[3]), ("excl_zero", found[4], found[5])):
        key = CellKey("CMP-09", found[0], found[1], "bureau", None, "rate", f"CMP-06.{population}", "current")
        told = asked.explain(key)
        assert (told.statistic.value, told.statistic.n_values, told.statistic.agrees) == (value, used, True)
        assert {one.org_code for one in told.statistic.observations} == {
            one["org_code"] for one in told.members
        }
        without = [one for one in told.statistic.observations if one.numerator == 0]
        assert without
        assert all(one.is_used == (population == "incl_zero") for one in without)
        assert all(one.why_not for one in told.statistic.observations if not one.is_used)


def test_a_median_over_cases_counts_every_case_down_to_its_row(explainer: Any) -> None:
    asked, con = explainer
    [(value, n_cases)] = con.execute(
        "SELECT value, denominator FROM kpi.kpi_values WHERE kpi_id = 'CMP-18' AND dimension_value = 'median' "
        "AND period = '2024H1' AND grain = 'bureau'"
    ).fetchall()
    told = asked.explain(
        CellKey("CMP-18", "half_year", "2024H1", "bureau", None, "statistic", "median", "current"), rows=True
    )
    assert (told.statistic.value, told.statistic.n_values) == (value, n_cases)
    [observed] = [part for part in told.parts if part.role == "observed"]
    assert observed.n_rows == len(observed.rows) == n_cases
    assert sum(one.denominator for one in told.statistic.observations if one.is_used) == n_cases


@pytest.mark.parametrize("kpi_id", ["DQ-01", "DQ-02", "DQ-03"])
def test_a_kpi_about_filing_names_obligations_and_the_errors_in_them(explainer: Any, kpi_id: str) -> None:
    asked, con = explainer
    told = asked.explain(
        CellKey(kpi_id, "half_year", "2024H1", "bureau", None, "form", "F05", "current"),
        rows=True,
        most=10**6,
    )
    parts = {part.role: part for part in told.parts}
    rows = parts["denominator"].rows
    assert len(rows) == told.cell["denominator"]
    assert all(row.key.startswith("F05 2024-0") and "截止 due 2024-" in row.note for row in rows)
    if (
        kpi_id == "DQ-02"
    ):  # first versions are named, and those that did not pass have an error with its place
        assert {row.submission_id[-3:] for row in rows} == {"001"}
        failed = {row.submission_id for row in rows} - {row.submission_id for row in parts["numerator"].rows}
        assert failed
        assert failed <= {error.submission_id for error in told.errors}
    assert all(error.message_zh and error.message_en for error in told.errors)
    expected = con.execute(
        "SELECT count(*) FROM filing.findings WHERE severity = 'E' AND form = 'F05' AND period LIKE '2024-0%' "
        "AND list_contains(?, concat_ws(' ', form, period, reporter_code))", [[row.key for row in rows]],
    ).fetchone()  # fmt: skip
    assert len(told.errors) == expected[0] > 0


def test_an_agreement_shows_every_published_figure_beside_the_filed_one(explainer: Any) -> None:
    asked, _ = explainer
    told = asked.explain(
        CellKey("DQ-05", "half_year", "2024H1", "bureau", None, "total", "total", "current"), rows=True
    )
    verdicts = [one.verdict for one in told.comparisons]
    assert verdicts.count("EQUAL") == told.cell["numerator"]
    assert verdicts.count("EQUAL") + verdicts.count("UNEQUAL") == told.cell["denominator"]
    assert "UNEQUAL" in verdicts
    assert all((one.reason is not None) == (one.verdict == "NOT_COMPARED") for one in told.comparisons)
    assert [len(part.rows) for part in told.parts] == [part.amount for part in told.parts]


def test_a_restatement_without_an_earlier_release_says_so(explainer: Any) -> None:
    asked, _ = explainer
    told = asked.explain(CellKey("DQ-04", "half_year", "2024H1", "bureau", None, "kpi", "CMP-06", "current"))
    assert told.cell["status"] == "NO_BASE"
    assert told.base["release"] is None
    assert told.figure.cell["kpi_id"] == "CMP-06"
    assert told.later == []
