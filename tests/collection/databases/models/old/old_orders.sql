{{ config(materialized='incremental', unique_key='id', alias='orders') }}
select id, name, '{{ this.database }}' as place, '{{ is_incremental() }}' as again from {{ source('kept', 'raw') }}
-- depends_on: {{ ref('old') }}
{% if is_incremental() %}where id > (select max(id) from {{ this }}){% endif %}
