"""Removing any one form's contract takes away what depends on it, says so, and leaves everything else alone."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import duckdb
import pytest
import yaml

from pipelines.contracts.loader import default_root, load_catalogue
from pipelines.contracts.model import Catalogue
from pipelines.filing.registry import prepare_registry
from pipelines.orchestration.absent import AbsentForm, absent_forms, stand_in
from pipelines.settings import project_root
from pipelines.warehouse.schema import prepare

FORMS = sorted(load_catalogue().forms)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of contracts and models."""
    folder = tmp_path / "project"
    for name in ("expectations", "dbt_project"):
        ignored = shutil.ignore_patterns("target", "logs", "dbt_packages")
        shutil.copytree(project_root() / name, folder / name, ignore=ignored)
    return folder


def without(project: Path, form: str) -> tuple[Catalogue, AbsentForm | None]:
    """The catalogue of the project without a form's contract, and what the pipeline says of it."""
    table = load_catalogue().forms[form].table
    [contract] = [
        path
        for path in (project / "expectations").glob(f"{table}_*.odcs.yaml")
        if yaml.safe_load(path.read_text(encoding="utf-8"))["schema"][0]["physicalName"] == table
    ]
    contract.unlink()
    catalogue = load_catalogue(project / "expectations")
    found = {one.form: one for one in absent_forms(project, catalogue)}
    assert set(found) <= {form}
    return catalogue, found.get(form)


def readers(form: str) -> set[str]:
    """Rules of other forms whose text names the form, in query or needs."""
    found = set()
    for path in default_root().glob("*.odcs.yaml"):
        for schema in yaml.safe_load(path.read_text(encoding="utf-8")).get("schema", []):
            for rule in schema.get("quality", []) if schema.get("physicalName", "").upper() != form else []:
                given = rule.get("implementation", {}).get("kwargs", {}) if "implementation" in rule else {}
                query = given.get("query", "")
                if form in given.get("needs", []) or f"{{{form}}}" in query or f"{{{form}." in query:
                    found.add(rule["name"])
    return found


@pytest.mark.parametrize("form", FORMS)
def test_what_depends_on_a_form_falls_away_and_nothing_else(project: Path, form: str) -> None:
    whole = load_catalogue()
    catalogue, told = without(project, form)
    assert set(catalogue.forms) == set(whole.forms) - {form}
    fallen = {
        rule.code
        for code, one in catalogue.forms.items()
        for rule in one.rules
        if rule.kind == "not_evaluable" and whole.forms[code].rule(rule.code).kind != "not_evaluable"
    }
    assert fallen == readers(form)
    untouched = [
        (rule, whole.forms[code].rule(rule.code))
        for code, one in catalogue.forms.items()
        for rule in one.rules
        if rule.code not in fallen
    ]
    assert all(now == before for now, before in untouched)
    with (project / "dbt_project" / "seeds" / "kpi_catalogue.csv").open(encoding="utf-8", newline="") as file:
        kpis = {
            row["kpi_id"]
            for row in csv.DictReader(file)
            if form in row["forms"].split("|") and row["coverage_rule"] != "owed"
        }
    if told is None:  # no model, rule or KPI names it
        assert (fallen, kpis) == (set(), set())
        return
    assert (set(told.rules), set(told.kpis)) == (fallen, kpis)
    for name in (form, *fallen, *kpis):
        assert name in told.message


@pytest.mark.parametrize("form", FORMS)
def test_models_find_empty_rows_of_a_form_without_a_contract(project: Path, form: str) -> None:
    catalogue, told = without(project, form)
    with duckdb.connect() as con:
        prepare(con, catalogue, project_root() / "data" / "calendar" / "working_days.csv")
        stand_in(con, project, catalogue)
        prepare_registry(con)
        if told is not None:
            table = load_catalogue().forms[form].table
            names = {row[0] for row in con.execute(f"DESCRIBE filed.{table}").fetchall()}
            assert {column.name for column in load_catalogue().forms[form].columns} < names
            assert con.execute(f"SELECT count(*) FROM filed.{table}").fetchone() == (0,)


def test_the_institution_master_cannot_be_missed(project: Path) -> None:
    _, told = without(project, "R03")
    assert told is not None
    assert told.is_indispensable
    assert "institution master" in told.message


def test_no_form_is_absent_here() -> None:
    """A typing error in a rule would look like a form that a bureau does not have."""
    assert load_catalogue().absent == {}
    assert absent_forms(project_root(), load_catalogue()) == []
