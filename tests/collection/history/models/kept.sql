select id, state, dbt_valid_to is null as is_current from {{ ref('states_kept') }}
