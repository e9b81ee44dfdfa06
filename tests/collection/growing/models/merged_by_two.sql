{{ config(incremental_strategy='merge', unique_key=['kind', 'day']) }}
select kind, day, sum(amount) as amount from {{ ref('events') }} group by 1, 2
