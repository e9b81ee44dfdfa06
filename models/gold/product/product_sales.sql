-- How often each product is looked at, ordered and sold.

with

visits as (

    select
        product_id,
        count(*) as web_visits
    from {{ ref('stg_events') }}
    where event_type = 'page_view'
    group by product_id

),

sales as (

    select
        product_id,
        count(*) as times_ordered,
        sum(quantity) as total_units_sold,
        {{ sum_money('sales_usd') }} as total_sales_usd
    from {{ ref('fct_orders_products') }}
    group by product_id

)

select
    products.product_id,
    products.name as product_name,
    coalesce(visits.web_visits, 0) as web_visits,
    coalesce(sales.times_ordered, 0) as times_ordered,
    coalesce(sales.total_units_sold, 0) as total_units_sold,
    cast(coalesce(sales.total_sales_usd, 0) as decimal(18, 2)) as total_sales_usd
from {{ ref('stg_products') }} as products
left join visits
    on products.product_id = visits.product_id
left join sales
    on products.product_id = sales.product_id
