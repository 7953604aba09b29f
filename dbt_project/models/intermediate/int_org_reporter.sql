-- 机构归属: the reporter that signs for each organisation of the institution master: itself, or the nearest
-- above it. What the bureau registers under a branch counts for that reporter.
with recursive climb as (
    select distinct
        org_code,
        org_code as ancestor_code,
        0 as steps
    from {{ ref('stg_r03') }}
    union all
    select
        climb.org_code,
        institution.parent_code as ancestor_code,
        climb.steps + 1 as steps
    from climb
    inner join {{ ref('stg_r03') }} as institution
        on climb.ancestor_code = institution.org_code
    where
        climb.steps < 10
        and institution.parent_code is not null
)

select
    climb.org_code,
    climb.ancestor_code as reporter_code
from climb
inner join {{ ref('int_reporter') }} as reporter
    on climb.ancestor_code = reporter.reporter_code
qualify row_number() over (partition by climb.org_code order by climb.steps) = 1
