select 'CMP-01' as kpi_id, sum(rows_accepted) as value from {{ ref('stg_submissions') }}
