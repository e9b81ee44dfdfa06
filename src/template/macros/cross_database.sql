{# What dbt's packages call to be spared the differences between databases, in the engine's SQL. A project may define
   any of these itself, or `karat__` and its name. #}

{# The time that is a number of date parts later. #}
{% macro dateadd(datepart, interval, from_date_or_timestamp) -%}
  {%- do return(adapter.dispatch('dateadd', 'dbt')(datepart, interval, from_date_or_timestamp)) -%}
{%- endmacro %}

{% macro default__dateadd(datepart, interval, from_date_or_timestamp) -%}
  dateadd('{{ datepart | lower }}', {{ interval }}, {{ from_date_or_timestamp }})
{%- endmacro %}

{# How many borders of a date part lie between two times. #}
{% macro datediff(first_date, second_date, datepart) -%}
  {%- do return(adapter.dispatch('datediff', 'dbt')(first_date, second_date, datepart)) -%}
{%- endmacro %}

{% macro default__datediff(first_date, second_date, datepart) -%}
  datediff('{{ datepart | lower }}', {{ first_date }}, {{ second_date }})
{%- endmacro %}

{# The beginning of the date part. #}
{% macro date_trunc(datepart, date) -%}
  {%- do return(adapter.dispatch('date_trunc', 'dbt')(datepart, date)) -%}
{%- endmacro %}

{% macro default__date_trunc(datepart, date) -%}
  date_trunc('{{ datepart | lower }}', {{ date }})
{%- endmacro %}

{# The last day of the date part. #}
{% macro last_day(date, datepart) -%}
  {%- do return(adapter.dispatch('last_day', 'dbt')(date, datepart)) -%}
{%- endmacro %}

{% macro default__last_day(date, datepart) -%}
  cast(last_day({{ date }}, '{{ datepart | lower }}') as date)
{%- endmacro %}

{# A date of three numbers. #}
{% macro date(year, month, day) -%}
  {%- do return(adapter.dispatch('date', 'dbt')(year, month, day)) -%}
{%- endmacro %}

{% macro default__date(year, month, day) -%}
  cast('{{ '%04d-%02d-%02d' | format(year, month, day) }}' as date)
{%- endmacro %}

{# The time of the run. #}
{% macro current_timestamp() -%}
  {%- do return(adapter.dispatch('current_timestamp', 'dbt')()) -%}
{%- endmacro %}

{% macro default__current_timestamp() -%}
  now()
{%- endmacro %}

{# The value as another type, or null. #}
{% macro safe_cast(field, type) -%}
  {%- do return(adapter.dispatch('safe_cast', 'dbt')(field, type)) -%}
{%- endmacro %}

{% macro default__safe_cast(field, type) -%}
  try_cast({{ field }} as {{ type }})
{%- endmacro %}

{# The value as another type. #}
{% macro cast(field, type) -%}
  {%- do return(adapter.dispatch('cast', 'dbt')(field, type)) -%}
{%- endmacro %}

{% macro default__cast(field, type) -%}
  cast({{ field }} as {{ type }})
{%- endmacro %}

{# `true` or `false`. #}
{% macro cast_bool_to_text(field) -%}
  {%- do return(adapter.dispatch('cast_bool_to_text', 'dbt')(field)) -%}
{%- endmacro %}

{% macro default__cast_bool_to_text(field) -%}
  cast(cast({{ field }} as boolean) as varchar)
{%- endmacro %}

{# The texts, one after the other; null if one of them is. #}
{% macro concat(fields) -%}
  {%- do return(adapter.dispatch('concat', 'dbt')(fields)) -%}
{%- endmacro %}

{% macro default__concat(fields) -%}
  {{ fields | join(' || ') }}
{%- endmacro %}

{# The MD5 sum as 32 hexadecimal digits. #}
{% macro hash(field) -%}
  {%- do return(adapter.dispatch('hash', 'dbt')(field)) -%}
{%- endmacro %}

{% macro default__hash(field) -%}
  md5(cast({{ field }} as varchar))
{%- endmacro %}

{# The number of characters. #}
{% macro length(expression) -%}
  {%- do return(adapter.dispatch('length', 'dbt')(expression)) -%}
{%- endmacro %}

{% macro default__length(expression) -%}
  length({{ expression }})
{%- endmacro %}

{# Where a text first occurs in another, counted from one, or zero. #}
{% macro position(substring_text, string_text) -%}
  {%- do return(adapter.dispatch('position', 'dbt')(substring_text, string_text)) -%}
{%- endmacro %}

{% macro default__position(substring_text, string_text) -%}
  strpos({{ string_text }}, {{ substring_text }})
{%- endmacro %}

{# The text with all occurrences of another replaced. #}
{% macro replace(field, old_chars, new_chars) -%}
  {%- do return(adapter.dispatch('replace', 'dbt')(field, old_chars, new_chars)) -%}
{%- endmacro %}

{% macro default__replace(field, old_chars, new_chars) -%}
  replace({{ field }}, {{ old_chars }}, {{ new_chars }})
{%- endmacro %}

{# The last characters. #}
{% macro right(string_text, length_expression) -%}
  {%- do return(adapter.dispatch('right', 'dbt')(string_text, length_expression)) -%}
{%- endmacro %}

{% macro default__right(string_text, length_expression) -%}
  right({{ string_text }}, {{ length_expression }})
{%- endmacro %}

{# A part of a text, counted from one, or from the end if the number is negative. #}
{% macro split_part(string_text, delimiter_text, part_number) -%}
  {%- do return(adapter.dispatch('split_part', 'dbt')(string_text, delimiter_text, part_number)) -%}
{%- endmacro %}

{% macro default__split_part(string_text, delimiter_text, part_number) -%}
  split_part({{ string_text }}, {{ delimiter_text }}, {{ part_number }})
{%- endmacro %}

{# A text as SQL spells it; quotes in it must be escaped. #}
{% macro string_literal(value) -%}
  {%- do return(adapter.dispatch('string_literal', 'dbt')(value)) -%}
{%- endmacro %}

{% macro default__string_literal(value) -%}
  '{{ value }}'
{%- endmacro %}

{# A text as it stands between single quotes. #}
{% macro escape_single_quotes(expression) -%}
  {%- do return(adapter.dispatch('escape_single_quotes', 'dbt')(expression)) -%}
{%- endmacro %}

{% macro default__escape_single_quotes(expression) -%}
  {{ expression | string | replace("'", "''") }}
{%- endmacro %}

{# One of the values: always the least. #}
{% macro any_value(expression) -%}
  {%- do return(adapter.dispatch('any_value', 'dbt')(expression)) -%}
{%- endmacro %}

{% macro default__any_value(expression) -%}
  min({{ expression }})
{%- endmacro %}

{# Whether the condition holds for any row. #}
{% macro bool_or(expression) -%}
  {%- do return(adapter.dispatch('bool_or', 'dbt')(expression)) -%}
{%- endmacro %}

{% macro default__bool_or(expression) -%}
  bool_or({{ expression }})
{%- endmacro %}

{% macro except() -%}
  {%- do return(adapter.dispatch('except', 'dbt')()) -%}
{%- endmacro %}

{% macro default__except() -%}
  except
{%- endmacro %}

{% macro intersect() -%}
  {%- do return(adapter.dispatch('intersect', 'dbt')()) -%}
{%- endmacro %}

{% macro default__intersect() -%}
  intersect
{%- endmacro %}

{# Whether two values are equal, where null equals null. #}
{% macro equals(expr1, expr2) -%}
  {%- do return(adapter.dispatch('equals', 'dbt')(expr1, expr2)) -%}
{%- endmacro %}

{% macro default__equals(expr1, expr2) -%}
  ({{ expr1 }} is not distinct from {{ expr2 }})
{%- endmacro %}

{# The list with one more element. #}
{% macro array_append(array, new_element) -%}
  {%- do return(adapter.dispatch('array_append', 'dbt')(array, new_element)) -%}
{%- endmacro %}

{% macro default__array_append(array, new_element) -%}
  array_append({{ array }}, {{ new_element }})
{%- endmacro %}

{# Both lists as one. #}
{% macro array_concat(array_1, array_2) -%}
  {%- do return(adapter.dispatch('array_concat', 'dbt')(array_1, array_2)) -%}
{%- endmacro %}

{% macro default__array_concat(array_1, array_2) -%}
  array_concat({{ array_1 }}, {{ array_2 }})
{%- endmacro %}

{# The names of types. #}
{% macro type_string() -%}
  {%- do return(adapter.dispatch('type_string', 'dbt')()) -%}
{%- endmacro %}

{% macro default__type_string() -%}
  {{ api.Column.translate_type('string') }}
{%- endmacro %}

{% macro type_timestamp() -%}
  {%- do return(adapter.dispatch('type_timestamp', 'dbt')()) -%}
{%- endmacro %}

{% macro default__type_timestamp() -%}
  {{ api.Column.translate_type('timestamp') }}
{%- endmacro %}

{% macro type_float() -%}
  {%- do return(adapter.dispatch('type_float', 'dbt')()) -%}
{%- endmacro %}

{% macro default__type_float() -%}
  {{ api.Column.translate_type('float') }}
{%- endmacro %}

{% macro type_bigint() -%}
  {%- do return(adapter.dispatch('type_bigint', 'dbt')()) -%}
{%- endmacro %}

{% macro default__type_bigint() -%}
  {{ api.Column.translate_type('bigint') }}
{%- endmacro %}

{% macro type_int() -%}
  {%- do return(adapter.dispatch('type_int', 'dbt')()) -%}
{%- endmacro %}

{% macro default__type_int() -%}
  {{ api.Column.translate_type('integer') }}
{%- endmacro %}

{% macro type_boolean() -%}
  {%- do return(adapter.dispatch('type_boolean', 'dbt')()) -%}
{%- endmacro %}

{% macro default__type_boolean() -%}
  {{ api.Column.translate_type('boolean') }}
{%- endmacro %}

{% macro type_numeric() -%}
  {%- do return(adapter.dispatch('type_numeric', 'dbt')()) -%}
{%- endmacro %}

{% macro default__type_numeric() -%}
  {{ api.Column.numeric_type('numeric', 28, 6) }}
{%- endmacro %}

{# A list of literals or expressions; an empty one needs the type of its elements. #}
{% macro array_construct(inputs=[], data_type=none) -%}
  {%- do return(adapter.dispatch('array_construct', 'dbt')(inputs, data_type or api.Column.translate_type('integer'))) -%}
{%- endmacro %}

{% macro default__array_construct(inputs, data_type) -%}
  {%- if inputs | length > 0 -%}
    make_array({{ inputs | join(', ') }})
  {%- else -%}
    cast(make_array() as {{ data_type }}[])
  {%- endif -%}
{%- endmacro %}

{# The values of a group as one text. With a number only the first so many of the order. #}
{% macro listagg(measure, delimiter_text="','", order_by_clause=none, limit_num=none) -%}
  {%- do return(adapter.dispatch('listagg', 'dbt')(measure, delimiter_text, order_by_clause, limit_num)) -%}
{%- endmacro %}

{% macro default__listagg(measure, delimiter_text, order_by_clause, limit_num) -%}
  {%- if limit_num -%}
    array_to_string(array_slice(array_agg({{ measure }} {{ order_by_clause or '' }}), 1, {{ limit_num }}), {{ delimiter_text }})
  {%- else -%}
    string_agg({{ measure }}, {{ delimiter_text }} {{ order_by_clause or '' }})
  {%- endif -%}
{%- endmacro %}

{# A query for the numbers from one to a bound, as `generated_number`. #}
{% macro generate_series(upper_bound) -%}
  {%- do return(adapter.dispatch('generate_series', 'dbt')(upper_bound)) -%}
{%- endmacro %}

{% macro default__generate_series(upper_bound) -%}
  select value as generated_number
  from generate_series(1, {{ upper_bound }})
  order by generated_number
{%- endmacro %}

{# The least power of two that is no less than a number. #}
{% macro get_powers_of_two(upper_bound) -%}
  {%- do return(adapter.dispatch('get_powers_of_two', 'dbt')(upper_bound)) -%}
{%- endmacro %}

{% macro default__get_powers_of_two(upper_bound) -%}
  {%- if upper_bound <= 0 -%}
    {%- do exceptions.raise_compiler_error('the upper bound must be positive') -%}
  {%- endif -%}
  {%- for power in range(1, 100) if 2 ** power >= upper_bound -%}
    {%- do return(power) -%}
  {%- endfor -%}
{%- endmacro %}

{# How many date parts lie between two SQL expressions, as a number of the template: this asks the engine. #}
{% macro get_intervals_between(start_date, end_date, datepart) -%}
  {%- do return(adapter.dispatch('get_intervals_between', 'dbt')(start_date, end_date, datepart)) -%}
{%- endmacro %}

{% macro default__get_intervals_between(start_date, end_date, datepart) -%}
  {%- if not execute -%}
    {%- do return(1) -%}
  {%- endif -%}
  {%- set answer = run_query('select ' ~ dbt.datediff(start_date, end_date, datepart) ~ ' as intervals') -%}
  {%- do return(answer.columns[0].values()[0] | int) -%}
{%- endmacro %}

{# A query for all steps of a date part from a start, until before an end, as `date_<part>`. #}
{% macro date_spine(datepart, start_date, end_date) -%}
  {%- do return(adapter.dispatch('date_spine', 'dbt')(datepart, start_date, end_date)) -%}
{%- endmacro %}

{% macro default__date_spine(datepart, start_date, end_date) -%}
  select {{ dbt.dateadd(datepart, 'step', start_date) }} as date_{{ datepart }}
  from (select unnest(range(0, {{ dbt.datediff(start_date, end_date, datepart) }})) as step)
{%- endmacro %}
