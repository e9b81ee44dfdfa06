//! Materializations that a project writes itself, in the forms that dbt's documentation and its adapters use.

use crate::support::Project;

/// As adapters write it: make the new table aside, put it in the place of the old one.
const SWAP: &str = "{% materialization swapped, default %}
  {%- set target_relation = this.incorporate(type='table') -%}
  {%- set existing = load_cached_relation(this) -%}
  {%- set intermediate = make_intermediate_relation(target_relation) -%}
  {%- set backup = make_backup_relation(target_relation, 'table') -%}
  {{ drop_relation_if_exists(load_cached_relation(intermediate)) }}
  {{ drop_relation_if_exists(load_cached_relation(backup)) }}
  {{ run_hooks(pre_hooks, inside_transaction=False) }}
  {{ run_hooks(pre_hooks, inside_transaction=True) }}
  {% call statement('main') -%}
    {{ get_create_table_as_sql(False, intermediate, sql) }}
  {%- endcall %}
  {% if existing is not none %}{{ adapter.rename_relation(existing, backup) }}{% endif %}
  {{ adapter.rename_relation(intermediate, target_relation) }}
  {% do create_indexes(target_relation) %}
  {{ run_hooks(post_hooks, inside_transaction=True) }}
  {% do persist_docs(target_relation, model) %}
  {{ adapter.commit() }}
  {{ drop_relation_if_exists(backup) }}
  {{ run_hooks(post_hooks, inside_transaction=False) }}
  {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}";

/// An insert by period of one's own: the table is made once, then rows are merged.
const UPSERT: &str = "{% materialization upsert, adapter='karat' %}
  {%- set target_relation = this.incorporate(type='table') -%}
  {%- if load_relation(this) is none or should_full_refresh() -%}
    {% call statement('main') %}{{ create_table_as(False, target_relation, sql) }}{% endcall %}
  {%- else -%}
    {%- set temporary = make_temp_relation(target_relation) -%}
    {% do run_query(create_table_as(True, temporary, sql)) %}
    {% do process_schema_changes('append_new_columns', temporary, target_relation) %}
    {%- set columns = adapter.get_columns_in_relation(target_relation) -%}
    {% call statement('main') %}{{ get_merge_sql(target_relation, temporary, config.require('key'), columns) }}{% endcall %}
    {% do log('merged ' ~ load_result('main')['response'].rows_affected, info=true) %}
    {% do adapter.drop_relation(temporary) %}
  {%- endif -%}
  {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}";

fn project() -> Project {
    Project::new(&[
        ("macros/swap.sql", SWAP),
        ("macros/upsert.sql", UPSERT),
        (
            "models/gold/people.sql",
            "{{ config(materialized='swapped', pre_hook=\"create table if not exists audit.log (model varchar)\",\n\
             post_hook=\"insert into audit.log values ('{{ this.identifier }}')\") }}\nselect {{ var('x', 1) }} as id, 'a' as name",
        ),
        (
            "models/gold/kept.sql",
            "{{ config(materialized='upsert', key='id') }}\nselect id, name{{ ', 7 as extra' if var('x', 1) == 3 }} from {{ ref('people') }}",
        ),
        ("models/gold/after.sql", "{{ config(materialized='table') }}\nselect count(*) as n from {{ ref('kept') }}"),
        ("models/gold/schema.yml", "models: [{name: kept, columns: [{name: id, data_tests: [unique, not_null]}]}]\n"),
    ])
}

#[test]
fn materializations_of_the_project_build_test_and_publish() {
    let project = project();
    project.ok(&["build"]);
    assert_eq!(project.rows("select id, name from {{ ref('people') }}"), ["1|a"]);
    let run = project.ok(&["build", "--vars", "{x: 2}"]);
    assert!(run.stderr.contains("merged 1"), "{}", run.stderr);
    assert_eq!(project.rows("select id, name from {{ ref('kept') }} order by 1"), ["1|a", "2|a"]);
    assert_eq!(project.rows("select n from {{ ref('after') }}"), ["2"]);
    project.ok(&["build", "--vars", "{x: 3}"]);
    assert_eq!(project.rows("select * from {{ ref('kept') }} order by 1"), ["1|a|null", "2|a|null", "3|a|7"]);
    assert_eq!(project.rows("select model from audit.log"), ["people", "people", "people"]);
    // What was only on the way is not there.
    assert_eq!(
        project.rows("select table_name from information_schema.tables where table_schema = 'gold' order by 1"),
        ["after", "kept", "people"]
    );
    project.ok(&["build", "--full-refresh"]);
    assert_eq!(project.rows("select id from {{ ref('kept') }}"), ["1"]);
    let listed = project.ok(&["ls", "--select", "config.materialized:upsert", "--resource-type", "model"]).stdout;
    assert_eq!(listed.trim(), "shop.gold.kept");
}

#[test]
fn a_test_that_fails_holds_a_custom_table_back() {
    let project = project();
    project.ok(&["build"]);
    project.write(
        "models/gold/people.sql",
        "{{ config(materialized='swapped') }}\nselect cast(null as int) as id, 'b' as name",
    );
    project.run(&["build"]).expect_code(1);
    assert_eq!(project.rows("select id, name from {{ ref('kept') }}"), ["1|a"]);
    assert_eq!(project.rows("select name from {{ ref('people') }}"), ["b"]);
}

