"""Versions of one obligation: numbers that follow each other, corrections unfolded, one version in force at a time.

Belongs here: the chain of submissions of one form, period and reporter: ENV-S06, the full file a correction stands for,
which version replaces or withdraws which, and the interval of knowledge time in which each was in force.
Does not belong here: whether a submission is acceptable by itself (`settlement`), what changed between versions
(`differences`).

Numbers run over everything received for the obligation, accepted or not. A follow-up names what it supersedes: the
submission of the number before, or the version in force; corrections and withdrawals name the version in force.
"""

from __future__ import annotations

import duckdb

from pipelines.contracts.model import Catalogue, Form
from pipelines.filing.differences import find_unchanged
from pipelines.validation.references import collect_readable
from pipelines.warehouse.schema import CARRIED_FROM, store_columns, undeleted

#: Kinds that follow an earlier submission; a NIL follows when its number is above 1.
_FOLLOWS = "(p.kind IN ('RESUBMIT', 'CORRECTION', 'WITHDRAW') OR (p.kind = 'NIL' AND p.sequence_no > 1))"
_SAME_CHAIN = "{0}.form = {1}.form AND {0}.period = {1}.period AND {0}.reporter_code = {1}.reporter_code"


def number_chain(con: duckdb.DuckDBPyConnection) -> None:
    """Fill the temp table `chain`: every identified submission known at the run's moment, with its place.

    `copy` > 1 marks further files under a number that another one has; a draft (not SUBMITTED) yields its number to a
    submission, so that a draft sent by mistake never stands in the way of the filing.
    """
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE chain AS
        SELECT p.submission_no, p.submission_id, p.form, p.period, p.reporter_code, p.kind, p.sequence_no, p.supersedes,
            p.reason_code, {_FOLLOWS} AS follows, p.declared_state = 'SUBMITTED' AS is_submitted,
            row_number() OVER (
                PARTITION BY p.form, p.period, p.reporter_code, p.sequence_no
                ORDER BY p.declared_state = 'SUBMITTED' DESC, p.signed_at, p.submission_id) AS copy
        FROM ledger.parcel AS p
        WHERE p.form IS NOT NULL AND p.period IS NOT NULL AND p.reporter_code IS NOT NULL AND p.sequence_no IS NOT NULL
            AND p.signed_at <= (SELECT as_of FROM reference.run)"""
    )


def check_numbers(con: duckdb.DuckDBPyConnection) -> None:
    """ENV-S06 as far as numbers and names tell: one file a number, no gap, a follow-up names an earlier submission."""
    con.execute(
        f"""
        INSERT INTO ledger.finding
        SELECT c.submission_no, 'ENV-S06', 'settle', NULL, NULL, c.sequence_no::VARCHAR,
            CASE WHEN c.copy > 1 THEN NULL WHEN b.submission_id IS NULL AND c.sequence_no > 1
                THEN concat('报送序号 ', c.sequence_no - 1) ELSE b.submission_id END,
            CASE WHEN c.copy > 1 THEN '同一序号已有另一份文件'
                WHEN c.sequence_no < 1 THEN '报送序号从 1 开始'
                WHEN c.kind = 'ORIGINAL' THEN '首次报送的序号应为 1'
                WHEN c.supersedes IS NULL OR c.reason_code IS NULL THEN '重报、更正、撤回须写明被替代报送编号和原因'
                WHEN b.submission_id IS NULL THEN '没有收到上一序号的报送;收到后将自动重新处理'
                ELSE '被替代报送编号不是本报表本期此前的报送' END
        FROM chain AS c
        JOIN checked USING (submission_no)
        LEFT JOIN chain AS b ON {_SAME_CHAIN.format("b", "c")} AND b.sequence_no = c.sequence_no - 1 AND b.copy = 1
        LEFT JOIN chain AS n ON {_SAME_CHAIN.format("n", "c")} AND n.submission_id = c.supersedes
            AND n.sequence_no < c.sequence_no AND n.copy = 1
        WHERE (c.copy > 1 AND c.is_submitted) OR c.sequence_no < 1 OR (c.kind = 'ORIGINAL' AND c.sequence_no <> 1)
            OR (c.follows AND (
                c.supersedes IS NULL OR c.reason_code IS NULL OR b.submission_id IS NULL OR n.submission_id IS NULL))"""
    )


def unfold_corrections(con: duckdb.DuckDBPyConnection, catalogue: Catalogue) -> None:
    """Make every readable correction the full file it stands for: its base without what it touches, plus itself.

    Own rows keep their numbers; carried rows are numbered from `CARRIED_FROM` on and `ledger.carried_row` tells where
    each was filed; findings on them come along (stage `carried`). A correction without a readable base is refused
    (ENV-S06) before its rows are looked at. Corrections of corrections are unfolded in order.
    """
    forms = {
        row[0]
        for row in con.execute(
            """
            SELECT DISTINCT form FROM readable JOIN checked USING (submission_no) WHERE kind = 'CORRECTION'
            UNION
            SELECT DISTINCT form FROM ledger.carried_row JOIN checked USING (submission_no)"""
        ).fetchall()
    }
    con.execute("DELETE FROM ledger.base WHERE submission_no IN (SELECT submission_no FROM checked)")
    for form in (catalogue.forms[code] for code in sorted(forms)):
        _fold_back(con, form)
        _refuse_baseless(con, form)
        con.execute(
            """
            INSERT INTO ledger.base
            SELECT s.submission_no, b.submission_no, NULL
            FROM readable AS s JOIN checked USING (submission_no)
            JOIN chain AS c USING (submission_no)
            JOIN ledger.parcel AS b ON b.submission_id = c.supersedes
            WHERE s.form = ? AND s.kind = 'CORRECTION'""",
            [form.code],
        )
        while _unfold_next(con, form):
            pass
    if forms:
        collect_readable(con)


def _fold_back(con: duckdb.DuckDBPyConnection, form: Form) -> None:
    touched = "submission_no IN (SELECT submission_no FROM checked)"
    for table in (f"store.{form.table}", f"quarantine.{form.table}"):
        con.execute(f"DELETE FROM {table} WHERE row_no >= {CARRIED_FROM} AND {touched}")
    con.execute(f"DELETE FROM ledger.carried_row WHERE form = '{form.code}' AND {touched}")


def _refuse_baseless(con: duckdb.DuckDBPyConnection, form: Form) -> None:
    """Refuse corrections whose base cannot be read, and then what builds on them, until nothing changes."""
    while True:
        refused = con.execute(
            f"""
            INSERT INTO ledger.finding
            SELECT s.submission_no, 'ENV-S06', 'settle', NULL, NULL, c.supersedes, NULL,
                '被更正的报送未能读取,请以 RESUBMIT 全量重报'
            FROM readable AS s JOIN checked USING (submission_no) JOIN chain AS c USING (submission_no)
            WHERE s.form = '{form.code}' AND s.kind = 'CORRECTION' AND NOT EXISTS (
                SELECT 1 FROM readable AS b JOIN ledger.parcel AS p USING (submission_no)
                WHERE p.submission_id = c.supersedes AND p.kind <> 'WITHDRAW')"""
        ).fetchone()
        if not refused or not refused[0]:
            return
        collect_readable(con)


def _unfold_next(con: duckdb.DuckDBPyConnection, form: Form) -> bool:
    """Unfold the corrections whose base is complete; False when none is left."""
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE unfolding AS
        SELECT d.submission_no, d.base_no FROM ledger.base AS d JOIN checked USING (submission_no)
        JOIN readable AS s USING (submission_no)
        WHERE s.form = ? AND d.file_rows IS NULL
            AND d.base_no NOT IN (SELECT submission_no FROM ledger.base WHERE file_rows IS NULL)""",
        [form.code],
    )
    if not con.execute("SELECT 1 FROM unfolding LIMIT 1").fetchone():
        return False
    table, same_key = form.table, " AND ".join(f"o.{name} = b.{name}" for name in form.key)
    con.execute(
        f"""
        INSERT INTO ledger.carried_row
        SELECT '{form.code}', u.submission_no,
            {CARRIED_FROM} + row_number() OVER (PARTITION BY u.submission_no ORDER BY b.row_no),
            coalesce(c.origin_no, b.submission_no), coalesce(c.origin_row_no, b.row_no)
        FROM unfolding AS u
        JOIN store.{table} AS b ON b.submission_no = u.base_no AND {undeleted("b")}
        LEFT JOIN ledger.carried_row AS c ON c.submission_no = b.submission_no AND c.row_no = b.row_no
        WHERE NOT EXISTS (
            SELECT 1 FROM store.{table} AS o
            WHERE o.submission_no = u.submission_no AND o.row_no < {CARRIED_FROM} AND {same_key})"""
    )
    columns = [name for name, _ in store_columns(form) if name not in ("submission_no", "row_no")]
    texts = [column.name for column in form.columns]
    for target, names in ((f"store.{table}", columns), (f"quarantine.{table}", texts)):
        con.execute(
            f"""
            INSERT INTO {target} (submission_no, row_no, {", ".join(names)})
            SELECT c.submission_no, c.row_no, {", ".join(f"r.{name}" for name in names)}
            FROM ledger.carried_row AS c
            JOIN unfolding AS u USING (submission_no)
            JOIN {target} AS r ON r.submission_no = c.origin_no AND r.row_no = c.origin_row_no"""
        )
    con.execute(
        """
        INSERT INTO ledger.finding
        SELECT c.submission_no, f.rule_code, 'carried', c.row_no, f.column_name, f.value, f.expected, f.detail
        FROM ledger.carried_row AS c
        JOIN unfolding AS u USING (submission_no)
        JOIN ledger.finding AS f ON f.submission_no = c.origin_no AND f.row_no = c.origin_row_no AND f.stage = 'rows'"""
    )
    con.execute(
        f"""
        UPDATE ledger.base AS d SET file_rows = n.file_rows
        FROM (
            SELECT u.submission_no, count(r.row_no) AS file_rows
            FROM unfolding AS u LEFT JOIN store.{table} AS r ON r.submission_no = u.submission_no AND {undeleted("r")}
            GROUP BY ALL) AS n
        WHERE n.submission_no = d.submission_no"""
    )
    return True


