{{ config(alias='Odd-Name', materialized='view') }} select 1 as "Odd Column", 2 as "select" from {{ ref('rawest') }}
