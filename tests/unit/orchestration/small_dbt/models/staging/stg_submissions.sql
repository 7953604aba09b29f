select submission_id, rows_accepted from {{ source('filing', 'submissions') }}
