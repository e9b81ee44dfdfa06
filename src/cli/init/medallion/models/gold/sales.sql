select orders.order_id, orders.customer_id, orders.amount_usd, orders.ordered_at_utc
from {{ ref('stg_orders') }} as orders
inner join {{ ref('order_statuses') }} as statuses
    on statuses.status = orders.status
where statuses.is_sale
