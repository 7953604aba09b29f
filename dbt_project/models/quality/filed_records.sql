-- 报送行数: what is in force of each form that is kept by record, per reporter: rows, records (keys), and
-- records of which some state is a deletion. Of a form whose fact is counted by filing, by the period of the
-- filing as well: a row stands with its own, a record with that of its latest state. Of such a form what
-- changed is counted again, of others all.
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
        {{ 'records.filing_period' if is_counted_by_filing(fact) else "''" }} as filing_period,
        sum(records.n_rows) as n_rows,
        sum(records.n_keys) as n_keys,
        sum(records.n_ever_deleted) as n_ever_deleted
    from (
        select
            reporter_code,
            filing_period,
            count(*) as n_rows,
            0 as n_keys,
            0 as n_ever_deleted
        from {{ source('filed', form) }}
        where
            {{ in_force() }}
            and {{ is_of_recounted_filing(fact) }}
        group by reporter_code, filing_period
        union all
        select
            reporter_code,
            filing_period,
            0 as n_rows,
            count(*) as n_keys,
            count(*) filter (where is_ever_deleted) as n_ever_deleted
        from (
            select
                reporter_code,
                {{ keys | join(', ') }},
                max(filing_period) as filing_period,
                bool_or(record_action = 'D') as is_ever_deleted
            from {{ source('filed', form) }}
            where
                {{ in_force() }}
                and {{ is_of_recounted_filing(fact) }}
            group by reporter_code, {{ keys | join(', ') }}
        ) as states
        group by reporter_code, filing_period
    ) as records
    where {{ is_of_recounted_partition(fact, 'records.') }}
    group by all
    {{ 'union all' if not loop.last }}
{% endfor %}
