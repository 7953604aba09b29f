-- 公开单元: every count or amount that a public row could print, once per measure, window and group, with what
-- makes it unsafe to print (E10). One population stands for a measure: that of the need of forms most
-- institutions meet. The same measure over another population (`is_other_population`) would give the
-- institutions between the two away, unless both amounts are equal.
with printed as (
    select distinct
        series.scope_no,
        series.numerator_measure as measure_id,
        series.measure_dimension as dimension,
        series.grains
    from {{ ref('public_series') }} as series
    where
        series.kind in ('count', 'ratio')
        and series.numerator_measure is not null
    union
    select distinct
        series.scope_no,
        series.denominator_measure as measure_id,
        series.denominator_dimension as dimension,
        series.grains
    from {{ ref('public_series') }} as series
    where
        series.kind in ('count', 'ratio', 'case_median')
        and series.denominator_measure is not null
),

levels as (
    select 'bureau' as grain
    union all
    select 'insurer_type' as grain
),

contributions as (
    select
        printed.scope_no,
        printed.measure_id,
        summed.window_id,
        levels.grain,
        case when levels.grain = 'bureau' then 'bureau' else reporter.insurer_type end as group_key,
        summed.dimension,
        summed.dimension_value,
        summed.org_code,
        max(summed.amount) as amount
    from printed
    inner join {{ ref('window_measures') }} as summed
        on
            printed.measure_id = summed.measure_id
            and printed.dimension = summed.dimension
            and summed.basis = 'current'
    inner join {{ ref('int_window') }} as int_window
        on
            summed.window_id = int_window.window_id
            and int_window.period_type = 'quarter'
    inner join {{ ref('kpi_scope') }} as scope
        on
            printed.scope_no = scope.scope_no
            and summed.window_id = scope.window_id
            and summed.org_code = scope.group_key
            and scope.grain = 'insurer'
            and scope.basis = 'current'
            and scope.n_complete = 1
    inner join {{ ref('int_reporter') }} as reporter
        on summed.org_code = reporter.reporter_code
    inner join levels
        on
            {{ lists('printed.grains', 'levels.grain') }}
            and (levels.grain = 'insurer_type' or printed.dimension = 'total')
    group by all
),

summed as (
    select
        contributions.scope_no,
        contributions.measure_id,
        contributions.window_id,
        contributions.grain,
        contributions.group_key,
        contributions.dimension,
        contributions.dimension_value,
        sum(contributions.amount) as amount,
        max(abs(contributions.amount)) as largest
    from contributions
    group by all
),

-- Measures that are equal by definition where nothing is left out are one measure there.
twins as (
    select
        twin.measure_id,
        twin.twin_of,
        own.scope_no,
        own.window_id
    from {{ ref('measure_twins') }} as twin
    inner join summed as own
        on twin.measure_id = own.measure_id
    inner join summed as other
        on
            twin.twin_of = other.measure_id
            and own.scope_no = other.scope_no
            and own.window_id = other.window_id
            and own.group_key = other.group_key
            and own.amount = other.amount
    where
        own.grain = 'bureau'
        and other.grain = 'bureau'
        and own.dimension = 'total'
        and other.dimension = 'total'
),

named as (
    select
        summed.scope_no,
        summed.measure_id,
        coalesce(twins.twin_of, summed.measure_id) as cell_measure,
        summed.window_id,
        summed.grain,
        summed.group_key,
        summed.dimension,
        summed.dimension_value,
        summed.amount,
        summed.largest
    from summed
    left join twins
        on
            summed.measure_id = twins.measure_id
            and summed.scope_no = twins.scope_no
            and summed.window_id = twins.window_id
),

-- The need of forms that most institutions meet, of those a measure is printed for.
widest as (
    select
        named.cell_measure,
        named.window_id,
        named.scope_no
    from named
    inner join {{ ref('kpi_scope') }} as scope
        on
            named.scope_no = scope.scope_no
            and named.window_id = scope.window_id
            and scope.grain = 'bureau'
            and scope.basis = 'current'
    qualify row_number() over (
        partition by named.cell_measure, named.window_id
        order by scope.n_complete desc, named.scope_no asc
    ) = 1
),

standing as (
    select
        named.cell_measure,
        named.window_id,
        named.grain,
        named.group_key,
        named.dimension,
        named.dimension_value,
        max(named.amount) as amount,
        max(named.largest) as largest
    from named
    inner join widest
        on
            named.cell_measure = widest.cell_measure
            and named.window_id = widest.window_id
            and named.scope_no = widest.scope_no
    group by all
)

select
    named.scope_no,
    named.measure_id,
    named.cell_measure,
    named.window_id,
    named.grain,
    named.group_key,
    named.dimension,
    named.dimension_value,
    cast(named.amount as decimal(38, 6)) as amount,
    standing.amount is null or standing.amount <> named.amount as is_other_population,
    measure.unit in ('件', '个', '家', '份', '人次') as is_count,
    -- Nobody stands behind a 0: it is printed.
    (
        measure.unit in ('件', '个', '家', '份', '人次')
        and named.amount > 0
        and named.amount < {{ var('suppress_below') }}
    )
    or (
        named.amount <> 0
        and named.largest * 100 > abs(named.amount) * {{ var('dominance_pct') }}
    ) as is_unsafe
from named
inner join {{ ref('measure_catalogue') }} as measure
    on named.cell_measure = measure.measure_id
left join standing
    on
        named.cell_measure = standing.cell_measure
        and named.window_id = standing.window_id
        and named.grain = standing.grain
        and named.group_key = standing.group_key
        and named.dimension = standing.dimension
        and named.dimension_value = standing.dimension_value
