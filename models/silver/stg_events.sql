{{ config(
    materialized='incremental',
    incremental_strategy='merge',
    unique_key='event_id',
    delete_when='is_deleted',
) }}

-- The current version of every web event. Events are by far the largest table and
-- come late: what is new is told by the batch files, never by the event's own time.

with newest as (

    {{ newest_versions(ref('events'), ['event_id']) }}

)

select
    event_id,
    session_id,
    user_id,
    event_type,
    page_url,
    product_id,
    order_id,
    try_local_to_utc(created_at, '{{ var("shop_time_zone") }}') as created_at_utc,
    date_load_utc,
    source_file,
    source_line,
    is_deleted
from newest
