-- 投诉: one row per complaint (件) with the months it counts in and what it counts as. A complaint not yet
-- decided at its limit counts against CMP-17 only once that limit lies before the run's date (E6).
{{ config(materialized='incremental', incremental_strategy='recount', on_schema_change='fail') }}
with linked_inquiries as (
    select distinct
        reporter_code,
        inquiry_id,
        complaint_id
    from {{ ref('int_first_inquiry') }}
    where complaint_id is not null
),

mediated as (
    select distinct
        reporter_code,
        complaint_id
    from {{ ref('int_mediation') }}
    where complaint_id is not null
)

select
    complaint.reporter_code,
    complaint.complaint_id,
    complaint.line_code,
    complaint.sales_channel,
    complaint.reason_l1,
    complaint.validity,
    complaint.reg_ref_no,
    complaint.submission_id,
    complaint.row_no,
    complaint.filing_period,
    {{ month_of('complaint.received_at') }} as received_month,
    {{ month_of('complaint.due_date') }} as due_month,
    {{ month_of('complaint.decision_date') }} as decision_month,
    {{ month_of('complaint.reg_forward_date') }} as reg_forward_month,
    complaint.decision_date,
    complaint.agent_code,
    complaint.matter_count,
    complaint.escalation,
    complaint.surrender_diff_amount,
    complaint.validity = '有效' as is_valid,
    substr(complaint.source_channel, 1, 4) = 'OWN_' as is_own,
    substr(complaint.source_channel, 1, 4) = 'REG_' as is_from_regulator,
    complaint.validity = '重复' as is_repeated,
    complaint.validity = '有效' and complaint.escalation <> '无' as is_valid_escalated,
    complaint.settlement_type <> '无' as is_accommodated,
    complaint.status = '已办结' and coalesce(complaint.outcome = '不支持', false) as is_demand_unmet,
    complaint.verify_result is not null as is_verified,
    coalesce(complaint.verify_result <> '维持', false) as is_changed_on_verification,
    complaint.validity in ('无效', '重复', '不纳入') as is_excluded,
    substr(complaint.source_channel, 1, 4) = 'OWN_' and inquiry.inquiry_id is not null as is_own_linked,
    complaint.status not in ('撤回', '终止') and complaint.due_date < run.as_of_date as is_due,
    complaint.status not in ('撤回', '终止') and complaint.due_date >= run.as_of_date as is_not_yet_due,
    complaint.status not in ('撤回', '终止') and complaint.due_date < run.as_of_date
    and coalesce(complaint.decision_date <= complaint.due_date, false) as is_decided_on_time,
    complaint.status = '处理中' and complaint.due_date >= run.as_of_date as is_open_within_limit,
    complaint.status = '已办结' as is_closed,
    {{ days_between('complaint.received_at', 'complaint.decision_date') }}
    - complaint.clock_stop_days as decision_days,
    complaint.status = '已办结' and complaint.responsible = '有责' as is_accountable,
    -- 溯源整改: a cause is to be found within 30 days of closing (F01.root_cause); until then nothing can be
    -- said of a case, afterwards it is put right or not (E6).
    complaint.status = '已办结' and complaint.responsible = '有责'
    and {{ days_between('complaint.decision_date', 'run.as_of_date') }} > {{ var('rectification_days') }}
        as is_rectification_due,
    complaint.status = '已办结' and complaint.responsible = '有责'
    and {{ days_between('complaint.decision_date', 'run.as_of_date') }} <= {{ var('rectification_days') }}
        as is_rectification_not_yet_due,
    complaint.status = '已办结' and complaint.responsible = '有责'
    and complaint.rectify_close_date is not null
    and {{ days_between('complaint.decision_date', 'run.as_of_date') }} > {{ var('rectification_days') }}
        as is_rectified,
    -- 引导口径: closed against the complainant or handed to mediation, not simple, and never taken to mediation.
    complaint.status = '已办结'
    and complaint.complexity <> '简单'
    and coalesce(complaint.outcome in ('部分支持', '不支持', '转调解'), false)
    and mediated.complaint_id is null as is_mediation_not_offered,
    least(
        {{ changes_after('complaint.due_date', 'complaint.due_date >= run.as_of_date') }},
        {{ changes_after(
            day_after('complaint.decision_date', var('rectification_days')),
            days_between('complaint.decision_date', 'run.as_of_date') ~ ' <= ' ~ var('rectification_days')
        ) }}
    ) as changes_on
from {{ recounted(ref('stg_f01')) }} as complaint
cross join {{ ref('int_run') }} as run
left join linked_inquiries as inquiry
    on
        complaint.reporter_code = inquiry.reporter_code
        and complaint.first_inquiry_id = inquiry.inquiry_id
        and complaint.complaint_id = inquiry.complaint_id
left join mediated
    on
        complaint.reporter_code = mediated.reporter_code
        and complaint.complaint_id = mediated.complaint_id
