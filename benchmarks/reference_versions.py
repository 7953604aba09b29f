"""Corrections unfolded, periods compared in order, and the walk along each chain of versions, for the reference.

Put here: what needs a loop over filings. Do not put here: a rule that one statement says (`rules.sql`), anything of
`pipelines`. Rows stay in SQL; what Python walks are filings, a few thousand a month.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import duckdb

from benchmarks.reference_files import Form

CARRIED = 1 << 26
"""Added to the row number of a row that a correction carries over, once per correction."""


def unfold(con: duckdb.DuckDBPyConnection, forms: Mapping[str, Form]) -> None:
    """Make each correction the whole file it stands for, tell actions that do not fit (GEN-U01), drop deletions.

    A correction whose base cannot be read is refused (ENV-S06).
    """
    con.execute("CREATE TEMP TABLE unfolded (no UINTEGER, base UINTEGER)")
    con.execute("CREATE TEMP TABLE unfolding (no UINTEGER, base UINTEGER)")
    rows = con.execute("SELECT no, id, form, kind, prior FROM readable ORDER BY seq, no").fetchall()
    readable = {row[1]: row for row in rows}
    level: dict[str, int] = {}
    waves: dict[tuple[int, str], list[tuple[int, int]]] = defaultdict(list)
    refused: list[int] = []
    for no, name, form, kind, prior in rows:
        if kind != "CORRECTION":
            continue
        base = readable.get(prior)
        if base is None or base[3] == "WITHDRAW" or (base[3] == "CORRECTION" and prior not in level):
            refused.append(no)
            del readable[name]
            continue
        level[name] = level.get(prior, 0) + 1
        waves[level[name], form].append((no, base[0]))
    for no in refused:
        con.execute("INSERT INTO hit VALUES (?, 'ENV-S06', NULL, NULL)", [no])
        con.execute("DELETE FROM readable WHERE no = ?", [no])
    for form in {form for _, form in waves}:
        con.execute(f"DELETE FROM {forms[form].table} WHERE no NOT IN (SELECT no FROM readable)")
    for (_, code), pairs in sorted(waves.items()):
        _carry(con, forms[code], pairs)
    for form in forms.values():
        _actions(con, form)


def _carry(con: duckdb.DuckDBPyConnection, form: Form, pairs: Iterable[tuple[int, int]]) -> None:
    table, own = form.table, form.key[-1]
    con.execute("DELETE FROM unfolding")
    con.executemany("INSERT INTO unfolding VALUES (?, ?)", [list(pair) for pair in pairs])
    con.execute("INSERT INTO unfolded FROM unfolding")
    con.execute(
        f"""INSERT INTO {table}
        SELECT b.* REPLACE (u.no AS no, (b.r + {CARRIED})::UINTEGER AS r)
        FROM unfolding AS u JOIN {table} AS b ON b.no = u.base
        WHERE b.record_action IS DISTINCT FROM 'D' AND NOT EXISTS (
            SELECT 1 FROM {table} AS o WHERE o.no = u.no AND o.kh = b.kh AND o.{own} IS NOT NULL)"""
    )
    con.execute(
        f"""INSERT INTO hit
        SELECT u.no, h.rule, (h.r + {CARRIED})::UINTEGER, h.col
        FROM unfolding AS u JOIN hit AS h ON h.no = u.base AND h.r IS NOT NULL
        JOIN {table} AS c ON c.no = u.no AND c.r = h.r + {CARRIED}"""
    )


def _actions(con: duckdb.DuckDBPyConnection, form: Form) -> None:
    """A full file inserts only; in a correction I names a record its base has not, U and D one that it has."""
    table, own = form.table, form.key[-1]
    con.execute(
        f"""INSERT INTO hit
        SELECT t.no, 'GEN-U01', t.r, '{own}' FROM {table} AS t JOIN unfolded AS u USING (no)
        WHERE t.r < {CARRIED} AND t.{own} IS NOT NULL AND (t.record_action = 'I') = EXISTS (
            SELECT 1 FROM {table} AS e WHERE e.no = u.base AND e.kh = t.kh AND e.record_action IS DISTINCT FROM 'D')"""
    )
    odd = con.execute(
        f"SELECT no, r, {own}, record_action FROM {table} WHERE record_action <> 'I'"
    ).fetchall()
    if not odd:
        return
    con.execute(
        f"""INSERT INTO hit SELECT no, 'GEN-U01', r, '{own}' FROM {table} ANTI JOIN unfolded USING (no)
        WHERE record_action <> 'I' AND {own} IS NOT NULL"""
    )
    con.execute(f"DELETE FROM {table} WHERE record_action = 'D'")


def count_files(con: duckdb.DuckDBPyConnection, forms: Mapping[str, Form]) -> None:
    """Rows of the whole file that each correction stands for."""
    for (code,) in con.execute("SELECT DISTINCT form FROM unfolded JOIN readable USING (no)").fetchall():
        con.execute(
            f"""UPDATE readable AS s SET n = c.n FROM (
                SELECT u.no, count(t.no) AS n FROM unfolded AS u LEFT JOIN {forms[code].table} AS t USING (no)
                GROUP BY u.no) AS c WHERE c.no = s.no AND s.form = '{code}'"""
        )


#: Rules of `periods.sql` that hold back rows.
_HOLDING = "'F01-P01', 'F01-P02', 'F03-P01', 'F05-P01', 'F06-P01'"
_PERIOD_RULES = f"{_HOLDING}, 'F02-P01', 'F04-P01', 'F06-P02', 'F11-P01'"


def compare_periods(con: duckdb.DuckDBPyConnection, statements: Callable[[], None]) -> None:
    """Run `periods.sql` for all filings, then again, oldest first, where the measure of a filing has changed."""
    con.execute("CREATE TEMP TABLE turn AS SELECT no FROM readable WHERE kind <> 'WITHDRAW'")
    statements()
    told = f"SELECT no FROM hit WHERE r IS NOT NULL AND rule IN ({_HOLDING})"
    con.execute(f"CREATE TEMP TABLE told_first AS SELECT DISTINCT * FROM ({told})")
    last = "0001-01-01"
    while True:
        con.execute(
            f"""CREATE OR REPLACE TEMP TABLE turn AS
            SELECT s.no, s.ps FROM cp AS c JOIN readable AS s USING (no)
            WHERE c.need = 'previous' AND s.ps > DATE '{last}' AND c.other IN (FROM told_first UNION ({told}))
            QUALIFY s.ps = min(s.ps) OVER ()"""
        )
        row = con.execute("SELECT min(ps) FROM turn").fetchone()
        if row is None or row[0] is None:
            return
        last = str(row[0])
        con.execute(f"DELETE FROM hit WHERE no IN (SELECT no FROM turn) AND rule IN ({_PERIOD_RULES})")
        statements()


def walk_chains(con: duckdb.DuckDBPyConnection, forms: Mapping[str, Form]) -> None:
    """Which version of each obligation replaces which (ENV-S06 what does not follow); leaves `link` and GEN-P03."""
    names = ("no", "form", "per", "rep", "id", "kind", "prior", "signed_at", "follows", "previous")
    chains: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for values in con.execute(
        f"""SELECT {", ".join(names)} FROM weight WHERE state <> 'rejected' ORDER BY form, per, rep, seq, copy"""
    ).fetchall():
        one = dict(zip(names, values, strict=True))
        chains[one["form"], one["per"], one["rep"]].append(one)
    current: dict[tuple[str, str, str], dict[str, Any]] = {}
    kept: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for step in range(max(map(len, chains.values()), default=0)):
        trial = {key: chain[step] for key, chain in chains.items() if len(chain) > step}
        pairs = [
            (one["form"], one["no"], current[key]["no"])
            for key, one in trial.items()
            if one["follows"] and key in current and "WITHDRAW" not in (one["kind"], current[key]["kind"])
        ]
        changed = _differ(con, forms, pairs)
        unchanged = {no for _, no, _ in pairs} - changed
        for key, one in trial.items():
            if one["no"] in unchanged or not _fits(one, current.get(key)):
                con.execute("INSERT INTO hit VALUES (?, 'ENV-S06', NULL, NULL)", [one["no"]])
                continue
            current[key] = one
            kept[key].append(one)
    _link(con, kept)
    _restated(con, forms)


def _fits(one: Mapping[str, Any], current: Mapping[str, Any] | None) -> bool:
    if not one["follows"]:
        return True
    if one["kind"] in ("CORRECTION", "WITHDRAW"):
        return current is not None and current["kind"] != "WITHDRAW" and one["prior"] == current["id"]
    return one["prior"] in (one["previous"], current["id"] if current else None)


def _link(con: duckdb.DuckDBPyConnection, kept: Mapping[Any, list[dict[str, Any]]]) -> None:
    """`link`: of each accepted version since when, what became of it, and since when its obligation is met."""
    rows = []
    for chain in kept.values():
        since = met = None
        for one, following in zip(chain, [*chain[1:], None], strict=True):
            since = max(since, one["signed_at"]) if since else one["signed_at"]
            met = None if one["kind"] == "WITHDRAW" else met or since
            left = (
                None
                if following is None
                else "withdrawn"
                if following["kind"] == "WITHDRAW"
                else "superseded"
            )
            rows.append([one["no"], since, left, met])
    con.execute("CREATE TEMP TABLE link (no UINTEGER, since TIMESTAMP, left_as VARCHAR, met TIMESTAMP)")
    if rows:
        columns = list(zip(*rows, strict=True))
        con.execute(
            "INSERT INTO link SELECT unnest(?::UINTEGER[]), unnest(?::TIMESTAMP[]), unnest(?::VARCHAR[]), "
            "unnest(?::TIMESTAMP[])",
            [list(column) for column in columns],
        )


def _restated(con: duckdb.DuckDBPyConnection, forms: Mapping[str, Form]) -> None:
    """GEN-P03: another content than the accepted version that it names as superseded."""
    pairs = con.execute(
        """SELECT s.form, s.no, coalesce(u.base, a.no)
        FROM readable AS s JOIN readable AS a ON a.form = s.form AND a.per = s.per AND a.rep = s.rep AND a.seq < s.seq
        SEMI JOIN link AS l ON l.no = a.no LEFT JOIN unfolded AS u ON u.no = s.no
        WHERE s.kind <> 'WITHDRAW'
        QUALIFY row_number() OVER (PARTITION BY s.no ORDER BY a.seq DESC, a.no DESC) = 1"""
    ).fetchall()
    named = dict(con.execute("SELECT no, id FROM b").fetchall())
    priors = dict(con.execute("SELECT no, prior FROM b").fetchall())
    for no in _differ(con, forms, [pair for pair in pairs if named[pair[2]] == priors[pair[1]]]):
        con.execute("INSERT INTO hit VALUES (?, 'GEN-P03', NULL, NULL)", [no])


def _differ(
    con: duckdb.DuckDBPyConnection, forms: Mapping[str, Form], pairs: Iterable[tuple[str, int, int]]
) -> set[int]:
    """Of pairs (form, filing, the one it is compared with) the filings whose rows are not the same.

    Rows are compared as the sum of their hashes: order does not matter, repeats do.
    """
    asked = list(pairs)
    sums: dict[int, tuple[int, int]] = {}
    for code in {code for code, _, _ in asked}:
        form = forms[code]
        wanted = sorted({no for own, *both in asked if own == code for no in both})
        compared = ", ".join(c.name for c in form.columns if c.name not in ("updated_at", "record_action"))
        for no, count, total in con.execute(
            f"""SELECT no, count(*), sum(hash({compared})::HUGEINT) FROM {form.table}
            WHERE no IN (SELECT unnest(?::UINTEGER[])) GROUP BY no""",
            [wanted],
        ).fetchall():
            sums[no] = (count, total)
    return {no for _, no, other in asked if sums.get(no) != sums.get(other)}
