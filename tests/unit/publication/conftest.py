"""A build database with a filing and a small KPI table, so that publication can be tested without dbt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from pipelines.contracts.loader import default_root, load_catalogue
from pipelines.publication.release import MadeOf, Release, fingerprint, publish
from pipelines.settings import Settings
from pipelines.warehouse.connection import open_warehouse
from tests.support.desk import Desk, row

KPI_VALUES = """
CREATE OR REPLACE TABLE kpi.kpi_values AS
SELECT 'CMP-01' AS kpi_id, 'month' AS period_type, '2024-03' AS period, 'bureau' AS grain, NULL::VARCHAR AS org_code,
    NULL::VARCHAR AS peer_group, NULL::VARCHAR AS insurer_type, 'line_code' AS dimension,
    (i - {first})::VARCHAR AS dimension_value,
    i::DECIMAL(38, 6) AS numerator, NULL::DECIMAL(38, 6) AS denominator, i::DECIMAL(18, 2) AS value, '件' AS unit,
    NULL::DECIMAL(38, 6) AS base_value, NULL::VARCHAR AS base_period, 'current' AS basis, 'OK' AS status,
    NULL::INTEGER AS rank, 1::INTEGER AS n_institutions
FROM range({first}, {first} + 1000) AS r(i)
"""

SEEDS = default_root().parent / "dbt_project" / "seeds"


@pytest.fixture
def desk(run_settings: Settings) -> Desk:
    desk = Desk(run_settings)
    desk.register()
    desk.file("F05", [row("F05", org_code="00012343090100")])
    desk.run()
    return desk


@pytest.fixture
def release(desk: Desk) -> Callable[..., Release]:
    """Publish with KPI values starting at `first`; `definition` stands for everything else a release is made of."""

    def make(first: int = 0, definition: str = "d") -> Release:
        con = open_warehouse(desk.settings.build_database)
        try:
            con.execute("CREATE SCHEMA IF NOT EXISTS kpi")
            con.execute(KPI_VALUES.format(first=first))
            load_seeds(con)
            return publish(
                con,
                load_catalogue(),
                releases_dir(desk),
                print_=fingerprint(con, definition),
                made_of=MadeOf(definition=definition, program="p", code_version="1", ruleset_version="r"),
            )
        finally:
            con.close()

    return make


def load_seeds(con: duckdb.DuckDBPyConnection) -> None:
    """The catalogue as dbt loads it, from its own seeds."""
    for schema, name in (
        ("kpi", "kpi_catalogue"),
        ("intermediate", "kpi_variants"),
        ("measures", "measure_catalogue"),
        ("measures", "measure_links"),
    ):
        con.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        con.execute(
            f"CREATE OR REPLACE TABLE {schema}.{name} AS FROM read_csv(?, header = true, all_varchar = true)",
            [str(SEEDS / f"{name}.csv")],
        )


def releases_dir(desk: Desk) -> Path:
    return desk.settings.releases_dir
