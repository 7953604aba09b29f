-- 机构沿革: what each reporter was from when until when: class, type, group and name, one row per line of the
-- institution master (a slowly changing dimension). The first line also holds before its day, the last
-- one is open, each ends where the next begins. Opening, closing and successor are those of the newest
-- line: they are facts about the institution, not about a time.
with known as (
    select distinct org_code
    from {{ ref('stg_r03') }}
),

reporters as (
    select institution.*
    from {{ ref('stg_r03') }} as institution
    left join known as parent
        on institution.parent_code = parent.org_code
    where parent.org_code is null
),

lines as (
    select
        *,
        row_number() over (partition by org_code order by valid_from) as line_no,
        row_number() over (partition by org_code order by valid_from desc) as lines_after,
        lead(valid_from) over (partition by org_code order by valid_from) as next_from
    from reporters
)

select
    line.org_code as reporter_code,
    line.name,
    line.alias,
    line.insurer_class,
    insurer_type.insurer_type,
    line.peer_group,
    newest.opened_on,
    newest.closed_on,
    newest.successor_code,
    case when line.line_no > 1 then line.valid_from end as valid_from,
    line.next_from as valid_to,
    line.lines_after = 1 as is_newest
from lines as line
inner join lines as newest
    on
        line.org_code = newest.org_code
        and newest.lines_after = 1
left join {{ source('registry', 'insurer_types') }} as insurer_type
    on line.insurer_class = insurer_type.insurer_class
