-- The finance department's sales budget, one row per product and month.

select
    _row,
    product_id,
    month,
    quantity,
    _fivetran_deleted,
    _fivetran_synced,
    _karat_file as source_file,
    _karat_line as source_line
from {{ source('landing', 'budget') }}
