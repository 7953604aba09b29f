-- 相对指数: an institution's share of cases over its share of exposure, both among complete institutions of the
-- bureau. The denominator is the count expected from its exposure; the index is computed from the unrounded
-- product.
{{ config(
    materialized='incremental', incremental_strategy='recount', on_schema_change='fail',
    meta={'replaces': 'recounted_windows'}
) }}
with series as (
    select *
    from {{ ref('kpi_series') }}
    where kind = 'index'
),

operands as (
    select operands.*
    from {{ windowed(ref('kpi_operands')) }} as operands
    inner join series
        on operands.series_no = series.series_no
    where operands.basis = 'current'
),

framed as (
    select
        series.series_no,
        scope.window_id,
        scope.group_key,
        series.dimension_value,
        scope.n_complete,
        coalesce(own.numerator, 0) as cases,
        coalesce(own.denominator, 0) as exposure
    from series
    inner join {{ windowed(ref('int_window')) }} as int_window
        on {{ lists('series.period_types', 'int_window.period_type') }}
    inner join {{ ref('kpi_scope') }} as scope
        on
            series.scope_no = scope.scope_no
            and int_window.window_id = scope.window_id
            and scope.grain = 'insurer'
            and scope.basis = 'current'
    left join operands as own
        on
            series.series_no = own.series_no
            and scope.window_id = own.window_id
            and own.grain = 'insurer'
            and scope.group_key = own.group_key
    where series.is_dense
    union all
    select
        own.series_no,
        own.window_id,
        own.group_key,
        own.dimension_value,
        scope.n_complete,
        own.numerator as cases,
        own.denominator as exposure
    from operands as own
    inner join series
        on own.series_no = series.series_no
    inner join {{ ref('kpi_scope') }} as scope
        on
            series.scope_no = scope.scope_no
            and own.window_id = scope.window_id
            and own.group_key = scope.group_key
            and scope.grain = 'insurer'
            and scope.basis = 'current'
    where
        not series.is_dense
        and own.grain = 'insurer'
),

-- Products of whole cases and exposures in 分: exact, and far below 38 digits.
multiplied as (
    select
        framed.*,
        coalesce(everyone.denominator, 0) as all_exposure,
        cast(
            cast(framed.cases as decimal(18, 0)) * cast(coalesce(everyone.denominator, 0) as decimal(20, 2))
            as decimal(38, 6)
        ) as scaled_cases,
        cast(
            cast(coalesce(everyone.numerator, 0) as decimal(18, 0)) * cast(framed.exposure as decimal(20, 2))
            as decimal(38, 6)
        ) as scaled_expected
    from framed
    left join operands as everyone
        on
            framed.series_no = everyone.series_no
            and framed.window_id = everyone.window_id
            and framed.dimension_value = everyone.dimension_value
            and everyone.grain = 'bureau'
),

valued as (
    select
        *,
        cast({{ ratio('scaled_expected', 'all_exposure', places=6) }} as decimal(38, 6)) as expected,
        cast(case
            when scaled_expected > 0 and all_exposure > 0
                then {{ ratio('scaled_cases', 'scaled_expected') }}
        end as decimal(18, 2)) as index_value
    from multiplied
)

select
    valued.series_no,
    'current' as basis,
    valued.window_id,
    'insurer' as grain,
    valued.group_key,
    valued.dimension_value,
    case when valued.n_complete = 1 then cast(valued.cases as decimal(38, 6)) end as numerator,
    case when valued.n_complete = 1 then valued.expected end as denominator,
    case when valued.n_complete = 1 then valued.index_value end as value,
    series.unit,
    cast(null as decimal(38, 6)) as base_value,
    cast(null as {{ text_type() }}) as base_period,
    valued.n_complete as n_reporters,
    valued.n_complete = 0 as is_missing,
    false as has_no_base,
    valued.n_complete = 1 and valued.index_value is null as has_zero_denominator,
    series.may_be_small
    and valued.n_complete = 1
    and valued.index_value is not null
    and valued.cases < {{ var('small_base') }} as has_small_base,
    false as is_immature,
    false as is_restated,
    false as has_break,
    false as is_partial
from valued
inner join series
    on valued.series_no = series.series_no
where
    series.is_dense
    or (valued.n_complete = 1 and (valued.cases <> 0 or valued.exposure <> 0))
