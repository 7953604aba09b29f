-- 划转断点: groups whose figures a transfer inside a span breaks (E5, E8), by basis, window and span: the window
-- itself, or from its base's first day for growth. Current: the giver and the receiver, and the groups of
-- the two where they differ; a group that holds both is whole. Comparable: a transfer to one institution is
-- mapped; of a split one carries the history and the others cannot, so that the heirs are broken.
with spans as (
    select
        window_id,
        'window' as span,
        first_month as first_day,
        last_day
    from {{ ref('int_window') }}
    union all
    select
        base.window_id,
        base.base_window as span,
        base.base_first_day as first_day,
        int_window.last_day
    from {{ ref('int_window_base') }} as base
    inner join {{ ref('int_window') }} as int_window
        on base.window_id = int_window.window_id
),

sides as (
    select
        'current' as basis,
        giver_code as one_code,
        receiver_code as other_code,
        carried_from
    from {{ ref('int_transfer') }}
    union all
    select
        'comparable' as basis,
        giver.current_code as one_code,
        receiver.current_code as other_code,
        transfer.carried_from
    from {{ ref('int_transfer') }} as transfer
    inner join {{ ref('int_reporter') }} as giver
        on transfer.giver_code = giver.reporter_code
    inner join {{ ref('int_reporter') }} as receiver
        on transfer.receiver_code = receiver.reporter_code
    where transfer.is_split
),

crossed as (
    select
        sides.basis,
        spans.window_id,
        spans.span,
        sides.one_code,
        sides.other_code,
        one.insurer_type as one_type,
        one.peer_group as one_group,
        other.insurer_type as other_type,
        other.peer_group as other_group
    from sides
    inner join spans
        on
            sides.carried_from > spans.first_day
            and sides.carried_from <= spans.last_day
    left join {{ ref('int_group') }} as one
        on
            sides.basis = one.basis
            and spans.window_id = one.window_id
            and sides.one_code = one.reporter_code
    left join {{ ref('int_group') }} as other
        on
            sides.basis = other.basis
            and spans.window_id = other.window_id
            and sides.other_code = other.reporter_code
    where sides.one_code <> sides.other_code
),

broken as (
    {% for side, against in [('one', 'other'), ('other', 'one')] -%}
        select
            basis,
            window_id,
            span,
            'insurer' as grain,
            {{ side }}_code as group_key
        from crossed
        union all
        select
            basis,
            window_id,
            span,
            'insurer_type' as grain,
            {{ side }}_type as group_key
        from crossed
        where coalesce({{ side }}_type <> {{ against }}_type, true)
        union all
        select
            basis,
            window_id,
            span,
            'peer_group' as grain,
            {{ side }}_group as group_key
        from crossed
        where coalesce({{ side }}_group <> {{ against }}_group, true)
        {{ 'union all' if not loop.last }}
    {% endfor %}
)

select distinct *
from broken
where group_key is not null