#[test]
fn a_project_may_put_its_own_in_the_place_of_a_built_in_one() {
    let project = Project::new(&[
        (
            "macros/view.sql",
            "{% materialization view, default %}{% call statement('main') %}create or replace view {{ this }} as {{ sql }}{% endcall %}\
             {% do print('own view ' ~ this.identifier) %}{{ return({'relations': [this]}) }}{% endmaterialization %}",
        ),
        ("models/gold/a.sql", "{{ config(materialized='view') }} select 1 as x"),
        ("models/gold/b.sql", "{{ config(materialized='table') }} select x from {{ ref('a') }}"),
    ]);
    let run = project.ok(&["run"]);
    assert!(run.stdout.contains("own view a"), "{}", run.stdout);
    assert_eq!(project.rows("select x from {{ ref('b') }}"), ["1"]);
    project.write("models/gold/a.sql", "{{ config(materialized='veiw') }} select 1 as x");
    let run = project.run(&["run"]).expect_code(1);
    assert!(
        run.stderr.contains("`materialized` can't be `veiw`") && run.stderr.contains("did you mean `view`?"),
        "{}",
        run.stderr
    );
    project.write("models/gold/a.sql", "{{ config(materialized='view') }} select nope as x");
    let run = project.run(&["run"]).expect_code(2);
    assert!(run.stderr.contains("error[unknown-column]"), "{}", run.stderr);
}

#[test]
fn macros_of_dbt_are_there() {
    let project = Project::new(&[
        ("dbt_project.yml", "name: shop\nversion: '1.0'\n"),
        (
            "macros/say.sql",
            "{% macro say() %}\
             {% do print(dbt.dates_in_range('20240130', '20240202')) %}\
             {% do print(partition_range('2024-01-01', date_fmt='%Y-%m-%d')) %}\
             {% do print(convert_datetime('20240131', '%Y%m%d').day) %}\
             {% do print(dbt.current_timestamp_backcompat() | trim) %}\
             {% do print(current_timestamp_in_utc_backcompat() | trim) %}\
             {% do print(information_schema_name('shop') | trim) %}\
             {% do print(get_limit_subquery_sql('select 1', 5) | trim) %}\
             {% do print(get_show_sql('select 1', none, none) | trim) %}\
             {% do print(default_last_day('d', 'month') | trim) %}\
             {% set columns = get_column_schema_from_query('select 1 as a, cast(2 as decimal(5, 2)) as b, current_date as c') %}\
             {% do print(get_list_of_column_names(columns)) %}\
             {% do print(columns | map(attribute='dtype') | list) %}\
             {% do print(format_columns(columns)[0]) %}\
             {% do print(get_snapshot_get_time_data_type()) %}\
             {% do print(unique_key_join_on(['a', 'b'], 'x', 'y') | trim) %}\
             {% do print(get_catalog(none, ['main']).rows | map(attribute='column_name') | list) %}\
             {% do print(get_catalog_for_single_relation(ref('t')).rows | length) %}\
             {% do print(collect_freshness(ref('t'), 'at', 'id = 1').table.rows[0].max_loaded_at) %}\
             {% do validate_sql('select id from ' ~ ref('t')) %}\
             {% do create_columns(ref('t'), get_column_schema_from_query('select 1.5 as extra')) %}\
             {% do print(adapter.get_columns_in_relation(ref('t')) | map(attribute='name') | list) %}\
             {% do print(get_rename_sql(ref('t'), 'u') | trim) %}\
             {% do print(get_test_sql('select 1', 'count(*)', '!= 0', '> 1', none) | replace('\\n', ' ') | trim) %}\
             {% endmacro %}\
             {% macro grants() %}{% do get_grant_sql(ref('t'), 'select', ['me']) %}{% endmacro %}\
             {% macro unused() %}{{ load_csv_rows(model, none) }}{% endmacro %}",
        ),
        (
            "macros/own.sql",
            "{% macro karat__get_limit_sql(sql, limit) %}{{ default__get_limit_sql(sql, limit) }}!{% endmacro %}",
        ),
        ("models/t.sql", "{{ config(materialized='table') }} select 1 as id, date '2024-01-01' as at"),
        (
            "models/own.sql",
            "{{ config(materialized='replaced') }}{% call set_sql_header(config) %}create or replace table main.log as \
             select 1 as a;{% endcall %}select 5 as five",
        ),
        (
            "macros/replaced.sql",
            "{% materialization replaced, default %}{% set found = load_cached_relation(this) %}\
             {% call statement('main') %}\
             {{ get_create_sql(this.incorporate(type='table'), sql) if not found else \
             get_replace_sql(found, this.incorporate(type='table'), sql) }}{% endcall %}\
             {{ return({'relations': [this]}) }}{% endmaterialization %}",
        ),
    ]);
    project.ok(&["build"]);
    project.ok(&["build"]);
    assert_eq!(project.rows("select five, a from main.own, main.log"), ["5|1"]);
    let run = project.ok(&["run-operation", "say"]);
    insta::assert_snapshot!(run.stdout, @r#"
    ['20240130', '20240131', '20240201', '20240202']
    ['20240101']
    31
    cast(now() as timestamp)
    cast(now() as timestamp)
    information_schema
    select 1
      limit 5!
    select 1!
    cast(last_day(d, 'month') as date)
    ['a', 'b', 'c']
    ['bigint', 'decimal', 'date']
    {'name': 'a', 'data_type': 'bigint', 'formatted': 'a bigint'}
    timestamptz
    x.dbt_unique_key_1 = y.dbt_unique_key_1 and x.dbt_unique_key_2 = y.dbt_unique_key_2
    ['a', 'five', 'id', 'at']
    2
    2024-01-01
    ['id', 'at', 'extra']
    alter table "shop"."main"."t" rename to u
    select count(*) as failures, count(*) != 0 as should_warn, count(*) > 1 as should_error   from (   select 1      ) as dbt_internal_test
    "#);
    let run = project.run(&["run-operation", "grants"]).expect_code(1);
    assert!(run.stderr.contains("`get_grant_sql` has no meaning here: there are no rights to grant"), "{}", run.stderr);
}
