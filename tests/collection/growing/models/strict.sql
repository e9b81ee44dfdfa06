{{ config(incremental_strategy='append', on_schema_change='fail') }}
select id{% if is_incremental() %}, kind{% endif %} from {{ ref('events') }}
