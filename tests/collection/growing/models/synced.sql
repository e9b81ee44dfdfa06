{{ config(incremental_strategy='append', on_schema_change='sync_all_columns') }}
select id{% if is_incremental() %}, amount{% else %}, kind{% endif %} from {{ ref('events') }}
{% if is_incremental() %}where id > 3{% endif %}
