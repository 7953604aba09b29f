"""The files under expectations/ are valid documents of the standard and say what the domain's tables say."""

from __future__ import annotations

import csv
import json
import re
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest
from open_data_contract_standard.model import OpenDataContractStandard

from pipelines.contracts.loader import COMMON_FILE, default_root, load_catalogue
from pipelines.contracts.model import Column

HERE = Path(__file__).parent
DOCUMENTS = sorted(default_root().glob("*.odcs.yaml"))
OPEN_LISTS = {"CL_REASON2", "CL_ROOT", "CL_PEER"}
FORMS = (
    "F01",
    "F02",
    "F03",
    "F04",
    "F04S",
    "F05",
    "F06",
    "F07",
    "F08",
    "F09",
    "F10",
    "F11",
    "F12",
    "F13",
    "R01",
    "R02",
    "R03",
)
#: Columns proposed here: a rule of the domain's table speaks of them, its columns hold none.
PROPOSED_COLUMNS = {"F12": {"waiver_code"}}


def table(name: str) -> list[dict[str, str]]:
    with (HERE / "domain" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_contract_is_a_document_of_the_standard(path: Path) -> None:
    contract = OpenDataContractStandard.from_file(str(path))
    assert contract.apiVersion == "v3.2.0"
    schema = json.loads((files("open_data_contract_standard") / "schema.json").read_text(encoding="utf-8"))
    validator = jsonschema.validators.validator_for(schema)(schema)
    document = json.loads(json.dumps(contract.model_dump(exclude_none=True, by_alias=True), default=str))
    assert [
        f"{list(error.absolute_path)}: {error.message}" for error in validator.iter_errors(document)
    ] == []


def test_the_catalogue_is_what_the_standard_reads() -> None:
    """The loader maps the YAML itself; what it finds equals what the standard's own model finds."""
    catalogue = load_catalogue()
    for path in DOCUMENTS:
        if path.name == COMMON_FILE:
            continue
        contract = OpenDataContractStandard.from_file(str(path))
        (schema,) = contract.schema_ or ()
        form = next(form for form in catalogue.forms.values() if form.table == schema.physicalName)
        assert [item.name for item in schema.properties or ()] == [column.name for column in form.columns]
        assert [item.businessName for item in schema.properties or ()] == [c.title_zh for c in form.columns]
        assert [item.name for item in schema.quality or ()] == [rule.code for rule in form.rules]
        keys = sorted((i.primaryKeyPosition or 0, i.name) for i in schema.properties or () if i.primaryKey)
        assert tuple(name for _, name in keys) == form.key


def expected_kind(row: dict[str, str], values: str) -> str:
    kind = row["type"].split("(")[0]
    if kind == "enum":
        return "text" if values in OPEN_LISTS else "enum"
    return {"str": "text", "bool": "boolean", "int": "integer", "dec": "decimal", "hash64": "hash"}.get(
        kind, kind
    )


@pytest.mark.parametrize("code", FORMS)
def test_columns_equal_the_domain_table(code: str) -> None:
    rows = table("columns")
    form = load_catalogue().forms[code]
    own = {row["column"]: row for row in rows if row["form"] == code}
    header = {row["column"]: row for row in rows if row["form"] == "H"}
    proposed = PROPOSED_COLUMNS.get(code, set())
    assert {column.name for column in form.columns} == set(own) | set(header) | proposed
    of_form = {
        f"as {form}": {row["column"]: row["values_or_unit"] for row in rows if row["form"] == form}
        for form in ("F01", "F04")
    }
    for column in form.columns:
        if column.name in proposed:
            continue
        row = own.get(column.name) or header[column.name]
        values = row["values_or_unit"]
        if values in of_form:
            values = of_form[values][column.name]
        assert column.title_zh == row["header_zh"], column.name
        assert column.required == (row["nullable"] == "N"), column.name
        assert column.kind == expected_kind(row, values), column.name
        check_size(column, row["type"])
        if column.kind == "enum":
            assert column.code_list == values or column.values == tuple(values.split("|")), column.name
        if column.name in own and column.name in header:
            assert header[column.name]["header_zh"] in (column.title_zh, *column.aliases)


def check_size(column: Column, domain_type: str) -> None:
    size = domain_type.partition("(")[2].rstrip(")")
    if column.kind == "decimal":
        assert f"{column.precision},{column.scale}" == size
    elif column.kind == "hash":
        assert column.length == 64
    elif column.kind in {"text", "code"} and size:
        assert column.length == int(size)
    elif column.kind == "text":
        assert column.length is not None


def test_sample_of_derived_facts() -> None:
    forms = load_catalogue().forms
    assert forms["F01"].column("matter_count").minimum == 1
    assert forms["F04"].column("cooling_off_days").maximum == 60
    assert forms["F02"].column("satisfaction").maximum == 5
    assert forms["F01"].column("settlement_amount").non_negative
    assert not forms["F06"].column("premium").non_negative
    assert forms["F01"].column("complainant_hash").personal
    assert [c.name for c in forms["F01"].columns if c.immutable] == ["received_at", "policy_hash"]
    assert [c.name for c in forms["F05"].columns if c.immutable] == ["found_date"]


def test_keys_and_deadlines_equal_the_domain_table() -> None:
    for row in table("forms"):
        if row["form"] not in FORMS:
            continue
        form = load_catalogue().forms[row["form"]]
        wanted = row["key"].replace("channel", "sales_channel").replace("sales_sales_", "sales_")
        assert "+".join(form.key) == wanted
        if row["form"][0] == "F":
            # 24 h for an urgent clue is a filing of the running month, not the form's deadline.
            deadline = row["deadline"].removesuffix(" (urgent: 24h)")
            assert f"{form.frequency[0].upper()}+{form.deadline_days}" == deadline


def test_code_lists_equal_the_domain_table() -> None:
    lists = load_catalogue().code_lists
    domain = {row["list"]: row["values"] for row in table("codelists")}
    assert set(lists) == set(domain) - OPEN_LISTS
    for name, found in lists.items():
        if name == "CL_LINE":
            for insurer_class, text in (("P", "P: "), ("L", "L: ")):
                part = domain[name].split(text)[1].split(";")[0]
                assert list(found.values(insurer_class)) == found_in_order(found.values(), part.split("|"))
            assert found.values("M") == found.values()
            continue
        for entry, text in zip(found.entries, domain[name].split("|"), strict=True):
            assert text.split("(separate")[0].split("(一键")[0].split(" ")[0] == entry.value


def found_in_order(everything: tuple[str, ...], wanted: list[str]) -> list[str]:
    chosen = {text.strip() for text in wanted}
    assert chosen <= set(everything)
    return [value for value in everything if value in chosen]


def test_surrender_disputes_have_their_own_reason_since_2022() -> None:
    entry = next(e for e in load_catalogue().code_list("CL_REASON").entries if e.value == "退保纠纷")
    assert str(entry.valid_from) == "2022-01-01"


def test_rules_are_those_of_the_domain_table() -> None:
    """Code, class and severity of every rule; which of the X and P rules exist is the scope of this version."""
    catalogue = load_catalogue()
    domain = {row["rule"]: (row["class"], row["severity"]) for row in table("rules")}
    for form in FORMS:
        for rule in catalogue.forms[form].rules:
            assert domain[rule.code] == (rule.rule_class, rule.severity), rule.code
    for rule in catalogue.common_rules:
        assert domain[rule.code] == (rule.rule_class, rule.severity), rule.code
    shared = {code for code in domain if code.startswith(("GEN-", "ENV-"))}
    assert {rule.code for rule in catalogue.common_rules} == shared
    wanted = {code for code in domain if code.split("-")[0] in FORMS and code.split("-")[1][0] in "IU"}
    wanted |= {
        "F01-X01",
        "F01-X02",
        "F01-X03",
        "F01-X04",
        "F01-X05",
        "F01-X06",
        "F01-P01",
        "F01-P02",
        "F01-P03",
        "F02-X01",
        "F02-X02",
        "F02-X03",
        "F02-P01",
        "F03-X01",
        "F03-X02",
        "F03-P01",
        "F04-X01",
        "F04-X02",
        "F04-X03",
        "F04-P01",
        "F05-X01",
        "F05-P01",
        "F06-X01",
        "F06-P01",
        "F06-P02",
        "F08-P01",
        "F10-X01",
        "F11-P01",
        "F12-X01",
        "R03-P01",
    }
    assert {rule.code for form in FORMS for rule in catalogue.forms[form].rules} == wanted


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_rules_that_search_all_earlier_filings_say_whether_these_may_answer_a_finding(path: Path) -> None:
    """`looksBack` is said, true or false, wherever a query anti-joins a form's whole history."""
    searches = re.compile(r"ANTI JOIN \{(?:self\.all|[A-Z][0-9]+[A-Z]?)\}")
    (schema,) = OpenDataContractStandard.from_file(str(path)).schema_ or ()
    for rule in schema.quality or ():
        query = (
            str((rule.implementation or {}).get("kwargs", {}).get("query", "")) if rule.implementation else ""
        )
        if searches.search(query):
            assert "looksBack" in {item.property for item in rule.customProperties or ()}, rule.name
