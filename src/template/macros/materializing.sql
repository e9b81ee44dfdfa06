{# What a materialization is made of: statements about relations. Custom materializations are written with these. #}

{% macro run_hooks(hooks, inside_transaction=True) -%}
  {%- for hook in hooks if (hook.get('transaction', True) if hook is mapping else True) == inside_transaction -%}
    {%- set text = render(hook.get('sql') if hook is mapping else hook) | trim -%}
    {%- if text -%}
      {%- call statement() -%}{{ text }}{%- endcall -%}
    {%- endif -%}
  {%- endfor -%}
{%- endmacro %}

{% macro make_hook_config(sql, inside_transaction) -%}
  {%- do return(tojson({'sql': sql, 'transaction': inside_transaction})) -%}
{%- endmacro %}

{% macro before_begin(sql) -%}
  {%- do return(make_hook_config(sql, inside_transaction=False)) -%}
{%- endmacro %}

{% macro in_transaction(sql) -%}
  {%- do return(make_hook_config(sql, inside_transaction=True)) -%}
{%- endmacro %}

{% macro after_commit(sql) -%}
  {%- do return(make_hook_config(sql, inside_transaction=False)) -%}
{%- endmacro %}

{# Every statement is a transaction of its own, and rights are none of a warehouse's business here. #}
{% macro persist_docs(relation, model, for_relation=true, for_columns=true) -%}
  {%- do return(adapter.dispatch('persist_docs', 'dbt')(relation, model, for_relation, for_columns)) -%}
{%- endmacro %}

{% macro default__persist_docs(relation, model, for_relation=true, for_columns=true) -%}{%- endmacro %}
{% macro apply_grants(relation, grant_config, should_revoke=True) -%}
  {%- do return(adapter.dispatch('apply_grants', 'dbt')(relation, grant_config, should_revoke)) -%}
{%- endmacro %}

{% macro default__apply_grants(relation, grant_config, should_revoke=True) -%}{%- endmacro %}
{% macro copy_grants() -%}
  {%- do return(adapter.dispatch('copy_grants', 'dbt')()) -%}
{%- endmacro %}

{% macro default__copy_grants() -%}{%- do return(True) -%}{%- endmacro %}
{% macro should_revoke(existing_relation, full_refresh_mode=True) -%}{%- do return(False) -%}{%- endmacro %}
{% macro create_indexes(relation) -%}
  {%- do return(adapter.dispatch('create_indexes', 'dbt')(relation)) -%}
{%- endmacro %}

{% macro default__create_indexes(relation) -%}{%- endmacro %}

{% macro create_schema(relation) -%}
  {%- do adapter.dispatch('create_schema', 'dbt')(relation) -%}
{%- endmacro %}

{% macro default__create_schema(relation) -%}
  {%- do adapter.create_schema(relation) -%}
{%- endmacro %}

{% macro drop_schema(relation) -%}
  {%- do adapter.dispatch('drop_schema', 'dbt')(relation) -%}
{%- endmacro %}

{% macro default__drop_schema(relation) -%}
  {%- do adapter.drop_schema(relation) -%}
{%- endmacro %}

{% macro drop_schema_named(schema_name) -%}
  {%- do return(adapter.dispatch('drop_schema_named', 'dbt')(schema_name)) -%}
{%- endmacro %}

{% macro default__drop_schema_named(schema_name) -%}
  {%- do adapter.drop_schema(api.Relation.create(database=target.database, schema=schema_name)) -%}
{%- endmacro %}

{% macro list_schemas(database) -%}
  {%- do return(adapter.dispatch('list_schemas', 'dbt')(database)) -%}
{%- endmacro %}

{% macro default__list_schemas(database) -%}
  {%- do return(run_query("select distinct table_schema as name from information_schema.tables where table_schema <> 'information_schema' order by 1")) -%}
{%- endmacro %}

{% macro check_schema_exists(information_schema, schema) -%}
  {%- do return(adapter.dispatch('check_schema_exists', 'dbt')(information_schema, schema)) -%}
{%- endmacro %}

{% macro default__check_schema_exists(information_schema, schema) -%}
  {%- do return(run_query("select count(*) as n from information_schema.tables where table_schema = '" ~ schema ~ "'")) -%}
{%- endmacro %}

{% macro list_relations_without_caching(schema_relation) -%}
  {%- do return(adapter.dispatch('list_relations_without_caching', 'dbt')(schema_relation)) -%}
{%- endmacro %}

{% macro default__list_relations_without_caching(schema_relation) -%}
  {%- do return(adapter.list_relations_without_caching(schema_relation)) -%}
{%- endmacro %}

{% macro drop_relation(relation) -%}
  {%- do adapter.dispatch('drop_relation', 'dbt')(relation) -%}
{%- endmacro %}

{% macro default__drop_relation(relation) -%}
  {%- do adapter.drop_relation(relation) -%}
{%- endmacro %}

{% macro drop_relation_if_exists(relation) -%}
  {%- if relation is not none -%}
    {%- do adapter.drop_relation(relation) -%}
  {%- endif -%}
{%- endmacro %}

{% macro rename_relation(from_relation, to_relation) -%}
  {%- do adapter.dispatch('rename_relation', 'dbt')(from_relation, to_relation) -%}
{%- endmacro %}

{% macro default__rename_relation(from_relation, to_relation) -%}
  {%- do adapter.rename_relation(from_relation, to_relation) -%}
{%- endmacro %}

{% macro truncate_relation(relation) -%}
  {%- do adapter.dispatch('truncate_relation', 'dbt')(relation) -%}
{%- endmacro %}

{% macro default__truncate_relation(relation) -%}
  {%- do adapter.truncate_relation(relation) -%}
{%- endmacro %}

{% macro get_or_create_relation(database, schema, identifier, type) -%}
  {%- do return(adapter.dispatch('get_or_create_relation', 'dbt')(database, schema, identifier, type)) -%}
{%- endmacro %}

{% macro default__get_or_create_relation(database, schema, identifier, type) -%}
  {%- set found = adapter.get_relation(database, schema, identifier) -%}
  {%- if found -%}
    {%- do return([true, found]) -%}
  {%- endif -%}
  {%- do return([false, api.Relation.create(database=database, schema=schema, identifier=identifier, type=type)]) -%}
{%- endmacro %}

{% macro make_temp_relation(base_relation, suffix='__dbt_tmp') -%}
  {%- do return(adapter.dispatch('make_temp_relation', 'dbt')(base_relation, suffix)) -%}
{%- endmacro %}

{% macro default__make_temp_relation(base_relation, suffix) -%}
  {%- do return(base_relation.incorporate(path={'identifier': base_relation.identifier ~ suffix})) -%}
{%- endmacro %}

{% macro make_intermediate_relation(base_relation, suffix='__dbt_tmp') -%}
  {%- do return(adapter.dispatch('make_intermediate_relation', 'dbt')(base_relation, suffix)) -%}
{%- endmacro %}

{% macro default__make_intermediate_relation(base_relation, suffix) -%}
  {%- do return(base_relation.incorporate(path={'identifier': base_relation.identifier ~ suffix})) -%}
{%- endmacro %}

{% macro make_backup_relation(base_relation, backup_relation_type, suffix='__dbt_backup') -%}
  {%- do return(adapter.dispatch('make_backup_relation', 'dbt')(base_relation, backup_relation_type, suffix)) -%}
{%- endmacro %}

{% macro default__make_backup_relation(base_relation, backup_relation_type, suffix) -%}
  {%- do return(base_relation.incorporate(path={'identifier': base_relation.identifier ~ suffix}, type=backup_relation_type)) -%}
{%- endmacro %}

{% macro get_create_table_as_sql(temporary, relation, sql) -%}
  {{ adapter.dispatch('get_create_table_as_sql', 'dbt')(temporary, relation, sql) }}
{%- endmacro %}

{% macro default__get_create_table_as_sql(temporary, relation, sql) -%}
  {{ create_table_as(temporary, relation, sql) }}
{%- endmacro %}

{% macro create_table_as(temporary, relation, compiled_code, language='sql') -%}
  {%- if language != 'sql' -%}
    {%- do exceptions.raise_compiler_error('a table cannot be created from ' ~ language ~ ', only from sql') -%}
  {%- endif -%}
  {{ adapter.dispatch('create_table_as', 'dbt')(temporary, relation, compiled_code) }}
{%- endmacro %}

{% macro default__create_table_as(temporary, relation, sql) -%}
  {%- set header = config.get('sql_header') %}{% if header is not none %}{{ header }}
  {% endif -%}
  create or replace {% if temporary %}temporary {% endif %}table {{ relation }} as ({{ sql }})
{%- endmacro %}

{% macro get_create_view_as_sql(relation, sql) -%}
  {{ adapter.dispatch('get_create_view_as_sql', 'dbt')(relation, sql) }}
{%- endmacro %}

{% macro default__get_create_view_as_sql(relation, sql) -%}
  {{ create_view_as(relation, sql) }}
{%- endmacro %}

{% macro create_view_as(relation, sql) -%}
  {{ adapter.dispatch('create_view_as', 'dbt')(relation, sql) }}
{%- endmacro %}

{% macro default__create_view_as(relation, sql) -%}
  {%- set header = config.get('sql_header') %}{% if header is not none %}{{ header }}
  {% endif -%}
  create or replace view {{ relation }} as ({{ sql }})
{%- endmacro %}

{% macro get_rename_sql(relation, new_name) -%}
  {%- do return(adapter.dispatch('get_rename_sql', 'dbt')(relation, new_name)) -%}
{%- endmacro %}

{% macro default__get_rename_sql(relation, new_name) -%}
  alter table {{ relation }} rename to {{ new_name }}
{%- endmacro %}

{% macro get_drop_sql(relation) -%}
  {%- do return(adapter.dispatch('get_drop_sql', 'dbt')(relation)) -%}
{%- endmacro %}

{% macro default__get_drop_sql(relation) -%}
  drop {{ 'view' if relation.type == 'view' else 'table' }} if exists {{ relation }}
{%- endmacro %}

{% macro get_empty_subquery_sql(select_sql, select_sql_header=none) -%}
  {%- do return(adapter.dispatch('get_empty_subquery_sql', 'dbt')(select_sql, select_sql_header)) -%}
{%- endmacro %}

{% macro default__get_empty_subquery_sql(select_sql, select_sql_header=none) -%}
  select * from ({{ select_sql }}) as __dbt_sbq where false limit 0
{%- endmacro %}

{% macro get_insert_into_sql(target_relation, temp_relation, dest_columns) -%}
  {%- set columns = get_quoted_csv(dest_columns | map(attribute='name')) -%}
  insert into {{ target_relation }} ({{ columns }}) (select {{ columns }} from {{ temp_relation }})
{%- endmacro %}

{# A batch into its table: rows with the same key are updated, the others added. #}
{% macro get_merge_sql(target, source, unique_key, dest_columns, incremental_predicates=none) -%}
  {{ adapter.dispatch('get_merge_sql', 'dbt')(target, source, unique_key, dest_columns, incremental_predicates) }}
{%- endmacro %}

{% macro default__get_merge_sql(target, source, unique_key, dest_columns, incremental_predicates=none) -%}
  {%- set conditions = [] if incremental_predicates is none else [] + incremental_predicates -%}
  {%- set keys = [] if not unique_key else ([unique_key] if unique_key is string else unique_key) -%}
  {%- for key in keys -%}
    {%- do conditions.append('DBT_INTERNAL_SOURCE.' ~ key ~ ' = DBT_INTERNAL_DEST.' ~ key) -%}
  {%- endfor -%}
  {%- set updates = get_merge_update_columns(config.get('merge_update_columns'), config.get('merge_exclude_columns'), dest_columns) -%}
  {%- set names = dest_columns | map(attribute='name') | list -%}
  merge into {{ target }} as DBT_INTERNAL_DEST
  using {{ source }} as DBT_INTERNAL_SOURCE
  on {{ ('(' ~ conditions | join(') and (') ~ ')') if keys else 'false' }}
  {% if keys -%}
  when matched then update set
    {% for name in updates -%}
    {{ name }} = DBT_INTERNAL_SOURCE.{{ name }}{{ ', ' if not loop.last }}
    {%- endfor %}
  {%- endif %}
  when not matched then insert ({{ get_quoted_csv(names) }})
  values ({% for name in names %}DBT_INTERNAL_SOURCE.{{ adapter.quote(name) }}{{ ', ' if not loop.last }}{% endfor %})
{%- endmacro %}

{% macro get_delete_insert_merge_sql(target, source, unique_key, dest_columns, incremental_predicates=none) -%}
  {{ adapter.dispatch('get_delete_insert_merge_sql', 'dbt')(target, source, unique_key, dest_columns, incremental_predicates) }}
{%- endmacro %}

{% macro default__get_delete_insert_merge_sql(target, source, unique_key, dest_columns, incremental_predicates=none) -%}
  {%- set keys = [] if not unique_key else ([unique_key] if unique_key is string else unique_key) -%}
  {%- if keys -%}
  delete from {{ target }} as DBT_INTERNAL_DEST
  using {{ source }} as DBT_INTERNAL_SOURCE
  where {% for key in keys %}{{ 'and ' if not loop.first }}DBT_INTERNAL_SOURCE.{{ key }} = DBT_INTERNAL_DEST.{{ key }} {% endfor %}
  {%- for predicate in incremental_predicates or [] %} and {{ predicate }}{% endfor %};
  {% endif -%}
  {{ get_insert_into_sql(target, source, dest_columns) }}
{%- endmacro %}

{% macro get_incremental_append_sql(arg_dict) -%}
  {%- do return(adapter.dispatch('get_incremental_append_sql', 'dbt')(arg_dict)) -%}
{%- endmacro %}

{% macro default__get_incremental_append_sql(arg_dict) -%}
  {{ get_insert_into_sql(arg_dict['target_relation'], arg_dict['temp_relation'], arg_dict['dest_columns']) }}
{%- endmacro %}

{% macro get_incremental_merge_sql(arg_dict) -%}
  {%- do return(adapter.dispatch('get_incremental_merge_sql', 'dbt')(arg_dict)) -%}
{%- endmacro %}

{% macro default__get_incremental_merge_sql(arg_dict) -%}
  {{ get_merge_sql(arg_dict['target_relation'], arg_dict['temp_relation'], arg_dict['unique_key'], arg_dict['dest_columns'], arg_dict.get('incremental_predicates')) }}
{%- endmacro %}

{% macro get_incremental_delete_insert_sql(arg_dict) -%}
  {%- do return(adapter.dispatch('get_incremental_delete_insert_sql', 'dbt')(arg_dict)) -%}
{%- endmacro %}

{% macro default__get_incremental_delete_insert_sql(arg_dict) -%}
  {{ get_delete_insert_merge_sql(arg_dict['target_relation'], arg_dict['temp_relation'], arg_dict['unique_key'], arg_dict['dest_columns'], arg_dict.get('incremental_predicates')) }}
{%- endmacro %}

{% macro get_incremental_default_sql(arg_dict) -%}
  {%- do return(adapter.dispatch('get_incremental_default_sql', 'dbt')(arg_dict)) -%}
{%- endmacro %}

{% macro default__get_incremental_default_sql(arg_dict) -%}
  {%- if arg_dict.get('unique_key') -%}
    {{ get_incremental_delete_insert_sql(arg_dict) }}
  {%- else -%}
    {{ get_incremental_append_sql(arg_dict) }}
  {%- endif -%}
{%- endmacro %}

{# The columns that a match sets: the chosen ones, or all but the excluded ones, quoted. #}
{% macro get_merge_update_columns(merge_update_columns, merge_exclude_columns, dest_columns) -%}
  {%- do return(adapter.dispatch('get_merge_update_columns', 'dbt')(merge_update_columns, merge_exclude_columns, dest_columns)) -%}
{%- endmacro %}

{% macro default__get_merge_update_columns(merge_update_columns, merge_exclude_columns, dest_columns) -%}
  {%- if merge_update_columns and merge_exclude_columns -%}
    {%- do exceptions.raise_compiler_error('one of merge_update_columns and merge_exclude_columns says it all') -%}
  {%- endif -%}
  {%- if merge_update_columns -%}
    {%- do return([merge_update_columns] if merge_update_columns is string else merge_update_columns) -%}
  {%- endif -%}
  {%- set excluded = [merge_exclude_columns] if merge_exclude_columns is string else (merge_exclude_columns or []) -%}
  {%- set excluded = excluded | map('lower') | list -%}
  {%- set chosen = [] -%}
  {%- for column in dest_columns if column.name | lower not in excluded -%}
    {%- do chosen.append(adapter.quote(column.name)) -%}
  {%- endfor -%}
  {%- do return(chosen) -%}
{%- endmacro %}

{# The columns of the first list whose names the second does not have. #}
{% macro diff_columns(source_columns, target_columns) -%}
  {%- set known = target_columns | map(attribute='name') | map('lower') | list -%}
  {%- set missing = [] -%}
  {%- for column in source_columns if column.name | lower not in known -%}
    {%- do missing.append(column) -%}
  {%- endfor -%}
  {%- do return(missing) -%}
{%- endmacro %}

{% macro diff_column_data_types(source_columns, target_columns) -%}
  {%- do return(adapter.dispatch('diff_column_data_types', 'dbt')(source_columns, target_columns)) -%}
{%- endmacro %}

{% macro default__diff_column_data_types(source_columns, target_columns) -%}
  {%- set changed = [] -%}
  {%- for column in source_columns -%}
    {%- for other in target_columns if other.name | lower == column.name | lower and other.data_type != column.data_type -%}
      {%- do changed.append({'column_name': other.name, 'new_type': column.data_type}) -%}
    {%- endfor -%}
  {%- endfor -%}
  {%- do return(changed) -%}
{%- endmacro %}

{% macro alter_column_type(relation, column_name, new_column_type) -%}
  {%- do return(adapter.dispatch('alter_column_type', 'dbt')(relation, column_name, new_column_type)) -%}
{%- endmacro %}

{% macro default__alter_column_type(relation, column_name, new_column_type) -%}
  {%- do adapter.alter_column_type(relation, column_name, new_column_type) -%}
{%- endmacro %}

{% macro alter_relation_add_remove_columns(relation, add_columns, remove_columns) -%}
  {%- do return(adapter.dispatch('alter_relation_add_remove_columns', 'dbt')(relation, add_columns, remove_columns)) -%}
{%- endmacro %}

{% macro default__alter_relation_add_remove_columns(relation, add_columns, remove_columns) -%}
  {%- for column in add_columns or [] -%}
    {%- do run_query('alter table ' ~ relation ~ ' add column ' ~ adapter.quote(column.name) ~ ' ' ~ column.data_type) -%}
  {%- endfor -%}
  {%- for column in remove_columns or [] -%}
    {%- do run_query('alter table ' ~ relation ~ ' drop column ' ~ adapter.quote(column.name)) -%}
  {%- endfor -%}
{%- endmacro %}

{% macro incremental_validate_on_schema_change(on_schema_change, default='ignore') -%}
  {%- set allowed = ['sync_all_columns', 'append_new_columns', 'fail', 'ignore'] -%}
  {%- do return(on_schema_change if on_schema_change in allowed else default) -%}
{%- endmacro %}

{% macro check_for_schema_changes(source_relation, target_relation) -%}
  {%- do return(adapter.dispatch('check_for_schema_changes', 'dbt')(source_relation, target_relation)) -%}
{%- endmacro %}

{% macro default__check_for_schema_changes(source_relation, target_relation) -%}
  {%- set source_columns = adapter.get_columns_in_relation(source_relation) -%}
  {%- set target_columns = adapter.get_columns_in_relation(target_relation) -%}
  {%- set added = diff_columns(source_columns, target_columns) -%}
  {%- set removed = diff_columns(target_columns, source_columns) -%}
  {%- set retyped = diff_column_data_types(source_columns, target_columns) -%}
  {%- do return({
    'schema_changed': (added or removed or retyped) | length > 0,
    'source_not_in_target': added,
    'target_not_in_source': removed,
    'source_columns': source_columns,
    'target_columns': target_columns,
    'new_target_types': retyped,
  }) -%}
{%- endmacro %}

{% macro process_schema_changes(on_schema_change, source_relation, target_relation) -%}
  {%- do return(adapter.dispatch('process_schema_changes', 'dbt')(on_schema_change, source_relation, target_relation)) -%}
{%- endmacro %}

{% macro default__process_schema_changes(on_schema_change, source_relation, target_relation) -%}
  {%- if on_schema_change == 'ignore' -%}
    {%- do return({}) -%}
  {%- endif -%}
  {%- set changes = check_for_schema_changes(source_relation, target_relation) -%}
  {%- if changes['schema_changed'] -%}
    {%- if on_schema_change == 'fail' -%}
      {%- do exceptions.raise_compiler_error('the columns of ' ~ target_relation ~ ' are no longer those of the query, and on_schema_change is fail') -%}
    {%- endif -%}
    {%- do sync_column_schemas(on_schema_change, target_relation, changes) -%}
  {%- endif -%}
  {%- do return(adapter.get_columns_in_relation(target_relation)) -%}
{%- endmacro %}

{% macro snapshot_hash_arguments(args) -%}
  {%- do return(adapter.dispatch('snapshot_hash_arguments', 'dbt')(args)) -%}
{%- endmacro %}

{% macro default__snapshot_hash_arguments(args) -%}
  md5({% for arg in args %}coalesce(cast({{ arg }} as varchar), ''){{ " || '|' || " if not loop.last }}{% endfor %})
{%- endmacro %}

{% macro snapshot_get_time() -%}
  {%- do return(adapter.dispatch('snapshot_get_time', 'dbt')()) -%}
{%- endmacro %}

{% macro default__snapshot_get_time() -%}
  {{ dbt.current_timestamp() }}
{%- endmacro %}
