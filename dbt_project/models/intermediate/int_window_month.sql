-- 统计期间与月份: the months of every complete calendar window between the first and the last month owed.
-- A window that misses one of its months is no window: year to date never stands in for a year (E12).
with shift as (
    select 0 as months
    union all
    select 1 as months
    union all
    select 2 as months
),

covered as (
    select distinct {{ add_months('obligation.first_month', 'shift.months') }} as month
    from {{ ref('int_obligation') }} as obligation
    cross join shift
    where {{ add_months('obligation.first_month', 'shift.months') }} <= obligation.month
),

lengths as (
    select
        'month' as period_type,
        1 as n_months
    union all
    select
        'quarter' as period_type,
        3 as n_months
    union all
    select
        'half_year' as period_type,
        6 as n_months
    union all
    select
        'year' as period_type,
        12 as n_months
),

candidates as (
    select
        lengths.period_type,
        {{ period_label('lengths.period_type', 'covered.month') }} as period,
        covered.month,
        lengths.n_months
    from covered
    cross join lengths
    union all
    select
        'ytd' as period_type,
        {{ month_label('ending.month') }} as period,
        covered.month,
        extract(month from ending.month) as n_months
    from covered as ending
    inner join covered
        on
            extract(year from ending.month) = extract(year from covered.month)
            and ending.month >= covered.month
)

select
    {{ window_id('period_type', 'max(month) over (partition by period_type, period)') }} as window_id,
    period_type,
    period,
    month,
    month = max(month) over (partition by period_type, period) as is_last_month
from candidates
qualify count(*) over (partition by period_type, period) = n_months
