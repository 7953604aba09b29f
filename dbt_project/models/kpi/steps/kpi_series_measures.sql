-- 序列与计量: the measures a series is made of, by role, and which dimension of the measure it reads.
-- dimension_value is the value the amount counts for: that of the measure where it is NULL, '*' for a
-- denominator that is the same for all values.
with roles as (
    select
        series_no,
        'numerator' as role,
        numerator_measure as measure_id
    from {{ ref('kpi_series') }}
    union all
    select
        series_no,
        'denominator' as role,
        denominator_measure as measure_id
    from {{ ref('kpi_series') }}
    union all
    select
        series_no,
        'left_out' as role,
        left_out_measure as measure_id
    from {{ ref('kpi_series') }}
    union all
    -- Where both sides are money, the count that must reach 30 is a measure of its own.
    select
        series_no,
        'small_base' as role,
        small_base_on as measure_id
    from {{ ref('kpi_series') }}
    where small_base_on not in ('numerator', 'denominator', 'base')
)

select
    series.series_no,
    roles.role,
    roles.measure_id,
    case
        when series.dimension_value is not null then 'total'
        when roles.role = 'denominator' and series.denominator_dimension = 'total' then 'total'
        else series.dimension
    end as measure_dimension,
    case
        when series.dimension_value is not null then series.dimension_value
        when roles.role = 'denominator' and series.denominator_dimension = 'total' then '*'
    end as dimension_value,
    series.is_base_of_growth
from roles
inner join {{ ref('kpi_series') }} as series
    on roles.series_no = series.series_no
where
    roles.measure_id is not null
    and series.kind in ('count', 'ratio', 'index', 'spread')
