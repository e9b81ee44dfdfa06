{{ config(materialized='ephemeral', alias='see') }} select x.id, x.n, y.n as m from {{ ref('a') }} x join {{ ref('b') }} y using (id)
