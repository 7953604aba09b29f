-- 公开序列: which series leave the authority, and the measures their rows print (E10). Outside are quarters, the
-- bureau and the insurer types; divisions by type only, so that what adds up forms a tree: bureau = types,
-- type = values of one division. A year would add to its quarters, a month to its quarter: they stay inside.
select
    series.series_no,
    series.kpi_id,
    series.kind,
    series.scope_no,
    series.dimension,
    series.dimension_value,
    series.grains,
    series.of_kpi,
    series.base_window,
    series.numerator_measure,
    series.denominator_measure,
    case when series.dimension_value is null then series.dimension else 'total' end as measure_dimension,
    case
        when series.dimension_value is null and series.denominator_dimension = 'same' then series.dimension
        else 'total'
    end as denominator_dimension
from {{ ref('kpi_series') }} as series
where
    series.kind in ('count', 'ratio', 'growth', 'case_median', 'rate_median', 'spread')
    and {{ lists('series.period_types', "'quarter'") }}
    -- Its values are the whole of other KPIs: 重复 of CMP-13 is the numerator of CMP-20.
    and series.dimension <> 'validity'
    -- A division of two divisions adds up to both: no tree.
    and series.dimension <> 'channel_product'
