-- 调解指标宽表: the mediation KPIs side by side, one row per group and window.
{{ wide_view({
    'mediation_share': ['MED-01'],
    'participation_rate': ['MED-02A'],
    'offered_rate': ['MED-02B'],
    'success_rate': ['MED-03'],
    'execution_rate': ['MED-04'],
    'mediation_days': ['MED-05'],
    'refused_without_reason': ['MED-06'],
    'first_success': ['MED-07'],
}) }}
