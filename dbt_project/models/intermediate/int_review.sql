-- 消保审查: one row per item, with the months in which it had to be reviewed and was.
select
    review.reporter_code,
    review.review_id,
    review.submission_id,
    review.row_no,
    review.item_type,
    {{ month_of('review.required_date') }} as required_month,
    {{ month_of('review.review_date') }} as review_month,
    review.review_date is not null as is_reviewed,
    review.opinions,
    review.opinions_adopted
from {{ ref('stg_f07') }} as review
