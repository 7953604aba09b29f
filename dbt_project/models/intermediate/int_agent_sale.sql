-- 代理人出单: per reporter, agent code and month of issue, the latest policy sold under the code, with the row of
-- the call-back that tells it. Call-backs are millions; who still sells is asked of their agents and months.
-- Rows that a filer files for a period stand in one submission, so date and row number put them in order.
{{ config(materialized='incremental', incremental_strategy='recount', on_schema_change='fail') }}
with sold as (
    select
        reporter_code,
        submission_no,
        row_no,
        filing_period,
        agent_code,
        issue_date,
        {{ month_of('issue_date') }} as issue_month,
        cast({{ days_between("date '1970-01-01'", 'issue_date') }} as bigint) * 4294967296 + row_no as place
    from {{ ref('int_call_back') }}
    where
        agent_code is not null
        and issue_date is not null
        and {{ is_of_recounted_partition('int_agent_sale') }}
)

select
    reporter_code,
    filing_period,
    agent_code,
    issue_month,
    max(issue_date) as issue_date,
    max_by(submission_no, place) as submission_no,
    max_by(row_no, place) as row_no
from sold
group by reporter_code, filing_period, agent_code, issue_month
