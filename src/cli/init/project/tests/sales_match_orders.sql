-- A test fails if it finds rows: here, if money is lost between silver and gold.
select silver.amount_usd as in_silver, gold.amount_usd as in_gold
from (select sum(amount_usd) as amount_usd from {{ ref('stg_orders') }} where status <> 'returned') as silver
cross join (select sum(amount_usd) as amount_usd from {{ ref('daily_sales') }}) as gold
where silver.amount_usd <> gold.amount_usd
