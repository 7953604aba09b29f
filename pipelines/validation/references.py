"""Rules that need other rows: uniqueness, roll-up, other forms, other periods. Set-based SQL over stored rows.

Belongs here: GEN-U01, GEN-U02, GEN-P01..P03 and the contracts' query rules, evaluated for the submissions in the temp
table `checked`. References look at rows AS FILED in every readable file (quarantined rows exist too), so that one
mistake never causes a second finding elsewhere; a rule whose counterpart is not there, be it another form or the
previous period, is `not_run`, never passed.
Does not belong here: one-row rules (`marks`), states (`filing`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date

import duckdb

from pipelines.contracts.model import PREVIOUS, RELEASE, SETTLED_FIRST, Catalogue, Form, Rule
from pipelines.validation.screening import evidence_sql, shown_sql
from pipelines.warehouse.schema import CARRIED_FROM, insert_rows, undeleted

_PLACEHOLDER = re.compile(r"\{([A-Za-z0-9_.]+)\}")
_KNOWN = re.compile(r"\{([A-Z0-9]+)\.(?:known|accepted)\}")
_OTHERS = "{self.others}"
_REPEATS = "{repeats}"
#: Narrows `g` to versions that were accepted, whatever has become of them since.
_ACCEPTED = "JOIN ledger.standing AS a ON a.submission_no = g.submission_no AND a.sys_from IS NOT NULL"
_TABLES = {
    "rollup": "rollup",
    "repeats": "repeats",
    "releases": "released_month",
    "working_days": "reference.working_days",
    "reporters": "registry.reporters",
    "forms": "reference.forms",
    "rules": "reference.rules",
}


def note_reads(con: duckdb.DuckDBPyConnection, catalogue: Catalogue) -> None:
    """Fill the temp tables `reads` (form, read_form): forms of which a rule asks what was `known` or `accepted`, of any
    period; and
    `among_reporters` (form): forms whose filings a rule compares with those of other reporters."""
    pairs = {
        (form.code, read)
        for form in catalogue.forms.values()
        for rule in catalogue.rules_for(form)
        for read in _KNOWN.findall(rule.query or "")
    }
    con.execute("CREATE OR REPLACE TEMP TABLE reads (form VARCHAR, read_form VARCHAR)")
    insert_rows(con, "reads", sorted(pairs))
    con.execute("CREATE OR REPLACE TEMP TABLE among_reporters (form VARCHAR)")
    insert_rows(con, "among_reporters", [(code,) for code in _forms_asking(catalogue, _OTHERS)])


def _forms_asking(catalogue: Catalogue, relation: str) -> list[str]:
    """Forms of which a rule reads a relation."""
    return [
        form.code
        for form in catalogue.forms.values()
        if any(relation in (rule.query or "") for rule in catalogue.rules_for(form))
    ]


def collect_readable(con: duckdb.DuckDBPyConnection) -> None:
    """`readable`: submissions whose structure is in order, so their rows may be looked at; rows_read is the whole file.

    What is refused for its place among versions (stage `version`) stays readable: rows are looked at as filed.
    """
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE readable AS
        SELECT p.submission_no, p.form, p.reporter_code, p.period, p.period_start, p.period_end, p.sequence_no,
            p.signed_at, p.kind, p.supersedes, coalesce(b.file_rows, r.rows_read) AS rows_read
        FROM ledger.parcel AS p JOIN ledger.reading AS r USING (submission_no)
        LEFT JOIN ledger.base AS b USING (submission_no)
        WHERE r.stored AND p.signed_at <= (SELECT as_of FROM reference.run)
            AND NOT EXISTS (
                SELECT 1 FROM ledger.finding AS f
                WHERE f.submission_no = p.submission_no AND starts_with(f.rule_code, 'ENV-')
                    AND f.rule_code <> 'ENV-S08' AND f.stage <> 'version')"""
    )


