-- 重述幅度: by how much the value of each KPI has moved since the latest earlier release that held its window.
-- One row per undivided KPI (or fixed variant of one: CMP-07.new) and window; without such a release there is
-- no base, which is not "no change".
with series as (
    select *
    from {{ ref('kpi_series') }}
    where kind = 'restatement'
),

-- What a KPI's row is called here, and whether it stands for the whole KPI.
named as (
    select
        series_no,
        kpi_id,
        dimension,
        dimension_value,
        case
            when dimension = 'total' then kpi_id
            else kpi_id || '.' || dimension_value
        end as figure
    from {{ ref('kpi_series') }}
    where
        is_dense
        and kind <> 'restatement'
),

chained as (
    {% for step in [
        'kpi_ratio', 'kpi_growth', 'kpi_index', 'kpi_case_median', 'kpi_spread', 'kpi_agreement'
    ] -%}
        select
            series_no,
            window_id,
            grain,
            group_key,
            value,
            n_reporters,
            is_missing
        from {{ ref(step) }}
        where basis = 'current'
        {{ 'union all' if not loop.last }}
    {% endfor %}
),

stated as (
    select
        named.figure,
        int_window.window_id,
        int_window.period_type,
        int_window.period,
        chained.grain,
        chained.group_key,
        chained.value,
        chained.n_reporters,
        chained.is_missing
    from chained
    inner join named
        on chained.series_no = named.series_no
    inner join {{ ref('int_window') }} as int_window
        on chained.window_id = int_window.window_id
),

held as (
    select
        named.figure,
        released.release_no,
        released.last_release_no,
        released.period_type,
        released.period,
        released.grain,
        coalesce(released.org_code, released.insurer_type, released.peer_group, 'bureau') as group_key,
        released.value
    from {{ source('published', 'kpi_values') }} as released
    inner join named
        on
            released.kpi_id = named.kpi_id
            and released.dimension = named.dimension
            and released.dimension_value = named.dimension_value
    where released.basis = 'current'
),

spans as (
    select distinct
        release_no,
        last_release_no,
        period_type,
        period
    from held
),

latest as (
    select
        spans.period_type,
        spans.period,
        max(numbers.release_no) as release_no
    from spans
    inner join {{ release_numbers() }} as numbers
        on {{ printed_by('spans', 'numbers.release_no') }}
    where {{ release_known('numbers.release_no') }}
    group by spans.period_type, spans.period
),

published as (
    select held.*
    from held
    inner join latest
        on
            held.period_type = latest.period_type
            and held.period = latest.period
            and {{ printed_by('held', 'latest.release_no') }}
),

compared as (
    select
        series.series_no,
        stated.window_id,
        stated.period,
        stated.grain,
        stated.group_key,
        stated.figure,
        stated.n_reporters,
        stated.is_missing,
        series.scale,
        series.unit,
        published.value as base_value,
        abs(published.value) as base_size,
        abs(stated.value - published.value) as moved
    from stated
    inner join series
        on
            {{ lists('series.grains', 'stated.grain') }}
            and {{ lists('series.period_types', 'stated.period_type') }}
    left join published
        on
            stated.figure = published.figure
            and stated.period_type = published.period_type
            and stated.period = published.period
            and stated.grain = published.grain
            and stated.group_key = published.group_key
)

select
    series_no,
    'current' as basis,
    window_id,
    grain,
    group_key,
    figure as dimension_value,
    case when not is_missing then cast(moved as decimal(38, 6)) end as numerator,
    case when not is_missing then cast(base_size as decimal(38, 6)) end as denominator,
    cast(
        case when not is_missing then {{ ratio('moved', 'base_size', 'scale') }} end as decimal(18, 2)
    ) as value,
    unit,
    case when not is_missing then cast(base_value as decimal(38, 6)) end as base_value,
    -- The same window, as published.
    case when base_value is not null then period end as base_period,
    n_reporters,
    is_missing,
    base_value is null as has_no_base,
    -- Also where the KPI itself has no denominator now: there is no value to compare.
    not is_missing and base_value is not null and (base_size = 0 or moved is null) as has_zero_denominator,
    false as has_small_base,
    false as is_immature,
    false as is_restated,
    false as has_break,
    false as is_partial
from compared
