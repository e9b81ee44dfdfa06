select
    cast(ordered_at_utc as date) as day,
    count(*) as orders,
    sum(amount_usd) as amount_usd
from {{ ref('sales') }}
group by cast(ordered_at_utc as date)
