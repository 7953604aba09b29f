-- 英国机构投诉: the three sheets by product group, from one column a group to one row a group; cells the firm
-- left empty make no row. `measure` is opened, closed or upheld_share.
{{ config(schema='staging', materialized='view') }}

{%- set sheets = {'uk01': 'opened', 'uk02': 'closed', 'uk03': 'upheld_share'} %}
{%- set groups = ['banking', 'decumulation', 'home_finance', 'insurance', 'investments'] %}

{% for form, measure in sheets.items() -%}
    {% set outer = loop -%}
    {% for product_group in groups -%}
        select
            period,
            firm_name,
            firm_group,
            reporting_period,
            '{{ product_group }}' as product_group,
            '{{ measure }}' as measure,
            cast({{ product_group }} as decimal(38, 20)) as amount,
            submission_id,
            row_no
        from {{ source('filed', form) }}
        where {{ in_force() }} and {{ product_group }} is not null
        {{ 'union all' if not (loop.last and outer.last) }}
    {% endfor %}
{% endfor %}
