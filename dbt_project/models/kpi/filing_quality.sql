-- 报送质量宽表: on-time, first-pass and resubmission side by side, one row per group, window and form; form
-- NULL is all forms together.
select
    period_type,
    period,
    grain,
    org_code,
    peer_group,
    insurer_type,
    case when dimension = 'form' then dimension_value end as form,
    {% for name, kpi_id in {'on_time': 'DQ-01', 'first_pass': 'DQ-02', 'filed_again': 'DQ-03'}.items() -%}
        {%- set outer_last = loop.last -%}
        {% for part in ['numerator', 'denominator', 'value', 'status'] -%}
            max(case when kpi_id = '{{ kpi_id }}' then {{ part }} end)
                as {{ name }}_{{ part }}{{ ',' if not (outer_last and loop.last) }}
        {% endfor -%}
    {% endfor -%}
from {{ ref('kpi_values') }}
where
    basis = 'current'
    and kpi_id in ('DQ-01', 'DQ-02', 'DQ-03')
    and dimension in ('total', 'form')
group by all
order by
    period_type,
    period,
    grain,
    insurer_type nulls last,
    peer_group nulls last,
    org_code nulls last,
    form nulls first
