"""What a build has to count again: what is compared, what is remembered, and what the project promises for it.

Put here: the memory in the build database and the project's dependencies. That the outcome equals a full build is
proved by tests/property/test_recount.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.orchestration import recount
from pipelines.orchestration.dbt_build import model_project, prepare_manifest
from pipelines.settings import Settings

#: Seeds and what is made of them alone are the same in every build of one definition.
STEADY = {"kpi_series", "kpi_series_measures", "int_window", "int_window_base", "int_window_changed"}
#: Counted whole, and replaced in every build.
WHOLE = {"kpi_restatement", "kpi_agreement"}
#: Code lists are part of the definition; of earlier releases int_window_state holds which one is the base.
STEADY_SOURCES = {("reference", "code_lists"), ("published", "kpi_values")}
#: What a comparison reads of the ledger.
LEDGER = """
CREATE SCHEMA ledger; CREATE SCHEMA reference; CREATE SCHEMA store; CREATE SCHEMA intermediate;
CREATE TABLE ledger.standing (submission_no UINTEGER, sys_from TIMESTAMP, sys_to TIMESTAMP,
    ruleset_version VARCHAR, rows_in_force BIGINT);
CREATE TABLE ledger.parcel (submission_no UINTEGER, form VARCHAR, reporter_code VARCHAR, period VARCHAR);
CREATE TABLE ledger.quarantined_row (submission_no UINTEGER, row_no UINTEGER);
CREATE TABLE ledger.carried_row (submission_no UINTEGER, row_no UINTEGER, origin_no UINTEGER,
    origin_row_no UINTEGER);
