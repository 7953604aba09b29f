{#-
Arithmetic of printed figures. A printed percentage has its own number of decimals (0 to 4), known only in the
row, so `ratio()` with its fixed places does not fit: these macros round once, half away from zero, at the
decimals of the row.
-#}

{#- 10 ** decimals, for decimals 0 to 4. -#}
{% macro power_of_ten(decimals) -%}
    case {{ decimals }} when 0 then 1 when 1 then 10 when 2 then 100 when 3 then 1000 else 10000 end
{%- endmacro %}

{#-
100 * part / base as it would be printed with `decimals` decimals: DECIMAL(38, 4). NULL if an operand is NULL
or `base` is not positive; `part` may be negative (a decrease).
-#}
{% macro printed_percentage(part, base, decimals) -%}
    {%- set p = '(' ~ power_of_ten(decimals) ~ ')' -%}
    {%- set n = 'abs(' ~ millionths(part) ~ ')' -%}
    {%- set d = millionths(base) -%}
    case
        when ({{ base }}) > 0 and ({{ part }}) is not null
            then cast(
                case when ({{ part }}) < 0 then -1 else 1 end
                * {{ integer_divide('200 * ' ~ p ~ ' * ' ~ n ~ ' + ' ~ d, '2 * ' ~ d) }}
                * {{ integer_divide('10000', p) }}
                as decimal(33, 0)
            ) * cast(0.0001 as decimal(5, 4))
    end
{%- endmacro %}

{#-
numerator / denominator rounded half away from zero at `decimals` decimals (0 to 4) of the row:
DECIMAL(38, 4), NULL if an operand is NULL or the denominator is 0.
-#}
{% macro rounded_quotient(numerator, denominator, decimals) -%}
    {%- set p = '(' ~ power_of_ten(decimals) ~ ')' -%}
    {%- set n = 'abs(' ~ millionths(numerator) ~ ')' -%}
    {%- set d = 'abs(' ~ millionths(denominator) ~ ')' -%}
    case
        when ({{ denominator }}) <> 0 and ({{ numerator }}) is not null
            then cast(
                case when (({{ numerator }}) < 0) <> (({{ denominator }}) < 0) then -1 else 1 end
                * {{ integer_divide('2 * ' ~ p ~ ' * ' ~ n ~ ' + ' ~ d, '2 * ' ~ d) }}
                * {{ integer_divide('10000', p) }}
                as decimal(33, 0)
            ) * cast(0.0001 as decimal(5, 4))
    end
{%- endmacro %}

{#- Label of the period a growth rate compares with: yoy one year before, qoq and hoh the period before. -#}
{% macro growth_base_period(period, growth_kind) -%}
    {%- set year_before =
        'cast(cast(substr(' ~ period ~ ', 1, 4) as int) - 1 as ' ~ text_type() ~ ')' -%}
    {%- set number = 'substr(' ~ period ~ ', 6, 1)' -%}
    case
        when {{ growth_kind }} = 'yoy' then {{ year_before }} || substr({{ period }}, 5)
        when {{ growth_kind }} = 'qoq' and {{ number }} = '1' then {{ year_before }} || 'Q4'
        when {{ growth_kind }} = 'hoh' and {{ number }} = '1' then {{ year_before }} || 'H2'
        when {{ growth_kind }} in ('qoq', 'hoh')
            then substr({{ period }}, 1, 5) || cast(cast({{ number }} as int) - 1 as {{ text_type() }})
    end
{%- endmacro %}

{#-
What two figures share that differ only in their period: scope, kind of period, unit, table, insurer type,
category and institution. Joining on it is how a figure finds its base.
-#}
{% macro figure_series() -%}
    concat_ws(
        '|', scope, period_type, unit, table_code, insurer_type, coalesce(category, ''),
        coalesce(institution, '')
    )
{%- endmacro %}
