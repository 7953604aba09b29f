-- Errors if a month between the first and the last month owed is owed by nobody: windows over it would
-- vanish.
select
    min(month) as first_month,
    max(month) as last_month,
    count(*) as n_months
from {{ ref('int_window_month') }}
where period_type = 'month'
having
    count(*) <> extract(year from max(month)) * 12 + extract(month from max(month))
    - extract(year from min(month)) * 12 - extract(month from min(month)) + 1
