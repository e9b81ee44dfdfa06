{# Relations and their columns. #}

{% macro load_cached_relation(relation) -%}
  {%- do return(adapter.get_relation(relation.database, relation.schema, relation.identifier)) -%}
{%- endmacro %}

{% macro load_relation(relation) -%}
  {%- do return(load_cached_relation(relation)) -%}
{%- endmacro %}

{% macro get_columns_in_relation(relation) -%}
  {%- do return(adapter.dispatch('get_columns_in_relation', 'dbt')(relation)) -%}
{%- endmacro %}

{% macro default__get_columns_in_relation(relation) -%}
  {%- do return(adapter.get_columns_in_relation(relation)) -%}
{%- endmacro %}

{% macro get_quoted_csv(column_names) -%}
  {%- set quoted = [] -%}
  {%- for name in column_names -%}
    {%- do quoted.append(adapter.quote(name)) -%}
  {%- endfor -%}
  {%- do return(quoted | join(', ')) -%}
{%- endmacro %}

{# The rows that a generic test looks at: all, or those of the test's `where`. #}
{% macro get_where_subquery(relation) -%}
  {%- do return(adapter.dispatch('get_where_subquery', 'dbt')(relation)) -%}
{%- endmacro %}

{% macro default__get_where_subquery(relation) -%}
  {%- set condition = config.get('where') -%}
  {%- if not condition -%}
    {%- do return(relation) -%}
  {%- endif -%}
  (select * from {{ relation }} where {{ condition }}) as dbt_subquery
{%- endmacro %}
