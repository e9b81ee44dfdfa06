{{ config(severity='warn') }}

-- A session belongs to one user; otherwise a purchase may be credited to the wrong one.

select
    session_id,
    count(distinct user_id) as users,
    min(source_file) as source_file,
    min(source_line) as source_line
from {{ ref('stg_events') }}
group by session_id
having count(distinct user_id) > 1
