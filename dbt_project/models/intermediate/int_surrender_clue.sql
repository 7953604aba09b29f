-- 代理退保黑产线索: one row per clue. A clue still in screening (初筛) and not reported has no outcome yet: it is
-- outside numerator and denominator of the referral rate (E6).
select
    clue.reporter_code,
    clue.clue_id,
    clue.submission_id,
    clue.row_no,
    clue.found_stage,
    {{ month_of('clue.found_date') }} as found_month,
    {{ month_of('clue.verified_on') }} as verified_month,
    clue.reported_on is not null as is_reported,
    clue.status = '初筛' and clue.reported_on is null as is_in_screening,
    clue.surrender_amount,
    clue.recovered_amount
from {{ ref('stg_f09') }} as clue
