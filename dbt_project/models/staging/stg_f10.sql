-- 销售人员处罚与灰名单: the latest state of each action known at the asked moment, one row per reporter and key.
{{ latest_state(
    source('filed', 'f10'),
    key=['action_id'],
    columns=[
        'reporter_code', 'org_code', 'region_code', 'action_id', 'agent_code', 'person_hash',
        'action_type', 'action_date', 'basis', 'complaint_id', 'manager_level', 'valid_until',
        'moves_24m', 'filing_period', 'submission_id', 'submission_no', 'row_no',
        'sys_from',
    ]
) }}
