"""The sample bureau through the command line: every planted finding and every KPI value, exactly.

The answer keys come from the generator: findings from what it planted, KPI values from the clean truth by a separate
route. Two bureaus are compared in the same tests: a small one in every run, large enough that every rule and every KPI
occurs and months have a year before them; and the city bureau (41 insurers, 24 months) that `make run` shows, whose
size proves nothing more and which is therefore asked for by `make test-city`.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from pipelines.contracts.loader import load_catalogue
from pipelines.warehouse.connection import open_readonly

pytestmark = [pytest.mark.slow, pytest.mark.end_to_end]

KEY = "kpi_id, period_type, period, grain, org_code, peer_group, insurer_type, dimension, dimension_value, basis"


def xiaobao(home: Path, inbox: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.cli", *arguments],
        env=os.environ | {"XIAOBAO_HOME": str(home), "XIAOBAO_INBOX": inbox.as_uri()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


#: Fifteen months give the last three and a quarter their growth over a year; twelve insurers fill every class and rank.
SMALL = ("--insurers", "12", "--months", "15", "--scale", "0.4")


@pytest.fixture(
    scope="module",
    params=[pytest.param(SMALL, id="small"), pytest.param((), id="city", marks=pytest.mark.city)],
)
def bureau(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with `inbox/`, `answers/` and `home/` of a bureau whose first release is out."""
    folder = tmp_path_factory.mktemp("bureau")
    xiaobao(folder / "home", folder / "inbox", "sample", "--out", str(folder), *request.param)
    xiaobao(folder / "home", folder / "inbox", "run")
    return folder


@pytest.fixture(scope="module")
def release(bureau: Path) -> Path:
    return (bureau / "home" / "releases" / "current").resolve()


def differences(release: Path, expected: str, found: str) -> tuple[list[object], list[object]]:
    """Rows expected and not found, and rows found and not expected (ten of each)."""
    con = duckdb.connect()
    con.execute(f"ATTACH '{release / 'warehouse.duckdb'}' AS r (READ_ONLY)")
    con.execute(f"CREATE TABLE expected AS {expected}")
    con.execute(f"CREATE TABLE found AS {found}")
    sides = [
        con.execute(f"SELECT * FROM (FROM {a} EXCEPT ALL FROM {b}) LIMIT 10").fetchall()
        for a, b in (("expected", "found"), ("found", "expected"))
    ]
    con.close()
    return sides[0], sides[1]


def test_findings_equal_the_planted_ones(bureau: Path, release: Path) -> None:
    key = bureau / "answers" / "findings.csv"
    missed, invented = differences(
        release,
        """SELECT submission, nullif("row", '')::INTEGER AS row_no, nullif("column", '') AS column_name, rule_code """
        f"FROM read_csv('{key}', all_varchar = true)",
        "SELECT submission_id, row_no::INTEGER, column_name, rule_code FROM r.filing.findings "
        "WHERE form IS DISTINCT FROM 'PUB'",
    )
    assert (missed, invented) == ([], [])


def test_kpi_values_equal_the_independent_ones(bureau: Path, release: Path) -> None:
    columns = [name.strip() for name in KEY.split(",")]
    texts = ", ".join(f"nullif({name}, '') AS {name}" for name in columns)
    missed, invented = differences(
        release,
        f"SELECT {texts}, nullif(numerator, '')::DECIMAL(38, 6) AS numerator, "
        "nullif(denominator, '')::DECIMAL(38, 6) AS denominator, nullif(value, '')::DECIMAL(18, 2) AS value, status "
        f"FROM read_csv('{bureau / 'answers' / 'kpi_values.csv'}', all_varchar = true)",
        f"SELECT {KEY}, numerator, denominator, value, status FROM r.kpi.kpi_values",
    )
    assert (missed, invented) == ([], [])


def test_states_and_accounts_equal_the_expected_ones(bureau: Path, release: Path) -> None:
    key = bureau / "answers" / "submissions.csv"
    missed, invented = differences(
        release,
        "SELECT submission, state, rows_in_force::BIGINT, times_received::BIGINT, nullif(nil_streak, '')::INTEGER "
        f"FROM read_csv('{key}', all_varchar = true)",
        "SELECT submission_id, state, rows_in_force, times_received, nil_streak FROM r.filing.submissions "
        "WHERE form IS DISTINCT FROM 'PUB'",
    )
    assert (missed, invented) == ([], [])


