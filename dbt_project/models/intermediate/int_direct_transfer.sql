-- 一键呼转: one row per call put through to an insurer. Whether the caller complains again is known once 30
-- days are over; younger transfers are outside the rates that need it (E6). An organisation that rolls
-- up to no reporter keeps its calls with reporter_code NULL.
select
    owner.reporter_code,
    call.call_id,
    call.submission_id,
    call.row_no,
    {{ month_of('call.transferred_at') }} as transferred_month,
    call.insurer_answered as is_answered,
    coalesce(call.resolved, false) as is_resolved,
    {{ days_between('call.transferred_at', 'run.as_of_date') }} > {{ var('recomplaint_days') }} as is_mature,
    {{ days_between('call.transferred_at', 'run.as_of_date') }} <= {{ var('recomplaint_days') }}
        as is_not_yet_mature,
    coalesce(
        {{ days_between('call.transferred_at', 'call.recomplained_on') }} <= {{ var('recomplaint_days') }},
        false
    ) as is_complained_again
from {{ ref('int_hotline_call') }} as call
cross join {{ ref('int_run') }} as run
left join {{ ref('int_org_reporter') }} as owner
    on call.org_code = owner.org_code
where call.transferred_at is not null
