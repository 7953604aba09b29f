"""A release in miniature with the public interface that the reading commands use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from click.testing import Result
from typer.testing import CliRunner

from pipelines.cli.app import app

_SQL = """
CREATE SCHEMA kpi; CREATE SCHEMA filing; CREATE SCHEMA registry; CREATE SCHEMA release;
CREATE TABLE registry.reporters (org_code VARCHAR, name VARCHAR, alias VARCHAR, insurer_type VARCHAR);
INSERT INTO registry.reporters VALUES
    ('00000000000011', '甲财产保险股份有限公司某市分公司', '甲财险', 'property'),
    ('00000000000012', '乙人寿保险股份有限公司某市分公司', '乙人寿', 'life');
CREATE TABLE filing.obligations (form VARCHAR, period VARCHAR, reporter_code VARCHAR, due_date DATE, status VARCHAR,
    submission_id VARCHAR, filed_at TIMESTAMP, days_late INTEGER, last_submission_id VARCHAR);
INSERT INTO filing.obligations
SELECT *, submission_id FROM (VALUES
    ('F01', '2025-02', '00000000000011', '2025-03-10', 'filed', 'A1', '2025-03-09 10:00:00', 0),
    ('F01', '2025-03', '00000000000011', '2025-04-10', 'filed', 'A', '2025-04-09 10:00:00', 0),
    ('F01', '2025-03', '00000000000012', '2025-04-10', 'late', 'B', '2025-04-13 10:00:00', 3),
    ('F02', '2025-03', '00000000000011', '2025-04-10', 'rejected', NULL, NULL, NULL),
    ('F02', '2025-03', '00000000000012', '2025-04-10', 'missing', NULL, NULL, NULL),
    ('F11', '2025Q1', '00000000000011', '2025-04-14', 'filed', 'C', '2025-04-09 10:00:00', 0),
    ('F01', '2025-04', '00000000000011', '2025-05-12', 'filed', 'D', '2025-05-06 10:00:00', 0),
    ('F01', '2025-04', '00000000000012', '2025-05-12', 'draft', NULL, NULL, NULL))
    AS t(form, period, reporter_code, due_date,
    status, submission_id, filed_at, days_late);
CREATE TABLE release.release (as_of TIMESTAMP);
INSERT INTO release.release VALUES ('2025-05-08 12:00:00');
CREATE TABLE filing.notices (reporter_code VARCHAR, form VARCHAR, period VARCHAR, stage VARCHAR, notice_date DATE,
    due_date DATE, is_newest BOOLEAN, status VARCHAR, last_submission_id VARCHAR);
INSERT INTO filing.notices VALUES
    ('00000000000012', 'F02', '2025-03', 'second', '2025-04-15', '2025-04-10', false, 'missing', NULL),
    ('00000000000012', 'F02', '2025-03', 'escalation', '2025-04-17', '2025-04-10', true, 'missing', NULL),
    ('00000000000012', 'F01', '2025-03', 'missing', '2025-04-11', '2025-04-10', true, 'late', 'B'),
    ('00000000000012', 'F01', '2025-04', 'reminder', '2025-05-08', '2025-05-12', true, 'draft', 'D0');
CREATE TABLE filing.forms (form VARCHAR, title_zh VARCHAR, title_en VARCHAR);
INSERT INTO filing.forms VALUES ('F01', '投诉明细', 'complaint record');
CREATE TABLE filing.rules (form VARCHAR, rule_code VARCHAR, severity VARCHAR, text_zh VARCHAR, text_en VARCHAR);
INSERT INTO filing.rules VALUES ('F01', 'F01-I04', 'E', '应办结日依工作日历推算', 'due date by the calendar');
CREATE TABLE filing.submissions (submission_id VARCHAR, form VARCHAR, form_version VARCHAR, period VARCHAR,
    reporter_code VARCHAR, kind VARCHAR, sequence_no INTEGER, supersedes VARCHAR, reason_code VARCHAR,
    base_submission_id VARCHAR, state VARCHAR, in_force BOOLEAN, signed_at TIMESTAMP, source_name VARCHAR,
    sha256 VARCHAR, times_received BIGINT, rows_read INTEGER, rows_accepted INTEGER, rows_quarantined INTEGER,
    rows_rejected INTEGER, rows_in_force INTEGER, error_count INTEGER, warning_count INTEGER, late_days INTEGER,
    nil_streak INTEGER, ruleset_version VARCHAR, unexplained_count INTEGER);
