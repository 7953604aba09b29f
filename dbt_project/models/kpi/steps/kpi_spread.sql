-- 离散度: least, middle and greatest of institutions' own values (numerator / denominator x scale, as printed),
-- named by dimension_value min, median or max. Denominator: institutions with a value; one without a
-- denominator has none and is not 0.
{{ config(
    materialized='incremental', incremental_strategy='recount', on_schema_change='fail',
    meta={'replaces': 'recounted_windows'}
) }}
with series as (
    select *
    from {{ ref('kpi_series') }}
    where kind = 'spread'
),

framed as (
    select
        series.series_no,
        series.dimension_value,
        series.unit,
        scope.window_id,
        scope.grain,
        scope.group_key,
        scope.n_complete,
        scope.n_in_scope
    from series
    inner join {{ windowed(ref('int_window')) }} as int_window
        on {{ lists('series.period_types', 'int_window.period_type') }}
    inner join {{ ref('kpi_scope') }} as scope
        on
            series.scope_no = scope.scope_no
            and int_window.window_id = scope.window_id
            and {{ lists('series.grains', 'scope.grain') }}
            and scope.basis = 'current'
),

observed as (
    select
        series.series_no,
        own.window_id,
        institution.reporter_code,
        institution.insurer_type,
        institution.peer_group,
        cast({{ ratio('own.numerator', 'own.denominator', 'series.scale') }} as decimal(18, 2)) as value
    from series
    inner join {{ windowed(ref('kpi_operands')) }} as own
        on series.series_no = own.series_no
    inner join {{ ref('kpi_scope') }} as scope
        on
            series.scope_no = scope.scope_no
            and own.window_id = scope.window_id
            and own.group_key = scope.group_key
            and scope.grain = 'insurer'
            and scope.basis = 'current'
    inner join {{ ref('int_group') }} as institution
        on
            own.group_key = institution.reporter_code
            and own.window_id = institution.window_id
            and institution.basis = 'current'
    where
        own.grain = 'insurer'
        and own.basis = 'current'
        and own.denominator > 0
        and scope.n_complete = 1
),

placed as (
    select
        observed.series_no,
        observed.window_id,
        grains.grain,
        {{ group_key('grains.grain', 'observed') }} as group_key,
        observed.value
    from observed
    cross join {{ grain_rows() }} as grains
),

positioned as (
    select
        *,
        row_number() over (
            partition by series_no, window_id, grain, group_key order by value nulls last
        ) as position_no,
        count(*) over (partition by series_no, window_id, grain, group_key) as n_positions
    from placed
),

spreads as (
    select
        series_no,
        window_id,
        grain,
        group_key,
        count(*) as n_used,
        min(value) as least,
        {{ quartile('value', 2) }} as middle,
        max(value) as greatest
    from positioned
    group by all
)

select
    framed.series_no,
    'current' as basis,
    framed.window_id,
    framed.grain,
    framed.group_key,
    framed.dimension_value,
    cast(null as decimal(38, 6)) as numerator,
    cast(
        case when framed.n_complete > 0 then coalesce(spreads.n_used, 0) end as decimal(38, 6)
    ) as denominator,
    cast(
        case framed.dimension_value
            when 'min' then spreads.least
            when 'median' then spreads.middle
            when 'max' then spreads.greatest
        end as decimal(18, 2)
    ) as value,
    framed.unit,
    cast(null as decimal(38, 6)) as base_value,
    cast(null as {{ text_type() }}) as base_period,
    cast(coalesce(spreads.n_used, 0) as integer) as n_reporters,
    framed.n_complete = 0 as is_missing,
    false as has_no_base,
    framed.n_complete > 0 and spreads.n_used is null as has_zero_denominator,
    false as has_small_base,
    false as is_immature,
    false as is_restated,
    false as has_break,
    framed.n_complete > 0 and framed.n_complete < framed.n_in_scope as is_partial
from framed
left join spreads
    on
        framed.series_no = spreads.series_no
        and framed.window_id = spreads.window_id
        and framed.grain = spreads.grain
        and framed.group_key = spreads.group_key
