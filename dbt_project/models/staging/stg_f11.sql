-- 机构治理事实: of each reporter and quarter, the institution's own row of the latest snapshot date. Rows about
-- branches below the reporter are filed in the same form and are no institution of their own here.
{{ config(meta={'key': []}) }}
select
    reporter_code,
    org_code,
    as_of_date,
    insurer_class,
    org_level,
    fi_rules,
    fi_rules_date,
    fi_ledger,
    fi_pilot,
    fi_sales_covered,
    mechanisms_revised,
    cp_committee,
    cp_staff,
    cp_liaison,
    cp_weight_pct,
    fi_weight_pct,
    own_in_assessment,
    party_branch,
    head_party_member,
    filing_period,
    {{ period_last_month('filing_period') }} as month,
    submission_id,
    submission_no,
    row_no,
    sys_from
from {{ source('filed', 'f11') }}
where
    {{ in_force() }}
    and record_action <> 'D'
    and org_code = reporter_code
qualify row_number() over (
    partition by reporter_code, filing_period
    order by as_of_date desc, row_no desc
) = 1
