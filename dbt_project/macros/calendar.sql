{#- Month arithmetic and period labels. A month is the DATE of its first day. -#}

{% macro text_type() -%}
    {{ 'string' if target.type == 'spark' else 'varchar' }}
{%- endmacro %}

{#- Whole days from one date or timestamp to another, by the calendar and not by the clock. -#}
{% macro days_between(earlier, later) -%}
    {%- if target.type == 'spark' -%}
        datediff(cast({{ later }} as date), cast({{ earlier }} as date))
    {%- else -%}
        (cast({{ later }} as date) - cast({{ earlier }} as date))
    {%- endif -%}
{%- endmacro %}

{#- The DATE `days` after a date or timestamp. -#}
{% macro day_after(day, days) -%}
    {%- if target.type == 'spark' -%}
        date_add(cast({{ day }} as date), {{ days }})
    {%- else -%}
        (cast({{ day }} as date) + {{ days }})
    {%- endif -%}
{%- endmacro %}

{% macro month_of(moment) -%}
    cast(date_trunc('month', {{ moment }}) as date)
{%- endmacro %}

{#- The DATE `months` after (before, if negative) a first of a month. -#}
{% macro add_months(first_day, months) -%}
    {%- if target.type == 'spark' -%}
        add_months({{ first_day }}, cast({{ months }} as int))
    {%- else -%}
        cast({{ first_day }} + to_months(cast({{ months }} as integer)) as date)
    {%- endif -%}
{%- endmacro %}

{#- '2025-03' of a month. -#}
{% macro month_label(month) -%}
    substr(cast({{ month }} as {{ text_type() }}), 1, 7)
{%- endmacro %}

{#- Label of the window of `period_type` that ends with `last_month`: 2025-03, 2025Q1, 2025H1, 2025. -#}
{% macro period_label(period_type, last_month) -%}
    case {{ period_type }}
        when 'quarter'
            then substr(cast({{ last_month }} as {{ text_type() }}), 1, 4)
                || 'Q' || cast(extract(quarter from {{ last_month }}) as {{ text_type() }})
        when 'half_year'
            then substr(cast({{ last_month }} as {{ text_type() }}), 1, 4)
                || case when extract(month from {{ last_month }}) <= 6 then 'H1' else 'H2' end
        when 'year' then substr(cast({{ last_month }} as {{ text_type() }}), 1, 4)
        else {{ month_label(last_month) }}
    end
{%- endmacro %}

{#-
Number of the window of `period_type` that ends with `last_month`: the kind, then year and month (3202412 is
2024H2). Joins inside the project use it; readers see period_type and period.
-#}
{% macro window_id(period_type, last_month) -%}
    cast(
        case {{ period_type }}
            when 'month' then 1000000
            when 'quarter' then 2000000
            when 'half_year' then 3000000
            when 'year' then 4000000
            else 5000000
        end
        + extract(year from {{ last_month }}) * 100
        + extract(month from {{ last_month }}) as integer
    )
{%- endmacro %}

{#- First month of a filing period's label (2025-03 or 2025Q1). -#}
{% macro period_first_month(period) -%}
    cast(
        case
            when substr({{ period }}, 5, 1) = 'Q'
                then substr({{ period }}, 1, 4)
                    || case substr({{ period }}, 6, 1)
                        when '1' then '-01'
                        when '2' then '-04'
                        when '3' then '-07'
                        else '-10'
                    end
            else {{ period }}
        end || '-01' as date
    )
{%- endmacro %}

{#- Months that a filing period's label covers. -#}
{% macro period_months(period) -%}
    case when substr({{ period }}, 5, 1) = 'Q' then 3 else 1 end
{%- endmacro %}

{#- Last month of a filing period's label: a quarter counts in windows by its last month. -#}
{% macro period_last_month(period) -%}
    {{ add_months(period_first_month(period), period_months(period) ~ ' - 1') }}
{%- endmacro %}
