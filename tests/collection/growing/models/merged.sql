{{ config(incremental_strategy='merge', unique_key='id') }}
select id, kind, amount from {{ ref('events') }}
