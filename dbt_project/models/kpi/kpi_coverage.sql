-- 报送覆盖: of each form, window and group, how many filings and institutions were expected, are in force, are
-- missing. Printed beside every figure: an institution without a filing is left out of it, never counted as
-- zero (E7).
with calendars as (
    select
        form,
        min(first_month) as first_month,
        max(month) as last_month
    from {{ ref('int_obligation') }}
    group by all
),

institutions as (
    select
        coverage.form,
        int_window.period_type,
        int_window.period,
        coverage.org_code,
        institution.insurer_type,
        institution.peer_group,
        coverage.n_owed,
        coverage.n_in_force,
        coverage.n_in_force = coverage.n_owed as is_complete
    from {{ ref('int_coverage') }} as coverage
    inner join {{ ref('int_window') }} as int_window
        on
            coverage.window_id = int_window.window_id
    inner join calendars
        on
            coverage.form = calendars.form
            and int_window.first_month >= calendars.first_month
            and int_window.last_month <= calendars.last_month
    left join {{ ref('int_group') }} as institution
        on
            coverage.basis = institution.basis
            and coverage.window_id = institution.window_id
            and coverage.org_code = institution.reporter_code
    where coverage.basis = 'current'
)

select
    institutions.form,
    institutions.period_type,
    institutions.period,
    grains.grain,
    case when grains.grain = 'insurer' then institutions.org_code end as org_code,
    case when grains.grain in ('insurer', 'peer_group') then institutions.peer_group end as peer_group,
    case when grains.grain in ('insurer', 'insurer_type') then institutions.insurer_type end as insurer_type,
    cast(sum(institutions.n_owed) as integer) as filings_expected,
    cast(sum(institutions.n_in_force) as integer) as filings_in_force,
    cast(sum(institutions.n_owed - institutions.n_in_force) as integer) as filings_missing,
    cast(count(*) as integer) as institutions_expected,
    cast(count(*) filter (where institutions.is_complete) as integer) as institutions_complete,
    cast(count(*) filter (where not institutions.is_complete) as integer) as institutions_missing
from institutions
-- The bureau's own register has no institution: it stands at the bureau's grain only.
inner join {{ grain_rows() }} as grains
    on grains.grain = 'bureau' or institutions.insurer_type is not null
group by all
order by
    institutions.form,
    institutions.period_type,
    institutions.period,
    grains.grain,
    insurer_type nulls last,
    peer_group nulls last,
    org_code nulls last
