-- 风险保单排查: batches and products of each period, as filed for that period (a later period never replaces them:
-- a batch that goes on files what it screened anew).
{{ config(meta={'key': []}) }}
select
    reporter_code,
    org_code,
    region_code,
    batch_id,
    product_code,
    screened,
    risk_found,
    risk_cleared,
    pre_resolved,
    filing_period,
    {{ period_first_month('filing_period') }} as month,
    submission_id,
    submission_no,
    row_no,
    sys_from
from {{ source('filed', 'f13') }}
where
    {{ in_force() }}
    and record_action <> 'D'
