-- 基期版本: which release's figures are the base of growth as published, for each window and comparison:
-- those of the latest release before the window itself was first printed, or, if there is none, of
-- the release that first printed it. The choice is made once and stays: a published growth rate never
-- moves because its base is restated. A window that has not been printed yet is compared with the
-- latest release.
with spans as (
    select distinct
        release_no,
        last_release_no,
        period_type,
        period
    from {{ source('published', 'kpi_values') }}
    where basis = 'current'
),

held as (
    select distinct
        numbers.release_no,
        spans.period_type,
        spans.period
    from spans
    inner join {{ release_numbers() }} as numbers
        on {{ printed_by('spans', 'numbers.release_no') }}
    where {{ release_known('numbers.release_no') }}
),

printed as (
    select
        period_type,
        period,
        min(release_no) as first_release_no
    from held
    group by all
),

chosen as (
    select
        int_window.window_id,
        int_window.period_type,
        int_window.period,
        base.base_window,
        base.base_window_id,
        base.base_period,
        coalesce(
            max(case
                when printed.first_release_no is null or held.release_no < printed.first_release_no
                    then held.release_no
            end),
            min(held.release_no)
        ) as release_no
    from {{ ref('int_window') }} as int_window
    inner join {{ ref('int_window_base') }} as base
        on int_window.window_id = base.window_id
    inner join held
        on
            int_window.period_type = held.period_type
            and base.base_period = held.period
    left join printed
        on
            int_window.period_type = printed.period_type
            and int_window.period = printed.period
    group by all
)

select
    chosen.window_id,
    chosen.period_type,
    chosen.period,
    chosen.base_window,
    chosen.base_window_id,
    chosen.base_period,
    chosen.release_no,
    released.as_of
from chosen
left join {{ source('published', 'releases') }} as released
    on chosen.release_no = released.release_no
order by chosen.window_id, chosen.base_window
