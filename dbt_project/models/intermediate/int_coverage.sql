-- 报送覆盖: of each form, institution and window, how much was owed and how much is in force. The *_at_end pair
-- looks at the window's last period only: figures of quarterly snapshots are those of its last quarter.
-- The bureau's own registers are no institution's obligation, but figures built on them need them.
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
inner join {{ ref('int_basis') }} as parties
    on obligation.reporter_code = parties.reporter_code
inner join {{ ref('int_window_month') }} as window_month
    on
        obligation.month = window_month.month
        and (obligation.frequency = 'month' or window_month.period_type <> 'month')
group by all
