-- 报送覆盖: of each form, institution and window, how much was owed and how much is in force. The *_at_end pair
-- looks at the window's last period only: figures of quarterly snapshots are those of its last quarter.
with parties as (
    select
        basis,
        reporter_code,
        org_code
    from {{ ref('int_basis') }}
    union all
    -- The bureau's own register is no institution's obligation, but figures built on it need it.
    select distinct
        int_basis.basis,
        '{{ var("supervisor_code") }}' as reporter_code,
        '{{ var("supervisor_code") }}' as org_code
    from {{ ref('int_basis') }} as int_basis
)

select
    parties.basis,
    parties.org_code,
    obligation.form,
    obligation.frequency,
    window_month.window_id,
    cast(count(*) as integer) as n_owed,
    cast(count(*) filter (where obligation.is_in_force) as integer) as n_in_force,
    cast(count(*) filter (where window_month.is_last_month) as integer) as n_owed_at_end,
    cast(
        count(*) filter (where window_month.is_last_month and obligation.is_in_force) as integer
    ) as n_in_force_at_end
from {{ ref('int_obligation') }} as obligation
inner join parties
    on obligation.reporter_code = parties.reporter_code
inner join {{ ref('int_window_month') }} as window_month
    on
        obligation.month = window_month.month
        and (obligation.frequency = 'month' or window_month.period_type <> 'month')
group by all
