"""The dbt models over official figures, built on the committed filings: shares and growth under every basis.

One build of `models/official` on a database that holds nothing but `filed.pub`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from pipelines.contracts.loader import load_catalogue
from tests.oracle.pub_harness import (
    ROOT,
    SEEDS,
    committed_figures,
    findings,
    insert,
    open_tables,
    read_csv,
    warehouse,
)

pytestmark = pytest.mark.slow
BASES = ("published", "current", "comparable")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> duckdb.DuckDBPyConnection:
    """Connection to the database after one `dbt build` of the official models, with their tests."""
    return build(tmp_path_factory.mktemp("official"))


@pytest.fixture(scope="module")
def restated(tmp_path_factory: pytest.TempPathFactory) -> duckdb.DuckDBPyConnection:
    """The same, had 2021Q1 been filed again with the counts that the rates of 2021Q2 imply, on that bulletin's day."""
    return build(
        tmp_path_factory.mktemp("restated"),
        """
        INSERT INTO filed.pub
        SELECT * REPLACE (
            CASE insurer_type WHEN 'all' THEN 35764 WHEN 'property' THEN 14929 ELSE 20835 END AS value,
            'PUB-2021Q1-2' AS submission_id, submission_no + 1000 AS submission_no, '重述' AS note,
            TIMESTAMP '2021-09-23 10:00:00' AS sys_from)
        FROM filed.pub WHERE period = '2021Q1' AND table_code = 'total';
        UPDATE filed.pub SET sys_to = TIMESTAMP '2021-09-23 10:00:00'
        WHERE period = '2021Q1' AND table_code = 'total' AND submission_no < 1000""",
    )


