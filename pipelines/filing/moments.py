"""The build database as it would be, had only some of the filings come: the ground under every as-of read.

Belongs here: copying what was received of chosen submissions into an empty database and judging it there anew. States,
findings, obligations and the registry then are those of a pipeline that never saw the rest, because they are a function
of what was received (docs/decisions 0002).
Does not belong here: where such databases are kept and when they are made (`orchestration.moments`), models.

Rows as known at a moment could also be read from the build database by sys_from and sys_to (dbt's `known_at`). They
then carry today's judgement: a row that was held back for a counterpart filed later, or let in by a waiver granted
later, was not so judged at the moment. Copying and judging again leaves no such trace.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from pipelines.contracts.model import Catalogue
from pipelines.filing.events import prepare_events
from pipelines.filing.registry import prepare_registry
from pipelines.filing.settlement import settle
from pipelines.warehouse.connection import OFFLINE, WarehouseBusyError, transaction
from pipelines.warehouse.schema import CARRIED_FROM, prepare

_SOURCE = "received"
#: What reading a file leaves of it. Everything else in the ledger is derived from these by settling.
_FACTS = {
    "parcel": "",
    "control_total": "",
    "failure": "",
    "reading": "",
    "header": "",
    "finding": "AND stage IN ('pull', 'read', 'rows')",
    "event": "AND event = 'receive'",
}


@dataclass(frozen=True, slots=True)
class Known:
    """What a database of a moment knows.

    Attributes:
        moment: its as-of moment; without `submissions`, every filing signed until then is known. A file whose envelope
            bears no signature has no knowledge time and is known at no moment.
        submissions: ids of the submissions known, where they are named: those of a release.
        release_no: earlier releases with a smaller number are known (the base of growth as published); None: those
            whose as-of moment does not lie after `moment`.
    """

    moment: datetime
    submissions: Sequence[str] | None = None
    release_no: int | None = None


@contextmanager
def attached(
    con: duckdb.DuckDBPyConnection, build: Path, wait_seconds: float, name: str = _SOURCE
) -> Iterator[None]:
    """Attach the build database read-only for a while; meanwhile no run can write it, and the other way round.

    Raises:
        WarehouseBusyError: a run is writing and did not end within `wait_seconds`.
    """
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            con.execute(f"ATTACH '{str(build).replace(chr(39), chr(39) * 2)}' AS {name} (READ_ONLY)")
            break
        except duckdb.IOException as error:
            if "lock" not in str(error).lower():
                raise
            if time.monotonic() >= deadline:
                raise WarehouseBusyError(
                    f"a run is writing {build}, and did not end while it was waited for. Ask again when it has "
                    "ended (`xiaobao run` tells), or ask a release, which a run never disturbs: "
                    f"`xiaobao kpi --as-published vN`. DuckDB said: {error}"
                ) from error
            time.sleep(0.2 + random.random() * 0.3)  # noqa: S311 - jitter, not a secret
    try:
        yield
    finally:
        con.execute(f"DETACH {name}")


def copy_known(
    con: duckdb.DuckDBPyConnection,
    build: Path,
    catalogue: Catalogue,
    known: Known,
    *,
    working_days_csv: Path,
    wait_seconds: float,
) -> None:
    """Fill an empty database with what is known and settle it as of the moment. The build database is only read.

    Args:
        con: an empty database, open for writing.
        build: the build database.
        catalogue: contracts; filings are judged by these, also those of long ago.
        known: which filings, and the moment.
        working_days_csv: the working-day calendar.
        wait_seconds: how long to wait for a run that is writing.

    Raises:
        WarehouseBusyError: as `attached`.
        NoRegistryError: no institution master was known at the moment.
        CalendarRangeError: the moment lies beyond the working-day calendar.
    """
    prepare(con, catalogue, working_days_csv)
    prepare_events(con)
    prepare_registry(con)
    with attached(con, build, wait_seconds), transaction(con):
        _choose(con, known)
        for table, condition in _FACTS.items():
            _copy(con, "ledger", table, f"submission_no IN (FROM chosen) {condition}")
        _copy(con, "ledger", "sighting", "true")
        _copy(con, "reference", "person_key", "true")
        stored = con.execute(
            f"SELECT table_name FROM duckdb_tables() WHERE database_name = '{_SOURCE}' AND schema_name = 'store'"
        ).fetchall()
        for form in catalogue.forms.values():
            if (form.table,) in stored:
                _copy(con, "store", form.table, f"submission_no IN (FROM chosen) AND row_no < {CARRIED_FROM}")
        earlier = "as_of <= $moment" if known.release_no is None else "release_no < $release_no"
        given: dict[str, object] = (
            {"moment": known.moment} if known.release_no is None else {"release_no": known.release_no}
        )
        _copy(con, "published", "releases", earlier, given)
        _copy_published(con)
        row = con.execute("SELECT coalesce(max(event_no), 0) + 1 FROM ledger.event").fetchone()
        con.execute(f"CREATE OR REPLACE SEQUENCE ledger.event_no START {row[0] if row else 1}")
    settle(con, catalogue, as_of=known.moment)


def _choose(con: duckdb.DuckDBPyConnection, known: Known) -> None:
    con.execute("CREATE OR REPLACE TEMP TABLE chosen (submission_no UINTEGER)")
    if known.submissions is None:
        con.execute(
            f"INSERT INTO chosen SELECT submission_no FROM {_SOURCE}.ledger.parcel WHERE signed_at <= ?",
            [known.moment],
        )
    else:
        con.execute(
            f"INSERT INTO chosen SELECT submission_no FROM {_SOURCE}.ledger.parcel "
            "WHERE submission_id IN (SELECT unnest(?::VARCHAR[]))",
            [list(known.submissions)],
        )


def _copy(
    con: duckdb.DuckDBPyConnection,
    schema: str,
    table: str,
    condition: str,
    given: dict[str, object] | None = None,
) -> None:
    """Copy rows of a table; a build database of an older program may lack columns, which then are empty."""
    con.execute(
        f"INSERT INTO {schema}.{table} BY NAME SELECT * FROM {_SOURCE}.{schema}.{table} WHERE {condition}",
        given or {},
    )


def _copy_published(con: duckdb.DuckDBPyConnection) -> None:
    """Copy the figures that any of the releases in `published.releases` states, as stated by these alone."""
    held = con.execute(
        "SELECT 1 FROM duckdb_columns() WHERE (database_name, schema_name, table_name, column_name) = (?, ?, ?, ?)",
        [_SOURCE, "published", "kpi_values", "last_release_no"],
    ).fetchone()
    until = "coalesce(k.last_release_no, k.release_no)" if held else "k.release_no"
    told = f"{_SOURCE}.published.kpi_values AS k"
    con.execute(
        f"""
        INSERT INTO published.kpi_values BY NAME
        SELECT k.* {"EXCLUDE (release_no, last_release_no)" if held else "EXCLUDE (release_no)"},
            s.first_no AS release_no, s.last_no AS last_release_no
        FROM {told}
        JOIN (
            SELECT k.release_no, k.until_no, min(r.release_no) AS first_no, max(r.release_no) AS last_no
            FROM (SELECT DISTINCT k.release_no, {until} AS until_no FROM {told}) AS k
            JOIN published.releases AS r ON r.release_no BETWEEN k.release_no AND k.until_no
            GROUP BY ALL) AS s ON s.release_no = k.release_no AND s.until_no = {until}"""
    )


def open_moment(path: Path) -> duckdb.DuckDBPyConnection:
    """Open a finished database of a moment, for reading only."""
    return duckdb.connect(str(path), read_only=True, config=dict(OFFLINE))
