"""Publication for tests without dbt: the catalogue from its own seeds, KPI values as the test wants them."""

from __future__ import annotations

import duckdb

from pipelines.contracts.loader import default_root, load_catalogue
from pipelines.dictionary.content import read_dictionary
from pipelines.publication.release import MadeOf, Release, fingerprint, publish
from pipelines.settings import Settings
from pipelines.warehouse.connection import open_warehouse

SEEDS = default_root().parent / "dbt_project" / "seeds"


def publish_figures(settings: Settings, kpi_values: str, definition: str = "d") -> Release:
    """Publish what the build database holds with `kpi_values` (a SELECT) as its KPI values; `definition` stands for
    everything else a release is made of."""
    con = open_warehouse(settings.build_database)
    try:
        load_seeds(con)
        con.execute(f"CREATE OR REPLACE TABLE kpi.kpi_values AS {kpi_values}")
        return publish(
            con,
            read_dictionary(default_root().parent, load_catalogue()),
            settings.releases_dir,
            print_=fingerprint(con, definition),
            made_of=MadeOf(definition=definition, program="p", code_version="1", ruleset_version="r"),
        )
    finally:
        con.close()


def load_seeds(con: duckdb.DuckDBPyConnection) -> None:
    """The catalogue as dbt loads it."""
    for schema, name in (
        ("kpi", "kpi_catalogue"),
        ("kpi", "kpi_variants"),
        ("measures", "measure_catalogue"),
        ("measures", "measure_links"),
    ):
        con.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        con.execute(
            f"CREATE OR REPLACE TABLE {schema}.{name} AS FROM read_csv(?, header = true, all_varchar = true)",
            [str(SEEDS / f"{name}.csv")],
        )
