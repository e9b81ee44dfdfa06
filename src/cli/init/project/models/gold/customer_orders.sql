select
    customers.customer_id,
    customers.name,
    count(orders.order_id) as orders,
    coalesce(sum(orders.amount_usd), 0) as amount_usd
from {{ ref('stg_customers') }} as customers
left join {{ ref('stg_orders') }} as orders
    on orders.customer_id = customers.customer_id
    and orders.status <> 'returned'
group by customers.customer_id, customers.name
