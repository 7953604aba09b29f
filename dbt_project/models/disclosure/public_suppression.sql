-- 隐去: which cells are not printed outside (E10), first for their own sake, then so that none of these
-- follows from what adds up. Every sum (bureau = types; type = values of one division) is left with no
-- unknown or with at least two, which together reach the threshold. As the sums form a tree, no unknown
-- can then be computed: whoever changes one of them can balance it along the tree.
with cells as (
    select distinct
        cell_measure,
        window_id,
        grain,
        group_key,
        dimension,
        dimension_value,
        amount,
        is_unsafe,
        case when is_count then {{ var('suppress_below') }} else 0 end as enough
    from {{ ref('public_cell') }}
    where
        not is_other_population
        and amount <> 0
),

-- Down: of a type's printed total, beside a value that is hidden others are, smallest first.
valued as (
    select
        part.cell_measure,
        part.window_id,
        part.group_key,
        part.dimension,
        part.dimension_value,
        part.amount,
        part.enough,
        part.is_unsafe,
        coalesce(whole.is_unsafe, false) as whole_is_unsafe,
        count(case when part.is_unsafe then 1 end) over division as n_unsafe,
        sum(case when part.is_unsafe then abs(part.amount) else 0 end) over division as unsafe_amount,
        row_number() over (
            partition by part.cell_measure, part.window_id, part.group_key, part.dimension, part.is_unsafe
            order by abs(part.amount), part.dimension_value
        ) as place,
        sum(case when part.is_unsafe then 0 else abs(part.amount) end) over (
            partition by part.cell_measure, part.window_id, part.group_key, part.dimension, part.is_unsafe
            order by abs(part.amount), part.dimension_value
            rows between unbounded preceding and current row
        ) as amount_up_to
    from cells as part
    left join cells as whole
        on
            part.cell_measure = whole.cell_measure
            and part.window_id = whole.window_id
            and part.group_key = whole.group_key
            and whole.grain = 'insurer_type'
            and whole.dimension = 'total'
    where
        part.grain = 'insurer_type'
        and part.dimension <> 'total'
    window division as (
        partition by part.cell_measure, part.window_id, part.group_key, part.dimension
    )
),

divided as (
    select
        *,
        is_unsafe
        or (
            n_unsafe > 0
            and not whole_is_unsafe
            and (n_unsafe + place <= 2 or unsafe_amount + amount_up_to - abs(amount) < enough)
        ) as is_hidden
    from valued
),

-- A value that stands alone in its division is its type's total.
alone_in_division as (
    select
        cell_measure,
        window_id,
        group_key
    from divided
    group by cell_measure, window_id, group_key, dimension
    having
        count(*) = 1
        and bool_or(is_hidden)
),

alone as (
    select distinct
        cell_measure,
        window_id,
        group_key
    from alone_in_division
),

-- Across: of the bureau's printed total, beside a type that is hidden others are.
typed as (
    select
        part.cell_measure,
        part.window_id,
        part.group_key,
        part.amount,
        part.enough,
        part.is_unsafe or alone.group_key is not null as is_hidden_below,
        whole.group_key is not null as has_whole,
        coalesce(whole.is_unsafe, false) as whole_is_unsafe
    from cells as part
    left join alone
        on
            part.cell_measure = alone.cell_measure
            and part.window_id = alone.window_id
            and part.group_key = alone.group_key
    left join cells as whole
        on
            part.cell_measure = whole.cell_measure
            and part.window_id = whole.window_id
            and whole.grain = 'bureau'
    where
        part.grain = 'insurer_type'
        and part.dimension = 'total'
),

placed as (
    select
        *,
        count(case when is_hidden_below then 1 end) over measured as n_below,
        sum(case when is_hidden_below then abs(amount) else 0 end) over measured as amount_below,
        row_number() over (
            partition by cell_measure, window_id, is_hidden_below order by abs(amount), group_key
        ) as place,
        sum(case when is_hidden_below then 0 else abs(amount) end) over (
            partition by cell_measure, window_id, is_hidden_below
            order by abs(amount), group_key
            rows between unbounded preceding and current row
        ) as amount_up_to
    from typed
    window measured as (partition by cell_measure, window_id)
),

types as (
    select
        *,
        is_hidden_below
        or (
            has_whole
            and case
                when whole_is_unsafe then n_below = 0 and place = 1
                else
                    n_below > 0
                    and (n_below + place <= 2 or amount_below + amount_up_to - abs(amount) < enough)
            end
        ) as is_hidden
    from placed
),

lone_types as (
    select
        cell_measure,
        window_id,
        count(*) = 1 and bool_or(is_hidden) as is_alone
    from types
    group by cell_measure, window_id
),

bureaus as (
    select
        whole.cell_measure,
        whole.window_id,
        whole.is_unsafe or coalesce(lone_types.is_alone, false) as is_hidden
    from cells as whole
    left join lone_types
        on
            whole.cell_measure = lone_types.cell_measure
            and whole.window_id = lone_types.window_id
    where whole.grain = 'bureau'
),

-- Down again: a hidden type leaves an unknown in each of its divisions.
finished as (
    select
        divided.cell_measure,
        divided.window_id,
        divided.group_key,
        divided.dimension,
        divided.dimension_value,
        divided.is_hidden
        or (
            coalesce(types.is_hidden, false)
            and not bool_or(divided.is_hidden) over division
            and row_number() over (
                partition by divided.cell_measure, divided.window_id, divided.group_key, divided.dimension
                order by abs(divided.amount), divided.dimension_value
            ) = 1
        ) as is_hidden
    from divided
    left join types
        on
            divided.cell_measure = types.cell_measure
            and divided.window_id = types.window_id
            and divided.group_key = types.group_key
    window division as (
        partition by divided.cell_measure, divided.window_id, divided.group_key, divided.dimension
    )
),

hidden as (
    select
        cell_measure,
        window_id,
        'insurer_type' as grain,
        group_key,
        dimension,
        dimension_value
    from finished
    where is_hidden
    union all
    select
        cell_measure,
        window_id,
        'insurer_type' as grain,
        group_key,
        'total' as dimension,
        'total' as dimension_value
    from types
    where is_hidden
    union all
    select
        cell_measure,
        window_id,
        'bureau' as grain,
        'bureau' as group_key,
        'total' as dimension,
        'total' as dimension_value
    from bureaus
    where is_hidden
)

select
    cell.scope_no,
    cell.measure_id,
    cell.cell_measure,
    cell.window_id,
    cell.grain,
    cell.group_key,
    cell.dimension,
    cell.dimension_value,
    cell.amount,
    cell.is_count,
    cell.is_other_population,
    cell.is_unsafe,
    cell.is_other_population or hidden.cell_measure is not null as is_hidden
from {{ ref('public_cell') }} as cell
left join hidden
    on
        cell.cell_measure = hidden.cell_measure
        and cell.window_id = hidden.window_id
        and cell.grain = hidden.grain
        and cell.group_key = hidden.group_key
        and cell.dimension = hidden.dimension
        and cell.dimension_value = hidden.dimension_value
