-- 报送机构与承继: each reporter as it is at the run's date, with the institution that carries its business then.
-- A successor counts once its predecessor is closed, or once its business has been handed over (a
-- successor without a closing day); chains are followed to their end (steps bounds a cycle, and a test
-- refuses it). What an institution was in earlier windows stands in int_group.
with recursive present as (
    select licence.*
    from {{ ref('int_licence') }} as licence
    cross join {{ ref('int_run') }} as run
    where
        (licence.valid_from is null or licence.valid_from <= run.as_of_date)
        and (licence.valid_to is null or licence.valid_to > run.as_of_date)
),

succession as (
    select
        reporter_code,
        reporter_code as current_code,
        0 as steps
    from present
    union all
    select
        succession.reporter_code,
        heir.reporter_code as current_code,
        succession.steps + 1 as steps
    from succession
    inner join present as closed
        on succession.current_code = closed.reporter_code
    inner join present as heir
        on closed.successor_code = heir.reporter_code
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
    present.reporter_code,
    present.name,
    present.alias,
    present.insurer_class,
    present.insurer_type,
    present.peer_group,
    heirs.current_code,
    heirs.steps as successions
from present
inner join heirs
    on present.reporter_code = heirs.reporter_code
