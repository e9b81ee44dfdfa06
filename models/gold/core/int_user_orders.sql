-- What each user with at least one order has ordered and paid.

with order_amounts as (

    -- A left join: an order keeps its amounts when its promotion is unknown.
    select
        orders.user_id,
        orders.item_order_cost_usd,
        orders.shipping_cost_usd,
        orders.total_order_cost_usd,
        promos.discount_usd
    from {{ ref('stg_orders') }} as orders
    left join {{ ref('stg_promos') }} as promos
        on orders.promo_name = promos.promo_name

)

select
    users.user_id,
    users.first_name,
    users.last_name,
    users.email,
    count(*) as total_orders,
    {{ sum_money('order_amounts.item_order_cost_usd') }} as products_expenditure_usd,
    {{ sum_money('order_amounts.shipping_cost_usd') }} as shipping_expenditure_usd,
    {{ sum_money('order_amounts.total_order_cost_usd') }} as total_expenditure_usd,
    {{ sum_money('order_amounts.discount_usd') }} as discount_usd
from {{ ref('stg_users') }} as users
inner join order_amounts
    on users.user_id = order_amounts.user_id
group by 1, 2, 3, 4
