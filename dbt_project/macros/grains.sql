{#-
统计层级: insurer, insurer type, peer group, bureau; the key columns that do not apply to a grain are NULL.
-#}

{#- The grains as rows, to cross join with. -#}
{% macro grain_rows() -%}
    (
        select 'insurer' as grain
        union all
        select 'insurer_type' as grain
        union all
        select 'peer_group' as grain
        union all
        select 'bureau' as grain
    )
{%- endmacro %}

{#- What one group of a grain is called: joins use (grain, group_key), never three nullable columns. -#}
{% macro group_key(grain, institution) -%}
    case {{ grain }}
        when 'insurer' then {{ institution }}.reporter_code
        when 'insurer_type' then {{ institution }}.insurer_type
        when 'peer_group' then {{ institution }}.peer_group
        else 'bureau'
    end
{%- endmacro %}