def test_obligations_stand_as_expected(bureau: Path, release: Path) -> None:
    key = bureau / "answers" / "obligations.csv"
    missed, invented = differences(
        release,
        "SELECT form, period, reporter, due_date::DATE, status, nullif(submission, '') "
        f"FROM read_csv('{key}', all_varchar = true)",
        "SELECT form, period, reporter_code, due_date, status, submission_id FROM r.filing.obligations "
        "WHERE status <> 'pending'",
    )
    assert (missed, invented) == ([], [])
    con = duckdb.connect()
    found = con.execute(f"SELECT DISTINCT status FROM '{key}'").fetchall()
    assert {status for (status,) in found} == {"filed", "late", "rejected", "withdrawn", "draft", "missing"}


def test_every_row_read_is_accounted_for(release: Path) -> None:
    con = open_readonly(release / "warehouse.duckdb")
    wrong = con.execute(
        "SELECT submission_id FROM filing.submissions "
        "WHERE rows_read <> rows_accepted + rows_quarantined + rows_rejected"
    ).fetchall()
    con.close()
    assert wrong == []


def test_every_rule_of_the_issue_fires_or_says_why_not(release: Path) -> None:
    con = open_readonly(release / "warehouse.duckdb")
    fired = {row[0] for row in con.execute("SELECT DISTINCT rule_code FROM filing.findings").fetchall()}
    silent = {
        row[0]
        for row in con.execute(
            "SELECT DISTINCT rule_code FROM filing.verdicts WHERE verdict = 'not_run' AND reason IS NOT NULL"
        ).fetchall()
    }
    filed = {row[0] for row in con.execute("SELECT DISTINCT form FROM filing.submissions").fetchall()}
    con.close()
    catalogue = load_catalogue()
    codes = {
        rule.code
        for form in catalogue.forms.values()
        if form.code in filed
        for rule in catalogue.rules_for(form)
    }
    # official figures have no planted defects: their rules that hold are proved in tests/oracle; nobody keeps the
    # register of appeals here, and nothing was published before these filings
    unrun = {"F04-U01", "F01-X02", "F01-P03", "AGG-A10"}
    assert codes - fired - {"AGG-A01", "AGG-A02", "AGG-A03", "AGG-A06"} == unrun
    assert unrun <= silent


def test_every_kpi_of_the_catalogue_has_values(release: Path) -> None:
    con = open_readonly(release / "warehouse.duckdb")
    without = con.execute(
        "SELECT kpi_id FROM kpi.kpi_catalogue WHERE kpi_id NOT IN (SELECT kpi_id FROM kpi.kpi_values)"
    ).fetchall()
    # a value, or a status that says why there is none
    silent = con.execute(
        "SELECT DISTINCT kpi_id FROM kpi.kpi_values WHERE value IS NULL AND status = 'OK' OR status IS NULL"
    ).fetchall()
    valued = {
        row[0]
        for row in con.execute(
            "SELECT DISTINCT kpi_id FROM kpi.kpi_values WHERE value IS NOT NULL"
        ).fetchall()
    }
    known = {row[0] for row in con.execute("SELECT kpi_id FROM kpi.kpi_catalogue").fetchall()}
    con.close()
    assert (without, silent) == ([], [])
    # only what compares with an earlier release has no value in the first one
    assert known - valued == {"DQ-04"}


def test_every_kpi_of_the_domain_is_in_the_release(release: Path) -> None:
    path = Path(__file__).parents[1] / "contract" / "domain" / "kpis.csv"
    with path.open(encoding="utf-8", newline="") as lines:
        wanted = {row["kpi"] for row in csv.DictReader(lines)}
    con = open_readonly(release / "warehouse.duckdb")
    here = {row[0] for row in con.execute("SELECT DISTINCT kpi_id FROM kpi.kpi_values").fetchall()}
    con.close()
    assert sorted(wanted - here) == []


def test_a_second_run_does_nothing_twice_and_says_so(bureau: Path, release: Path) -> None:
    said = xiaobao(bureau / "home", bureau / "inbox", "run")
    assert "Nothing new since release v1: nothing was done twice" in said
    assert (bureau / "home" / "releases" / "current").resolve() == release
    assert [path.name for path in sorted((bureau / "home" / "releases").glob("v*"))] == ["v1"]


def test_the_wide_views_repeat_the_values(release: Path) -> None:
    con = open_readonly(release / "warehouse.duckdb")
    for view in ("complaints", "first_inquiry", "mediation", "call_back", "risk_screening"):
        assert con.execute(f"SELECT count(*) > 0 FROM kpi.{view}").fetchone() == (True,)
    con.close()
