"""The release in force, opened for reading: the only data that reading commands touch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pipelines.cli.errors import OperatorError
from pipelines.settings import Settings, load_settings

if TYPE_CHECKING:
    import duckdb


Answer = TypeVar("Answer")


class ReleaseReader:
    """Questions to one release; rows come as dictionaries."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
        """Take over an open, read-only connection."""
        self._connection = connection
        self.folder = folder
        self.name = folder.name
        """Folder's name of the release, `v3`."""

    def holds(self, relation: str) -> bool:
        """True if the release has a relation (`schema.table`); releases of older programs have fewer."""
        schema, _, table = relation.partition(".")
        found = self.rows(
            "SELECT 1 FROM information_schema.tables WHERE table_schema = ? AND table_name = ?",
            [schema, table],
        )
        return bool(found)

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[dict[str, object]]:
        """All rows of a query.

        Raises:
            OperatorError: the release lacks a relation (it was made by another version of the program).
        """

        def question(connection: duckdb.DuckDBPyConnection) -> list[dict[str, object]]:
            cursor = connection.execute(sql, list(parameters))
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

        return self.ask(question)

    def ask(self, question: Callable[[duckdb.DuckDBPyConnection], Answer]) -> Answer:
        """Another room's question, asked of this release.

        Raises:
            OperatorError: as `rows`.
        """
        import duckdb

        try:
            return question(self._connection)
        except (duckdb.CatalogException, duckdb.BinderException) as error:
            raise OperatorError(
                f"release {self.name} does not hold what this version of xiaobao reads ({error}). "
                "Run `xiaobao run --full` to publish a release of this version."
            ) from error


@contextmanager
def open_release(settings: Settings | None = None, name: str | None = None) -> Iterator[ReleaseReader]:
    """Open a release by name, else the one in force, whichever it is at this moment; a run that publishes
    meanwhile does not disturb.

    Raises:
        OperatorError: there is no such release, or nothing has been released yet.
    """
    from pipelines.warehouse.connection import open_readonly

    settings = settings or load_settings()
    if name is not None and name not in release_names(settings):
        raise OperatorError(
            f"there is no release {name!r}; there are: {', '.join(release_names(settings)) or 'none'}"
        )
    folder = settings.releases_dir / name if name else settings.current_release.resolve()
    database = folder / "warehouse.duckdb"
    if not database.is_file():
        raise OperatorError(
            f"no release under {settings.releases_dir}. Publish one with `xiaobao run` "
            "(`make run` makes a sample bureau first), or point XIAOBAO_HOME at the folder that has one."
        )
    connection = open_readonly(database)
    try:
        yield ReleaseReader(connection, folder)
    finally:
        connection.close()


def release_names(settings: Settings) -> list[str]:
    """Releases there are, the newest first."""
    found = [path.name for path in settings.releases_dir.glob("v*") if path.name[1:].isdigit()]
    return sorted(found, key=lambda name: -int(name[1:]))


class Conditions:
    """Filters that were given, as one WHERE clause with bound values."""

    def __init__(self) -> None:
        """No filter yet."""
        self._parts: list[str] = []
        self.values: list[object] = []

    def equal(self, expression: str, value: object | None) -> None:
        """`expression = value`, if a value was given."""
        if value is not None:
            self._parts.append(f"{expression} = ?")
            self.values.append(value)

    def one_of(self, expression: str, values: Sequence[object] | None) -> None:
        """`expression` is one of the values, if any were given."""
        if values:
            self._parts.append(f"{expression} IN ({', '.join('?' * len(values))})")
            self.values.extend(values)

    def text(self, sql: str, *values: object) -> None:
        """A condition as it stands, with its values."""
        self._parts.append(f"({sql})")
        self.values.extend(values)

    def where(self) -> str:
        """The clause, or nothing."""
        return f"WHERE {' AND '.join(self._parts)}" if self._parts else ""


def listed(values: Sequence[str] | None) -> list[str]:
    """Values of an option that may be repeated or comma-separated, in upper case."""
    return [part.strip().upper() for value in values or () for part in value.split(",") if part.strip()]
