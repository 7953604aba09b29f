{#-
Tests judge what this build has counted. A row that a build leaves alone was judged by the build that counted it and
has not been written since, so a test of a big table would find the same again, at a cost that grows with every month
on file. Only models counted by window and monthly_measures are cut down so: every key of theirs holds the window or
the partition, so rows that are equal by it are counted together. A build that counts everything judges everything.
-#}

{#- Rows of a model that a test has to judge, as a relation. -#}
{% macro judged(relation) -%}
    {%- set node = model_named(relation.identifier) if windows_are_remembered() -%}
    {%- if node and node.config.get('meta', {}).get('replaces') in judged_by_part() -%}
        (
            select every_row.*
            from {{ relation }} as every_row
            where {{ context[node.config.meta['replaces']]() }}
        )
    {%- else -%}
        {{ relation }}
    {%- endif -%}
{%- endmacro %}

{#- Ways of recounting whose rows are judged by part. -#}
{% macro judged_by_part() -%}
    {{- return([
        'recounted_windows', 'recounted_comparisons', 'recounted_periods', 'recounted_values', 'recounted_measures'
    ]) -}}
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
