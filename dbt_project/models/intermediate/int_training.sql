-- 消保培训: one row per course and audience. The rate of a course is a decimal of its own, in per cent with
-- 6 places rounded half up, so that the mean of courses (TRN-02) is exact: four courses of 2/3 give
-- 66.67, not the truncated 66.6 of seed 001. A course without anybody on its roster has no rate and is
-- no course of the mean.
select
    training.reporter_code,
    training.course_id,
    training.submission_id,
    training.row_no,
    training.audience,
    {{ month_of('training.session_date') }} as session_month,
    training.expected,
    training.attended,
    training.audience = '内勤' as is_for_staff,
    training.audience = '外勤' as is_for_sales,
    training.audience = '外勤' and training.expected > 0 as is_rated_sales_course,
    {{ ratio('training.attended', 'training.expected', '100', 6) }} as participation_rate
from {{ ref('stg_f08') }} as training
