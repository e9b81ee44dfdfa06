{% materialization ledger, default %}
  {%- set target_relation = this.incorporate(type='table') -%}
  {%- set existing = load_cached_relation(this) -%}
  {{ run_hooks(pre_hooks) }}
  {% if existing is none %}
    {% call statement('main') %}create table {{ target_relation }} as select *, 1 as entry from ({{ sql }}) made{% endcall %}
  {% else %}
    {% call statement('main') %}insert into {{ target_relation }} select *, (select max(entry) + 1 from {{ target_relation }}) from ({{ sql }}) made{% endcall %}
  {% endif %}
  {{ run_hooks(post_hooks) }}
  {% do adapter.commit() %}
  {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}
