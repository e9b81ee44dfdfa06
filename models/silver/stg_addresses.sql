-- The current version of every address.

with newest as (

    {{ newest_versions(ref('addresses'), ['address_id']) }}

)

select
    address_id,
    zipcode,
    country,
    address,
    state,
    date_load_utc,
    source_file,
    source_line
from newest
where not is_deleted
