-- 数据截止日: the moment of this run, one row. Cohorts are open or closed by this day, not by the wall clock.
select
    {% if var('known_at') -%}
        cast('{{ var("known_at") }}' as timestamp) as as_of,
        cast('{{ var("known_at") }}' as date) as as_of_date
    {%- else -%}
        as_of,
        cast(as_of as date) as as_of_date
    {%- endif %}
from {{ source('reference', 'run') }}
