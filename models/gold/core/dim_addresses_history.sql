{{ config(materialized='view') }}

-- Every version of every address the warehouse has seen.

select
    address_id,
    zipcode,
    country,
    address,
    state,
    valid_from,
    valid_to,
    valid_to is null as is_current
from {{ ref('addresses_snapshot') }}
