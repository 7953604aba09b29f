-- 首问: one row per first contact, with its limit of one working day on the calendar of holidays and make-up
-- days.
{{ config(materialized='incremental', incremental_strategy='recount', on_schema_change='fail') }}
with limits as (
    select
        day,
        min(case when is_working_day then day end) over (
            order by day rows between 1 following and unbounded following
        ) as next_working_day
    from {{ source('reference', 'working_days') }}
)

select
    inquiry.reporter_code,
    inquiry.inquiry_id,
    inquiry.submission_id,
    inquiry.row_no,
    inquiry.filing_period,
    inquiry.complaint_id,
    {{ month_of('inquiry.inquiry_at') }} as inquiry_month,
    limits.next_working_day as contact_limit,
    inquiry.responder_is_sales,
    inquiry.resolved_at_first,
    inquiry.pre_resolved,
    inquiry.escalated_to_regulator_on is not null as is_escalated,
    inquiry.first_contact_at is null
    and coalesce(limits.next_working_day >= run.as_of_date, false) as is_contact_not_yet_due,
    coalesce(cast(inquiry.first_contact_at as date) <= limits.next_working_day, false)
        as is_contacted_in_time,
    {{ changes_after(
        'limits.next_working_day',
        'inquiry.first_contact_at is null and limits.next_working_day >= run.as_of_date'
    ) }} as changes_on
from {{ recounted(ref('stg_f02')) }} as inquiry
cross join {{ ref('int_run') }} as run
left join limits
    on cast(inquiry.inquiry_at as date) = limits.day
