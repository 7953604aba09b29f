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

month_ends as (
    select
        first_month as month,
        last_day
    from {{ ref('int_window') }}
    where period_type = 'month'
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
        sale.submission_no,
        sale.row_no,
        sale.issue_date as active_on
    from agents
    inner join {{ ref('int_agent_sale') }} as sale
        on
            agents.reporter_code = sale.reporter_code
            and agents.agent_code = sale.agent_code
),

-- Of each month of a person at an insurer the latest sign of activity; it is the latest known until the next.
signs as (
    select
        active.*,
        {{ month_of('active.active_on') }} as since_month
    from active
    where active.person_hash in (select listed.person_hash from listed)
    qualify row_number() over (
        partition by active.person_hash, active.reporter_code, {{ month_of('active.active_on') }}
        order by active.active_on desc, active.submission_no desc, active.row_no desc
    ) = 1
),

latest_signs as (
    select
        signs.*,
        lead(signs.since_month) over (
            partition by signs.person_hash, signs.reporter_code order by signs.since_month
        ) as next_month
    from signs
),

seen as (
    select
        month_ends.month,
        month_ends.last_day,
        sign.person_hash,
        sign.reporter_code,
        sign.current_code,
        sign.submission_no,
        sign.row_no,
        sign.active_on
    from latest_signs as sign
    inner join month_ends
        on
            sign.since_month <= month_ends.month
            and coalesce(sign.next_month > month_ends.month, true)
    where exists (
        select 1
        from listed
        where
            listed.person_hash = sign.person_hash
            and listed.current_code <> sign.current_code
            and listed.listed_on < sign.active_on
            and coalesce(listed.valid_until >= month_ends.last_day, true)
            and coalesce(listed.removed_on > month_ends.last_day, true)
    )
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
