"""Releases: a folder `vN/` with `warehouse.duckdb` and Parquet, written aside, renamed whole, then made `current`.

Belongs here: the content of a release and the order of its acts. A release of the same inputs has the same Parquet
bytes; a killed publication is completed by the next run. A version folder is never reused: readers hold it open.
A release that cannot say what it changes against the one before it is not made (`revisions`).
Does not belong here: KPI arithmetic, states of filings.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from pipelines.contracts.model import Catalogue
from pipelines.dictionary.content import Dictionary
from pipelines.dictionary.tables import document, tables
from pipelines.publication.carrying import bring_up_to_date, drop_others, stamp, take_over, unstamp
from pipelines.publication.disclosure import check_disclosure
from pipelines.publication.revision_report import build_report, write_report
from pipelines.publication.revisions import NEW, OLD, copy_ordered, find_revisions, write_tables
from pipelines.warehouse.connection import STORAGE_VERSION, transaction
from pipelines.warehouse.schema import insert_rows

#: Public relations and the order of their rows; the interface BI tools rely on.
PUBLIC_TABLES: dict[str, str] = {
    "filing.submissions": "submission_id",
    "filing.submissions_current": "submission_id",
    "filing.submissions_history": "submission_id",
    "filing.differences": "submission_id",
    "filing.difference_totals": "submission_id, column_name",
    "filing.changed_cells": "submission_id, change, row_no NULLS LAST, old_row_no NULLS LAST, column_name NULLS FIRST",
    "filing.findings": "submission_id, rule_code, row_no NULLS FIRST, column_name NULLS FIRST, value NULLS FIRST",
    "filing.obligations": "form, period, reporter_code",
    "filing.obligation_events": "form, period, reporter_code, event_no",
    "filing.notices": "reporter_code, form, period, notice_date",
    "filing.verdicts": "submission_id, rule_code",
    "filing.events": "submission_id, event_no",
    "filing.control_totals": "submission_id, column_name",
    "filing.carried_rows": "submission_id, row_no",
    "filing.excuses": "submission_id, rule_code, kind, excuse_id",
    "filing.forms": "form",
    "filing.rules": "form, rule_code",
    "filed.f14": "submission_id, row_no",
    "filed.r02": "submission_id, row_no",
    "filed.r04": "submission_id, row_no",
    "registry.institutions": "org_code, valid_from",
    "registry.reporters": "org_code",
    "registry.licences": "org_code, since NULLS FIRST",
}
#: What may leave the authority, by the name of its file under `public/`.
PUBLIC_EXTRACT: dict[str, str] = {
    "kpi_values": "kpi_values_public",
    "kpi_catalogue": "kpi_catalogue",
    "kpi_variants": "kpi_variants",
    "edge_policies": "edge_policies",
}
_VERSION = re.compile(r"^v(\d+)$")
#: Columns that would betray the order of arrival, which must not change a release.
_INTERNAL = {"submission_no"}
#: Name under which a release is attached while its figures are remembered.
_PRINTED = "printed_release"
#: `last_release_no` of a figure that every release since has printed.
_SINCE = 2147483647


@dataclass(frozen=True, slots=True)
class Release:
    """A published release: its number, folder, and whether this call made it or found it current."""

    release_no: int
    path: Path
    created: bool
    reason: str

    @property
    def release_id(self) -> str:
        """`vN`."""
        return f"v{self.release_no}"


def fingerprint(con: duckdb.DuckDBPyConnection, definition: str) -> str:
    """What a release states is made of: every judged submission's content and state, the as-of moment, the rules, and
    `definition` (hash of models, catalogue and code)."""
    digest = hashlib.sha256(definition.encode())
    rows = con.execute(
        """
        SELECT concat_ws('|', p.submission_id, p.content_key, s.state, s.sys_from, s.sys_to, s.ruleset_version)
        FROM ledger.standing AS s JOIN ledger.parcel AS p USING (submission_no) ORDER BY 1"""
    ).fetchall()
    for (line,) in rows:
        digest.update(line.encode() + b"\n")
    as_of = con.execute("SELECT as_of FROM reference.run").fetchone()
    digest.update(str(as_of[0] if as_of else None).encode())
    return digest.hexdigest()


def current_release(releases: Path) -> Release | None:
    """The release `current` points at, or None before the first publication."""
    link = releases / "current"
    if not link.exists():
        return None
    match = _VERSION.match(link.resolve().name)
    return Release(int(match[1]), link.resolve(), created=False, reason="current") if match else None


def is_current(releases: Path, print_: str) -> Release | None:
    """The current release when it states exactly what `print_` does, else None."""
    release = current_release(releases)
    if release is None or (release.path / "FINGERPRINT").read_text().strip() != print_:
        return None
    return release


@dataclass(frozen=True, slots=True)
class MadeOf:
    """What defines a release's figures beside the filings: the parts a revision report compares.

    Attributes:
        definition: hash of models, catalogue, contracts, committed inputs and settings that change figures.
        program: hash of the program's source.
        code_version: version of the installed program.
        ruleset_version: version of the contracts.
    """

    definition: str
    program: str
    code_version: str
    ruleset_version: str


def publish(
    con: duckdb.DuckDBPyConnection, dictionary: Dictionary, releases: Path, *, print_: str, made_of: MadeOf
) -> Release:
    """Freeze the build database's public relations as the next release and make it current.

    Nothing is published twice: when a finished folder already states `print_`, only the switch is completed.

    Args:
        con: the build database.
        dictionary: contracts and KPI catalogue that the figures were made by; the release carries it.
        releases: folder of all releases.
        print_: the `fingerprint` of what is to be published.
        made_of: what the figures are made of beside the filings.

    Raises:
        RevisionReportError: a cell differs from the release before and nothing explains it; nothing is published.
        DisclosureError: a hidden count of the public figures can be computed (AGG-A10); nothing is published.
    """
    releases.mkdir(parents=True, exist_ok=True)
    for stale in releases.glob(".building-*"):
        shutil.rmtree(stale)
    finished = _finished(releases)
    if finished and (finished[-1][1] / "FINGERPRINT").read_text().strip() == print_:
        number, path = finished[-1]
        _remember(con, number, path)
        changed = _switch(releases, path)
        reason = "publication completed" if changed else "nothing has changed since"
        return Release(number, path, created=changed, reason=reason)
    number = finished[-1][0] + 1 if finished else 1
    building = releases / f".building-{number}"
    building.mkdir()
    _write(con, dictionary, building, number, finished[-1][1] if finished else None, print_, made_of)
    path = releases / f"v{number}"
    os.replace(building, path)  # noqa: PTH105 - the folder appears whole or not at all
    _sync_folder(releases)
    _remember(con, number, path)
    _switch(releases, path)
    return Release(number, path, created=True, reason="new filings or definitions")


def _finished(releases: Path) -> list[tuple[int, Path]]:
    found = [(int(m[1]), path) for path in releases.iterdir() if (m := _VERSION.match(path.name))]
    return sorted(found)


def _write(
    con: duckdb.DuckDBPyConnection,
    dictionary: Dictionary,
    folder: Path,
    number: int,
    previous: Path | None,
    print_: str,
    made_of: MadeOf,
) -> None:
    database = folder / "warehouse.duckdb"
    kpi_tables = [
        row[0]
        for row in con.execute(
            "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'kpi' AND NOT internal "
            "UNION SELECT view_name FROM duckdb_views() WHERE schema_name = 'kpi' AND NOT internal ORDER BY 1"
        ).fetchall()
    ]
    if PUBLIC_EXTRACT["kpi_values"] in kpi_tables:
        check_disclosure(con)
    if previous:
        take_over(con, previous, database, asdict(made_of))
    con.execute(f"ATTACH '{_quoted(database)}' AS {NEW} (STORAGE_VERSION '{STORAGE_VERSION}')")
    try:
        for schema in sorted({"kpi", "release", *(name.split(".")[0] for name in PUBLIC_TABLES)}):
            con.execute(f"CREATE SCHEMA IF NOT EXISTS {NEW}.{schema}")
        parquet = folder / "parquet"
        parquet.mkdir()
        for table in kpi_tables:
            made = f"{NEW}.kpi.{table}"
            if table == "kpi_values":
                unstamp(con, made, "release_id")
            bring_up_to_date(con, made, f"kpi.{table}", _columns(con, "kpi", table), "ALL")
            if table == "kpi_values":
                stamp(con, made, "release_id", f"v{number}")
            copy_ordered(con, f"(FROM {made} ORDER BY ALL)", parquet / f"{table}.parquet")
        drop_others(con, f"{NEW}.kpi", kpi_tables)
        if PUBLIC_EXTRACT["kpi_values"] in kpi_tables:
            _extract(con, folder / "public")
        for name, order in PUBLIC_TABLES.items():
            schema, table = name.split(".")
            columns = _columns(con, schema, table)
            bring_up_to_date(con, f"{NEW}.{name}", name, columns, order)
        con.execute(
            f"""
            CREATE TABLE {NEW}.release.release AS
            SELECT ? AS release_id, ?::INTEGER AS release_no, ?::TIMESTAMP AS created_at,
                (SELECT as_of FROM reference.run) AS as_of, ? AS fingerprint, ? AS code_version, ? AS ruleset_version,
                ? AS definition, ? AS program,
                (SELECT count(*) FROM ledger.standing) AS submissions,
                (SELECT count(*) FROM ledger.standing WHERE sys_from IS NOT NULL AND sys_to IS NULL) AS in_force,
                (SELECT count(*) FROM ledger.obligation) AS obligations,
                (SELECT count(*) FROM ledger.obligation
                    WHERE status NOT IN ('filed', 'late', 'received')
                        AND due_date < (SELECT as_of FROM reference.run)::DATE)
                    AS obligations_unmet""",
            [
                f"v{number}",
                number,
                datetime.now(tz=UTC).replace(tzinfo=None, microsecond=0),
                print_,
                made_of.code_version,
                made_of.ruleset_version,
                made_of.definition,
                made_of.program,
            ],
        )
        _explain(con, dictionary, folder)
        _revise(con, dictionary.catalogue, folder, previous)
    finally:
        con.execute(f"DETACH {NEW}")
    (folder / "FINGERPRINT").write_text(print_ + "\n")
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            _sync(path)
            path.chmod(0o444)


def _explain(con: duckdb.DuckDBPyConnection, dictionary: Dictionary, folder: Path) -> None:
    """Add to the release what its columns, codes, rules and figures mean: schema `dictionary` and `dictionary.json`."""
    con.execute(f"CREATE SCHEMA {NEW}.dictionary")
    for table in tables(dictionary):
        columns = ", ".join(f'"{name}" {kind}' for name, kind in table.columns)
        con.execute(f"CREATE TABLE {NEW}.dictionary.{table.name} ({columns})")
        insert_rows(con, f"{NEW}.dictionary.{table.name}", table.rows)
    (folder / "dictionary.json").write_bytes(document(dictionary))


def _extract(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Write what may leave the authority as CSV and Parquet into a folder of its own: nothing else goes with it."""
    folder.mkdir()
    for name, table in PUBLIC_EXTRACT.items():
        rows = f"(FROM {NEW}.kpi.{table} ORDER BY ALL)"
        copy_ordered(con, rows, folder / f"{name}.parquet")
        copy_ordered(con, rows, folder / f"{name}.csv", "FORMAT csv, HEADER")


