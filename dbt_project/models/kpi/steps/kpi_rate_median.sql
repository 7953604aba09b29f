-- 投诉率中位数: median of institutions' rates, as printed (rounded first), with and without institutions that had
-- no case; numerator: institutions without a case, denominator: institutions whose rate entered the median.
{{ config(
    materialized='incremental', incremental_strategy='recount', on_schema_change='fail',
    meta={'replaces': 'recounted_windows'}
) }}
with medians as (
    select
        series_no,
        grains,
        {{ split_rows('of_kpi') }} as of_kpi
    from {{ ref('kpi_series') }}
    where kind = 'rate_median'
),

rates as (
    select
        medians.series_no,
        rate.series_no as rate_no,
        rate.scope_no,
        rate.period_types,
        rate.unit,
        medians.grains,
        rate.kpi_id
        || case when rate.dimension = 'total' then '' else '.' || rate.dimension_value end as rate_name
    from medians
    inner join {{ ref('kpi_series') }} as rate
        on medians.of_kpi = rate.kpi_id
),

-- Every group in scope, so that a median without an institution is seen.
framed as (
    select
        rates.series_no,
        rates.rate_no,
        rates.rate_name,
        rates.unit,
        scope.window_id,
        scope.grain,
        scope.group_key,
        scope.n_complete,
        scope.n_in_scope
    from rates
    inner join {{ windowed(ref('int_window')) }} as int_window
        on {{ lists('rates.period_types', 'int_window.period_type') }}
    inner join {{ ref('kpi_scope') }} as scope
        on
            rates.scope_no = scope.scope_no
            and int_window.window_id = scope.window_id
            and {{ lists('rates.grains', 'scope.grain') }}
            and scope.basis = 'current'
),

observed as (
    select
        framed.rate_no,
        framed.window_id,
        framed.grain,
        framed.group_key,
        rate.value,
        rate.numerator = 0 as has_no_case
    from framed
    inner join {{ ref('kpi_ratio') }} as rate
        on
            framed.rate_no = rate.series_no
            and framed.window_id = rate.window_id
            and rate.basis = 'current'
            and rate.grain = 'insurer'
    inner join {{ ref('int_group') }} as institution
        on
            rate.group_key = institution.reporter_code
            and rate.window_id = institution.window_id
            and institution.basis = 'current'
            and (framed.grain = 'bureau' or framed.group_key = institution.insurer_type)
    where rate.value is not null
),

populations as (
    select 'incl_zero' as population
    union all
    select 'excl_zero' as population
),

used as (
    select
        observed.*,
        populations.population
    from observed
    cross join populations
    where
        populations.population = 'incl_zero'
        or not observed.has_no_case
),

positioned as (
    select
        *,
        row_number() over (
            partition by population, rate_no, window_id, grain, group_key order by value nulls last
        ) as position_no,
        count(*) over (partition by population, rate_no, window_id, grain, group_key) as n_positions
    from used
),

middles as (
    select
        population,
        rate_no,
        window_id,
        grain,
        group_key,
        count(*) as n_used,
        {{ quartile('value', 2) }} as value
    from positioned
    group by all
),

without_cases as (
    select
        rate_no,
        window_id,
        grain,
        group_key,
        count(*) filter (where has_no_case) as n_without_cases
    from observed
    group by all
)

select
    framed.series_no,
    'current' as basis,
    framed.window_id,
    framed.grain,
    framed.group_key,
    framed.rate_name || '.' || populations.population as dimension_value,
    cast(
        case when framed.n_complete > 0 then coalesce(without_cases.n_without_cases, 0) end as decimal(38, 6)
    ) as numerator,
    cast(
        case when framed.n_complete > 0 then coalesce(middles.n_used, 0) end as decimal(38, 6)
    ) as denominator,
    cast(middles.value as decimal(18, 2)) as value,
    framed.unit,
    cast(null as decimal(38, 6)) as base_value,
    cast(null as {{ text_type() }}) as base_period,
    cast(coalesce(middles.n_used, 0) as integer) as n_reporters,
    framed.n_complete = 0 as is_missing,
    false as has_no_base,
    middles.n_used is null as has_zero_denominator,
    false as has_small_base,
    false as is_immature,
    false as is_restated,
    false as has_break,
    framed.n_complete > 0 and framed.n_complete < framed.n_in_scope as is_partial
from framed
cross join populations
left join middles
    on
        populations.population = middles.population
        and framed.rate_no = middles.rate_no
        and framed.window_id = middles.window_id
        and framed.grain = middles.grain
        and framed.group_key = middles.group_key
left join without_cases
    on
        framed.rate_no = without_cases.rate_no
        and framed.window_id = without_cases.window_id
        and framed.grain = without_cases.grain
        and framed.group_key = without_cases.group_key
