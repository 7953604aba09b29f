-- 12378热线与一键呼转: the latest state of each call known at the asked moment, one row per reporter and key.
{{ latest_state(
    source('filed', 'r05'),
    key=['call_id'],
    columns=[
        'reporter_code', 'org_code', 'region_code', 'call_id', 'called_at', 'answered', 'call_kind',
        'transferred_at', 'insurer_answered', 'resolved', 'recomplained_on', 'filing_period',
        'submission_id', 'row_no', 'sys_from',
    ]
) }}
