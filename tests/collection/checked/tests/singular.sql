{{ config(severity='warn', tags=['money']) }}
select * from {{ ref('items_seen') }} where price is null
