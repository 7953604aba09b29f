-- 消保培训: the latest state of each course and audience known at the asked moment, one row per reporter and key.
{{ latest_state(
    source('filed', 'f08'),
    key=['course_id', 'audience'],
    columns=[
        'reporter_code', 'org_code', 'region_code', 'course_id', 'course_name', 'audience',
        'session_date', 'roster_date', 'expected', 'attended', 'passed', 'hours', 'filing_period',
        'submission_id', 'row_no', 'sys_from',
    ]
) }}
