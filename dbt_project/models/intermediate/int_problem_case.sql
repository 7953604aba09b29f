-- 问题件: one row per problem case found by a call-back.
{{ config(materialized='incremental', incremental_strategy='recount', on_schema_change='fail') }}
select
    problem.reporter_code,
    problem.problem_id,
    problem.problem_type,
    problem.submission_id,
    problem.row_no,
    problem.filing_period,
    problem.sales_channel,
    {{ month_of('problem.found_date') }} as found_month,
    {{ month_of('problem.due_date') }} as due_month,
    {{ month_of('problem.handled_date') }} as handled_month,
    problem.due_date < run.as_of_date as is_due,
    problem.due_date >= run.as_of_date as is_not_yet_due,
    problem.due_date < run.as_of_date and problem.handled_date is not null as is_due_handled,
    problem.due_date < run.as_of_date
    and coalesce(problem.handled_date <= problem.due_date, false) as is_due_handled_on_time,
    problem.handle_result = '成功' as is_solved,
    {{ changes_after('problem.due_date', 'problem.due_date >= run.as_of_date') }} as changes_on
from {{ recounted(ref('stg_f05')) }} as problem
cross join {{ ref('int_run') }} as run
