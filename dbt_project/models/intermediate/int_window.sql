-- 统计期间: every complete window with its bounds.
select
    window_id,
    period_type,
    period,
    min(month) as first_month,
    max(month) as last_month,
    cast({{ add_months('max(month)', '1') }} - interval 1 day as date) as last_day,
    cast(count(*) as integer) as n_months
from {{ ref('int_window_month') }}
group by all
