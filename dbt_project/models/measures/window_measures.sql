-- 期间计量: measures summed over windows and counted for the institution of each basis. A stock is that of the
-- window's last month. Comparable sums exist for the measures that growth is computed on.
-- depends_on: {{ ref('int_window_changed') }}
{{ config(
    materialized='incremental', incremental_strategy='recount', on_schema_change='fail',
    meta={'replaces': 'recounted_windows'}
) }}
with comparable as (
    select distinct measure_id
    from {{ ref('kpi_series_measures') }}
    where is_base_of_growth
),

-- The parts of a measure (by filing, or by the facts that feed it) are one amount.
monthly as (
    select
        measure_id,
        month,
        frequency,
        reporter_code,
        dimension,
        dimension_value,
        sum(amount) as amount
    from {{ ref('monthly_measures') }}
    group by all
    having sum(amount) <> 0
)

select
    basis.basis,
    monthly.measure_id,
    window_month.window_id,
    basis.org_code,
    monthly.dimension,
    monthly.dimension_value,
    cast(sum(monthly.amount) as decimal(38, 6)) as amount
from monthly
inner join {{ ref('measure_catalogue') }} as measure
    on monthly.measure_id = measure.measure_id
inner join {{ windowed(ref('int_window_month')) }} as window_month
    on
        monthly.month = window_month.month
        and (measure.window_rule = 'flow' or window_month.is_last_month)
        and (monthly.frequency = 'month' or window_month.period_type <> 'month')
inner join {{ ref('int_basis') }} as basis
    on monthly.reporter_code = basis.reporter_code
left join comparable
    on monthly.measure_id = comparable.measure_id
where basis.basis = 'current' or comparable.measure_id is not null
group by all
