{#-
Recounting only the windows that changed. What stands in a window follows from the measures of its months,
from who was obliged and complete in it, and from the window it is compared with (int_window_state tells each
by a digest). A build that recounts takes out the windows whose digest has changed (int_window_changed) and
counts them again; every other build counts all windows. Of a window that is merely compared with a changed
one only growth is counted again: `compared` adds these windows.

Models here are named without ref(), which unit tests of their readers, knowing no such table, would refuse:
window_measures and kpi_case_median say that they depend on int_window_changed, and whatever else is counted
by window reads one of these.
-#}

{#- Windows that this build counts again, as a subquery. -#}
{% macro changed_windows(compared=false) -%}
    (
        select changed.window_id
        from intermediate.int_window_changed as changed
        {{- ' where changed.is_own' if not compared }}
    )
{%- endmacro %}

{#- Rows of a relation with a window_id that this build counts. -#}
{% macro windowed(relation, compared=false) -%}
    {%- if recounting() -%}
        (
            select every_window.*
            from {{ relation }} as every_window
            where every_window.window_id in {{ changed_windows(compared) }}
        )
    {%- else -%}
        {{ relation }}
    {%- endif -%}
{%- endmacro %}

{#- The same of all windows whose growth is counted, with the windows that these are compared with. -#}
{% macro windowed_with_bases(relation) -%}
    {%- if recounting() -%}
        (
            select every_window.*
            from {{ relation }} as every_window
            where
                every_window.window_id in (
                    {{ changed_windows(compared=true) }}
                    union
                    select base.base_window_id
                    from intermediate.int_window_base as base
                    where base.window_id in {{ changed_windows(compared=true) }}
                )
        )
    {%- else -%}
        {{ relation }}
    {%- endif -%}
{%- endmacro %}

{#- Rows of kpi_values in the windows of which anything is counted again. -#}
{% macro windowed_values(relation) -%}
    {%- if recounting() -%}
        (
            select every_window.*
            from {{ relation }} as every_window
            where {{ recounted_periods() }}
        )
    {%- else -%}
        {{ relation }}
    {%- endif -%}
{%- endmacro %}

{#- Rows of kpi_values that this build counted. -#}
{% macro counted_values(relation) -%}
    {%- if recounting() -%}
        (
            select every_window.*
            from {{ relation }} as every_window
            where {{ recounted_values() }}
        )
    {%- else -%}
        {{ relation }}
    {%- endif -%}
{%- endmacro %}

{#- KPIs whose value in a window depends on more than the window and its base. -#}
{% macro kpis_counted_whole() -%}
    (
        select series.kpi_id
        from intermediate.kpi_series as series
        where series.kind in ('restatement', 'agreement')
    )
{%- endmacro %}

{#- Rows that a recounting build replaces: of a model by window, by period, by period and KPI. -#}
{% macro recounted_windows() -%}
    window_id in {{ changed_windows() }}
{%- endmacro %}

{% macro recounted_comparisons() -%}
    window_id in {{ changed_windows(compared=true) }}
{%- endmacro %}

{% macro recounted_periods() -%}
    (period_type, period) in (
        select changed.period_type, changed.period from intermediate.int_window_changed as changed
    )
{%- endmacro %}

{% macro recounted_values() -%}
    (period_type, period) in (
        select changed.period_type, changed.period
        from intermediate.int_window_changed as changed
        where changed.is_own
    )
    or (
        {{ recounted_periods() }}
        and kpi_id in (
            select series.kpi_id from intermediate.kpi_series as series where series.kind = 'growth'
        )
    )
    or kpi_id in {{ kpis_counted_whole() }}
{%- endmacro %}