def choose_versions(con: duckdb.DuckDBPyConnection, catalogue: Catalogue) -> None:
    """Walk each chain in order of numbers: refuse what does not follow the version in force, else it takes its place.

    Refused (ENV-S06, stage `version`): a resubmission or nil report that names neither the number before nor the
    version in force; a correction or withdrawal that does not name the version in force; rows equal to those in force.
    A later version is never known before an earlier one: its knowledge time is the latest signature up to it.

    Leaves `links` (every accepted submission: form, period, period_start, reporter_code, kind, file_rows, since, until,
    replaced_by, left_as), and `in_force` (the versions that count).
    """
    _lay_out(con)
    row = con.execute("SELECT coalesce(max(step), 0) FROM candidate").fetchone()
    for step in range(1, (row[0] if row else 0) + 1):
        _take_step(con, catalogue, step)
    con.execute(
        """
        INSERT INTO ledger.finding
        SELECT submission_no, 'ENV-S06', 'version', NULL, NULL, named, needed, detail FROM stepped
        WHERE detail IS NOT NULL;
        UPDATE ledger.standing AS s
        SET state = 'rejected', sys_from = NULL, rows_accepted = 0, rows_quarantined = 0, rows_rejected = s.rows_read
        FROM stepped AS t WHERE t.submission_no = s.submission_no AND t.detail IS NOT NULL;
        CREATE OR REPLACE TEMP TABLE links AS
        WITH since AS (
            SELECT s.submission_no, p.form, p.period, p.period_start, p.reporter_code, p.kind, p.sequence_no,
                coalesce(b.file_rows, s.rows_read) AS file_rows,
                max(p.signed_at) OVER (
                    PARTITION BY p.form, p.period, p.reporter_code ORDER BY p.sequence_no, p.submission_no) AS since
            FROM ledger.standing AS s JOIN ledger.parcel AS p USING (submission_no)
            LEFT JOIN ledger.base AS b USING (submission_no)
            WHERE s.sys_from IS NOT NULL)
        SELECT *, lead(since) OVER chain AS until, lead(submission_no) OVER chain AS replaced_by,
            CASE lead(kind) OVER chain WHEN 'WITHDRAW' THEN 'withdrawn' ELSE
                CASE WHEN lead(kind) OVER chain IS NOT NULL THEN 'superseded' END END AS left_as
        FROM since
        WINDOW chain AS (PARTITION BY form, period, reporter_code ORDER BY sequence_no, submission_no);
        UPDATE ledger.standing AS s SET sys_from = l.since, sys_to = l.until, state = coalesce(l.left_as, s.state)
        FROM links AS l
        WHERE l.submission_no = s.submission_no
            AND (s.sys_from <> l.since OR s.sys_to IS DISTINCT FROM l.until OR s.state <> coalesce(l.left_as, s.state));
        CREATE OR REPLACE TEMP TABLE in_force AS
        SELECT submission_no, form, period, period_start, reporter_code, kind, file_rows AS rows_read FROM links
        WHERE replaced_by IS NULL AND kind <> 'WITHDRAW';
        """
    )


