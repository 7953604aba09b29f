-- 应报义务: what each reporter owed for each form and period, whether a filing is in force, how the first ones
-- came, and whether it was filed again. `month` is the last month of the period: a quarter belongs to windows
-- by its last month. A withdrawal is no filing, and what it took back did not meet the obligation.
with accepted as (
    select
        form,
        period,
        reporter_code,
        min(signed_at) as first_accepted_at,
        bool_or({{ in_force() }}) as is_in_force
    from {{ source('filing', 'submissions') }}
    where
        state in ('accepted', 'partly_accepted', 'superseded', 'withdrawn')
        and kind <> 'WITHDRAW'
        and {{ known('signed_at') }}
    group by all
),

repeated as (
    select
        form,
        period,
        reporter_code
    from {{ source('filing', 'submissions') }}
    where
        sequence_no > 1
        and kind <> 'WITHDRAW'
        and {{ known('signed_at') }}
    group by all
),

firsts as (
    select
        form,
        period,
        reporter_code,
        count(*) as n_first_submissions,
        count(*) filter (where first_pass) as n_first_passed
    from {{ source('filing', 'submissions') }}
    where
        sequence_no = 1
        and {{ known('signed_at') }}
    group by all
)

select
    obligations.form,
    obligations.reporter_code,
    obligations.period,
    case when {{ period_months('obligations.period') }} = 3 then 'quarter' else 'month' end as frequency,
    {{ period_first_month('obligations.period') }} as first_month,
    {{ period_last_month('obligations.period') }} as month,
    obligations.due_date,
    coalesce(accepted.is_in_force, false) as is_in_force,
    {% if var('known_at') -%}
        coalesce(
            accepted.is_in_force and cast(accepted.first_accepted_at as date) <= obligations.due_date, false
        ) as is_on_time,
    {%- else -%}
        obligations.status = 'filed' as is_on_time,
    {%- endif %}
    repeated.form is not null as is_filed_again,
    coalesce(firsts.n_first_submissions, 0) as n_first_submissions,
    coalesce(firsts.n_first_passed, 0) as n_first_passed
from {{ source('filing', 'obligations') }} as obligations
cross join {{ ref('int_run') }} as run
left join accepted
    on
        obligations.form = accepted.form
        and obligations.period = accepted.period
        and obligations.reporter_code = accepted.reporter_code
left join repeated
    on
        obligations.form = repeated.form
        and obligations.period = repeated.period
        and obligations.reporter_code = repeated.reporter_code
left join firsts
    on
        obligations.form = firsts.form
        and obligations.period = firsts.period
        and obligations.reporter_code = firsts.reporter_code
where obligations.due_date <= run.as_of_date
