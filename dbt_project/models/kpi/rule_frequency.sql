-- 规则触发: how often each rule found something, by form and period: of the submissions it was run on, in how
-- many, and with how many findings. Every submission counts, also refused and replaced ones; a rule that was
-- not run on a submission says nothing about it.
with judged as (
    select
        verdicts.form,
        verdicts.period,
        verdicts.rule_code,
        count(*) as n_submissions,
        count(*) filter (where verdicts.verdict = 'fail') as n_submissions_found,
        sum(verdicts.findings) as n_findings
    from {{ source('filing', 'verdicts') }} as verdicts
    inner join {{ source('filing', 'submissions') }} as submissions
        on verdicts.submission_id = submissions.submission_id
    where
        verdicts.verdict in ('pass', 'fail')
        and verdicts.period is not null
        and {{ known('submissions.signed_at') }}
    group by all
)

select
    judged.form,
    judged.period,
    judged.rule_code,
    rules.severity,
    rules.text_zh,
    rules.text_en,
    cast(judged.n_submissions as integer) as submissions_judged,
    cast(judged.n_submissions_found as integer) as submissions_found,
    cast(judged.n_findings as bigint) as findings,
    cast({{ ratio('judged.n_submissions_found', 'judged.n_submissions', '100') }} as decimal(18, 2))
        as submissions_found_share,
    cast(rank() over (
        partition by judged.form, judged.period
        order by judged.n_submissions_found desc, judged.n_findings desc
    ) as integer) as rank
from judged
inner join {{ source('reference', 'rules') }} as rules
    on
        judged.form = rules.form
        and judged.rule_code = rules.rule_code
where judged.n_submissions_found > 0
order by judged.form, judged.period, rank, judged.rule_code
