{{ config(materialized='view') }}

-- Every version of every product the warehouse has seen.

select
    product_id,
    name,
    price_usd,
    inventory,
    valid_from,
    valid_to,
    valid_to is null as is_current
from {{ ref('products_snapshot') }}
