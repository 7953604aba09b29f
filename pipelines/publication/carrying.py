"""Carrying over: a release begins as a copy of the one before it and is told what differs.

Belongs here: whether the release before may be taken over, and how a table of it is brought up to date. Does not belong
here: which tables a release has and what is in them (`release`), what changed for readers (`revisions`).

Writing a table anew compresses every row of every year; a file is copied by the system in a few hundredths of a second.
Rows are compared by digest, and those that differ exchanged: what is written follows what has changed. A release made
this way holds the same rows as one written from nothing; their order in the file is no part of it.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import duckdb

#: Where more of the rows than this differ, the table is written anew.
_MOST = 0.5
#: What a release says of its making that must be equal: another program may write other tables.
_MADE_OF = ("definition", "program", "ruleset_version")


def take_over(
    con: duckdb.DuckDBPyConnection, previous: Path, database: Path, made_of: dict[str, str]
) -> bool:
    """Copy the database of the release before to `database`, if it was made by the same program and definitions.

    Args:
        con: any connection; nothing stays attached.
        previous: folder of the release before.
        database: file to be written.
        made_of: values of `release.release` that the new release will state.

    Returns:
        True if `database` is there now, with every table but those of schemas `release` and `dictionary`.
    """
    old = previous / "warehouse.duckdb"
    con.execute(f"ATTACH '{_quoted(old)}' AS carried (READ_ONLY)")
    try:
        told = {row[0] for row in con.execute("DESCRIBE carried.release.release").fetchall()}
        if not told.issuperset(_MADE_OF):
            return False
        row = con.execute(f"SELECT {', '.join(_MADE_OF)} FROM carried.release.release").fetchone()
    finally:
        con.execute("DETACH carried")
    if row != tuple(made_of[name] for name in _MADE_OF):
        return False
    shutil.copyfile(old, database)
    con.execute(f"ATTACH '{_quoted(database)}' AS carried")
    try:
        con.execute("DROP SCHEMA carried.release CASCADE; DROP SCHEMA IF EXISTS carried.dictionary CASCADE")
    finally:
        con.execute("DETACH carried")
    return True


def bring_up_to_date(
    con: duckdb.DuckDBPyConnection, table: str, source: str, columns: Sequence[str], order: str
) -> None:
    """Make a table of the release hold the rows of `source`, whether it is there already or not.

    Args:
        con: the build database, with the release attached.
        table: `database.schema.table` of the release.
        source: the relation of the build database.
        columns: columns of it that the release has, in their order.
        order: order of the rows of a table that is written anew.
    """
    told = ", ".join(columns)
    wanted = [row[:2] for row in con.execute(f"DESCRIBE SELECT {told} FROM {source}").fetchall()]
    if _columns_of(con, table) != wanted or not _told_what_differs(con, table, source, columns):
        con.execute(f"CREATE OR REPLACE TABLE {table} AS SELECT {told} FROM {source} ORDER BY {order}")


def drop_others(con: duckdb.DuckDBPyConnection, schema: str, tables: Sequence[str]) -> None:
    """Drop the tables of `database.schema` that are not among those named: the release before had them."""
    found = con.execute(
        "SELECT table_name FROM duckdb_tables() WHERE database_name || '.' || schema_name = ?", [schema]
    ).fetchall()
    for name in sorted({name for (name,) in found} - set(tables)):
        con.execute(f"DROP TABLE {schema}.{name}")


def stamp(con: duckdb.DuckDBPyConnection, table: str, column: str, value: str) -> None:
    """Give every row of a table the same text in a column of its own at the end; no other column is written."""
    con.execute(f"ALTER TABLE {table} ADD COLUMN {column} VARCHAR DEFAULT '{value}'")
    con.execute(f"ALTER TABLE {table} ALTER COLUMN {column} DROP DEFAULT")


def unstamp(con: duckdb.DuckDBPyConnection, table: str, column: str) -> None:
    """Take the column of `stamp` away again, if the table is there and has it."""
    if column in [name for name, _ in _columns_of(con, table)]:
        con.execute(f"ALTER TABLE {table} DROP COLUMN {column}")


def _told_what_differs(
    con: duckdb.DuckDBPyConnection, table: str, source: str, columns: Sequence[str]
) -> bool:
    """Exchange the rows that differ; False, with nothing written, if most do or equal rows stand twice."""
    content = f"hash({', '.join(columns)})"
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE rows_now AS SELECT {content} AS content FROM {source};
        CREATE OR REPLACE TEMP TABLE rows_before AS SELECT {content} AS content, rowid AS place FROM {table};
        CREATE OR REPLACE TEMP TABLE rows_come AS SELECT content FROM rows_now ANTI JOIN rows_before USING (content);
        CREATE OR REPLACE TEMP TABLE rows_gone AS
        SELECT content, place FROM rows_before ANTI JOIN rows_now USING (content);
        """
    )
    (now, in_all), (before, in_all_before), (come, in_come), (gone, in_gone) = (
        con.execute(f"SELECT count(*), coalesce(sum(content), 0) FROM {rows}").fetchall()[0]
        for rows in ("rows_now", "rows_before", "rows_come", "rows_gone")
    )
    # Where a row stands twice the sums differ: what came or went once cannot be told by its digest.
    told = (before - gone + come, in_all_before - in_gone + in_come) == (now, in_all) and come <= now * _MOST
    if told and gone:
        con.execute(f"DELETE FROM {table} WHERE rowid IN (SELECT place FROM rows_gone)")
    if told and come:
        names = ", ".join(columns)
        con.execute(
            f"INSERT INTO {table} ({names}) SELECT {names} FROM {source} "
            f"WHERE {content} IN (SELECT content FROM rows_come)"
        )
    con.execute("DROP TABLE rows_now; DROP TABLE rows_before; DROP TABLE rows_come; DROP TABLE rows_gone")
    return told


def _columns_of(con: duckdb.DuckDBPyConnection, table: str) -> list[tuple[str, str]]:
    """Names and types of a release's table; empty if it is not there."""
    try:
        return [(row[0], row[1]) for row in con.execute(f"DESCRIBE {table}").fetchall()]
    except duckdb.CatalogException:
        return []


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
