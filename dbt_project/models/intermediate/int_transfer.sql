-- 业务划转: business that left an institution which went on, or which went to more than one: the giver, the
-- receiver and the day from which the receiver carries it. A line of the institution master that names a
-- successor and no closing day is a transfer on the line's first day. A closing with its one successor is a
-- merger, which the comparable basis maps whole, and is not here; where lines name several successors it is
-- the last part of a split, and is.
with named as (
    select
        line.org_code,
        line.successor_code,
        min(case when line.closed_on is null then line.valid_from end) as transferred_on,
        min(line.closed_on + interval 1 day) as gone_on
    from {{ ref('stg_r03') }} as line
    inner join {{ ref('int_reporter') }} as giver
        on line.org_code = giver.reporter_code
    where line.successor_code is not null
    group by line.org_code, line.successor_code
),

counted as (
    select
        *,
        count(*) over (partition by org_code) as n_successors
    from named
)

select
    org_code as giver_code,
    successor_code as receiver_code,
    cast(coalesce(transferred_on, gone_on) as date) as carried_from,
    n_successors > 1 as is_split
from counted
where
    transferred_on is not null
    or n_successors > 1
