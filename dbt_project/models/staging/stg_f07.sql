-- 消保审查: the latest state of each reviewed item known at the asked moment, one row per reporter and key.
{{ latest_state(
    source('filed', 'f07'),
    key=['review_id'],
    columns=[
        'reporter_code', 'org_code', 'region_code', 'review_id', 'item_type', 'change_kind',
        'required_date', 'review_date', 'launch_date', 'opinions', 'opinions_adopted', 'conclusion',
        'filing_period', 'submission_id', 'row_no', 'sys_from',
    ]
) }}
