"""A row is typed and marked the same, whether its canonical cells come in their type or as text."""

from __future__ import annotations

from typing import Any

import duckdb
import pyarrow as pa
import pytest

from pipelines.contracts.loader import load_catalogue
from pipelines.contracts.model import Form
from pipelines.contracts.periods import Period
from pipelines.contracts.predicates import macro_sql
from pipelines.contracts.working_days import default_calendar_path
from pipelines.intake.canonical import Cells, joined, typed_cells
from pipelines.intake.persons import text_facts
from pipelines.validation.marks import compile_marks, values_at_any_time
from tests.contract.test_row_rules import FORMS, examples

WILD = {
    "integer": ["-1", "999999999999999999", "x"],
    "date": ["1989-12-31", "2999-12-31", "2024-13-01"],
    "timestamp": ["1989-12-31 23:59:59", "2999-12-31T23:59", "2024-13-01 00:00:00"],
    "decimal": ["-1", "999999999999.99", "1.2345678"],
    "boolean": ["N", "Y", "X"],
    "text": ["13812345678", "x" * 400, "'x"],
    "code": ["0", "", "Z" * 99],
    "hash": ["0" * 64, "z" * 64, ""],
    "enum": ["不在其中", "", ""],
}


def rows_of(form: Form) -> list[dict[str, str]]:
    """The base row, every example, every column emptied or wild, an empty row, a deletion."""
    told = examples(form.code)
    base = told["base"]
    changes: list[dict[str, str]] = [{}]
    for cases in told["rules"].values():
        changes += [cases["pass"], cases["fail"], *cases.get("more_fail", [])]
    for column in form.columns:
        changes += [{column.name: text} for text in ("", *WILD[column.kind], *column.values)]
    rows = [{**base, **change} for change in changes]
    deletion = [{**base, "record_action": "D"}] if "record_action" in base else []
    return [*rows, *deletion, {"period": base["period"]}]


def marked(con: duckdb.DuckDBPyConnection, form: Form, cells: Cells) -> list[tuple[Any, ...]]:
    table = cells.table
    for column in form.columns:
        if column.personal and column.kind == "text":
            facts = text_facts(column.name)
            table = table.append_column(facts["length"], pa.array([7] * table.num_rows, pa.int32()))
            table = table.append_column(facts["identity"], pa.array([False] * table.num_rows))
    con.register("staged", table)
    plan = compile_marks(load_catalogue(), form, cells.canonical)
    found = con.execute(f"SELECT * FROM ({plan.select('staged', 'batch')}) ORDER BY row_no").fetchall()
    con.unregister("staged")
    return found


@pytest.mark.parametrize("code", FORMS)
def test_typed_and_text_cells_are_marked_alike(code: str) -> None:
    catalogue = load_catalogue()
    form = catalogue.forms[code]
    rows = rows_of(form)
    con = duckdb.connect()
    con.execute(f"CREATE TABLE cal AS FROM read_csv('{default_calendar_path()}')")
    for statement in macro_sql("cal"):
        con.execute(statement)
    period = Period.parse(rows[0]["period"])
    con.execute(
        "CREATE TABLE batch AS SELECT 1::UINTEGER AS submission_no, ?::DATE AS period_start, ?::DATE AS period_end, "
        "TIMESTAMP '2024-04-08 10:00:00' AS signed_at, DATE '2024-04-08' AS signed_on, '填报01' AS prepared_by_key, "
        "'复核02' AS reviewed_by_key, '批准03' AS approved_by_key",
        [period.start, period.end],
    )
    columns = {c.name: pa.array([row.get(c.name) or None for row in rows], pa.string()) for c in form.columns}
    numbers = pa.array(range(len(rows)), pa.uint32())
    whole = pa.table({**columns, "row_no": numbers})
    as_text = joined(form, [(1, Cells(whole, frozenset()))])
    expected = marked(con, form, as_text)
    values = values_at_any_time(catalogue, form)
    alike: dict[frozenset[str], list[int]] = {}
    files = [typed_cells(form, whole.slice(number, 1), values) for number in range(len(rows))]
    for number, cells in enumerate(files):
        alike.setdefault(cells.canonical, []).append(number)
    assert max(map(len, alike)) > len(form.columns) // 2
    for canonical, numbers_alike in alike.items():
        cells = joined(form, [(1, files[number]) for number in numbers_alike])
        assert cells.canonical == canonical
        assert marked(con, form, cells) == [expected[number] for number in numbers_alike]
