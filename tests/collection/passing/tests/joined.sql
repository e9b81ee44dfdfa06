select * from {{ ref('c') }} where m <> 2 * n
