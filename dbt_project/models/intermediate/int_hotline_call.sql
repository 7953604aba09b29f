-- 12378来电: one row per call that asked for an agent. Whether the bureau answers is no insurer's figure,
-- so these rows belong to the bureau itself.
select
    call.reporter_code,
    call.call_id,
    call.submission_id,
    call.row_no,
    call.call_kind,
    {{ month_of('call.called_at') }} as called_month,
    call.answered as is_answered
from {{ ref('stg_r05') }} as call
