{{ config(severity='warn') }}

-- What the customer pays is items plus shipping minus discount. A warning only: the
-- discount is today's, and a promotion may have been changed after the order.

select
    orders.order_id,
    orders.item_order_cost_usd,
    orders.shipping_cost_usd,
    promos.discount_usd,
    orders.total_order_cost_usd,
    orders.source_file,
    orders.source_line
from {{ ref('stg_orders') }} as orders
left join {{ ref('stg_promos') }} as promos
    on orders.promo_name = promos.promo_name
where orders.total_order_cost_usd
    <> orders.item_order_cost_usd + orders.shipping_cost_usd - coalesce(promos.discount_usd, 0)
