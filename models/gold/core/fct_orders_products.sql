-- Every item sold, with its order, its price, its share of the shipping cost and the
-- web session in which it was bought.
--
-- A table, not incremental: a new price, a withdrawn product or an event that comes
-- late can change an item of any age.

with

checkouts as (

    -- The session of an order is the one of its first checkout.
    select
        order_id,
        session_id
    from {{ ref('stg_events') }}
    where event_type = 'checkout'
        and order_id is not null
    qualify row_number() over (
        partition by order_id
        order by created_at_utc asc nulls last, event_id asc
    ) = 1

),

cart_additions as (

    -- A product may be put into the cart more than once; the first time counts.
    select
        session_id,
        product_id,
        event_id
    from {{ ref('stg_events') }}
    where event_type = 'add_to_cart'
        and session_id is not null
        and product_id is not null
    qualify row_number() over (
        partition by session_id, product_id
        order by created_at_utc asc nulls last, event_id asc
    ) = 1

)

select
    items.order_id,
    items.product_id,
    cart_additions.event_id,
    checkouts.session_id,
    orders.user_id,
    orders.address_id,
    orders.promo_name,
    orders.created_at_utc,
    items.quantity,
    products.price_usd,
    cast(items.quantity * products.price_usd as decimal(18, 2)) as sales_usd,
    shipping.shipping_cost_per_item_usd,
    orders.shipping_service,
    orders.status,
    orders.estimated_delivery_at_utc,
    orders.delivered_at_utc,
    cast(orders.delivered_at_utc as date) - cast(orders.created_at_utc as date) as days_to_deliver
from {{ ref('int_orders_products') }} as items
inner join {{ ref('stg_orders') }} as orders
    on items.order_id = orders.order_id
inner join {{ ref('stg_products') }} as products
    on items.product_id = products.product_id
left join {{ ref('dim_shipping') }} as shipping
    on items.order_id = shipping.order_id
left join checkouts
    on items.order_id = checkouts.order_id
left join cart_additions
    on checkouts.session_id = cart_additions.session_id
    and items.product_id = cart_additions.product_id
