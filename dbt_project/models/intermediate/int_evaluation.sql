-- 监管评价: one row per legal person and evaluated year with its points, element scores by their weights less the
-- deduction. Without all six elements there is no total. The year belongs to windows by its last month.
with weights as (
    select
        element,
        weight_pct,
        (select count(*) from {{ ref('evaluation_weights') }}) as n_elements
    from {{ ref('evaluation_weights') }}
),

weighed as (
    select
        evaluation.org_code,
        evaluation.evaluation_year,
        evaluation.submission_id,
        evaluation.row_no,
        row_number() over (
            partition by evaluation.org_code, evaluation.evaluation_year order by evaluation.element
        ) = 1 as is_first,
        weight.n_elements,
        -- Whole per cent times hundredths: exact to four decimals.
        cast(coalesce(evaluation.score, 0) as decimal(5, 2)) * cast(weight.weight_pct as decimal(3, 0))
        * cast(0.01 as decimal(3, 2))
        - cast(coalesce(evaluation.deduction, 0) as decimal(5, 2)) as points
    from {{ ref('stg_r08') }} as evaluation
    inner join weights as weight
        on evaluation.element = weight.element
)

select
    org_code as reporter_code,
    evaluation_year,
    cast(cast(evaluation_year as {{ text_type() }}) || '-12-01' as date) as month,
    -- The year's rows stand together in the register; its first element is their address.
    max(case when is_first then submission_id end) as submission_id,
    max(case when is_first then row_no end) as row_no,
    cast(sum(points) as decimal(18, 4)) as points
from weighed
group by org_code, evaluation_year
having count(*) = max(n_elements)
