-- 纽约州车险投诉排名: the edition known at the asked moment, one row per insurer and filing year as printed, with
-- the decimals each number is printed with.
{{ config(schema='staging', materialized='view') }}

with numbers as (
    select
        filing_year,
        naic,
        company_name,
        ratio,
        upheld_complaints,
        question_of_fact_complaints,
        not_upheld_complaints,
        total_complaints,
        premiums_written_in_millions as premium,
        rank,
        {{ shown_decimals('ratio') }} as ratio_shown,
        {{ shown_decimals('premiums_written_in_millions') }} as premium_shown,
        submission_id,
        row_no
    from {{ source('filed', 'ny01') }}
    where {{ in_force() }}
),

-- A ratio of 0.1 in a year of four decimals was 0.1000: most numbers of a year show how it was printed.
years as (
    select
        filing_year,
        mode(case when ratio <> 0 then ratio_shown end) as ratio_usual,
        mode(premium_shown) as premium_usual
    from numbers
    group by filing_year
)

select
    n.filing_year,
    n.naic,
    n.company_name,
    n.ratio,
    n.upheld_complaints,
    n.question_of_fact_complaints,
    n.not_upheld_complaints,
    n.total_complaints,
    n.premium,
    n.rank,
    greatest(n.ratio_shown, coalesce(y.ratio_usual, 0)) as ratio_decimals,
    greatest(n.premium_shown, y.premium_usual) as premium_decimals,
    n.submission_id,
    n.row_no
from numbers as n
inner join years as y on n.filing_year = y.filing_year
