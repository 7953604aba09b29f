-- 台账对账: one row per reporter and number of the bureau's register (R01) or of the insurer's ledger (F01),
-- telling in which of the two it stands. The register's organisation is rolled up to the reporter that signs
-- for it; an organisation that rolls up to none keeps its numbers with reporter_code NULL, where a test and
-- row counts show them.
with recursive climb as (
    select distinct
        org_code,
        org_code as ancestor_code,
        0 as steps
    from {{ ref('stg_r01') }}
    union all
    select
        climb.org_code,
        institution.parent_code as ancestor_code,
        climb.steps + 1 as steps
    from climb
    inner join {{ source('registry', 'institutions') }} as institution
        on climb.ancestor_code = institution.org_code
    where
        climb.steps < 10
        and institution.parent_code is not null
),

owners as (
    select
        climb.org_code,
        climb.ancestor_code as reporter_code
    from climb
    inner join {{ ref('int_reporter') }} as reporter
        on climb.ancestor_code = reporter.reporter_code
    qualify row_number() over (partition by climb.org_code order by climb.steps) = 1
),

-- The n-th working day of the calendar, and of each day the number of the last one up to it.
counted_days as (
    select
        day,
        is_working_day,
        count(case when is_working_day then 1 end) over (
            order by day rows between unbounded preceding and current row
        ) as n_working_days
    from {{ source('reference', 'working_days') }}
),

-- 转送时限: the seventh working day after the day of receipt (令2020年第3号).
limits as (
    select
        counted_days.day,
        nth.day as forward_limit
    from counted_days
    inner join counted_days as nth
        on
            counted_days.n_working_days + 7 = nth.n_working_days
            and nth.is_working_day
),

register as (
    select
        owners.reporter_code,
        forwarded.reg_ref_no,
        {{ month_of('forwarded.received_on') }} as received_month,
        coalesce(forwarded.forwarded_on <= limits.forward_limit, false) as is_forwarded_in_time,
        {{ month_of('forwarded.forwarded_on') }} as forwarded_month,
        forwarded.reg_validity
    from {{ ref('stg_r01') }} as forwarded
    left join owners
        on forwarded.org_code = owners.org_code
    left join limits
        on forwarded.received_on = limits.day
),

ledger as (
    -- One number may stand on several complaints of the ledger; it is one number, of its first forwarding
    -- date.
    select
        reporter_code,
        reg_ref_no,
        min(reg_forward_month) as reg_forward_month
    from {{ ref('int_complaint') }}
    where reg_ref_no is not null
    group by all
)

select
    coalesce(register.reporter_code, ledger.reporter_code) as reporter_code,
    coalesce(register.reg_ref_no, ledger.reg_ref_no) as reg_ref_no,
    case
        when register.reg_ref_no is not null then register.forwarded_month
        else ledger.reg_forward_month
    end as month,
    register.reg_ref_no is not null as is_in_register,
    ledger.reg_ref_no is not null as is_in_ledger,
    coalesce(register.reg_validity = '有效', false) as is_valid,
    register.received_month,
    coalesce(register.is_forwarded_in_time, false) as is_forwarded_in_time
from register
full outer join ledger
    on
        register.reporter_code = ledger.reporter_code
        and register.reg_ref_no = ledger.reg_ref_no
