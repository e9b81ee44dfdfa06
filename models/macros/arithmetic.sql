{#-
    Money divided by a number of units, to cents, rounded half away from zero on
    the exact quotient; null without units.

    The division is done in whole cents: a decimal quotient is cut off after some
    digits and then rounded once more, and binary floating point cannot hold a
    half cent at all.
-#}
{% macro money_per_unit(amount, units) -%}
{%- set cents = "cast(" ~ amount ~ " * 100 as bigint)" -%}
cast(
        (case when ({{ cents }} < 0) <> ({{ units }} < 0) then -1 else 1 end)
        * ((2 * abs({{ cents }}) + abs({{ units }})) / nullif(2 * abs({{ units }}), 0))
        / cast(100 as decimal(5, 2))
        as decimal(18, 2)
    )
{%- endmacro %}


{#- A sum of money keeps the type of money; no rows are no money. -#}
{% macro sum_money(amount) -%}
cast(coalesce(sum({{ amount }}), 0) as decimal(18, 2))
{%- endmacro %}


{#- A share or a mean; null without a denominator. -#}
{% macro ratio(numerator, denominator) -%}
cast({{ numerator }} as double) / nullif({{ denominator }}, 0)
{%- endmacro %}


{% macro year_of(time) -%}
cast(date_part('year', {{ time }}) as bigint)
{%- endmacro %}


{% macro month_of(time) -%}
cast(date_part('month', {{ time }}) as bigint)
{%- endmacro %}
