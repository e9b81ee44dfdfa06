select 'time' as kind, id, name, city, dbt_valid_to is null as open, dbt_valid_from = changed as from_change from {{ ref('by_time') }}
union all select 'all', id, name, city, dbt_valid_to is null, null from {{ ref('by_all') }}
union all select 'city ' || dbt_is_deleted, id, name, city, dbt_valid_to is null, null from {{ ref('by_city') }}
union all select 'two', id, name, city, dbt_valid_to = cast('9999-12-31' as timestamp), null from {{ ref('by_two') }}
