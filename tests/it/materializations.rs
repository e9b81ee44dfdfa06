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
    let run = project.run(&["run"]).expect_code(2);
    assert!(
        run.stderr.contains("`materialized` can't be `veiw`") && run.stderr.contains("did you mean `view`?"),
        "{}",
        run.stderr
    );
    project.write("models/gold/a.sql", "{{ config(materialized='view') }} select nope as x");
    let run = project.run(&["run"]).expect_code(2);
    assert!(run.stderr.contains("error[unknown-column]"), "{}", run.stderr);
}