INSERT INTO filing.submissions VALUES ('F01-2025-03-00000000000011-001', 'F01', '1.0.0', '2025-03',
    '00000000000011', 'ORIGINAL', 1, NULL, NULL, NULL, 'partly_accepted', true, '2025-04-09 10:00:00', 'a.csv',
    repeat('0', 64), 1, 100, 98, 2, 0, 98, 2, 1, 0, NULL, 'abc', 1);
CREATE TABLE filing.verdicts (submission_id VARCHAR, rule_code VARCHAR, verdict VARCHAR, reason VARCHAR,
    reason_zh VARCHAR, findings BIGINT);
INSERT INTO filing.verdicts VALUES ('F01-2025-03-00000000000011-001', 'F01-I04', 'fail', NULL, NULL, 2);
CREATE TABLE filing.control_totals (submission_id VARCHAR, column_name VARCHAR, header VARCHAR, declared VARCHAR,
    ours VARCHAR, agrees BOOLEAN);
INSERT INTO filing.control_totals VALUES
    ('F01-2025-03-00000000000011-001', 'demand_amount', '诉求金额', '100.1', '100.11', false);
CREATE TABLE filing.excuses (submission_id VARCHAR, rule_code VARCHAR, kind VARCHAR, excuse_id VARCHAR,
    reason VARCHAR, granted_at TIMESTAMP, last_period VARCHAR);
INSERT INTO filing.excuses VALUES
    ('F01-2025-03-00000000000011-001', 'F01-I04', 'waiver', 'W1', '系统切换', '2025-04-20 09:00:00', '2025-05'),
    ('F01-2025-03-00000000000011-001', 'GEN-I05', 'explanation', 'EX-7', '系统导出格式', '2025-04-20 09:00:00',
    '2025-05');
CREATE TABLE filing.differences (submission_id VARCHAR, against_submission_id VARCHAR, in_effect BOOLEAN,
    rows_added BIGINT, rows_removed BIGINT, rows_changed BIGINT, rows_unchanged BIGINT);
INSERT INTO filing.differences VALUES
    ('F01-2025-03-00000000000011-001', 'F01-2025-03-00000000000011-000', true, 0, 0, 1, 99);
CREATE TABLE filing.changed_cells (submission_id VARCHAR, change VARCHAR, record_key VARCHAR, row_no UINTEGER,
    old_row_no UINTEGER, old_filed_in VARCHAR, column_name VARCHAR, header VARCHAR, old_value VARCHAR,
    new_value VARCHAR);
INSERT INTO filing.changed_cells VALUES ('F01-2025-03-00000000000011-001', 'changed', 'C-1', 5, 6,
    'F01-2025-03-00000000000011-000', 'due_date', '应办结日', '2025-04-01', '2025-04-22');
CREATE TABLE filing.difference_totals (submission_id VARCHAR, column_name VARCHAR, header VARCHAR,
    old_total DECIMAL(38, 6), new_total DECIMAL(38, 6));
CREATE TABLE filing.findings (submission_id VARCHAR, form VARCHAR, period VARCHAR, reporter_code VARCHAR,
    rule_code VARCHAR, rule_class VARCHAR, severity VARCHAR, sheet VARCHAR, row_no INTEGER, column_name VARCHAR,
    header VARCHAR, cell VARCHAR, filed_in VARCHAR, value VARCHAR, expected VARCHAR, message_zh VARCHAR,
    message_en VARCHAR, fix_zh VARCHAR, fix_en VARCHAR, waived_by VARCHAR, explained_by VARCHAR);
INSERT INTO filing.findings
SELECT 'F01-2025-03-00000000000011-001', 'F01', '2025-03', '00000000000011', rule, 'intra', severity, NULL, n,
    'due_date', '应办结日', 'K' || n, NULL, '2025/4/1', '2025-04-30', '应办结日与工作日历不符', 'wrong due date',
    '重算', 'redo', NULL, CASE severity WHEN 'W' THEN 'EX-7' END
FROM (VALUES ('F01-I04', 'E', 7), ('F01-I04', 'E', 12), ('GEN-I05', 'W', 9)) AS f(rule, severity, n);
CREATE TABLE kpi.kpi_catalogue (kpi_id VARCHAR, kind VARCHAR, name_zh VARCHAR, name_en VARCHAR, formula_zh VARCHAR,
    formula_en VARCHAR);
