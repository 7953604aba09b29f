"""An explanation finds words and sources for everything the catalogue and the models can say."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from pipelines.publication.measure_sources import MeasureModelError, measure_sources
from pipelines.publication.statuses import FLAGS, POLICIES
from pipelines.settings import project_root

DBT = project_root() / "dbt_project"
#: Facts about an obligation: they name form, period and reporter, and no filed row.
ABOUT_OBLIGATIONS = {"int_obligation"}


def seed(name: str) -> list[dict[str, str]]:
    with (DBT / "seeds" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_flag_and_policy_has_its_words() -> None:
    set_by_models = set(
        re.findall(r"then '([A-Z_]+)'", (DBT / "macros" / "status.sql").read_text(encoding="utf-8"))
    )
    assert {"MISSING", "RESTATED"} <= set_by_models <= set(FLAGS)
    named = {code for row in seed("kpi_catalogue") for code in row["edge_policies"].split("|") if code}
    assert named <= set(POLICIES)


def test_every_measure_is_found_where_it_is_counted() -> None:
    found = {source.measure_id for source in measure_sources(DBT)}
    assert found == {row["measure_id"] for row in seed("measure_catalogue")}


def test_every_fact_names_the_row_that_decides_its_record() -> None:
    facts = {source.fact for source in measure_sources(DBT)} - ABOUT_OBLIGATIONS
    lacking = {
        fact
        for fact in facts
        for [path] in [list((DBT / "models").rglob(f"{fact}.sql"))]
        for names in [set(re.findall(r"\w+", path.read_text(encoding="utf-8")))]
        if "row_no" not in names or names.isdisjoint({"submission_id", "submission_no"})
    }
    assert lacking == set()


def test_a_measure_that_two_facts_feed_has_two_sources() -> None:
    facts = [source.fact for source in measure_sources(DBT) if source.measure_id == "mediation_due"]
    assert sorted(facts) == ["int_complaint", "int_mediation"]


def test_a_model_that_calls_something_else_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "measures"
    folder.mkdir(parents=True)
    (folder / "monthly_measures.sql").write_text("{{ made_up(ref('x')) }}", encoding="utf-8")
    with pytest.raises(MeasureModelError, match="cannot be read for explanations"):
        measure_sources(tmp_path)
