"""What a build of the models has to count again: partitions of facts whose filings or whose moment have changed.

A fact that is counted by filing consists of partitions (who filed, for which period; `dbt_project/macros/recount.sql`).
Put here: the comparison of what the last complete build was made of with what is there now, and the memory of it in the
build database. Do not put here: how a partition is counted (SQL), running dbt (`models`).

    build.models    one row: what the last complete build was made of, and the moment of the last one begun
    build.counted   every submission in force as that build read it, with a digest of the rows of it that count
    build.recount   partitions to be counted again; grows until a build has succeeded
    build.recount_filing   per fact, submissions in force whose rows tell these partitions
    build.window_counted   state of every window (int_window_state) as the last complete build left it

A build that was killed or failed leaves some models of the newer and some of the older state. Its partitions stay in
`build.recount`, so the next build counts at least these again; windows are then all counted again. Whatever cannot be
said by partition (another project, other contracts, a moment that moved back, a table that is missing) means: count
everything.

This module imports no dagster and no dbt.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

STRATEGY = "recount"
#: The source that tells the run's moment.
_MOMENT = ("reference", "run")
#: Sources that a fact counted by filing may read beside filed forms: only the definition or the moment changes them.
_STEADY_SOURCES = {_MOMENT, ("reference", "working_days")}
#: Column of a fact: the next day on which a row's flags differ though nothing is filed (macro changes_after).
_CHANGES_ON = "changes_on"
_FILED = "filed"
_NUMBER = "submission_no"
#: The model that tells the state of each window.
_WINDOWS = "intermediate.int_window_state"
_MEMORY = """
CREATE SCHEMA IF NOT EXISTS build;
CREATE TABLE IF NOT EXISTS build.models (digest VARCHAR, definition VARCHAR, as_of DATE);
CREATE TABLE IF NOT EXISTS build.counted (submission_no UINTEGER, form VARCHAR, reporter_code VARCHAR, digest UBIGINT);
CREATE TABLE IF NOT EXISTS build.window_counted (
    window_id INTEGER, period_type VARCHAR, period VARCHAR, content HUGEINT);
CREATE TABLE IF NOT EXISTS build.recount (fact VARCHAR, filed_by VARCHAR, filing_period VARCHAR);
ALTER TABLE build.recount DROP COLUMN IF EXISTS is_filed_anew; -- of build databases before 0032, where nothing reads it
CREATE TABLE IF NOT EXISTS build.recount_filing (fact VARCHAR, submission_no UINTEGER);
"""
#: Submissions in force, each with a digest of what makes its rows count: when it came into force, by which rules it was
#: judged, which of its rows are held back, and which rows a correction carries over from its base.
_IN_FORCE = """
SELECT p.submission_no, p.form, p.reporter_code,
    hash(s.sys_from, s.ruleset_version, s.rows_in_force, q.n, q.rows, c.n, c.rows) AS digest
