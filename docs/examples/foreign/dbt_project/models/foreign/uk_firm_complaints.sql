-- Complaints of a UK firm by product group and half-year: opened, closed, share upheld, and the number
-- upheld where the printed share gives a whole one. A share above 1 or one that fits no count stays as
-- printed and gives no number.
{{ config(schema='kpi', materialized='table', contract={'enforced': true}) }}

with gathered as (
    select
        period,
        firm_name,
        reporting_period,
        product_group,
        max(firm_group) as firm_group,
        cast(max(case when measure = 'opened' then amount end) as bigint) as opened,
        cast(max(case when measure = 'closed' then amount end) as bigint) as closed,
        cast(max(case when measure = 'upheld_share' then amount end) as decimal(24, 20)) as upheld_share
    from {{ ref('stg_uk_product_groups') }}
    group by period, firm_name, reporting_period, product_group
),

counted as (
    select
        *,
        cast(round(upheld_share * closed, 0) as bigint) as nearest,
        {{ is_whole('upheld_share', 'closed') }} as is_whole
    from gathered
)

select
    period,
    firm_name,
    firm_group,
    {{ first_day('reporting_period') }} as starts_on,
    {{ last_day_of('reporting_period') }} as ends_on,
    product_group,
    opened,
    closed,
    upheld_share,
    case when upheld_share between 0 and 1 and is_whole then nearest end as upheld,
    case
        when upheld_share is null then 'NO_SHARE'
        when closed is null then 'NO_BASE'
        when upheld_share > 1 then 'IMPOSSIBLE'
        when not is_whole then 'NOT_WHOLE'
        else 'OK'
    end as status
from counted
