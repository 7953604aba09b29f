-- 消保监管评价: the latest state of each element of an evaluation known at the asked moment, one row per legal
-- person, year and element.
{{ latest_state(
    source('filed', 'r08'),
    key=['org_code', 'evaluation_year', 'element'],
    columns=[
        'reporter_code', 'org_code', 'region_code', 'evaluation_year', 'element', 'score', 'deduction',
        'evaluated_on', 'filing_period', 'submission_id', 'row_no', 'sys_from',
    ]
) }}
