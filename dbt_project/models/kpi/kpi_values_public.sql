-- 公开指标值: what may leave the authority (E10): quarters of the bureau and of insurer types, current basis. A
-- row any of whose counts is not printed (public_suppression) is SUPPRESSED as a whole: a value beside one
-- of its counts would give the other back. A median or spread of fewer institutions than the threshold is
-- not printed either.
with series as (
    select *
    from {{ ref('public_series') }}
),

shown as (
    select
        series.series_no,
        series.kind,
        series.scope_no,
        int_window.window_id,
        case when figure.grain = 'bureau' then 'bureau' else figure.insurer_type end as group_key,
        figure.kpi_id,
        figure.period_type,
        figure.period,
        figure.grain,
        figure.insurer_type,
        figure.dimension,
        figure.dimension_value,
        figure.numerator,
        figure.denominator,
        figure.value,
        figure.unit,
        figure.base_value,
        figure.base_period,
        figure.status,
        figure.n_institutions
    from {{ ref('kpi_values') }} as figure
    inner join {{ ref('int_window') }} as int_window
        on
            figure.period_type = int_window.period_type
            and figure.period = int_window.period
    inner join series
        on
            figure.kpi_id = series.kpi_id
            and figure.dimension = series.dimension
            and figure.dimension_value = coalesce(series.dimension_value, figure.dimension_value)
    where
        figure.basis = 'current'
        and figure.period_type = 'quarter'
        and (
            figure.grain = 'insurer_type'
            or (
                figure.grain = 'bureau'
                and (series.dimension_value is not null or series.kind = 'rate_median')
            )
        )
),

times as (
    select false as is_base
    union all
    select true as is_base
),

-- Growth prints the counts of what grows, in its window and in its base.
parts as (
    select
        series.series_no,
        series.scope_no,
        series.series_no as operand_no,
        false as is_base,
        cast(null as {{ text_type() }}) as base_window
    from series
    where series.kind <> 'growth'
    union all
    select
        series.series_no,
        operand.scope_no,
        operand.series_no as operand_no,
        times.is_base,
        series.base_window
    from series
    inner join series as operand
        on
            series.of_kpi = operand.kpi_id
            and series.dimension = operand.dimension
    cross join times
    where series.kind = 'growth'
),

operands as (
    select
        parts.series_no,
        parts.scope_no,
        parts.is_base,
        parts.base_window,
        series.numerator_measure as measure_id,
        series.measure_dimension as dimension
    from parts
    inner join series
        on parts.operand_no = series.series_no
    where
        series.kind in ('count', 'ratio')
        and series.numerator_measure is not null
    union all
    select
        parts.series_no,
        parts.scope_no,
        parts.is_base,
        parts.base_window,
        series.denominator_measure as measure_id,
        series.denominator_dimension as dimension
    from parts
    inner join series
        on parts.operand_no = series.series_no
    where
        series.kind in ('count', 'ratio', 'case_median')
        and series.denominator_measure is not null
),

needed as (
    select
        shown.series_no,
        shown.window_id as row_window_id,
        shown.grain,
        shown.group_key,
        shown.dimension_value as row_dimension_value,
        operands.scope_no,
        operands.measure_id,
        operands.dimension,
        case when operands.dimension = 'total' then 'total' else shown.dimension_value end as dimension_value,
        case when operands.is_base then base.base_window_id else shown.window_id end as window_id
    from shown
    inner join operands
        on shown.series_no = operands.series_no
    left join {{ ref('int_window_base') }} as base
        on
            shown.window_id = base.window_id
            and operands.base_window = base.base_window
),

cells as (
    select *
    from {{ ref('public_suppression') }}
),

-- A count without a cell is a 0; where the measure has one over the population that stands for it, this 0
-- is of another population.
standing as (
    select distinct
        measure_id,
        window_id,
        grain,
        group_key,
        dimension,
        dimension_value
    from cells
    where not is_other_population
),

hidden as (
    select
        needed.series_no,
        needed.row_window_id,
        needed.grain,
        needed.group_key,
        needed.row_dimension_value
    from needed
    left join cells as own
        on
            needed.scope_no = own.scope_no
            and needed.measure_id = own.measure_id
            and needed.window_id = own.window_id
            and needed.grain = own.grain
            and needed.group_key = own.group_key
            and needed.dimension = own.dimension
            and needed.dimension_value = own.dimension_value
    left join standing
        on
            needed.measure_id = standing.measure_id
            and needed.window_id = standing.window_id
            and needed.grain = standing.grain
            and needed.group_key = standing.group_key
            and needed.dimension = standing.dimension
            and needed.dimension_value = standing.dimension_value
    group by all
    having bool_or(coalesce(own.is_hidden, standing.measure_id is not null))
),

judged as (
    select
        shown.*,
        shown.status <> 'MISSING'
        and (
            hidden.series_no is not null
            or (
                shown.kind in ('rate_median', 'spread')
                and (
                    (shown.numerator > 0 and shown.numerator < {{ var('suppress_below') }})
                    or (shown.denominator > 0 and shown.denominator < {{ var('suppress_below') }})
                )
            )
        ) as is_suppressed
    from shown
    left join hidden
        on
            shown.series_no = hidden.series_no
            and shown.window_id = hidden.row_window_id
            and shown.grain = hidden.grain
            and shown.group_key = hidden.group_key
            and shown.dimension_value = hidden.row_dimension_value
)

select
    kpi_id,
    period_type,
    period,
    grain,
    insurer_type,
    dimension,
    dimension_value,
    case when not is_suppressed then numerator end as numerator,
    case when not is_suppressed then denominator end as denominator,
    case when not is_suppressed then value end as value,
    unit,
    case when not is_suppressed then base_value end as base_value,
    base_period,
    case when is_suppressed then 'SUPPRESSED' else status end as status,
    case when not is_suppressed then n_institutions end as n_institutions
from judged
order by kpi_id, period, grain, insurer_type nulls last, dimension, dimension_value
