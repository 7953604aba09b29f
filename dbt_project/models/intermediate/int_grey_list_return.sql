-- 灰名单再入职: per month, the persons who stand on one insurer's grey list on its last day and are active at
-- another. No form says where a person works, so activity is read from what the other insurer files
-- after the entry: an action of its own on the person (F10, neither 解除合同 nor 移出灰名单), or a policy sold
-- under an agent code which its own F10 names for the person (F04.issue_date). It ends with that
-- insurer's 解除合同, or with the departure of such an agent code (F12.effective_date). A person of whom the
-- other insurer has never filed F10 cannot be seen. Merged insurers are one. A person active at several is
-- counted once, at the first of them by code. The address is that of the latest sign of activity there.
with actions as (
    select
        sales_action.*,
        reporter.current_code
    from {{ ref('int_sales_action') }} as sales_action
    inner join {{ ref('int_reporter') }} as reporter
        on sales_action.reporter_code = reporter.reporter_code
),

removals as (
    select
        current_code,
        person_hash,
        action_date
    from actions
    where action_type = '移出灰名单'
),

listed as (
    select
        entry.current_code,
        entry.person_hash,
        entry.action_date as listed_on,
        listing.valid_until,
        min(removal.action_date) as removed_on
    from actions as entry
    inner join {{ ref('stg_f10') }} as listing
        on
            entry.reporter_code = listing.reporter_code
            and entry.action_id = listing.action_id
    left join removals as removal
        on
            entry.current_code = removal.current_code
            and entry.person_hash = removal.person_hash
            and entry.action_date <= removal.action_date
    where entry.action_type = '列入灰名单'
    group by all
),

agents as (
    select distinct
        reporter_code,
        current_code,
        person_hash,
        agent_code
    from actions
),

departures as (
    select
        current_code,
        person_hash,
        action_date as left_on
    from actions
    where action_type = '解除合同'
    union all
    select
        agents.current_code,
        agents.person_hash,
        departure.effective_date as left_on
    from agents
    inner join {{ ref('stg_f12') }} as departure
        on
            agents.reporter_code = departure.reporter_code
            and agents.agent_code = departure.agent_code
    where departure.effective_date is not null
),

active as (
    select
        reporter_code,
        current_code,
        person_hash,
        submission_no,
        row_no,
        action_date as active_on
    from actions
    where action_type not in ('解除合同', '移出灰名单')
    union all
    select
        agents.reporter_code,
        agents.current_code,
        agents.person_hash,
        call_back.submission_no,
        call_back.row_no,
        call_back.issue_date as active_on
    from agents
    inner join {{ ref('int_call_back') }} as call_back
        on
            agents.reporter_code = call_back.reporter_code
            and agents.agent_code = call_back.agent_code
),

month_ends as (
    select
        first_month as month,
        last_day
    from {{ ref('int_window') }}
    where period_type = 'month'
),

-- The latest sign of activity until a month's end, in each month and at each insurer.
seen as (
    select
        month_ends.month,
        month_ends.last_day,
        listed.person_hash,
        active.reporter_code,
        active.current_code,
        active.submission_no,
        active.row_no,
        active.active_on
    from listed
    inner join active
        on
            listed.person_hash = active.person_hash
            and listed.current_code <> active.current_code
            and listed.listed_on < active.active_on
    inner join month_ends
        on
            active.active_on <= month_ends.last_day
            and coalesce(listed.valid_until >= month_ends.last_day, true)
            and coalesce(listed.removed_on > month_ends.last_day, true)
    qualify row_number() over (
        partition by month_ends.month, listed.person_hash, active.reporter_code
        order by active.active_on desc, active.submission_no desc, active.row_no desc
    ) = 1
)

select
    seen.month,
    seen.person_hash,
    seen.reporter_code,
    seen.submission_no,
    seen.row_no
from seen
left join departures as departure
    on
        seen.current_code = departure.current_code
        and seen.person_hash = departure.person_hash
        and seen.active_on <= departure.left_on
        and seen.last_day >= departure.left_on
where departure.person_hash is null
qualify row_number() over (partition by seen.month, seen.person_hash order by seen.reporter_code) = 1
