-- 首问台账: the latest state of each first inquiry known at the asked moment, one row per reporter and key.
{{ latest_state(
    source('filed', 'f02'),
    key=['inquiry_id'],
    columns=[
        'reporter_code', 'org_code', 'region_code', 'inquiry_id', 'inquiry_at', 'entry_point',
        'responder_hash', 'responder_is_sales', 'is_complaint', 'complaint_id', 'customer_hash', 'own_duty',
        'transfer_count', 'first_contact_at', 'resolved_at_first', 'resolved_date', 'informed_date',
        'satisfaction', 'risk_level', 'pre_resolved', 'escalated_to_regulator_on', 'clue_found',
        'review_done', 'filing_period', 'submission_id', 'row_no', 'sys_from',
    ]
) }}
