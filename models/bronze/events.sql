-- Web events as the shop sent them. created_at is wall time of the shop, without
-- an offset; some events arrive days after they happened.

select
    event_id,
    page_url,
    event_type,
    user_id,
    product_id,
    session_id,
    created_at,
    order_id,
    _fivetran_deleted,
    _fivetran_synced,
    _karat_file as source_file,
    _karat_line as source_line
from {{ source('landing', 'events') }}
