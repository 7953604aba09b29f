"""Great Expectations over our own DuckDB connection: a thin dialect, engine and datasource.

GX 1.24's SQL engine closes its connection before it fetches, and DuckDB drops the result with it, so every metric
fails (upstream issue great_expectations#10738). Here a result is buffered at execution, and the connection that is lent
is never committed, rolled back or closed: GX sees the open transaction and its temp tables.
Belongs here: the adapter only. Does not belong here: suites and expectations (`suite`).
"""

from __future__ import annotations

import builtins
import itertools
import types
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import duckdb
import sqlalchemy as sa
from great_expectations.datasource.fluent.sql_datasource import SQLDatasource
from great_expectations.execution_engine.sqlalchemy_execution_engine import SqlAlchemyExecutionEngine
from sqlalchemy import pool
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.engine.default import DefaultDialect

#: GX never looks at more than 200 rows of a result.
_MAX_BUFFERED_ROWS = 10_000


class _Cursor:
    """DB-API cursor that buffers every result at execution."""

    arraysize = 1000

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self._con = con
        self._rows: Iterator[tuple[Any, ...]] = iter(())
        self.description: Any = None
        self.rowcount = -1

    def execute(self, sql: str, params: Sequence[Any] | None = None) -> _Cursor:
        result = self._con.execute(sql, list(params)) if params else self._con.execute(sql)
        self.description = result.description
        rows = result.fetchmany(_MAX_BUFFERED_ROWS) if result.description else []
        if len(rows) == _MAX_BUFFERED_ROWS:
            result.fetchall()  # DuckDB 2: a half-read result would own the connection
        self.rowcount, self._rows = len(rows), iter(rows)
        return self

    def executemany(self, sql: str, sequence: Iterable[Sequence[Any]]) -> None:
        for params in sequence:
            self.execute(sql, params)

    def fetchone(self) -> tuple[Any, ...] | None:
        return next(self._rows, None)

    def fetchmany(self, size: int | None = None) -> list[tuple[Any, ...]]:
        return list(itertools.islice(self._rows, size or self.arraysize))

    def fetchall(self) -> list[tuple[Any, ...]]:
        return list(self._rows)

    def close(self) -> None:
        self._rows = iter(())


