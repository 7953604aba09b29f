-- 调解组织案件登记: the latest state of each case of the mediation bodies known at the asked moment.
{{ latest_state(
    source('filed', 'r07'),
    key=['mediation_org', 'mediation_id'],
    columns=[
        'reporter_code', 'org_code', 'region_code', 'mediation_org', 'mediation_id', 'apply_date',
        'org_notified_date', 'accept_status', 'end_date', 'result', 'agreement_date', 'agreement_amount',
        'filing_period', 'submission_id', 'row_no', 'sys_from',
    ]
) }}
