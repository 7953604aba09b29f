"""The build database's tables, made from contracts: ledger, store, reference, and the public views over them.

Belongs here: DDL only. A form's table follows its contract; when a contract gains a column the table gains it.
Does not belong here: filling these tables.

Schemas
    ledger     facts of the filing lifecycle: parcels received, readings, findings, standings, obligations
    store      `store.<form>`: every typed row of every readable submission, one table a form
    quarantine `quarantine.<form>`: the filed text of rows that an E finding keeps out
    filed      `filed.<form>`: views of accepted rows, with submission and knowledge time (sys_from, sys_to)
    filing     public views: submissions, findings, obligations, verdicts, differences
    registry   institutions in force, and who rolls up to whom
    reference  rules, code lists, forms, working days, the run's as-of moment
    published  earlier releases and their KPI values (base of growth "as published")
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import duckdb

from pipelines.contracts.model import Catalogue, Form, Rule

LEDGER_DDL = """
CREATE SCHEMA IF NOT EXISTS ledger;
CREATE SCHEMA IF NOT EXISTS store;
CREATE SCHEMA IF NOT EXISTS quarantine;
CREATE SCHEMA IF NOT EXISTS filed;
CREATE SCHEMA IF NOT EXISTS filing;
CREATE SCHEMA IF NOT EXISTS registry;
CREATE SCHEMA IF NOT EXISTS reference;
CREATE SCHEMA IF NOT EXISTS published;

CREATE SEQUENCE IF NOT EXISTS ledger.submission_no START 1;
CREATE SEQUENCE IF NOT EXISTS ledger.event_no START 1;

-- What a source showed, so that an unchanged file is never opened twice.
CREATE TABLE IF NOT EXISTS ledger.sighting (
    source VARCHAR NOT NULL, name VARCHAR NOT NULL, stamp VARCHAR NOT NULL, content_key VARCHAR NOT NULL,
    PRIMARY KEY (source, name));

-- One row per different content received: what its envelope declares, and where the bytes are kept.
CREATE TABLE IF NOT EXISTS ledger.parcel (
    submission_no UINTEGER PRIMARY KEY, content_key VARCHAR NOT NULL UNIQUE, submission_id VARCHAR NOT NULL UNIQUE,
    form VARCHAR, form_version VARCHAR, reporter_code VARCHAR, period VARCHAR, period_start DATE, period_end DATE,
    kind VARCHAR, sequence_no INTEGER, supersedes VARCHAR, reason_code VARCHAR, declared_state VARCHAR,
    declared_rows BIGINT, declared_encoding VARCHAR, declared_sha256 VARCHAR, signed_at TIMESTAMP,
    on_cover BOOLEAN NOT NULL, prepared_by_key VARCHAR, reviewed_by_key VARCHAR, approved_by_key VARCHAR,
    sha256 VARCHAR NOT NULL, byte_size BIGINT NOT NULL, source_name VARCHAR NOT NULL, archive_path VARCHAR NOT NULL);
-- Control totals: what the envelope states (NULL: nothing) and what we add up (NULL: not read, or no such column).
CREATE TABLE IF NOT EXISTS ledger.control_total (
    submission_no UINTEGER NOT NULL, column_name VARCHAR NOT NULL, declared VARCHAR, ours VARCHAR);

-- What happened to each submission, in order; appended only. Its state is the fold of these events (filing.states).
CREATE TABLE IF NOT EXISTS ledger.event (
    event_no UBIGINT PRIMARY KEY, submission_no UINTEGER NOT NULL, event VARCHAR NOT NULL, known_at TIMESTAMP,
    cause VARCHAR, ruleset_version VARCHAR, recorded_at TIMESTAMP NOT NULL);
-- Files on which our own program failed; an open failure keeps the file unread until the program changes or a retry.
CREATE TABLE IF NOT EXISTS ledger.failure (
    submission_no UINTEGER NOT NULL, step VARCHAR NOT NULL, error VARCHAR NOT NULL, program_version VARCHAR NOT NULL,
    failed_at TIMESTAMP NOT NULL, is_open BOOLEAN NOT NULL);

-- What reading the file gave. A parcel without a reading is still to be read.
CREATE TABLE IF NOT EXISTS ledger.reading (
    submission_no UINTEGER PRIMARY KEY, rows_read BIGINT NOT NULL, blank_rows BIGINT NOT NULL, encoding VARCHAR,
    sheet VARCHAR, header_row UINTEGER, stored BOOLEAN NOT NULL, ruleset_version VARCHAR NOT NULL);
