-- What an edition changed in the one before it: a line per changed cell, and one per row added or
-- removed. No lines for an edition that restates nothing.
{{ config(schema='kpi', materialized='table', contract={'enforced': true}) }}

{%- set cells = [
    'company_name', 'ratio', 'upheld_complaints', 'question_of_fact_complaints', 'not_upheld_complaints',
    'total_complaints', 'premiums_written_in_millions', 'rank',
] %}

select
    submission_id,
    filing_year,
    naic,
    case when was_row_no is null then 'added' else 'removed' end as change,
    cast(null as {{ text_type() }}) as column_name,
    cast(null as {{ text_type() }}) as old_value,
    cast(null as {{ text_type() }}) as new_value,
    row_no,
    was_row_no
from {{ ref('int_ny_auto_pair') }}
where row_no is null or was_row_no is null
{% for cell in cells -%}
    union all
    select
        submission_id,
        filing_year,
        naic,
        'changed' as change,
        '{{ cell }}' as column_name,
        cast(was_{{ cell }} as {{ text_type() }}) as old_value,
        cast({{ cell }} as {{ text_type() }}) as new_value,
        row_no,
        was_row_no
    from {{ ref('int_ny_auto_pair') }}
    where row_no is not null and was_row_no is not null and {{ cell }} <> was_{{ cell }}
{% endfor %}
