select order_id from {{ ref('recent') }} where {{ money('1') }} < {{ var('least') }}
