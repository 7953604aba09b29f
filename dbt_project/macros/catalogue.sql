{#- The catalogue's lists are written a|b|c. -#}

{#- One row per entry of a list, in a select list. -#}
{% macro split_rows(entries) -%}
    {%- if target.type == 'spark' -%}
        explode(split({{ entries }}, '\\|'))
    {%- else -%}
        unnest(string_split({{ entries }}, '|'))
    {%- endif -%}
{%- endmacro %}

{#- Whether a list holds an entry. -#}
{% macro lists(entries, entry) -%}
    position('|' || {{ entry }} || '|' in '|' || {{ entries }} || '|') > 0
{%- endmacro %}
