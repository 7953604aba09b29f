-- 月度计量: every measure, counted once, by month, reporter and dimension; the one input of all KPIs.
-- seeds/measure_catalogue.csv says what each measure means. `frequency` is the shortest window an amount
-- belongs to: what is filed by quarter enters no single month. `fact` is the model an amount is counted in;
-- of a fact counted by filing each amount also names its partition (macro recounted), NULL else. A measure is
-- the sum of its parts.
{{ config(
    materialized='incremental', incremental_strategy='recount', on_schema_change='fail',
    meta={'replaces': 'recounted_measures'}
) }}
with measured as (
    {{ measure_rows(
        ref('int_complaint'), 'received_month',
        dimensions=['line_code', 'sales_channel', 'reason_l1'],
        amounts={'complaints_valid': count_if('is_valid')},
    ) }}
    union all
    {{ measure_rows(
        ref('int_complaint'), 'received_month',
        amounts={
            'complaints_received': count_if('true'),
            'complaints_valid_own': count_if('is_valid and is_own'),
            'own_complaints_received': count_if('is_own'),
            'own_complaints_linked': count_if('is_own_linked'),
            'complaints_closable': count_if('not is_open_within_limit'),
            'complaints_closed': count_if('is_closed'),
            'complaints_open_within_limit': count_if('is_open_within_limit'),
        },
    ) }}
    union all
    {{ measure_rows(
        ref('int_complaint'), 'received_month',
        dimensions=['line_code'],
        amounts={'matters_valid': "case when is_valid then matter_count else 0 end"},
    ) }}
    union all
    {{ measure_rows(
        ref('int_complaint'), 'received_month',
        dimensions=['escalation'],
        amounts={'complaints_escalated': count_if('is_valid_escalated')},
    ) }}
    union all
    {{ measure_rows(
        ref('int_complaint'), 'received_month',
        amounts={
            'matters_valid_own': "case when is_valid and is_own then matter_count else 0 end",
            'complaints_valid_regulator': count_if('is_valid and is_from_regulator'),
            'complaints_repeated': count_if('is_repeated'),
            'complaints_accommodated': count_if('is_accommodated'),
            'surrender_difference': 'coalesce(surrender_diff_amount, 0)',
            'complaints_demand_unmet': count_if('is_demand_unmet'),
            'complaints_verified': count_if('is_verified'),
            'complaints_changed_on_verification': count_if('is_changed_on_verification'),
        },
    ) }}
    union all
    {{ measure_rows(
        ref('int_complaint'), 'received_month',
        dimensions=['validity'],
        amounts={'complaints_excluded': count_if('is_excluded')},
    ) }}
    union all
    {{ measure_rows(
        ref('int_complaint'), 'due_month',
        amounts={
            'complaints_due': count_if('is_due'),
            'complaints_decided_on_time': count_if('is_decided_on_time'),
            'complaints_not_yet_due': count_if('is_not_yet_due'),
        },
    ) }}
    union all
    {{ measure_rows(
        ref('int_complaint'), 'decision_month',
        amounts={
            'complaints_decided': count_if('true'),
            'decision_days': 'decision_days',
            'mediation_due': count_if('is_mediation_not_offered'),
            'rectifications_due': count_if('is_rectification_due'),
            'rectifications_done': count_if('is_rectified'),
            'rectifications_not_yet_due': count_if('is_rectification_not_yet_due'),
        },
    ) }}
    union all
    {{ measure_rows(
        ref('int_registered_complaint'), 'month',
        amounts={
            'registered_complaints': count_if('is_in_register'),
            'registered_complaints_valid': count_if('is_in_register and is_valid'),
            'ledger_gap': count_if('is_in_register <> is_in_ledger'),
        },
    ) }}
    union all
    {{ measure_rows(
        ref('int_registered_complaint'), 'received_month',
        amounts={
            'register_received': count_if('is_in_register'),
            'register_forwarded_in_time': count_if('is_forwarded_in_time'),
        },
    ) }}
    union all
    {{ measure_rows(
        ref('int_first_inquiry'), 'inquiry_month',
        amounts={
            'inquiries': count_if('true'),
            'inquiries_resolved_at_first': count_if('resolved_at_first'),
            'inquiries_by_sales': count_if('responder_is_sales'),
            'inquiries_escalated': count_if('is_escalated'),
            'inquiries_pre_resolved': count_if('pre_resolved'),
            'inquiries_contact_due': count_if('not is_contact_not_yet_due'),
            'inquiries_contacted_in_time': count_if('is_contacted_in_time'),
            'inquiries_contact_not_yet_due': count_if('is_contact_not_yet_due'),
        },
    ) }}
    union all
    {{ measure_rows(
        ref('int_mediation'), 'apply_month',
        amounts={
            'mediation_cases': count_if('true'),
            'mediation_offered': count_if('should_mediate'),
            'mediation_due': count_if('should_mediate'),
        },
    ) }}
    union all
    {{ measure_rows(
        ref('int_mediation'), 'notified_month',
        amounts={
            'mediation_answered': count_if('is_answered'),
            'mediation_accepted': count_if('is_accepted'),
            'mediation_notified': count_if('is_notified'),
            'mediation_refused_without_reason': count_if('is_refused_without_reason'),
        },
    ) }}
    union all
    {{ measure_rows(
        ref('int_mediation'), 'end_month',
        dimensions=['mediation_org'],
        amounts={
            'mediation_ended': count_if('is_ended'),
            'mediation_successful': count_if('is_ended and is_successful'),
            'mediation_concluded': count_if('true'),
            'mediation_days': 'mediation_days',
        },
    ) }}
    union all
    {{ measure_rows(
        ref('int_mediation'), 'end_month',
        amounts={'institutions_first_success': count_if('is_first_success')},
    ) }}
    union all
    {{ measure_rows(
        ref('int_mediation'), 'fulfil_due_month',
        amounts={
            'agreements_due': count_if('is_fulfilment_due'),
            'agreements_fulfilled_on_time': count_if('is_fulfilled_on_time'),
            'agreements_not_yet_due': count_if('is_fulfilment_not_yet_due'),
        },
    ) }}
    union all
    {{ measure_rows(
        ref('int_call_back'), 'cohort_month',
        dimensions=['sales_channel', 'product_type', 'channel_product'],
        amounts={
            'call_backs_in_cohort': count_if('is_in_cohort'),
            'call_backs_due': count_if('is_due'),
            'call_backs_completed': count_if('is_due_completed'),
            'call_backs_successful': count_if('is_due_successful'),
            'call_backs_successful_in_cooling_off': count_if('is_due_successful_in_cooling_off'),
            'call_backs_not_yet_due': count_if('is_not_yet_due'),
        },
    ) }}
    union all
    {{ measure_rows(
        ref('int_call_back'), 'completed_month',
        dimensions=['sales_channel'],
        amounts={'calls_completed': count_if('true')},
    ) }}
    union all
    {{ measure_rows(
        ref('int_call_back'), 'receipt_month',
        amounts={'letters_answered': count_if('is_by_letter'), 'letters_sent': count_if('is_by_letter')},
    ) }}
    union all
    {{ measure_rows(
        ref('int_call_back_summary'), 'month',
        amounts={
            'summary_due': 'due',
            'summary_completed': 'completed',
            'summary_successful': 'successful',
            'summary_successful_in_cooling_off': 'successful_in_cooling_off',
            'letters_pending': 'receipt_pending',
            'letters_sent': 'receipt_pending',
        },
    ) }}
    union all
    {{ measure_rows(
        ref('int_problem_case'), 'found_month',
        dimensions=['sales_channel', 'problem_type'],
        amounts={'problems_found': count_if('true')},
    ) }}
    union all
    {{ measure_rows(
        ref('int_problem_case'), 'due_month',
        dimensions=['problem_type'],
        amounts={
            'problems_due': count_if('is_due'),
            'problems_due_handled': count_if('is_due_handled'),
            'problems_due_handled_on_time': count_if('is_due_handled_on_time'),
            'problems_not_yet_due': count_if('is_not_yet_due'),
        },
    ) }}
    union all
    {{ measure_rows(
        ref('int_problem_case'), 'handled_month',
        dimensions=['problem_type'],
        amounts={
            'problems_handled': count_if('true'),
            'problems_solved': count_if('is_solved'),
        },
    ) }}
    union all
    {{ measure_rows(
        ref('int_review'), 'required_month', frequency="'quarter'",
        dimensions=['item_type'],
        amounts={
            'reviews_required': count_if('true'),
            'reviews_done': count_if('is_reviewed'),
        },
    ) }}
    union all
    {{ measure_rows(
        ref('int_review'), 'review_month', frequency="'quarter'",
        amounts={
            'review_opinions': 'opinions',
            'review_opinions_adopted': 'opinions_adopted',
        },
    ) }}
    union all
    {{ measure_rows(
        ref('int_training'), 'session_month', frequency="'quarter'",
        amounts={
            'staff_training_expected': 'case when is_for_staff then expected else 0 end',
            'staff_training_attended': 'case when is_for_staff then attended else 0 end',
            'sales_training_expected': 'case when is_for_sales then expected else 0 end',
            'sales_training_attended': 'case when is_for_sales then attended else 0 end',
            'sales_courses': count_if('is_rated_sales_course'),
            'sales_course_rates': 'case when is_rated_sales_course then participation_rate else 0 end',
        },
    ) }}
    union all
    {{ measure_rows(
        ref('int_surrender_clue'), 'found_month',
        amounts={
            'clues_screened': count_if('not is_in_screening'),
            'clues_reported': count_if('is_reported'),
            'clues_in_screening': count_if('is_in_screening'),
        },
    ) }}
    union all
    {{ measure_rows(
        ref('int_surrender_clue'), 'verified_month',
        amounts={
            'clues_verified': count_if('true'),
            'clue_surrender_amount': 'coalesce(surrender_amount, 0)',
            'clue_recovered_amount': 'coalesce(recovered_amount, 0)',
        },
    ) }}
    union all
    {{ measure_rows(
        ref('int_sales_action'), 'action_month',
        dimensions=['action_type'],
        amounts={'sanctions': count_if('is_sanction')},
    ) }}
    union all
    {{ measure_rows(
        ref('int_accountable_complaint'), 'decision_month',
        amounts={
            'accountable_complaints': count_if('is_due'),
            'accountable_complaints_acted_on': count_if('is_due and is_acted_on'),
            'accountable_complaints_not_yet_due': count_if('is_not_yet_due'),
        },
    ) }}
    union all
    {{ measure_rows(
        ref('int_grey_list_return'), 'month',
        amounts={'grey_list_returns': count_if('true')},
    ) }}
    union all
    {{ measure_rows(
        ref('int_hotline_call'), 'called_month',
        dimensions=['call_kind'],
        amounts={
            'hotline_calls': count_if('true'),
            'hotline_calls_answered': count_if('is_answered'),
        },
    ) }}
    union all
    {{ measure_rows(
        ref('int_direct_transfer'), 'transferred_month',
        amounts={
            'transfers': count_if('true'),
            'transfers_answered': count_if('is_answered'),
            'transfers_resolved': count_if('is_resolved'),
            'transfers_mature': count_if('is_mature'),
            'transfers_successful': count_if('is_mature and is_answered and not is_complained_again'),
            'transfers_complained_again': count_if('is_mature and is_complained_again'),
            'transfers_not_yet_mature': count_if('is_not_yet_mature'),
        },
    ) }}
    union all
    {{ measure_rows(
        ref('stg_f15'), 'month', frequency="'quarter'",
        dimensions=['activity_form'],
        amounts={
            'education_sessions': 'sessions',
            'education_reach': 'reach',
        },
    ) }}
    union all
    {{ measure_rows(
        ref('stg_f15'), 'month', frequency="'quarter'",
        amounts={
            'outlets_with_education_area': "case when activity_form = '网点宣教专区' then sites else 0 end",
            'outlets': "case when activity_form = '网点宣教专区' then sites_total else 0 end",
        },
    ) }}
    union all
    {{ measure_rows(
        ref('int_survey_question'), 'surveyed_month', frequency="'quarter'",
        dimensions=['topic'],
        amounts={
            'survey_satisfied': 'case when is_rating then satisfied else 0 end',
            'survey_rating_answers': 'case when is_rating then valid_answers else 0 end',
            'survey_valid_answers': 'valid_answers',
            'survey_issued': 'issued',
        },
    ) }}
    union all
    {{ measure_rows(
        ref('int_survey_choice'), 'surveyed_month', frequency="'quarter'",
        dimensions=['survey_choice'],
        amounts={
            'survey_choice_chosen': 'chosen',
            'survey_choice_answers': 'valid_answers',
        },
    ) }}
    union all
    {{ measure_rows(
        ref('stg_f06'), 'month',
        dimensions=['line_code'],
        amounts={'premium': 'premium'},
    ) }}
    union all
    {{ measure_rows(
        ref('stg_f06'), 'month',
        amounts={
            'policies_new': 'policies_new',
            'policies_in_force': 'policies_in_force',
            'person_times': 'person_times',
        },
    ) }}
    union all
    {{ measure_rows(
        ref('int_departure'), 'apply_month',
        amounts={'orphan_policies': 'orphan_policies', 'orphan_policies_called': 'called'},
    ) }}
    union all
    {{ measure_rows(
        ref('int_departure'), 'effective_month',
        amounts={
            'departures_processed': count_if('true'),
            'departures_called_in_full': count_if('is_called_in_full'),
        },
    ) }}
    union all
    {{ measure_rows(
        ref('stg_f13'), 'month',
        amounts={
            'policies_screened': 'screened',
            'risk_policies_cleared': 'risk_cleared',
            'screening_pre_resolved': 'pre_resolved',
        },
    ) }}
    union all
    {{ measure_rows(
        ref('stg_f11'), 'month', frequency="'quarter'",
        amounts={
            'institutions_described': count_if('true'),
            'institutions_with_ledger': count_if('fi_ledger'),
            'institutions_with_rules': count_if('fi_rules'),
            'institutions_covering_sales': count_if('fi_sales_covered'),
            'institutions_in_pilot': count_if('fi_pilot'),
            'institutions_weighing_protection': count_if('cp_weight_pct >= 5'),
            'institutions_weighing_inquiries': count_if('fi_weight_pct is not null'),
            'inquiry_weight': 'coalesce(fi_weight_pct, 0)',
        },
    ) }}
    union all
    {{ measure_rows(
        ref('int_evaluation'), 'month', frequency="'quarter'",
        amounts={
            'evaluation_points': 'points',
            'evaluations': count_if('true'),
        },
    ) }}
    union all
    {{ measure_rows(
        ref('int_obligation'), 'month', frequency='frequency',
        dimensions=['form'],
        amounts={
            'filings_owed': count_if('true'),
            'filings_on_time': count_if('is_on_time'),
            'first_submissions': 'n_first_submissions',
            'first_submissions_passed': 'n_first_passed',
            'filings_accepted': count_if('is_in_force'),
            'filings_filed_again': count_if('is_in_force and is_filed_again'),
        },
    ) }}
)

select
    fact,
    filed_by,
    filing_period,
    measure_id,
    month,
    frequency,
    reporter_code,
    dimension,
    dimension_value,
    amount
from measured
where amount <> 0
