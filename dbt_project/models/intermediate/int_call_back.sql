-- 回访: one row per call-back. The cohort of a rate are new policies that must be called, by the end of
-- cooling-off; a policy whose cooling-off has not ended before the run's date is outside numerator and
-- denominator (E6). There are millions of rows: a row is named by its filing's number, and no text is kept
-- that nobody asks of it.
{{ config(materialized='incremental', incremental_strategy='recount', on_schema_change='fail') }}
with call_backs as (
    select
        call_back.reporter_code,
        call_back.submission_no,
        call_back.row_no,
        call_back.filing_period,
        call_back.agent_code,
        call_back.issue_date,
        call_back.cooling_off_end,
        call_back.sales_channel,
        call_back.product_type,
        {{ month_of('call_back.cooling_off_end') }} as cohort_month,
        {{ month_of('call_back.completed_at') }} as completed_month,
        {{ month_of('call_back.receipt_signed_on') }} as receipt_month,
        coalesce(call_back.method = '信函', false) as is_by_letter,
        call_back.callback_type = '新单' and call_back.must_call as is_in_cohort,
        call_back.cooling_off_end < run.as_of_date as is_cooling_off_over,
        call_back.completed_at is not null as is_completed,
        call_back.success as is_successful,
        call_back.success
        and coalesce(cast(call_back.completed_at as date) <= call_back.cooling_off_end, false)
            as is_successful_in_cooling_off
    from {{ recounted(ref('stg_f04')) }} as call_back
    cross join {{ ref('int_run') }} as run
)

select
    reporter_code,
    submission_no,
    row_no,
    filing_period,
    agent_code,
    issue_date,
    sales_channel,
    product_type,
    -- Both at once: CBK-03 is asked for by channel and product.
    sales_channel || '/' || product_type as channel_product,
    cohort_month,
    completed_month,
    receipt_month,
    is_by_letter,
    is_in_cohort,
    is_in_cohort and is_cooling_off_over as is_due,
    is_in_cohort and not is_cooling_off_over as is_not_yet_due,
    is_in_cohort and is_cooling_off_over and is_completed as is_due_completed,
    is_in_cohort and is_cooling_off_over and is_successful as is_due_successful,
    is_in_cohort and is_cooling_off_over and is_successful_in_cooling_off as is_due_successful_in_cooling_off,
    {{ changes_after('cooling_off_end', 'is_in_cohort and not is_cooling_off_over') }} as changes_on
from call_backs
