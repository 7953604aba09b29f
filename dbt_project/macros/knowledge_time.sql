{#-
What was known when. `known_at` (a project variable) moves the whole project to an earlier moment; without
it models see what is in force now. Every read of a filed table goes through here, so no model can mix two
moments.
-#}

{#- Rows that were in force at the asked moment, of a relation with sys_from and sys_to. -#}
{% macro in_force() -%}
    {%- if var('known_at') -%}
        sys_from <= cast('{{ var("known_at") }}' as timestamp)
        and (sys_to is null or sys_to > cast('{{ var("known_at") }}' as timestamp))
    {%- else -%}
        sys_to is null
    {%- endif -%}
{%- endmacro %}

{#- Whether something signed at a moment was known at the asked one. -#}
{% macro known(moment) -%}
    {{ (moment ~ " <= cast('" ~ var('known_at') ~ "' as timestamp)") if var('known_at') else 'true' }}
{%- endmacro %}

{#- Whether a release (its number) was made of what was known at the asked moment. -#}
{% macro release_known(release_no) -%}
    {%- if var('known_at') -%}
        {{ release_no }} in (
            select release_no
            from {{ source('published', 'releases') }}
            where {{ known('as_of') }}
        )
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}

{#- Whether a remembered figure (a row of published.kpi_values) is the one that this release printed. -#}
{% macro printed_by(figure, release_no) -%}
    {{ figure }}.release_no <= {{ release_no }}
    and {{ release_no }} <= coalesce({{ figure }}.last_release_no, {{ figure }}.release_no)
{%- endmacro %}

{#- Numbers of all releases. -#}
{% macro release_numbers() -%}
    (
        select release_no from {{ source('published', 'releases') }}
        union
        select release_no from {{ source('published', 'kpi_values') }}
    )
{%- endmacro %}

{#-
Latest state of each record of a form: of the rows in force, the one of the latest filing period per
reporter and key; a record whose latest state is a deletion (record_action D) is gone.
-#}
{% macro latest_state(relation, key, columns) -%}
    {{- config(meta={'key': key}) -}}
    with latest as (
        select *
        from {{ relation }}
        where {{ in_force() }}
        qualify row_number() over (
            {{ latest_first(key) }}
        ) = 1
    )

    select
        {% for column in columns -%}
            {{ column }}{{ ',' if not loop.last }}
        {% endfor %}
    from latest
    where record_action <> 'D'
{%- endmacro %}

{#- The window of a record's states, the latest first; `alias` with its dot, where names need one. -#}
{% macro latest_first(key, alias='') -%}
    partition by {{ alias }}reporter_code, {{ alias }}{{ key | join(', ' ~ alias) }}
    order by {{ alias }}filing_period desc, {{ alias }}submission_no desc, {{ alias }}row_no desc
{%- endmacro %}
