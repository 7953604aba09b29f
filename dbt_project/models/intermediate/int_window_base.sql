-- 基期: the window that each window is compared with, whether or not it lies inside the calendar. The period
-- before is defined for month, quarter and half-year; a year or a year to date has the year before only.
with shifts as (
    select
        window_id,
        period_type,
        first_month,
        last_month,
        'year_before' as base_window,
        12 as months
    from {{ ref('int_window') }}
    union all
    select
        window_id,
        period_type,
        first_month,
        last_month,
        'period_before' as base_window,
        n_months as months
    from {{ ref('int_window') }}
    where period_type in ('month', 'quarter', 'half_year')
)

select
    window_id,
    base_window,
    {{ window_id('period_type', add_months('last_month', '-months')) }} as base_window_id,
    {{ period_label('period_type', add_months('last_month', '-months')) }} as base_period,
    {{ add_months('first_month', '-months') }} as base_first_day
from shifts
