"""The dbt project as a whole: its unit tests, its public interface, its documentation, its ways to grow.

Put here: checks that span models. Do not put here: values of KPIs.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

import pytest
import yaml

from .conftest import LIFE_A, PROJECT, PROPERTY_C, Dbt

KPI_VALUES = [
    ("kpi_id", "VARCHAR"),
    ("period_type", "VARCHAR"),
    ("period", "VARCHAR"),
    ("grain", "VARCHAR"),
    ("org_code", "VARCHAR"),
    ("peer_group", "VARCHAR"),
    ("insurer_type", "VARCHAR"),
    ("dimension", "VARCHAR"),
    ("dimension_value", "VARCHAR"),
    ("numerator", "DECIMAL(38,6)"),
    ("denominator", "DECIMAL(38,6)"),
    ("value", "DECIMAL(18,2)"),
    ("unit", "VARCHAR"),
    ("base_value", "DECIMAL(38,6)"),
    ("base_period", "VARCHAR"),
    ("basis", "VARCHAR"),
    ("status", "VARCHAR"),
    ("rank", "INTEGER"),
    ("n_institutions", "INTEGER"),
]


@pytest.fixture
def changed(built: Dbt) -> Iterator[Dbt]:
    """The built bureau, to be changed by one test and put back after it."""
    kept = built.warehouse.with_suffix(".kept")
    shutil.copy(built.warehouse, kept)
    yield built
    shutil.move(kept, built.warehouse)


def test_dbt_unit_tests_pass(built: Dbt) -> None:
    result = built.invoke("test", "--select", "test_type:unit")
    failed = [f"{r.node.name}: {r.message}" for r in result.result if r.status != "pass"]
    assert result.success, failed
    assert len(result.result) >= 14


def test_public_columns_and_types_are_as_promised(built: Dbt) -> None:
    rows = built.query("DESCRIBE kpi.kpi_values")
    assert [(name, kind) for name, kind, *_ in rows] == KPI_VALUES


def test_schemas_are_the_folders(built: Dbt) -> None:
    rows = built.query(
        "SELECT DISTINCT schema_name FROM duckdb_tables() UNION SELECT schema_name FROM duckdb_views()"
    )
    made = {name for (name,) in rows} & {"staging", "intermediate", "measures", "kpi", "quality"}
    assert made == {"staging", "intermediate", "measures", "kpi", "quality"}
    assert not [name for (name,) in rows if name.startswith("main_")]


def test_recursive_models_read_no_views(built: Dbt) -> None:
    """A view is asked anew in every step, and one that aggregates kills DuckDB 1.5.5 (seen with the 23,000 lines of a
    nation's institution master, never with few)."""
    views = {name for (name,) in built.query("SELECT view_name FROM duckdb_views() WHERE NOT internal")}
    assert "stg_f01" in views
    found = {
        f"{path.name}: {name}"
        for path in (PROJECT / "models").rglob("*.sql")
        if "with recursive" in (text := path.read_text(encoding="utf-8"))
        for name in re.findall(r"ref\('(\w+)'\)", text)
        if name in views
    }
    assert found == set()


def test_every_public_column_is_described_in_both_languages() -> None:
    chinese, english = re.compile(r"[\u4e00-\u9fff]"), re.compile(r"[A-Za-z]")
    for path in sorted((PROJECT / "models" / "kpi").glob("*__models.yml")):
        for model in yaml.safe_load(path.read_text(encoding="utf-8"))["models"]:
            for thing in [model, *model["columns"]]:
                text = thing.get("description", "")
                assert chinese.search(text), f"{model['name']}.{thing['name']} has no Chinese term"
                assert english.search(text), f"{model['name']}.{thing['name']} has no English text"


def test_wide_tables_hold_every_undivided_kpi_of_their_subject(built: Dbt) -> None:
    rows = built.query("SELECT subject, kpi_id FROM kpi.kpi_catalogue WHERE dimensions LIKE '%total%'")
    for subject, kpi_id in rows:
        path = PROJECT / "models" / "kpi" / f"{subject}.sql"
        if subject != "data_quality":
            assert f"'{kpi_id}'" in path.read_text(encoding="utf-8"), f"{kpi_id} is not in {path.name}"


def test_every_variant_has_a_formula_of_its_own(built: Dbt) -> None:
    lacking = built.query(
        "SELECT kpi_id, dimension_value FROM kpi.kpi_variants"
        " WHERE coalesce(formula_zh, '') = '' OR coalesce(formula_en, '') = ''"
    )
    assert lacking == []


def test_written_lines_are_short() -> None:
    long = [
        f"{path.relative_to(PROJECT)}:{number}"
        for path in sorted(PROJECT.rglob("*"))
        if path.suffix in {".sql", ".yml", ".md"} and "target" not in path.parts
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if len(line) > 110
    ]
    assert long == []


def test_rows_in_force_are_all_accounted_for(built: Dbt) -> None:
    row = built.query(
        "SELECT n_rows_in_force - n_records - n_earlier_states - n_deleted,"
        " n_earlier_states, n_deleted, n_unattributed"
        " FROM quality.row_reconciliation WHERE form = 'F01'"
    )
    assert row == [(0, 2, 1, 0)]


def test_a_new_ratio_needs_only_a_catalogue_row(changed: Dbt) -> None:
    changed.query(
        "INSERT INTO kpi.kpi_catalogue SELECT * REPLACE ("
        " 'NEW-01' AS kpi_id, 'complaints_closed' AS numerator_measure,"
        " 'complaints_received' AS denominator_measure, 'E1|E3' AS edge_policies,"
        " NULL AS left_out_measure, 'denominator' AS small_base_on)"
        " FROM kpi.kpi_catalogue WHERE kpi_id = 'CMP-19'"
    )
    result = changed.invoke("run", "--select", "kpi_series+", "--exclude", "models/official")
    assert result.success, result.exception
    sql = (
        "SELECT numerator, denominator, value, status FROM kpi.kpi_values"
        " WHERE kpi_id = 'NEW-01' AND org_code = ? AND period = '2024-09' AND period_type = 'month'"
    )
    assert changed.query(sql, [PROPERTY_C]) == [(Decimal(46), Decimal(47), Decimal("97.87"), "OK")]


def test_growth_on_the_published_base_and_its_restatement(changed: Dbt) -> None:
    # Release 1 printed 8 for January 2023 and release 2 printed 10; now it is 8.
    for number, printed in ((1, 8), (2, 10)):
        changed.query(
            f"INSERT INTO published.kpi_values BY NAME SELECT {number} AS release_no, * REPLACE ("
            f" CASE WHEN org_code = '{LIFE_A}' AND dimension = 'total' THEN {printed} ELSE value END"
            " AS value)"
            " FROM kpi.kpi_values WHERE basis = 'current' AND period_type = 'month' AND period = '2023-01'"
        )
    result = changed.invoke("run", "--select", "kpi_base_vintage", "kpi_growth", "kpi_values")
    assert result.success, result.exception
    sql = (
        "SELECT basis, numerator, base_value, value, status FROM kpi.kpi_values WHERE kpi_id = 'CMP-03'"
        " AND dimension = 'total' AND org_code = ? AND period = '2024-01' AND period_type = 'month'"
        " ORDER BY basis"
    )
    one, eight, ten = Decimal(1), Decimal(8), Decimal(10)
    assert changed.query(sql, [LIFE_A]) == [
        ("comparable", one, eight, Decimal("-87.50"), "SMALL_BASE"),
        ("current", one, eight, Decimal("-87.50"), "SMALL_BASE|RESTATED"),
        ("published", one, ten, Decimal("-90.00"), "SMALL_BASE"),
    ]
    others = (
        "SELECT count(*) FROM kpi.kpi_values"
        " WHERE basis = 'published' AND kpi_id = 'CMP-03' AND period <> '2024-01'"
    )
    assert changed.query(others) == [(0,)]


def test_restatement_compares_with_the_latest_release_that_held_the_window(changed: Dbt) -> None:
    asked = "kpi_id = 'CMP-01' AND grain = 'bureau' AND dimension = 'total' AND basis = 'current'"
    [(now,)] = changed.query(
        f"SELECT value FROM kpi.kpi_values WHERE {asked} AND period = '2024-04' AND period_type = 'month'"
    )
    # Release 1 held April and May, release 2 May alone; a window is compared with the newest that held it.
    for number, periods, factor in ((1, "('2024-04', '2024-05')", 2), (2, "('2024-05')", 1)):
        changed.query(
            f"INSERT INTO published.kpi_values BY NAME SELECT {number} AS release_no, * REPLACE ("
            f" value * {factor} AS value) FROM kpi.kpi_values"
            f" WHERE basis = 'current' AND period_type = 'month' AND period IN {periods}"
        )
    result = changed.invoke("run", "--select", "kpi_restatement", "kpi_values")
    assert result.success, result.exception
    rows = changed.query(
        "SELECT period, numerator, denominator, value, base_value, base_period, status FROM kpi.kpi_values"
        " WHERE kpi_id = 'DQ-04' AND dimension_value = 'CMP-01' AND period_type = 'month'"
        " AND period IN ('2024-04', '2024-05', '2024-06') ORDER BY period"
    )
    april, may, june = rows
    assert april == ("2024-04", now, now * 2, Decimal("50.00"), now * 2, "2024-04", "OK")
    assert may[3:] == (Decimal("0.00"), may[2], "2024-05", "OK")
    assert june[1:] == (None, None, None, None, None, "NO_BASE")


def test_any_kpi_can_be_asked_as_known_then(changed: Dbt) -> None:
    known_at = datetime(2024, 3, 15, 12, 0)
    result = changed.invoke(
        "run", "--vars", f'{{"known_at": "{known_at}"}}', "--exclude", "models/official", "models/quality"
    )
    assert result.success, result.exception
    sql = (
        "SELECT numerator, status FROM kpi.kpi_values WHERE kpi_id = 'CMP-01' AND dimension = 'total'"
        " AND org_code = ? AND period = ? AND period_type = 'month' AND basis = 'current'"
    )
    # Not yet re-classed, not yet deleted, not yet superseded: three valid complaints of February 2024.
    assert changed.query(sql, [LIFE_A, "2024-02"]) == [(Decimal(3), "OK")]
    assert changed.query(sql, [LIFE_A, "2024-03"]) == []


def test_a_partial_build_judges_the_windows_it_counted(changed: Dbt, monkeypatch: pytest.MonkeyPatch) -> None:
    def judge() -> bool:
        return bool(
            changed.invoke("test", "--select", "kpi_values", "--exclude-resource-type", "unit_test").success
        )

    changed.query(
        "UPDATE kpi.kpi_values SET basis = 'nobody knows' "
        "WHERE kpi_id = 'CMP-01' AND period = '2023-01' AND period_type = 'month' RETURNING 1"
    )
    assert not judge()
    monkeypatch.setenv("XIAOBAO_RECOUNT", "changed")
    assert not judge()
    changed.query("UPDATE kpi.kpi_values SET basis = 'current' WHERE basis = 'nobody knows' RETURNING 1")
    changed.query("CREATE SCHEMA IF NOT EXISTS build")
    changed.query(
        "CREATE OR REPLACE TABLE build.recount AS"
        " SELECT 'int_complaint' AS fact, reporter_code AS filed_by, filing_period FROM intermediate.int_complaint"
    )
    assert changed.invoke("test", "--exclude-resource-type", "unit_test").success
    changed.query(
        "UPDATE kpi.kpi_values SET basis = 'nobody knows' "
        "WHERE kpi_id = 'CMP-01' AND period = '2023-01' AND period_type = 'month' RETURNING 1"
    )
    changed.query("DELETE FROM intermediate.int_window_changed WHERE period = '2023-01' RETURNING 1")
    assert judge()
