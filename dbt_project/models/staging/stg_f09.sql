-- 代理退保黑产线索: the latest state of each clue known at the asked moment, one row per reporter and key.
{{ latest_state(
    source('filed', 'f09'),
    key=['clue_id'],
    columns=[
        'reporter_code', 'org_code', 'region_code', 'clue_id', 'found_date', 'found_stage',
        'platform', 'party_hash', 'policy_count', 'surrender_amount', 'fee_amount', 'reported_on',
        'case_filed_on', 'verified_on', 'recovered_amount', 'status', 'filing_period',
        'submission_id', 'row_no', 'sys_from',
    ]
) }}
