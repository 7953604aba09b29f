-- 消费者教育活动: the activities of each quarter, as filed for that quarter. A standing area is filed anew each
-- quarter, so a later quarter never replaces an earlier one.
{{ config(meta={'key': []}) }}
select
    reporter_code,
    org_code,
    region_code,
    activity_id,
    activity_name,
    activity_form,
    theme,
    target_group,
    start_date,
    end_date,
    is_campaign,
    campaign_name,
    sessions,
    reach,
    sites,
    sites_total,
    filing_period,
    {{ period_last_month('filing_period') }} as month,
    submission_id,
    submission_no,
    row_no,
    sys_from
from {{ source('filed', 'f15') }}
where
    {{ in_force() }}
    and record_action <> 'D'
