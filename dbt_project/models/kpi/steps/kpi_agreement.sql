-- 报送披露一致率: of the indicators an insurer has made public and that can be compared, those that are equal. An
-- indicator counts in the windows that hold the whole of its own.
with series as (
    select *
    from {{ ref('kpi_series') }}
    where kind = 'agreement'
),

counted as (
    select
        int_window.window_id,
        indicator.reporter_code,
        count(*) as n_compared,
        count(case when indicator.verdict = 'EQUAL' then 1 end) as n_equal
    from {{ ref('disclosed_indicator') }} as indicator
    inner join {{ ref('int_window') }} as int_window
        on
            indicator.first_month >= int_window.first_month
            and indicator.last_month <= int_window.last_month
    where indicator.verdict <> 'NOT_COMPARED'
    group by int_window.window_id, indicator.reporter_code
),

grouped as (
    select
        counted.window_id,
        grains.grain,
        {{ group_key('grains.grain', 'reporter') }} as group_key,
        sum(counted.n_compared) as n_compared,
        sum(counted.n_equal) as n_equal
    from counted
    inner join {{ ref('int_reporter') }} as reporter
        on counted.reporter_code = reporter.reporter_code
    cross join {{ grain_rows() }} as grains
    group by all
)

select
    series.series_no,
    'current' as basis,
    scope.window_id,
    scope.grain,
    scope.group_key,
    series.dimension_value,
    cast(coalesce(grouped.n_equal, 0) as decimal(38, 6)) as numerator,
    cast(coalesce(grouped.n_compared, 0) as decimal(38, 6)) as denominator,
    cast({{ ratio('grouped.n_equal', 'grouped.n_compared', 'series.scale') }} as decimal(18, 2)) as value,
    series.unit,
    cast(null as decimal(38, 6)) as base_value,
    cast(null as {{ text_type() }}) as base_period,
    scope.n_complete as n_reporters,
    false as is_missing,
    false as has_no_base,
    grouped.n_compared is null as has_zero_denominator,
    false as has_small_base,
    false as is_immature,
    false as is_restated,
    false as has_break,
    false as is_partial
from series
inner join {{ ref('int_window') }} as int_window
    on {{ lists('series.period_types', 'int_window.period_type') }}
inner join {{ ref('kpi_scope') }} as scope
    on
        series.scope_no = scope.scope_no
        and int_window.window_id = scope.window_id
        and {{ lists('series.grains', 'scope.grain') }}
        and scope.basis = 'current'
left join grouped
    on
        scope.window_id = grouped.window_id
        and scope.grain = grouped.grain
        and scope.group_key = grouped.group_key
