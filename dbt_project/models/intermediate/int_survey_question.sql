-- 调查题目: one row per choice of a question. How many were asked and how many valid answers the question has is
-- stated at each of its choices and counted once, at the first of them.
with choices as (
    select
        survey.reporter_code,
        survey.survey_id,
        survey.question_id,
        survey.choice_id,
        survey.submission_id,
        survey.row_no,
        survey.topic,
        {{ month_of('survey.surveyed_to') }} as surveyed_month,
        survey.question_type = '满意度' as is_rating,
        survey.is_satisfied,
        survey.chosen,
        survey.issued,
        survey.valid_answers
    from {{ ref('stg_f16') }} as survey
),

questions as (
    select
        *,
        max(issued) over question as question_issued,
        max(valid_answers) over question as question_valid_answers,
        row_number() over (
            partition by reporter_code, survey_id, question_id, topic, surveyed_month, is_rating
            order by choice_id
        ) = 1 as is_first_choice
    from choices
    window question as (
        partition by reporter_code, survey_id, question_id, topic, surveyed_month, is_rating
    )
)

select
    reporter_code,
    survey_id,
    question_id,
    choice_id,
    submission_id,
    row_no,
    topic,
    surveyed_month,
    is_rating,
    case when is_first_choice then question_issued else 0 end as issued,
    case when is_first_choice then question_valid_answers else 0 end as valid_answers,
    case when is_satisfied then chosen else 0 end as satisfied
from questions
