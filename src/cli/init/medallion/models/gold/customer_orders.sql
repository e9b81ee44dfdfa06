select
    customers.customer_id,
    customers.name,
    customers.city,
    count(sales.order_id) as orders,
    coalesce(sum(sales.amount_usd), 0) as amount_usd
from {{ ref('stg_customers') }} as customers
left join {{ ref('sales') }} as sales
    on sales.customer_id = customers.customer_id
group by customers.customer_id, customers.name, customers.city
