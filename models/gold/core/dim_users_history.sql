{{ config(materialized='view') }}

-- Every version of every user the warehouse has seen.

select
    user_id,
    first_name,
    last_name,
    email,
    phone_number,
    address_id,
    created_at_utc,
    updated_at_utc,
    valid_from,
    valid_to,
    valid_to is null as is_current
from {{ ref('users_snapshot') }}
