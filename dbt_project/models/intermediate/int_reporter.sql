-- 报送机构与承继: each reporter with its type and the institution that carries its business at the run's date. A
-- successor counts once its predecessor is closed; chains are followed to their end (steps bounds a cycle,
-- and a test refuses it).
with recursive succession as (
    select
        org_code as reporter_code,
        org_code as current_code,
        0 as steps
    from {{ source('registry', 'reporters') }}
    union all
    select
        succession.reporter_code,
        heir.org_code as current_code,
        succession.steps + 1 as steps
    from succession
    inner join {{ source('registry', 'reporters') }} as closed
        on succession.current_code = closed.org_code
    inner join {{ source('registry', 'reporters') }} as heir
        on closed.successor_code = heir.org_code
    cross join {{ ref('int_run') }} as run
    where
        succession.steps < 20
        and (closed.closed_on is null or closed.closed_on <= run.as_of_date)
),

heirs as (
    select
        reporter_code,
        current_code,
        steps
    from succession
    qualify row_number() over (partition by reporter_code order by steps desc) = 1
)

select
    reporters.org_code as reporter_code,
    reporters.name,
    reporters.alias,
    reporters.insurer_class,
    reporters.insurer_type,
    reporters.peer_group,
    heirs.current_code,
    heirs.steps as successions
from {{ source('registry', 'reporters') }} as reporters
inner join heirs
    on reporters.org_code = heirs.reporter_code
