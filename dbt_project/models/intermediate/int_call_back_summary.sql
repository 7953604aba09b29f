-- 回访汇总: the summary's cells, the counts of a rate for new policies only. They are about the calls filed for
-- the month, so a policy that waits stands in several months: no window but the month adds them up.
{{ config(materialized='incremental', incremental_strategy='recount', on_schema_change='fail') }}
with cells as (
    select
        reporter_code,
        month,
        sales_channel,
        product_type,
        submission_id,
        row_no,
        filing_period,
        receipt_pending,
        case when callback_type = '新单' then 1 else 0 end as is_new_policy,
        due_count,
        done_count,
        success_count,
        success_in_cooling_off
    from {{ recounted(ref('stg_f04s')) }}
)

select
    reporter_code,
    month,
    sales_channel,
    product_type,
    submission_id,
    row_no,
    filing_period,
    receipt_pending,
    is_new_policy * due_count as due,
    is_new_policy * done_count as completed,
    is_new_policy * success_count as successful,
    is_new_policy * success_in_cooling_off as successful_in_cooling_off
from cells
