-- 公开披露指标: the latest state of each disclosed indicator known at the asked moment, one row per reporter
-- and key.
{{ latest_state(
    source('filed', 'f17'),
    key=['disclosure_id'],
    columns=[
        'reporter_code', 'org_code', 'region_code', 'disclosure_id', 'kpi_id', 'dimension',
        'dimension_value', 'indicator_period_type', 'indicator_period', 'printed_value', 'disclosed_on',
        'source_ref', 'filing_period', 'submission_id', 'row_no', 'sys_from',
    ]
) }}
