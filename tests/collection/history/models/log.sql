{{ config(materialized='incremental', unique_key='id') }}
select id, state, day, {{ 'true' if is_incremental() else 'false' }} as again from {{ ref('states') }}
{% if is_incremental() %} where day > (select min(day) from {{ this }}){% endif %}
