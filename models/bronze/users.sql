-- Users as the shop sent them: every version of every record, all text.

select
    user_id,
    updated_at,
    address_id,
    last_name,
    created_at,
    phone_number,
    total_orders,
    first_name,
    email,
    _fivetran_deleted,
    _fivetran_synced,
    _karat_file as source_file,
    _karat_line as source_line
from {{ source('landing', 'users') }}