FROM ledger.standing AS s
JOIN ledger.parcel AS p USING (submission_no)
LEFT JOIN (
    SELECT submission_no, count(*) AS n, sum(hash(row_no)) AS rows FROM ledger.quarantined_row GROUP BY submission_no
) AS q USING (submission_no)
LEFT JOIN (
    SELECT submission_no, count(*) AS n, sum(hash(row_no, origin_no, origin_row_no)) AS rows
    FROM ledger.carried_row GROUP BY submission_no
) AS c USING (submission_no)
WHERE s.sys_from IS NOT NULL AND s.sys_to IS NULL
"""

#: The same by number, period and envelope; of a form that its filer alone files, every row is the filer's own.
_STANDING = """
SELECT p.submission_no, p.form, p.period, p.reporter_code, coalesce(f.side = 'insurer', false) AS is_own
FROM ledger.standing AS s
JOIN ledger.parcel AS p USING (submission_no)
LEFT JOIN reference.forms AS f ON f.form = p.form
WHERE s.sys_from IS NOT NULL AND s.sys_to IS NULL
"""


class RecountError(Exception):
    """A model that is said to be counted by filing depends on something that no filing tells; the message names it."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A model counted by filing.

    Attributes:
        name: the model's name; the key of `build.recount`.
        forms: codes of the forms whose filings it is counted from.
        table: `schema.table` if it is kept as a table, None for a form's own rows (a staging view).
        key: columns that, with the reporter, name a record of its only form, () where each period stands for itself;
            None of a fact of several forms.
    """

    name: str
    forms: frozenset[str]
    table: str | None
    key: tuple[str, ...] | None = None


def facts_counted_by_filing(manifest: Mapping[str, Any]) -> list[Fact]:
    """The project's facts that are counted by filing: incremental models of one fact, and staging views that a model of
    many facts sums up.

    Raises:
        RecountError: such a model reads a source that changes without a filing, or the run's moment without saying
            when its flags change.
    """
    nodes = manifest["nodes"]
    recounted = {
        unique_id: node
        for unique_id, node in nodes.items()
        if node["resource_type"] == "model" and node["config"].get("incremental_strategy") == STRATEGY
    }
    own = {key: node for key, node in recounted.items() if not node["config"]["meta"].get("replaces")}
    summed = {
        parent: nodes[parent]
        for key in recounted.keys() - own.keys()
        for parent in manifest["parent_map"][key]
        if parent in nodes
        and nodes[parent]["resource_type"] == "model"
        and nodes[parent]["fqn"][1] == "staging"
    }
    found = []
    for unique_id, node in sorted({**own, **summed}.items()):
        forms = set()
        for source in _sources(manifest, unique_id):
            schema, name = source["schema"], source["name"]
            if schema == _FILED:
                forms.add(name.upper())
            elif (schema, name) not in _STEADY_SOURCES:
                raise RecountError(
                    f"{node['name']} is counted by filing (incremental_strategy='{STRATEGY}') but reads "
                    f"{schema}.{name}, which changes without a filing of it: make it a table."
                )
        if _reads_the_moment(manifest, unique_id) and _CHANGES_ON not in node["raw_code"]:
            raise RecountError(
                f"{node['name']} is counted by filing and reads the run's moment, but has no column {_CHANGES_ON}: its "
                "flags would stay as they are until its filer files again. Add the column (macro changes_after)."
            )
        for staged in _staged(manifest, unique_id):
            if not any(word in staged["raw_code"] for word in ("latest_state", _NUMBER)):
                raise RecountError(
                    f"{staged['name']} tells {node['name']}, which is counted by filing, and has no column {_NUMBER}: "
                    "a build could not tell which rows to count again. Add the column."
                )
        table = f"{node['schema']}.{node['name']}" if unique_id in own else None
        keys = {
            tuple(key)
            for staged in _staged(manifest, unique_id)
            if (key := staged["config"]["meta"].get("key")) is not None
        }
        key = keys.pop() if len(forms) == len(keys) == 1 else None
        found.append(Fact(node["name"], frozenset(forms), table, key))
    return found


def kept_tables(manifest: Mapping[str, Any]) -> list[str]:
    """`schema.table` of every model that is built by partition."""
    return sorted(
        f"{node['schema']}.{node['name']}"
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["config"].get("incremental_strategy") == STRATEGY
    )


def read_manifest(path: Path) -> dict[str, Any]:
    """dbt's parsed project."""
    manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return manifest


def remembered_digest(con: duckdb.DuckDBPyConnection) -> str | None:
    """Digest of the state that the models are those of; None while a build is unfinished or there never was one."""
    if not _has_memory(con):
        return None
    row = con.execute("SELECT digest FROM build.models").fetchone()
    return row[0] if row else None


def begin(
    con: duckdb.DuckDBPyConnection, manifest: Mapping[str, Any], definition: str, *, full: bool
) -> bool:
    """A build begins: note what it has to count again. True if partitions tell it, False if everything is counted.

    From now on a build is unfinished, until `complete`.

    Args:
        con: the build database, with no transaction open.
        manifest: dbt's parsed project.
        definition: digest of everything beside the filings that makes figures.
        full: count everything whatever has changed.
    """
    if not _has_memory(con):
        con.execute("DROP TABLE IF EXISTS build.models")
    con.execute(_MEMORY)
    row = con.execute("SELECT as_of::DATE FROM reference.run").fetchone()
    as_of = row[0] if row else None
    last = con.execute("SELECT definition, as_of, digest FROM build.models").fetchone()
    by_partition = (
        not full
        and as_of is not None
        and last is not None
        and last[0] == definition
        and last[1] is not None
        and last[1] <= as_of
        and _all_there(con, manifest)
    )
    con.execute("BEGIN")
    try:
        if by_partition:
            _note_changes(con, facts_counted_by_filing(manifest), as_of)
        else:
            con.execute("DELETE FROM build.recount")
        if not by_partition or last is None or last[2] is None:
            con.execute("DELETE FROM build.window_counted")
        con.execute("DELETE FROM build.models")
        # Unless everything is counted first, a killed build leaves nothing that partitions could be compared with.
        con.execute(
            "INSERT INTO build.models VALUES (NULL, ?, ?)", [definition if by_partition else None, as_of]
        )
    except BaseException:
        con.execute("ROLLBACK")
        raise
    con.execute("COMMIT")
    return by_partition


