-- 期间状态: of each window one number that stands for everything its figures are made of: the measures of its
-- months, the days that closed cases took, who was in scope and complete, which group each institution was
-- in, whom a reporter counts for, which transfers break it, and which release is the base of its published
-- growth. Equal numbers: equal figures.
with month_contents as (
    select
        month,
        sum({{ row_hash([
            'measure_id', 'month', 'frequency', 'reporter_code', 'dimension', 'dimension_value', 'amount'
        ]) }}) as content
    from {{ ref('monthly_measures') }}
    group by month
    union all
    select
        decision_month as month,
        sum({{ row_hash(['reporter_code', 'decision_month', 'decision_days']) }}) as content
    from {{ ref('int_complaint') }}
    where decision_days is not null
    group by decision_month
),

contents as (
    select
        window_month.window_id,
        month_contents.content
    from month_contents
    inner join {{ ref('int_window_month') }} as window_month
        on month_contents.month = window_month.month
    union all
    select
        window_id,
        {{ row_hash(['window_id', 'month', 'is_last_month']) }} as content
    from {{ ref('int_window_month') }}
    union all
    select
        window_id,
        {{ row_hash([
            'scope_no', 'basis', 'window_id', 'grain', 'group_key', 'n_in_scope', 'n_complete',
            'starts_calendar'
        ]) }} as content
    from {{ ref('kpi_scope') }}
    union all
    select
        window_id,
        {{ row_hash([
            'basis', 'window_id', 'reporter_code', 'insurer_class', 'insurer_type', 'peer_group'
        ]) }} as content
    from {{ ref('int_group') }}
    union all
    select
        window_id,
        {{ row_hash(['basis', 'window_id', 'span', 'grain', 'group_key']) }} as content
    from {{ ref('int_transfer_break') }}
    union all
    select
        window_id,
        {{ row_hash(['window_id', 'base_window', 'base_window_id', 'base_period', 'release_no']) }} as content
    from {{ ref('kpi_base_vintage') }}
    union all
    select
        int_window.window_id,
        {{ row_hash(['basis.basis', 'basis.reporter_code', 'basis.org_code']) }} as content
    from {{ ref('int_basis') }} as basis
    cross join {{ ref('int_window') }} as int_window
)

select
    int_window.window_id,
    int_window.period_type,
    int_window.period,
    coalesce(sum(contents.content), 0) as content
from {{ ref('int_window') }} as int_window
left join contents
    on int_window.window_id = contents.window_id
group by int_window.window_id, int_window.period_type, int_window.period
