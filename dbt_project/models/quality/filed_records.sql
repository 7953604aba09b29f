-- 报送行数: what is in force of each form that is kept by record, per reporter: rows, records (keys), and
-- records of which some state is a deletion. Of a form whose fact is counted by filing, reporters with
-- changed filings are counted again; others are always counted.
{{ config(
    materialized='incremental', incremental_strategy='recount', on_schema_change='fail',
    meta={'replaces': 'recounted_records'}
) }}

{% for form, fact, keys in [
    ('f01', 'int_complaint', ['complaint_id']),
    ('f02', 'int_first_inquiry', ['inquiry_id']),
    ('f03', 'int_mediation', ['mediation_org', 'mediation_id']),
    ('f04', 'int_call_back', ['callback_id']),
    ('f05', 'int_problem_case', ['problem_id']),
    ('f07', 'int_review', ['review_id']),
    ('f08', 'int_training', ['course_id', 'audience']),
    ('f09', 'int_surrender_clue', ['clue_id']),
    ('f10', 'int_sales_action', ['action_id']),
    ('r05', 'int_hotline_call', ['call_id']),
    ('r01', 'int_registered_complaint', ['reg_ref_no']),
] -%}
    select
        '{{ form | upper }}' as form,
        '{{ fact if is_counted_by_filing(fact) }}' as fact,
        records.reporter_code,
        sum(records.n_rows) as n_rows,
        count(*) as n_keys,
        count(*) filter (where records.is_ever_deleted) as n_ever_deleted
    from (
        select
            reporter_code,
            {{ keys | join(', ') }},
            count(*) as n_rows,
            bool_or(record_action = 'D') as is_ever_deleted
        from {{ source('filed', form) }}
        where
            {{ in_force() }}
            and {{ is_of_changed_filer(fact) }}
        group by all
    ) as records
    group by records.reporter_code
    {{ 'union all' if not loop.last }}
{% endfor %}
