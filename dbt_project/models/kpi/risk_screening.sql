-- 风险保单排查指标宽表: the screening KPIs side by side, one row per group and window.
{{ wide_view({
    'risk_cleared': ['RSK-01'],
    'pre_resolved': ['FIR-08', 'variant', 'screening'],
}) }}
