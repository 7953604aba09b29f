-- 监管转送登记: the latest state of each complaint forwarded by the bureau known at the asked moment, one row per
-- reporter and key.
{{ latest_state(
    source('filed', 'r01'),
    key=['reg_ref_no'],
    columns=[
        'reporter_code', 'org_code', 'region_code', 'reg_ref_no', 'received_on', 'forwarded_on',
        'reg_channel', 'reason_l1', 'line_code', 'reg_validity', 'finalised_on', 'filing_period',
        'submission_id', 'row_no', 'sys_from',
    ]
) }}
