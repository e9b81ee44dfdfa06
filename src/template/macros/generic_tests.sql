{# The generic tests. A test selects what is wrong; it passes if there is nothing. #}

{# No value occurs twice; null is no value. One row for each value that does. #}
{% test unique(model, column_name) -%}
{%- do return(adapter.dispatch('test_unique', 'dbt')(model, column_name)) -%}
{%- endtest %}

{% macro default__test_unique(model, column_name) -%}
select {{ column_name }} as unique_field, count(*) as n_records
from {{ model }}
where {{ column_name }} is not null
group by {{ column_name }}
having count(*) > 1
{%- endmacro %}

{# Every row has a value. #}
{% test not_null(model, column_name) -%}
{%- do return(adapter.dispatch('test_not_null', 'dbt')(model, column_name)) -%}
{%- endtest %}

{% macro default__test_not_null(model, column_name) -%}
select *
from {{ model }}
where {{ column_name }} is null
{%- endmacro %}

{# Every value is in the list; null passes. One row for each value that is not. `quote: false` takes the values as SQL
   instead of text. #}
{% test accepted_values(model, column_name, values, quote=true) -%}
{%- do return(adapter.dispatch('test_accepted_values', 'dbt')(model, column_name, values, quote)) -%}
{%- endtest %}

{% macro default__test_accepted_values(model, column_name, values, quote=true) -%}
with all_values as (
  select {{ column_name }} as value_field, count(*) as n_records
  from {{ model }}
  group by {{ column_name }}
)
select *
from all_values
where value_field not in (
  {%- for value in values %}
  {% if quote %}'{{ value | string | replace("'", "''") }}'{% else %}{{ value }}{% endif %}{{ '' if loop.last else ',' }}
  {%- endfor %}
)
{%- endmacro %}

{# Every value occurs in a column of another relation; null passes. #}
{% test relationships(model, column_name, to, field) -%}
{%- do return(adapter.dispatch('test_relationships', 'dbt')(model, column_name, to, field)) -%}
{%- endtest %}

{% macro default__test_relationships(model, column_name, to, field) -%}
with child as (
  select {{ column_name }} as from_field
  from {{ model }}
  where {{ column_name }} is not null
),
parent as (
  select {{ field }} as to_field
  from {{ to }}
)
select from_field
from child
left join parent on child.from_field = parent.to_field
where parent.to_field is null
{%- endmacro %}

{# No number is below zero. Null passes, and so does minus zero (adding zero makes it plain zero, because the engine
   orders it below). Text is read as a number; text that is none fails, because it cannot be known not to be negative. #}
{% test no_negatives(model, column_name) -%}
select *
from {{ model }}
where {{ column_name }} is not null
  and coalesce(try_cast(trim(cast({{ column_name }} as varchar)) as double) + cast(0 as double) < cast(0 as double), true)
{%- endtest %}

{# Every time is known to be UTC. Null passes. A timestamp passes if its zone is UTC; without a zone it passes only if the
   model declares its times to be UTC (`timestamps_utc: true`, which arrives here as `declared_utc`). Text passes if it
   carries the offset of UTC (`Z`, `+00:00`, `-00:00`, `+0000`). Any other type is no time, and fails. #}
{% test utc_times(model, column_name, declared_utc=false) -%}
select *
from {{ model }}
where {{ column_name }} is not null
  and case
    when arrow_typeof({{ column_name }}) like 'Timestamp(%, "%")' then
      arrow_typeof({{ column_name }}) not like 'Timestamp(%, "UTC")'
      and arrow_typeof({{ column_name }}) not like 'Timestamp(%, "Etc/UTC")'
      and arrow_typeof({{ column_name }}) not like 'Timestamp(%, "Z")'
      and arrow_typeof({{ column_name }}) not like 'Timestamp(%, "+00:00")'
    when arrow_typeof({{ column_name }}) like 'Timestamp(%)' then {{ 'false' if declared_utc else 'true' }}
    when arrow_typeof({{ column_name }}) like '%Utf8%' then
      not coalesce(is_utc_text(cast({{ column_name }} as varchar)), false)
    else true
  end
{%- endtest %}
