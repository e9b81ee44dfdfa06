{# Statements that make, replace, rename and drop relations, and what is said of their columns. #}

{# `{% call set_sql_header(config) %}`: statements before those of a materialization of the project's own. #}
{% macro set_sql_header(config) -%}
  {%- do config.set('sql_header', caller()) -%}
{%- endmacro %}

{% macro drop_table(relation) -%}
  {%- do return(adapter.dispatch('drop_table', 'dbt')(relation)) -%}
{%- endmacro %}

{% macro default__drop_table(relation) -%}
  drop table if exists {{ relation }}
{%- endmacro %}

{% macro drop_view(relation) -%}
  {%- do return(adapter.dispatch('drop_view', 'dbt')(relation)) -%}
{%- endmacro %}

{% macro default__drop_view(relation) -%}
  drop view if exists {{ relation }}
{%- endmacro %}

{% macro get_rename_table_sql(relation, new_name) -%}
  {%- do return(adapter.dispatch('get_rename_table_sql', 'dbt')(relation, new_name)) -%}
{%- endmacro %}

{% macro default__get_rename_table_sql(relation, new_name) -%}
  alter table {{ relation }} rename to {{ new_name }}
{%- endmacro %}

{% macro get_rename_view_sql(relation, new_name) -%}
  {%- do return(adapter.dispatch('get_rename_view_sql', 'dbt')(relation, new_name)) -%}
{%- endmacro %}

{% macro default__get_rename_view_sql(relation, new_name) -%}
  alter view {{ relation }} rename to {{ new_name }}
{%- endmacro %}

{% macro get_rename_intermediate_sql(relation) -%}
  {%- do return(adapter.dispatch('get_rename_intermediate_sql', 'dbt')(relation)) -%}
{%- endmacro %}

{% macro default__get_rename_intermediate_sql(relation) -%}
  {{ get_rename_sql(make_intermediate_relation(relation), relation.identifier) }}
{%- endmacro %}

{% macro get_create_sql(relation, sql) -%}
  {%- do return(adapter.dispatch('get_create_sql', 'dbt')(relation, sql)) -%}
{%- endmacro %}

{% macro default__get_create_sql(relation, sql) -%}
  {%- if relation.is_view -%}
    {{ get_create_view_as_sql(relation, sql) }}
  {%- elif relation.is_table -%}
    {{ get_create_table_as_sql(False, relation, sql) }}
  {%- else -%}
    {%- do exceptions.raise_compiler_error('a relation of the type ' ~ relation.type ~ ' cannot be created, only tables and views') -%}
  {%- endif -%}
{%- endmacro %}

{% macro get_create_intermediate_sql(relation, sql) -%}
  {%- do return(adapter.dispatch('get_create_intermediate_sql', 'dbt')(relation, sql)) -%}
{%- endmacro %}

{% macro default__get_create_intermediate_sql(relation, sql) -%}
  {%- set intermediate = make_intermediate_relation(relation) -%}
  {{ get_drop_sql(intermediate) }};
  {{ get_create_sql(intermediate, sql) }}
{%- endmacro %}

{% macro get_create_backup_sql(relation) -%}
  {%- do return(adapter.dispatch('get_create_backup_sql', 'dbt')(relation)) -%}
{%- endmacro %}

{% macro default__get_create_backup_sql(relation) -%}
  {%- set backup = make_backup_relation(relation, relation.type) -%}
  {{ get_drop_sql(backup) }};
  {{ get_rename_sql(relation, backup.identifier) }}
{%- endmacro %}

{% macro get_drop_backup_sql(relation) -%}
  {%- do return(adapter.dispatch('get_drop_backup_sql', 'dbt')(relation)) -%}
{%- endmacro %}

{% macro default__get_drop_backup_sql(relation) -%}
  {{ get_drop_sql(make_backup_relation(relation, relation.type)) }}
{%- endmacro %}

{% macro get_replace_sql(existing_relation, target_relation, sql) -%}
  {%- do return(adapter.dispatch('get_replace_sql', 'dbt')(existing_relation, target_relation, sql)) -%}
{%- endmacro %}

{# `create or replace` takes the place of a relation of its own kind only. #}
{% macro default__get_replace_sql(existing_relation, target_relation, sql) -%}
  {%- if existing_relation.type != target_relation.type -%}
  {{ get_drop_sql(existing_relation) }};
  {% endif -%}
  {{ get_create_sql(target_relation, sql) }}
{%- endmacro %}

{% macro get_replace_table_sql(relation, sql) -%}
  {%- do return(adapter.dispatch('get_replace_table_sql', 'dbt')(relation, sql)) -%}
{%- endmacro %}

{% macro default__get_replace_table_sql(relation, sql) -%}
  {{ get_create_table_as_sql(False, relation, sql) }}
{%- endmacro %}

{% macro get_replace_view_sql(relation, sql) -%}
  {%- do return(adapter.dispatch('get_replace_view_sql', 'dbt')(relation, sql)) -%}
{%- endmacro %}

{% macro default__get_replace_view_sql(relation, sql) -%}
  {{ get_create_view_as_sql(relation, sql) }}
{%- endmacro %}

{% macro handle_existing_table(full_refresh, old_relation) -%}
  {%- do adapter.dispatch('handle_existing_table', 'dbt')(full_refresh, old_relation) -%}
{%- endmacro %}

{% macro default__handle_existing_table(full_refresh, old_relation) -%}
  {%- do adapter.drop_relation(old_relation) -%}
{%- endmacro %}

{# The whole of a materialization: a view takes the place of what is there. #}
{% macro create_or_replace_view() -%}
  {%- set found = load_cached_relation(this) -%}
  {%- set view = this.incorporate(type='view') -%}
  {%- do run_hooks(pre_hooks) -%}
  {%- if found is not none and not found.is_view -%}
    {%- do handle_existing_table(should_full_refresh(), found) -%}
  {%- endif -%}
  {%- call statement('main') -%}{{ get_create_view_as_sql(view, sql) }}{%- endcall -%}
  {%- do run_hooks(post_hooks) -%}
  {%- do return({'relations': [view]}) -%}
{%- endmacro %}

{% macro get_select_subquery(sql) -%}
  {%- do return(adapter.dispatch('get_select_subquery', 'dbt')(sql)) -%}
{%- endmacro %}

{% macro default__get_select_subquery(sql) -%}
  select {{ get_column_names() }} from ({{ sql }}) as model_subq
{%- endmacro %}

{% macro get_column_names() -%}
  {%- do return(adapter.dispatch('get_column_names', 'dbt')()) -%}
{%- endmacro %}

{# The documented columns of the model, as a query lists them. #}
{% macro default__get_column_names() -%}
  {%- set names = [] -%}
  {%- for column in model['columns'].values() -%}
    {%- do names.append(adapter.quote(column['name']) if column.get('quote') else column['name']) -%}
  {%- endfor -%}
  {{ names | join(', ') }}
{%- endmacro %}

{% macro get_table_columns_and_constraints() -%}
  {%- do return(adapter.dispatch('get_table_columns_and_constraints', 'dbt')()) -%}
{%- endmacro %}

{% macro default__get_table_columns_and_constraints() -%}
  {%- do return(table_columns_and_constraints()) -%}
{%- endmacro %}

{% macro table_columns_and_constraints() -%}
  {%- set lines = [] -%}
  {%- for column in model['columns'].values() -%}
    {%- set name = adapter.quote(column['name']) if column.get('quote') else column['name'] -%}
    {%- set required = column.get('constraints', []) | selectattr('type', 'equalto', 'not_null') | list -%}
    {%- do lines.append(name ~ ' ' ~ column['data_type'] ~ (' not null' if required else '')) -%}
  {%- endfor -%}
  ({{ lines | join(', ') }})
{%- endmacro %}

{% macro get_assert_columns_equivalent(sql) -%}
  {%- do return(adapter.dispatch('get_assert_columns_equivalent', 'dbt')(sql)) -%}
{%- endmacro %}

{% macro default__get_assert_columns_equivalent(sql) -%}
  {%- do return(assert_columns_equivalent(sql)) -%}
{%- endmacro %}

{# Whether a query gives the columns that the contract names; their types are checked before the run. #}
{% macro assert_columns_equivalent(sql) -%}
  {%- set given = get_list_of_column_names(get_column_schema_from_query(sql)) | map('lower') | sort -%}
  {%- set promised = model['columns'].values() | map(attribute='name') | map('lower') | sort -%}
  {%- if execute and given != promised -%}
    {%- do exceptions.raise_contract_error('the contract has the columns ' ~ promised | join(', ') ~ ', the query gives ' ~ given | join(', ')) -%}
  {%- endif -%}
{%- endmacro %}

{% macro get_empty_schema_sql(columns) -%}
  {%- do return(adapter.dispatch('get_empty_schema_sql', 'dbt')(columns)) -%}
{%- endmacro %}

{% macro default__get_empty_schema_sql(columns) -%}
  select
  {%- for column in columns.values() %}
  {%- if not column.get('data_type') -%}
    {%- do exceptions.column_type_missing(column_names=[column['name']]) -%}
  {%- endif %} cast(null as {{ column['data_type'] }}) as {{ adapter.quote(column['name']) if column.get('quote') else column['name'] }}{{ ',' if not loop.last }}
  {%- endfor %}
{%- endmacro %}

{% macro format_column(column) -%}
  {%- do return(adapter.dispatch('format_column', 'dbt')(column)) -%}
{%- endmacro %}

{% macro default__format_column(column) -%}
  {%- do return({'name': column.name, 'data_type': column.dtype, 'formatted': column.name | lower ~ ' ' ~ column.dtype}) -%}
{%- endmacro %}

{% macro format_columns(columns) -%}
  {%- set formatted = [] -%}
  {%- for column in columns -%}
    {%- do formatted.append(format_column(column)) -%}
  {%- endfor -%}
  {%- do return(formatted) -%}
{%- endmacro %}

{% macro get_csv_sql(create_or_truncate_sql, insert_sql) -%}
  {%- do return(adapter.dispatch('get_csv_sql', 'dbt')(create_or_truncate_sql, insert_sql)) -%}
{%- endmacro %}

{% macro default__get_csv_sql(create_or_truncate_sql, insert_sql) -%}
  {{ create_or_truncate_sql }};
  {{ insert_sql }}
{%- endmacro %}

{% macro get_seed_column_quoted_csv(model, column_names) -%}
  {%- set names = [] -%}
  {%- for name in column_names -%}
    {%- do names.append(adapter.quote_seed_column(name, model['config'].get('quote_columns', none))) -%}
  {%- endfor -%}
  {%- do return(names | join(', ')) -%}
{%- endmacro %}

{% macro get_insert_overwrite_merge_sql(target, source, dest_columns, predicates, include_sql_header=false) -%}
  {%- do return(adapter.dispatch('get_insert_overwrite_merge_sql', 'dbt')(target, source, dest_columns, predicates, include_sql_header)) -%}
{%- endmacro %}

{# The rows that the predicates name, or all, go; those of the source come. #}
{% macro default__get_insert_overwrite_merge_sql(target, source, dest_columns, predicates, include_sql_header=false) -%}
  delete from {{ target }} as DBT_INTERNAL_DEST where {{ ('(' ~ predicates | join(') and (') ~ ')') if predicates else 'true' }};
  {{ get_insert_into_sql(target, source, dest_columns) }}
{%- endmacro %}

{% macro get_incremental_insert_overwrite_sql(arg_dict) -%}
  {%- do return(adapter.dispatch('get_incremental_insert_overwrite_sql', 'dbt')(arg_dict)) -%}
{%- endmacro %}

{% macro default__get_incremental_insert_overwrite_sql(arg_dict) -%}
  {{ get_insert_overwrite_merge_sql(arg_dict['target_relation'], arg_dict['temp_relation'], arg_dict['dest_columns'], arg_dict.get('predicates')) }}
{%- endmacro %}

{% macro get_merge_unique_key_match(source_unique_key, target_unique_key) -%}
  {%- do return(adapter.dispatch('get_merge_unique_key_match', 'dbt')(source_unique_key, target_unique_key)) -%}
{%- endmacro %}

{% macro default__get_merge_unique_key_match(source_unique_key, target_unique_key) -%}
  {{ equals(source_unique_key, target_unique_key) | trim }}
{%- endmacro %}

{% macro sync_column_schemas(on_schema_change, target_relation, schema_changes_dict) -%}
  {%- do return(adapter.dispatch('sync_column_schemas', 'dbt')(on_schema_change, target_relation, schema_changes_dict)) -%}
{%- endmacro %}

{% macro default__sync_column_schemas(on_schema_change, target_relation, schema_changes_dict) -%}
  {%- set all = on_schema_change == 'sync_all_columns' -%}
  {%- set removed = schema_changes_dict['target_not_in_source'] if all else [] -%}
  {%- do alter_relation_add_remove_columns(target_relation, schema_changes_dict['source_not_in_target'], removed) -%}
  {%- if all -%}
    {%- for change in schema_changes_dict['new_target_types'] -%}
      {%- do alter_column_type(target_relation, change['column_name'], change['new_type']) -%}
    {%- endfor -%}
  {%- endif -%}
{%- endmacro %}

{% macro create_columns(relation, columns) -%}
  {%- do adapter.dispatch('create_columns', 'dbt')(relation, columns) -%}
{%- endmacro %}

{% macro default__create_columns(relation, columns) -%}
  {%- do alter_relation_add_remove_columns(relation, columns, none) -%}
{%- endmacro %}

{# The columns of a list that are there, of those that descriptions are written for. #}
{% macro validate_doc_columns(relation, column_dict, existing_column_names) -%}
  {%- set lowered = existing_column_names | map('lower') | list -%}
  {%- set found = {} -%}
  {%- for name, column in column_dict.items() -%}
    {%- if (name in existing_column_names if column.get('quote') else name | lower in lowered) -%}
      {%- do found.update({name: column}) -%}
    {%- endif -%}
  {%- endfor -%}
  {%- do return(found) -%}
{%- endmacro %}

{# Keys of snapshots: one column, or several that are counted. #}
{% macro unique_key_fields(unique_key) -%}
  {%- if unique_key is string -%}
    {{ unique_key }} as dbt_unique_key
  {%- else -%}
    {% for key in unique_key %}{{ key }} as dbt_unique_key_{{ loop.index }}{{ ', ' if not loop.last }}{% endfor %}
  {%- endif -%}
{%- endmacro %}

{% macro unique_key_join_on(unique_key, identifier, from_identifier) -%}
  {%- if unique_key is string -%}
    {{ identifier }}.dbt_unique_key = {{ from_identifier }}.dbt_unique_key
  {%- else -%}
    {% for key in unique_key %}{{ identifier }}.dbt_unique_key_{{ loop.index }} = {{ from_identifier }}.dbt_unique_key_{{ loop.index }}{{ ' and ' if not loop.last }}{% endfor %}
  {%- endif -%}
{%- endmacro %}

{% macro unique_key_is_null(unique_key, identifier) -%}
  {{ identifier }}.dbt_unique_key{{ '_1' if unique_key is not string }} is null
{%- endmacro %}

{% macro unique_key_is_not_null(unique_key, identifier) -%}
  {{ identifier }}.dbt_unique_key{{ '_1' if unique_key is not string }} is not null
{%- endmacro %}

{% macro get_true_sql() -%}
  {%- do return(adapter.dispatch('get_true_sql', 'dbt')()) -%}
{%- endmacro %}

{% macro default__get_true_sql() -%}
  true
{%- endmacro %}

{# What is different elsewhere, and always so here. #}
{% macro post_snapshot(staging_relation) -%}{%- endmacro %}
{% macro get_binding_char() -%}{%- do return('%s') -%}{%- endmacro %}
{% macro get_batch_size() -%}{%- do return(10000) -%}{%- endmacro %}
{% macro is_core_v2() -%}{%- do return(False) -%}{%- endmacro %}
{% macro can_clone_table() -%}{%- do return(True) -%}{%- endmacro %}
{% macro support_multiple_grantees_per_dcl_statement() -%}{%- do return(True) -%}{%- endmacro %}
{% macro get_create_index_sql(relation, index_dict) -%}{%- do return(none) -%}{%- endmacro %}
