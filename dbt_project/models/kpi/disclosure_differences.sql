-- 披露差异: what an insurer printed and what its filings say, wherever the two are not equal or could not be
-- compared; the analyst's list to DQ-05.
select
    reporter_code as org_code,
    disclosure_id,
    kpi_id,
    dimension,
    dimension_value,
    indicator_period_type as period_type,
    indicator_period as period,
    printed_value,
    filed as filed_value,
    difference,
    numerator,
    denominator,
    verdict,
    reason,
    disclosed_on,
    source_ref,
    submission_id,
    cast(row_no as integer) as row_no
from {{ ref('disclosed_indicator') }}
where verdict <> 'EQUAL'
order by org_code, period_type, period, kpi_id, dimension, dimension_value, disclosure_id
