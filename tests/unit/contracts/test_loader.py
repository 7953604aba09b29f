"""The loader refuses a defective folder as a whole, and names every defect."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.contracts.errors import CatalogueError
from pipelines.contracts.loader import default_root, load_catalogue


@pytest.fixture
def root(tmp_path: Path) -> Path:
    copy = tmp_path / "expectations"
    shutil.copytree(default_root(), copy)
    return copy


def problems(root: Path) -> str:
    with pytest.raises(CatalogueError) as caught:
        load_catalogue(root)
    return "\n".join(caught.value.problems)


def change(root: Path, name: str, old: str, new: str) -> None:
    path = root / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_the_folder_is_read_once() -> None:
    assert load_catalogue() is load_catalogue(default_root())


F05 = "f05_problem_case.odcs.yaml"


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        (F05, "value: CL_PROB", "value: CL_PROBE", "column problem_type: code list CL_PROBE does not exist"),
        (
            F05,
            "[due_date, found_date, customer_action]",
            "[due_date, found_on, customer_action]",
            "names 'found_on'",
        ),
        (F05, "[due_date, found_date, customer_action]", "[due_date, found_date]", "reads customer_action"),
        (
            F05,
            "[handle_result, handled_date]",
            "[handle_result, handled_date, agent_code]",
            "names agent_code, which",
        ),
        (F05, "(handle_result <> '处理中') = given(handled_date)", "''", "kind row and its SQL do not fit"),
        (F05, "property: messageEn", "property: messageEng", "'messageEn' is missing"),
        (F05, "{value}", "{wert}", "unknown placeholder 'wert'"),
        (F05, "{self}", "{selves}", "unknown relation {selves}"),
        (F05, "[F01]", "[F99]", "needs form F99"),
        (F05, "[previous]", "[F01]", "a query that reads {self.previous}, and no other, needs previous"),
        (
            "f06_denominator.odcs.yaml",
            "{self.previous}",
            "{self.all}",
            "a query that reads {self.previous}, and no other, needs previous",
        ),
        (F05, "severity: error", "severity: fatal", "severity is 'fatal'"),
        (F05, "value: row", "value: rows", "ruleKind is 'rows'"),
        (F05, "rule: F05-I02", "rule: F05-I01", "implementation.kwargs.rule"),
        (F05, "value: insurer", "value: insurers", "side is 'insurers'"),
        (F05, "value: monthly", "value: weekly", "frequency is 'weekly'"),
        (F05, "value: F05}", "value: F06}", "form F06 is defined twice"),
        (F05, "physicalName: f05", "physicalName: f5", "physicalName is 'f5'"),
        (F05, "primaryKeyPosition: 2", "primaryKeyPosition: 3", "must run from 1 without gaps"),
        (F05, "value: found_date}", "value: found_day}", "eventDate names 'found_day'"),
        (F05, "value: []", "value: [problem_type]", "controlTotals names problem_type, which is no number"),
        (F05, "synonym: 问题件号", "synonym: 回访编号", "would name several columns"),
        (F05, "synonym: 问题件号", "synonym: 回访 编号", "would name several columns"),
        (F05, "physicalType: DATE", "physicalType: DATETIME", "does not fit its kind"),
        (F05, "logicalType: date", "logicalType: datum", "logicalType 'datum'"),
        (F05, "maxLength: 40", "maxLen: 40", "needs logicalTypeOptions.maxLength"),
        (F05, "minLength: 14", "minLength: 13", "must be equal"),
        (F05, 'value: "成功"', "value: 1", "enum values must be texts"),
        (F05, "name: record_action", "name: record_act", "common header column record_action is missing"),
        (F05, "name: F05-I01", "name: F05-I01\n        name: F05-I01", "stands twice in one mapping"),
        (F05, "schema:", "schema: [", "cannot be read as YAML"),
        (F05, "titleEn", "titleEng", "'titleEn' is missing"),
        (
            "common.odcs.yaml",
            "ruleKind, value: generic}",
            "ruleKind, value: generic}\n          - {property: waivable, value: true}",
            "rule GEN-I01: waivable, but",
        ),
        (
            F05,
            "ruleKind, value: row}",
            'ruleKind, value: row}\n          - {property: waivable, value: "no"}',
            "waivable is",
        ),
        (
            "common.odcs.yaml",
            "ruleKind, value: generic",
            "ruleKind, value: row",
            "kind row and its SQL do not fit",
        ),
        ("common.odcs.yaml", "supervisorCode", "supervisor", "'supervisorCode' is missing"),
        (
            "f01_complaint.odcs.yaml",
            "{codes:CL_LINE:P}",
            "{codes:CL_LINES:P}",
            "code list CL_LINES does not exist",
        ),
        ("f01_complaint.odcs.yaml", "{codes:CL_LINE:P}", "{codes:CL_LINE:X}", "no value for insurer class X"),
        (
            "f04_call_back.odcs.yaml",
            "notEvaluableReasonZh",
            "reasonZh",
            "have notEvaluableReason and notEvaluableReasonZh",
        ),
        ("code_lists/CL_EXCL.yaml", 'value: "01"', "value: 1", "write it in quotes"),
        ("code_lists/CL_EXCL.yaml", 'value: "01"', 'value: "02"', "value '02' stands twice"),
        ("code_lists/CL_EXCL.yaml", "name: CL_EXCL", "name: CL_X", "file name and name must agree"),
        ("code_lists/CL_EXCL.yaml", "title_zh", "title", "'title_zh' is missing"),
    ],
)
def test_each_defect_is_named(root: Path, name: str, old: str, new: str, message: str) -> None:
    change(root, name, old, new)
    assert message in problems(root)


@pytest.mark.parametrize(
    ("code", "message"),
    [("F05-I02", "rule 'F05-I02' stands twice"), ("F06-X09", "rule F06-X09 stands in the contract of F05")],
)
def test_a_rule_has_one_place(root: Path, code: str, message: str) -> None:
    path = root / F05
    path.write_text(path.read_text(encoding="utf-8").replace("F05-X01", code), encoding="utf-8")
    assert message in problems(root)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("mirrors, value: F04}", "mirrors, value: F05}", "rule F04-X03 stands in the contract of F04S"),
        ("mirrors, value: F04}", "mirrors, value: F99}", "mirrors F99, whose contract has no such rule"),
        ("          - {property: mirrors, value: F04}\n", "", "rule F04-X03 stands in the contract of F04S"),
        (
            "ruleClass, value: cross}",
            "ruleClass, value: inter}",
            "differs in class or severity between F04S and F04",
        ),
    ],
)
def test_a_mirrored_rule_is_the_other_side_of_one_rule(root: Path, old: str, new: str, message: str) -> None:
    change(root, "f04s_call_back_summary.odcs.yaml", old, new)
    assert message in problems(root)


def test_all_defects_are_reported_at_once(root: Path) -> None:
    change(root, F05, "value: CL_PROB", "value: CL_PROBE")
    change(root, "f06_denominator.odcs.yaml", "property: messageZh", "property: messageCn")
    found = problems(root)
    assert "CL_PROBE" in found
    assert "'messageZh' is missing" in found


def test_a_header_column_must_be_the_common_one(root: Path) -> None:
    path = root / F05
    head, mark, tail = path.read_text(encoding="utf-8").partition("- name: updated_at")
    path.write_text(head + mark + tail.replace("required: true", "required: false", 1), encoding="utf-8")
    assert "column updated_at differs from the common header" in problems(root)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    found = problems(tmp_path)
    assert "no contract found" in found
    assert "common.odcs.yaml is missing" in found


def test_the_version_follows_meaning_not_layout(root: Path) -> None:
    version = load_catalogue().ruleset_version
    assert len(version) == 12
    assert load_catalogue(root).ruleset_version == version
    path = root / F05
    text = path.read_text(encoding="utf-8")
    for name, changed in (("comment", "# a remark\n" + text), ("meaning", text.replace("成功", "办妥", 1))):
        other = root.parent / name
        shutil.copytree(root, other)
        (other / F05).write_text(changed, encoding="utf-8")
        assert (load_catalogue(other).ruleset_version == version) == (name == "comment")


def test_loading_is_cheap() -> None:
    """Start-up of every command pays for it: none of the heavy libraries, nor the standard's model, is imported."""
    code = (
        "import sys; from pipelines.contracts.loader import load_catalogue; load_catalogue(); "
        "print([m for m in ('duckdb', 'polars', 'pandas', 'dagster', 'great_expectations', "
        "'open_data_contract_standard') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
