-- 调解: one row per mediation case with the months it counts in and what it counts as. The first success of an
-- institution (org_code, the branch that was party to the case) is told by all that is known of it.
select
    mediation.reporter_code,
    mediation.mediation_org,
    mediation.mediation_id,
    mediation.complaint_id,
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
    coalesce(mediation.result in ('成功', '部分成功'), false)
    and row_number() over (
        partition by mediation.org_code, coalesce(mediation.result in ('成功', '部分成功'), false)
        order by mediation.end_date nulls last, mediation.mediation_org, mediation.mediation_id
    ) = 1 as is_first_success,
    mediation.org_notified_date is not null as is_notified,
    -- 其他 is the list's rest, no reason of it (CL_REFUSE).
    not coalesce(mediation.org_accepts, true)
    and coalesce(mediation.refuse_reason, '其他') = '其他' as is_refused_without_reason,
    {{ days_between('mediation.apply_date', 'mediation.end_date') }} as mediation_days,
    mediation.fulfil_due_date < run.as_of_date as is_fulfilment_due,
    mediation.fulfil_due_date >= run.as_of_date as is_fulfilment_not_yet_due,
    mediation.fulfil_due_date < run.as_of_date
    and coalesce(mediation.fulfil_status = '已履行', false)
    and coalesce(mediation.fulfil_date <= mediation.fulfil_due_date, false) as is_fulfilled_on_time
from {{ ref('stg_f03') }} as mediation
cross join {{ ref('int_run') }} as run