def complete(con: duckdb.DuckDBPyConnection, definition: str, digest: str) -> None:
    """The build has succeeded: the models are those of what is there now."""
    con.execute(_MEMORY)
    con.execute("BEGIN")
    con.execute("DELETE FROM build.recount")
    con.execute("DELETE FROM build.counted")
    con.execute(f"INSERT INTO build.counted {_IN_FORCE}")
    con.execute("DELETE FROM build.window_counted")
    if _is_there(con, _WINDOWS):
        con.execute(
            f"INSERT INTO build.window_counted SELECT window_id, period_type, period, content FROM {_WINDOWS}"
        )
    con.execute("DELETE FROM build.models")
    con.execute(
        "INSERT INTO build.models SELECT ?, ?, (SELECT as_of::DATE FROM reference.run)", [digest, definition]
    )
    con.execute("COMMIT")


def _note_changes(con: duckdb.DuckDBPyConnection, facts: list[Fact], as_of: Any) -> None:
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE changed AS
        SELECT submission_no, p.form, p.reporter_code AS filed_by, p.period
        FROM (
            SELECT submission_no FROM ({_IN_FORCE}) AS n FULL JOIN build.counted AS o USING (submission_no)
            WHERE n.digest IS DISTINCT FROM o.digest)
        JOIN ledger.parcel AS p USING (submission_no)"""
    )
    stored = {
        name
        for (name,) in con.execute(
            "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'store'"
        ).fetchall()
    }
    changed = [
        form for (form,) in con.execute("SELECT DISTINCT form FROM changed WHERE form IS NOT NULL").fetchall()
    ]
    # Who a row is of stands in the row; the envelope says the same of every form that only its filer files.
    con.execute(
        "CREATE OR REPLACE TEMP TABLE changed_filer AS SELECT DISTINCT form, filed_by, period FROM changed"
    )
    for form in changed:
        if form.lower() in stored:
            con.execute(
                f"""
                INSERT INTO changed_filer
                SELECT DISTINCT c.form, r.reporter_code, c.period
                FROM store.{form.lower()} AS r JOIN changed AS c USING (submission_no) WHERE c.form = ?""",
                [form],
            )
    for fact in facts:
        if fact.forms.isdisjoint(changed):
            pass
        elif fact.key is not None:
            _note_records(con, fact, fact.key)
        else:
            _note_filers(con, fact)
        if fact.table and _has_column(con, fact.table, _CHANGES_ON):
            con.execute(
                f"""
                INSERT INTO build.recount
                SELECT DISTINCT $fact, reporter_code, filing_period FROM {fact.table}
                WHERE {_CHANGES_ON} <= $as_of
                EXCEPT FROM build.recount""",
                {"fact": fact.name, "as_of": as_of},
            )
    _note_filings(con, facts)


def _note_filers(con: duckdb.DuckDBPyConnection, fact: Fact) -> None:
    """All partitions of whoever filed something else: what a form says of a filer reaches any row of it."""
    con.execute(
        """
        INSERT INTO build.recount
        SELECT DISTINCT $fact, f.filed_by, p.period
        FROM changed_filer AS f
        CROSS JOIN (SELECT DISTINCT period FROM ledger.parcel WHERE list_contains($forms, form)) AS p
        WHERE list_contains($forms, f.form) AND f.filed_by IS NOT NULL AND p.period IS NOT NULL
        EXCEPT FROM build.recount""",
        {"fact": fact.name, "forms": sorted(fact.forms)},
    )


def _note_records(con: duckdb.DuckDBPyConnection, fact: Fact, key: tuple[str, ...]) -> None:
    """The partition of the period filed anew, and earlier ones of the filer that hold a state of one of its records.

    Of a record the state filed for the latest period counts, so only earlier periods may gain or lose one.
    """
    [form] = fact.forms
    con.execute(
        """
        INSERT INTO build.recount
        SELECT $fact, filed_by, period FROM changed_filer
        WHERE form = $form AND filed_by IS NOT NULL AND period IS NOT NULL
        EXCEPT FROM build.recount""",
        {"fact": fact.name, "form": form},
    )
    if not key:
        return
    names = ", ".join(key)
    same = " AND ".join(f"e.{name} IS NOT DISTINCT FROM c.{name}" for name in key)
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE changed_record AS
        SELECT r.reporter_code, {names}, max(c.period) AS period
        FROM store.{form.lower()} AS r JOIN changed AS c USING (submission_no) WHERE c.form = $form GROUP BY ALL""",
        {"form": form},
    )
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE earlier_filing AS
        SELECT p.submission_no FROM ({_STANDING}) AS p
        WHERE p.form = $form AND p.period < (SELECT max(period) FROM changed_record)
            AND (NOT p.is_own OR p.reporter_code IN (SELECT reporter_code FROM changed_record))""",
        {"form": form},
    )
    con.execute(
        f"""
        INSERT INTO build.recount
        SELECT DISTINCT $fact, e.reporter_code, e.filing_period
        FROM (
            FROM filed.{form.lower()} WHERE sys_to IS NULL AND submission_no IN (FROM earlier_filing)) AS e
        JOIN changed_record AS c
            ON e.reporter_code = c.reporter_code AND e.filing_period < c.period AND {same}
        EXCEPT FROM build.recount""",
        {"fact": fact.name},
    )


def _note_filings(con: duckdb.DuckDBPyConnection, facts: list[Fact]) -> None:
    """Of each partition to be counted again, the submissions that hold its rows or later states of their records.

    The models could tell them by filer and period; by number DuckDB leaves alone what lies beside them.
    """
    con.execute("DELETE FROM build.recount_filing")
    for fact in facts:
        con.execute(
            f"""
            INSERT INTO build.recount_filing
            WITH again AS (
                SELECT filed_by, min(filing_period) AS first_period FROM build.recount WHERE fact = $fact GROUP BY ALL)
            SELECT $fact, p.submission_no FROM ({_STANDING}) AS p
            WHERE list_contains($forms, p.form) AND EXISTS (
                SELECT 1 FROM again AS a
                WHERE p.period >= a.first_period AND (NOT p.is_own OR p.reporter_code = a.filed_by))""",
            {"fact": fact.name, "forms": sorted(fact.forms)},
        )


def _lineage(manifest: Mapping[str, Any], unique_id: str) -> Iterator[str]:
    """A model and every node it depends on, however far up."""
    seen, waiting = {unique_id}, [unique_id]
    while waiting:
        key = waiting.pop()
        yield key
        parents = set(manifest["parent_map"].get(key, ())) - seen
        seen |= parents
        waiting.extend(parents)


def _sources(manifest: Mapping[str, Any], unique_id: str) -> Iterator[Mapping[str, Any]]:
    """The sources in a model's lineage."""
    return (manifest["sources"][key] for key in _lineage(manifest, unique_id) if key in manifest["sources"])


