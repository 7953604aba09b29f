-- 变动期间: windows to be counted again: those whose state is not the one the last complete build left in
-- build.window_counted, those that have gone (is_own), and those compared with one of these, of which growth
-- alone is. Without such a memory all windows.
with differing as (
    {% if windows_are_remembered() -%}
        select
            coalesce(now.window_id, before.window_id) as window_id,
            coalesce(now.period_type, before.period_type) as period_type,
            coalesce(now.period, before.period) as period
        from {{ ref('int_window_state') }} as now
        full outer join build.window_counted as before
            on now.window_id = before.window_id
        where
            now.window_id is null
            or before.window_id is null
            or now.content <> before.content
    {%- else -%}
        select
            window_id,
            period_type,
            period
        from {{ ref('int_window_state') }}
    {%- endif %}
)

select
    window_id,
    period_type,
    period,
    true as is_own
from differing
union
select
    int_window.window_id,
    int_window.period_type,
    int_window.period,
    false as is_own
from {{ ref('int_window_base') }} as base
inner join differing
    on base.base_window_id = differing.window_id
inner join {{ ref('int_window') }} as int_window
    on base.window_id = int_window.window_id
where base.window_id not in (select itself.window_id from differing as itself)
