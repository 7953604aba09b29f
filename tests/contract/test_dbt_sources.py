"""dbt's sources and the contracts name the same columns: a contract that changes shows here, not in a figure."""

from __future__ import annotations

import pytest
import yaml

from pipelines.contracts.loader import load_catalogue
from pipelines.settings import project_root

#: Columns that the `filed` views add to the contract's own.
IDENTITY = {
    "submission_id",
    "submission_no",
    "row_no",
    "filing_period",
    "filing_reporter",
    "sys_from",
    "sys_to",
}


def source_tables() -> dict[str, dict[str, str]]:
    """Table -> column -> SQL type of the dbt source `filed`."""
    found: dict[str, dict[str, str]] = {}
    for path in (project_root() / "dbt_project" / "models").rglob("*sources.yml"):
        for source in yaml.safe_load(path.read_text(encoding="utf-8")).get("sources", []):
            if source.get("schema", source["name"]) == "filed":
                for table in source["tables"]:
                    found[table["name"]] = {
                        column["name"]: column.get("data_type", "").replace(" ", "")
                        for column in table["columns"]
                    }
    return found


@pytest.mark.parametrize("table", sorted(source_tables()))
def test_a_source_lists_the_columns_of_its_contract_with_their_types(table: str) -> None:
    form = load_catalogue().forms[table.upper()]
    listed = {name: kind for name, kind in source_tables()[table].items() if name not in IDENTITY}
    assert listed == {column.name: column.duckdb_type for column in form.columns}


def test_every_form_that_models_read_is_a_source() -> None:
    forms = set(load_catalogue().forms)
    assert {table.upper() for table in source_tables()} >= forms
