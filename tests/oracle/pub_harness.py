"""The rules of form PUB run on tables made from the committed figures, without the pipeline.

Put here: how filings under `data/official_figures/filings` become typed DuckDB rows, and how a contract's query rule is
run over them. Do not put here: what the oracle says (the test modules) or arithmetic of its own (`printed`).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import duckdb

from pipelines.contracts.headers import normalise_header
from pipelines.contracts.loader import load_catalogue
from pipelines.contracts.model import Form

ROOT = Path(__file__).resolve().parents[2]
FILINGS = ROOT / "data" / "official_figures" / "filings"
SEEDS = ROOT / "dbt_project" / "seeds" / "official"
ORACLE = Path(__file__).resolve().parent / "data"

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_IDENTITY = ("submission_no UINTEGER", "row_no UINTEGER", "filing_reporter VARCHAR", "filing_period VARCHAR")


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """What a rule says of one figure: its id, the printed value and what was expected instead."""

    rule_code: str
    figure_id: str
    value: str
    expected: str


def read_csv(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV file in UTF-8 by header; empty cells are empty texts."""
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


@cache
def pub_form() -> Form:
    """Contract of form PUB."""
    return load_catalogue().forms["PUB"]


@cache
def committed_figures() -> tuple[dict[str, str], ...]:
    """Every committed row by English column names, with `file` and `row_no` (header counted) added."""
    names = pub_form().header_map()
    found = []
    for path in sorted(FILINGS.glob("*.csv")):
        for number, row in enumerate(read_csv(path), start=2):
            typed = {names[normalise_header(header)]: cell for header, cell in row.items()}
            found.append({**typed, "file": path.name, "row_no": str(number)})
    return tuple(found)


def open_tables(con: duckdb.DuckDBPyConnection) -> None:
    """Create the empty tables `pub_self` and `pub_all` with the contract's columns and the identity of a row."""
    columns = ", ".join([f"{c.name} {c.duckdb_type}" for c in pub_form().columns] + list(_IDENTITY))
    for table in ("pub_self", "pub_all"):
        con.execute(f"CREATE OR REPLACE TABLE {table} ({columns})")


def insert(con: duckdb.DuckDBPyConnection, table: str, rows: Iterable[Mapping[str, str]]) -> None:
    """Insert rows given as texts; one file is one submission, numbered by the order of file names."""
    names = [column.name for column in pub_form().columns]
    rows = list(rows)
    numbers = {name: number for number, name in enumerate(sorted({row["file"] for row in rows}), start=1)}
    values = [
        [row.get(name) or None for name in names]
        + [numbers[row["file"]], row["row_no"], row["reporter_code"], row["period"]]
        for row in rows
    ]
    marks = "(" + ", ".join("?" * (len(names) + len(_IDENTITY))) + ")"
    for start in range(
        0, len(values), 200
    ):  # one statement a chunk: a statement a row takes a hundred times longer
        chunk = values[start : start + 200]
        con.execute(
            f"INSERT INTO {table} VALUES {', '.join([marks] * len(chunk))}",
            [cell for row in chunk for cell in row],
        )


def warehouse(rows: Sequence[Mapping[str, str]] | None = None) -> duckdb.DuckDBPyConnection:
    """In-memory database with the committed figures, or the rows given, under check and as filed."""
    con = duckdb.connect()
    open_tables(con)
    insert(con, "pub_self", committed_figures() if rows is None else rows)
    con.execute("INSERT INTO pub_all FROM pub_self")
    return con


def told(con: duckdb.DuckDBPyConnection, rule_code: str) -> list[tuple[int, int, str, str]]:
    """What a rule of the contract returns over `pub_self`: (submission_no, row_no, value, expected), in order."""
    relations = {"self": "pub_self", "self.all": "pub_all"}
    query = _PLACEHOLDER.sub(lambda match: relations[match[1]], pub_form().rule(rule_code).query or "")
    return con.execute(
        f"SELECT submission_no, row_no, value::VARCHAR, expected::VARCHAR FROM ({query}) ORDER BY ALL"
    ).fetchall()


def findings(con: duckdb.DuckDBPyConnection, rule_code: str) -> list[Finding]:
    """What a rule of the contract finds, by figure, in order."""
    ids = {
        (submission_no, row_no): figure_id
        for submission_no, row_no, figure_id in con.execute(
            "SELECT submission_no, row_no, figure_id FROM pub_self"
        ).fetchall()
    }
    return sorted(
        Finding(rule_code, ids[no, row], value, expected) for no, row, value, expected in told(con, rule_code)
    )


def statement(period: str, row_no: int, **columns: str) -> dict[str, str]:
    """A row of form PUB for a test: `columns` over an exact figure of 全国 in 件 whose decimals are those it is written
    with."""
    row = {
        "reporter_code": "00000000000002",
        "file": period,
        "row_no": str(row_no),
        "figure_id": f"{period}-{row_no}",
        "period": period,
        "period_type": "quarter" if "Q" in period else "half_year" if "H" in period else "year",
        "scope": "全国",
        "insurer_type": "all",
        "value_bound": "exact",
        "unit": "件",
        **columns,
    }
    for number, decimals in (
        ("value", "value_decimals"),
        ("share_pct", "share_decimals"),
        ("growth_pct", "growth_decimals"),
    ):
        if row.get(number):
            row.setdefault(decimals, str(len(row[number].partition(".")[2])))
    return row
