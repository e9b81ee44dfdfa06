-- A test fails if it finds rows: here, if money is lost between sales and days.
select sales.amount_usd as in_sales, days.amount_usd as in_days
from (select sum(amount_usd) as amount_usd from {{ ref('sales') }}) as sales
cross join (select sum(amount_usd) as amount_usd from {{ ref('daily_sales') }}) as days
where sales.amount_usd <> days.amount_usd