def _lay_out(con: duckdb.DuckDBPyConnection) -> None:
    """`candidate`: what could be in force by itself, numbered within its chain.

    Judged anew are always whole chains (`checked`), so nobody's place is left from an earlier settlement.
    """
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE candidate AS
        SELECT c.*, b.submission_id AS previous_id, s.rows_read,
            row_number() OVER (PARTITION BY c.form, c.period, c.reporter_code ORDER BY c.sequence_no, c.copy) AS step
        FROM chain AS c
        JOIN checked USING (submission_no)
        JOIN ledger.standing AS s USING (submission_no)
        LEFT JOIN chain AS b ON {_SAME_CHAIN.format("b", "c")} AND b.sequence_no = c.sequence_no - 1 AND b.copy = 1
        WHERE s.state IN ('accepted', 'partly_accepted');
        CREATE OR REPLACE TEMP TABLE current_version (
            form VARCHAR, period VARCHAR, reporter_code VARCHAR, submission_no UINTEGER, submission_id VARCHAR,
            kind VARCHAR);
        CREATE OR REPLACE TEMP TABLE stepped (
            submission_no UINTEGER, named VARCHAR, needed VARCHAR, detail VARCHAR);
        """
    )


def _take_step(con: duckdb.DuckDBPyConnection, catalogue: Catalogue, step: int) -> None:
    """Try the candidates of one place in every chain against the version in force there."""
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE trial AS
        SELECT c.*, v.submission_id AS current_id, v.submission_no AS current_no,
            CASE WHEN NOT c.follows THEN NULL
                WHEN c.kind IN ('CORRECTION', 'WITHDRAW') AND (v.submission_id IS NULL OR v.kind = 'WITHDRAW')
                    THEN '没有可更正或撤回的生效版本'
                WHEN c.kind IN ('CORRECTION', 'WITHDRAW') AND c.supersedes <> v.submission_id
                    THEN '更正和撤回须针对现行有效的报送'
                WHEN c.supersedes IS DISTINCT FROM c.previous_id AND c.supersedes IS DISTINCT FROM v.submission_id
                    THEN '被替代报送编号既不是上一序号的报送,也不是现行有效的报送'
            END AS detail, c.kind <> 'WITHDRAW' AND v.kind <> 'WITHDRAW' AS replaces_rows
        FROM candidate AS c LEFT JOIN current_version AS v ON {_SAME_CHAIN.format("v", "c")}
        WHERE c.step = {step};
        CREATE OR REPLACE TEMP TABLE compared AS
        SELECT submission_no, current_no AS against_no, form, false AS in_effect
        FROM trial WHERE follows AND detail IS NULL AND replaces_rows;
        """
    )
    find_unchanged(con, catalogue)
    con.execute(
        """
        UPDATE trial SET detail = '与现行有效的报送逐行相同,没有任何变更'
        WHERE submission_no IN (SELECT submission_no FROM unchanged);
        INSERT INTO stepped
        SELECT submission_no, supersedes, coalesce(current_id, previous_id), detail FROM trial;
        DELETE FROM current_version WHERE (form, period, reporter_code) IN (
            SELECT (form, period, reporter_code) FROM trial WHERE detail IS NULL);
        INSERT INTO current_version
        SELECT form, period, reporter_code, submission_no, submission_id, kind FROM trial WHERE detail IS NULL;
        """
    )


