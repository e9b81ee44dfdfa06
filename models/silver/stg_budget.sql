-- The current version of every budget row: how many units of a product are meant
-- to be sold in a month.

with newest as (

    {{ newest_versions(ref('budget'), ['_row']) }}

)

select
    _row as product_budget_id,
    product_id,
    {{ to_integer('quantity') }} as quantity,
    try_cast(month as date) as month,
    date_load_utc,
    source_file,
    source_line
from newest
where not is_deleted
