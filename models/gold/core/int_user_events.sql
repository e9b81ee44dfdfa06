-- How often each user did what in the web shop.

select
    user_id,
    count(*) filter (where event_type = 'page_view') as page_view_amount,
    count(*) filter (where event_type = 'add_to_cart') as add_to_cart_amount,
    count(*) filter (where event_type = 'checkout') as checkout_amount,
    count(*) filter (where event_type = 'package_shipped') as package_shipped_amount
from {{ ref('stg_events') }}
where user_id is not null
group by user_id
