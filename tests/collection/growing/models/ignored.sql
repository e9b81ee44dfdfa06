{{ config(incremental_strategy='append') }}
select id{% if is_incremental() %}, kind, amount{% else %}, kind{% endif %} from {{ ref('events') }}
{% if is_incremental() %}where id > 3{% endif %}