def prepare_relations(con: duckdb.DuckDBPyConnection, catalogue: Catalogue) -> None:
    """Create the relations that query rules read: `rollup`, `released_month` (release_no, as_of, period: the months
    that each release states), `repeats` (submission_no, row_no: rows whose own number stands in other rows of the same
    filing too), and who stands opposite whom (`counterpart`).

    `counterpart` (for_submission_no, for_form, need, submission_no) holds one filing per submission and need: a form
    code, or `previous` for the same form's filing of the period before. Who has withdrawn has not filed, and a
    withdrawal is itself held to none of these rules.

    The relations of a form's rows (`all_<form>`, `self_<form>` ...) are made for the forms under check and those that
    their rules read: cost follows what is judged, not the number of contracts.

    Needs the temp tables `checked` (submission_no) and `readable` (submission_no, form, reporter_code, period,
    period_start, period_end, sequence_no, signed_at, kind, supersedes, rows_read).
    """
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE rollup AS
        WITH RECURSIVE chain AS (
            SELECT org_code, org_code AS ancestor_code, parent_code, valid_from, valid_to
            FROM registry.institutions
            UNION
            SELECT c.org_code, p.org_code, p.parent_code, greatest(c.valid_from, p.valid_from),
                CASE WHEN c.valid_to IS NULL THEN p.valid_to WHEN p.valid_to IS NULL THEN c.valid_to
                    ELSE least(c.valid_to, p.valid_to) END
            FROM chain AS c JOIN registry.institutions AS p ON p.org_code = c.parent_code
            WHERE p.org_code <> c.org_code AND coalesce(p.valid_to, DATE '9999-12-31') > c.valid_from
                AND coalesce(c.valid_to, DATE '9999-12-31') > p.valid_from)
        SELECT org_code, ancestor_code, valid_from, valid_to FROM chain;
        CREATE OR REPLACE TEMP TABLE released_month AS
        SELECT DISTINCT r.release_no, r.as_of, v.period
        FROM published.releases AS r
        JOIN (
            SELECT DISTINCT release_no, coalesce(last_release_no, release_no) AS last_release_no, period
            FROM published.kpi_values WHERE period_type = 'month') AS v
            ON r.release_no BETWEEN v.release_no AND v.last_release_no;
        -- the same reporter's filing of the same period (a month's quarter for quarterly forms), supervisor forms
        -- opposite everybody, official figures opposite those of their publisher, and its own form's filing of the
        -- period before: the version that was known when this one was signed, else the first that came after
        CREATE OR REPLACE TEMP TABLE counterpart AS
        WITH judged AS (
            SELECT s.* FROM checked JOIN readable AS s USING (submission_no) WHERE s.kind <> 'WITHDRAW'),
        opposite AS (
            SELECT s.submission_no AS for_submission_no, s.form AS for_form, s.signed_at AS asked_at, g.form AS need,
                g.*
            FROM judged AS s
            JOIN reference.forms AS o ON o.form = s.form
            JOIN reference.forms AS f ON f.side <> 'official' OR o.side = 'official'
            JOIN readable AS g ON g.form = f.form AND g.form <> s.form
                AND (g.reporter_code = s.reporter_code OR f.side = 'supervisor')
                AND g.period_start <= s.period_start AND g.period_end >= s.period_end
            UNION ALL
            SELECT s.submission_no, s.form, s.signed_at, '{PREVIOUS}', g.*
            FROM judged AS s
            JOIN readable AS g ON g.form = s.form AND g.reporter_code = s.reporter_code
                AND g.period_end = s.period_start - 1),
        chosen AS (
            SELECT * FROM opposite
            QUALIFY row_number() OVER (
                PARTITION BY for_submission_no, need
                ORDER BY signed_at <= asked_at DESC,
                    CASE WHEN signed_at <= asked_at THEN signed_at END DESC NULLS LAST, signed_at,
                    CASE WHEN signed_at <= asked_at THEN -sequence_no ELSE sequence_no END) = 1)
        SELECT for_submission_no, for_form, need, submission_no FROM chosen WHERE kind <> 'WITHDRAW';
        """
    )
    read = _forms_read(catalogue, _under_check(con, catalogue))
    for form in read:
        columns = ", ".join(f"r.{column.name}" for column in form.columns)
        identity = (
            "s.reporter_code AS filing_reporter, s.period AS filing_period, "
            "s.period_start AS filing_period_start"
        )
        con.execute(
            f"""
            CREATE OR REPLACE TEMP VIEW all_{form.table} AS
            SELECT {columns}, r.submission_no, r.row_no, {identity}, s.period_start, s.period_end, s.sequence_no,
                s.signed_at
            FROM store.{form.table} AS r JOIN readable AS s USING (submission_no)
            WHERE {undeleted("r")};
            CREATE OR REPLACE TEMP VIEW self_{form.table} AS
            SELECT {columns}, r.submission_no, r.row_no, {identity}, s.period_start, s.period_end, s.sequence_no
            FROM store.{form.table} AS r JOIN readable AS s USING (submission_no)
            WHERE {undeleted("r")} AND r.submission_no IN (SELECT submission_no FROM checked);
            CREATE OR REPLACE TEMP VIEW counterpart_{form.table} AS
            SELECT {columns}, c.for_submission_no, c.for_form, r.submission_no, r.row_no, {identity}
            FROM counterpart AS c
            JOIN store.{form.table} AS r ON r.submission_no = c.submission_no AND c.need = '{form.code}'
            JOIN readable AS s ON s.submission_no = r.submission_no
            WHERE {undeleted("r")};
            CREATE OR REPLACE TEMP VIEW previous_{form.table} AS
            SELECT {columns}, c.for_submission_no, c.for_form, r.submission_no, r.row_no, {identity},
                h.row_no IS NULL AS sound
            FROM counterpart AS c
            JOIN store.{form.table} AS r ON r.submission_no = c.submission_no AND c.need = '{PREVIOUS}'
            JOIN readable AS s ON s.submission_no = r.submission_no
            LEFT JOIN ({_held_back(form)}) AS h ON h.submission_no = r.submission_no AND h.row_no = r.row_no
            WHERE {undeleted("r")};
            CREATE OR REPLACE TEMP VIEW submissions_{form.table} AS
            SELECT s.submission_no, s.reporter_code AS filing_reporter, s.period AS filing_period, s.period_start,
                s.period_end, s.signed_at, s.supersedes, s.kind, s.rows_read, s.sequence_no
            FROM readable AS s
            WHERE s.form = '{form.code}' AND s.kind <> 'WITHDRAW'
                AND s.submission_no IN (SELECT submission_no FROM checked);
            """
        )
    _prepare_known(con, read)
    _prepare_others(con, read)
    _prepare_repeats(con, catalogue, read)


def _under_check(con: duckdb.DuckDBPyConnection, catalogue: Catalogue) -> list[Form]:
    """Forms whose rows are under check, in the catalogue's order; a withdrawal has none."""
    found = con.execute(
        "SELECT DISTINCT form FROM readable WHERE kind <> 'WITHDRAW' "
        "AND submission_no IN (SELECT submission_no FROM checked)"
    ).fetchall()
    codes = {code for (code,) in found}
    return [form for form in catalogue.forms.values() if form.code in codes]


