{#-
Errors if two rows share the key; NULL key columns compare equal, as the grains that leave them empty need.
-#}
{% test unique_key(model, columns) %}
    select
        {{ columns | join(', ') }},
        count(*) as n_rows
    from {{ model }}
    group by {{ columns | join(', ') }}
    having count(*) > 1
{% endtest %}
