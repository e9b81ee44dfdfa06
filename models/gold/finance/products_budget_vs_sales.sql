-- Each product's budget of a month beside what was really sold in it.

with

budget as (

    select
        product_id,
        {{ year_of('month') }} as year,
        {{ month_of('month') }} as month,
        sum(quantity) as budget
    from {{ ref('stg_budget') }}
    group by 1, 2, 3

),

sales as (

    select
        product_id,
        {{ year_of('created_at_utc') }} as year,
        {{ month_of('created_at_utc') }} as month,
        sum(quantity) as units_sold,
        {{ sum_money('sales_usd') }} as sales_usd,
        {{ sum_money('quantity * shipping_cost_per_item_usd') }} as shipping_cost_usd
    from {{ ref('fct_orders_products') }}
    group by 1, 2, 3

)

select
    budget.product_id,
    products.name as product_name,
    budget.year,
    budget.month,
    budget.budget,
    coalesce(sales.units_sold, 0) as units_sold,
    cast(coalesce(sales.sales_usd, 0) as decimal(18, 2)) as sales_usd,
    cast(coalesce(sales.shipping_cost_usd, 0) as decimal(18, 2)) as shipping_cost_usd,
    coalesce(sales.units_sold, 0) > budget.budget as over_budget
from budget
left join sales
    on budget.product_id = sales.product_id
    and budget.year = sales.year
    and budget.month = sales.month
left join {{ ref('stg_products') }} as products
    on budget.product_id = products.product_id
