select count(*) as n, sum(x) as x from {{ ref('one') }}
