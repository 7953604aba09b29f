-- 调查题目: one row per question, with its valid answers counted once (each of its choices states them).
select
    survey.reporter_code,
    survey.survey_id,
    survey.question_id,
    survey.topic,
    {{ month_of('survey.surveyed_to') }} as surveyed_month,
    survey.question_type = '满意度' as is_rating,
    max(survey.issued) as issued,
    max(survey.valid_answers) as valid_answers,
    sum(case when survey.is_satisfied then survey.chosen else 0 end) as satisfied
from {{ ref('stg_f16') }} as survey
group by all
