{# What is asked of the warehouse about itself, and queries around queries. #}

{% macro information_schema_name(database) -%}
  {%- do return(adapter.dispatch('information_schema_name', 'dbt')(database)) -%}
{%- endmacro %}

{# A warehouse is one database, so its name says nothing. #}
{% macro default__information_schema_name(database) -%}
  information_schema
{%- endmacro %}

{% macro get_catalog(information_schema, schemas) -%}
  {%- do return(adapter.dispatch('get_catalog', 'dbt')(information_schema, schemas)) -%}
{%- endmacro %}

{% macro default__get_catalog(information_schema, schemas) -%}
  {%- set names = [] -%}
  {%- for schema in schemas -%}
    {%- do names.append("'" ~ escape_single_quotes(schema | string | lower) ~ "'") -%}
  {%- endfor -%}
  {%- do return(_catalog('lower(t.table_schema) in (' ~ (names | join(', ') if names else 'null') ~ ')')) -%}
{%- endmacro %}

{% macro get_catalog_relations(information_schema, relations) -%}
  {%- do return(adapter.dispatch('get_catalog_relations', 'dbt')(information_schema, relations)) -%}
{%- endmacro %}

{% macro default__get_catalog_relations(information_schema, relations) -%}
  {%- set conditions = [] -%}
  {%- for relation in relations -%}
    {%- set schema = "lower(t.table_schema) = '" ~ escape_single_quotes(relation.schema | lower) ~ "'" -%}
    {%- set name = " and lower(t.table_name) = '" ~ escape_single_quotes(relation.identifier | lower) ~ "'" -%}
    {%- do conditions.append('(' ~ schema ~ (name if relation.identifier else '') ~ ')') -%}
  {%- endfor -%}
  {%- do return(_catalog(conditions | join(' or ') if conditions else 'false')) -%}
{%- endmacro %}

{% macro get_catalog_for_single_relation(relation) -%}
  {%- do return(adapter.dispatch('get_catalog_for_single_relation', 'dbt')(relation)) -%}
{%- endmacro %}

{% macro default__get_catalog_for_single_relation(relation) -%}
  {%- do return(get_catalog_relations(none, [relation])) -%}
{%- endmacro %}

{# One row for each column of the relations that a condition names. #}
{% macro _catalog(condition) -%}
  {%- do return(run_query(
    'select t.table_catalog as table_database, t.table_schema, t.table_name, t.table_type, '
    ~ 'cast(null as varchar) as table_comment, c.column_name, c.ordinal_position as column_index, '
    ~ 'c.data_type as column_type, cast(null as varchar) as column_comment, cast(null as varchar) as table_owner '
    ~ 'from information_schema.tables as t join information_schema.columns as c '
    ~ 'on t.table_schema = c.table_schema and t.table_name = c.table_name '
    ~ 'where ' ~ condition ~ ' order by 2, 3, 7'
  )) -%}
{%- endmacro %}

{% macro collect_freshness(source, loaded_at_field, filter) -%}
  {%- do return(adapter.dispatch('collect_freshness', 'dbt')(source, loaded_at_field, filter)) -%}
{%- endmacro %}

{% macro default__collect_freshness(source, loaded_at_field, filter) -%}
  {%- call statement('collect_freshness', fetch_result=True, auto_begin=False) -%}
    select max({{ loaded_at_field }}) as max_loaded_at, {{ dbt.current_timestamp() }} as snapshotted_at
    from {{ source }}{% if filter %} where {{ filter }}{% endif %}
  {%- endcall -%}
  {%- do return(load_result('collect_freshness')) -%}
{%- endmacro %}

{% macro collect_freshness_custom_sql(source, loaded_at_query) -%}
  {%- do return(adapter.dispatch('collect_freshness_custom_sql', 'dbt')(source, loaded_at_query)) -%}
{%- endmacro %}

{% macro default__collect_freshness_custom_sql(source, loaded_at_query) -%}
  {%- call statement('collect_freshness_custom_sql', fetch_result=True, auto_begin=False) -%}
    select max_loaded_at, {{ dbt.current_timestamp() }} as snapshotted_at
    from ({{ loaded_at_query }}) as source_query(max_loaded_at)
  {%- endcall -%}
  {%- do return(load_result('collect_freshness_custom_sql')) -%}
{%- endmacro %}

{% macro validate_sql(sql) -%}
  {%- do return(adapter.dispatch('validate_sql', 'dbt')(sql)) -%}
{%- endmacro %}

{# A query that cannot be planned is an error. #}
{% macro default__validate_sql(sql) -%}
  {%- do get_column_schema_from_query(sql) -%}
  {%- do return(none) -%}
{%- endmacro %}

{# Names and types of a query's columns, without its rows. #}
{% macro get_column_schema_from_query(select_sql, select_sql_header=none) -%}
  {%- do return(adapter.get_column_schema_from_query(get_empty_subquery_sql(select_sql))) -%}
{%- endmacro %}

{% macro get_list_of_column_names(columns) -%}
  {%- set names = [] -%}
  {%- for column in columns -%}
    {%- do names.append(column.name) -%}
  {%- endfor -%}
  {%- do return(names) -%}
{%- endmacro %}

{% macro sql_convert_columns_in_relation(table) -%}
  {%- set columns = [] -%}
  {%- for row in table -%}
    {%- do columns.append(api.Column(*row)) -%}
  {%- endfor -%}
  {%- do return(columns) -%}
{%- endmacro %}

{% macro get_limit_subquery_sql(sql, limit) -%}
  {%- do return(adapter.dispatch('get_limit_sql', 'dbt')(sql, limit)) -%}
{%- endmacro %}

{% macro get_limit_sql(sql, limit) -%}
  {%- do return(adapter.dispatch('get_limit_sql', 'dbt')(sql, limit)) -%}
{%- endmacro %}

{% macro default__get_limit_sql(sql, limit) -%}
  {{ sql }}
  {%- if limit is not none %}
  limit {{ limit }}
  {%- endif -%}
{%- endmacro %}

{% macro get_show_sql(compiled_code, sql_header, limit) -%}
  {%- if sql_header is not none -%}
  {{ sql_header }}
  {% endif -%}
  {{ get_limit_subquery_sql(compiled_code, limit) }}
{%- endmacro %}

{% macro get_test_sql(main_sql, fail_calc, warn_if, error_if, limit) -%}
  {%- do return(adapter.dispatch('get_test_sql', 'dbt')(main_sql, fail_calc, warn_if, error_if, limit)) -%}
{%- endmacro %}

{% macro default__get_test_sql(main_sql, fail_calc, warn_if, error_if, limit) -%}
  select {{ fail_calc }} as failures, {{ fail_calc }} {{ warn_if }} as should_warn, {{ fail_calc }} {{ error_if }} as should_error
  from (
  {{ main_sql }}
  {{ ('limit ' ~ limit) if limit is not none }}
  ) as dbt_internal_test
{%- endmacro %}

{% macro resolve_model_name(input_model_name) -%}
  {%- do return(adapter.dispatch('resolve_model_name', 'dbt')(input_model_name)) -%}
{%- endmacro %}

{% macro default__resolve_model_name(input_model_name) -%}
  {{ input_model_name | string | replace('"', '\\"') }}
{%- endmacro %}

{% macro _split_part_negative(string_text, delimiter_text, part_number) -%}
  split_part({{ string_text }}, {{ delimiter_text }}, {{ part_number }})
{%- endmacro %}
