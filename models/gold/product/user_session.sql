-- Every web session of a known user: when it was and what happened in it.

with sessions as (

    select
        session_id,
        user_id,
        min(created_at_utc) as first_event_time_utc,
        max(created_at_utc) as last_event_time_utc,
        count(*) filter (where event_type = 'page_view') as page_view_events,
        count(*) filter (where event_type = 'add_to_cart') as add_to_cart_events,
        count(*) filter (where event_type = 'checkout') as checkout_events,
        count(*) filter (where event_type = 'package_shipped') as package_shipped_events
    from {{ ref('stg_events') }}
    group by session_id, user_id

)

select
    sessions.session_id,
    sessions.user_id,
    users.first_name,
    users.email,
    sessions.first_event_time_utc,
    sessions.last_event_time_utc,
    cast(date_part('epoch', sessions.last_event_time_utc - sessions.first_event_time_utc) as bigint)
        as session_length_seconds,
    sessions.page_view_events,
    sessions.add_to_cart_events,
    sessions.checkout_events,
    sessions.package_shipped_events
from sessions
inner join {{ ref('stg_users') }} as users
    on sessions.user_id = users.user_id
