select
    cast(customer_id as bigint) as customer_id,
    trim(name) as name,
    lower(trim(email)) as email,
    city,
    cast(updated_at as timestamp with time zone) as updated_at_utc
from {{ ref('raw_customers') }}
