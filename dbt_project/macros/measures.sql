{#-
Rows of the long measure table from one fact: one pass over `fact`, grouped by month and reporter, undivided
and once per dimension. `amounts` maps a measure id to the expression that is summed; `month` names the
fact's month column. Zero sums are left out: a measure that is absent is zero where a filing is in force,
and unknown where none is.

Of a fact that is counted by filing, only the partitions to be recounted are read (macro recounting), and each
amount stands with the partition it comes from.
-#}
{% macro measure_rows(fact, month, amounts, dimensions=[], frequency="'month'") -%}
    {%- set by_filing = is_counted_by_filing(fact.identifier) -%}
    {%- set filed_by = 'reporter_code' if by_filing else 'cast(null as ' ~ text_type() ~ ')' -%}
    {%- set filing_period = 'filing_period' if by_filing else 'cast(null as ' ~ text_type() ~ ')' -%}
    select
        '{{ fact.identifier }}' as fact,
        summed.filed_by,
        summed.filing_period,
        measure.measure_id,
        summed.month,
        summed.frequency,
        summed.reporter_code,
        summed.dimension,
        summed.dimension_value,
        cast(case measure.measure_id
            {% for measure_id in amounts -%}
                when '{{ measure_id }}' then summed.{{ measure_id }}
            {% endfor -%}
        end as decimal(38, 6)) as amount
    from (
        select
            counted.filed_by,
            counted.filing_period,
            counted.month,
            counted.frequency,
            counted.reporter_code,
            case
                {% for dimension in dimensions -%}
                    when grouping(counted.{{ dimension }}) = 0 then '{{ dimension }}'
                {% endfor -%}
                when true then 'total'
            end as dimension,
            case
                {% for dimension in dimensions -%}
                    when grouping(counted.{{ dimension }}) = 0
                        then cast(counted.{{ dimension }} as {{ text_type() }})
                {% endfor -%}
                when true then 'total'
            end as dimension_value,
            {% for measure_id in amounts -%}
                sum(counted.{{ measure_id }}) as {{ measure_id }}{{ ',' if not loop.last }}
            {% endfor -%}
        from (
            -- All dimensions at once: the rows of the fact are read and added up a single time.
            select
                {{ filed_by }} as filed_by,
                {{ filing_period }} as filing_period,
                {{ month }} as month,
                {{ frequency }} as frequency,
                reporter_code,
                {% for dimension in dimensions -%}
                    {{ dimension }},
                {% endfor -%}
                {% for measure_id, amount in amounts.items() -%}
                    sum({{ amount }}) as {{ measure_id }}{{ ',' if not loop.last }}
                {% endfor -%}
            from {{ recounted(fact, fact.identifier) if is_staged(fact.identifier) else fact }}
            where
                {{ month }} is not null
                and {{ is_of_recounted_partition(fact.identifier) }}
            group by all
        ) as counted
        group by grouping sets (
            (counted.filed_by, counted.filing_period, counted.month, counted.frequency, counted.reporter_code)
            {%- for dimension in dimensions -%}
                , (
                    counted.filed_by, counted.filing_period, counted.month, counted.frequency,
                    counted.reporter_code, counted.{{ dimension }}
                )
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

{#- Rows of monthly_measures that a recounting build replaces: facts built whole, changed partitions. -#}
{% macro recounted_measures() -%}
    filed_by is null
    or (fact, filed_by, filing_period) in (
        select recount.fact, recount.filed_by, recount.filing_period from build.recount
    )
{%- endmacro %}
