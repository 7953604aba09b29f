-- 同类分布: quartiles of insurers' values within their type, with the count of institutions and of zeros.
{{ config(
    materialized='incremental', incremental_strategy='recount', on_schema_change='fail',
    meta={'replaces': 'recounted_values'}
) }}
with positioned as (
    select
        kpi_id,
        period_type,
        period,
        insurer_type,
        dimension,
        dimension_value,
        value,
        row_number() over (
            partition by kpi_id, period_type, period, insurer_type, dimension, dimension_value
            order by value nulls last
        ) as position_no,
        count(*) over (
            partition by kpi_id, period_type, period, insurer_type, dimension, dimension_value
        ) as n_positions
    from {{ counted_values(ref('kpi_values')) }}
    where
        grain = 'insurer'
        and basis = 'current'
        and value is not null
)

select
    kpi_id,
    period_type,
    period,
    insurer_type,
    dimension,
    dimension_value,
    cast(count(*) as integer) as n_institutions,
    cast(count(*) filter (where value = 0) as integer) as n_zero,
    cast({{ quartile('value', 1) }} as decimal(18, 2)) as q1,
    cast({{ quartile('value', 2) }} as decimal(18, 2)) as median,
    cast({{ quartile('value', 3) }} as decimal(18, 2)) as q3
from positioned
group by all
order by kpi_id, period_type, period, insurer_type, dimension, dimension_value
