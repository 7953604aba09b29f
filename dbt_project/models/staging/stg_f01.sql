-- 投诉明细: the latest state of each complaint known at the asked moment, one row per reporter and key.
{{ latest_state(
    source('filed', 'f01'),
    key=['complaint_id'],
    columns=[
        'reporter_code', 'org_code', 'region_code', 'complaint_id', 'first_complaint_id', 'group_id',
        'received_at', 'source_channel', 'reg_ref_no', 'reg_forward_date', 'insurer_class', 'line_code',
        'product_code', 'product_type', 'sales_channel', 'policy_hash', 'complainant_type',
        'complainant_hash', 'age_band', 'reason_l1', 'reason_l2', 'nature', 'matter_count', 'demand_amount',
        'complexity', 'extension_approved_on', 'clock_stop_days', 'due_date', 'decision_date',
        'notify_date', 'status', 'outcome', 'responsible', 'settlement_type', 'settlement_amount',
        'surrender_diff_amount', 'verify_requested', 'verify_result', 'validity', 'exclusion_code',
        'withdrawn_date', 'escalation', 'first_inquiry_id', 'mediation_id', 'clue_id', 'agent_code',
        'root_cause', 'rectify_close_date', 'filing_period', 'submission_id', 'row_no', 'sys_from',
    ]
) }}
