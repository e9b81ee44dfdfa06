-- Every shipment: an order that has a tracking number.
--
-- A table, not incremental: a changed address reaches shipments of any age, and so
-- does a product that is withdrawn. Finding out which shipments that are would read
-- as much as making them anew, which is right by construction.

with

shipped_orders as (

    select
        order_id,
        tracking_id,
        shipping_service,
        status,
        shipping_cost_usd,
        address_id,
        estimated_delivery_at_utc,
        delivered_at_utc
    from {{ ref('stg_orders') }}
    where tracking_id is not null

),

order_quantities as (

    select
        order_id,
        sum(quantity) as total_products_per_order
    from {{ ref('int_orders_products') }}
    group by order_id

)

select
    md5(orders.order_id || '|' || orders.tracking_id) as shipping_id,
    orders.order_id,
    orders.tracking_id,
    orders.shipping_service,
    orders.status,
    quantities.total_products_per_order,
    orders.shipping_cost_usd as total_shipping_cost_usd,
    {{ money_per_unit('orders.shipping_cost_usd', 'quantities.total_products_per_order') }}
        as shipping_cost_per_item_usd,
    orders.estimated_delivery_at_utc,
    orders.delivered_at_utc,
    addresses.country as shipped_country,
    addresses.state as shipped_state,
    addresses.zipcode as shipped_zipcode,
    addresses.address as shipped_address
from shipped_orders as orders
left join order_quantities as quantities
    on orders.order_id = quantities.order_id
left join {{ ref('stg_addresses') }} as addresses
    on orders.address_id = addresses.address_id
