-- 台账对账: one row per reporter and number of the bureau's register (R01) or of the insurer's ledger (F01),
-- telling in which of the two it stands. The register's organisation is rolled up to the reporter that signs
-- for it; an organisation that rolls up to none keeps its numbers with reporter_code NULL, where a test and
-- row counts show them.
-- The n-th working day of the calendar, and of each day the number of the last one up to it.
with counted_days as (
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
        owner.reporter_code,
        forwarded.reg_ref_no,
        {{ month_of('forwarded.received_on') }} as received_month,
        coalesce(forwarded.forwarded_on <= limits.forward_limit, false) as is_forwarded_in_time,
        {{ month_of('forwarded.forwarded_on') }} as forwarded_month,
        forwarded.reg_validity,
        forwarded.submission_id,
        forwarded.row_no
    from {{ ref('stg_r01') }} as forwarded
    left join {{ ref('int_org_reporter') }} as owner
        on forwarded.org_code = owner.org_code
    left join limits
        on forwarded.received_on = limits.day
),

ledger as (
    -- One number may stand on several complaints of the ledger; it is one number, of its first forwarding
    -- date.
    select
        reporter_code,
        reg_ref_no,
        reg_forward_month,
        submission_id,
        row_no
    from {{ ref('int_complaint') }}
    where reg_ref_no is not null
    qualify row_number() over (
        partition by reporter_code, reg_ref_no
        order by reg_forward_month nulls last, submission_id nulls last, row_no nulls last
    ) = 1
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
    coalesce(register.is_forwarded_in_time, false) as is_forwarded_in_time,
    -- Where the number was filed: in the register, else in the ledger.
    coalesce(register.submission_id, ledger.submission_id) as submission_id,
    case when register.reg_ref_no is not null then register.row_no else ledger.row_no end as row_no
from register
full outer join ledger
    on
        register.reporter_code = ledger.reporter_code
        and register.reg_ref_no = ledger.reg_ref_no