def _forms_read(catalogue: Catalogue, under_check: Sequence[Form]) -> list[Form]:
    """Forms under check and every other that a query rule of theirs names, in the catalogue's order."""
    codes = {form.code for form in under_check}
    for form in under_check:
        for rule in catalogue.rules_for(form):
            codes |= {name.partition(".")[0] for name in _PLACEHOLDER.findall(rule.query or "")}
    return [form for form in catalogue.forms.values() if form.code in codes]


def _prepare_others(con: duckdb.DuckDBPyConnection, forms: Sequence[Form]) -> None:
    """`others`: for the forms in `among_reporters`, everybody else's filing of every period, in the version that was
    known when a filing was signed. What came later says nothing of it: of two filings the later one is told."""
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE others AS
        WITH latest AS (
            SELECT s.submission_no AS for_submission_no, s.form AS for_form, g.form, g.submission_no, g.kind
            FROM checked JOIN readable AS s ON s.submission_no = checked.submission_no AND s.kind <> 'WITHDRAW'
            JOIN among_reporters AS c ON c.form = s.form
            JOIN readable AS g ON g.form = s.form AND g.reporter_code <> s.reporter_code AND g.signed_at <= s.signed_at
            QUALIFY row_number() OVER (
                PARTITION BY s.submission_no, g.reporter_code, g.period
                ORDER BY g.signed_at DESC, g.sequence_no DESC) = 1)
        SELECT for_submission_no, for_form, form, submission_no FROM latest WHERE kind <> 'WITHDRAW'"""
    )
    compared = {code for (code,) in con.execute("SELECT form FROM among_reporters").fetchall()}
    for form in forms:
        if form.code not in compared:
            continue
        columns = ", ".join(f"r.{column.name}" for column in form.columns)
        con.execute(
            f"""
            CREATE OR REPLACE TEMP VIEW others_{form.table} AS
            SELECT {columns}, o.for_submission_no, o.for_form, r.submission_no, r.row_no,
                s.reporter_code AS filing_reporter,
                s.period AS filing_period, s.period_start AS filing_period_start
            FROM others AS o
            JOIN store.{form.table} AS r ON r.submission_no = o.submission_no AND o.form = '{form.code}'
            JOIN readable AS s ON s.submission_no = r.submission_no
            WHERE {undeleted("r")}"""
        )


def _prepare_known(con: duckdb.DuckDBPyConnection, forms: Sequence[Form]) -> None:
    """`known`: for the forms in `reads`, the version of every period that was known when a filing was signed, else the
    first that came after; registers of periods that had not begun know nothing of it. `accepted`: the same choice among
    the versions that were accepted, of the forms that are settled before the others."""
    for table, of_accepted in (("known", ""), ("accepted", _ACCEPTED)):
        con.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE {table} AS
            SELECT s.submission_no AS for_submission_no, s.form AS for_form, g.form, g.submission_no
            FROM checked JOIN readable AS s ON s.submission_no = checked.submission_no AND s.kind <> 'WITHDRAW'
            JOIN reads AS x ON x.form = s.form
            JOIN reference.forms AS f ON f.form = x.read_form
            JOIN readable AS g ON g.form = x.read_form AND g.period_start <= s.signed_at::DATE
                AND (g.reporter_code = s.reporter_code OR f.side = 'supervisor')
            {of_accepted}
            QUALIFY row_number() OVER (
                PARTITION BY s.submission_no, g.form, g.reporter_code, g.period
                ORDER BY g.signed_at <= s.signed_at DESC,
                    CASE WHEN g.signed_at <= s.signed_at THEN g.signed_at END DESC NULLS LAST, g.signed_at,
                    CASE WHEN g.signed_at <= s.signed_at THEN -g.sequence_no ELSE g.sequence_no END) = 1"""
        )
    asked = {code for (code,) in con.execute("SELECT DISTINCT read_form FROM reads").fetchall()}
    for form in forms:
        if form.code not in asked:
            continue
        columns = ", ".join(f"r.{column.name}" for column in form.columns)
        con.execute(
            f"""
            CREATE OR REPLACE TEMP VIEW known_{form.table} AS
            SELECT {columns}, k.for_submission_no, k.for_form, r.submission_no, r.row_no, s.period AS filing_period,
                s.period_start AS filing_period_start
            FROM known AS k
            JOIN store.{form.table} AS r ON r.submission_no = k.submission_no AND k.form = '{form.code}'
            JOIN readable AS s ON s.submission_no = r.submission_no
            WHERE {undeleted("r")}"""
        )
        if form.code not in SETTLED_FIRST:
            continue
        con.execute(
            f"""
            CREATE OR REPLACE TEMP VIEW accepted_{form.table} AS
            SELECT {columns}, a.for_submission_no, a.for_form, r.submission_no, r.row_no, r.filing_period,
                s.period_start AS filing_period_start
            FROM accepted AS a
            JOIN filed.{form.table} AS r ON r.submission_no = a.submission_no AND a.form = '{form.code}'
            JOIN readable AS s ON s.submission_no = r.submission_no"""
        )


