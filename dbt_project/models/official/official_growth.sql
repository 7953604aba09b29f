-- Every growth rate in print, under all bases of edge policy E4, one row per rate and basis:
--   published   the base as its own period's bulletin first printed it (AGG-A04 as a table)
--   current     the base as known at the asked moment, after resubmissions
--   comparable  as current, plus institutions that merged into this one (aliases of relation `predecessor`)
--   implied     the whole numbers base_low to base_high that give the printed rate; base_value the nearest
-- base_vintage names the document the base was printed in, or the source where it has no number.
{{ config(schema='kpi', materialized='table', contract={'enforced': true}) }}

{%- set p = '(' ~ power_of_ten('g.growth_decimals') ~ ')' -%}
{%- set g = 'cast(g.growth_pct * ' ~ p ~ ' as bigint)' %}

with figures as (
    select * from {{ ref('official_figures') }}
    where value_bound = 'exact'
),

-- A rate that another source prints stands in a row without a count: that is in the row of the same series.
printed as (
    select
        g.*,
        coalesce(g.value, v.value) as own_value,
        {{ growth_base_period('g.period', 'g.growth_kind') }} as base_period
    from figures as g
    left join figures as v
        on
            g.value is null
            and v.value is not null
            and g.statement_group = v.statement_group
            and g.series = v.series
    where g.growth_pct is not null
),

first_printed as (
    select
        period,
        {{ figure_series() }} as series,
        value,
        coalesce(document_no, source_id) as vintage,
        submission_id
    from {{ source('filed', 'pub') }}
    where
        value is not null
        and value_bound = 'exact'
        and record_action <> 'D'
        {%- if var('known_at') %}
            and sys_from <= cast('{{ var("known_at") }}' as timestamp)
        {%- endif %}
    qualify row_number() over (partition by figure_id order by sys_from, submission_no, row_no) = 1
),

now_printed as (
    select
        period,
        series,
        value,
        coalesce(document_no, source_id) as vintage,
        submission_id,
        scope,
        period_type,
        unit,
        table_code,
        insurer_type,
        category,
        institution
    from figures
    where value is not null
),

predecessors as (
    select distinct
        alias as institution,
        institution as successor
    from {{ ref('official_company_aliases') }}
    where relation = 'predecessor'
),

merged as (
    select
        period,
        series,
        sum(value) as value,
        min(vintage) as vintage,
        min(submission_id) as submission_id
    from (
        select
            n.period,
            n.value,
            n.vintage,
            n.submission_id,
            concat_ws(
                '|', n.scope, n.period_type, n.unit, n.table_code, n.insurer_type, coalesce(n.category, ''),
                coalesce(m.successor, n.institution, '')
            ) as series
        from now_printed as n
        left join predecessors as m on n.institution = m.institution
    ) as mapped
    group by period, series
),

bases as (
    select
        'published' as basis,
        period,
        series,
        value,
        vintage,
        submission_id
    from first_printed
    union all
    select
        'current' as basis,
        period,
        series,
        value,
        vintage,
        submission_id
    from now_printed
    union all
    select
        'comparable' as basis,
        period,
        series,
        value,
        vintage,
        submission_id
    from merged
),

named as (
    select
        g.*,
        k.basis,
        cast(b.value as decimal(38, 4)) as base_value,
        cast(b.value as decimal(38, 4)) as base_low,
        cast(b.value as decimal(38, 4)) as base_high,
        b.vintage as base_vintage,
        b.submission_id as base_submission_id
    from printed as g
    cross join (values ('published'), ('current'), ('comparable')) as k (basis)
    left join bases as b
        on k.basis = b.basis and g.base_period = b.period and g.series = b.series
),

-- 100 * own / base - 100 rounds to the printed rate between these two whole numbers. Rounding is away from
-- zero, so the end that counts as inside changes with the sign.
implied as (
    select
        g.*,
        'implied' as basis,
        cast(
            {{ integer_divide('200 * ' ~ p ~ ' * g.own_value + 100 * ' ~ p ~ ' + ' ~ g,
                '2 * (100 * ' ~ p ~ ' + ' ~ g ~ ')') }} as decimal(38, 4)
        ) as base_value,
        cast(
            case
                when g.growth_pct >= 0
                    then {{ integer_divide('200 * ' ~ p ~ ' * g.own_value',
                        '2 * (100 * ' ~ p ~ ' + ' ~ g ~ ') + 1') }} + 1
                else {{ integer_divide(
                    '200 * ' ~ p ~ ' * g.own_value + 2 * (100 * ' ~ p ~ ' + ' ~ g ~ ')',
                    '2 * (100 * ' ~ p ~ ' + ' ~ g ~ ') + 1') }}
            end as decimal(38, 4)
        ) as base_low,
        cast(
            case
                when g.growth_pct > 0
                    then {{ integer_divide('200 * ' ~ p ~ ' * g.own_value',
                        '2 * (100 * ' ~ p ~ ' + ' ~ g ~ ') - 1') }}
                else {{ integer_divide('200 * ' ~ p ~ ' * g.own_value - 1',
                    '2 * (100 * ' ~ p ~ ' + ' ~ g ~ ') - 1') }}
            end as decimal(38, 4)
        ) as base_high,
        cast(null as {{ text_type() }}) as base_vintage,
        cast(null as {{ text_type() }}) as base_submission_id
    from printed as g
    where g.unit in ('件', '个') and g.growth_pct > -100 and g.own_value is not null
),

recomputed as (
    select
        *,
        {{ printed_percentage('own_value - base_value', 'base_value', 'growth_decimals') }} as recomputed_pct
    from (
        select * from named
        union all
        select * from implied
    ) as every_basis
)

select
    r.figure_id,
    r.scope,
    r.insurer_type,
    r.table_code,
    r.category,
    r.company,
    r.institution,
    r.period_type,
    r.period,
    r.unit,
    r.growth_kind,
    cast(r.own_value as decimal(38, 4)) as value,
    r.basis,
    r.base_period,
    r.base_value,
    r.base_low,
    r.base_high,
    r.base_vintage,
    r.base_submission_id,
    cast(r.recomputed_pct as decimal(18, 4)) as recomputed_pct,
    cast(r.growth_pct as decimal(18, 4)) as printed_pct,
    r.growth_decimals as printed_decimals,
    case
        when r.base_value is null or r.own_value is null then 'NO_BASE'
        when r.base_value = 0 then 'ZERO_DEN'
        when
            r.recomputed_pct = r.growth_pct
            then case when r.base_value < {{ var('small_base') }} then 'SMALL_BASE' else 'OK' end
        when r.basis = 'implied' then 'NO_WHOLE_BASE'
        else
            case when r.base_value < {{ var('small_base') }} then 'SMALL_BASE|' else '' end
            || case
                when e.cause = 'restated' then 'RESTATED'
                when e.cause is not null then 'EXPLAINED'
                else 'UNEXPLAINED'
            end
    end as status,
    e.reason_zh as explanation_zh,
    e.reason_en as explanation_en,
    r.document_no,
    r.source_id
from recomputed as r
left join {{ ref('official_explained_failures') }} as e
    on r.figure_id = e.figure_id and e.rule_code = 'AGG-A04' and r.basis <> 'implied'
