-- 分组: class, type and group of each institution in each window. Current: those in force on the window's
-- last day, or on the institution's own last day. Comparable: those in force at the run's date, in every
-- window, so that both windows of a growth rate are made of the same institutions.
select
    'current' as basis,
    int_window.window_id,
    licence.reporter_code,
    licence.insurer_class,
    licence.insurer_type,
    licence.peer_group
from {{ ref('int_licence') }} as licence
cross join {{ ref('int_window') }} as int_window
where
    (
        licence.valid_from is null
        or licence.valid_from <= least(int_window.last_day, coalesce(licence.closed_on, int_window.last_day))
    )
    and (
        licence.valid_to is null
        or licence.valid_to > least(int_window.last_day, coalesce(licence.closed_on, int_window.last_day))
    )
union all
select
    'comparable' as basis,
    int_window.window_id,
    reporter.reporter_code,
    reporter.insurer_class,
    reporter.insurer_type,
    reporter.peer_group
from {{ ref('int_reporter') }} as reporter
cross join {{ ref('int_window') }} as int_window
