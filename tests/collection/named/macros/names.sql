{% macro generate_schema_name(custom_schema_name, node) -%}
  {%- if custom_schema_name is none -%}{{ target.schema }}{%- elif node.resource_type == 'seed' -%}{{ target.schema }}_{{ custom_schema_name }}{%- else -%}{{ custom_schema_name | trim }}{%- endif -%}
{%- endmacro %}
{% macro generate_alias_name(custom_alias_name=none, node=none) -%}
  {%- if custom_alias_name -%}{{ custom_alias_name | trim }}_x{%- else -%}{{ node.name | replace('stg_', 's_') }}{%- endif -%}
{%- endmacro %}
{% macro ref(model) %}{% do return(builtins.ref(model)) %}{% endmacro %}
