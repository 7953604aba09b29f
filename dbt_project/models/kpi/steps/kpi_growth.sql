-- 同比与环比: growth of a KPI's value over an earlier window, on three bases (E4). current: both windows as known
-- now. comparable: both re-mapped to the institutions in force now. published: this window as known now over
-- the base as printed by the release that kpi_base_vintage names; no release, no row.
{{ config(
    materialized='incremental', incremental_strategy='recount', on_schema_change='fail',
    meta={'replaces': 'recounted_comparisons'}
) }}
with compared_series as (
    select
        growth.series_no,
        growth.base_window,
        growth.scale,
        growth.unit,
        growth.grains,
        growth.period_types,
        growth.dimension,
        growth.may_be_small,
        growth.may_be_restated,
        growth.may_break,
        operand.series_no as operand_no,
        -- The total tells whether a group is in scope: beside it, a value without a row of its own is 0, not
        -- unknown.
        total.series_no as total_no
    from {{ ref('kpi_series') }} as growth
    inner join {{ ref('kpi_series') }} as operand
        on
            growth.of_kpi = operand.kpi_id
            and growth.dimension = operand.dimension
    inner join {{ ref('kpi_series') }} as total
        on
            growth.of_kpi = total.kpi_id
            and total.dimension = 'total'
    where growth.kind = 'growth'
),

comparisons as (
    select
        compared_series.series_no,
        compared_series.scale,
        compared_series.unit,
        compared_series.dimension,
        compared_series.operand_no,
        compared_series.total_no,
        grains.grain,
        int_window.window_id,
        int_window.last_day,
        base.base_window_id,
        base.base_period,
        base.base_first_day,
        compared_series.may_be_small,
        compared_series.may_be_restated,
        compared_series.may_break
    from compared_series
    inner join {{ windowed(ref('int_window'), compared=true) }} as int_window
        on {{ lists('compared_series.period_types', 'int_window.period_type') }}
    inner join {{ ref('int_window_base') }} as base
        on
            int_window.window_id = base.window_id
            and compared_series.base_window = base.base_window
    inner join {{ grain_rows() }} as grains
        on {{ lists('compared_series.grains', 'grains.grain') }}
),

-- What the release that is the base of a window printed for it.
published as (
    select
        series.series_no,
        vintage.base_window_id as window_id,
        vintage.window_id as for_window_id,
        released.grain,
        coalesce(released.org_code, released.insurer_type, released.peer_group, 'bureau') as group_key,
        released.dimension_value,
        released.numerator,
        released.value,
        released.value is null as is_missing,
        position('PARTIAL' in released.status) > 0 as is_partial
    from {{ source('published', 'kpi_values') }} as released
    inner join {{ ref('kpi_base_vintage') }} as vintage
        on
            {{ printed_by('released', 'vintage.release_no') }}
            and released.period_type = vintage.period_type
            and released.period = vintage.base_period
    inner join {{ ref('kpi_series') }} as series
        on
            released.kpi_id = series.kpi_id
            and released.dimension = series.dimension
            and released.dimension_value = coalesce(series.dimension_value, released.dimension_value)
            and series.is_base_of_growth
    where released.basis = 'current'
),

needed as (
    select operand_no as series_no
    from compared_series
    union
    select total_no as series_no
    from compared_series
),

operands as (
    select
        basis,
        series_no,
        window_id,
        grain,
        group_key,
        dimension_value,
        numerator,
        value,
        n_reporters,
        is_missing,
        is_partial
    from {{ windowed_with_bases(ref('kpi_ratio')) }}
    where series_no in (select needed.series_no from needed)
),

present as (
    select * from operands
    union all
    select
        'published' as basis,
        series_no,
        window_id,
        grain,
        group_key,
        dimension_value,
        numerator,
        value,
        n_reporters,
        is_missing,
        is_partial
    from operands
    where
        basis = 'current'
        and exists (select 1 from published)
),

-- for_window_id: the window that a published base is for; 0 where a base serves every window.
past as (
    select
        basis,
        series_no,
        window_id,
        0 as for_window_id,
        grain,
        group_key,
        dimension_value,
        numerator,
        value,
        is_missing,
        is_partial
    from operands
    union all
    select
        'published' as basis,
        series_no,
        window_id,
        for_window_id,
        grain,
        group_key,
        dimension_value,
        numerator,
        value,
        is_missing,
        is_partial
    from published
),

-- A divided row exists where this window or its base has a case.
frame as (
    select
        comparisons.series_no,
        comparisons.window_id,
        comparisons.grain,
        present.basis,
        present.group_key,
        present.dimension_value
    from comparisons
    inner join present
        on
            comparisons.operand_no = present.series_no
            and comparisons.window_id = present.window_id
            and comparisons.grain = present.grain
    union
    select
        comparisons.series_no,
        comparisons.window_id,
        comparisons.grain,
        past.basis,
        past.group_key,
        past.dimension_value
    from comparisons
    inner join past
        on
            comparisons.operand_no = past.series_no
            and comparisons.base_window_id = past.window_id
            and comparisons.grain = past.grain
            and past.for_window_id in (0, comparisons.window_id)
),

