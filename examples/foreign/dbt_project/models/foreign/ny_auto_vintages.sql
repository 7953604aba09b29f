-- An edition against the one before it, by filing year: how many rows it adds, takes away, changes and
-- leaves, and both editions' complaints.
{{ config(schema='kpi', materialized='table', contract={'enforced': true}) }}

with changed as (
    select distinct
        submission_id,
        row_no
    from {{ ref('ny_auto_revisions') }}
    where change = 'changed'
)

select
    p.submission_id,
    p.filing_year,
    count(*) - count(p.was_row_no) as rows_added,
    count(*) - count(p.row_no) as rows_removed,
    count(c.row_no) as rows_changed,
    sum(case when p.row_no is not null and p.was_row_no is not null and c.row_no is null then 1 else 0 end)
        as rows_unchanged,
    cast(sum(p.total_complaints) as bigint) as total_complaints,
    cast(sum(p.was_total_complaints) as bigint) as was_total_complaints
from {{ ref('int_ny_auto_pair') }} as p
left join changed as c on p.submission_id = c.submission_id and p.row_no = c.row_no
group by p.submission_id, p.filing_year
