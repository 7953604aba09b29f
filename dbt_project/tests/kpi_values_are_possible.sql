-- Errors if a value lies outside what its KPI can be (E9): such a figure blocks publication.
-- The meta tells Dagster which of the models it reads shows the check.
{{ config(meta={'dagster': {'ref': {'name': 'kpi_values'}}}) }}
select
    kpi_values.kpi_id,
    kpi_values.period_type,
    kpi_values.period,
    kpi_values.grain,
    kpi_values.org_code,
    kpi_values.dimension_value,
    kpi_values.numerator,
    kpi_values.denominator,
    kpi_values.value
from {{ judged(ref('kpi_values')) }} as kpi_values
inner join {{ ref('kpi_catalogue') }} as catalogue
    on kpi_values.kpi_id = catalogue.kpi_id
where
    kpi_values.value < catalogue.lower_limit
    or kpi_values.value > catalogue.upper_limit
