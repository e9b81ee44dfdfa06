-- The newest state of each order. A build reads the files that it has not read yet: the name of a file says when it
-- arrived, while an order's own time may be long before.
{{ config(materialized='incremental', unique_key='order_id') }}

select
    order_id,
    customer_id,
    status,
    amount as amount_usd,
    ordered_at as ordered_at_utc,
    source_file
from {{ ref('raw_orders') }}
{% if is_incremental() %}
where source_file > (select max(source_file) from {{ this }})
{% endif %}
qualify row_number() over (partition by order_id order by source_file desc) = 1
