with source as (select * from {{ ref('orders') }})
select order_id, customer_id, status, {{ money('cents') }} as amount, ordered_on from source
