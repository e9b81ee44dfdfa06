-- Promotions as the shop sent them: every version of every record, all text.

select
    promo_id,
    discount,
    status,
    _fivetran_deleted,
    _fivetran_synced,
    _karat_file as source_file,
    _karat_line as source_line
from {{ source('landing', 'promos') }}
