{{ config(full_refresh=false, incremental_strategy='append') }}
select count(*) as n, {{ 'true' if is_incremental() else 'false' }} as again from {{ ref('events') }}
