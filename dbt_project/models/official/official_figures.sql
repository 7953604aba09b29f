-- 通报数字: the figures of official bulletins known at the asked moment, one row per printed statement.
-- `statement_group` is what a share and its base have in common, `series` what a growth rate and its base.
{{ config(schema='staging', materialized='view') }}

select
    figure_id,
    period,
    period_type,
    scope,
    insurer_type,
    table_code,
    category,
    company,
    institution,
    rank,
    list_rule,
    list_limit,
    value,
    value_bound,
    value_decimals,
    unit,
    share_pct,
    share_decimals,
    share_base,
    growth_pct,
    growth_decimals,
    growth_kind,
    adds_up_over,
    document_no,
    source_id,
    note,
    concat_ws('|', scope, period, period_type, unit) as statement_group,
    {{ figure_series() }} as series,
    submission_id,
    row_no,
    sys_from
from {{ source('filed', 'pub') }}
where
    {{ in_force() }}
    and record_action <> 'D'
