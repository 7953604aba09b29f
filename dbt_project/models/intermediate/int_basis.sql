-- 口径: which institution a reporter's figures count for. Current: itself. Comparable: the institution in
-- force now, so that a merged insurer's history stands with its successor.
select
    'current' as basis,
    reporter_code,
    reporter_code as org_code
from {{ ref('int_reporter') }}
union all
select
    'comparable' as basis,
    reporter_code,
    current_code as org_code
from {{ ref('int_reporter') }}
union all
-- The bureau is no insurer: its own registers count for itself.
select
    'current' as basis,
    '{{ var("supervisor_code") }}' as reporter_code,
    '{{ var("supervisor_code") }}' as org_code
union all
select
    'comparable' as basis,
    '{{ var("supervisor_code") }}' as reporter_code,
    '{{ var("supervisor_code") }}' as org_code
