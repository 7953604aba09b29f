-- Consumer credit complaints of a UK firm in one unit: the publication prints the upheld ones as a
-- number in some half-years and as a share in others (rule UK04-P01); here both are given, the printed
-- one named in `unit_as_filed`.
{{ config(schema='kpi', materialized='table', contract={'enforced': true}) }}

with printed as (
    select
        period,
        firm_name,
        firm_group,
        reporting_frequency,
        reporting_period,
        received,
        closed,
        upheld_count,
        upheld_share,
        case when upheld_share is not null then 'share' when upheld_count is not null then 'count' end
            as unit_as_filed,
        cast(round(upheld_share * closed, 0) as bigint) as nearest,
        {{ is_whole('upheld_share', 'closed') }} as is_whole
    from {{ source('filed', 'uk04') }}
    where {{ in_force() }}
),

judged as (
    select
        *,
        case
            when unit_as_filed is null then 'NOT_PRINTED'
            when upheld_share > 1 or upheld_count > closed then 'IMPOSSIBLE'
            when not is_whole then 'NOT_WHOLE'
            when closed = 0 then 'ZERO_DEN'
            else 'OK'
        end as status
    from printed
),

numbered as (
    select
        *,
        case when status in ('OK', 'ZERO_DEN') then coalesce(upheld_count, nearest) end as upheld
    from judged
)

select
    period,
    firm_name,
    firm_group,
    reporting_frequency,
    {{ first_day('reporting_period') }} as starts_on,
    {{ last_day_of('reporting_period') }} as ends_on,
    received,
    closed,
    unit_as_filed,
    upheld,
    cast({{ ratio('upheld', 'closed', 100) }} as decimal(18, 2)) as upheld_pct,
    status
from numbered
