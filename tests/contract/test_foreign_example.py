"""The example of another authority's forms adds files and nothing else, and each says what the others need of it."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest
import yaml
from open_data_contract_standard.model import OpenDataContractStandard

from pipelines.contracts.loader import load_catalogue
from tests.support.foreign import EXAMPLE, overlaid_project

CONTRACTS = sorted((EXAMPLE / "expectations").glob("*.odcs.yaml"))
FORMS = {"NY01", "UK01", "UK02", "UK03", "UK04"}
IDENTITY = {
    "submission_id", "submission_no", "row_no", "filing_period", "filing_reporter", "sys_from", "sys_to",
}  # fmt: skip


def test_the_example_holds_contracts_and_sql_and_no_python() -> None:
    kinds = {path.suffix for path in EXAMPLE.rglob("*") if path.is_file()}
    assert kinds == {".yaml", ".yml", ".sql", ".md"}


def test_laid_over_the_project_it_adds_its_forms_and_changes_none(tmp_path: Path) -> None:
    own = load_catalogue()
    overlaid = load_catalogue(overlaid_project(tmp_path / "project") / "expectations")
    assert set(overlaid.forms) - set(own.forms) == FORMS
    assert {code: overlaid.forms[code] for code in own.forms} == dict(own.forms)
    assert all(
        overlaid.forms[code].side == "official" and not overlaid.forms[code].obliged_classes for code in FORMS
    )


@pytest.mark.parametrize("path", CONTRACTS, ids=lambda path: path.name)
def test_every_contract_is_a_document_of_the_standard(path: Path) -> None:
    contract = OpenDataContractStandard.from_file(str(path))
    schema = json.loads((files("open_data_contract_standard") / "schema.json").read_text(encoding="utf-8"))
    document = json.loads(json.dumps(contract.model_dump(exclude_none=True, by_alias=True), default=str))
    validator = jsonschema.validators.validator_for(schema)(schema)
    assert [error.message for error in validator.iter_errors(document)] == []


def test_dbt_sources_list_the_columns_of_the_contracts(tmp_path: Path) -> None:
    catalogue = load_catalogue(overlaid_project(tmp_path / "project") / "expectations")
    text = (EXAMPLE / "dbt_project" / "models" / "foreign" / "_foreign__sources.yml").read_text(
        encoding="utf-8"
    )
    [source] = yaml.safe_load(text)["sources"]
    listed = {table["name"]: table["columns"] for table in source["tables"]}
    assert {name.upper() for name in listed} == FORMS
    for name, columns in listed.items():
        form = catalogue.forms[name.upper()]
        found = {column["name"]: column["data_type"] for column in columns}
        assert {column: kind for column, kind in found.items() if column not in IDENTITY} == {
            column.name: column.duckdb_type for column in form.columns
        }
        assert set(found) >= IDENTITY
