{{ config(materialized='ephemeral') }} with inner_one as (select * from {{ ref('a') }}) select id, n * 2 as n from inner_one
