-- 更正用时: natural days from the first version of an obligation with an error (refused or accepted in part)
-- to the first later one without, by form and period (period NULL: all). Obligations not yet corrected are
-- counted beside the median, never inside it.
with versions as (
    select
        submissions.form,
        submissions.period,
        submissions.reporter_code,
        submissions.sequence_no,
        submissions.signed_at,
        submissions.first_pass
        and submissions.sys_from is not null
        and {{ known('submissions.sys_from') }} as is_sound,
        min(case when not submissions.first_pass then submissions.sequence_no end) over obligation
            as first_wrong_no
    from {{ source('filing', 'submissions') }} as submissions
    inner join {{ source('filing', 'obligations') }} as obligations
        on
            submissions.form = obligations.form
            and submissions.period = obligations.period
            and submissions.reporter_code = obligations.reporter_code
    where
        submissions.first_pass is not null
        and submissions.kind <> 'WITHDRAW'
        and {{ known('submissions.signed_at') }}
    window obligation as (
        partition by submissions.form, submissions.period, submissions.reporter_code
    )
),

corrections as (
    select
        form,
        period,
        reporter_code,
        date_diff(
            'day',
            cast(min(case when sequence_no = first_wrong_no then signed_at end) as date),
            cast(min(case when sequence_no > first_wrong_no and is_sound then signed_at end) as date)
        ) as days
    from versions
    where first_wrong_no is not null
    group by all
),

spread as (
    select
        form,
        period,
        reporter_code,
        days
    from corrections
    union all
    select
        form,
        cast(null as {{ text_type() }}) as period,
        reporter_code,
        days
    from corrections
),

grouped as (
    select
        spread.form,
        spread.period,
        grains.grain,
        case when grains.grain = 'insurer' then reporter.reporter_code end as org_code,
        case when grains.grain in ('insurer', 'peer_group') then reporter.peer_group end as peer_group,
        case when grains.grain in ('insurer', 'insurer_type') then reporter.insurer_type end as insurer_type,
        spread.days
    from spread
    inner join {{ ref('int_reporter') }} as reporter
        on spread.reporter_code = reporter.reporter_code
    cross join {{ grain_rows() }} as grains
),

ordered as (
    select
        *,
        row_number() over (
            partition by form, period, grain, org_code, peer_group, insurer_type order by days nulls last
        ) as position_no,
        count(days) over (partition by form, period, grain, org_code, peer_group, insurer_type) as n_positions
    from grouped
)

select
    form,
    period,
    grain,
    org_code,
    peer_group,
    insurer_type,
    cast(count(*) as integer) as obligations_with_error,
    cast(count(days) as integer) as corrected,
    cast(count(*) - count(days) as integer) as not_corrected,
    cast({{ quartile('days', 2) }} as decimal(18, 2)) as median_days,
    cast(max(days) as integer) as longest_days
from ordered
group by all
order by
    form,
    period nulls first,
    grain,
    insurer_type nulls last,
    peer_group nulls last,
    org_code nulls last
