{{ config(materialized='ephemeral') }} select * from {{ ref('stg_orders') }} where ordered_on >= '2024-01-02'
