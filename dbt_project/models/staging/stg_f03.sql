-- 调解案件: the latest state of each mediation case known at the asked moment, one row per reporter and key.
{{ latest_state(
    source('filed', 'f03'),
    key=['mediation_org', 'mediation_id'],
    columns=[
        'reporter_code', 'org_code', 'region_code', 'mediation_id', 'complaint_id', 'mediation_org',
        'entry_channel', 'apply_date', 'org_notified_date', 'should_mediate', 'org_accepts',
        'refuse_reason', 'accept_status', 'consumer_accepts', 'sessions', 'end_date', 'result',
        'agreement_date', 'demand_amount', 'agreement_amount', 'fulfil_due_date', 'fulfil_date',
        'fulfil_status', 'judicial_confirm', 'quick_point', 'repeat_complainer', 'black_market',
        'filing_period', 'submission_id', 'row_no', 'sys_from',
    ]
) }}
