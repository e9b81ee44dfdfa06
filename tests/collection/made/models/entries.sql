{{ config(materialized='ledger') }} select 7 as amount
