-- 统计范围: per need of forms, basis, window and group, how many institutions are in scope and how many are
-- complete. In scope: owes every needed form for some month of the window. Complete: every filing owed in it
-- is in force (E7); of quarterly forms that of the window's last quarter, a snapshot. coverage_rule
-- `filed_throughout` needs every quarter, for what is counted by quarter; `owed` is for KPIs about filing
-- itself: in scope with any form owed, never incomplete; `bureau` for figures of the bureau itself out of its
-- registers. A need of the bureau's own register alone is met by the bureau: everybody that owes anything is
-- in scope, complete if the register is in force.
with needs as (
    select
        scope_no,
        forms,
        insurer_classes,
        coverage_rule,
        bool_or(is_base_of_growth) as is_base_of_growth
    from {{ ref('kpi_series') }}
    group by all
),

needed_forms as (
    select
        scope_no,
        coverage_rule,
        is_base_of_growth,
        {{ split_rows('forms') }} as form
    from needs
),

form_calendars as (
    select
        form,
        min(first_month) as first_month,
        max(month) as last_month
    from {{ ref('int_obligation') }}
    group by all
),

calendars as (
    select
        needed_forms.scope_no,
        count(*) as n_forms,
        case
            when needed_forms.coverage_rule = 'owed' then min(form_calendars.first_month)
            when count(form_calendars.form) = count(*) then max(form_calendars.first_month)
        end as first_month,
        case
            when needed_forms.coverage_rule = 'owed' then max(form_calendars.last_month)
            when count(form_calendars.form) = count(*) then min(form_calendars.last_month)
        end as last_month
    from needed_forms
    left join form_calendars
        on needed_forms.form = form_calendars.form
    group by needed_forms.scope_no, needed_forms.coverage_rule
),

-- Quarterly snapshots are needed of the window's last quarter only.
filed as (
    select
        needed_forms.scope_no,
        coverage.basis,
        coverage.org_code,
        coverage.window_id,
        count(*) as n_forms,
        bool_and(
            case
                when coverage.frequency = 'quarter' and needed_forms.coverage_rule <> 'filed_throughout'
                    then coverage.n_in_force_at_end = coverage.n_owed_at_end
                else coverage.n_in_force = coverage.n_owed
            end
        ) as is_in_force
    from needed_forms
    inner join {{ ref('int_coverage') }} as coverage
        on needed_forms.form = coverage.form
    where
        (coverage.basis = 'current' or needed_forms.is_base_of_growth)
        and (
            coverage.frequency = 'month'
            or coverage.n_owed_at_end > 0
            or needed_forms.coverage_rule in ('owed', 'filed_throughout')
        )
    group by all
),

registered as (
    select
        bureau.scope_no,
        bureau.basis,
        coverage.org_code,
        bureau.window_id,
        0 as n_forms,
        true as is_in_force
    from filed as bureau
    inner join calendars
        on
            bureau.scope_no = calendars.scope_no
            and bureau.n_forms = calendars.n_forms
    inner join {{ ref('int_coverage') }} as coverage
        on
            bureau.basis = coverage.basis
            and bureau.window_id = coverage.window_id
    where
        bureau.org_code = '{{ var("supervisor_code") }}'
        and coverage.org_code <> '{{ var("supervisor_code") }}'
    group by all
),

owing as (
    select * from filed
    union all
    select * from registered
),

institutions as (
    select
        needs.scope_no,
        owing.basis,
        owing.window_id,
        institution.reporter_code,
        institution.insurer_type,
        institution.peer_group,
        calendars.first_month = int_window.first_month as starts_calendar,
        needs.coverage_rule = 'owed'
        or (owing.is_in_force and coalesce(bureau.is_in_force, true)) as is_complete
    from owing
    inner join needs
        on owing.scope_no = needs.scope_no
    inner join calendars
        on owing.scope_no = calendars.scope_no
    inner join {{ ref('int_window') }} as int_window
        on
            owing.window_id = int_window.window_id
            and calendars.first_month <= int_window.first_month
            and calendars.last_month >= int_window.last_month
    inner join {{ ref('int_group') }} as institution
        on
            owing.basis = institution.basis
            and owing.window_id = institution.window_id
            and owing.org_code = institution.reporter_code
    -- What the bureau itself owes (its register) is needed of every institution.
    left join filed as bureau
        on
            owing.scope_no = bureau.scope_no
            and owing.basis = bureau.basis
            and owing.window_id = bureau.window_id
            and bureau.org_code = '{{ var("supervisor_code") }}'
    where
        needs.coverage_rule <> 'bureau'
        and {{ lists('needs.insurer_classes', 'institution.insurer_class') }}
        and (needs.coverage_rule = 'owed' or owing.n_forms + coalesce(bureau.n_forms, 0) = calendars.n_forms)
),

parties as (
    select *
    from institutions
    union all
    select
        needs.scope_no,
        bureau.basis,
        bureau.window_id,
        bureau.org_code as reporter_code,
        null as insurer_type,
        null as peer_group,
        calendars.first_month = int_window.first_month as starts_calendar,
        bureau.is_in_force as is_complete
    from filed as bureau
    inner join needs
        on bureau.scope_no = needs.scope_no
    inner join calendars
        on
            bureau.scope_no = calendars.scope_no
            and bureau.n_forms = calendars.n_forms
    inner join {{ ref('int_window') }} as int_window
        on
            bureau.window_id = int_window.window_id
            and calendars.first_month <= int_window.first_month
            and calendars.last_month >= int_window.last_month
    where
        needs.coverage_rule = 'bureau'
        and bureau.org_code = '{{ var("supervisor_code") }}'
)

select
    parties.scope_no,
    parties.basis,
    parties.window_id,
    grains.grain,
    {{ group_key('grains.grain', 'parties') }} as group_key,
    cast(count(*) as integer) as n_in_scope,
    cast(count(*) filter (where parties.is_complete) as integer) as n_complete,
    -- Nothing is known of the time before the window (E2).
    bool_or(parties.starts_calendar) as starts_calendar
from parties
cross join {{ grain_rows() }} as grains
group by all
