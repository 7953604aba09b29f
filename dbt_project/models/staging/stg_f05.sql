-- 问题件: the latest state of each problem case known at the asked moment, one row per reporter and key.
{{ latest_state(
    source('filed', 'f05'),
    key=['problem_id'],
    columns=[
        'reporter_code', 'org_code', 'region_code', 'problem_id', 'callback_id', 'found_date',
        'problem_type', 'customer_action', 'due_date', 'assigned_date', 'handled_date', 'handle_result',
        'agent_code', 'sales_channel', 'complaint_id', 'filing_period', 'submission_id', 'row_no',
        'sys_from',
    ]
) }}
