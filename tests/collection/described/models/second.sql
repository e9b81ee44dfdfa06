select id, day from {{ ref('first') }} where {{ 'true' if var('depth') > 1 else 'false' }}
