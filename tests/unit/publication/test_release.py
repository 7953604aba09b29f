"""Releases: whole or absent, never made twice, the same bytes for the same inputs, readable while being replaced."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from pipelines.publication.release import PUBLIC_TABLES, Release, current_release
from pipelines.warehouse.connection import open_readonly, open_warehouse
from tests.support.desk import Desk

Publish = Callable[..., Release]


def first_value(path: Path) -> object:
    con = open_readonly(path / "warehouse.duckdb")
    try:
        found = con.execute("SELECT min(value), any_value(release_id) FROM kpi.kpi_values").fetchone()
        return found and (int(found[0]), found[1])
    finally:
        con.close()


def test_a_release_holds_the_public_relations_and_says_which_it_is(desk: Desk, release: Publish) -> None:
    made = release()
    assert (made.release_no, made.created) == (1, True)
    con = open_readonly(desk.settings.current_release / "warehouse.duckdb")
    for name in [*PUBLIC_TABLES, "kpi.kpi_values", "release.release"]:
        assert con.execute(f"SELECT count(*) FROM {name}").fetchone() != (None,)
    [(release_id, submissions)] = con.execute(
        "SELECT release_id, submissions FROM release.release"
    ).fetchall()
    assert (release_id, submissions) == ("v1", 2)
    assert "submission_no" not in [line[0] for line in con.execute("DESCRIBE filing.submissions").fetchall()]
    con.close()


def test_nothing_new_makes_no_release(release: Publish) -> None:
    first = release()
    again = release()
    assert (again.release_no, again.created) == (first.release_no, False)
    changed = release(definition="another")
    assert (changed.release_no, changed.created) == (2, True)


def test_the_same_inputs_give_the_same_parquet_bytes(desk: Desk, release: Publish) -> None:
    made = release()
    before = {path.name: path.read_bytes() for path in (made.path / "parquet").iterdir()}
    for path in made.path.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    shutil.rmtree(desk.settings.releases_dir)
    con = open_warehouse(desk.settings.build_database)
    con.execute("DELETE FROM published.kpi_values")
    con.close()
    again = release()
    assert {path.name: path.read_bytes() for path in (again.path / "parquet").iterdir()} == before


def test_published_values_are_remembered_once(desk: Desk, release: Publish) -> None:
    release()
    release()
    assert desk.ask("SELECT release_no, count(*) AS n FROM published.kpi_values GROUP BY 1") == [
        {"release_no": 1, "n": 1000}
    ]


def test_a_publication_cut_short_is_completed_not_repeated(desk: Desk, release: Publish) -> None:
    made = release()
    (desk.settings.releases_dir / "current").unlink()
    con = open_warehouse(desk.settings.build_database)
    con.execute("DELETE FROM published.kpi_values")
    con.close()
    (desk.settings.releases_dir / ".building-2").mkdir()
    again = release()
    assert (again.release_no, again.created) == (made.release_no, True)
    assert current_release(desk.settings.releases_dir) is not None
    assert desk.ask("SELECT count(*) AS n FROM published.kpi_values") == [{"n": 1000}]
    assert not list(desk.settings.releases_dir.glob(".building*"))


def test_files_of_a_release_are_read_only(release: Publish) -> None:
    made = release()
    assert {oct(path.stat().st_mode & 0o222) for path in made.path.rglob("*") if path.is_file()} == {"0o0"}


def test_a_reader_keeps_its_release_and_a_new_connection_sees_the_next(desk: Desk, release: Publish) -> None:
    release(0)
    held = open_readonly(desk.settings.current_release.resolve() / "warehouse.duckdb")
    release(5000, "next")
    assert held.execute("SELECT min(value)::INTEGER FROM kpi.kpi_values").fetchone() == (0,)
    assert first_value(desk.settings.current_release.resolve()) == (5000, "v2")
    held.close()


def test_a_reader_in_another_process_never_fails_nor_waits_while_runs_publish(
    desk: Desk, release: Publish
) -> None:
    release(0)
    script = """
import sys, time, duckdb
from pathlib import Path
path = Path(sys.argv[1])
seen = set()
held = duckdb.connect(str(path.resolve() / "warehouse.duckdb"), read_only=True)
print("ready", flush=True)
slowest = 0.0
end = time.monotonic() + 60
while not (path.parent / "stop").exists() and time.monotonic() < end:
    start = time.monotonic()
    assert held.execute("SELECT count(*) FROM kpi.kpi_values").fetchone() == (1000,)
    fresh = duckdb.connect(str(path.resolve() / "warehouse.duckdb"), read_only=True)
    seen.add(fresh.execute("SELECT release_id FROM release.release").fetchone()[0])
    fresh.close()
    slowest = max(slowest, time.monotonic() - start)
print(sorted(seen), flush=True)
"""
    reader = subprocess.Popen(
        [sys.executable, "-c", script, str(desk.settings.current_release)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert reader.stdout is not None
    assert reader.stdout.readline() == "ready\n"
    for number in range(2, 5):
        release(number * 1000, f"definition {number}")
    (desk.settings.releases_dir / "stop").touch()
    out, err = reader.communicate(timeout=60)
    assert (reader.returncode, err) == (0, "")
    assert "v4" in out or "v3" in out


def test_an_analysts_sql_cannot_leave_the_release(desk: Desk, release: Publish) -> None:
    release()
    con = open_readonly(desk.settings.current_release.resolve() / "warehouse.duckdb")
    for sql in (
        "SELECT * FROM read_text('/etc/hostname')",
        "COPY (SELECT 1) TO '/tmp/leak.csv'",
        "SET enable_external_access = true",
        "CREATE TABLE kpi.mine AS SELECT 1",
    ):
        with pytest.raises(duckdb.Error):
            con.execute(sql)
    con.close()


OVERLAY = Path(sys.prefix) / "duckdb2"
VERSIONS = {"locked": "", "2.0": str(OVERLAY)}


@pytest.mark.parametrize("reader", VERSIONS)
def test_a_release_opens_with_the_locked_duckdb_and_with_2_0(
    desk: Desk, release: Publish, reader: str
) -> None:
    if reader == "2.0" and not OVERLAY.is_dir():
        pytest.skip("DuckDB 2.0 is not laid beside the environment; `make test-duckdb2` does that")
    made = release()
    script = (
        "import sys, duckdb; con = duckdb.connect(sys.argv[1], read_only=True); "
        "print(duckdb.__version__[:2], con.execute('SELECT count(*) FROM kpi.kpi_values').fetchone()[0])"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", script, str(made.path / "warehouse.duckdb")],
        env=environment | {"PYTHONPATH": VERSIONS[reader]},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["2." if reader == "2.0" else "1.", "1000"]


def test_a_release_carries_the_dictionary_it_was_made_by(release: Publish) -> None:
    made = release()
    content = json.loads((made.path / "dictionary.json").read_text(encoding="utf-8"))
    con = open_readonly(made.path / "warehouse.duckdb")
    for table in ("forms", "columns", "code_values", "rules", "measures", "kpis", "kpi_variants"):
        [(count,)] = con.execute(f"SELECT count(*) FROM dictionary.{table}").fetchall()
        assert count == len(content[table]) > 0, table
    assert con.execute(
        "SELECT title_zh, data_type, required FROM dictionary.columns "
        "WHERE form = 'F01' AND column_name = 'received_at'"
    ).fetchall() == [("收到时间", "TIMESTAMP", True)]
    con.close()
