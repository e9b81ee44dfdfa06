-- The shop's items: every order item whose order and product exist. All other gold
-- models take their items from here, so that they agree on what an item is.

with

items as (

    select
        order_items.order_id,
        order_items.product_id,
        products.name as product_name,
        {{ year_of('orders.created_at_utc') }} as order_year,
        {{ month_of('orders.created_at_utc') }} as order_month,
        order_items.quantity
    from {{ ref('stg_order_items') }} as order_items
    inner join {{ ref('stg_orders') }} as orders
        on order_items.order_id = orders.order_id
    inner join {{ ref('stg_products') }} as products
        on order_items.product_id = products.product_id

),

budget as (

    -- Finance may split the budget of a month into several rows.
    select
        product_id,
        {{ year_of('month') }} as budget_year,
        {{ month_of('month') }} as budget_month,
        sum(quantity) as quantity
    from {{ ref('stg_budget') }}
    group by 1, 2, 3

)

select
    items.order_id,
    items.product_id,
    items.product_name,
    items.order_year,
    items.order_month,
    items.quantity,
    sum(items.quantity) over product as total_quantity_ordered,
    count(*) over product as total_orders_with_product,
    sum(items.quantity) over product_month as total_quantity_in_month,
    count(*) over product_month as orders_with_product_in_month,
    budget.quantity as product_budget_for_month
from items
left join budget
    on items.product_id = budget.product_id
    and items.order_year = budget.budget_year
    and items.order_month = budget.budget_month
window
    product as (partition by items.product_id),
    product_month as (partition by items.product_id, items.order_year, items.order_month)
