{{ config(materialized='table') }}
select * from {{ ref('new') }}
