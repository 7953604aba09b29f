-- New York's ranking computed again: ratio = upheld complaints / premium, rank by ratio, of equal ratios
-- (most of them 0) by premium, the greatest first; where both are equal the printed order stands, and a
-- row printed twice holds one place. What the printed premium's rounding leaves open is told apart from
-- what it does not explain.
{{ config(schema='kpi', materialized='table', contract={'enforced': true}) }}

with measured as (
    select
        *,
        {{ half_unit('ratio_decimals') }} as half_ratio,
        {{ half_unit('premium_decimals') }} as half_premium,
        {{ integer_divide(
            'upheld_complaints * 1000000000000000000000',
            'nullif(cast(premium as decimal(38, 9)), 0) * 1000000000') }} as ratio_trillionths,
        count(*) over (partition by filing_year, naic) as code_rows,
        count(*) over (partition by filing_year, company_name, rank, premium, total_complaints) as figure_rows
    from {{ ref('stg_ny01') }}
),

ranked as (
    select
        *,
        dense_rank() over (
            partition by filing_year
            order by ratio_trillionths asc nulls last, premium desc nulls last, rank asc
        ) as recomputed_rank,
        lag(upheld_complaints) over (partition by filing_year order by rank, row_no) as upheld_before,
        lag(premium + half_premium) over (partition by filing_year order by rank, row_no) as most_before,
        lead(upheld_complaints) over (partition by filing_year order by rank, row_no) as upheld_after,
        lead(premium - half_premium) over (partition by filing_year order by rank, row_no) as least_after
    from measured
),

-- Two years all of whose rows are equal; which of them is the copy, the publication does not tell.
year_sizes as (
    select
        filing_year,
        count(*) as insurers
    from measured
    group by filing_year
),

copied_years as (
    select a.filing_year
    from measured as a
    inner join measured as b
        on
            a.naic = b.naic
            and a.rank = b.rank
            and a.ratio = b.ratio
            and a.premium = b.premium
            and a.upheld_complaints = b.upheld_complaints
            and a.question_of_fact_complaints = b.question_of_fact_complaints
            and a.not_upheld_complaints = b.not_upheld_complaints
            and a.company_name = b.company_name
    inner join year_sizes as s on a.filing_year = s.filing_year
    inner join year_sizes as t on b.filing_year = t.filing_year
    where a.filing_year <> b.filing_year
    group by a.filing_year, b.filing_year, s.insurers, t.insurers
    having count(*) = s.insurers and count(*) = t.insurers
)

select
    r.filing_year,
    r.naic,
    r.company_name,
    r.upheld_complaints,
    r.question_of_fact_complaints,
    r.not_upheld_complaints,
    r.total_complaints,
    r.premium,
    r.ratio as printed_ratio,
    cast({{ integer_divide('r.ratio_trillionths + 500', '1000') }} as decimal(27, 0))
    * cast(0.000000001 as decimal(10, 9)) as recomputed_ratio,
    r.ratio_decimals,
    r.premium_decimals,
    case
        when
            r.upheld_complaints between (r.ratio - r.half_ratio) * r.premium
            and (r.ratio + r.half_ratio) * r.premium
            then 'OK'
        when
            r.upheld_complaints between (r.ratio - r.half_ratio) * (r.premium - r.half_premium)
            and (r.ratio + r.half_ratio) * (r.premium + r.half_premium)
            then 'WITHIN_ROUNDING'
        else 'UNEXPLAINED'
    end as ratio_status,
    r.rank as printed_rank,
    r.recomputed_rank,
    case
        when r.rank = r.recomputed_rank then 'OK'
        when
            r.upheld_before * (r.premium - r.half_premium) > r.upheld_complaints * r.most_before
            or r.upheld_complaints * r.least_after > r.upheld_after * (r.premium + r.half_premium)
            then 'UNEXPLAINED'
        else 'WITHIN_ROUNDING'
    end as rank_status,
    r.code_rows > 1 or r.figure_rows > 1 as is_repeated,
    c.filing_year is not null as is_copied_year,
    r.submission_id,
    r.row_no
from ranked as r
left join copied_years as c on r.filing_year = c.filing_year
