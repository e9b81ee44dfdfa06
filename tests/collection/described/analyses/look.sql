select * from {{ ref('second') }} where day = '{{ var('day') }}'
