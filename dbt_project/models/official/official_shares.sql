-- Every share that a bulletin prints, computed again from the counts it prints (AGG-A02 as a table).
-- base_origin tells where the base is from: `printed`; `parts`, the sum of a table that adds up; `quarters`,
-- the sum of the year's quarters; `fitted`, a company's own total that is not printed: the whole numbers
-- base_low to base_high are those which all shares printed of the company allow.
{{ config(schema='kpi', materialized='table', contract={'enforced': true}) }}

{%- set p = '(' ~ power_of_ten('f.share_decimals') ~ ')' -%}
{%- set s = 'cast(f.share_pct * ' ~ p ~ ' as bigint)' %}

with figures as (
    select
        *,
        concat_ws('|', table_code, insurer_type, coalesce(category, ''), coalesce(institution, ''))
            as own_key,
        case share_base
            when 'all' then 'total|all||'
            when 'insurer' then 'total|insurer||'
            when 'type' then concat_ws('|', 'total', insurer_type, '', '')
            when 'company' then concat_ws('|', 'count', insurer_type, '', institution)
            when 'table' then concat_ws('|', table_code, insurer_type, '合计', '')
        end as base_key
    from {{ ref('official_figures') }}
    where value_bound = 'exact'
),

-- What a concentration row sums up: the first rows of the list it names.
listed as (
    select
        statement_group,
        insurer_type,
        table_code,
        sum(value) as value
    from figures
    where table_code in ('count', 'region') and rank <= list_limit
    group by statement_group, insurer_type, table_code
),

parts as (
    select
        statement_group,
        table_code,
        sum(value) as value
    from figures
    where adds_up_over = 'both' and institution is null
    group by statement_group, table_code
    having count(*) = count(value)
),

quarters as (
    select
        scope,
        unit,
        substr(period, 1, 4) as year,
        sum(value) as value
    from figures
    where
        table_code = 'total' and insurer_type = 'all' and category is null
        and period_type = 'quarter' and value is not null
    group by scope, unit, substr(period, 1, 4)
    having count(*) = 4
),

cut_offs as (
    select
        statement_group,
        insurer_type,
        min(value) as value
    from figures
    where table_code = 'count' and list_rule = 'top_n'
    group by statement_group, insurer_type
    having count(*) >= max(list_limit)
),

own_totals as (
    select
        f.statement_group,
        f.base_key,
        max({{ integer_divide('200 * ' ~ p ~ ' * f.value', '2 * ' ~ s ~ ' + 1') }}) + 1 as low,
        least(
            min({{ integer_divide('200 * ' ~ p ~ ' * f.value', 'nullif(2 * ' ~ s ~ ' - 1, -1)') }}),
            coalesce(cast(min(c.value) as decimal(38, 0)), 1000000000000)
        ) as high
    from figures as f
    left join cut_offs as c
        on f.statement_group = c.statement_group and f.insurer_type = c.insurer_type
    where f.share_base = 'company' and f.share_pct is not null and f.value is not null
    group by f.statement_group, f.base_key
),

based as (
    select
        f.*,
        coalesce(l.value, f.value) as printed_part,
        case
            when b.value is not null then 'printed'
            when d.value is not null then 'parts'
            when q.value is not null then 'quarters'
            when o.high is not null then 'fitted'
        end as base_origin,
        cast(coalesce(b.value, d.value, q.value, o.high) as decimal(38, 4)) as base_value,
        cast(coalesce(b.value, d.value, q.value, o.low) as decimal(38, 4)) as base_low,
        cast(coalesce(b.value, d.value, q.value, o.high) as decimal(38, 4)) as base_high
    from figures as f
    left join listed as l
        on
            f.table_code = 'concentration'
            and f.statement_group = l.statement_group
            and f.insurer_type = l.insurer_type
            and f.category = l.table_code
    left join figures as b
        on f.statement_group = b.statement_group and f.base_key = b.own_key and b.value is not null
    left join parts as d
        on
            f.share_base = 'all'
            and f.adds_up_over = 'both'
            and f.statement_group = d.statement_group
            and f.table_code = d.table_code
    left join quarters as q
        on f.share_base = 'all' and f.scope = q.scope and f.unit = q.unit and f.period = q.year
    left join own_totals as o
        on f.statement_group = o.statement_group and f.base_key = o.base_key
    where f.share_pct is not null
),

-- A count that is not printed: the least whole number that the printed share allows.
completed as (
    select
        f.*,
        coalesce(
            f.printed_part,
            case
                when f.unit in ('件', '个')
                    then {{ integer_divide(
                        '(2 * ' ~ s ~ ' - 1) * f.base_value + 200 * ' ~ p ~ ' - 1', '200 * ' ~ p) }}
            end
        ) as part_value
    from based as f
),

recomputed as (
    select
        *,
        {{ printed_percentage('part_value', 'base_value', 'share_decimals') }} as recomputed_pct
    from completed
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
    cast(r.part_value as decimal(38, 4)) as part_value,
    case
        when r.part_value is null then null
        when r.printed_part is null then 'fitted'
        when r.table_code = 'concentration' then 'listed'
        else 'printed'
    end as part_origin,
    r.share_base,
    r.base_value,
    r.base_origin,
    r.base_low,
    r.base_high,
    cast(r.recomputed_pct as decimal(18, 4)) as recomputed_pct,
    cast(r.share_pct as decimal(18, 4)) as printed_pct,
    r.share_decimals as printed_decimals,
    r.recomputed_pct = r.share_pct as matches,
    case
        when r.base_value is null or r.part_value is null then 'NO_BASE'
        when r.base_value = 0 then 'ZERO_DEN'
        when r.recomputed_pct = r.share_pct then 'OK'
        when e.figure_id is not null then 'EXPLAINED'
        else 'UNEXPLAINED'
    end as status,
    e.reason_zh as explanation_zh,
    e.reason_en as explanation_en,
    r.document_no,
    r.source_id
from recomputed as r
left join {{ ref('official_explained_failures') }} as e
    on r.figure_id = e.figure_id and e.rule_code = 'AGG-A02'