def _revise(
    con: duckdb.DuckDBPyConnection, catalogue: Catalogue, folder: Path, previous: Path | None
) -> None:
    """Add to the release being written what it changes against the one before it, and why."""
    if previous:
        con.execute(f"ATTACH '{_quoted(previous / 'warehouse.duckdb')}' AS {OLD} (READ_ONLY)")
    try:
        compared = previous is not None
        find_revisions(con, catalogue, compared=compared)
        files = write_tables(con, folder)
        write_report(con, folder, build_report(con, folder, files, compared=compared))
    finally:
        if previous:
            con.execute(f"DETACH {OLD}")


def _columns(con: duckdb.DuckDBPyConnection, schema: str, table: str) -> list[str]:
    return [row[0] for row in con.execute(f"DESCRIBE {schema}.{table}").fetchall() if row[0] not in _INTERNAL]


def _remember(con: duckdb.DuckDBPyConnection, number: int, path: Path) -> None:
    """Keep the published KPI values in the build database: the base of growth "as published".

    A figure that the release before printed just so is there already; written are those that came, changed or went, of
    the windows in which anything differs. Repeated, it changes nothing.
    """
    types = {
        name: kind
        for name, kind, *_ in con.execute("DESCRIBE published.kpi_values").fetchall()
        if name not in ("release_no", "last_release_no")
    }
    told = ", ".join(types)
    cast = ", ".join(f"{name}::{kind} AS {name}" for name, kind in types.items())
    printed = f"SELECT *, hash({told}) AS content FROM (SELECT {cast} FROM {_PRINTED}.kpi.kpi_values)"
    stated = f"SELECT *, hash({told}) AS content FROM published.kpi_values WHERE last_release_no = {_SINCE}"

    def differs(row: str) -> str:
        return (
            f"EXISTS (SELECT 1 FROM printed_anew AS w WHERE w.period_type IS NOT DISTINCT FROM {row}.period_type "
            f"AND w.period IS NOT DISTINCT FROM {row}.period)"
        )

    con.execute(f"ATTACH '{_quoted(path / 'warehouse.duckdb')}' AS {_PRINTED} (READ_ONLY)")
    try:
        with transaction(con):
            con.execute(
                f"""
                CREATE OR REPLACE TEMP TABLE printed_anew AS
                SELECT coalesce(n.period_type, o.period_type) AS period_type, coalesce(n.period, o.period) AS period
                FROM (SELECT period_type, period, sum(content) AS content FROM ({printed}) GROUP BY ALL) AS n
                FULL JOIN (SELECT period_type, period, sum(content) AS content FROM ({stated}) GROUP BY ALL) AS o
                    ON n.period_type IS NOT DISTINCT FROM o.period_type AND n.period IS NOT DISTINCT FROM o.period
                WHERE n.content IS DISTINCT FROM o.content;
                CREATE OR REPLACE TEMP TABLE before AS
                SELECT DISTINCT content FROM ({stated}) AS o WHERE {differs("o")};
                CREATE OR REPLACE TEMP TABLE now AS
                SELECT DISTINCT content FROM ({printed}) AS n WHERE {differs("n")};
                UPDATE published.kpi_values AS o SET last_release_no = {number} - 1
                WHERE last_release_no = {_SINCE} AND {differs("o")}
                    AND hash({told}) IN (FROM before ANTI JOIN now USING (content));
                DELETE FROM published.kpi_values WHERE last_release_no < release_no;
                INSERT INTO published.kpi_values (release_no, {told}, last_release_no)
                SELECT {number}, {told}, {_SINCE} FROM ({printed}) AS n
                WHERE {differs("n")} AND content IN (FROM now ANTI JOIN before USING (content));
                DROP TABLE printed_anew; DROP TABLE before; DROP TABLE now;
                """
            )
            con.execute(
                "INSERT INTO published.releases SELECT $number, as_of FROM reference.run "
                "WHERE $number NOT IN (SELECT release_no FROM published.releases)",
                {"number": number},
            )
    finally:
        con.execute(f"DETACH {_PRINTED}")


def _switch(releases: Path, path: Path) -> bool:
    """Point `current` at a release, atomically; False when it already does."""
    link = releases / "current"
    if link.is_symlink() and os.readlink(link) == path.name:  # noqa: PTH115 - the link's text, not its target
        return False
    fresh = releases / ".current-next"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(path.name)
    os.replace(fresh, link)  # noqa: PTH105 - atomic over the existing link
    _sync_folder(releases)
    return True


def _sync(path: Path) -> None:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
