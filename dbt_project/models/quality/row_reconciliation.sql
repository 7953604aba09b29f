-- 行数对账: what became of every filed row in force, per form that is kept by record: rows = records counted +
-- earlier states of a record + records deleted. `n_unattributed` are records that no institution of the
-- registry answers for; they reach no figure, so they stand here.
with filed as (
    select
        form,
        sum(n_rows) as n_rows_in_force,
        sum(n_keys) as n_keys,
        sum(n_ever_deleted) as n_ever_deleted
    from {{ ref('filed_records') }}
    group by form
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
            coalesce(sum(fact.n_records), 0) as n_records,
            coalesce(sum(
                case
                    when
                        reporter.reporter_code is null
                        and coalesce(fact.reporter_code, '') <> '{{ var("supervisor_code") }}'
                        then fact.n_records
                end
            ), 0) as n_unattributed
        from (
            select
                reporter_code,
                count(*) as n_records
            from {{ ref(fact) }}
            {{ 'where is_in_register' if form == 'R01' }}
            group by reporter_code
        ) as fact
        left join {{ ref('int_reporter') }} as reporter
            on fact.reporter_code = reporter.reporter_code
        {{ 'union all' if not loop.last }}
    {% endfor %}
)

select
    counted.form,
    cast(coalesce(filed.n_rows_in_force, 0) as bigint) as n_rows_in_force,
    cast(counted.n_records as bigint) as n_records,
    cast(coalesce(filed.n_rows_in_force, 0) - coalesce(filed.n_keys, 0) as bigint) as n_earlier_states,
    cast(coalesce(filed.n_keys, 0) - counted.n_records as bigint) as n_deleted,
    cast(coalesce(filed.n_ever_deleted, 0) as bigint) as n_ever_deleted,
    cast(counted.n_unattributed as bigint) as n_unattributed
from counted
left join filed
    on counted.form = filed.form
order by counted.form
