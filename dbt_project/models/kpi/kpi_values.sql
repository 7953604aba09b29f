-- 指标值: every KPI at every grain and window, with the counts behind it, its status, its rank among insurers
-- of a type.
{{ config(
    materialized='incremental', incremental_strategy='recount', on_schema_change='fail',
    meta={'replaces': 'recounted_values'}
) }}
with chained as (
    {% for step in [
        'kpi_ratio', 'kpi_growth', 'kpi_index', 'kpi_rate_median', 'kpi_case_median', 'kpi_spread',
        'kpi_restatement', 'kpi_agreement'
    ] -%}
        select {{ step_columns() }}
        from {{ ref(step) if step in ['kpi_restatement', 'kpi_agreement']
            else windowed(ref(step), compared=step == 'kpi_growth') }}
        {{ "where basis = 'current'" if step == 'kpi_ratio' }}
        {{ 'union all' if not loop.last }}
    {% endfor %}
),

-- A small base is printed and never ranked (E3).
keyed as (
    select
        chained.*,
        case when chained.grain = 'insurer' then chained.group_key end as org_code,
        case chained.grain
            when 'insurer' then institution.peer_group
            when 'peer_group' then chained.group_key
        end as peer_group,
        case chained.grain
            when 'insurer' then institution.insurer_type
            when 'insurer_type' then chained.group_key
        end as insurer_type,
        transferred.window_id is not null as is_transferred,
        chained.grain = 'insurer' and chained.value is not null and not chained.has_small_base as is_ranked
    from chained
    left join {{ ref('int_group') }} as institution
        on
            chained.group_key = institution.reporter_code
            and chained.window_id = institution.window_id
            and institution.basis = case
                when chained.basis = 'comparable' then 'comparable'
                else 'current'
            end
    inner join {{ ref('kpi_series') }} as of_series
        on chained.series_no = of_series.series_no
    left join {{ ref('int_transfer_break') }} as transferred
        on
            of_series.transfer_span = transferred.span
            and chained.window_id = transferred.window_id
            and chained.grain = transferred.grain
            and chained.group_key = transferred.group_key
            and transferred.basis = case
                when chained.basis = 'comparable' then 'comparable'
                else 'current'
            end
)

select
    series.kpi_id,
    int_window.period_type,
    int_window.period,
    keyed.grain,
    keyed.org_code,
    keyed.peer_group,
    keyed.insurer_type,
    series.dimension,
    keyed.dimension_value,
    keyed.numerator,
    keyed.denominator,
    keyed.value,
    keyed.unit,
    keyed.base_value,
    keyed.base_period,
    keyed.basis,
    {{ status_text('has_break or is_transferred') }} as status,
    cast(case when keyed.is_ranked then rank() over peers end as integer) as rank,
    cast(case
        when keyed.grain = 'insurer'
            then nullif(count(*) filter (where keyed.is_ranked) over (
                peers rows between unbounded preceding and unbounded following
            ), 0)
        else keyed.n_reporters
    end as integer) as n_institutions
from keyed
inner join {{ ref('kpi_series') }} as series
    on keyed.series_no = series.series_no
inner join {{ ref('int_window') }} as int_window
    on keyed.window_id = int_window.window_id
window
    -- Those that are ranked come first, so their rank is among themselves.
    peers as (
        partition by
            keyed.series_no,
            keyed.window_id,
            keyed.basis,
            keyed.dimension_value,
            keyed.grain,
            keyed.insurer_type
        order by keyed.is_ranked desc, keyed.value desc nulls last
    )
order by
    keyed.series_no, keyed.window_id, keyed.basis, keyed.grain, keyed.group_key, keyed.dimension_value
