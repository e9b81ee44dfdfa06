{{ config(
    materialized='incremental',
    incremental_strategy='merge',
    unique_key='order_id',
    delete_when='is_deleted',
) }}

-- The current version of every order. An incremental run decides the orders that
-- new lines of the batch files touch, and removes those that are now deleted.

with newest as (

    {{ newest_versions(ref('orders'), ['order_id']) }}

)

select
    order_id,
    user_id,
    address_id,
    coalesce(promo_id, 'No Promo') as promo_name,
    {{ to_money('order_cost') }} as item_order_cost_usd,
    {{ to_money('shipping_cost') }} as shipping_cost_usd,
    {{ to_money('order_total') }} as total_order_cost_usd,
    coalesce(shipping_service, 'Not Shipped') as shipping_service,
    tracking_id,
    status,
    try_parse_utc(created_at) as created_at_utc,
    try_parse_utc(estimated_delivery_at) as estimated_delivery_at_utc,
    try_parse_utc(delivered_at) as delivered_at_utc,
    date_load_utc,
    source_file,
    source_line,
    is_deleted
from newest
