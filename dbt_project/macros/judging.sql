{#-
Tests judge what this build has counted. A row that a build leaves alone was judged by the build that counted
it and has not been written since, so a test of a big table would find the same again, at a cost that grows
with every month on file. Keys of models counted by window and of monthly_measures hold the window or the
partition, keys of facts counted by filing the reporter: rows that are equal by such a key are judged
together. A build that counts everything judges everything.
-#}

{#- Rows of a model that a test has to judge, as a relation. -#}
{% macro judged(relation) -%}
    {%- set node = model_named(relation.identifier) if windows_are_remembered() -%}
    {%- set replaces = node.config.get('meta', {}).get('replaces') if node -%}
    {%- if replaces in [
        'recounted_windows', 'recounted_comparisons', 'recounted_periods', 'recounted_values',
        'recounted_measures'
    ] -%}
        (
            select every_row.*
            from {{ relation }} as every_row
            where {{ context[replaces]() }}
        )
    {%- elif node and not replaces and node.config.incremental_strategy == 'recount' -%}
        (
            select every_row.*
            from {{ relation }} as every_row
            where
                every_row.reporter_code in (
                    select recount.filed_by
                    from build.recount
                    where recount.fact = '{{ node.name }}'
                )
        )
    {%- else -%}
        {{ relation }}
    {%- endif -%}
{%- endmacro %}

{#- What dbt puts in place of `model` in a generic test: its own rule, over the rows to be judged. -#}
{% macro duckdb__get_where_subquery(relation) -%}
    {%- set rows = judged(relation) | trim -%}
    {%- set where = config.get('where', '') -%}
    {%- if where -%}
        {{- return('(select * from ' ~ rows ~ ' as judged_rows where ' ~ where ~ ') as dbt_subquery') -}}
    {%- elif rows.startswith('(') -%}
        {{- return(rows ~ ' as dbt_subquery') -}}
    {%- else -%}
        {{- return(relation) -}}
    {%- endif -%}
{%- endmacro %}
