{% macro tidy() %}
  {% do run_query("create table archive.main.noted as select count(*) as n from " ~ ref('old_orders')) %}
  {% set relation = adapter.get_relation('archive', 'main', 'orders') %}
  {% do run_query("create view archive.main.newest as select max(id) as id from " ~ relation) %}
  {% do print(relation.database ~ ' ' ~ adapter.get_relation('archive', 'main', 'all_orders')) %}
{% endmacro %}
