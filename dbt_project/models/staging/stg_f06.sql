-- 业务量分母: the denominators of each period, as filed for that period (a later period never replaces them).
{{ config(meta={'key': []}) }}
select
    reporter_code,
    org_code,
    region_code,
    line_code,
    sales_channel,
    premium,
    premium_ytd,
    policies_new,
    policies_in_force,
    person_times,
    long_term_new,
    filing_period,
    {{ period_first_month('filing_period') }} as month,
    submission_id,
    submission_no,
    row_no,
    sys_from
from {{ source('filed', 'f06') }}
where
    {{ in_force() }}
    and record_action <> 'D'
