-- 治理指标宽表: the governance KPIs side by side, one row per group and window.
{{ wide_view({
    'protection_weighed': ['GOV-01'],
    'inquiry_weight_min': ['GOV-02', 'statistic', 'min'],
    'inquiry_weight_median': ['GOV-02', 'statistic', 'median'],
    'inquiry_weight_max': ['GOV-02', 'statistic', 'max'],
    'evaluation_score': ['EVA-01'],
}) }}
