-- 回访汇总: the cells of each period in force, at the grain filed. A period's cells are about that period's F04.
{{ config(meta={'key': []}) }}
select
    reporter_code,
    org_code,
    region_code,
    sales_channel,
    product_type,
    callback_type,
    due_count,
    done_count,
    success_count,
    success_in_cooling_off,
    in_progress,
    receipt_pending,
    problem_new,
    problem_handled,
    problem_open,
    filing_period,
    {{ period_first_month('filing_period') }} as month,
    submission_id,
    submission_no,
    row_no,
    sys_from
from {{ source('filed', 'f04s') }}
where
    {{ in_force() }}
    and record_action <> 'D'
