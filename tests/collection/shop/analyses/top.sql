select * from {{ ref('customer_orders') }} order by amount desc
