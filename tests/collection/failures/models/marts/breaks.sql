select cast(word as integer) as x from {{ ref('words') }}