def _staged(manifest: Mapping[str, Any], unique_id: str) -> Iterator[Mapping[str, Any]]:
    """The staging models in a model's lineage, itself among them."""
    for key in _lineage(manifest, unique_id):
        node = manifest["nodes"].get(key)
        if node and node["resource_type"] == "model" and node["fqn"][1] == "staging":
            yield node


def _reads_the_moment(manifest: Mapping[str, Any], unique_id: str) -> bool:
    """Whether a model reads the run's moment itself, or from the model that holds it (int_run)."""
    moment = {key for key, told in manifest["sources"].items() if (told["schema"], told["name"]) == _MOMENT}
    parents = manifest["parent_map"].get(unique_id, ())
    return any(
        parent in moment or not moment.isdisjoint(manifest["parent_map"].get(parent, ()))
        for parent in parents
    )


def _all_there(con: duckdb.DuckDBPyConnection, manifest: Mapping[str, Any]) -> bool:
    return all(_is_there(con, table) for table in kept_tables(manifest))


def _is_there(con: duckdb.DuckDBPyConnection, table: str) -> bool:
    return bool(
        con.execute(
            "SELECT 1 FROM duckdb_tables() WHERE schema_name || '.' || table_name = ?", [table]
        ).fetchone()
    )


def _has_column(con: duckdb.DuckDBPyConnection, table: str, column: str) -> bool:
    return any(row[0] == column for row in con.execute(f"DESCRIBE {table}").fetchall())


def _has_memory(con: duckdb.DuckDBPyConnection) -> bool:
    """A build database of an older program remembers a digest alone."""
    columns = con.execute(
        "SELECT column_name FROM duckdb_columns() WHERE schema_name = 'build' AND table_name = 'models'"
    ).fetchall()
    return {"digest", "definition", "as_of"} <= {name for (name,) in columns}
