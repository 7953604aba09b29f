"""Canonical columns: what is typed can be written again as it was filed, and whatever else is filed stays text."""

from __future__ import annotations

from dataclasses import replace

import duckdb
import pyarrow as pa
import pytest

from pipelines.contracts.loader import load_catalogue
from pipelines.contracts.model import Column, Form
from pipelines.intake.canonical import Cells, joined, spelling, text_sql, typed_cells

COLUMNS = {
    column.kind + str(column.length or ""): column
    for column in (
        Column("d", "日", "date"),
        Column("t", "时", "timestamp"),
        Column("i", "数", "integer"),
        Column("m", "额", "decimal", precision=18, scale=2),
        Column("b", "否", "boolean"),
        Column("e", "类", "enum", values=("甲", "B")),
        Column("c", "码", "code", length=3),
        Column("h", "散", "hash", length=64),
        Column("s", "短", "text", length=7),
        Column("x", "长", "text", length=200),
    )
}
VALUES = {"e": frozenset({"甲", "B"})}
HASH = "0123456789abcdefABCDEF" + "0" * 42


def form(column: Column) -> Form:
    return replace(load_catalogue().forms["F05"], columns=(column,))


def cells(column: Column, *texts: str | None) -> Cells:
    table = pa.table(
        {column.name: pa.array(texts, pa.string()), "row_no": pa.array(range(len(texts)), pa.uint32())}
    )
    return typed_cells(form(column), table, VALUES)


def as_text(column: Column, *files: Cells) -> list[str | None]:
    """What `text_sql` writes of the files together, or their text where they stayed text."""
    staged = joined(form(column), list(enumerate(files, start=1)))
    con = duckdb.connect()
    con.register("s", staged.table)
    text = text_sql(column, f"s.{column.name}") if column.name in staged.canonical else column.name
    return [
        value for (value,) in con.execute(f"SELECT {text} FROM s ORDER BY submission_no, row_no").fetchall()
    ]


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        ("date", ["2024-02-29", None, "1990-01-01", "2024-02-29"]),
        ("timestamp", ["2024-01-31 19:46:36", None, "2024-01-31 00:00:00"]),
        ("timestamp", ["2024-01-31T19:46:36", None]),
        ("timestamp", ["2024-01-31 19:46"]),
        ("timestamp", ["2024-01-31T19:46"]),
        ("integer", ["0", "-12", "999999999999999999", None]),
        ("boolean", ["Y", "N", None]),
        ("enum", ["B", "甲", None]),
        ("code3", ["0A9", None, "XYZ"]),
        ("hash64", [HASH, None]),
        ("text7", ["2024-01", None, "期 间"]),
        ("text200", ["H284-2401-00000025", None, "一 段 话"]),
        ("date", [None, None]),
        ("timestamp", [None]),
    ],
)
def test_what_is_canonical_is_typed_and_written_again_as_filed(kind: str, texts: list[str | None]) -> None:
    column = COLUMNS[kind]
    found = cells(column, *texts)
    assert found.canonical == {column.name}
    assert as_text(column, found) == texts


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("date", "2024-2-29"), ("date", "2023-02-29"), ("date", "2024/02/29"), ("date", "0000-01-01"),
        ("timestamp", "2024-01-31"), ("timestamp", "2024-01-31 24:00:00"), ("timestamp", "2024-01-31 19:46:36Z"),
        ("timestamp", "2024-13-31 19:46:36"), ("timestamp", "0999-01-31 19:46:36"), ("timestamp", "x" * 19),
        ("integer", "007"), ("integer", "-0"), ("integer", "1.0"), ("integer", "1,000"), ("integer", "1" * 19),
        ("decimal", "12.5"), ("boolean", "y"), ("boolean", "是"), ("enum", "C"), ("enum", " B"), ("code3", "0a9"),
        ("code3", "0A"), ("code3", "0A99"), ("hash64", "g" * 64), ("hash64", "0" * 63), ("text7", " 2024"),
        ("text7", "'2024"), ("text200", "trailing "), ("text200", "\u3000全角"), ("text200", "'0012"),
    ],
)  # fmt: skip
def test_one_other_cell_and_the_column_stays_text(kind: str, text: str) -> None:
    column = COLUMNS[kind]
    sound = {"timestamp": "2024-01-31 19:46:36", "hash64": HASH}.get(kind)
    found = cells(column, sound, text)
    assert found.canonical == set()
    assert as_text(column, found) == [sound, text]


@pytest.mark.parametrize(
    ("kind", "canonical", "other"),
    [
        ("date", "2024-02-29", "2024/2/29"),
        ("timestamp", "2024-01-31T19:46:36", "2024-01-31"),
        ("timestamp", "2024-01-31 19:46", "x"),
        ("integer", "12", "12.0"),
        ("boolean", "N", "no"),
        ("enum", "甲", "丙"),
        ("hash64", HASH, "x"),
    ],
)
def test_among_files_that_differ_all_are_text_as_filed(kind: str, canonical: str, other: str) -> None:
    column = COLUMNS[kind]
    assert as_text(column, cells(column, canonical, None), cells(column, other)) == [canonical, None, other]


def test_files_that_spell_moments_differently_keep_their_spelling() -> None:
    column = COLUMNS["timestamp"]
    moments = ["2024-01-31 19:46:36", "2024-01-31T19:46:36", "2024-01-31 19:46"]
    files = [cells(column, moment) for moment in moments]
    assert spelling("t") in joined(form(column), list(enumerate(files))).table.column_names
    assert as_text(column, *files) == moments


def test_a_column_that_mixes_spellings_is_text() -> None:
    column = COLUMNS["timestamp"]
    assert cells(column, "2024-01-31 19:46:36", "2024-01-31T19:46:36").canonical == set()


def test_persons_are_never_typed_for_a_key_takes_their_place() -> None:
    column = replace(COLUMNS["text7"], personal=True)
    assert cells(column, "张三").canonical == set()