framed as (
    select
        *,
        case when basis = 'published' then window_id else 0 end as for_window_id
    from frame
),

compared as (
    select
        comparisons.*,
        frame.basis,
        frame.group_key,
        frame.dimension_value,
        present_total.n_reporters,
        present_total.is_missing,
        present_total.is_partial
        or coalesce(past_total.is_partial, false)
        or (frame.grain <> 'insurer' and coalesce(past_total.is_missing, false)) as is_partial,
        past_total.series_no is not null as has_base,
        coalesce(past.numerator, 0) as base_cases,
        case
            when not present_total.is_missing
                then coalesce(present.value, case when comparisons.dimension <> 'total' then 0 end)
        end as amount,
        case
            when not past_total.is_missing
                then coalesce(past.value, case when comparisons.dimension <> 'total' then 0 end)
        end as base_amount,
        case
            when frame.basis = 'current' and not published_total.is_missing
                then coalesce(published.value, case when comparisons.dimension <> 'total' then 0 end)
        end as published_amount
    from framed as frame
    inner join comparisons
        on
            frame.series_no = comparisons.series_no
            and frame.window_id = comparisons.window_id
            and frame.grain = comparisons.grain
    inner join present as present_total
        on
            comparisons.total_no = present_total.series_no
            and frame.window_id = present_total.window_id
            and frame.basis = present_total.basis
            and frame.grain = present_total.grain
            and frame.group_key = present_total.group_key
    left join present
        on
            comparisons.operand_no = present.series_no
            and frame.window_id = present.window_id
            and frame.basis = present.basis
            and frame.grain = present.grain
            and frame.group_key = present.group_key
            and frame.dimension_value = present.dimension_value
    left join past as past_total
        on
            comparisons.total_no = past_total.series_no
            and comparisons.base_window_id = past_total.window_id
            and frame.for_window_id = past_total.for_window_id
            and frame.basis = past_total.basis
            and frame.grain = past_total.grain
            and frame.group_key = past_total.group_key
    left join past
        on
            comparisons.operand_no = past.series_no
            and comparisons.base_window_id = past.window_id
            and frame.for_window_id = past.for_window_id
            and frame.basis = past.basis
            and frame.grain = past.grain
            and frame.group_key = past.group_key
            and frame.dimension_value = past.dimension_value
    -- Beside the current basis, to see whether the base has been restated since it was printed.
    left join published as published_total
        on
            comparisons.total_no = published_total.series_no
            and comparisons.base_window_id = published_total.window_id
            and frame.window_id = published_total.for_window_id
            and frame.grain = published_total.grain
            and frame.group_key = published_total.group_key
    left join published
        on
            comparisons.operand_no = published.series_no
            and comparisons.base_window_id = published.window_id
            and frame.window_id = published.for_window_id
            and frame.grain = published.grain
            and frame.group_key = published.group_key
            and frame.dimension_value = published.dimension_value
),

valued as (
    select
        *,
        cast({{ ratio('amount - base_amount', 'base_amount', 'scale') }} as decimal(18, 2)) as value
    from compared
    where
        (basis <> 'published' or has_base)
        -- Of a group whose report is missing only the undivided row is shown.
        and (dimension = 'total' or not is_missing)
),

changes as (
    {{ code_changes() }}
),

breaks as (
    select distinct
        comparisons.series_no,
        comparisons.window_id,
        change.dimension_value
    from comparisons
    inner join changes as change
        on
            comparisons.dimension = change.dimension
            and ({{ crosses('change', 'comparisons.base_first_day', 'comparisons.last_day') }})
    where comparisons.may_break
)

select
    valued.series_no,
    valued.basis,
    valued.window_id,
    valued.grain,
    valued.group_key,
    valued.dimension_value,
    cast(valued.amount as decimal(38, 6)) as numerator,
    cast(case when not valued.is_missing then valued.base_amount end as decimal(38, 6)) as denominator,
    valued.value,
    valued.unit,
    cast(case when not valued.is_missing then valued.base_amount end as decimal(38, 6)) as base_value,
    valued.base_period,
    valued.n_reporters,
    valued.is_missing,
    valued.base_amount is null as has_no_base,
    -- Also where the rate that grows has itself no denominator in this window.
    not valued.is_missing
    and coalesce(valued.base_amount = 0 or valued.amount is null, false) as has_zero_denominator,
    valued.may_be_small
    and valued.value is not null
    and valued.base_cases < {{ var('small_base') }} as has_small_base,
    false as is_immature,
    valued.may_be_restated and coalesce(valued.published_amount <> valued.base_amount, false) as is_restated,
    breaks.window_id is not null as has_break,
    valued.is_partial
from valued
left join breaks
    on
        valued.series_no = breaks.series_no
        and valued.window_id = breaks.window_id
        and valued.dimension_value = breaks.dimension_value
