-- Each build merges the orders that are newer than the newest one of the table.
{{ config(materialized='incremental', unique_key='order_id') }}

select
    cast(order_id as bigint) as order_id,
    cast(customer_id as bigint) as customer_id,
    status,
    cast(amount as decimal(12, 2)) as amount_usd,
    cast(ordered_at as timestamp with time zone) as ordered_at_utc
from {{ ref('raw_orders') }}
{% if is_incremental() %}
where cast(ordered_at as timestamp with time zone) > (select max(ordered_at_utc) from {{ this }})
{% endif %}
