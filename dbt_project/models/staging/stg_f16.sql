-- 消费者满意度调查: the latest state of each choice known at the asked moment, one row per reporter and key.
{{ latest_state(
    source('filed', 'f16'),
    key=['survey_id', 'question_id', 'choice_id'],
    columns=[
        'reporter_code', 'org_code', 'region_code', 'survey_id', 'survey_name', 'method',
        'surveyed_from', 'surveyed_to', 'question_id', 'question_text', 'topic', 'question_type',
        'choice_id', 'choice_text', 'is_satisfied', 'issued', 'valid_answers', 'chosen',
        'filing_period', 'submission_id', 'row_no', 'sys_from',
    ]
) }}
