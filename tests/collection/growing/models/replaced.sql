{{ config(incremental_strategy='delete+insert', unique_key='day') }}
select day, id, amount from {{ ref('events') }}
{% if is_incremental() %}where day >= (select max(day) from {{ this }}){% endif %}
