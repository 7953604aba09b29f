-- 首问指标宽表: the first-inquiry KPIs side by side, one row per group and window.
{{ wide_view({
    'ledger_coverage': ['FIR-01'],
    'own_rules': ['FIR-02'],
    'record_coverage': ['FIR-03'],
    'resolved_at_first': ['FIR-04'],
    'contacted_in_time': ['FIR-05'],
    'escalated': ['FIR-06'],
    'sales_front_institutions': ['FIR-07', 'variant', 'institutions'],
    'sales_front_records': ['FIR-07', 'variant', 'records'],
    'pre_resolved': ['FIR-08'],
    'pilot_coverage': ['FIR-09'],
}) }}
