-- 办理时长中位数: the median of a case's days. A median is not additive, so it is read off the count of cases per
-- day value, summed over the window and group; half days come out exact.
-- depends_on: {{ ref('int_window_changed') }}
{{ config(
    materialized='incremental', incremental_strategy='recount', on_schema_change='fail',
    meta={'replaces': 'recounted_windows'}
) }}
with series as (
    select *
    from {{ ref('kpi_series') }}
    where kind = 'case_median'
),

days_taken as (
    select
        complaint.reporter_code,
        window_month.window_id,
        window_month.period_type,
        complaint.decision_days,
        count(*) as n_cases
    from {{ ref('int_complaint') }} as complaint
    inner join {{ windowed(ref('int_window_month')) }} as window_month
        on complaint.decision_month = window_month.month
    where complaint.decision_days is not null
    group by all
),

grouped as (
    select
        series.series_no,
        days_taken.window_id,
        grains.grain,
        {{ group_key('grains.grain', 'institution') }} as group_key,
        days_taken.decision_days,
        sum(days_taken.n_cases) as n_cases
    from days_taken
    inner join series
        on {{ lists('series.period_types', 'days_taken.period_type') }}
    inner join {{ ref('kpi_scope') }} as scope
        on
            series.scope_no = scope.scope_no
            and days_taken.window_id = scope.window_id
            and days_taken.reporter_code = scope.group_key
            and scope.grain = 'insurer'
            and scope.basis = 'current'
    inner join {{ ref('int_group') }} as institution
        on
            days_taken.reporter_code = institution.reporter_code
            and days_taken.window_id = institution.window_id
            and institution.basis = 'current'
    inner join {{ grain_rows() }} as grains
        on
            {{ lists('series.grains', 'grains.grain') }}
            and (grains.grain = 'insurer' or scope.n_complete = 1)
    group by all
),

cumulated as (
    select
        *,
        sum(n_cases) over (
            partition by series_no, window_id, grain, group_key
            order by decision_days nulls last
            rows between unbounded preceding and current row
        ) as n_up_to,
        sum(n_cases) over (partition by series_no, window_id, grain, group_key) as n_all
    from grouped
),

-- The middle case, or the two of an even count: positions (n + 1) div 2 and n div 2 + 1.
middles as (
    select
        series_no,
        window_id,
        grain,
        group_key,
        cast(max(n_all) as decimal(38, 6)) as n_decided,
        min(decision_days) filter (where n_up_to >= {{ integer_divide('n_all + 1', '2') }})
        + min(decision_days) filter (where n_up_to >= {{ integer_divide('n_all', '2') }} + 1) as two_middles
    from cumulated
    group by all
)

select
    series.series_no,
    'current' as basis,
    scope.window_id,
    scope.grain,
    scope.group_key,
    series.dimension_value,
    cast(null as decimal(38, 6)) as numerator,
    case when scope.n_complete > 0 then coalesce(middles.n_decided, 0) end as denominator,
    cast(
        case when scope.n_complete > 0 then {{ ratio('middles.two_middles', '2') }} end as decimal(18, 2)
    ) as value,
    series.unit,
    cast(null as decimal(38, 6)) as base_value,
    cast(null as {{ text_type() }}) as base_period,
    scope.n_complete as n_reporters,
    scope.n_complete = 0 as is_missing,
    false as has_no_base,
    scope.n_complete > 0 and middles.n_decided is null as has_zero_denominator,
    false as has_small_base,
    false as is_immature,
    false as is_restated,
    false as has_break,
    scope.n_complete > 0 and scope.n_complete < scope.n_in_scope as is_partial
from series
inner join {{ windowed(ref('int_window')) }} as int_window
    on {{ lists('series.period_types', 'int_window.period_type') }}
inner join {{ ref('kpi_scope') }} as scope
    on
        series.scope_no = scope.scope_no
        and int_window.window_id = scope.window_id
        and {{ lists('series.grains', 'scope.grain') }}
        and scope.basis = 'current'
left join middles
    on
        series.series_no = middles.series_no
        and scope.window_id = middles.window_id
        and scope.grain = middles.grain
        and scope.group_key = middles.group_key