INSERT INTO kpi.kpi_catalogue VALUES ('CMP-01', 'count', '有效投诉件数', 'valid complaints', '件数合计', 'count'),
    ('CMP-06', 'ratio', '亿元保费投诉量', 'complaints per 100 million premium', '件数/保费', 'complaints / premium'),
    ('CMP-07', 'ratio', '万张保单投诉量', 'complaints per 10k policies', '件数/保单', 'complaints / policies'),
    ('FIR-01', 'ratio', '首问台账覆盖率', 'ledger coverage', '有台账/机构', 'with a ledger / all');
CREATE TABLE kpi.kpi_variants (kpi_id VARCHAR, dimension VARCHAR, dimension_value VARCHAR, name_zh VARCHAR,
    formula_zh VARCHAR, formula_en VARCHAR);
INSERT INTO kpi.kpi_variants VALUES
    ('CMP-07', 'policy_basis', 'new', '新增保单', '件数/新增保单', 'complaints / new policies');
CREATE TABLE kpi.kpi_values (kpi_id VARCHAR, period_type VARCHAR, period VARCHAR, grain VARCHAR, org_code VARCHAR,
    peer_group VARCHAR, insurer_type VARCHAR, dimension VARCHAR, dimension_value VARCHAR, numerator DECIMAL(38,6),
    denominator DECIMAL(38,6), value DECIMAL(18,2), unit VARCHAR, base_value DECIMAL(38,6), base_period VARCHAR,
    basis VARCHAR, status VARCHAR, rank INTEGER, n_institutions INTEGER, release_id VARCHAR);
INSERT INTO kpi.kpi_values BY NAME
SELECT kpi_id, period_type, period, grain, org_code, insurer_type, dimension, dimension_value, numerator,
    denominator, value, unit, 'current' AS basis, status, rank, 2 AS n_institutions, 'v1' AS release_id
FROM (VALUES
    ('CMP-01', 'month', '2025-02', 'bureau', NULL, NULL, 'total', 'total', 240, NULL, 240, '件', 'OK', NULL),
    ('CMP-01', 'month', '2025-03', 'bureau', NULL, NULL, 'total', 'total', 1250, NULL, 1250, '件', 'OK', NULL),
    ('CMP-01', 'month', '2025-03', 'bureau', NULL, NULL, 'line_code', '机动车辆', 900, NULL, 900, '件', 'OK', NULL),
    ('CMP-01', 'ytd', '2025-03', 'bureau', NULL, NULL, 'total', 'total', 2000, NULL, 2000, '件', 'OK', NULL),
    ('CMP-01', 'quarter', '2025Q1', 'bureau', NULL, NULL, 'total', 'total', 2000, NULL, 2000, '件', 'OK', NULL),
    ('CMP-06', 'month', '2025-02', 'bureau', NULL, NULL, 'total', 'total', 240, 500000000, 48.00, '件/亿元', 'OK',
        NULL),
    ('CMP-06', 'month', '2025-03', 'bureau', NULL, NULL, 'total', 'total', 1250, 2000000000.5, 62.5, '件/亿元',
        'PARTIAL', NULL),
    ('CMP-06', 'month', '2025-03', 'insurer', '00000000000011', 'property', 'total', 'total', 12, 0, NULL, '件/亿元',
        'ZERO_DEN', NULL),
    ('CMP-06', 'month', '2025-03', 'insurer', '00000000000012', 'life', 'total', 'total', NULL, NULL, NULL,
        '件/亿元', 'MISSING', NULL),
    ('CMP-07', 'month', '2025-03', 'bureau', NULL, NULL, 'policy_basis', 'new', 5, 100, 500.00, '件/万张', 'OK', NULL),
    ('FIR-01', 'quarter', '2025Q1', 'bureau', NULL, NULL, 'total', 'total', 1, 2, 50.00, '%', 'SMALL_BASE', NULL)
) AS t(kpi_id, period_type, period, grain, org_code, insurer_type, dimension, dimension_value, numerator,
    denominator, value, unit, status, rank);
"""


@pytest.fixture
def release(home: Path) -> Path:
    """Release v1 in force under XIAOBAO_HOME."""
    folder = home / "releases" / "v1"
    folder.mkdir(parents=True)
    with duckdb.connect(str(folder / "warehouse.duckdb")) as con:
        con.execute(_SQL)
    (home / "releases" / "current").symlink_to("v1")
    return folder


@pytest.fixture
def xiaobao(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run a command in this process; `stdout` and `stderr` apart."""
    monkeypatch.setenv("COLUMNS", "200")

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(app, list(arguments))

    return invoke
