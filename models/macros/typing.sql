{#-
    From the text of the batch files to typed values.

    A text that cannot be read becomes null instead of stopping the build; the
    test `unreadable_values` then names it with its file and line. For times the
    functions `try_parse_utc` and `try_local_to_utc` do the same.
-#}

{#- Money: an exact decimal, rounded half away from zero to cents. -#}
{% macro to_money(text) -%}
try_cast({{ text }} as decimal(18, 2))
{%- endmacro %}


{#- A whole number; a later batch may write 3 as 3.0. -#}
{% macro to_integer(text) -%}
try_cast(regexp_replace(trim({{ text }}), '[.]0+$', '') as bigint)
{%- endmacro %}
