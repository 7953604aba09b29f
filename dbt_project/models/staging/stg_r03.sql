-- 机构主数据: the lines of the institution master known at the asked moment, one row per institution and
-- interval of validity (valid_to is the first day no longer valid). Every filing of the master is whole:
-- that of the latest period in force counts. A table, for models that climb from institution to institution
-- read it in every step: a view is asked anew each time, and DuckDB 1.5.5 dies of an aggregate there.
{{ config(materialized='table') }}
with known as (
    select
        org_code,
        parent_code,
        legal_code,
        name,
        alias,
        insurer_class,
        region_code,
        peer_group,
        opened_on,
        closed_on,
        successor_code,
        valid_from,
        valid_to,
        filing_period,
        submission_id,
        row_no,
        sys_from
    from {{ source('filed', 'r03') }}
    where
        {{ in_force() }}
        and record_action <> 'D'
),

newest as (
    select max(filing_period) as filing_period from known
)

select known.*
from known
inner join newest
    on known.filing_period = newest.filing_period
