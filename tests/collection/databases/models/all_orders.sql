select id, name, 'new' as age from {{ ref('orders') }}
union all
select id, name, place as age from {{ ref('old_orders') }}
