select
    c.customer_id,
    c.name,
    count(o.order_id) filter (where o.status <> 'returned') as orders,
    coalesce(sum(case when o.status <> 'returned' then o.amount end), 0) as amount
from {{ ref('customers') }} c left join {{ ref('stg_orders') }} o using (customer_id)
group by all
