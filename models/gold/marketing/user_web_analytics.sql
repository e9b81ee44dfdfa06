-- How each visitor of the web shop behaves: sessions, views, carts, money.

with sessions as (

    select
        user_id,
        count(distinct session_id) as total_sessions,
        count(distinct case when event_type = 'checkout' then session_id end) as sessions_with_purchase
    from {{ ref('stg_events') }}
    where user_id is not null
    group by user_id

)

select
    sessions.user_id,
    sessions.total_sessions,
    {{ ratio('100 * sessions.sessions_with_purchase', 'sessions.total_sessions') }}
        as perc_sessions_with_purchase,
    {{ ratio('events.page_view_amount', 'sessions.total_sessions') }}
        as mean_products_viewed_per_session,
    {{ ratio('100 * events.add_to_cart_amount', 'events.page_view_amount') }}
        as perc_products_purchased_after_visit,
    {{ ratio('coalesce(orders.total_expenditure_usd, 0)', 'sessions.total_sessions') }}
        as mean_expenditure_per_session_usd
from sessions
inner join {{ ref('int_user_events') }} as events
    on sessions.user_id = events.user_id
left join {{ ref('int_user_orders') }} as orders
    on sessions.user_id = orders.user_id
