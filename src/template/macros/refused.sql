{# Macros of dbt that mean nothing here, or that karat does not leave to macros. They say so when they are called. #}

{% macro _refused(name, reason, positional=none, keyword=none) -%}
  {%- do exceptions.raise_compiler_error('`' ~ name ~ '` has no meaning here: ' ~ reason) -%}
{%- endmacro %}

{% macro call_dcl_statements() -%}
  {%- do _refused('call_dcl_statements', 'there are no rights to grant: who may read is said by the folder\'s own permissions', varargs, kwargs) -%}
{%- endmacro %}

{% macro get_dcl_statement_list() -%}
  {%- do _refused('get_dcl_statement_list', 'there are no rights to grant: who may read is said by the folder\'s own permissions', varargs, kwargs) -%}
{%- endmacro %}

{% macro get_grant_sql() -%}
  {%- do _refused('get_grant_sql', 'there are no rights to grant: who may read is said by the folder\'s own permissions', varargs, kwargs) -%}
{%- endmacro %}

{% macro get_revoke_sql() -%}
  {%- do _refused('get_revoke_sql', 'there are no rights to grant: who may read is said by the folder\'s own permissions', varargs, kwargs) -%}
{%- endmacro %}

{% macro get_show_grant_sql() -%}
  {%- do _refused('get_show_grant_sql', 'there are no rights to grant: who may read is said by the folder\'s own permissions', varargs, kwargs) -%}
{%- endmacro %}

{% macro get_drop_index_sql() -%}
  {%- do _refused('get_drop_index_sql', 'there are no indexes; files hold their columns\' smallest and largest values', varargs, kwargs) -%}
{%- endmacro %}

{% macro get_show_indexes_sql() -%}
  {%- do _refused('get_show_indexes_sql', 'there are no indexes; files hold their columns\' smallest and largest values', varargs, kwargs) -%}
{%- endmacro %}

{% macro drop_materialized_view() -%}
  {%- do _refused('drop_materialized_view', 'there are no materialized views; write `materialized=\'table\'` or `\'incremental\'`', varargs, kwargs) -%}
{%- endmacro %}

{% macro get_alter_materialized_view_as_sql() -%}
  {%- do _refused('get_alter_materialized_view_as_sql', 'there are no materialized views; write `materialized=\'table\'` or `\'incremental\'`', varargs, kwargs) -%}
{%- endmacro %}

{% macro get_create_materialized_view_as_sql() -%}
  {%- do _refused('get_create_materialized_view_as_sql', 'there are no materialized views; write `materialized=\'table\'` or `\'incremental\'`', varargs, kwargs) -%}
{%- endmacro %}

{% macro get_materialized_view_configuration_changes() -%}
  {%- do _refused('get_materialized_view_configuration_changes', 'there are no materialized views; write `materialized=\'table\'` or `\'incremental\'`', varargs, kwargs) -%}
{%- endmacro %}

{% macro get_rename_materialized_view_sql() -%}
  {%- do _refused('get_rename_materialized_view_sql', 'there are no materialized views; write `materialized=\'table\'` or `\'incremental\'`', varargs, kwargs) -%}
{%- endmacro %}

{% macro get_replace_materialized_view_sql() -%}
  {%- do _refused('get_replace_materialized_view_sql', 'there are no materialized views; write `materialized=\'table\'` or `\'incremental\'`', varargs, kwargs) -%}
{%- endmacro %}

{% macro materialized_view_execute_build_sql() -%}
  {%- do _refused('materialized_view_execute_build_sql', 'there are no materialized views; write `materialized=\'table\'` or `\'incremental\'`', varargs, kwargs) -%}
{%- endmacro %}

{% macro materialized_view_execute_no_op() -%}
  {%- do _refused('materialized_view_execute_no_op', 'there are no materialized views; write `materialized=\'table\'` or `\'incremental\'`', varargs, kwargs) -%}
{%- endmacro %}

{% macro materialized_view_get_build_sql() -%}
  {%- do _refused('materialized_view_get_build_sql', 'there are no materialized views; write `materialized=\'table\'` or `\'incremental\'`', varargs, kwargs) -%}
{%- endmacro %}

{% macro materialized_view_setup() -%}
  {%- do _refused('materialized_view_setup', 'there are no materialized views; write `materialized=\'table\'` or `\'incremental\'`', varargs, kwargs) -%}
{%- endmacro %}

{% macro materialized_view_teardown() -%}
  {%- do _refused('materialized_view_teardown', 'there are no materialized views; write `materialized=\'table\'` or `\'incremental\'`', varargs, kwargs) -%}
{%- endmacro %}

{% macro refresh_materialized_view() -%}
  {%- do _refused('refresh_materialized_view', 'there are no materialized views; write `materialized=\'table\'` or `\'incremental\'`', varargs, kwargs) -%}
{%- endmacro %}

{% macro create_csv_table() -%}
  {%- do _refused('create_csv_table', 'seeds are loaded by karat itself', varargs, kwargs) -%}
{%- endmacro %}

{% macro reset_csv_table() -%}
  {%- do _refused('reset_csv_table', 'seeds are loaded by karat itself', varargs, kwargs) -%}
{%- endmacro %}

{% macro load_csv_rows() -%}
  {%- do _refused('load_csv_rows', 'seeds are loaded by karat itself', varargs, kwargs) -%}
{%- endmacro %}

{% macro build_snapshot_staging_table() -%}
  {%- do _refused('build_snapshot_staging_table', 'snapshots are made by karat itself', varargs, kwargs) -%}
{%- endmacro %}

{% macro build_snapshot_table() -%}
  {%- do _refused('build_snapshot_table', 'snapshots are made by karat itself', varargs, kwargs) -%}
{%- endmacro %}

{% macro check_time_data_types() -%}
  {%- do _refused('check_time_data_types', 'snapshots are made by karat itself', varargs, kwargs) -%}
{%- endmacro %}

{% macro get_dbt_valid_to_current() -%}
  {%- do _refused('get_dbt_valid_to_current', 'snapshots are made by karat itself', varargs, kwargs) -%}
{%- endmacro %}

{% macro get_snapshot_table_column_names() -%}
  {%- do _refused('get_snapshot_table_column_names', 'snapshots are made by karat itself', varargs, kwargs) -%}
{%- endmacro %}

{% macro get_updated_at_column_data_type() -%}
  {%- do _refused('get_updated_at_column_data_type', 'snapshots are made by karat itself', varargs, kwargs) -%}
{%- endmacro %}

{% macro snapshot_check_all_get_existing_columns() -%}
  {%- do _refused('snapshot_check_all_get_existing_columns', 'snapshots are made by karat itself', varargs, kwargs) -%}
{%- endmacro %}

{% macro snapshot_check_strategy() -%}
  {%- do _refused('snapshot_check_strategy', 'snapshots are made by karat itself', varargs, kwargs) -%}
{%- endmacro %}

{% macro snapshot_merge_sql() -%}
  {%- do _refused('snapshot_merge_sql', 'snapshots are made by karat itself', varargs, kwargs) -%}
{%- endmacro %}

{% macro snapshot_staging_table() -%}
  {%- do _refused('snapshot_staging_table', 'snapshots are made by karat itself', varargs, kwargs) -%}
{%- endmacro %}

{% macro snapshot_timestamp_strategy() -%}
  {%- do _refused('snapshot_timestamp_strategy', 'snapshots are made by karat itself', varargs, kwargs) -%}
{%- endmacro %}

{% macro strategy_dispatch() -%}
  {%- do _refused('strategy_dispatch', 'snapshots are made by karat itself', varargs, kwargs) -%}
{%- endmacro %}

{% macro format_row() -%}
  {%- do _refused('format_row', 'unit tests are compared by karat itself', varargs, kwargs) -%}
{%- endmacro %}

{% macro get_expected_sql() -%}
  {%- do _refused('get_expected_sql', 'unit tests are compared by karat itself', varargs, kwargs) -%}
{%- endmacro %}

{% macro get_fixture_sql() -%}
  {%- do _refused('get_fixture_sql', 'unit tests are compared by karat itself', varargs, kwargs) -%}
{%- endmacro %}

{% macro get_unit_test_sql() -%}
  {%- do _refused('get_unit_test_sql', 'unit tests are compared by karat itself', varargs, kwargs) -%}
{%- endmacro %}

{% macro validate_fixture_rows() -%}
  {%- do _refused('validate_fixture_rows', 'unit tests are compared by karat itself', varargs, kwargs) -%}
{%- endmacro %}

{% macro build_config_dict() -%}
  {%- do _refused('build_config_dict', 'models are written in SQL, not in Python', varargs, kwargs) -%}
{%- endmacro %}

{% macro build_ref_function() -%}
  {%- do _refused('build_ref_function', 'models are written in SQL, not in Python', varargs, kwargs) -%}
{%- endmacro %}

{% macro build_source_function() -%}
  {%- do _refused('build_source_function', 'models are written in SQL, not in Python', varargs, kwargs) -%}
{%- endmacro %}

{% macro py_script_comment() -%}
  {%- do _refused('py_script_comment', 'models are written in SQL, not in Python', varargs, kwargs) -%}
{%- endmacro %}

{% macro py_script_postfix() -%}
  {%- do _refused('py_script_postfix', 'models are written in SQL, not in Python', varargs, kwargs) -%}
{%- endmacro %}

{% macro formatted_scalar_function_args_javascript() -%}
  {%- do _refused('formatted_scalar_function_args_javascript', 'functions are made by karat itself, from the files of `functions/`', varargs, kwargs) -%}
{%- endmacro %}

{% macro formatted_scalar_function_args_sql() -%}
  {%- do _refused('formatted_scalar_function_args_sql', 'functions are made by karat itself, from the files of `functions/`', varargs, kwargs) -%}
{%- endmacro %}

{% macro function_execute_build_sql() -%}
  {%- do _refused('function_execute_build_sql', 'functions are made by karat itself, from the files of `functions/`', varargs, kwargs) -%}
{%- endmacro %}

{% macro get_aggregate_function_create_replace_signature() -%}
  {%- do _refused('get_aggregate_function_create_replace_signature', 'functions are made by karat itself, from the files of `functions/`', varargs, kwargs) -%}
{%- endmacro %}

{% macro get_aggregate_function_volatility_specifier() -%}
  {%- do _refused('get_aggregate_function_volatility_specifier', 'functions are made by karat itself, from the files of `functions/`', varargs, kwargs) -%}
{%- endmacro %}

{% macro get_formatted_aggregate_function_args() -%}
  {%- do _refused('get_formatted_aggregate_function_args', 'functions are made by karat itself, from the files of `functions/`', varargs, kwargs) -%}
{%- endmacro %}

{% macro get_function_language_specifier() -%}
  {%- do _refused('get_function_language_specifier', 'functions are made by karat itself, from the files of `functions/`', varargs, kwargs) -%}
{%- endmacro %}

{% macro get_function_python_options() -%}
  {%- do _refused('get_function_python_options', 'functions are made by karat itself, from the files of `functions/`', varargs, kwargs) -%}
{%- endmacro %}

{% macro list_function_relations_without_caching() -%}
  {%- do _refused('list_function_relations_without_caching', 'functions are made by karat itself, from the files of `functions/`', varargs, kwargs) -%}
{%- endmacro %}

{% macro scalar_function_body_sql() -%}
  {%- do _refused('scalar_function_body_sql', 'functions are made by karat itself, from the files of `functions/`', varargs, kwargs) -%}
{%- endmacro %}

{% macro scalar_function_create_replace_signature_sql() -%}
  {%- do _refused('scalar_function_create_replace_signature_sql', 'functions are made by karat itself, from the files of `functions/`', varargs, kwargs) -%}
{%- endmacro %}

{% macro scalar_function_sql() -%}
  {%- do _refused('scalar_function_sql', 'functions are made by karat itself, from the files of `functions/`', varargs, kwargs) -%}
{%- endmacro %}

{% macro scalar_function_volatility_javascript() -%}
  {%- do _refused('scalar_function_volatility_javascript', 'functions are made by karat itself, from the files of `functions/`', varargs, kwargs) -%}
{%- endmacro %}

{% macro scalar_function_volatility_sql() -%}
  {%- do _refused('scalar_function_volatility_sql', 'functions are made by karat itself, from the files of `functions/`', varargs, kwargs) -%}
{%- endmacro %}

{% macro unsupported_volatility_warning() -%}
  {%- do _refused('unsupported_volatility_warning', 'functions are made by karat itself, from the files of `functions/`', varargs, kwargs) -%}
{%- endmacro %}

{% macro alter_column_comment() -%}
  {%- do _refused('alter_column_comment', 'descriptions are stored with `persist_docs`', varargs, kwargs) -%}
{%- endmacro %}

{% macro alter_relation_comment() -%}
  {%- do _refused('alter_relation_comment', 'descriptions are stored with `persist_docs`', varargs, kwargs) -%}
{%- endmacro %}

{% macro create_or_replace_clone() -%}
  {%- do _refused('create_or_replace_clone', 'a clone is made by `karat clone`', varargs, kwargs) -%}
{%- endmacro %}

{% macro get_incremental_microbatch_sql() -%}
  {%- do _refused('get_incremental_microbatch_sql', 'batches are made by karat itself; write `incremental_strategy=\'microbatch\'`', varargs, kwargs) -%}
{%- endmacro %}

{% macro get_relation_last_modified() -%}
  {%- do _refused('get_relation_last_modified', 'the age of a source is told by `karat source freshness`', varargs, kwargs) -%}
{%- endmacro %}

{% macro get_relations() -%}
  {%- do _refused('get_relations', 'what is made from what is told by `karat docs lineage`', varargs, kwargs) -%}
{%- endmacro %}

{% macro generate_latest_version_pointer_alias() -%}
  {%- do _refused('generate_latest_version_pointer_alias', 'the view of the latest version has the model\'s name, or the `alias` of `latest_version_pointer`', varargs, kwargs) -%}
{%- endmacro %}
