{{ config(severity='warn') }}

-- Values of the current versions that silver could not read, with their origin.
-- In silver they are null.

{% set checks = [
    ('users', 'stg_users', 'created_at', 'created_at_utc'),
    ('users', 'stg_users', 'updated_at', 'updated_at_utc'),
    ('products', 'stg_products', 'price', 'price_usd'),
    ('products', 'stg_products', 'inventory', 'inventory'),
    ('promos', 'stg_promos', 'discount', 'discount_usd'),
    ('orders', 'stg_orders', 'order_cost', 'item_order_cost_usd'),
    ('orders', 'stg_orders', 'shipping_cost', 'shipping_cost_usd'),
    ('orders', 'stg_orders', 'order_total', 'total_order_cost_usd'),
    ('orders', 'stg_orders', 'created_at', 'created_at_utc'),
    ('orders', 'stg_orders', 'estimated_delivery_at', 'estimated_delivery_at_utc'),
    ('orders', 'stg_orders', 'delivered_at', 'delivered_at_utc'),
    ('order_items', 'stg_order_items', 'quantity', 'quantity'),
    ('events', 'stg_events', 'created_at', 'created_at_utc'),
    ('budget', 'stg_budget', 'quantity', 'quantity'),
    ('budget', 'stg_budget', 'month', 'month'),
] %}

{% for bronze, silver, raw_column, typed_column in checks %}
select
    '{{ bronze }}.{{ raw_column }}' as raw_column,
    raw.{{ raw_column }} as raw_value,
    raw.source_file,
    raw.source_line
from {{ ref(silver) }} as typed
inner join {{ ref(bronze) }} as raw
    on typed.source_file = raw.source_file
    and typed.source_line = raw.source_line
where typed.{{ typed_column }} is null
    and raw.{{ raw_column }} is not null
{% if not loop.last %}union all{% endif %}
{% endfor %}
