-- 回访明细: the latest state of each call-back known at the asked moment, one row per reporter and key.
{{ latest_state(
    source('filed', 'f04'),
    key=['callback_id'],
    columns=[
        'reporter_code', 'org_code', 'region_code', 'callback_id', 'policy_hash', 'callback_type',
        'issue_date', 'delivery_date', 'cooling_off_days', 'cooling_off_end', 'product_type', 'pay_mode',
        'sales_channel', 'agent_code', 'must_call', 'exempt_reason', 'attempts', 'first_attempt_at',
        'method', 'completed_at', 'q1_is_holder', 'q2_bought_signed', 'q3_read_docs', 'q4_liability',
        'q5_surrender_loss', 'q6_cooling_off', 'q7_pay_term', 'success', 'receipt_signed_on',
        'recording_ref', 'problem_id', 'filing_period', 'submission_id', 'submission_no', 'row_no',
        'sys_from',
    ]
) }}
