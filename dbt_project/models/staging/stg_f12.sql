-- 离职与孤儿保单: the latest state of each departure known at the asked moment, one row per reporter and key.
{{ latest_state(
    source('filed', 'f12'),
    key=['departure_id'],
    columns=[
        'reporter_code', 'org_code', 'region_code', 'departure_id', 'agent_code', 'apply_date',
        'effective_date', 'orphan_policies', 'called', 'called_ok', 'reassigned', 'notified_date',
        'waiver_code', 'filing_period', 'submission_id', 'row_no', 'sys_from',
    ]
) }}