class _LentConnection:
    """Passes queries on; leaves transaction and lifetime to the lender."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self._con = con

    def cursor(self) -> _Cursor:
        return _Cursor(self._con)

    def commit(self) -> None: ...

    def rollback(self) -> None: ...

    def close(self) -> None: ...


class _Dbapi:
    apilevel, threadsafety, paramstyle = "2.0", 1, "qmark"
    Error = DatabaseError = InterfaceError = InternalError = DataError = NotSupportedError = duckdb.Error
    OperationalError, ProgrammingError = duckdb.OperationalError, duckdb.ProgrammingError
    IntegrityError = duckdb.IntegrityError


_TYPES: dict[str, Any] = {
    "BIGINT": sa.BIGINT,
    "INTEGER": sa.INTEGER,
    "UINTEGER": sa.INTEGER,
    "VARCHAR": sa.VARCHAR,
    "BOOLEAN": sa.BOOLEAN,
    "DATE": sa.DATE,
    "TIMESTAMP": sa.TIMESTAMP,
    "DECIMAL": sa.DECIMAL,
}


class LentDuckDBDialect(PGDialect):
    """SQLAlchemy dialect over a lent DuckDB connection: reads only what GX asks for."""

    name = "duckdb"
    driver = "lent"
    supports_statement_cache = False
    supports_native_boolean = True
    preexecute_autoincrement_sequences = False
    implicit_returning = False
    use_native_hstore = False
    colspecs = dict(DefaultDialect.colspecs)  # noqa: RUF012 - SQLAlchemy reads it from the class

    def __init__(self, **kwargs: Any) -> None:
        """Pretend to a PostgreSQL version that SQLAlchemy accepts; nothing is asked of a server."""
        DefaultDialect.__init__(self, paramstyle="qmark", **kwargs)
        self.server_version_info: Any = (14, 0)

    @classmethod
    def import_dbapi(cls) -> Any:  # noqa: D102 - SQLAlchemy's interface, as the methods below
        return _Dbapi

    def initialize(self, connection: Any) -> None:  # noqa: D102, ARG002
        self.default_schema_name = "main"

    def on_connect(self) -> None:  # noqa: D102
        return None

    def do_begin(self, dbapi_connection: Any) -> None: ...  # noqa: D102

    def do_rollback(self, dbapi_connection: Any) -> None: ...  # noqa: D102

    def do_commit(self, dbapi_connection: Any) -> None: ...  # noqa: D102

    def do_ping(self, dbapi_connection: Any) -> bool:  # noqa: D102, ARG002
        return True

    def has_table(self, connection: Any, table_name: str, schema: str | None = None, **kw: Any) -> bool:  # noqa: D102, ARG002
        found = connection.exec_driver_sql(
            "SELECT 1 FROM duckdb_columns() WHERE table_name = ? AND (? IS NULL OR schema_name = ?) LIMIT 1",
            (str(table_name), schema, schema),
        ).fetchall()
        return bool(found)

    def get_columns(self, connection: Any, table_name: str, schema: str | None = None, **kw: Any) -> Any:  # noqa: D102, ARG002
        rows = connection.exec_driver_sql(
            "SELECT column_name, data_type, is_nullable FROM duckdb_columns() WHERE table_name = ? "
            "AND (? IS NULL OR schema_name = ?) ORDER BY column_index",
            (str(table_name), schema, schema),
        ).fetchall()
        if not rows:
            raise sa.exc.NoSuchTableError(table_name)
        return [
            {
                "name": name,
                "type": _TYPES.get(sql_type.split("(")[0], sa.types.NullType)(),
                "nullable": bool(nullable),
                "default": None,
                "autoincrement": False,
            }
            for name, sql_type, nullable in rows
        ]

    def get_pk_constraint(self, *args: Any, **kw: Any) -> Any:  # noqa: D102, ARG002
        return {"constrained_columns": [], "name": None}

    def get_foreign_keys(self, *args: Any, **kw: Any) -> Any:  # noqa: D102, ARG002
        return []

    def get_indexes(self, *args: Any, **kw: Any) -> Any:  # noqa: D102, ARG002
        return []


registry.register("duckdb.lent", __name__, "LentDuckDBDialect")

#: GX chooses its regex SQL by attributes of the dialect module; this branch emits REGEXP_MATCHES, a search in DuckDB.
_REGEX_BRANCH = types.SimpleNamespace(DremioDialect=True, **_TYPES)


class LentDuckDBExecutionEngine(SqlAlchemyExecutionEngine):
    """GX execution engine whose connection is ours."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Build the stock engine, then point its dialect sniffing at DuckDB's regex function."""
        super().__init__(*args, **kwargs)
        self.dialect_module: Any = _REGEX_BRANCH


class LentDuckDBDatasource(SQLDatasource):
    """GX datasource `duckdb_lent` for `lend`."""

    type: Literal["duckdb_lent"] = "duckdb_lent"  # type: ignore[assignment]  # pydantic discriminator

    @property
    def execution_engine_type(self) -> builtins.type[SqlAlchemyExecutionEngine]:
        """The engine that speaks to the lent connection."""
        return LentDuckDBExecutionEngine


def lend(context: Any, name: str, con: duckdb.DuckDBPyConnection) -> Any:
    """Register `con` as a GX datasource; GX sees its open transaction and temp tables and never ends either."""
    return context.data_sources.add_duckdb_lent(
        name,
        connection_string="duckdb+lent://",
        kwargs={"creator": lambda: _LentConnection(con), "poolclass": pool.StaticPool},
    )