CREATE TABLE IF NOT EXISTS ledger.header (
    submission_no UINTEGER NOT NULL, column_name VARCHAR NOT NULL, header VARCHAR NOT NULL, position UINTEGER NOT NULL);

-- Findings, located; `stage` names the step that owns and replaces them: pull, read, rows, settle.
CREATE TABLE IF NOT EXISTS ledger.finding (
    submission_no UINTEGER NOT NULL, rule_code VARCHAR NOT NULL, stage VARCHAR NOT NULL, row_no UINTEGER,
    column_name VARCHAR, value VARCHAR, expected VARCHAR, detail VARCHAR);

-- Derived by settling, replaced whole for the submissions it touches.
CREATE TABLE IF NOT EXISTS ledger.standing (
    submission_no UINTEGER PRIMARY KEY, state VARCHAR NOT NULL, readable BOOLEAN NOT NULL, rows_read BIGINT NOT NULL,
    rows_accepted BIGINT NOT NULL, rows_quarantined BIGINT NOT NULL, rows_rejected BIGINT NOT NULL,
    error_count BIGINT NOT NULL, warning_count BIGINT NOT NULL, first_pass BOOLEAN NOT NULL, late_days INTEGER,
    sys_from TIMESTAMP, sys_to TIMESTAMP, ruleset_version VARCHAR NOT NULL, rows_in_force BIGINT, nil_streak INTEGER,
    waived_count BIGINT, unexplained_count BIGINT);
-- A correction is unfolded into the full file it stands for: its base, and the address of each row it carries over.
CREATE TABLE IF NOT EXISTS ledger.base (
    submission_no UINTEGER PRIMARY KEY, base_no UINTEGER NOT NULL, file_rows BIGINT);
CREATE TABLE IF NOT EXISTS ledger.carried_row (
    form VARCHAR NOT NULL, submission_no UINTEGER NOT NULL, row_no UINTEGER NOT NULL, origin_no UINTEGER NOT NULL,
    origin_row_no UINTEGER NOT NULL);
-- Waivers (of E findings) and explanations (of W findings) that hold for a submission.
CREATE TABLE IF NOT EXISTS ledger.excuse (
    submission_no UINTEGER NOT NULL, rule_code VARCHAR NOT NULL, kind VARCHAR NOT NULL, excuse_id VARCHAR NOT NULL,
    reason VARCHAR, granted_at TIMESTAMP, last_period VARCHAR, excused_by_no UINTEGER NOT NULL,
    granted_by VARCHAR);
