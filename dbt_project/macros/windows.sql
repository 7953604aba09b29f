{#-
Recounting only the windows that changed. What stands in a window follows from the measures of its months,
from who was obliged and complete in it, and from the window it is compared with (int_window_state tells each
by a digest). A build that recounts takes out the windows whose digest has changed (int_window_changed) and
counts them again; every other build counts all windows.

Models here are named without ref(), which unit tests of their readers, knowing no such table, would refuse:
window_measures and kpi_case_median say that they depend on int_window_changed, and whatever else is counted
by window reads one of these.
-#}

{#- Windows that this build counts again, as a subquery. -#}
{% macro changed_windows() -%}
    (select changed.window_id from intermediate.int_window_changed as changed)
{%- endmacro %}

{#- Rows of a relation with a window_id that this build counts. -#}
{% macro windowed(relation) -%}
    {%- if recounting() -%}
        (
            select every_window.*
            from {{ relation }} as every_window
            where every_window.window_id in {{ changed_windows() }}
        )
    {%- else -%}
        {{ relation }}
    {%- endif -%}
{%- endmacro %}

{#- The same with the windows that these are compared with. -#}
{% macro windowed_with_bases(relation) -%}
    {%- if recounting() -%}
        (
            select every_window.*
            from {{ relation }} as every_window
            where
                every_window.window_id in (
                    {{ changed_windows() }}
                    union
                    select base.base_window_id
                    from intermediate.int_window_base as base
                    where base.window_id in {{ changed_windows() }}
                )
        )
    {%- else -%}
        {{ relation }}
    {%- endif -%}
{%- endmacro %}

{#-
Rows of kpi_values that this build counts; `restated` adds the KPIs that compare with the release before, or
with other windows, and are counted whole.
-#}
{% macro windowed_values(relation, restated=false) -%}
    {%- if recounting() -%}
        (
            select every_window.*
            from {{ relation }} as every_window
            where
                (every_window.period_type, every_window.period) in (
                    select changed.period_type, changed.period from intermediate.int_window_changed as changed
                )
                {%- if restated %}
                    or every_window.kpi_id in {{ kpis_counted_whole() }}
                {%- endif %}
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

{% macro recounted_periods() -%}
    (period_type, period) in (
        select changed.period_type, changed.period from intermediate.int_window_changed as changed
    )
{%- endmacro %}

{% macro recounted_values() -%}
    {{ recounted_periods() }}
    or kpi_id in {{ kpis_counted_whole() }}
{%- endmacro %}
