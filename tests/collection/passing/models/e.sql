select count(*) as c from {{ ref('b') }} where n is not null
