{{ config(incremental_strategy='append', on_schema_change='append_new_columns') }}
select id, kind{% if is_incremental() %}, amount{% endif %} from {{ ref('events') }}
{% if is_incremental() %}where id > 3{% endif %}
