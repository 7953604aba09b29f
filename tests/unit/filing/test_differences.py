"""The comparison of two versions: every row accounted for, and the listed cells turn the old file into the new."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.contracts.loader import default_root, load_catalogue
from pipelines.filing.differences import SILENT_COLUMNS, find_unchanged, record_differences
from pipelines.warehouse.schema import insert_rows, prepare

OLD, NEW = 1, 2
FORM = load_catalogue().forms["F06"]
FILLED = ("org_code", "line_code", "sales_channel", "premium", "policies_new", "updated_at")
COMPARED = [column.name for column in FORM.columns if column.name not in SILENT_COLUMNS]
CALENDAR = default_root().parent / "data" / "calendar" / "working_days.csv"

Line = tuple[Any, ...]


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    """A build database with one obligation of form F06 and two accepted versions of it, without rows yet."""
    connection = duckdb.connect()
    prepare(connection, load_catalogue(), CALENDAR)
    for number in (OLD, NEW):
        connection.execute(
            """
            INSERT INTO ledger.parcel (submission_no, content_key, submission_id, form, reporter_code, period,
                period_start, period_end, kind, sequence_no, signed_at, on_cover, sha256, byte_size, source_name,
                archive_path)
            VALUES ($n, $n, concat('S', $n), 'F06', 'A', '2024-03', '2024-03-01', '2024-03-31',
                CASE $n WHEN 1 THEN 'ORIGINAL' ELSE 'RESUBMIT' END, $n, '2024-04-05 10:00:00', false, '', 0, '', '')""",
            {"n": number},
        )
        connection.execute(
            "INSERT INTO ledger.reading VALUES (?, 0, 0, NULL, NULL, NULL, true, 'r')", [number]
        )
        connection.execute(
            """
            INSERT INTO ledger.standing (submission_no, state, readable, rows_read, rows_accepted, rows_quarantined,
                rows_rejected, error_count, warning_count, first_pass, sys_from, ruleset_version)
            VALUES (?, 'accepted', true, 0, 0, 0, 0, 0, 0, true, '2024-04-05 10:00:00', 'r')""",
            [number],
        )
    connection.execute("CREATE TEMP TABLE checked AS SELECT submission_no FROM ledger.parcel")
    yield connection
    connection.close()


def file_versions(con: duckdb.DuckDBPyConnection, old: Sequence[Line], new: Sequence[Line]) -> None:
    con.execute("DELETE FROM store.f06")
    names = ("submission_no", "row_no", "reporter_code", *FILLED)
    for number, lines in ((OLD, old), (NEW, new)):
        rows = [(number, row_no, "A", *line) for row_no, line in enumerate(lines, 2)]
        if rows:
            insert_rows(con, f"store.f06 ({', '.join(names)})", rows)


def counts(con: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    cursor = con.execute("SELECT * FROM filing.differences")
    [found] = cursor.fetchall()
    return dict(zip((column[0] for column in cursor.description or ()), found, strict=True))


def version(con: duckdb.DuckDBPyConnection, number: int) -> dict[int, dict[str, str | None]]:
    texts = ", ".join(f"{name}::VARCHAR" for name in COMPARED)
    rows = con.execute(f"SELECT row_no, {texts} FROM store.f06 WHERE submission_no = ?", [number]).fetchall()
    return {row[0]: dict(zip(COMPARED, row[1:], strict=True)) for row in rows}


def content(rows: dict[int, dict[str, str | None]]) -> Counter[tuple[str | None, ...]]:
    return Counter(tuple(row[name] for name in COMPARED) for row in rows.values())


LINES = st.lists(
    st.tuples(
        st.sampled_from(["A", "B", None]),
        st.sampled_from(["车险", "分红", None]),
        st.sampled_from(["个人代理", "银邮代理"]),
        st.sampled_from(["0.00", "12.50", "12.51", None]),
        st.sampled_from([None, 0, 7]),
        st.sampled_from(["2024-04-01 00:00:00", "2024-04-02 00:00:00"]),
    ),
    max_size=9,
)


@given(old=LINES, new=LINES)
@settings(max_examples=120)
def test_every_row_is_counted_once_and_the_cells_make_the_new_file(
    con: duckdb.DuckDBPyConnection, old: list[Line], new: list[Line]
) -> None:
    file_versions(con, old, new)
    record_differences(con, load_catalogue())
    told = counts(con)
    assert told["rows_added"] + told["rows_changed"] + told["rows_unchanged"] == len(new)
    assert told["rows_removed"] + told["rows_changed"] + told["rows_unchanged"] == len(old)

    before, after = version(con, OLD), version(con, NEW)
    common = content(before) & content(after)
    assert told["rows_unchanged"] == common.total()
    made = {("old", number): dict(row) for number, row in before.items()}
    for change, row_no, old_row_no, column, was, now in con.execute(
        "SELECT change, row_no, old_row_no, column_name, old_value, new_value FROM filing.changed_cells"
    ).fetchall():
        if change == "added":
            made["new", row_no] = after[row_no]
        elif change == "removed":
            del made["old", old_row_no]
        else:
            assert made["old", old_row_no][column] == was
            made["old", old_row_no][column] = now
    assert Counter(tuple(row[name] for name in COMPARED) for row in made.values()) == content(after)

    find_unchanged(con, load_catalogue())
    assert bool(con.execute("SELECT count(*) FROM unchanged").fetchone() == (1,)) == (
        content(before) == content(after)
    )


def test_a_pair_is_the_same_record_in_both_files(con: duckdb.DuckDBPyConnection) -> None:
    old = [("A", "车险", "个人代理", "1.00", 5, None), ("A", "分红", "个人代理", "2.00", 5, None)]
    new = [("A", "分红", "个人代理", "2.50", 5, None), ("B", "车险", "个人代理", "1.00", 5, None)]
    file_versions(con, old, new)
    record_differences(con, load_catalogue())
    assert con.execute(
        "SELECT change, record_key, row_no, old_row_no, column_name, header, old_value, new_value "
        "FROM filing.changed_cells ORDER BY change"
    ).fetchall() == [
        ("added", "B|车险|个人代理", 3, None, None, None, None, None),
        ("changed", "A|分红|个人代理", 2, 3, "premium", FORM.column("premium").title_zh, "2.00", "2.50"),
        ("removed", "A|车险|个人代理", None, 2, None, None, None, None),
    ]
    totals = con.execute(
        "SELECT old_total, new_total FROM filing.difference_totals WHERE column_name = 'premium'"
    ).fetchall()
    assert [(str(was), str(now)) for was, now in totals] == [("3.000000", "3.500000")]


def test_rows_without_a_key_and_repeated_keys_are_told_and_not_lost(con: duckdb.DuckDBPyConnection) -> None:
    twice = ("A", "车险", "个人代理", "1.00", 5, None)
    old = [twice, twice, (None, "车险", "个人代理", "9.00", 1, None)]
    new = [twice, ("A", "车险", "个人代理", "3.00", 5, None), (None, "车险", "个人代理", "8.00", 1, None)]
    file_versions(con, old, new)
    record_differences(con, load_catalogue())
    told = counts(con)
    assert (told["rows_without_key"], told["rows_repeating_key"]) == (2, 4)
    assert {told[f"rows_{change}"] for change in ("added", "removed", "changed", "unchanged")} == {1}
    assert ("added", None) in con.execute("SELECT change, record_key FROM filing.changed_cells").fetchall()


def test_how_a_row_came_is_no_change(con: duckdb.DuckDBPyConnection) -> None:
    old = [("A", "车险", "个人代理", "1.00", 5, "2024-04-01 00:00:00")]
    new = [("A", "车险", "个人代理", "1.00", 5, "2024-04-09 00:00:00")]
    file_versions(con, old, new)
    con.execute("UPDATE store.f06 SET record_action = CASE submission_no WHEN 1 THEN 'I' ELSE 'U' END")
    record_differences(con, load_catalogue())
    assert counts(con)["rows_unchanged"] == 1


def test_judging_again_renews_and_never_adds(con: duckdb.DuckDBPyConnection) -> None:
    file_versions(con, [], [("A", "车险", "个人代理", "1.00", 5, None)])
    record_differences(con, load_catalogue())
    once = con.execute("SELECT * FROM ledger.changed_cell").fetchall()
    record_differences(con, load_catalogue())
    assert con.execute("SELECT * FROM ledger.changed_cell").fetchall() == once
    assert con.execute("SELECT count(*) FROM ledger.difference").fetchone() == (1,)
