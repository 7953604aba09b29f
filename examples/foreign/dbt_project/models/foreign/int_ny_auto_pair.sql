-- Each edition beside the one before it, row by row: insurer and filing year name a row, the n-th row of
-- a name stands beside the n-th. `was_` is the earlier edition's cell.
{{ config(schema='intermediate', materialized='table') }}

{%- set cells = [
    'company_name', 'ratio', 'upheld_complaints', 'question_of_fact_complaints', 'not_upheld_complaints',
    'total_complaints', 'premiums_written_in_millions', 'rank',
] %}

with editions as (
    select
        submission_id,
        sys_from,
        row_number() over (order by sys_from, submission_id) as edition_no
    from (
        select distinct
            submission_id,
            sys_from
        from {{ source('filed', 'ny01') }}
        where {{ known('sys_from') }}
    ) as accepted
),

numbered as (
    select
        e.edition_no,
        e.submission_id,
        f.filing_year,
        f.naic,
        row_number() over (
            partition by e.edition_no, f.filing_year, f.naic order by f.rank, f.row_no
        ) as copy_no,
        {%- for cell in cells %}
            f.{{ cell }},
        {%- endfor %}
        f.row_no
    from {{ source('filed', 'ny01') }} as f
    inner join editions as e on f.submission_id = e.submission_id
),

earlier as (
    select
        e.submission_id as later_id,
        n.*
    from numbered as n
    inner join editions as e on n.edition_no + 1 = e.edition_no
),

later as (
    select n.*
    from numbered as n
    where n.edition_no > 1
)

select
    coalesce(l.submission_id, e.later_id) as submission_id,
    coalesce(l.filing_year, e.filing_year) as filing_year,
    coalesce(l.naic, e.naic) as naic,
    coalesce(l.copy_no, e.copy_no) as copy_no,
    e.submission_id as against_submission_id,
    l.row_no,
    e.row_no as was_row_no,
{% for cell in cells -%}
    l.{{ cell }},
    e.{{ cell }} as was_{{ cell }}{{ ',' if not loop.last }}
{% endfor %}
from later as l
full outer join earlier as e
    on
        l.submission_id = e.later_id
        and l.filing_year = e.filing_year
        and l.naic = e.naic
        and l.copy_no = e.copy_no
