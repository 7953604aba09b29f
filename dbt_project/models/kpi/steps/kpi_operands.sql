-- 分子分母: numerator, denominator and left-out cases of each series at each grain, where any case exists.
-- An insurer's row holds what it filed; grains above it sum complete institutions only.
{{ config(
    materialized='incremental', incremental_strategy='recount', on_schema_change='fail',
    meta={'replaces': 'recounted_windows'}
) }}
with wanted as (
    select
        series.series_no,
        series.scope_no,
        series.denominator_dimension = 'total' and series.dimension_value is null as shares_denominator,
        int_window.window_id,
        grains.grain
    from {{ ref('kpi_series') }} as series
    inner join {{ windowed(ref('int_window')) }} as int_window
        on {{ lists('series.period_types', 'int_window.period_type') }}
    inner join {{ grain_rows() }} as grains
        -- An index compares an insurer with the whole bureau, a spread is read off the insurers' own values.
        on
            {{ lists('series.grains', 'grains.grain') }}
            or (series.kind = 'index' and grains.grain = 'bureau')
            or (series.kind = 'spread' and grains.grain = 'insurer')
),

cells as (
    select
        needed.series_no,
        summed.basis,
        summed.window_id,
        summed.org_code,
        coalesce(needed.dimension_value, summed.dimension_value) as dimension_value,
        sum(case when needed.role = 'numerator' then summed.amount else 0 end) as numerator,
        sum(case when needed.role = 'denominator' then summed.amount else 0 end) as denominator,
        sum(case when needed.role = 'left_out' then summed.amount else 0 end) as left_out,
        sum(case when needed.role = 'small_base' then summed.amount else 0 end) as base_count
    from {{ windowed(ref('window_measures')) }} as summed
    inner join {{ ref('kpi_series_measures') }} as needed
        on
            summed.measure_id = needed.measure_id
            and summed.dimension = needed.measure_dimension
    where summed.basis = 'current' or needed.is_base_of_growth
    group by all
),

placed as (
    select
        cells.series_no,
        wanted.shares_denominator,
        cells.basis,
        cells.window_id,
        wanted.grain,
        {{ group_key('wanted.grain', 'institution') }} as group_key,
        cells.dimension_value,
        sum(cells.numerator) as numerator,
        sum(cells.denominator) as denominator,
        sum(cells.left_out) as left_out,
        sum(cells.base_count) as base_count
    from cells
    inner join wanted
        on
            cells.series_no = wanted.series_no
            and cells.window_id = wanted.window_id
    inner join {{ windowed(ref('kpi_scope')) }} as scope
        on
            wanted.scope_no = scope.scope_no
            and cells.basis = scope.basis
            and cells.window_id = scope.window_id
            and cells.org_code = scope.group_key
            and scope.grain = 'insurer'
    -- The bureau itself has figures of its own and is no reporter.
    left join {{ ref('int_group') }} as institution
        on
            cells.basis = institution.basis
            and cells.window_id = institution.window_id
            and cells.org_code = institution.reporter_code
    where wanted.grain = 'insurer' or scope.n_complete = 1
    group by all
)

select
    own.series_no,
    own.basis,
    own.window_id,
    own.grain,
    own.group_key,
    own.dimension_value,
    cast(own.numerator as decimal(38, 6)) as numerator,
    cast(
        case
            when own.shares_denominator then coalesce(whole.denominator, 0)
            else own.denominator
        end as decimal(38, 6)
    ) as denominator,
    cast(own.left_out as decimal(38, 6)) as left_out,
    cast(own.base_count as decimal(38, 6)) as base_count,
    own.numerator <> 0 or own.denominator <> 0 as has_cases
from placed as own
left join placed as whole
    on
        own.series_no = whole.series_no
        and own.basis = whole.basis
        and own.window_id = whole.window_id
        and own.grain = whole.grain
        and own.group_key = whole.group_key
        and whole.dimension_value = '*'
where own.dimension_value <> '*'
