-- Errors unless the run's date is one row and filled: every cohort is cut by it.
select count(*) as n_rows
from {{ ref('int_run') }}
having
    count(*) <> 1
    or count(as_of) <> 1
