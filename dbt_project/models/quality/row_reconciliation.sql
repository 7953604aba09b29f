-- 行数对账: what became of every filed row in force, per form that is kept by record: rows = records counted +
-- earlier states of a record + records deleted. `n_unattributed` are records that no institution of the
-- registry answers for; they reach no figure, so they stand here.
with filed as (
    {% for form, keys in {
        'f01': ['complaint_id'],
        'f02': ['inquiry_id'],
        'f03': ['mediation_org', 'mediation_id'],
        'f04': ['callback_id'],
        'f05': ['problem_id'],
        'f07': ['review_id'],
        'f08': ['course_id', 'audience'],
        'f09': ['clue_id'],
        'f10': ['action_id'],
        'r05': ['call_id'],
        'r01': ['reg_ref_no'],
    }.items() -%}
        select
            '{{ form | upper }}' as form,
            sum(n_rows) as n_rows_in_force,
            count(*) as n_keys,
            count(*) filter (where is_ever_deleted) as n_ever_deleted
        from (
            select
                reporter_code,
                {{ keys | join(', ') }},
                count(*) as n_rows,
                bool_or(record_action = 'D') as is_ever_deleted
            from {{ source('filed', form) }}
            where {{ in_force() }}
            group by all
        ) as records
        {{ 'union all' if not loop.last }}
    {% endfor %}
),

counted as (
    {% for form, fact in {
        'F01': 'int_complaint',
        'F02': 'int_first_inquiry',
        'F03': 'int_mediation',
        'F04': 'int_call_back',
        'F05': 'int_problem_case',
        'F07': 'int_review',
        'F08': 'int_training',
        'F09': 'int_surrender_clue',
        'F10': 'int_sales_action',
        'R05': 'int_hotline_call',
        'R01': 'int_registered_complaint',
    }.items() -%}
        select
            '{{ form }}' as form,
            count(*) as n_records,
            count(*) filter (
                where reporter.reporter_code is null
                and coalesce(fact.reporter_code, '') <> '{{ var("supervisor_code") }}'
            ) as n_unattributed
        from {{ ref(fact) }} as fact
        left join {{ ref('int_reporter') }} as reporter
            on fact.reporter_code = reporter.reporter_code
        {{ 'where fact.is_in_register' if form == 'R01' }}
        {{ 'union all' if not loop.last }}
    {% endfor %}
)

select
    filed.form,
    cast(coalesce(filed.n_rows_in_force, 0) as bigint) as n_rows_in_force,
    cast(counted.n_records as bigint) as n_records,
    cast(coalesce(filed.n_rows_in_force, 0) - filed.n_keys as bigint) as n_earlier_states,
    cast(filed.n_keys - counted.n_records as bigint) as n_deleted,
    cast(filed.n_ever_deleted as bigint) as n_ever_deleted,
    cast(counted.n_unattributed as bigint) as n_unattributed
from filed
inner join counted
    on filed.form = counted.form
order by filed.form
