"""Every row rule has an example that keeps it and one that breaks it, and it alone.

The examples are filed text (examples/<form>.yaml). Typing here is a plain stand-in for the validation room's: what is
not of its column's type becomes NULL, and persons stand under their names where the pipeline compares their keys.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from pipelines.contracts.loader import load_catalogue
from pipelines.contracts.model import Column, Form
from pipelines.contracts.periods import Period
from pipelines.contracts.predicates import expand_given, macro_sql, not_empty
from pipelines.contracts.working_days import default_calendar_path

EXAMPLES = Path(__file__).parent / "examples"
FORMS = sorted(path.stem.upper() for path in EXAMPLES.glob("*.yaml"))


class TextLoader(yaml.SafeLoader):
    """Every scalar is the text that was filed: no dates, no numbers, no booleans."""


TextLoader.yaml_implicit_resolvers = {"<": [("tag:yaml.org,2002:merge", re.compile(r"^<<$"))]}


def examples(code: str) -> dict[str, Any]:
    with (EXAMPLES / f"{code.lower()}.yaml").open(encoding="utf-8") as file:
        loaded: dict[str, Any] = yaml.load(file, Loader=TextLoader)  # noqa: S506 (a safe loader)
    loaded["rules"] = loaded["rules"] or {}
    return loaded


def typed(column: Column) -> str:
    text = f"nullif(\"{column.name}__text\", '')"
    if column.kind == "boolean":
        return f"CASE {text} WHEN 'Y' THEN TRUE WHEN 'N' THEN FALSE END"
    if column.kind == "enum":
        values = column.values or load_catalogue().code_list(column.code_list or "").values()
        return f"CASE WHEN {text} IN ({', '.join(repr(value) for value in values)}) THEN {text} END"
    if column.kind in {"code", "hash"}:
        return f"CASE WHEN length({text}) = {column.length} THEN {text} END"
    return f"TRY_CAST({text} AS {column.duckdb_type})"


def broken_rules(form: Form, rows: list[dict[str, str]]) -> list[tuple[set[str], dict[str, str | None]]]:
    """Per row: codes of the row rules it breaks, and the expected value each rule gives."""
    con = duckdb.connect()
    con.execute(f"CREATE TABLE cal AS FROM read_csv('{default_calendar_path()}')")
    for statement in macro_sql("cal"):
        con.execute(statement)
    names = [column.name for column in form.columns]
    texts = ", ".join(f'"{name}__text" VARCHAR' for name in names)
    con.execute(f"CREATE TABLE filed (no INTEGER, {texts})")
    con.executemany(
        f"INSERT INTO filed VALUES ({', '.join('?' for _ in range(len(names) + 1))})",
        [[no, *(row.get(name) or None for name in names)] for no, row in enumerate(rows)],
    )
    period = Period.parse(rows[0]["period"])
    cells = ", ".join(f'{typed(column)} AS "{column.name}"' for column in form.columns)
    con.execute(
        f"CREATE TABLE typed AS SELECT *, {cells}, "
        "?::DATE AS period_start, ?::DATE AS period_end, ?::TIMESTAMP AS signed_at, '填报01' AS prepared_by_key, "
        "'复核02' AS reviewed_by_key, '批准03' AS approved_by_key FROM filed",
        [period.start, period.end, "2024-04-08 10:00:00"],
    )
    rules = [rule for rule in form.rules if rule.kind == "row"]
    if not rules:
        return [(set(), {}) for _ in rows]
    columns = []
    for rule in rules:
        assert rule.predicate is not None
        columns += [f"coalesce({rule.predicate}, TRUE)", f"({rule.expected or 'NULL'})"]
    expressions = expand_given(", ".join(columns), lambda name: not_empty(f'"{name}__text"'))
    found = []
    for values in con.execute(f"SELECT {expressions} FROM typed ORDER BY no").fetchall():
        verdicts = {rule.code: values[2 * i : 2 * i + 2] for i, rule in enumerate(rules)}
        broken = {code for code, (holds, _) in verdicts.items() if not holds}
        found.append((broken, {code: expected for code, (_, expected) in verdicts.items()}))
    con.close()
    return found


@cache
def verdicts(code: str) -> dict[tuple[str, str, int], tuple[set[str], dict[str, str | None]]]:
    """One query per form: verdict of the base row and of every example."""
    given = examples(code)
    rows = {("base", "base", 0): given["base"]}
    for rule, cases in given["rules"].items():
        for kind, plural in (("pass", "more_pass"), ("fail", "more_fail")):
            for i, change in enumerate([cases[kind], *cases.get(plural, [])]):
                unknown = set(change) - {column.name for column in load_catalogue().forms[code].columns}
                assert not unknown, (rule, unknown)
                rows[rule, kind, i] = {**given["base"], **change}
    return dict(zip(rows, broken_rules(load_catalogue().forms[code], list(rows.values())), strict=True))


@pytest.mark.parametrize("code", FORMS)
def test_every_row_rule_has_its_examples(code: str) -> None:
    form = load_catalogue().forms[code]
    assert set(examples(code)["rules"]) == {rule.code for rule in form.rules if rule.kind == "row"}


def test_every_form_has_examples() -> None:
    filed = {code for code, form in load_catalogue().forms.items() if form.side != "official"}
    assert set(FORMS) == filed


@pytest.mark.parametrize("code", FORMS)
def test_base_row_is_complete(code: str) -> None:
    base = examples(code)["base"]
    required = {column.name for column in load_catalogue().forms[code].columns if column.required}
    assert required <= set(base)


@pytest.mark.parametrize("code", FORMS)
def test_base_row_is_readable_and_breaks_nothing(code: str) -> None:
    base = examples(code)["base"]
    form = load_catalogue().forms[code]
    con = duckdb.connect()
    for name, text in base.items():
        sql = typed(form.column(name)).replace(f'"{name}__text"', "$text")
        assert con.execute(f"SELECT {sql}", {"text": text}).fetchone() != (None,), name
    assert verdicts(code)["base", "base", 0][0] == set()


CASES = [
    (code, rule, kind, i)
    for code in FORMS
    for rule, cases in examples(code)["rules"].items()
    for kind, plural in (("pass", "more_pass"), ("fail", "more_fail"))
    for i in range(1 + len(cases.get(plural, [])))
]


@pytest.mark.parametrize(("code", "rule", "kind", "i"), CASES)
def test_example(code: str, rule: str, kind: str, i: int) -> None:
    broken, expected = verdicts(code)[rule, kind, i]
    assert broken == (set() if kind == "pass" else {rule})
    if kind == "fail" and i == 0 and "expected" in examples(code)["rules"][rule]:
        assert expected[rule] == examples(code)["rules"][rule]["expected"]


@pytest.mark.parametrize("code", FORMS)
def test_no_predicate_raises_on_extreme_values(code: str) -> None:
    """An engine error is not bad data: whatever a typed cell holds, every predicate gives an answer."""
    form = load_catalogue().forms[code]
    extremes = {
        "integer": ["9223372036854775807", "-9223372036854775808", "0"],
        "date": ["9999-12-31", "0001-01-01", "1990-01-01"],
        "timestamp": ["9999-12-31 23:59:59", "0001-01-01 00:00:00", "1990-01-01 00:00:00"],
        "decimal": ["99999999999999.99", "-99999999999999.99", "0"],
        "boolean": ["Y", "N", "X"],
    }
    base = examples(code)["base"]
    rows = [base]
    for step in range(3):
        wild = {c.name: extremes[c.kind][step] for c in form.columns if c.kind in extremes}
        rows += [{**base, **wild}, *({**base, name: text} for name, text in wild.items())]
        rows += [{**base, **wild, c.name: value} for c in form.columns for value in c.values]
    rows.append({"period": base["period"]})
    assert len(broken_rules(form, rows)) == len(rows)


def test_an_empty_row_breaks_no_row_rule() -> None:
    """Nothing is known of an empty row; that cells are missing is GEN-I01's finding alone."""
    for code in FORMS:
        form = load_catalogue().forms[code]
        assert broken_rules(form, [{"period": examples(code)["base"]["period"]}])[0][0] == set(), code
