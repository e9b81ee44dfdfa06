-- Orders as the shop sent them: an order arrives again whenever its status changes.

select
    order_id,
    shipping_service,
    shipping_cost,
    address_id,
    created_at,
    promo_id,
    estimated_delivery_at,
    order_cost,
    user_id,
    order_total,
    delivered_at,
    tracking_id,
    status,
    _fivetran_deleted,
    _fivetran_synced,
    _karat_file as source_file,
    _karat_line as source_line
from {{ source('landing', 'orders') }}
