-- What each user has bought so far; users without an order have zeros.

with purchases as (

    select
        user_id,
        sum(quantity) as units_bought,
        count(distinct product_id) as distinct_products_bought
    from {{ ref('fct_orders_products') }}
    group by user_id

)

select
    users.user_id,
    users.first_name,
    users.last_name,
    users.email,
    coalesce(orders.total_orders, 0) as total_orders,
    cast(coalesce(orders.products_expenditure_usd, 0) as decimal(18, 2)) as products_expenditure_usd,
    cast(coalesce(orders.shipping_expenditure_usd, 0) as decimal(18, 2)) as shipping_expenditure_usd,
    cast(coalesce(orders.total_expenditure_usd, 0) as decimal(18, 2)) as total_expenditure_usd,
    cast(coalesce(orders.discount_usd, 0) as decimal(18, 2)) as discount_usd,
    coalesce(purchases.units_bought, 0) as units_bought,
    coalesce(purchases.distinct_products_bought, 0) as distinct_products_bought
from {{ ref('stg_users') }} as users
left join {{ ref('int_user_orders') }} as orders
    on users.user_id = orders.user_id
left join purchases
    on users.user_id = purchases.user_id
