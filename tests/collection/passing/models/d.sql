{{ config(materialized='table') }}
-- a comment with ref
with c as (select * from {{ ref('c') }})
select * from c
