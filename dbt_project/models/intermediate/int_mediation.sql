-- 调解: one row per mediation case with the months it counts in and what it counts as.
select
    mediation.reporter_code,
    mediation.mediation_org,
    mediation.mediation_id,
    mediation.submission_id,
    mediation.row_no,
    {{ month_of('mediation.apply_date') }} as apply_month,
    {{ month_of('mediation.org_notified_date') }} as notified_month,
    {{ month_of('mediation.end_date') }} as end_month,
    {{ month_of('mediation.fulfil_due_date') }} as fulfil_due_month,
    mediation.should_mediate,
    mediation.org_accepts is not null as is_answered,
    coalesce(mediation.org_accepts, false) as is_accepted,
    mediation.result is not null and mediation.result <> '撤回' as is_ended,
    coalesce(mediation.result in ('成功', '部分成功'), false) as is_successful,
    mediation.fulfil_due_date < run.as_of_date as is_fulfilment_due,
    mediation.fulfil_due_date >= run.as_of_date as is_fulfilment_not_yet_due,
    mediation.fulfil_due_date < run.as_of_date
    and coalesce(mediation.fulfil_status = '已履行', false)
    and coalesce(mediation.fulfil_date <= mediation.fulfil_due_date, false) as is_fulfilled_on_time
from {{ ref('stg_f03') }} as mediation
cross join {{ ref('int_run') }} as run