def _prepare_repeats(con: duckdb.DuckDBPyConnection, catalogue: Catalogue, forms: Sequence[Form]) -> None:
    """`repeats`: of the filings under check, and of those opposite that a rule asks for repeats, the rows whose own
    number (the last key column) occurs more than once in their file. Ids are grouped here once, whoever asks."""
    con.execute("CREATE OR REPLACE TEMP TABLE repeats (submission_no UINTEGER, row_no UINTEGER)")
    asking = ", ".join(f"'{code}'" for code in _forms_asking(catalogue, _REPEATS)) or "''"
    for form in forms:
        own = form.key[-1]
        rows = f"""(
            SELECT r.submission_no, r.row_no, r.{own} FROM store.{form.table} AS r
            WHERE {undeleted("r")} AND r.{own} IS NOT NULL AND r.submission_no IN (
                SELECT submission_no FROM submissions_{form.table}
                UNION ALL
                SELECT submission_no FROM counterpart
                WHERE need = '{form.code}' AND for_form IN ({asking})))"""
        con.execute(
            f"""
            INSERT INTO repeats
            SELECT r.submission_no, r.row_no FROM {rows} AS r
            SEMI JOIN (
                SELECT submission_no, {own} FROM {rows} GROUP BY submission_no, {own} HAVING count(*) > 1) AS o
                ON o.submission_no = r.submission_no AND o.{own} = r.{own}"""
        )


def _held_back(form: Form) -> str:
    """Rows (submission_no, row_no) of a form with an E finding, waived or not, as far as rules have run.

    GEN-P01 is left out: it comes last, and a case whose immutable column is in dispute is still a case.
    """
    return (
        "SELECT DISTINCT f.submission_no, f.row_no FROM ledger.finding AS f "
        f"JOIN reference.rules AS r ON r.form = '{form.code}' AND r.rule_code = f.rule_code AND r.severity = 'E' "
        "WHERE f.row_no IS NOT NULL AND f.rule_code <> 'GEN-P01' "
        f"AND f.submission_no IN (SELECT submission_no FROM counterpart WHERE need = '{PREVIOUS}')"
    )


