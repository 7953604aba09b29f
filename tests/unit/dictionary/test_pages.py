"""The dictionary on a small project: a new form and KPI appear, what left goes, odd text cannot break a page."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

from pipelines.contracts.loader import default_root
from pipelines.dictionary.content import SeedError, read_dictionary
from pipelines.dictionary.pages import differences, pages, write
from pipelines.dictionary.tables import document, tables

PROJECT = default_root().parent


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of contracts and seeds that a test may change."""
    return copied(tmp_path / "project")


@pytest.fixture
def larger(tmp_path: Path) -> Path:
    """The same with New York's form."""
    root = copied(tmp_path / "larger")
    foreign = PROJECT / "docs" / "examples" / "foreign" / "expectations"
    shutil.copy(foreign / "ny01_auto_ranking.odcs.yaml", root / "expectations")
    return root


def copied(root: Path) -> Path:
    shutil.copytree(PROJECT / "expectations", root / "expectations")
    shutil.copytree(PROJECT / "dbt_project" / "seeds", root / "dbt_project" / "seeds")
    return root


def test_the_same_contracts_and_seeds_give_the_same_bytes(project: Path) -> None:
    assert pages(read_dictionary(project)) == pages(read_dictionary(PROJECT))
    assert document(read_dictionary(project)) == document(read_dictionary(PROJECT))


def test_a_form_of_ones_own_has_its_page(larger: Path, tmp_path: Path) -> None:
    folder = tmp_path / "dictionary"
    before = pages(read_dictionary(PROJECT))
    write(folder, before)
    after = pages(read_dictionary(larger))
    assert set(after) - set(before) == {"forms/NY01.md"}
    page = after["forms/NY01.md"].decode()
    assert "取自报送说明 filled from the envelope: reporter" in page
    assert "NY01" in after["README.md"].decode()
    assert differences(folder, after) == [
        "README.md differs from the contracts and seeds",
        "forms/NY01.md is missing",
        "rules.md differs from the contracts and seeds",
    ]


def test_pages_of_what_left_go_and_files_of_others_stay(larger: Path, tmp_path: Path) -> None:
    folder = tmp_path / "dictionary"
    write(folder, pages(read_dictionary(larger)))
    (folder / "notes.md").write_text("mine\n", encoding="utf-8")
    wanted = pages(read_dictionary(PROJECT))
    assert "forms/NY01.md is no longer made" in differences(folder, wanted)
    write(folder, wanted)
    assert differences(folder, wanted) == []
    assert write(folder, wanted) == 0
    assert (folder / "notes.md").read_text(encoding="utf-8") == "mine\n"


def test_a_file_of_somebody_else_is_not_overwritten(tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "README.md").write_text("# Mine\n", encoding="utf-8")
    with pytest.raises(FileExistsError, match=r"README\.md was not made by this command"):
        write(folder, pages(read_dictionary(PROJECT)))


def test_text_of_a_seed_cannot_break_a_table(project: Path) -> None:
    seed = project / "dbt_project" / "seeds" / "kpi_catalogue.csv"
    text = seed.read_text(encoding="utf-8")
    seed.write_text(text.replace("valid complaints,count", "a | b <script> *x*,count", 1), encoding="utf-8")
    (line,) = [
        line
        for line in pages(read_dictionary(project))["kpis.md"].decode().splitlines()
        if "[CMP-01]" in line
    ]
    assert "a \\| b \\<script\\> \\*x\\*" in line


def test_a_variant_without_words_of_its_own_gets_the_formula_of_its_measures(project: Path) -> None:
    seed = project / "dbt_project" / "seeds" / "kpi_variants.csv"
    with seed.open(encoding="utf-8", newline="") as file:
        variants = list(csv.DictReader(file))
    with seed.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(variants[0]))
        writer.writeheader()
        writer.writerows(row | {"formula_zh": "", "formula_en": ""} for row in variants)
    rows = {
        (row[0], row[2]): (row[8], row[9])
        for table in tables(read_dictionary(project))
        if table.name == "kpi_variants"
        for row in table.rows
    }
    assert rows["CMP-07", "new"] == (
        "有效投诉件 ÷ 新增保单件数 × 10000",
        "valid complaints / new policies × 10000",
    )


def test_edge_policies_have_their_page_where_the_project_lists_them(project: Path) -> None:
    (project / "dbt_project" / "seeds" / "edge_policies.csv").write_text(
        'code,policy_en\nE10,"hidden | outside"\nE11,two decimals\n', encoding="utf-8"
    )
    dictionary = read_dictionary(project)
    found = pages(dictionary)
    lines = found["edge-policies.md"].decode().splitlines()
    assert "| code | policy_en | 用于 used by |" in lines
    assert "| E11 | two decimals | 指标未单独列明 named by no KPI |" in lines
    assert any(line.startswith("| E10 | hidden \\| outside |") for line in lines)
    assert "[edge-policies.md](edge-policies.md)" in found["README.md"].decode()
    assert [table.name for table in tables(dictionary)][-1] == "edge_policies"


def test_the_document_holds_the_tables() -> None:
    dictionary = read_dictionary(PROJECT)
    content = json.loads(document(dictionary))
    assert content["ruleset_version"] == dictionary.catalogue.ruleset_version
    for table in tables(dictionary):
        assert len(content[table.name]) == len(table.rows)
        assert all(len(row) == len(table.columns) for row in table.rows)
    assert content["columns"][0]["form"] == "F01"
    assert {row["form"] for row in content["rules"]} >= {"*", "F01", "PUB"}


def test_a_missing_seed_or_column_is_told_by_name(project: Path) -> None:
    seeds = project / "dbt_project" / "seeds"
    (seeds / "measure_links.csv").write_text("measure_id,form\n", encoding="utf-8")
    with pytest.raises(SeedError, match=r"measure_links\.csv has no column date_column, reason"):
        read_dictionary(project)
    (seeds / "measure_links.csv").unlink()
    with pytest.raises(SeedError, match=r"measure_links\.csv does not exist"):
        read_dictionary(project)
