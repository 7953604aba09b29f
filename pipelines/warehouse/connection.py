"""Open the build database: one writer at a time, bounded wait, no network, held memory.

Belongs here: how a DuckDB file is opened for writing or reading. Does not belong here: what is in it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb

#: Extensions are never fetched: a look-up of an unavailable one costs seconds of DNS failure per attempt.
OFFLINE = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}

#: Releases must open with the oldest DuckDB that BI drivers carry, whichever version wrote them.
STORAGE_VERSION = "v1.5.0"


class WarehouseBusyError(RuntimeError):
    """Another process writes the build database and did not finish within the allowed wait."""


def open_warehouse(
    path: Path, *, memory_limit: str = "1536MiB", threads: int = 2, wait_seconds: float = 60.0
) -> duckdb.DuckDBPyConnection:
    """Open the build database for writing, creating it and its folder when absent.

    DuckDB allows one writing process. While another holds the file, the open is retried with jitter for
    `wait_seconds`; then `WarehouseBusyError` names the file, what DuckDB said and what to do.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    config: dict[str, str | bool | int | float | list[str]] = {
        **OFFLINE,
        "memory_limit": memory_limit,
        "threads": threads,
        "temp_directory": str(path.parent / "spill"),
        "storage_compatibility_version": STORAGE_VERSION,
    }
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            return duckdb.connect(str(path), config=config)
        except duckdb.IOException as error:
            if "lock" not in str(error).lower():
                raise
            if time.monotonic() >= deadline:
                raise WarehouseBusyError(
                    f"{path} is being written by another process: waited {wait_seconds:.0f} s for it to finish. "
                    "Let that run end, or stop it, then run again; readers should open a release instead "
                    f"(releases/current/warehouse.duckdb). DuckDB said: {error}"
                ) from error
            time.sleep(0.2 + random.random() * 0.3)  # noqa: S311 - jitter, not a secret


def open_readonly(path: Path) -> duckdb.DuckDBPyConnection:
    """Open a release (or any DuckDB file) for reading only, unable to touch other files.

    The configuration is locked, so SQL typed by an analyst cannot read or write elsewhere.
    """
    return duckdb.connect(
        str(path),
        read_only=True,
        config={**OFFLINE, "enable_external_access": "false", "lock_configuration": "true"},
    )


@contextmanager
def transaction(con: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    """Run a block in one transaction: committed at its end, rolled back on any error."""
    con.execute("BEGIN TRANSACTION")
    try:
        yield con
    except BaseException:
        # Where the engine gave up, ROLLBACK fails as well: that must not hide what went wrong.
        with suppress(duckdb.Error):
            con.execute("ROLLBACK")
        raise
    con.execute("COMMIT")
