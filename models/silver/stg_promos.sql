-- The current version of every promotion, and one for orders without any, so that
-- every order has a promotion to join to.

with newest as (

    {{ newest_versions(ref('promos'), ['promo_id']) }}

),

promos as (

    select
        promo_id as promo_name,
        {{ to_money('discount') }} as discount_usd,
        status,
        date_load_utc,
        source_file,
        source_line
    from newest
    where not is_deleted

),

no_promo as (

    select
        'No Promo' as promo_name,
        cast(0 as decimal(18, 2)) as discount_usd,
        'active' as status,
        cast(null as timestamptz) as date_load_utc,
        cast(null as varchar) as source_file,
        cast(null as bigint) as source_line

)

select * from promos
union all
select * from no_promo
