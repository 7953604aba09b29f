-- 行数对账: what became of every filed row in force: records counted, earlier states of them, records deleted.
-- `n_unattributed` are records that no institution of the registry answers for; they reach no figure, so
-- they stand here.
with states as (
    {% for form, keys in {
        'f01': ['complaint_id'],
        'f02': ['inquiry_id'],
        'f03': ['mediation_org', 'mediation_id'],
        'f04': ['callback_id'],
        'f05': ['problem_id'],
        'f06': [],
        'f11': [],
        'r01': ['reg_ref_no'],
    }.items() -%}
        select
            '{{ form | upper }}' as form,
            reporter_code,
            record_action,
            {% if keys -%}
                row_number() over (
                    partition by reporter_code, {{ keys | join(', ') }}
                    order by filing_period desc, submission_no desc, row_no desc
                ) as state_no
            {%- else -%}
                1 as state_no
            {%- endif %}
        from {{ source('filed', form) }}
        where {{ in_force() }}
        {{ 'union all' if not loop.last }}
    {% endfor %}
),

counted as (
    select
        states.form,
        count(*) as n_rows_in_force,
        count(*) filter (where states.state_no = 1 and states.record_action <> 'D') as n_records,
        count(*) filter (where states.state_no > 1) as n_earlier_states,
        count(*) filter (where states.state_no = 1 and states.record_action = 'D') as n_deleted,
        count(*) filter (
            where states.state_no = 1
            and states.record_action <> 'D'
            and states.form <> 'R01'
            and reporter.reporter_code is null
        ) as n_unattributed
    from states
    left join {{ ref('int_reporter') }} as reporter
        on states.reporter_code = reporter.reporter_code
    group by states.form
),

register as (
    select count(*) as n_unattributed
    from {{ ref('int_registered_complaint') }}
    where reporter_code is null
)

select
    counted.form,
    cast(counted.n_rows_in_force as bigint) as n_rows_in_force,
    cast(counted.n_records as bigint) as n_records,
    cast(counted.n_earlier_states as bigint) as n_earlier_states,
    cast(counted.n_deleted as bigint) as n_deleted,
    cast(
        case when counted.form = 'R01' then register.n_unattributed else counted.n_unattributed end as bigint
    ) as n_unattributed
from counted
cross join register
order by counted.form
