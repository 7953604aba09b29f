-- 行为管理指标宽表: the KPIs of reviews, training, black-market clues and sanctions side by side, one row per
-- group and window.
{{ wide_view({
    'review_coverage': ['REV-01'],
    'opinions_adopted': ['REV-02'],
    'staff_training': ['TRN-01'],
    'sales_training': ['TRN-02'],
    'sales_training_pooled': ['TRN-03'],
    'clues_verified': ['BLK-01'],
    'surrender_amount': ['BLK-02'],
    'recovery_rate': ['BLK-03'],
    'referral_rate': ['BLK-04'],
    'sanctions': ['ACC-01'],
    'accountability': ['ACC-02'],
    'grey_list_reentry': ['ACC-03'],
}) }}
