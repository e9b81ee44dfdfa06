{% macro note(step, what) %}insert into {{ target.schema }}.audit select '{{ step }}', '{{ what }}', count(*) from {{ target.schema }}.audit{% endmacro %}
{% macro tidy(keep=1) %}
  {% do run_query("delete from " ~ target.schema ~ ".audit where step <> 'start' and n > " ~ keep) %}
  {% call statement('up', auto_begin=true) %}update {{ target.schema }}.audit set what = upper(what){% endcall %}
  {% set left = run_query("select count(*) from " ~ target.schema ~ ".audit").columns[0].values()[0] %}
  {% do run_query("create table " ~ target.schema ~ ".left_over as select " ~ left ~ " as n") %}
  {% do adapter.commit() %}
{% endmacro %}
{% macro fails() %}{{ exceptions.raise_compiler_error('no') }}{% endmacro %}
