{#-
Exact decimal arithmetic. DuckDB divides two DECIMALs as DOUBLE and Spark rounds them to 38 digits its own
way, so a percentage is never written with `/`: these macros divide integers and round half away from zero.
-#}

{#- Truncating division of two whole numbers, of whatever numeric type they come in. -#}
{% macro integer_divide(dividend, divisor) -%}
    {%- if target.type == 'spark' -%}
        (({{ dividend }}) div ({{ divisor }}))
    {%- else -%}
        (cast({{ dividend }} as hugeint) // cast({{ divisor }} as hugeint))
    {%- endif -%}
{%- endmacro %}

{#- A DECIMAL(38, 6) as a whole number of millionths. -#}
{% macro millionths(amount) -%}
    {%- set whole = 'decimal(38, 0)' if target.type == 'spark' else 'hugeint' -%}
    cast(cast({{ amount }} as decimal(38, 6)) * 1000000 as {{ whole }})
{%- endmacro %}

{#-
numerator * scale / denominator, rounded half away from zero to `places` decimals: DECIMAL(38, places).
`scale` is a whole number and may be negative. NULL when an operand is NULL or the denominator is 0: a
caller that needs the reason sets ZERO_DEN itself. Amounts carry up to 6 decimals and 20 digits before the
point.
-#}
{% macro ratio(numerator, denominator, scale=1, places=2) -%}
    {%- set n = 'abs(' ~ millionths(numerator) ~ ' * (' ~ scale ~ '))' -%}
    {%- set d = 'abs(' ~ millionths(denominator) ~ ')' -%}
    case
        when ({{ denominator }}) <> 0 and ({{ numerator }}) is not null
            then cast(
                case when (({{ numerator }}) < 0) <> (({{ denominator }}) < 0) then -1 else 1 end
                * case when ({{ scale }}) < 0 then -1 else 1 end
                * {{ integer_divide('2 * ' ~ (10 ** places) ~ ' * ' ~ n ~ ' + ' ~ d, '2 * ' ~ d) }}
                as decimal({{ 38 - places }}, 0)
            ) * cast({{ '0.' ~ '0' * (places - 1) ~ '1' }} as decimal({{ places + 1 }}, {{ places }}))
    end
{%- endmacro %}

{#-
Linear-interpolated quantile k/4 (1 = q1, 2 = median, 3 = q3) of `amount` inside a group by, exact and
rounded half up to 2 decimals. The relation must carry `position_no` (row_number by amount, from 1) and
`n_positions` of the group. percentile_cont is not used: on DECIMAL DuckDB cuts its result to the input's
scale.
-#}
{% macro quartile(amount, k) -%}
    {#- Between the positions below and above (n - 1) * k / 4 + 1, weighted by the quarters in between. -#}
    {%- set quarters = '(n_positions - 1) * ' ~ k -%}
    {%- set weight = '(' ~ quarters ~ ') % 4' -%}
    {%- set below = '4 * (position_no - 1) = ' ~ quarters ~ ' - ' ~ weight -%}
    {%- set above = '4 * (position_no - 2) = ' ~ quarters ~ ' - ' ~ weight -%}
    {{ ratio(
        'sum(case when ' ~ below ~ ' then ' ~ amount ~ ' * (4 - ' ~ weight ~ ') '
        ~ 'when ' ~ above ~ ' then ' ~ amount ~ ' * (' ~ weight ~ ') end)',
        '4') }}
{%- endmacro %}

{#- A number that stands for the content of some columns, and can be added up over rows. -#}
{% macro row_hash(columns) -%}
    {%- if target.type == 'spark' -%}
        cast(xxhash64({{ columns | join(', ') }}) as decimal(38, 0))
    {%- else -%}
        cast(hash({{ columns | join(', ') }}) as hugeint)
    {%- endif -%}
{%- endmacro %}
