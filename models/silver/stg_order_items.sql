{{ config(
    materialized='incremental',
    incremental_strategy='merge',
    unique_key=['order_id', 'product_id'],
    delete_when='is_deleted',
) }}

-- The current version of every order item: how many units of a product an order has.

with newest as (

    {{ newest_versions(ref('order_items'), ['order_id', 'product_id']) }}

)

select
    order_id,
    product_id,
    {{ to_integer('quantity') }} as quantity,
    date_load_utc,
    source_file,
    source_line,
    is_deleted
from newest
