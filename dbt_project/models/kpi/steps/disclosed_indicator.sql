-- 披露对照: every indicator an insurer has made public beside the same figure from its filings, rounded once,
-- half up, at the decimals of the print. NOT_COMPARED where there is no such figure, or it has no value.
{%- set steps = ['kpi_ratio', 'kpi_growth', 'kpi_index', 'kpi_case_median', 'kpi_spread'] %}
with disclosed as (
    select
        reporter_code,
        disclosure_id,
        kpi_id,
        dimension,
        dimension_value,
        indicator_period_type,
        indicator_period,
        printed_value,
        disclosed_on,
        source_ref,
        submission_id,
        row_no,
        try_cast(printed_value as decimal(38, 4)) as printed,
        case
            when position('.' in printed_value) = 0 then 0
            else length(printed_value) - position('.' in printed_value)
        end as decimals
    from {{ ref('stg_f17') }}
),

figures as (
    {% for step in steps -%}
        select
            series_no,
            window_id,
            group_key,
            dimension_value,
            numerator,
            denominator,
            value
        from {{ ref(step) }}
        where
            basis = 'current'
            and grain = 'insurer'
        {{ 'union all' if not loop.last }}
    {% endfor %}
),

compared as (
    select
        disclosed.*,
        int_window.window_id,
        int_window.first_month,
        int_window.last_month,
        series.kpi_id is not null as is_known,
        figure.value,
        figure.numerator,
        figure.denominator,
        -- Quotients from their operands, so that nothing is rounded twice; others from their value.
        case
            when figure.value is null then null
            when series.kind = 'ratio'
                then {{ rounded_quotient(
                    'figure.numerator * series.scale', 'figure.denominator', 'disclosed.decimals'
                ) }}
            when series.kind = 'growth'
                then {{ rounded_quotient(
                    '(figure.numerator - figure.denominator) * series.scale', 'figure.denominator',
                    'disclosed.decimals'
                ) }}
            else {{ rounded_quotient('figure.value', '1', 'disclosed.decimals') }}
        end as filed
    from disclosed
    left join {{ ref('int_window') }} as int_window
        on
            disclosed.indicator_period_type = int_window.period_type
            and disclosed.indicator_period = int_window.period
    left join {{ ref('kpi_series') }} as series
        on
            disclosed.kpi_id = series.kpi_id
            and disclosed.dimension = series.dimension
            and disclosed.dimension_value = coalesce(series.dimension_value, disclosed.dimension_value)
    left join figures as figure
        on
            series.series_no = figure.series_no
            and int_window.window_id = figure.window_id
            and disclosed.reporter_code = figure.group_key
            and disclosed.dimension_value = figure.dimension_value
)

select
    reporter_code,
    disclosure_id,
    kpi_id,
    dimension,
    dimension_value,
    indicator_period_type,
    indicator_period,
    printed_value,
    decimals,
    cast(numerator as decimal(38, 6)) as numerator,
    cast(denominator as decimal(38, 6)) as denominator,
    filed,
    printed - filed as difference,
    case
        when filed is null or printed is null then 'NOT_COMPARED'
        when filed = printed then 'EQUAL'
        else 'UNEQUAL'
    end as verdict,
    case
        when filed is not null and printed is not null then null
        when printed is null then 'no number 不是数'
        when not is_known then 'no such indicator 无此指标'
        when window_id is null then 'no such window 无此期间'
        else 'no value in the filings 报送无值'
    end as reason,
    first_month,
    last_month,
    disclosed_on,
    source_ref,
    submission_id,
    row_no
from compared
