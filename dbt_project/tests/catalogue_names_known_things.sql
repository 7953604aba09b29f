-- Errors if the catalogue names a measure, KPI, grain, window, class or policy that does not exist:
-- a misspelt entry of a list would drop figures without a word.
-- The meta tells Dagster which of the models it reads shows the check.
{{ config(meta={'dagster': {'ref': {'name': 'kpi_catalogue'}}}) }}
with described as (
    select
        kpi_id,
        numerator_measure,
        denominator_measure,
        left_out_measure,
        case when small_base_on not in ('numerator', 'denominator', 'base') then small_base_on end
            as small_base_measure,
        of_kpi,
        grains,
        period_types,
        insurer_classes,
        edge_policies
    from {{ ref('kpi_catalogue') }}
    union all
    select
        kpi_id,
        numerator_measure,
        denominator_measure,
        null as left_out_measure,
        null as small_base_measure,
        kpi_id as of_kpi,
        grains,
        period_types,
        null as insurer_classes,
        null as edge_policies
    from {{ ref('kpi_variants') }}
),

named as (
    {% for kind, column in {
        'measure': 'numerator_measure',
        'measure ': 'denominator_measure',
        'measure  ': 'left_out_measure',
        'measure   ': 'small_base_measure',
        'kpi': 'of_kpi',
        'grain': 'grains',
        'period_type': 'period_types',
        'insurer_class': 'insurer_classes',
        'edge_policy': 'edge_policies',
    }.items() -%}
        select
            kpi_id,
            '{{ kind | trim }}' as kind,
            {{ split_rows(column) }} as entry
        from described
        {{ 'union all' if not loop.last }}
    {% endfor %}
),

known as (
    select
        'measure' as kind,
        measure_id as entry
    from {{ ref('measure_catalogue') }}
    union all
    select
        'kpi' as kind,
        kpi_id as entry
    from {{ ref('kpi_catalogue') }}
    union all
    select
        'edge_policy' as kind,
        code as entry
    from {{ ref('edge_policies') }}
    {% for kind, entries in {
        'grain': ['insurer', 'insurer_type', 'peer_group', 'bureau'],
        'period_type': ['month', 'quarter', 'half_year', 'year', 'ytd'],
        'insurer_class': ['P', 'L', 'H', 'A', 'M'],
    }.items() -%}
        {% for entry in entries -%}
            union all
            select
                '{{ kind }}' as kind,
                '{{ entry }}' as entry
        {% endfor %}
    {% endfor %}
)

select
    named.kpi_id,
    named.kind,
    named.entry
from named
left join known
    on
        named.kind = known.kind
        and named.entry = known.entry
where known.entry is null
