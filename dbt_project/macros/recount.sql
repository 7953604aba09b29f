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

{#-
Whether a filed row may tell a partition of a fact that this build counts: every row, or those of the
submissions noted for it. By their numbers DuckDB leaves alone what lies beside them; the filer's name would
have it look at every row.
-#}
{% macro is_of_recounted_filing(fact, alias='') -%}
    {%- if is_counted_by_filing(fact) and recounting() -%}
        {{ alias }}submission_no in (
            select recount_filing.submission_no
            from build.recount_filing
            where recount_filing.fact = '{{ fact }}'
        )
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}

{#- Whether a row of (reporter, period) stands in a partition of a fact that this build counts. -#}
{% macro is_of_recounted_partition(fact, alias='') -%}
    {%- if is_counted_by_filing(fact) and recounting() -%}
        ({{ alias }}reporter_code, {{ alias }}filing_period) in {{ changed_partitions(fact) }}
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
    {{- return(node and (node.config.materialized == 'incremental' or is_staged(fact))) -}}
{%- endmacro %}

{#- Whether a fact is a form's own rows. -#}
{% macro is_staged(fact) -%}
    {%- set node = model_named(fact) if execute -%}
    {{- return(node and node.fqn[1] == 'staging') -}}
{%- endmacro %}

{#- Whether the windows that changed are known: a model that is no increment asks for itself. -#}
{% macro windows_are_remembered() -%}
    {{- return(execute and env_var('XIAOBAO_RECOUNT', '') == 'changed' and not var('known_at')) -}}
{%- endmacro %}

{#-
The rows of a staging model that this build counts for a fact: all, or those of the partitions to be
recounted. The latest state of a record is asked of the periods from the earliest of these on: an earlier
period never replaces a later one. Where no key is named (config meta `key`, [] in a form whose periods stand
each for themselves), a partition is the rows filed for it.
-#}
{% macro recounted(staged, fact=none) -%}
    {%- if not recounting() -%}
        {{ staged }}
    {%- else -%}
        {%- set fact = fact or model.name -%}
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
                        where recount.fact = '{{ fact }}'
                        group by recount.filed_by
                    ) as changed
                        on
                            candidate.reporter_code = changed.filed_by
                            and candidate.filing_period >= changed.first_period
                    where
                        {{ in_force() }}
                        and {{ is_of_recounted_filing(fact, 'candidate.') }}
                    qualify row_number() over (
                        {{ latest_first(key, 'candidate.') }}
                    ) = 1
                ) as latest
                where
                    latest.record_action <> 'D'
                    and {{ is_of_recounted_partition(fact, 'latest.') }}
            )
        {%- else -%}
            (
                select staged.*
                from {{ staged }} as staged
                where
                    {{ is_of_recounted_partition(fact, 'staged.') }}
                    and {{ is_of_recounted_filing(fact, 'staged.') }}
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
    or (fact, reporter_code, filing_period) in (
        select recount.fact, recount.filed_by, recount.filing_period from build.recount
    )
{%- endmacro %}
