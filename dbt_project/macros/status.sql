{#-
状态: why a value is missing or to be read with care. Each step sets the flags, status_text joins them in one
order.
-#}

{#- NO_BASE|ZERO_DEN|..., or OK. Of a value whose report is missing nothing else can be said: MISSING. -#}
{% macro status_text(has_break='has_break') -%}
    coalesce(
        case when is_missing then 'MISSING' end,
        nullif(
            concat_ws(
                '|',
                case when has_no_base then 'NO_BASE' end,
                case when has_zero_denominator then 'ZERO_DEN' end,
                case when has_small_base then 'SMALL_BASE' end,
                case when is_immature then 'IMMATURE' end,
                case when is_restated then 'RESTATED' end,
                case when {{ has_break }} then 'BREAK' end,
                case when is_partial then 'PARTIAL' end
            ), ''
        ), 'OK'
    )
{%- endmacro %}

{#- Columns that every step of the chain hands on, in this order, so that steps can be unioned. -#}
{% macro step_columns() -%}
    series_no, basis, window_id, grain, group_key, dimension_value, numerator, denominator, value, unit,
    base_value, base_period, n_reporters, is_missing, has_no_base, has_zero_denominator, has_small_base,
    is_immature, is_restated, has_break, is_partial
{%- endmacro %}

{#-
Code-list changes as (dimension, dimension_value, valid_from, valid_to), of the dimensions whose lists are
versioned.
-#}
{% macro code_changes() -%}
    {%- set dimensions = {
        'CL_REASON': 'reason_l1', 'CL_LINE': 'line_code', 'CL_CHN': 'sales_channel', 'CL_PROB': 'problem_type'
    } -%}
    select
        case list
            {% for list, dimension in dimensions.items() -%}
                when '{{ list }}' then '{{ dimension }}'
            {% endfor -%}
        end as dimension,
        value as dimension_value,
        valid_from,
        valid_to
    from {{ source('reference', 'code_lists') }}
    where list in ('{{ dimensions | join("', '") }}')
{%- endmacro %}

{#-
Whether a value's validity begins or ends inside a span of days (E8). A change on the span's first day
leaves the whole span on one side of it; so does a last day of validity that is the span's last day.
-#}
{% macro crosses(change, first_day, last_day) -%}
    ({{ change }}.valid_from > {{ first_day }} and {{ change }}.valid_from <= {{ last_day }})
    or ({{ change }}.valid_to > {{ first_day }} and {{ change }}.valid_to < {{ last_day }})
{%- endmacro %}
