{#-
All that must hold of one model, asked in one scan of its rows and one query per key or reference: a test a
rule would be a node a rule, and a node costs more than its query (docs/decisions/0027). Returns one row per
broken rule with the number of rows (of keys, where a key occurs twice) that break it; the test fails with
their sum, and `xiaobao run` names the broken rules.

- not_null: columns.
- unique: keys, each a column or a list of columns; NULLs of a list compare equal, as the grains that leave
  columns empty need, and a single column may be NULL many times.
- accepted: column to its values; NULL passes.
- refers: column to `model.column` that has its values; NULL passes.
- holds: name to a condition that is neither false nor unknown.
-#}
{% test sound(model, not_null=[], unique=[], accepted={}, refers={}, holds={}) %}
    {{ config(fail_calc='coalesce(sum(n_rows), 0)') }}
    {%- set by_row = [] -%}
    {%- for column in not_null -%}
        {%- do by_row.append((column ~ ' not_null', column ~ ' is null')) -%}
    {%- endfor -%}
    {%- for column, allowed in accepted.items() -%}
        {%- do by_row.append((
            column ~ ' accepted',
            column ~ " not in ('" ~ allowed | join("', '") ~ "')"
        )) -%}
    {%- endfor -%}
    {%- for name, condition in holds.items() -%}
        {%- do by_row.append((name, 'not coalesce((' ~ condition ~ '), false)')) -%}
    {%- endfor -%}
    {%- set queries = [] -%}
    {%- if by_row -%}
        {%- set query -%}
            select
                rules.rule,
                case rules.rule_no
                    {% for rule in by_row %}
                    when {{ loop.index }} then counted.n_{{ loop.index }}
                    {% endfor %}
                end as n_rows
            from (
                select
                    {% for _, broken in by_row %}
                    sum(case when {{ broken }} then 1 else 0 end)
                        as n_{{ loop.index }}{{ ',' if not loop.last }}
                    {% endfor %}
                from {{ model }}
            ) as counted
            cross join (
                values
                {% for name, _ in by_row %}
                ({{ loop.index }}, '{{ name }}'){{ ',' if not loop.last }}
                {% endfor %}
            ) as rules (rule_no, rule)
        {%- endset -%}
        {%- do queries.append(query) -%}
    {%- endif -%}
    {%- for key in unique -%}
        {%- set columns = [key] if key is string else key -%}
        {%- set query -%}
            select
                '{{ columns | join(', ') }} unique' as rule,
                count(*) as n_rows
            from (
                select 1 as occurs_twice
                from {{ model }}
                {{ 'where ' ~ key ~ ' is not null' if key is string }}
                group by {{ columns | join(', ') }}
                having count(*) > 1
            ) as keys
        {%- endset -%}
        {%- do queries.append(query) -%}
    {%- endfor -%}
    {%- for column, place in refers.items() -%}
        {%- set parent, field = place.split('.') -%}
        {%- set query -%}
            select
                '{{ column }} refers to {{ place }}' as rule,
                count(*) as n_rows
            from (select * from {{ model }}) as child
            left join {{ ref(parent) }} as parent
                on child.{{ column }} = parent.{{ field }}
            where child.{{ column }} is not null and parent.{{ field }} is null
        {%- endset -%}
        {%- do queries.append(query) -%}
    {%- endfor %}
    select
        rule,
        n_rows
    from (
        {{ queries | join(' union all ') }}
    ) as counts
    where n_rows > 0
{% endtest %}
