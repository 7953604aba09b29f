-- 件数与比率: counts and ratios at every grain, on the current and (for what growth is computed on) comparable
-- basis. What happens for the first time (E2 on a count) has no value where nothing is known before the
-- window. Dense series have a row for every group in scope, so that nothing filed and nothing happened stay
-- apart.
{{ config(
    materialized='incremental', incremental_strategy='recount', on_schema_change='fail',
    meta={'replaces': 'recounted_windows'}
) }}
with series as (
    select *
    from {{ ref('kpi_series') }}
    where kind in ('count', 'ratio')
),

counted as (
    select
        series.series_no,
        scope.basis,
        scope.window_id,
        scope.grain,
        scope.group_key,
        series.dimension_value,
        coalesce(operands.numerator, 0) as numerator,
        coalesce(operands.denominator, 0) as denominator,
        coalesce(operands.left_out, 0) as left_out,
        coalesce(operands.base_count, 0) as base_count,
        scope.n_in_scope,
        scope.n_complete,
        coalesce(series.may_lack_base and scope.starts_calendar, false) as has_no_base
    from series
    inner join {{ windowed(ref('int_window')) }} as int_window
        on {{ lists('series.period_types', 'int_window.period_type') }}
    inner join {{ windowed(ref('kpi_scope')) }} as scope
        on
            series.scope_no = scope.scope_no
            and int_window.window_id = scope.window_id
            and {{ lists('series.grains', 'scope.grain') }}
            and (scope.basis = 'current' or series.is_base_of_growth)
    left join {{ windowed(ref('kpi_operands')) }} as operands
        on
            series.series_no = operands.series_no
            and scope.basis = operands.basis
            and scope.window_id = operands.window_id
            and scope.grain = operands.grain
            and scope.group_key = operands.group_key
    where series.is_dense
    union all
    select
        operands.series_no,
        operands.basis,
        operands.window_id,
        operands.grain,
        operands.group_key,
        operands.dimension_value,
        operands.numerator,
        operands.denominator,
        operands.left_out,
        operands.base_count,
        scope.n_in_scope,
        scope.n_complete,
        coalesce(series.may_lack_base and scope.starts_calendar, false) as has_no_base
    from {{ windowed(ref('kpi_operands')) }} as operands
    inner join series
        on operands.series_no = series.series_no
    inner join {{ windowed(ref('kpi_scope')) }} as scope
        on
            series.scope_no = scope.scope_no
            and operands.basis = scope.basis
            and operands.window_id = scope.window_id
            and operands.grain = scope.grain
            and operands.group_key = scope.group_key
    -- Of a group whose report is missing only the undivided row is shown: part of a value is no figure.
    where
        not series.is_dense
        and operands.has_cases
        and scope.n_complete > 0
),

changes as (
    {{ code_changes() }}
),

breaks as (
    select distinct
        int_window.window_id,
        change.dimension,
        change.dimension_value
    from {{ windowed(ref('int_window')) }} as int_window
    inner join changes as change
        on {{ crosses('change', 'int_window.first_month', 'int_window.last_day') }}
),

valued as (
    select
        counted.*,
        series.kind,
        series.unit,
        series.small_base_on,
        series.may_be_small,
        series.may_be_immature,
        series.may_break and breaks.window_id is not null as has_break,
        cast(
            case
                when counted.n_complete = 0 or counted.has_no_base then null
                when series.kind = 'count' then counted.numerator
                when counted.denominator > 0
                    then {{ ratio('counted.numerator', 'counted.denominator', 'series.scale') }}
            end as decimal(18, 2)
        ) as value
    from counted
    inner join series
        on counted.series_no = series.series_no
    left join breaks
        on
            counted.window_id = breaks.window_id
            and series.dimension = breaks.dimension
            and counted.dimension_value = breaks.dimension_value
)

select
    series_no,
    basis,
    window_id,
    grain,
    group_key,
    dimension_value,
    case when n_complete > 0 then numerator end as numerator,
    case when n_complete > 0 and kind = 'ratio' then denominator end as denominator,
    value,
    unit,
    cast(null as decimal(38, 6)) as base_value,
    cast(null as {{ text_type() }}) as base_period,
    n_complete as n_reporters,
    n_complete = 0 as is_missing,
    n_complete > 0 and has_no_base as has_no_base,
    n_complete > 0 and kind = 'ratio' and value is null and not has_no_base as has_zero_denominator,
    may_be_small
    and value is not null
    and case small_base_on
        when 'numerator' then numerator
        when 'denominator' then denominator
        else base_count
    end < {{ var('small_base') }}
        as has_small_base,
    may_be_immature and left_out > 0 as is_immature,
    false as is_restated,
    has_break,
    n_complete > 0 and n_complete < n_in_scope as is_partial
from valued
