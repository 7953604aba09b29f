-- 宣教与满意度指标宽表: the KPIs of consumer education and satisfaction side by side, one row per group and window.
{{ wide_view({
    'sessions': ['EDU-01'],
    'reach': ['EDU-02'],
    'education_areas': ['EDU-03'],
    'satisfaction': ['SAT-01'],
    'valid_response': ['SAT-03'],
}) }}
