-- 12378来电: one row per call that asked for an agent. Whether the bureau answers is no insurer's figure,
-- so these rows belong to the bureau itself.
{{ config(materialized='incremental', incremental_strategy='recount', on_schema_change='fail') }}
select
    call.reporter_code,
    call.call_id,
    call.org_code,
    call.submission_id,
    call.row_no,
    call.filing_period,
    call.call_kind,
    {{ month_of('call.called_at') }} as called_month,
    call.answered as is_answered,
    call.transferred_at,
    call.insurer_answered,
    call.resolved,
    call.recomplained_on
from {{ recounted(ref('stg_r05')) }} as call
