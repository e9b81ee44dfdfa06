{% snapshot by_time %}
{{ config(target_schema='kept', unique_key='id', strategy='timestamp', updated_at='changed') }}
select * from {{ ref('people') }}
{% endsnapshot %}
{% snapshot by_all %}
{{ config(unique_key='id', strategy='check', check_cols='all', invalidate_hard_deletes=true) }}
select id, name, city from {{ ref('people') }}
{% endsnapshot %}
