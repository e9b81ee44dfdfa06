{% macro hello(name) %}{{ return(adapter.dispatch('hello', 'tools')(name)) }}{% endmacro %}
{% macro default__hello(name) %}'hello {{ name }} in {{ inner() }}'{% endmacro %}
{% macro inner() %}tools{% endmacro %}
{% macro default__greet() %}'greet of tools'{% endmacro %}
{% macro duckdb__kind() %}'duck'{% endmacro %}
{% macro default__kind() %}'plain'{% endmacro %}
{% macro kind() %}{{ return(adapter.dispatch('kind', 'tools')()) }}{% endmacro %}
{% macro first_of(relation) %}
  {%- call statement('first', fetch_result=true) -%}
    {%- if relation is none -%}{{ return('nothing') }}{%- endif -%}
    select min(id) from {{ relation }}
  {%- endcall -%}
  {%- set found = load_result('first') -%}
  {{ return(found['data'][0][0] if found else 'none') }}
{% endmacro %}
{% test tools_ok(model) %}select * from {{ model }} where {{ tools.inner() | length }} = 0{% endtest %}
{% macro set_up() %}{% do run_query('create table ' ~ target.schema ~ '.set_up as select 1 as x') %}{% do adapter.commit() %}{% endmacro %}
