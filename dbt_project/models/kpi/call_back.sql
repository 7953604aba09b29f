-- 回访指标宽表: the call-back KPIs side by side, one row per group and window.
{{ wide_view({
    'policies_due': ['CBK-01'],
    'completion': ['CBK-02'],
    'success': ['CBK-03'],
    'success_in_cooling_off': ['CBK-04'],
    'problem_rate': ['CBK-05'],
    'problems_handled': ['CBK-06'],
    'problems_solved': ['CBK-07'],
    'problems_handled_on_time': ['CBK-08'],
    'orphan_call_back': ['CBK-10'],
    'orphans_called_before_departure': ['CBK-11'],
    'letter_reply': ['CBK-12'],
}) }}
