{#-
How a model becomes a table or a view on DuckDB. dbt-duckdb's own way suits every warehouse: it makes the
table under another name, renames the old one and the new one, drops the old one after the commit, and asks on
the way for hooks, grants, indexes and comments. DuckDB replaces a table in one statement of one transaction,
and this project has none of the others: that way was a fifth of what building small models cost
(docs/decisions/0027).
-#}

{#- What stands in place of the model and is of another kind makes way: `create or replace` refuses it. -#}
{% macro make_way(relation) -%}
    {%- set existing = load_cached_relation(relation) -%}
    {%- if existing is not none and existing.type != relation.type -%}
        {%- do adapter.drop_relation(existing) -%}
    {%- endif -%}
{%- endmacro %}

{#- Statements that put the rows of a query in the place of the table; a contract's columns are held to. -#}
{% macro replace_table(relation, compiled_code) -%}
    {%- if config.get('contract').enforced -%}
        {{ get_assert_columns_equivalent(compiled_code) }}
        create or replace table {{ relation }} {{ get_table_columns_and_constraints() }};
        insert into {{ relation }} {{ get_column_names() }} ({{ get_select_subquery(compiled_code) }})
    {%- else -%}
        create or replace table {{ relation }} as ({{ compiled_code }})
    {%- endif -%}
{%- endmacro %}

{#- Nothing here runs a hook: one that is configured must not be passed over in silence. -#}
{% macro refuse_hooks() -%}
    {%- if pre_hooks or post_hooks -%}
        {%- do exceptions.raise_compiler_error(
            model.name ~ ' has a hook: this project runs none (macros/materializations.sql)'
        ) -%}
    {%- endif -%}
{%- endmacro %}

{% materialization table, adapter='duckdb' %}
    {%- do refuse_hooks() -%}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- do make_way(target_relation) -%}
    {%- call statement('main') -%}
        {{ replace_table(target_relation, compiled_code) }}
    {%- endcall -%}
    {%- do adapter.commit() -%}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{% materialization view, adapter='duckdb' %}
    {%- do refuse_hooks() -%}
    {%- set target_relation = this.incorporate(type='view') -%}
    {%- do make_way(target_relation) -%}
    {%- call statement('main') -%}
        {%- if config.get('contract').enforced -%}
            {{ get_assert_columns_equivalent(compiled_code) }}
        {%- endif %}
        create or replace view {{ target_relation }} as ({{ compiled_code }})
    {%- endcall -%}
    {%- do adapter.commit() -%}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{% macro columns_of(relation) -%}
    {{- return(adapter.get_column_schema_from_query('select * from ' ~ relation)) -}}
{%- endmacro %}

{#- Names and types of columns as words, in the order of their names. -#}
{% macro described(columns) -%}
    {%- for column in columns | sort(attribute='name') -%}
        {{ column.name }} {{ column.data_type }},
    {%- endfor -%}
{%- endmacro %}

{#-
A fact that is counted by filing (macros/recount.sql): whole like a table, or the rows of what changed taken
out and put in, in one transaction. `recount` is the only strategy, and columns that changed are refused:
whoever changes a model builds it whole, as `xiaobao run` does on its own.
-#}
{% materialization incremental, adapter='duckdb' %}
    {%- do refuse_hooks() -%}
    {%- if config.get('incremental_strategy') != 'recount' or config.get('on_schema_change') != 'fail' -%}
        {%- do exceptions.raise_compiler_error(
            model.name ~ ": incremental models take incremental_strategy='recount', on_schema_change='fail'"
        ) -%}
    {%- endif -%}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- if is_incremental() -%}
        {%- set counted = make_temp_relation(target_relation) -%}
        {%- do run_query(create_table_as(true, counted, compiled_code)) -%}
        {%- set columns = columns_of(target_relation) -%}
        {%- if described(columns) != described(columns_of(counted)) -%}
            {%- do exceptions.raise_compiler_error(
                model.name ~ ' has other columns than its table: build it whole, with --full-refresh'
            ) -%}
        {%- endif -%}
        {%- call statement('main') -%}
            {{ get_incremental_recount_sql({
                'target_relation': target_relation, 'temp_relation': counted, 'dest_columns': columns
            }) }}
        {%- endcall -%}
    {%- else -%}
        {%- do make_way(target_relation) -%}
        {%- call statement('main') -%}
            {{ replace_table(target_relation, compiled_code) }}
        {%- endcall -%}
    {%- endif -%}
    {%- do adapter.commit() -%}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}
