-- 调查选项: one row per choice of a 单选 or 多选 question, named by question and choice: questions of the
-- bureau's own questionnaire bear one number at every insurer and so add up.
select
    survey.reporter_code,
    survey.survey_id,
    survey.submission_id,
    survey.row_no,
    survey.question_id || '/' || survey.choice_id as survey_choice,
    {{ month_of('survey.surveyed_to') }} as surveyed_month,
    survey.chosen,
    survey.valid_answers
from {{ ref('stg_f16') }} as survey
where survey.question_type <> '满意度'
