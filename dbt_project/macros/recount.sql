{#-
Recounting only what changed. A fact that is counted by filing (materialized `incremental`, strategy
`recount`) consists of partitions: the rows that one reporter filed for one period. Before a build the
orchestration writes the partitions that may have changed into build.recount, per fact; this build then takes
them out of the fact, counts them again from what is filed now and leaves the rest alone. Everywhere else (a
new database, a build by hand, a moment of the past) every partition is counted.
-#}

{#- Whether this build recounts the partitions of build.recount only. -#}
{% macro recounting() -%}
    {{- return(
        execute
        and env_var('XIAOBAO_RECOUNT', '') == 'changed'
        and not var('known_at')
        and is_incremental()
    ) -}}
{%- endmacro %}

{#- The partitions of a fact to be counted again, as a subquery of (reporter, period). -#}
{% macro changed_partitions(fact) -%}
    (select recount.filed_by, recount.filing_period from build.recount where recount.fact = '{{ fact }}')
{%- endmacro %}

{#- Whether a filed row is read again: of a fact counted by filing, if its filer filed something anew. -#}
{% macro is_of_changed_filer(fact) -%}
    {%- if is_counted_by_filing(fact) and recounting() -%}
        reporter_code in (
            select recount.filed_by
            from build.recount
            where
                recount.fact = '{{ fact }}'
                and recount.is_filed_anew
        )
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}

{#- The node of a model in dbt's graph, by its name. -#}
{% macro model_named(name) -%}
    {%- for node in graph.nodes.values() if node.resource_type == 'model' and node.name == name -%}
        {{- return(node) -}}
    {%- endfor -%}
{%- endmacro %}

{#-
A fact counted by filing is an incremental model, or a form's own rows (a staging view). Other facts are built
whole.
-#}
{% macro is_counted_by_filing(fact) -%}
    {%- set node = model_named(fact) if execute -%}
    {{- return(node and (node.config.materialized == 'incremental' or node.fqn[1] == 'staging')) -}}
{%- endmacro %}

{#- Whether the windows that changed are known: a model that is no increment asks for itself. -#}
{% macro windows_are_remembered() -%}
    {{- return(execute and env_var('XIAOBAO_RECOUNT', '') == 'changed' and not var('known_at')) -}}
{%- endmacro %}

{#-
The rows of a staging model that this build counts: all, or those of the partitions to be recounted. The
latest state of a record is asked of the periods from the earliest of these on: an earlier period never
replaces a later one.
-#}
{% macro recounted(staged) -%}
    {%- if not recounting() -%}
        {{ staged }}
    {%- else -%}
        {%- set node = model_named(staged.identifier) -%}
        {%- set key = node.config.meta.get('key') -%}
        {%- if key -%}
            (
                select latest.*
                from (
                    select candidate.*
                    from {{ adapter.Relation.create(
                        database=target.database, schema=node.sources[0][0], identifier=node.sources[0][1]
                    ) }} as candidate
                    inner join (
                        select
                            recount.filed_by,
                            min(recount.filing_period) as first_period
                        from build.recount
                        where recount.fact = '{{ model.name }}'
                        group by recount.filed_by
                    ) as changed
                        on
                            candidate.reporter_code = changed.filed_by
                            and candidate.filing_period >= changed.first_period
                    where {{ in_force() }}
                    qualify row_number() over (
                        {{ latest_first(key, 'candidate.') }}
                    ) = 1
                ) as latest
                where
                    latest.record_action <> 'D'
                    and (latest.reporter_code, latest.filing_period) in {{ changed_partitions(model.name) }}
            )
        {%- else -%}
            (
                select staged.*
                from {{ staged }} as staged
                where (staged.reporter_code, staged.filing_period) in {{ changed_partitions(model.name) }}
            )
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#- The strategy: partitions out, partitions in, in one transaction. -#}
{% macro get_incremental_recount_sql(arguments) -%}
    {%- set columns = arguments['dest_columns'] | map(attribute='quoted') | join(', ') %}
    delete from {{ arguments['target_relation'] }}
    {%- if recounting() %}
    where {{ recounted_rows() }}
    {%- endif %};
    insert into {{ arguments['target_relation'] }} ({{ columns }})
    (select {{ columns }} from {{ arguments['temp_relation'] }})
{%- endmacro %}

{#- Rows of the model being built that this build replaces; a model of more than one fact says which. -#}
{% macro recounted_rows() -%}
    {%- if config.get('meta', {}).get('replaces') -%}
        {{ context[config.get('meta')['replaces']]() }}
    {%- else -%}
        (reporter_code, filing_period) in {{ changed_partitions(model.name) }}
    {%- endif -%}
{%- endmacro %}

{#-
First day on which a row's flags differ from now though nothing is filed: the day after `day`, while `pending`
says that the day is still to pass; NULL once nothing can change. The orchestration recounts the partitions
that hold such a day when the run's date has reached it.
-#}
{% macro changes_after(day, pending) -%}
    case when {{ pending }} then {{ day_after(day, 1) }} end
{%- endmacro %}

{#- Rows of filed_records that a recounting build replaces. -#}
{% macro recounted_records() -%}
    fact = ''
    or (fact, reporter_code) in (
        select recount.fact, recount.filed_by from build.recount where recount.is_filed_anew
    )
{%- endmacro %}