CREATE TABLE IF NOT EXISTS ledger.quarantined_row (
    form VARCHAR NOT NULL, submission_no UINTEGER NOT NULL, row_no UINTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS ledger.verdict (
    submission_no UINTEGER NOT NULL, rule_code VARCHAR NOT NULL, verdict VARCHAR NOT NULL, reason VARCHAR,
    findings BIGINT NOT NULL, reason_zh VARCHAR);
-- What insurers have been told: digest of each receipt, and the basis beside the judgement it was written on (dates of
-- the calendar, times received, program, outbox). A judgement makes its receipt due; writing it makes it told.
CREATE TABLE IF NOT EXISTS ledger.receipt (
    submission_no UINTEGER PRIMARY KEY, digest VARCHAR NOT NULL, basis VARCHAR NOT NULL);
CREATE TABLE IF NOT EXISTS ledger.receipt_due (submission_no UINTEGER PRIMARY KEY);
-- KPI cells that a follow-up moved, as the first release that states it tells them; told without cells: it moved none.
CREATE TABLE IF NOT EXISTS ledger.effects_told (submission_no UINTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS ledger.kpi_effect (
    submission_no UINTEGER NOT NULL, position INTEGER NOT NULL, kpi_id VARCHAR NOT NULL, name_zh VARCHAR,
    period VARCHAR NOT NULL, grain VARCHAR NOT NULL, dimension VARCHAR, old_value VARCHAR, new_value VARCHAR,
    unit VARCHAR);
CREATE TABLE IF NOT EXISTS ledger.obligation (
    form VARCHAR NOT NULL, period VARCHAR NOT NULL, period_start DATE NOT NULL, period_end DATE NOT NULL,
    reporter_code VARCHAR NOT NULL, due_date DATE NOT NULL, status VARCHAR NOT NULL, submission_id VARCHAR,
    filed_at TIMESTAMP, days_late INTEGER, last_submission_id VARCHAR);
-- What happened to each obligation, in order; its status is the fold of these events (filing.states).
CREATE TABLE IF NOT EXISTS ledger.obligation_event (
    form VARCHAR NOT NULL, period VARCHAR NOT NULL, reporter_code VARCHAR NOT NULL, event_no INTEGER NOT NULL,
    event VARCHAR NOT NULL, happened_at TIMESTAMP NOT NULL, submission_id VARCHAR);
-- Notices that the calendar calls for: one row for an obligation that was unmet on the morning of a stage's day;
-- is_newest: no later stage's day has come.
CREATE TABLE IF NOT EXISTS ledger.notice (
    reporter_code VARCHAR NOT NULL, form VARCHAR NOT NULL, period VARCHAR NOT NULL, stage VARCHAR NOT NULL,
    notice_date DATE NOT NULL, due_date DATE NOT NULL, is_newest BOOLEAN NOT NULL);
-- What was told to whom, never derived again: one row for an obligation and stage that a message covered. No addresses.
CREATE TABLE IF NOT EXISTS ledger.delivery (
    message_id VARCHAR NOT NULL, reporter_code VARCHAR NOT NULL, form VARCHAR NOT NULL, period VARCHAR NOT NULL,
    stage VARCHAR NOT NULL, notice_date DATE NOT NULL, channel VARCHAR NOT NULL, delivered_at TIMESTAMP NOT NULL);
-- Messages that could not be delivered, to be tried again; gone once delivered or pointless. `recipient` is a digest of
-- the recipient's line, so that a corrected address is tried at once; errors name no address.
CREATE TABLE IF NOT EXISTS ledger.undelivered (
    message_id VARCHAR PRIMARY KEY, reporter_code VARCHAR NOT NULL, stage VARCHAR NOT NULL, notice_date DATE NOT NULL,
    channel VARCHAR NOT NULL, recipient VARCHAR NOT NULL, attempts INTEGER NOT NULL, is_permanent BOOLEAN NOT NULL,
    error VARCHAR NOT NULL, tried_at TIMESTAMP NOT NULL);

-- What each resubmission changes against the version it replaces (refused: would have replaced), down to the cell.
CREATE TABLE IF NOT EXISTS ledger.difference (
    submission_no UINTEGER NOT NULL, against_no UINTEGER NOT NULL, rows_added BIGINT NOT NULL,
    rows_removed BIGINT NOT NULL, rows_changed BIGINT NOT NULL, rows_unchanged BIGINT NOT NULL,
    rows_without_key BIGINT NOT NULL, rows_repeating_key BIGINT NOT NULL, in_effect BOOLEAN NOT NULL);
CREATE TABLE IF NOT EXISTS ledger.changed_cell (
    submission_no UINTEGER NOT NULL, change VARCHAR NOT NULL, record_key VARCHAR, row_no UINTEGER, old_row_no UINTEGER,
    column_name VARCHAR, old_value VARCHAR, new_value VARCHAR);
CREATE TABLE IF NOT EXISTS ledger.difference_total (
    submission_no UINTEGER NOT NULL, column_name VARCHAR NOT NULL, old_total DECIMAL(38, 6), new_total DECIMAL(38, 6));

CREATE TABLE IF NOT EXISTS reference.working_days (
    day DATE PRIMARY KEY, is_working_day BOOLEAN NOT NULL, working_day_no INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS reference.prepared (stamp VARCHAR NOT NULL);
CREATE TABLE IF NOT EXISTS reference.run (as_of TIMESTAMP);
-- Proof of the secret behind the keys of persons; keys of two secrets cannot be compared.
CREATE TABLE IF NOT EXISTS reference.person_key (proof VARCHAR NOT NULL);
CREATE TABLE IF NOT EXISTS reference.supervisor (supervisor_code VARCHAR);
CREATE TABLE IF NOT EXISTS reference.submission_events (
    event VARCHAR PRIMARY KEY, label_zh VARCHAR, to_state VARCHAR NOT NULL);
CREATE TABLE IF NOT EXISTS reference.rules (
    form VARCHAR NOT NULL, rule_code VARCHAR NOT NULL, rule_class VARCHAR NOT NULL, severity VARCHAR NOT NULL,
    kind VARCHAR NOT NULL, text_zh VARCHAR, text_en VARCHAR, message_zh VARCHAR, message_en VARCHAR,
    fix_zh VARCHAR, fix_en VARCHAR, waivable BOOLEAN NOT NULL, PRIMARY KEY (form, rule_code));
CREATE TABLE IF NOT EXISTS reference.code_lists (
    list VARCHAR NOT NULL, value VARCHAR NOT NULL, label_zh VARCHAR, label_en VARCHAR, valid_from DATE, valid_to DATE,
    insurer_classes VARCHAR);
CREATE TABLE IF NOT EXISTS reference.forms (
    form VARCHAR PRIMARY KEY, version VARCHAR NOT NULL, title_zh VARCHAR, title_en VARCHAR, frequency VARCHAR,
    deadline_days INTEGER, side VARCHAR, reject_above DECIMAL(9, 6), quarantine_rows BOOLEAN);
CREATE TABLE IF NOT EXISTS reference.columns (
    form VARCHAR NOT NULL, column_name VARCHAR NOT NULL, title_zh VARCHAR NOT NULL, PRIMARY KEY (form, column_name));
CREATE TABLE IF NOT EXISTS reference.obliged_classes (form VARCHAR NOT NULL, insurer_class VARCHAR NOT NULL);
CREATE TABLE IF NOT EXISTS published.releases (release_no INTEGER NOT NULL, as_of TIMESTAMP);
-- Figures by the release that first printed them so, and the last that does (2147483647: every one since; NULL, of an
-- older program: that release alone). A release adds what it prints otherwise than the one before it.
CREATE TABLE IF NOT EXISTS published.kpi_values (
    release_no INTEGER NOT NULL, kpi_id VARCHAR, period_type VARCHAR, period VARCHAR, grain VARCHAR, org_code VARCHAR,
    peer_group VARCHAR, insurer_type VARCHAR, dimension VARCHAR, dimension_value VARCHAR, numerator DECIMAL(38, 6),
    denominator DECIMAL(38, 6), value DECIMAL(18, 2), unit VARCHAR, base_value DECIMAL(38, 6), base_period VARCHAR,
    basis VARCHAR, status VARCHAR, rank INTEGER, n_institutions INTEGER, last_release_no INTEGER);
"""

PUBLIC_VIEWS = """
CREATE OR REPLACE VIEW ledger.current_state AS
SELECT e.submission_no, arg_max(s.to_state, e.event_no) AS state
FROM ledger.event AS e
JOIN reference.submission_events AS s USING (event)
GROUP BY e.submission_no;

-- Of bytes that came under several names the first in order of names is shown, whichever came first.
CREATE OR REPLACE VIEW filing.submissions AS
SELECT
    p.submission_id, p.submission_no, p.form, p.form_version, p.reporter_code, p.period, p.kind, p.sequence_no,
    p.supersedes, p.reason_code, b.submission_id AS base_submission_id, coalesce(c.state, 'received') AS state,
    coalesce(s.sys_from IS NOT NULL AND s.sys_to IS NULL AND p.kind <> 'WITHDRAW', false) AS in_force,
    s.rows_read, s.rows_accepted, s.rows_quarantined, s.rows_rejected, s.rows_in_force, s.error_count,
    s.warning_count, s.waived_count, s.unexplained_count, s.first_pass, s.late_days, s.nil_streak, p.sha256,
    p.byte_size, r.encoding, coalesce(t.first_name, p.source_name) AS source_name,
    coalesce(t.times_received, 1) AS times_received, p.signed_at, s.sys_from, s.sys_to, s.ruleset_version
FROM ledger.parcel AS p
LEFT JOIN ledger.current_state AS c USING (submission_no)
LEFT JOIN ledger.standing AS s USING (submission_no)
LEFT JOIN ledger.reading AS r USING (submission_no)
LEFT JOIN ledger.base AS d USING (submission_no)
LEFT JOIN ledger.parcel AS b ON b.submission_no = d.base_no
LEFT JOIN (
    SELECT content_key, count(*) AS times_received, min(name) AS first_name FROM ledger.sighting GROUP BY ALL) AS t
    ON t.content_key = p.content_key;

CREATE OR REPLACE VIEW filing.events AS
SELECT
    p.submission_id, row_number() OVER (PARTITION BY e.submission_no ORDER BY e.event_no) AS event_no, e.event,
    s.to_state AS state, e.known_at, e.cause, e.ruleset_version
FROM ledger.event AS e
JOIN ledger.parcel AS p USING (submission_no)
JOIN reference.submission_events AS s USING (event);

CREATE OR REPLACE VIEW filing.control_totals AS
SELECT
    p.submission_id, p.form, p.period, p.reporter_code, t.column_name, h.header, t.declared, t.ours,
    try_cast(t.declared AS DECIMAL(38, 6)) = try_cast(t.ours AS DECIMAL(38, 6)) AS agrees
FROM ledger.control_total AS t
JOIN ledger.parcel AS p USING (submission_no)
LEFT JOIN ledger.header AS h ON h.submission_no = t.submission_no AND h.column_name = t.column_name;

CREATE OR REPLACE VIEW filing.excuses AS
SELECT p.submission_id, p.form, p.period, p.reporter_code, e.rule_code, e.kind, e.excuse_id, e.reason, e.granted_at,
    e.granted_by, e.last_period
FROM ledger.excuse AS e
JOIN ledger.parcel AS p USING (submission_no);

-- Rows that a correction carries over, and the file each was filed in.
CREATE OR REPLACE VIEW filing.carried_rows AS
SELECT p.submission_id, c.form, c.row_no, o.submission_id AS filed_in, c.origin_row_no AS filed_row_no
FROM ledger.carried_row AS c
JOIN ledger.parcel AS p USING (submission_no)
JOIN ledger.parcel AS o ON o.submission_no = c.origin_no;

-- One row per report received: the version in force. Every version, with the one it replaced and the one after it.
CREATE OR REPLACE VIEW filing.submissions_current AS
SELECT * FROM filing.submissions WHERE in_force;

CREATE OR REPLACE VIEW filing.submissions_history AS
SELECT
    s.*, row_number() OVER (report ORDER BY s.sequence_no, s.submission_id) AS version_no,
    count(*) OVER report AS versions,
    o.submission_id AS replaced_submission_id, d.rows_added, d.rows_removed, d.rows_changed, d.rows_unchanged
FROM filing.submissions AS s
LEFT JOIN ledger.difference AS d ON d.submission_no = s.submission_no AND d.in_effect
LEFT JOIN ledger.parcel AS o ON o.submission_no = d.against_no
WINDOW report AS (PARTITION BY s.form, s.period, s.reporter_code);

CREATE OR REPLACE VIEW ledger.standing_finding AS
SELECT f.*
FROM ledger.finding AS f
JOIN ledger.standing AS s USING (submission_no)
WHERE s.readable OR starts_with(f.rule_code, 'ENV-');

CREATE OR REPLACE VIEW filing.verdicts AS
SELECT p.submission_id, p.form, p.period, p.reporter_code, v.rule_code, v.verdict, v.reason, v.reason_zh, v.findings
FROM ledger.verdict AS v
JOIN ledger.parcel AS p USING (submission_no);

CREATE OR REPLACE VIEW filing.forms AS
SELECT form, version, title_zh, title_en, frequency, deadline_days, side FROM reference.forms;

-- Rules by form; under the form '' the common rules, which also judge files whose form is unknown.
CREATE OR REPLACE VIEW filing.rules AS
SELECT form, rule_code, rule_class, severity, text_zh, text_en FROM reference.rules;

CREATE OR REPLACE VIEW filing.differences AS
SELECT
    p.submission_id, o.submission_id AS against_submission_id, p.form, p.period, p.reporter_code, d.rows_added,
    d.rows_removed, d.rows_changed, d.rows_unchanged, d.rows_without_key, d.rows_repeating_key, d.in_effect
FROM ledger.difference AS d
JOIN ledger.parcel AS p USING (submission_no)
JOIN ledger.parcel AS o ON o.submission_no = d.against_no;

-- Rows are named by their place in the file they were filed in, which for a carried row is an earlier one.
CREATE OR REPLACE VIEW filing.changed_cells AS
SELECT
    p.submission_id, c.change, c.record_key, coalesce(n.origin_row_no, c.row_no) AS row_no,
    coalesce(o.origin_row_no, c.old_row_no) AS old_row_no, f.submission_id AS old_filed_in, c.column_name,
    l.title_zh AS header, c.old_value, c.new_value
FROM ledger.changed_cell AS c
JOIN ledger.parcel AS p USING (submission_no)
JOIN ledger.difference AS d USING (submission_no)
LEFT JOIN ledger.carried_row AS n ON n.submission_no = c.submission_no AND n.row_no = c.row_no
LEFT JOIN ledger.carried_row AS o ON o.submission_no = d.against_no AND o.row_no = c.old_row_no
LEFT JOIN ledger.parcel AS f
    ON f.submission_no = coalesce(o.origin_no, d.against_no) AND c.old_row_no IS NOT NULL
LEFT JOIN reference.columns AS l ON l.form = p.form AND l.column_name = c.column_name;

CREATE OR REPLACE VIEW filing.difference_totals AS
SELECT p.submission_id, t.column_name, l.title_zh AS header, t.old_total, t.new_total
FROM ledger.difference_total AS t
JOIN ledger.parcel AS p USING (submission_no)
LEFT JOIN reference.columns AS l ON l.form = p.form AND l.column_name = t.column_name;

CREATE OR REPLACE VIEW filing.obligations AS
SELECT form, period, reporter_code, due_date, status, submission_id, filed_at, days_late, last_submission_id
FROM ledger.obligation;

CREATE OR REPLACE VIEW filing.obligation_events AS
SELECT form, period, reporter_code, event_no, event, happened_at, submission_id FROM ledger.obligation_event;

CREATE OR REPLACE VIEW filing.notices AS
SELECT n.reporter_code, n.form, n.period, n.stage, n.notice_date, n.due_date, n.is_newest, o.status,
    o.last_submission_id
FROM ledger.notice AS n
JOIN ledger.obligation AS o USING (reporter_code, form, period);
"""

#: A row that a correction carries over is named by its place in the file it was filed in.
_FINDINGS = """
SELECT
    p.submission_id, p.form, p.period, p.reporter_code, f.rule_code, r.rule_class, r.severity, d.sheet,
    coalesce(c.origin_row_no, f.row_no) AS row_no, f.column_name, h.header,
    CASE WHEN f.row_no IS NOT NULL AND h.position IS NOT NULL
        THEN concat(ledger.column_letters(h.position), coalesce(c.origin_row_no, f.row_no)) END AS cell,
    o.submission_id AS filed_in, f.value, f.expected,
    ledger.message(r.message_zh, f.column_name, h.header, coalesce(f.detail, f.value), f.expected) AS message_zh,
    ledger.message(r.message_en, f.column_name, h.header, coalesce(f.value, f.detail), f.expected) AS message_en,
    ledger.message(r.fix_zh, f.column_name, h.header, coalesce(f.detail, f.value), f.expected) AS fix_zh,
    ledger.message(r.fix_en, f.column_name, h.header, coalesce(f.value, f.detail), f.expected) AS fix_en,
    w.excuse_id AS waived_by, x.excuse_id AS explained_by
FROM {found} AS f
JOIN ledger.parcel AS p USING (submission_no)
LEFT JOIN ledger.carried_row AS c ON c.submission_no = f.submission_no AND c.row_no = f.row_no
LEFT JOIN ledger.parcel AS o ON o.submission_no = c.origin_no
LEFT JOIN ledger.reading AS d ON d.submission_no = coalesce(c.origin_no, f.submission_no)
LEFT JOIN ledger.header AS h
    ON h.submission_no = coalesce(c.origin_no, f.submission_no) AND h.column_name = f.column_name
LEFT JOIN ledger.excuse AS w
    ON w.submission_no = f.submission_no AND w.rule_code = f.rule_code AND w.kind = 'waiver'
LEFT JOIN ledger.excuse AS x
    ON x.submission_no = f.submission_no AND x.rule_code = f.rule_code AND x.kind = 'explanation'
LEFT JOIN reference.forms AS k ON k.form = p.form
LEFT JOIN reference.rules AS r ON r.form = coalesce(k.form, '') AND r.rule_code = f.rule_code"""

_ASKED_FOR = """(
    SELECT * FROM ledger.standing_finding WHERE submission_no IN (
        SELECT submission_no FROM ledger.parcel WHERE submission_id IN (SELECT unnest(submission_ids))))"""

FINDINGS_DDL = f"""
CREATE OR REPLACE VIEW filing.findings AS {_FINDINGS.format(found="ledger.standing_finding")};
-- The same of some submissions: the view puts every finding there is into words before any is left out.
CREATE OR REPLACE MACRO ledger.findings_of(submission_ids) AS TABLE {_FINDINGS.format(found=_ASKED_FOR)};
"""

#: Column letters of a spreadsheet: 1 -> A, 27 -> AA (up to ZZ, 702 columns; contracts stay far below).
MACROS = """
CREATE OR REPLACE MACRO ledger.column_letters(n) AS
    CASE WHEN n <= 26 THEN chr((64 + n)::INTEGER)
         ELSE concat(chr((64 + (n - 1) // 26)::INTEGER), chr((65 + (n - 1) % 26)::INTEGER)) END;
-- A masked value keeps its length and, of a long one, two letters or digits: enough to find it, nothing of a name.
CREATE OR REPLACE MACRO ledger.masked(filed) AS
    CASE WHEN filed IS NOT NULL THEN concat(
        CASE WHEN length(filed) >= 8 THEN regexp_extract(filed, '^[0-9A-Za-z]{1,2}') ELSE '' END,
        '***(', length(filed), ')') END;
CREATE OR REPLACE MACRO ledger.trim_zeros(amount) AS
    rtrim(rtrim(amount::DECIMAL(38, 6)::VARCHAR, '0'), '.');
CREATE OR REPLACE MACRO ledger.message(template, column_name, header, shown, expected) AS
    CASE WHEN contains(template, '{') THEN
        replace(replace(replace(replace(template,
            '{column}', coalesce(column_name, '')), '{header}', coalesce(header, column_name, '')),
            '{value}', coalesce(shown, '')), '{expected}', coalesce(expected, '-'))
    ELSE template END;
"""


#: Rows of a form as models read them: of filings that came into force, neither deletions nor held back. Held-back rows
#: go by an outer join: a correlated NOT EXISTS has DuckDB sort out every row's address first and keeps a filter on
#: submissions away from the store, and an ANTI JOIN in a view breaks its optimizer in some joins (docs/decisions/0031).
_FILED_VIEW = """
CREATE OR REPLACE VIEW filed.{table} AS
SELECT {columns}, p.submission_id, r.submission_no, r.row_no, p.period AS filing_period,
    p.reporter_code AS filing_reporter, s.sys_from, s.sys_to
FROM store.{table} AS r
JOIN ledger.standing AS s ON s.submission_no = r.submission_no AND s.sys_from IS NOT NULL
JOIN ledger.parcel AS p ON p.submission_no = r.submission_no
LEFT JOIN ledger.quarantined_row AS q
    ON q.form = '{form}' AND q.submission_no = r.submission_no AND q.row_no = r.row_no
WHERE {undeleted} AND q.row_no IS NULL
"""

#: Words of 64 bits that hold, for each stored row, which checks it breaks (60 checks a word).
MARK_WORDS = 3


def prepare(con: duckdb.DuckDBPyConnection, catalogue: Catalogue, working_days_csv: Path) -> None:
    """Create or bring up to date every table and view of the build database; safe to repeat.

    Reference tables are replaced by the catalogue's content when that has changed, form tables gain columns their
    contract has gained. `working_days_csv`: day, is_working_day, note.
    """
    shape = hashlib.sha256(
        (LEDGER_DDL + MACROS + PUBLIC_VIEWS + FINDINGS_DDL + _FILED_VIEW).encode()
    ).hexdigest()[:16]
    stamp = f"{catalogue.ruleset_version}/{shape}/{hashlib.sha256(working_days_csv.read_bytes()).hexdigest()}"
    if _is_prepared(con, stamp):
        return
    con.execute(LEDGER_DDL)
    _bring_up_to_date(con)
    con.execute(MACROS)
    _fill_calendar(con, working_days_csv)
    _fill_reference(con, catalogue)
    con.execute(PUBLIC_VIEWS)
    con.execute(FINDINGS_DDL)
    for form in catalogue.forms.values():
        _prepare_form(con, form)
    con.execute("DELETE FROM reference.prepared")
    con.execute("INSERT INTO reference.prepared VALUES (?)", [stamp])


def _is_prepared(con: duckdb.DuckDBPyConnection, stamp: str) -> bool:
    """Whether `prepare` was here before with the same contracts, calendar and program; then nothing is written."""
    made = con.execute(
        "SELECT 1 FROM duckdb_tables() WHERE schema_name = 'reference' AND table_name = 'prepared'"
    ).fetchone()
    return bool(made and con.execute("SELECT 1 FROM reference.prepared WHERE stamp = ?", [stamp]).fetchone())


def _bring_up_to_date(con: duckdb.DuckDBPyConnection) -> None:
    """Give tables of an older build database the columns they have gained since; what they hold stays."""
    facts = (
        "SELECT schema_name, table_name, column_name, data_type, is_nullable FROM duckdb_columns() "
        "WHERE schema_name IN ('ledger', 'reference', 'published') AND NOT internal ORDER BY ALL"
    )
    with duckdb.connect() as scratch:
        scratch.execute(LEDGER_DDL)
        wanted = {row[:3]: row[3:] for row in scratch.execute(facts).fetchall()}
    have = {row[:3]: row[3:] for row in con.execute(facts).fetchall()}
    for (schema, table, column), (data_type, is_nullable) in wanted.items():
        found = have.get((schema, table, column))
        if found is None:
            con.execute(f"ALTER TABLE {schema}.{table} ADD COLUMN {column} {data_type}")
        elif is_nullable and not found[1]:
            con.execute(f"ALTER TABLE {schema}.{table} ALTER COLUMN {column} DROP NOT NULL")


def _fill_calendar(con: duckdb.DuckDBPyConnection, working_days_csv: Path) -> None:
    con.execute(
        """
        CREATE OR REPLACE TABLE reference.working_days AS
        SELECT day, is_working_day, (count(*) FILTER (is_working_day) OVER (ORDER BY day))::INTEGER AS working_day_no
        FROM read_csv(?, header = true, columns = {'day': 'DATE', 'is_working_day': 'BOOLEAN', 'note': 'VARCHAR'})
        ORDER BY day""",
        [str(working_days_csv)],
    )


def store_columns(form: Form) -> list[tuple[str, str]]:
    """Names and DuckDB types of `store.<form>`, contract columns first, then row identity and marks."""
    return [(column.name, column.duckdb_type) for column in form.columns] + [
        ("submission_no", "UINTEGER"),
        ("row_no", "UINTEGER"),
        *((f"broken_{word}", "UBIGINT") for word in range(MARK_WORDS)),
    ]


#: Rows that a correction carries over from its base are numbered from here on; no file has that many rows.
CARRIED_FROM = 1 << 30


def undeleted(alias: str) -> str:
    """SQL: the stored row is a record, not the deletion (record_action D) of one."""
    return f"{alias}.record_action IS DISTINCT FROM 'D'"


def _prepare_form(con: duckdb.DuckDBPyConnection, form: Form) -> None:
    typed = store_columns(form)
    con.execute(f"CREATE TABLE IF NOT EXISTS store.{form.table} ({', '.join(f'{n} {t}' for n, t in typed)})")
    have = {row[0]: row[1] for row in con.execute(f"DESCRIBE store.{form.table}").fetchall()}
    for name, sql_type in typed:
        if name not in have:
            con.execute(f"ALTER TABLE store.{form.table} ADD COLUMN {name} {sql_type}")
    text = ", ".join(f"{column.name} VARCHAR" for column in form.columns)
    con.execute(
        f"CREATE TABLE IF NOT EXISTS quarantine.{form.table} (submission_no UINTEGER, row_no UINTEGER, {text})"
    )
    columns = ", ".join(f"r.{column.name}" for column in form.columns)
    con.execute(
        _FILED_VIEW.format(form=form.code, table=form.table, columns=columns, undeleted=undeleted("r"))
    )


def _fill_reference(con: duckdb.DuckDBPyConnection, catalogue: Catalogue) -> None:
    # under the form "" the common rules also stand for parcels whose form is unknown
    rules = [
        _rule_row(code, rule)
        for code, of_form in [("", catalogue.common_rules)]
        + [(form.code, catalogue.rules_for(form)) for form in catalogue.forms.values()]
        for rule in of_form
    ]
    lists: list[tuple[object, ...]] = [
        (name, e.value, e.label_zh, e.label_en, e.valid_from, e.valid_to, "|".join(e.insurer_classes))
        for name, code_list in catalogue.code_lists.items()
        for e in code_list.entries
    ]
    forms: list[tuple[object, ...]] = [
        (
            f.code,
            f.version,
            f.title_zh,
            f.title_en,
            f.frequency,
            f.deadline_days,
            f.side,
            f.reject_above,
            f.quarantine_rows,
        )
        for f in catalogue.forms.values()
    ]
    classes: list[tuple[object, ...]] = [
        (f.code, insurer_class) for f in catalogue.forms.values() for insurer_class in f.obliged_classes
    ]
    columns: list[tuple[object, ...]] = [
        (f.code, column.name, column.title_zh) for f in catalogue.forms.values() for column in f.columns
    ]
    supervisor: list[tuple[object, ...]] = [(catalogue.supervisor_code,)]
    filled = {
        "supervisor": supervisor,
        "rules": rules,
        "code_lists": lists,
        "forms": forms,
        "columns": columns,
        "obliged_classes": classes,
    }
    for table, rows in filled.items():
        con.execute(f"CREATE OR REPLACE TEMP TABLE incoming AS SELECT * FROM reference.{table} LIMIT 0")
        insert_rows(con, "incoming", rows)
        con.execute(f"TRUNCATE reference.{table}")
        con.execute(f"INSERT INTO reference.{table} SELECT * FROM incoming")
    con.execute("DROP TABLE incoming")


def _rule_row(form_code: str, rule: Rule) -> tuple[object, ...]:
    words = (rule.text_zh, rule.text_en, rule.message_zh, rule.message_en, rule.fix_zh, rule.fix_en)
    return (form_code, rule.code, rule.rule_class, rule.severity, rule.kind, *words, rule.waivable)


def insert_rows(con: duckdb.DuckDBPyConnection, table: str, rows: Sequence[Sequence[object]]) -> None:
    """Insert small sets of Python rows in few statements (one per row costs a millisecond each)."""
    for start in range(0, len(rows), 500):
        chunk = rows[start : start + 500]
        marks = ", ".join("(" + ", ".join("?" * len(row)) + ")" for row in chunk)
        con.execute(f"INSERT INTO {table} VALUES {marks}", [value for row in chunk for value in row])
