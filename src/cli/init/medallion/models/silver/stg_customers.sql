-- The newest state of each customer.
select
    customer_id,
    trim(name) as name,
    lower(trim(email)) as email,
    city,
    updated_at as updated_at_utc
from {{ ref('raw_customers') }}
qualify row_number() over (partition by customer_id order by updated_at desc) = 1
