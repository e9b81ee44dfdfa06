-- The joins of the fact table must neither lose nor double an item.

with

items as (

    select order_id, product_id, count(*) as items
    from {{ ref('int_orders_products') }}
    group by order_id, product_id

),

facts as (

    select order_id, product_id, count(*) as facts
    from {{ ref('fct_orders_products') }}
    group by order_id, product_id

)

select
    coalesce(items.order_id, facts.order_id) as order_id,
    coalesce(items.product_id, facts.product_id) as product_id,
    items.items,
    facts.facts
from items
full join facts
    on items.order_id = facts.order_id
    and items.product_id = facts.product_id
where items.items is distinct from facts.facts
