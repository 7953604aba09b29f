-- 指标序列: what is computed, one row per KPI and dimension (or fixed value of one), from the catalogue's seeds.
-- A ratio over existing measures needs no model: its catalogue row becomes a series here.
with divided as (
    select
        kpi_id,
        {{ split_rows('dimensions') }} as dimension
    from {{ ref('kpi_catalogue') }}
),

grown as (
    select distinct of_kpi
    from {{ ref('kpi_catalogue') }}
    where kind = 'growth'
),

described as (
    select
        catalogue.kpi_id,
        catalogue.kind,
        divided.dimension,
        case when divided.dimension = 'total' then 'total' end as dimension_value,
        catalogue.numerator_measure,
        catalogue.denominator_measure,
        catalogue.left_out_measure,
        catalogue.forms,
        catalogue.grains,
        catalogue.period_types,
        divided.dimension = 'total' as is_dense
    from {{ ref('kpi_catalogue') }} as catalogue
    inner join divided
        on catalogue.kpi_id = divided.kpi_id
    union all
    -- What a variant leaves empty it takes from its KPI. A variant with a denominator of its own has its own
    -- idea of what is due: what the KPI leaves out is no part of it.
    select
        variant.kpi_id,
        variant.kind,
        variant.dimension,
        variant.dimension_value,
        variant.numerator_measure,
        variant.denominator_measure,
        case when variant.denominator_measure is null then catalogue.left_out_measure end as left_out_measure,
        coalesce(variant.forms, catalogue.forms) as forms,
        coalesce(variant.grains, catalogue.grains) as grains,
        coalesce(variant.period_types, catalogue.period_types) as period_types,
        variant.is_dense
    from {{ ref('kpi_variants') }} as variant
    inner join {{ ref('kpi_catalogue') }} as catalogue
        on variant.kpi_id = catalogue.kpi_id
)

select
    cast(row_number() over (
        order by described.kpi_id, described.dimension, described.dimension_value nulls first
    ) as integer) as series_no,
    described.kpi_id
    || '/' || described.dimension
    || '/' || coalesce(described.dimension_value, '*') as series_id,
    described.kpi_id,
    described.kind,
    described.dimension,
    described.dimension_value,
    described.numerator_measure,
    described.denominator_measure,
    coalesce(catalogue.denominator_dimension, 'same') as denominator_dimension,
    described.left_out_measure,
    catalogue.of_kpi,
    catalogue.base_window,
    catalogue.scale,
    catalogue.unit,
    described.grains,
    described.period_types,
    described.forms,
    catalogue.insurer_classes,
    catalogue.coverage_rule,
    cast(dense_rank() over (
        order by described.forms, catalogue.insurer_classes, catalogue.coverage_rule
    ) as integer) as scope_no,
    catalogue.small_base_on,
    {{ lists('catalogue.edge_policies', "'E2'") }} as may_lack_base,
    {{ lists('catalogue.edge_policies', "'E3'") }} as may_be_small,
    {{ lists('catalogue.edge_policies', "'E4'") }} as may_be_restated,
    {{ lists('catalogue.edge_policies', "'E6'") }} as may_be_immature,
    {{ lists('catalogue.edge_policies', "'E8'") }} as may_break,
    -- The span in which a transfer of business breaks the series (E5): of growth from the base on; of what is
    -- read off policies and premium (F04, F06), which no filing splits by policy, the window.
    case
        when described.kind = 'growth' then catalogue.base_window
        when
            described.kind in ('count', 'ratio', 'index')
            and (
                {{ lists('described.forms', "'F04'") }}
                or {{ lists('described.forms', "'F04S'") }}
                or {{ lists('described.forms', "'F06'") }}
            )
            and catalogue.coverage_rule <> 'owed'
            then 'window'
    end as transfer_span,
    described.is_dense,
    growth.of_kpi is not null as is_base_of_growth
from described
inner join {{ ref('kpi_catalogue') }} as catalogue
    on described.kpi_id = catalogue.kpi_id
left join grown as growth
    on described.kpi_id = growth.of_kpi
