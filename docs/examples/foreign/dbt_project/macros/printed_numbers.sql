{#-
A printed number stands for every number that rounds to it. These macros say how many decimals it shows and how far it
may lie from what it was rounded from; zeros at the end are not counted, because CSV exports drop them.
-#}

{#- Decimals of a DECIMAL as it was printed: those up to the last digit that is not 0. -#}
{% macro shown_decimals(amount) -%}
    length(regexp_replace(split_part(cast({{ amount }} as {{ text_type() }}), '.', 2), '0+$', ''))
{%- endmacro %}

{#- Half a unit of the last printed decimal, for 0 to 9 decimals. -#}
{% macro half_unit(decimals) -%}
    cast(
        case {{ decimals }}
            {% for places in range(10) -%}
            when {{ places }} then 0.{{ '0' * places }}5
            {% endfor -%}
        end as decimal(11, 10)
    )
{%- endmacro %}

{#- A text such as `2022-01-01 to 2022-06-30` as its first or last day. -#}
{% macro first_day(days) -%}
    cast(substr({{ days }}, 1, 10) as date)
{%- endmacro %}

{% macro last_day_of(days) -%}
    cast(substr({{ days }}, 15, 10) as date)
{%- endmacro %}

{#- Whether a share, printed with four decimals at least, is one of a whole number of `total`. -#}
{% macro is_whole(share, total) -%}
    abs({{ share }} * {{ total }} - round({{ share }} * {{ total }}, 0)) <= {{ total }} * 0.00005 + 0.000001
{%- endmacro %}
