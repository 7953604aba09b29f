"""docs/dictionary is what contracts and KPI catalogue say, and leaves none of them out."""

from __future__ import annotations

import csv
import os
import re
from pathlib import Path

import pytest

from pipelines.contracts.loader import default_root
from pipelines.dictionary.content import Dictionary, read_dictionary
from pipelines.dictionary.pages import differences, pages

PROJECT = default_root().parent
FOLDER = PROJECT / "docs" / "dictionary"


@pytest.fixture(scope="module")
def dictionary() -> Dictionary:
    return read_dictionary(PROJECT)


@pytest.fixture(scope="module")
def text(dictionary: Dictionary) -> dict[str, str]:
    return {name: page.decode() for name, page in pages(dictionary).items()}


def test_the_committed_pages_are_the_generated_ones(dictionary: Dictionary) -> None:
    found = differences(FOLDER, pages(dictionary))
    assert found == [], (
        "run `make dictionary` (or `python -m pipelines.cli dictionary`) and commit docs/dictionary"
    )


def test_every_column_code_rule_measure_and_kpi_has_its_place(
    dictionary: Dictionary, text: dict[str, str]
) -> None:
    for form in dictionary.forms:
        page = text[f"forms/{form.code}.md"]
        for column in form.columns:
            assert f"| `{column.name}` | {column.title_zh}" in page, (form.code, column.name)
        for rule in form.rules:
            assert f"### {rule.code}\n" in page
            assert f"[{rule.code}](forms/{form.code}.md#{rule.code.lower()})" in text["rules.md"]
    for rule in dictionary.catalogue.common_rules:
        assert f"### {rule.code}\n" in text["common-rules.md"]
    for name, code_list in dictionary.catalogue.code_lists.items():
        section = text["code-lists.md"].partition(f"## {name}\n")[2].partition("\n## ")[0]
        assert section.count("\n| `") == len(code_list.entries), name
    for measure in dictionary.measures:
        assert f"## {measure}\n" in text["measures.md"]
    for kpi in dictionary.kpis:
        section = text[f"kpis/{kpi.subject}.md"].partition(f"## {kpi.kpi_id}\n")[2].partition("\n## ")[0]
        assert section.count("\n| `") == len(kpi.variants), kpi.kpi_id


def test_every_kpi_of_the_seed_is_read(dictionary: Dictionary) -> None:
    path = PROJECT / "dbt_project" / "seeds" / "kpi_catalogue.csv"
    with path.open(encoding="utf-8", newline="") as lines:
        assert [kpi.kpi_id for kpi in dictionary.kpis] == [row["kpi_id"] for row in csv.DictReader(lines)]


def test_every_link_leads_somewhere(text: dict[str, str]) -> None:
    """Links between pages, to their headings, and to files of the repository."""
    headings = {
        name: {anchor(line) for line in page.splitlines() if line.startswith("#")}
        for name, page in text.items()
    }
    for name, page in text.items():
        for target in re.findall(r"\]\(([^)\s]+)\)", page):
            path, _, fragment = target.partition("#")
            resolved = Path(os.path.normpath((FOLDER / name).parent / path)) if path else FOLDER / name
            if resolved.is_relative_to(FOLDER):
                inside = str(resolved.relative_to(FOLDER))
                assert inside in text, (name, target)
                assert not fragment or fragment in headings[inside], (name, target)
            else:
                assert resolved.exists(), (name, target)


def anchor(heading: str) -> str:
    """The anchor that viewers give a heading: lower case, punctuation gone, blanks as hyphens."""
    words = re.sub(r"[^\w\- ]", "", heading.lstrip("#").strip().lower())
    return words.replace(" ", "-")


def test_tables_are_whole(text: dict[str, str]) -> None:
    """Every row of a table has as many cells as its head."""
    for name, page in text.items():
        width = None
        for line in page.splitlines():
            if not line.startswith("|"):
                width = None
                continue
            cells = len(re.findall(r"(?<!\\)\|", line)) - 1
            width = width or cells
            assert cells == width, (name, line)
