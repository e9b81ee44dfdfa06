{{ config(materialized='table') }} select sum(amount) as total, max(entry) as last from {{ ref('entries') }}
