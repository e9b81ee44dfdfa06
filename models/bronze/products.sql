-- Products as the shop sent them: every version of every record, all text.

select
    product_id,
    price,
    name,
    inventory,
    _fivetran_deleted,
    _fivetran_synced,
    _karat_file as source_file,
    _karat_line as source_line
from {{ source('landing', 'products') }}