def build(folder: Path, then: str = "") -> duckdb.DuckDBPyConnection:
    """The committed figures as filed, changed by a statement, and the official models over them."""
    database = folder / "build.duckdb"
    with duckdb.connect(str(database)) as con:
        open_tables(con)
        insert(con, "pub_self", committed_figures())
        con.execute("""
            CREATE SCHEMA filed;
            CREATE TABLE filed.pub AS
            SELECT *, concat('PUB-', filing_period) AS submission_id, updated_at AS sys_from, NULL::TIMESTAMP AS sys_to
            FROM pub_self""")
        if then:
            con.execute(then)
    done = subprocess.run(
        [
            sys.executable, "-m", "dbt.cli.main", "--no-use-colors", "build",
            "--select", "path:models/official", "path:seeds/official",
            "--project-dir", "dbt_project", "--profiles-dir", "dbt_project",
            "--target-path", str(folder / "target"), "--log-path", str(folder / "logs"),
        ],
        cwd=ROOT, env={**os.environ, "XIAOBAO_WAREHOUSE": str(database)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return duckdb.connect(str(database), read_only=True)


def rows(con: duckdb.DuckDBPyConnection, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    return con.execute(sql, list(values)).fetchall()


def test_every_share_has_a_base_and_matches(built: duckdb.DuckDBPyConnection) -> None:
    printed = sum(row["share_pct"] != "" for row in committed_figures())
    assert rows(built, "SELECT status, matches, count(*) FROM kpi.official_shares GROUP BY ALL") == [
        ("OK", True, printed)
    ]
    origins = dict(rows(built, "SELECT base_origin, count(*) FROM kpi.official_shares GROUP BY ALL"))
    assert origins == {"printed": printed - 36, "fitted": 31, "parts": 4, "quarters": 1}


def test_totals_outside_the_printed_lists_are_fitted_uniquely(built: duckdb.DuckDBPyConnection) -> None:
    """All 20 of them (AGG-A10): a count and a share of the own total give that total away."""
    fitted = rows(
        built,
        "SELECT DISTINCT period, company, base_low, base_high FROM kpi.official_shares WHERE base_origin = 'fitted'",
    )
    assert len(fitted) == 20
    assert all(low == high for _, _, low, high in fitted)
    assert {("2022Q3", "阳光信保", 18), ("2022Q3", "永安财险", 169), ("2022Q3", "人民健康", 425)} <= {
        (period, company, low) for period, company, low, _ in fitted
    }


def test_every_growth_rate_stands_under_every_basis(built: duckdb.DuckDBPyConnection) -> None:
    printed = sum(row["growth_pct"] != "" for row in committed_figures())
    status = Counter(
        {
            (basis, flag): count
            for basis, flag, count in rows(
                built, "SELECT basis, status, count(*) FROM kpi.official_growth GROUP BY ALL"
            )
        }
    )
    for basis in BASES:
        assert {flag: count for (name, flag), count in status.items() if name == basis} == {
            "OK": 57, "RESTATED": 5, "EXPLAINED": 1, "NO_BASE": printed - 63,
        }  # fmt: skip
    assert {flag: count for (name, flag), count in status.items() if name == "implied"} == {
        "OK": printed - 2, "SMALL_BASE": 2,
    }  # fmt: skip


def test_models_and_rules_agree_on_what_does_not_reproduce(built: duckdb.DuckDBPyConnection) -> None:
    told = {
        (finding.figure_id, finding.value, finding.expected) for finding in findings(warehouse(), "AGG-A04")
    }
    modelled = rows(
        built,
        """
        SELECT figure_id, printed_pct::DECIMAL(9, 2)::VARCHAR, recomputed_pct::DECIMAL(9, 2)::VARCHAR
        FROM kpi.official_growth WHERE basis = 'published' AND status NOT IN ('OK', 'NO_BASE')""",
    )
    assert set(modelled) == told
    seed = read_csv(SEEDS / "official_explained_failures.csv")
    assert {figure_id for figure_id, *_ in modelled} == {
        row["figure_id"] for row in seed if row["rule_code"] == "AGG-A04"
    }


@pytest.mark.parametrize(
    ("figure_id", "published", "implied"),
    [
        ("2021Q2|全国|total|all|-|-|件", 37892, 35764),
        ("2021Q2|全国|total|property|-|-|件", 15539, 14929),
        ("2021Q2|全国|total|life|-|-|件", 22353, 20835),
        ("2021Q3|全国|total|all|-|-|件", 36754, 34346),
        ("2013H1|全国|total|all|-|-|个", 6651, 6752),
        ("2017|全国|internet|all|合计|-|件", 1721, 2639),
    ],
)
def test_a_restated_base_is_shown_beside_the_published_one(
    built: duckdb.DuckDBPyConnection, figure_id: str, published: int, implied: int
) -> None:
    found = rows(
        built,
        "SELECT basis, base_value, base_low, base_high, explanation_zh FROM kpi.official_growth WHERE figure_id = ?",
        figure_id,
    )
    by_basis = {basis: (value, low, high, reason) for basis, value, low, high, reason in found}
    assert by_basis["published"][:3] == (published, published, published)
    assert by_basis["published"][3]
    value, low, high, _ = by_basis["implied"]
    assert value == implied
    assert low <= value <= high
    assert not low <= published <= high


def test_a_restatement_moves_the_current_rate_and_never_the_published_one(
    restated: duckdb.DuckDBPyConnection,
) -> None:
    """24.05 on the base of May, 31.43 on the restated one; companies keep the base of May on every basis."""
    found = rows(
        restated,
        """
        SELECT insurer_type, basis, base_value::INTEGER, recomputed_pct::DECIMAL(9, 2)::VARCHAR, base_submission_id
        FROM kpi.official_growth
        WHERE period = '2021Q2' AND table_code = 'total' AND basis IN ('published', 'current', 'comparable')
        ORDER BY ALL""",
    )
    assert {(kind, basis): told for kind, basis, *told in found} == {
        ("all", "published"): [37892, "24.05", "PUB-2021Q1"],
        ("all", "current"): [35764, "31.43", "PUB-2021Q1-2"],
        ("all", "comparable"): [35764, "31.43", "PUB-2021Q1-2"],
        ("property", "published"): [15539, "26.41", "PUB-2021Q1"],
        ("property", "current"): [14929, "31.58", "PUB-2021Q1-2"],
        ("property", "comparable"): [14929, "31.58", "PUB-2021Q1-2"],
        ("life", "published"): [22353, "22.41", "PUB-2021Q1"],
        ("life", "current"): [20835, "31.33", "PUB-2021Q1-2"],
        ("life", "comparable"): [20835, "31.33", "PUB-2021Q1-2"],
    }
    companies = rows(
        restated,
        """
        SELECT basis, status, count(*) FROM kpi.official_growth
        WHERE period = '2021Q2' AND table_code = 'count' AND basis IN ('published', 'current')
            AND base_value IS NOT NULL
        GROUP BY ALL ORDER BY ALL""",
    )
    assert companies == [("current", "OK", 13), ("published", "OK", 13)]


def test_a_base_names_the_document_that_printed_it(built: duckdb.DuckDBPyConnection) -> None:
    assert rows(
        built,
        """
        SELECT base_period, base_vintage FROM kpi.official_growth
        WHERE figure_id = '2021Q2|全国|count|life|-|平安人寿|件' AND basis = 'published'""",
    ) == [("2021Q1", "银保监消保发〔2021〕9号")]
    (unnamed,) = rows(
        built,
        "SELECT count(*) FROM kpi.official_growth WHERE base_value IS NOT NULL AND basis <> 'implied' "
        "AND (base_vintage IS NULL OR base_submission_id IS NULL)",
    )
    assert unnamed == (0,)


def test_the_source_lists_the_contract_columns() -> None:
    text = (ROOT / "dbt_project" / "models" / "official" / "_official__sources.yml").read_text(
        encoding="utf-8"
    )
    (source,) = yaml.safe_load(text)["sources"]
    (pub,) = source["tables"]
    listed = [(column["name"], column["data_type"]) for column in pub["columns"]]
    contract = [(column.name, column.duckdb_type) for column in load_catalogue().forms["PUB"].columns]
    assert listed[: len(contract)] == contract
