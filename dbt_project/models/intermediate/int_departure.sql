-- 离职: one row per departing sales person. The cohort of the call-back rate are the policies orphaned in a
-- month, by the application; a departure counts as processed in the month its formalities ended.
{{ config(materialized='incremental', incremental_strategy='recount', on_schema_change='fail') }}
select
    reporter_code,
    departure_id,
    submission_id,
    row_no,
    filing_period,
    {{ month_of('apply_date') }} as apply_month,
    {{ month_of('effective_date') }} as effective_month,
    orphan_policies,
    called,
    called_ok = orphan_policies as is_called_in_full
from {{ recounted(ref('stg_f12')) }}
