-- 热线指标宽表: the KPIs of hotline and direct transfer side by side, one row per group and window.
{{ wide_view({
    'answer_rate': ['HOT-01'],
    'transfer_success': ['HOT-02'],
    'transfer_answered': ['HOT-03'],
    'transfer_settled': ['HOT-04'],
    'complained_again': ['HOT-05'],
    'calls': ['HOT-06'],
}) }}
