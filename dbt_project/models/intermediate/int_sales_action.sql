-- 销售人员处理: one row per action on a person. Taking somebody off the grey list is no sanction.
{{ config(materialized='incremental', incremental_strategy='recount', on_schema_change='fail') }}
select
    sales_action.reporter_code,
    sales_action.action_id,
    sales_action.submission_no,
    sales_action.row_no,
    sales_action.filing_period,
    sales_action.person_hash,
    sales_action.agent_code,
    sales_action.action_type,
    sales_action.action_date,
    sales_action.complaint_id,
    {{ month_of('sales_action.action_date') }} as action_month,
    sales_action.action_type <> '移出灰名单' as is_sanction
from {{ recounted(ref('stg_f10')) }} as sales_action
