"""Nothing of the domain's tables is left out: every form, rule, KPI and edge policy, and no code without proof.

The tables under `domain/` are the specification.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from pipelines.contracts.loader import default_root, load_catalogue
from pipelines.validation.marks import compile_marks
from tests.support.desk import example

HERE = Path(__file__).parent
TESTS = HERE.parent
SEEDS = default_root().parent / "dbt_project" / "seeds"


def column(table: str, name: str) -> set[str]:
    with (HERE / "domain" / f"{table}.csv").open(encoding="utf-8", newline="") as lines:
        return {row[name] for row in csv.DictReader(lines)}


@cache
def seed(name: str) -> tuple[dict[str, str], ...]:
    with (SEEDS / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
        return tuple(csv.DictReader(lines))


def all_rules() -> set[str]:
    catalogue = load_catalogue()
    return {
        rule.code
        for rules in (catalogue.common_rules, *(form.rules for form in catalogue.forms.values()))
        for rule in rules
    }


@pytest.mark.parametrize(
    ("table", "name", "here"),
    [
        ("forms", "form", lambda: set(load_catalogue().forms)),
        ("rules", "rule", all_rules),
        ("kpis", "kpi", lambda: {row["kpi_id"] for row in seed("kpi_catalogue")}),
    ],
    ids=["forms", "rules", "kpis"],
)
def test_everything_of_the_domain_is_here(table: str, name: str, here: Callable[[], set[str]]) -> None:
    assert sorted(column(table, name) - here()) == []


def test_every_rule_of_the_domain_is_evaluated_or_says_why_not() -> None:
    catalogue = load_catalogue()
    silent = {
        rule.code: rule.not_evaluable_reason
        for form in catalogue.forms.values()
        for rule in form.rules
        if rule.kind == "not_evaluable"
    }
    # no column holds what it asks; tested before a release (tests/unit/models/test_disclosure.py)
    assert sorted(silent) == ["AGG-A10", "F04-U01"]
    assert all(silent.values())
    disclosure = (TESTS / "unit" / "models" / "test_disclosure.py").read_text(encoding="utf-8")
    assert 'pytest.raises(DisclosureError, match=r"AGG-A10' in disclosure


def test_edge_policies_that_kpis_name_are_those_of_the_domain() -> None:
    named = {
        policy for row in seed("kpi_catalogue") for policy in filter(None, row["edge_policies"].split("|"))
    }
    assert named <= column("edge_cases", "code")


def test_the_suite_of_a_form_holds_its_row_and_general_rules() -> None:
    """Great Expectations holds what one pass over rows decides; queries and envelope rules are run beside it."""
    catalogue = load_catalogue()
    # found beside the pass, or of columns that not every form has (amounts, dates)
    beside = {
        "GEN-I02",
        "GEN-I03",
        "GEN-U01",
        "GEN-U02",
        "GEN-P01",
        "GEN-P02",
        "GEN-P03",
        "GEN-I04",
        "GEN-I05",
    }
    for form in catalogue.forms.values():
        rules = catalogue.rules_for(form)
        decided = {check.rule_code for check in compile_marks(catalogue, form).checks}
        assert {rule.code for rule in rules if rule.kind == "row"} <= decided
        assert decided <= {rule.code for rule in rules if rule.kind in {"row", "generic"}}
        assert {rule.code for rule in rules if rule.kind == "generic"} - decided <= beside


def test_every_code_is_fired_by_an_example() -> None:
    """Row rules by their failing example, queries by a test of their own, general and envelope rules end to end."""
    catalogue = load_catalogue()
    examples = {
        code
        for path in (HERE / "examples").glob("*.yaml")
        for code, cases in (example(path.stem)["rules"] or {}).items()
        if {"pass", "fail"} <= set(cases)
    }
    asked = {
        code
        for path in [*HERE.glob("test_*query*.py"), *HERE.glob("official/test_aggregate_rules.py")]
        for code in re.findall(
            r'\b(?:findings|run)\(\s*"([A-Z0-9]+-[A-Z]\d\d)"', path.read_text(encoding="utf-8")
        )
    }
    shared = {
        code
        for path in TESTS.glob("end_to_end/test_*.py")
        for code in re.findall(r"\b(?:GEN|ENV)-[A-Z]\d\d", path.read_text(encoding="utf-8"))
    }
    unfired = {
        rule.code
        for rules in (catalogue.common_rules, *(form.rules for form in catalogue.forms.values()))
        for rule in rules
        if rule.kind != "not_evaluable" and rule.code not in examples | asked | shared
    }
    assert unfired == set()
    assert examples | asked <= all_rules(), "an example of a rule that does not exist"
