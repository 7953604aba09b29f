{#-
One row per group and window with a subject's KPIs side by side, for BI: <name>_numerator, _denominator,
_value and _status for each. `kpis` maps a column name to [kpi_id] or [kpi_id, dimension, dimension_value].
Values only, no new arithmetic: everything comes from kpi_values on the current basis.
-#}
{% macro wide_view(kpis) -%}
    {{- config(
        materialized='incremental', incremental_strategy='recount', on_schema_change='fail',
        meta={'replaces': 'recounted_periods'}
    ) -}}
    select
        period_type,
        period,
        grain,
        org_code,
        peer_group,
        insurer_type,
        {% for name, kpi in kpis.items() -%}
            {%- set outer_last = loop.last -%}
            {% for part in ['numerator', 'denominator', 'value', 'status'] -%}
                max(
                    case
                        when kpi_id = '{{ kpi[0] }}' and dimension_value = '{{ kpi[2] or "total" }}'
                            then {{ part }}
                    end
                ) as {{ name }}_{{ part }}{{ ',' if not (outer_last and loop.last) }}
            {% endfor -%}
        {% endfor -%}
    from {{ windowed_values(ref('kpi_values')) }}
    where
        basis = 'current'
        and (kpi_id, dimension) in (
            {% for kpi in kpis.values() -%}
                ('{{ kpi[0] }}', '{{ kpi[1] or "total" }}'){{ ',' if not loop.last }}
            {% endfor -%}
        )
    group by all
    order by period_type, period, grain, insurer_type nulls last, peer_group nulls last, org_code nulls last
{%- endmacro %}
