-- 统计系统保费: the premium of each period in force, at the grain filed.
select
    reporter_code,
    org_code,
    region_code,
    line_code,
    premium,
    filing_period,
    {{ period_first_month('filing_period') }} as month,
    submission_id,
    row_no,
    sys_from
from {{ source('filed', 'r06') }}
where
    {{ in_force() }}
    and record_action <> 'D'