def check_blocking(con: duckdb.DuckDBPyConnection, catalogue: Catalogue) -> None:
    """Write findings (stage `settle`) of every rule here whose outcome may decide a state, and all query rules.

    Rules that compare with the period before come late: a row is no measure for the next period if any rule holds it
    back. What may not change (GEN-P01) comes last, because it asks whether what was filed before was accepted at all.
    """
    forms = _under_check(con, catalogue)
    for form in forms:
        for rule in catalogue.rules_for(form):
            if rule.kind == "query" and not rule.compares_periods:
                _run_query_rule(con, form, rule)
            elif rule.code == "GEN-U01":
                _key_unique(con, form, rule)
                _actions_fit(con, form, rule)
            elif rule.code == "GEN-U02":
                _rolls_up(con, form, rule)
    _compare_periods(con, catalogue, forms)
    for form in forms:
        for rule in catalogue.rules_for(form):
            if rule.code == "GEN-P01":
                _immutable(con, form, rule)


def _compare_periods(con: duckdb.DuckDBPyConnection, catalogue: Catalogue, forms: Sequence[Form]) -> None:
    """Rules that compare with the period before: all at once, then again, oldest first, where the measure has changed.

    Such a rule may itself hold back a row, which then is no measure for the next period. The first pass cannot know
    that; so the few filings whose period before holds a row told by these rules are judged again in the order of
    periods, each after the one it is compared with. Cost follows what is told, not the number of periods.
    """
    rules = [(form, rule) for form in forms for rule in catalogue.rules_for(form) if rule.compares_periods]
    for form, rule in rules:
        _run_query_rule(con, form, rule)
    blocking = ", ".join(f"'{rule.code}'" for _, rule in rules if rule.severity == "E")
    if not blocking:
        return
    told = f"""
        SELECT DISTINCT submission_no FROM ledger.finding
        WHERE stage = 'settle' AND row_no IS NOT NULL AND submission_no IN (SELECT submission_no FROM checked)
            AND rule_code IN ({blocking})"""
    con.execute(f"CREATE OR REPLACE TEMP TABLE told_first AS {told}")
    last = date.min
    while True:
        con.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE turn AS
            WITH due AS (
                SELECT s.submission_no, s.form, s.period_start
                FROM counterpart AS c JOIN readable AS s ON s.submission_no = c.for_submission_no
                WHERE c.need = '{PREVIOUS}' AND s.period_start > ?
                    AND c.submission_no IN (FROM told_first UNION ({told}))
            )
            FROM due WHERE period_start = (SELECT min(period_start) FROM due)""",
            [last],
        )
        turn = con.execute("SELECT DISTINCT form, period_start FROM turn").fetchall()
        if not turn:
            return
        last = turn[0][1]
        again = [(form, rule) for form, rule in rules if form.code in {code for code, _ in turn}]
        con.execute(
            f"""
            DELETE FROM ledger.finding
            WHERE stage = 'settle' AND submission_no IN (SELECT submission_no FROM turn)
                AND rule_code IN ({", ".join(f"'{rule.code}'" for _, rule in again)})"""
        )
        for form, rule in again:
            _run_query_rule(con, form, rule, only="turn")


def check_advisory(con: duckdb.DuckDBPyConnection, catalogue: Catalogue) -> None:
    """Write findings of the W rules that compare with what is in force: GEN-P02 (volume), GEN-P03 (restatement)."""
    for form in _under_check(con, catalogue):
        codes = {rule.code for rule in catalogue.rules_for(form)}
        if "GEN-P02" in codes:
            _volume(con, form)
        if "GEN-P03" in codes:
            _restates(con, form)


def not_run(con: duckdb.DuckDBPyConnection, catalogue: Catalogue) -> None:
    """Fill the temp table `unrun` (submission_no, rule_code, reason, reason_zh): rules that could not be evaluated."""
    con.execute(
        "CREATE OR REPLACE TEMP TABLE unrun "
        "(submission_no UINTEGER, rule_code VARCHAR, reason VARCHAR, reason_zh VARCHAR)"
    )
    con.execute(
        """
        INSERT INTO unrun
        SELECT s.submission_no, r.rule_code, 'a withdrawal has no rows', '撤回件没有数据行'
        FROM checked JOIN readable AS s USING (submission_no)
        JOIN reference.rules AS r ON r.form = s.form AND r.rule_class <> 'structure'
        WHERE s.kind = 'WITHDRAW'"""
    )
    for form in _under_check(con, catalogue):
        for rule in catalogue.rules_for(form):
            if rule.kind == "not_evaluable":
                con.execute(
                    f"INSERT INTO unrun SELECT submission_no, ?, ?, ? FROM submissions_{form.table}",
                    [
                        rule.code,
                        rule.not_evaluable_reason or "not evaluable",
                        rule.not_evaluable_reason_zh or "无法核对",
                    ],
                )
            for needed in rule.needs:
                if needed == RELEASE:
                    con.execute(
                        f"""
                        INSERT INTO unrun
                        SELECT s.submission_no, ?, 'nothing had been published before it was signed',
                            '签发之前尚无发布'
                        FROM submissions_{form.table} AS s WHERE NOT {_released_before("s.signed_at")}""",
                        [rule.code],
                    )
                    continue
                absent = (
                    f"concat('{form.code} of the period that ended on ', s.period_start - 1, ' has not been filed')"
                    if needed == PREVIOUS
                    else f"concat('{needed} of ', s.filing_period, ' has not been filed')"
                )
                absent_zh = (
                    f"concat('截至 ', s.period_start - 1, ' 的上一期 {form.code} 尚未报送')"
                    if needed == PREVIOUS
                    else f"concat(s.filing_period, ' 的 {needed} 尚未报送')"
                )
                con.execute(
                    f"""
                    INSERT INTO unrun
                    SELECT s.submission_no, ?, {absent}, {absent_zh}
                    FROM submissions_{form.table} AS s
                    WHERE NOT EXISTS (
                        SELECT 1 FROM counterpart AS c WHERE c.for_submission_no = s.submission_no AND c.need = ?)""",
                    [rule.code, needed],
                )


def expand(query: str, form: Form, only: str | None = None) -> str:
    """A contract query with its relation placeholders replaced by the relations of `prepare_relations`.

    Under check are the submissions in `checked`, or fewer, those in the temp table `only`.
    """
    chosen = "" if only is None else f" WHERE submission_no IN (SELECT submission_no FROM {only})"
    narrowed = "" if only is None else f" AND for_submission_no IN (SELECT submission_no FROM {only})"

    def opposite(name: str) -> str:
        """Rows opposite the submissions under check, by their form: a plain condition, which DuckDB asks before it
        joins rows (a register stands opposite everybody), and which leaves it free to choose the order of joins."""
        return f"(SELECT * EXCLUDE (for_form) FROM {name} WHERE for_form = '{form.code}'{narrowed})"

    def relation(match: re.Match[str]) -> str:
        name = match[1]
        if name in ("self", "submissions"):
            return f"(SELECT * FROM {name}_{form.table}{chosen})"
        if name == "self.all":
            return f"all_{form.table}"
        if name in _TABLES:
            return _TABLES[name]
        other, _, kind = name.partition(".")
        if kind in ("previous", "others"):
            return opposite(f"{kind}_{form.table}")
        if kind in ("counterpart", "known", "accepted"):
            return opposite(f"{kind}_{other.lower()}")
        return f"all_{other.lower()}"

    return _PLACEHOLDER.sub(relation, query)


def _released_before(moment: str) -> str:
    """SQL: a release was made of what was known before a moment."""
    return f"EXISTS (SELECT 1 FROM published.releases AS p WHERE p.as_of < {moment})"


def _run_query_rule(con: duckdb.DuckDBPyConnection, form: Form, rule: Rule, only: str | None = None) -> None:
    """Write what a query rule finds; the query may name the blamed column of each finding (`column_name`)."""
    absent = " AND ".join(
        f"EXISTS (SELECT 1 FROM counterpart AS c WHERE c.for_submission_no = q.submission_no AND c.need = '{needed}')"
        for needed in rule.needs
        if needed != RELEASE  # such a query joins {releases} itself
    )
    blamed = f"coalesce(q.column_name, '{rule.blamed_column}')" if rule.blamed_column else "NULL"
    personal = ", ".join(f"'{name}'" for name in rule.fields if form.column(name).personal)
    shown = evidence_sql("q.value::VARCHAR")
    if personal:
        shown = f"CASE WHEN {blamed} IN ({personal}) THEN ledger.masked(q.value) ELSE {shown} END"
    con.execute(
        f"""
        INSERT INTO ledger.finding
        SELECT DISTINCT q.submission_no, '{rule.code}', 'settle', q.row_no, {blamed}, {shown},
            {evidence_sql("q.expected::VARCHAR")}, NULL
        FROM (
            SELECT NULL::VARCHAR AS column_name WHERE false
            UNION ALL BY NAME
            ({expand(rule.query or "", form, only)})) AS q
        {"WHERE " + absent if absent else ""}"""
    )


def _key_unique(con: duckdb.DuckDBPyConnection, form: Form, rule: Rule) -> None:
    key = ", ".join(form.key)
    own = form.key[-1]
    shown = shown_sql(form.column(own), f"{own}::VARCHAR")
    con.execute(
        f"""
        INSERT INTO ledger.finding
        SELECT submission_no, '{rule.code}', 'settle', row_no, '{own}', {shown}, concat(copies, ' ×'), NULL
        FROM (
            SELECT submission_no, row_no, {own}, count(*) OVER (PARTITION BY submission_no, {key}) AS copies
            FROM self_{form.table} SEMI JOIN repeats USING (submission_no, row_no)
            WHERE {" AND ".join(f"{name} IS NOT NULL" for name in form.key)})
        WHERE copies > 1"""
    )


def _actions_fit(con: duckdb.DuckDBPyConnection, form: Form, rule: Rule) -> None:
    """A full file inserts only; in a correction I names a record its base has not, U and D one that it has."""
    own = form.key[-1]
    same_key = " AND ".join(f"e.{name} = r.{name}" for name in form.key)
    shown = shown_sql(form.column(own), f"{own}::VARCHAR")
    con.execute(
        f"""
        INSERT INTO ledger.finding
        WITH acted AS (
            SELECT r.submission_no, r.row_no, r.{own}, r.record_action, s.kind = 'CORRECTION' AS is_delta,
                EXISTS (
                    SELECT 1 FROM ledger.base AS b
                    JOIN store.{form.table} AS e ON e.submission_no = b.base_no AND {undeleted("e")} AND {same_key}
                    WHERE b.submission_no = r.submission_no) AS known
            FROM store.{form.table} AS r JOIN submissions_{form.table} AS s USING (submission_no)
            WHERE r.row_no < {CARRIED_FROM} AND (s.kind = 'CORRECTION' OR r.record_action <> 'I')
                AND r.{own} IS NOT NULL)
        SELECT submission_no, '{rule.code}', 'settle', row_no, '{own}', {shown},
            CASE WHEN NOT is_delta THEN concat('全量文件的记录操作应为 I,此行为 ', record_action)
                WHEN known THEN '被更正的报送中已有此编号,应为 U 或 D'
                ELSE concat('被更正的报送中没有此编号,不能 ', record_action) END, NULL
        FROM acted
        WHERE NOT is_delta OR known = (record_action = 'I')"""
    )


def _rolls_up(con: duckdb.DuckDBPyConnection, form: Form, rule: Rule) -> None:
    event = f"coalesce(s.{form.event_date}::DATE, s.period_end)" if form.event_date else "s.period_end"
    con.execute(
        f"""
        INSERT INTO ledger.finding
        SELECT s.submission_no, '{rule.code}', 'settle', s.row_no, 'org_code', s.org_code, s.filing_reporter, NULL
        FROM self_{form.table} AS s
        WHERE s.org_code IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM rollup AS r
            WHERE r.org_code = s.org_code AND r.ancestor_code = s.filing_reporter AND r.valid_from <= {event}
                AND coalesce(r.valid_to, DATE '9999-12-31') > {event})"""
    )


def _immutable(con: duckdb.DuckDBPyConnection, form: Form, rule: Rule) -> None:
    """A key filed before keeps its immutable columns.

    Only what was accepted is a measure: not a row that a rule held back, nor any row of a file that was refused for
    such rows, else a mistake in a refused file could never be corrected. Waivers and GEN-P01 itself are left aside
    here, so that the measure does not depend on what is being judged.
    """
    columns = [column for column in form.columns if column.immutable and column.name not in form.key]
    if not columns:
        return
    key = " AND ".join(f"e.{name} = s.{name}" for name in form.key)
    own = ", ".join(f"s.{column.name} AS own_{column.name}" for column in columns)
    before = ", ".join(f"e.{column.name}" for column in columns)
    differs = " OR ".join(f"e.{column.name} <> s.{column.name}" for column in columns)
    changed = " UNION ALL ".join(
        f"""
        SELECT submission_no, row_no, '{column.name}' AS column_name, earlier_no, earlier_row,
            {shown_sql(column, f"own_{column.name}::VARCHAR")} AS filed,
            {shown_sql(column, f"{column.name}::VARCHAR")} AS before
        FROM differing WHERE {column.name} <> own_{column.name}"""
        for column in columns
    )
    con.execute(
        f"""
        INSERT INTO ledger.finding
        WITH earlier AS MATERIALIZED (
            SELECT s.submission_no, e.submission_no AS earlier_no
            FROM submissions_{form.table} AS s
            JOIN readable AS e ON e.form = '{form.code}' AND e.reporter_code = s.filing_reporter
                AND (e.period_start, e.sequence_no) < (s.period_start, s.sequence_no)),
        differing AS MATERIALIZED (
            SELECT s.submission_no, s.row_no, e.submission_no AS earlier_no, e.row_no AS earlier_row, {own}, {before}
            FROM (SELECT * FROM self_{form.table} WHERE submission_no IN (SELECT submission_no FROM earlier)) AS s
            JOIN earlier AS b USING (submission_no)
            JOIN (SELECT * FROM all_{form.table} WHERE submission_no IN (SELECT earlier_no FROM earlier)) AS e
                ON e.submission_no = b.earlier_no AND {key}
            WHERE {differs}),
        changed AS MATERIALIZED ({changed}),
        held AS (
            SELECT DISTINCT f.submission_no, f.row_no
            FROM ledger.finding AS f
            JOIN reference.rules AS r ON r.form = '{form.code}' AND r.rule_code = f.rule_code AND r.severity = 'E'
            WHERE f.row_no IS NOT NULL AND f.rule_code <> '{rule.code}'
                AND f.submission_no IN (SELECT earlier_no FROM changed)),
        refused AS (
            SELECT h.submission_no
            FROM held AS h
            JOIN readable AS s USING (submission_no)
            JOIN reference.forms AS k ON k.form = '{form.code}' AND k.quarantine_rows
            LEFT JOIN ledger.base AS b USING (submission_no)
            GROUP BY h.submission_no
            HAVING count(*) > any_value(k.reject_above)
                * greatest(any_value(coalesce(b.file_rows, s.rows_read)), any_value(s.rows_read)))
        SELECT submission_no, '{rule.code}', 'settle', row_no, column_name, filed,
            any_value(before ORDER BY before), NULL
        FROM changed AS c
        WHERE earlier_no NOT IN (FROM refused)
            AND NOT EXISTS (SELECT 1 FROM held AS h WHERE h.submission_no = c.earlier_no AND h.row_no = c.earlier_row)
        GROUP BY submission_no, row_no, column_name, filed"""
    )


def _volume(con: duckdb.DuckDBPyConnection, form: Form) -> None:
    """Row count against the mean of up to six earlier periods in force, three at least: ±50 % and more than 20 rows."""
    con.execute(
        f"""
        INSERT INTO ledger.finding
        WITH earlier AS (
            SELECT s.submission_no, s.rows_read, e.rows_read AS before,
                row_number() OVER (PARTITION BY s.submission_no ORDER BY e.period_start DESC) AS back
            FROM submissions_{form.table} AS s
            JOIN in_force AS e ON e.form = '{form.code}' AND e.reporter_code = s.filing_reporter
                AND e.period_start < s.period_start)
        SELECT submission_no, 'GEN-P02', 'settle', NULL, NULL, any_value(rows_read)::VARCHAR,
            round(avg(before::DECIMAL(18, 2)), 1)::VARCHAR, NULL
        FROM earlier WHERE back <= 6
        GROUP BY submission_no
        HAVING count(*) >= 3 AND abs(any_value(rows_read) * count(*) - sum(before)) * 2 > sum(before)
            AND abs(any_value(rows_read) * count(*) - sum(before)) > 20 * count(*)"""
    )


def _restates(con: duckdb.DuckDBPyConnection, form: Form) -> None:
    """A resubmission whose records differ from those of the accepted version that it names as superseded.

    The comparison is the settlement's: counted in `ledger.difference`, listed in `ledger.changed_cell`.
    """
    con.execute(
        f"""
        INSERT INTO ledger.finding
        SELECT s.submission_no, 'GEN-P03', 'settle', NULL, NULL,
            (d.rows_added + d.rows_removed + d.rows_changed)::VARCHAR, p.submission_id, NULL
        FROM submissions_{form.table} AS s
        JOIN ledger.difference AS d USING (submission_no)
        JOIN ledger.parcel AS p ON p.submission_no = d.against_no AND p.submission_id = s.supersedes
        WHERE d.rows_added + d.rows_removed + d.rows_changed > 0"""
    )
