-- 有责投诉: one row per complaint closed against the insurer (有责) that names a sales person. It is acted on
-- if a sanction names it; nothing can be said until more than 60 days have passed since the decision
-- (F10-X01, E6).
with sanctioned as (
    select distinct
        reporter_code,
        complaint_id
    from {{ ref('int_sales_action') }}
    where
        is_sanction
        and complaint_id is not null
)

select
    complaint.reporter_code,
    complaint.complaint_id,
    complaint.submission_id,
    complaint.row_no,
    complaint.decision_month,
    {{ days_between('complaint.decision_date', 'run.as_of_date') }} > {{ var('accountability_days') }}
        as is_due,
    {{ days_between('complaint.decision_date', 'run.as_of_date') }} <= {{ var('accountability_days') }}
        as is_not_yet_due,
    sanctioned.complaint_id is not null as is_acted_on
from {{ ref('int_complaint') }} as complaint
cross join {{ ref('int_run') }} as run
left join sanctioned
    on
        complaint.reporter_code = sanctioned.reporter_code
        and complaint.complaint_id = sanctioned.complaint_id
where
    complaint.is_accountable
    and complaint.agent_code is not null