"""


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    settings = Settings(home=tmp_path_factory.mktemp("home"), inbox="file:///nowhere")
    return recount.read_manifest(prepare_manifest(settings, model_project(settings)))


def test_facts_are_counted_from_the_forms_of_their_lineage(manifest: dict[str, Any]) -> None:
    forms = {fact.name: fact.forms for fact in recount.facts_counted_by_filing(manifest)}
    assert forms["int_call_back"] == {"F04"}
    assert forms["int_complaint"] == {"F01", "F02", "F03"}
    assert forms["stg_f06"] == {"F06"}
    keys = {fact.name: fact.key for fact in recount.facts_counted_by_filing(manifest)}
    assert keys["int_call_back"] == ("callback_id",)
    assert keys["stg_f06"] == keys["int_call_back_summary"] == ()  # each period for itself
    assert keys["int_complaint"] is None  # what F02 says of a filer reaches any complaint of it
    assert "int_registered_complaint" not in forms  # looks across filers


def test_what_a_window_is_made_of_is_in_its_state(manifest: dict[str, Any]) -> None:
    """A model counted by window reads other such models, what the state of a window is taken of, and nothing else that
    can change."""
    nodes, parents = manifest["nodes"], manifest["parent_map"]
    by_window = {
        key
        for key, node in nodes.items()
        if (node["config"].get("meta") or {}).get("replaces")
        in ("recounted_windows", "recounted_comparisons", "recounted_periods", "recounted_values")
    }
    assert len(by_window) > 15
    state = set(parents["model.xiaobao.int_window_state"])
    for key in by_window:
        for parent in parents[key]:
            if parent in manifest["sources"]:
                source = manifest["sources"][parent]
                assert (source["schema"], source["name"]) in STEADY_SOURCES, f"{key} reads {parent}"
            elif nodes[parent]["resource_type"] != "seed":
                name = nodes[parent]["name"]
                known = parent in by_window | state or name in STEADY | WHOLE
                assert known, f"{key} reads {name}: add it to int_window_state, or count it whole"


def project(schema: str, source: str, key: list[str] | None = None) -> dict[str, Any]:
    """The manifest of a project whose only fact, counted by filing, reads one source through a staging model."""
    return {
        "nodes": {
            "model.x.stg_thing": {
                "resource_type": "model", "name": "stg_thing", "schema": "staging",
                "raw_code": "{{ latest_state(...) }}", "fqn": ["x", "staging", "stg_thing"],
                "config": {"meta": {} if key is None else {"key": key}},
            },
            "model.x.int_thing": {
                "resource_type": "model", "name": "int_thing", "schema": "intermediate", "raw_code": "select 1",
                "fqn": ["x", "intermediate", "int_thing"],
                "config": {"incremental_strategy": "recount", "meta": {}},
            },
        },
        "sources": {"source.x.one": {"schema": schema, "name": source}},
        "parent_map": {"model.x.int_thing": ["model.x.stg_thing"], "model.x.stg_thing": ["source.x.one"]},
    }  # fmt: skip


def test_a_killed_build_is_made_up_for_also_when_its_cause_is_gone(tmp_path: Path) -> None:
    """What a killed build was to count again stays noted, though what is filed is again what it was."""
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as con:
        con.execute(LEDGER)
        con.execute(
            """
            CREATE TABLE reference.run AS SELECT TIMESTAMP '2024-04-01 09:00:00' AS as_of;
            CREATE TABLE reference.forms (form VARCHAR, side VARCHAR);
            INSERT INTO reference.forms VALUES ('F05', 'insurer');
            CREATE TABLE intermediate.int_thing (reporter_code VARCHAR, filing_period VARCHAR, changes_on DATE);
            INSERT INTO ledger.parcel VALUES (1, 'F05', 'A', '2024-02'), (2, 'F05', 'B', '2024-03');
            INSERT INTO ledger.standing VALUES (1, '2024-03-10', NULL, 'r', 5), (2, '2024-03-11', NULL, 'r', 5);
            INSERT INTO intermediate.int_thing VALUES ('A', '2024-02', '2024-04-20'), ('B', '2024-03', NULL);
            """
        )
        manifest = project("filed", "f05")

        def noted() -> list[tuple[str, str, str]]:
            return con.execute("FROM build.recount ORDER BY ALL").fetchall()

        assert not recount.begin(con, manifest, "d", full=False)  # nothing was counted yet
        assert not recount.begin(con, manifest, "d", full=False)  # and still nothing is certain
        recount.complete(con, "d", "state 1")
        assert recount.remembered_digest(con) == "state 1"
        assert recount.begin(con, manifest, "d", full=False)
        assert (noted(), recount.remembered_digest(con)) == ([], None)

        con.execute("INSERT INTO ledger.quarantined_row VALUES (2, 4)")
        assert recount.begin(con, manifest, "d", full=False)
        both = [("int_thing", "B", "2024-02"), ("int_thing", "B", "2024-03")]
        assert noted() == both
        con.execute("DELETE FROM ledger.quarantined_row")
        assert recount.begin(con, manifest, "d", full=False)
        assert noted() == both
        recount.complete(con, "d", "state 2")
        assert noted() == []

        con.execute("UPDATE reference.run SET as_of = '2024-04-20 00:00:00'")
        assert recount.begin(con, manifest, "d", full=False)
        assert noted() == [("int_thing", "A", "2024-02")]
        con.execute("UPDATE reference.run SET as_of = '2024-04-19 00:00:00'")
        assert not recount.begin(con, manifest, "d", full=False)  # the moment moved back
        recount.complete(con, "d", "state 3")
        assert not recount.begin(con, manifest, "other definition", full=False)
        recount.complete(con, "d", "state 4")
        con.execute("DROP TABLE intermediate.int_thing")
        assert not recount.begin(con, manifest, "d", full=False)


def test_what_an_older_program_noted_is_read_and_brought_up_to_date(filed: duckdb.DuckDBPyConnection) -> None:
    manifest = project("filed", "f05")
    recount.begin(filed, manifest, "d", full=False)
    recount.complete(filed, "d", "state")
    filed.execute("ALTER TABLE build.recount ADD COLUMN is_filed_anew BOOLEAN")
    filed.execute("INSERT INTO build.recount VALUES ('int_thing', 'A', '2024-01', true)")
    assert recount.begin(filed, manifest, "d", full=False)
    assert filed.execute("FROM build.recount").fetchall() == [("int_thing", "A", "2024-01")]


@pytest.fixture
def filed() -> Iterator[duckdb.DuckDBPyConnection]:
    """Records of F05 by two insurers, and of R05, which the supervisor files about both, counted once."""
    with duckdb.connect() as con:
        con.execute(LEDGER)
        con.execute(
            """
            CREATE SCHEMA filed;
            CREATE TABLE reference.run AS SELECT TIMESTAMP '2024-06-01 09:00:00' AS as_of;
            CREATE TABLE reference.forms AS FROM (VALUES ('F05', 'insurer'), ('R05', 'supervisor')) AS t(form, side);
            CREATE TABLE store.f05 (submission_no UINTEGER, reporter_code VARCHAR, id VARCHAR);
            CREATE TABLE store.r05 (submission_no UINTEGER, reporter_code VARCHAR, id VARCHAR);
            CREATE VIEW filed.f05 AS SELECT r.*, p.period AS filing_period, s.sys_to FROM store.f05 AS r
                JOIN ledger.parcel AS p USING (submission_no) JOIN ledger.standing AS s USING (submission_no);
            CREATE VIEW filed.r05 AS SELECT r.*, p.period AS filing_period, s.sys_to FROM store.r05 AS r
                JOIN ledger.parcel AS p USING (submission_no) JOIN ledger.standing AS s USING (submission_no);
            CREATE TABLE intermediate.int_thing (reporter_code VARCHAR, filing_period VARCHAR);
            """
        )
        yield con


def file(con: duckdb.DuckDBPyConnection, number: int, form: str, filer: str, period: str, *rows: str) -> None:
    """A submission that comes into force, each row as `reporter/id`; one of the same filer and period goes out."""
    moment = f"2024-05-01 10:{number:02d}:00"
    con.execute(
        "UPDATE ledger.standing SET sys_to = ? WHERE sys_to IS NULL AND submission_no IN "
        "(SELECT submission_no FROM ledger.parcel WHERE form = ? AND reporter_code = ? AND period = ?)",
        [moment, form, filer, period],
    )
    con.execute("INSERT INTO ledger.parcel VALUES (?, ?, ?, ?)", [number, form, filer, period])
    con.execute("INSERT INTO ledger.standing VALUES (?, ?, NULL, 'r', ?)", [number, moment, len(rows)])
    for row in rows:
        con.execute(f"INSERT INTO store.{form.lower()} VALUES (?, ?, ?)", [number, *row.split("/")])


def again(
    con: duckdb.DuckDBPyConnection, manifest: dict[str, Any]
) -> tuple[list[tuple[str, str]], list[int]]:
    """Partitions noted to be counted again, and the submissions noted for them; then the build is complete."""
    assert recount.begin(con, manifest, "d", full=False)
    partitions = con.execute("SELECT filed_by, filing_period FROM build.recount ORDER BY ALL").fetchall()
    filings = con.execute("SELECT submission_no FROM build.recount_filing ORDER BY ALL").fetchall()
    recount.complete(con, "d", "state")
    return partitions, [number for (number,) in filings]


def test_partitions_follow_the_records_of_what_was_filed(filed: duckdb.DuckDBPyConnection) -> None:
    """Of a record the latest period counts: earlier partitions are touched where they hold a record of the filing that
    came or went, later ones never."""
    manifest = project("filed", "f05", ["id"])
    file(filed, 1, "F05", "A", "2024-01", "A/a", "A/b")
    file(filed, 2, "F05", "A", "2024-02", "A/b", "A/c")
    file(filed, 3, "F05", "A", "2024-03", "A/d")
    file(filed, 4, "F05", "B", "2024-01", "B/d", "B/b")
    recount.begin(filed, manifest, "d", full=False)
    recount.complete(filed, "d", "state")
    file(filed, 5, "F05", "A", "2024-04", "A/e")
    assert again(filed, manifest) == ([("A", "2024-04")], [5])
    file(filed, 6, "F05", "A", "2024-05", "A/a")
    assert again(filed, manifest) == ([("A", "2024-01"), ("A", "2024-05")], [1, 2, 3, 5, 6])
    file(filed, 7, "F05", "A", "2024-05", "A/e")  # a is gone from it and falls back, e comes in
    assert again(filed, manifest) == (
        [("A", "2024-01"), ("A", "2024-04"), ("A", "2024-05")],
        [1, 2, 3, 5, 7],
    )
    file(filed, 8, "F05", "A", "2024-02", "A/c")  # b falls back to January; what came later counts anyway
    assert again(filed, manifest) == ([("A", "2024-01"), ("A", "2024-02")], [1, 3, 5, 7, 8])
    file(filed, 9, "F05", "B", "2024-01", "B/d")
    assert again(filed, manifest) == ([("B", "2024-01")], [9])


def test_rows_about_others_are_looked_for_in_every_filing(filed: duckdb.DuckDBPyConnection) -> None:
    manifest = project("filed", "r05", ["id"])
    file(filed, 1, "R05", "S", "2024-01", "A/a", "B/b")
    file(filed, 2, "R05", "S", "2024-02", "A/c")
    recount.begin(filed, manifest, "d", full=False)
    recount.complete(filed, "d", "state")
    file(filed, 3, "R05", "S", "2024-03", "A/a")
    assert again(filed, manifest) == ([("A", "2024-01"), ("A", "2024-03"), ("S", "2024-03")], [1, 2, 3])


def test_periods_that_stand_for_themselves_are_counted_again_alone(filed: duckdb.DuckDBPyConnection) -> None:
    manifest = project("filed", "f05", [])
    file(filed, 1, "F05", "A", "2024-01", "A/a")
    file(filed, 2, "F05", "A", "2024-02", "A/a")
    recount.begin(filed, manifest, "d", full=False)
    recount.complete(filed, "d", "state")
    file(filed, 3, "F05", "A", "2024-01", "A/a")
    assert again(filed, manifest) == ([("A", "2024-01")], [2, 3])


def test_a_fact_counted_by_filing_reads_nothing_else() -> None:
    with pytest.raises(recount.RecountError, match=r"int_thing .* reads filing\.obligations"):
        recount.facts_counted_by_filing(project("filing", "obligations"))


def test_a_staging_model_of_a_fact_counted_by_filing_names_the_submission() -> None:
    nameless = project("filed", "f05", [])
    nameless["nodes"]["model.x.stg_thing"]["raw_code"] = "select reporter_code, row_no"
    with pytest.raises(recount.RecountError, match=r"stg_thing tells int_thing.* no column submission_no"):
        recount.facts_counted_by_filing(nameless)
    nameless["nodes"]["model.x.stg_thing"]["raw_code"] = "select reporter_code, submission_no, row_no"
    [fact] = recount.facts_counted_by_filing(nameless)
    assert fact.key == ()


def test_a_fact_that_reads_the_moment_says_when_it_changes() -> None:
    dated = project("reference", "run")
    with pytest.raises(recount.RecountError, match=r"int_thing .* no column changes_on"):
        recount.facts_counted_by_filing(dated)
    dated["nodes"]["model.x.int_thing"]["raw_code"] = "select changes_on"
    [fact] = recount.facts_counted_by_filing(dated)
    assert fact.table == "intermediate.int_thing"
