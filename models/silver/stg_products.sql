-- The current version of every product: what it costs and how many are in stock.

with newest as (

    {{ newest_versions(ref('products'), ['product_id']) }}

)

select
    product_id,
    name,
    {{ to_money('price') }} as price_usd,
    {{ to_integer('inventory') }} as inventory,
    date_load_utc,
    source_file,
    source_line
from newest
where not is_deleted
