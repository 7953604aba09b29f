-- 报送质量宽表: on-time, first-pass and resubmission side by side, one row per group, window and form; form
-- NULL is all forms together.
{{ config(
    materialized='incremental', incremental_strategy='recount', on_schema_change='fail',
    meta={'replaces': 'recounted_periods'}
) }}
select
    period_type,
    period,
    grain,
    org_code,
    peer_group,
    insurer_type,
    case when dimension = 'form' then dimension_value end as form,
    max(case when kpi_id = 'DQ-01' then numerator end) as on_time_numerator,
    max(case when kpi_id = 'DQ-01' then denominator end) as on_time_denominator,
    max(case when kpi_id = 'DQ-01' then value end) as on_time_value,
    max(case when kpi_id = 'DQ-01' then status end) as on_time_status,
    max(case when kpi_id = 'DQ-02' then numerator end) as first_pass_numerator,
    max(case when kpi_id = 'DQ-02' then denominator end) as first_pass_denominator,
    max(case when kpi_id = 'DQ-02' then value end) as first_pass_value,
    max(case when kpi_id = 'DQ-02' then status end) as first_pass_status,
    max(case when kpi_id = 'DQ-03' then numerator end) as filed_again_numerator,
    max(case when kpi_id = 'DQ-03' then denominator end) as filed_again_denominator,
    max(case when kpi_id = 'DQ-03' then value end) as filed_again_value,
    max(case when kpi_id = 'DQ-03' then status end) as filed_again_status
from {{ windowed_values(ref('kpi_values')) }}
where
    basis = 'current'
    and kpi_id in ('DQ-01', 'DQ-02', 'DQ-03')
    and dimension in ('total', 'form')
group by all
order by
    period_type,
    period,
    grain,
    insurer_type nulls last,
    peer_group nulls last,
    org_code nulls last,
    form nulls first
