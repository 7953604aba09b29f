{#-
Rows of the long measure table from one fact: one pass over `fact`, grouped by month and reporter, undivided
and once per dimension. `amounts` maps a measure id to the expression that is summed; `month` names the
fact's month column. Zero sums are left out: a measure that is absent is zero where a filing is in force,
and unknown where none is.
-#}
{% macro measure_rows(fact, month, amounts, dimensions=[], frequency="'month'") -%}
    select
        measure.measure_id,
        summed.month,
        summed.frequency,
        summed.reporter_code,
        summed.dimension,
        summed.dimension_value,
        case measure.measure_id
            {% for measure_id in amounts -%}
                when '{{ measure_id }}' then summed.{{ measure_id }}
            {% endfor -%}
        end as amount
    from (
        select
            {{ month }} as month,
            {{ frequency }} as frequency,
            reporter_code,
            case
                {% for dimension in dimensions -%}
                    when grouping({{ dimension }}) = 0 then '{{ dimension }}'
                {% endfor -%}
                when true then 'total'
            end as dimension,
            case
                {% for dimension in dimensions -%}
                    when grouping({{ dimension }}) = 0 then {{ dimension }}
                {% endfor -%}
                when true then 'total'
            end as dimension_value,
            {% for measure_id, amount in amounts.items() -%}
                cast(sum({{ amount }}) as decimal(38, 6)) as {{ measure_id }}{{ ',' if not loop.last }}
            {% endfor -%}
        from {{ fact }}
        where {{ month }} is not null
        group by grouping sets (
            ({{ month }}, {{ frequency }}, reporter_code)
            {%- for dimension in dimensions -%}
                , ({{ month }}, {{ frequency }}, reporter_code, {{ dimension }})
            {%- endfor -%}
        )
    ) as summed
    cross join (
        {%- for measure_id in amounts %}
            select '{{ measure_id }}' as measure_id
            {{ 'union all' if not loop.last }}
        {%- endfor %}
    ) as measure
    -- A record without a value of the dimension stands in the total only.
    where summed.dimension_value is not null
{%- endmacro %}

{#- A flag as an amount to sum. -#}
{% macro count_if(condition) -%}
    case when {{ condition }} then 1 else 0 end
{%- endmacro %}