def count_nil_streaks(con: duckdb.DuckDBPyConnection) -> None:
    """For nil reports in force: how many periods in a row, this one included, the reporter has filed nil (ENV-S05)."""
    con.execute(
        """
        UPDATE ledger.standing AS s SET nil_streak = n.streak
        FROM (
            WITH ordered AS (
                SELECT submission_no, v.form, reporter_code, kind = 'NIL' AS is_nil,
                    datediff('month', DATE '1990-01-01', period_start)
                        // CASE f.frequency WHEN 'quarterly' THEN 3 ELSE 1 END AS place
                FROM in_force AS v JOIN reference.forms AS f ON f.form = v.form),
            -- a period of which nothing is in force ends the run: what was not filed is not nil
            runs AS (
                SELECT *, place - row_number() OVER (PARTITION BY form, reporter_code, is_nil ORDER BY place) AS run
                FROM ordered)
            SELECT t.submission_no, row_number() OVER (
                PARTITION BY r.form, r.reporter_code, r.run ORDER BY r.place)::INTEGER AS streak
            FROM runs AS r JOIN ledger.standing AS t USING (submission_no) WHERE r.is_nil
            UNION ALL
            SELECT t.submission_no, NULL FROM ledger.standing AS t
            WHERE t.nil_streak IS NOT NULL
                AND t.submission_no NOT IN (SELECT submission_no FROM runs WHERE is_nil)) AS n
        WHERE n.submission_no = s.submission_no AND s.nil_streak IS DISTINCT FROM n.streak"""
    )
