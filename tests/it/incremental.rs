//! Incremental models by example: what each strategy makes of batch after batch. Random histories are in
//! `proof_strategies` and `proof_schema_change`.

#![expect(clippy::unwrap_used, reason = "tests")]

use insta::assert_snapshot;

use crate::support::Project;

const SOURCES: &str = "
sources:
  - name: landing
    external:
      location: 'landing/{name}/*.csv'
      format: csv
    tables:
      - name: events
        columns:
          - {name: id, data_type: bigint}
          - {name: part, data_type: bigint}
          - {name: name, data_type: varchar}
          - {name: amount, data_type: 'decimal(10,2)'}
          - {name: gone, data_type: boolean}
";

/// A model `events` over batch files: an incremental run reads the newest file only.
fn events(config: &str, columns: &str) -> Project {
    let project = Project::new(&[("models/bronze/_sources.yml", SOURCES)]);
    model(&project, config, columns);
    project
}

fn model(project: &Project, config: &str, columns: &str) {
    let model = format!(
        "{{{{ config(materialized='incremental', {config}) }}}}\n\
         select {columns} from {{{{ source('landing', 'events') }}}}\n\
         {{% if is_incremental() %}}\n\
         where _karat_file = (select max(_karat_file) from {{{{ source('landing', 'events') }}}})\n\
         {{% endif %}}\n"
    );
    project.write("models/silver/events.sql", &model);
}

fn batch(project: &Project, number: u32, rows: &[&str]) {
    let text = format!("id,part,name,amount,gone\n{}\n", rows.join("\n"));
    project.write(&format!("landing/events/batch-{number}.csv"), &text);
}

/// Lands a batch and builds.
#[track_caller]
fn load(project: &Project, number: u32, rows: &[&str]) {
    batch(project, number, rows);
    project.ok(&["run"]);
}

fn content(project: &Project) -> String {
    let mut rows = project.rows("select * from silver.events");
    let key = |row: &String| row.split('|').next().unwrap().parse::<u32>().unwrap_or(u32::MAX);
    rows.sort_by_key(|row| (key(row), row.clone()));
    rows.join("\n")
}

#[test]
fn incremental_append_adds_and_is_not_incremental_at_first() {
    let project = events("incremental_strategy='append'", "id, name, {{ is_incremental() }} as again");
    load(&project, 1, &["1,1,a,,", "2,1,b,,"]);
    assert_eq!(project.actions()["events"], "table");
    load(&project, 2, &["2,1,c,,", ",1,d,,"]);
    assert_eq!(project.actions()["events"], "append");
    assert_eq!(project.counts("events"), "+2 ~0 -0 =4");
    assert_snapshot!(content(&project), @"
    1|a|false
    2|b|false
    2|c|true
    null|d|true
    ");
    // A full refresh reads all batches again, and is not incremental.
    project.ok(&["run", "--full-refresh"]);
    assert_eq!(project.actions()["events"], "table");
    assert_eq!(project.rows("select count(*), bool_or(again) from silver.events"), ["4|false"]);
    // A model may refuse that.
    model(&project, "incremental_strategy='append', full_refresh=false", "id, name, {{ is_incremental() }} as again");
    load(&project, 3, &["5,1,e,,"]);
    project.ok(&["run", "--full-refresh"]);
    assert_eq!(project.actions()["events"], "append");
    assert_eq!(project.rows("select count(*) from silver.events where name = 'e'"), ["2"]);
}

#[test]
fn incremental_merge_replaces_rows_by_key() {
    let project = events("unique_key='id'", "id, name, amount");
    load(&project, 1, &["1,1,a,1.00,", "2,1,b,2.00,", ",1,nobody,3.00,"]);
    load(&project, 2, &["2,1,b2,2.50,", "3,1,c,,", ",1,nobody else,4.00,"]);
    assert_eq!(project.actions()["events"], "merge");
    assert_eq!(project.counts("events"), "+2 ~1 -0 =5");
    // A null key matches nothing.
    assert_snapshot!(content(&project), @"
    1|a|1.0
    2|b2|2.5
    3|c|null
    null|nobody else|4.0
    null|nobody|3.0
    ");
    // The same batch again changes nothing but the row without a key.
    project.ok(&["run"]);
    assert_eq!(project.counts("events"), "+1 ~2 -0 =6");
}

#[test]
fn incremental_merge_takes_several_keys_and_expressions() {
    let project = events("unique_key=['id', 'part']", "id, part, name");
    load(&project, 1, &["1,1,a,,", "1,2,b,,", "2,,c,,"]);
    load(&project, 2, &["1,2,b2,,", "1,3,d,,", "2,,c2,,"]);
    assert_snapshot!(content(&project), @"
    1|1|a
    1|2|b2
    1|3|d
    2|null|c
    2|null|c2
    ");
    let project = events("unique_key=\"id || '-' || part\"", "id, part, name");
    load(&project, 1, &["1,1,a,,", "1,2,b,,"]);
    load(&project, 2, &["1,2,b2,,"]);
    assert_snapshot!(content(&project), @"
    1|1|a
    1|2|b2
    ");
}

#[test]
fn incremental_merge_updates_only_the_columns_it_may() {
    for config in ["merge_update_columns=['amount']", "merge_exclude_columns=['id', 'name']"] {
        let project = events(&format!("unique_key='id', {config}"), "id, name, amount");
        load(&project, 1, &["1,1,a,1.00,", "2,1,b,2.00,", "4,1,d,4.00,"]);
        load(&project, 2, &["2,1,b2,,", "3,1,c,3.00,"]);
        assert_eq!(project.counts("events"), "+1 ~1 -0 =4", "{config}");
        assert_eq!(content(&project), "1|a|1.0\n2|b|null\n3|c|3.0\n4|d|4.0", "{config}");
    }
    let project = events("unique_key='id', merge_update_columns=['amuont']", "id, name, amount");
    load(&project, 1, &["1,1,a,1.00,"]);
    batch(&project, 2, &["1,1,a,2.00,"]);
    let refused = project.run(&["run"]);
    assert_ne!(refused.code, Some(0));
    refused.expect_message(&["merge_update_columns", "amuont", "models/silver/events.sql"]);
}

#[test]
fn incremental_merge_deletes_when_told() {
    for columns in ["", ", merge_update_columns=['name']"] {
        let project =
            events(&format!("unique_key='id', delete_when='gone'{columns}"), "id, name, coalesce(gone, false) as gone");
        load(&project, 1, &["1,1,a,,", "2,1,b,,", "3,1,c,,true"]);
        assert_eq!(content(&project), "1|a|false\n2|b|false", "{columns}");
        load(&project, 2, &["2,1,b,,true", "3,1,c,,true", "4,1,d,,"]);
        assert_eq!(content(&project), "1|a|false\n4|d|false", "{columns}");
        assert_eq!(project.counts("events"), "+1 ~0 -1 =2", "{columns}");
    }
}

#[test]
fn incremental_delete_when_needs_a_key() {
    for config in [
        "",
        "incremental_strategy='append', unique_key='id'",
        "incremental_strategy='insert_overwrite', partition_by='part'",
    ] {
        let project = events(&format!("delete_when='gone'{}{config}", if config.is_empty() { "" } else { ", " }), "*");
        batch(&project, 1, &["1,1,a,,true"]);
        let refused = project.run(&["run"]).expect_code(2);
        refused.expect_message(&[
            "error[bad-config]",
            "`delete_when`, which needs a `unique_key`",
            "models/silver/events.sql:1",
        ]);
    }
}

#[test]
fn incremental_run_that_fails_leaves_no_files() {
    let project = events("unique_key='id', on_schema_change='sync_all_columns'", "id, name, amount");
    load(&project, 1, &["1,1,a,1.00,", "2,1,b,2.00,"]);
    let published = project.files();
    // The table's rows are written anew for the column that is gone, and then the batch is refused.
    model(&project, "unique_key='id', on_schema_change='sync_all_columns'", "id, name");
    batch(&project, 2, &["1,1,a,1.00,", "1,1,b,2.00,"]);
    project.run(&["build"]).expect_code(1);
    assert_eq!(project.files(), published);
    // What a merge leaves out of the rewritten files goes, too: all files of the table are those of some version.
    load(&project, 2, &["1,1,a2,,"]);
    let parquet = project.files().into_keys().filter(|path| path.ends_with(".parquet"));
    let log: String = project
        .commits("silver/events")
        .iter()
        .map(|version| project.read(&format!("warehouse/silver/events/_delta_log/{version:020}.json")))
        .collect();
    for path in parquet {
        let name = path.strip_prefix("warehouse/silver/events/").unwrap();
        assert!(log.contains(name), "{path} is in no version");
    }
}

#[test]
fn incremental_predicates_limit_what_is_matched() {
    let project = events("unique_key='id', incremental_predicates=['DBT_INTERNAL_DEST.part > 1']", "id, part, name");
    load(&project, 1, &["1,1,a,,", "2,2,b,,"]);
    load(&project, 2, &["1,1,a2,,", "2,2,b2,,"]);
    assert_snapshot!(content(&project), @"
    1|1|a
    1|1|a2
    2|2|b2
    ");
}

#[test]
fn incremental_merge_refuses_duplicate_keys_and_names_them() {
    let project = events("unique_key=['id', 'part']", "id, part, name");
    load(&project, 1, &["1,1,a,,", "2,1,b,,"]);
    let published = project.files();
    batch(&project, 2, &["1,1,x,,", "1,1,y,,", "2,1,z,,", "7,7,p,,", "7,7,q,,", "7,7,r,,", "8,,s,,", "8,,t,,"]);
    let refused = project.run(&["build"]).expect_code(1);
    assert_snapshot!(project.complaints(&refused), @"
    error[duplicate-key]: the query of `silver.events` gives several rows with the same `unique_key`
     --> models/silver/events.sql:1:1
      |
    1 | {{ config(materialized='incremental', unique_key=['id', 'part']) }}
      | ^
      |
      = note: id = 1, part = 1: 2 rows
      = note: id = 7, part = 7: 3 rows
      = hint: make the key unique in the query, for example with `qualify row_number() over (partition by ...) = 1`
    ");
    let now = project.files();
    assert!(published.iter().all(|(path, hash)| now.get(path) == Some(hash)), "a published file was changed");
    assert_eq!(project.entries("dev"), [1]);
    assert_eq!(project.commits("silver/events"), [0]);
}

#[test]
fn incremental_delete_insert_replaces_all_rows_of_a_key() {
    let project = events("incremental_strategy='delete+insert', unique_key='id'", "id, name");
    load(&project, 1, &["1,1,a,,", "1,1,b,,", "2,1,c,,", ",1,n,,"]);
    load(&project, 2, &["1,1,x,,", "1,1,y,,", "1,1,z,,", "3,1,d,,", ",1,m,,"]);
    assert_eq!(project.actions()["events"], "delete+insert");
    assert_snapshot!(content(&project), @"
    1|x
    1|y
    1|z
    2|c
    3|d
    null|m
    null|n
    ");
}

#[test]
fn incremental_insert_overwrite_replaces_partitions() {
    let project = events("incremental_strategy='insert_overwrite', partition_by=['part']", "id, part, name");
    load(&project, 1, &["1,1,a,,", "2,2,b,,", "3,2,c,,", "4,,d,,"]);
    load(&project, 2, &["9,2,x,,", "8,3,y,,", "7,,z,,"]);
    assert_eq!(project.actions()["events"], "insert_overwrite");
    assert_snapshot!(content(&project), @"
    1|1|a
    7|null|z
    8|3|y
    9|2|x
    ");
    // Partitions are folders, as other readers of Delta expect them.
    let folders: Vec<String> = project.files().into_keys().filter(|path| path.contains("/part=")).collect();
    assert!(folders.iter().any(|path| path.starts_with("warehouse/silver/events/part=1/")), "{folders:?}");
    // Partitions and merges go together.
    model(&project, "unique_key='id', partition_by=['part']", "id, part, name");
    load(&project, 3, &["9,3,moved,,", "10,2,new,,"]);
    assert_snapshot!(content(&project), @"
    1|1|a
    7|null|z
    8|3|y
    9|3|moved
    10|2|new
    ");
}

#[test]
fn incremental_after_another_materialization_starts_anew() {
    let project = events("", "id, name");
    project.write(
        "models/silver/events.sql",
        "{{ config(materialized='view') }} select id, name from {{ source('landing', 'events') }}",
    );
    load(&project, 1, &["1,1,a,,"]);
    assert_eq!(project.actions()["events"], "view");
    model(&project, "unique_key='id'", "id, name, {{ is_incremental() }} as again");
    load(&project, 2, &["2,1,b,,"]);
    assert_eq!(project.actions()["events"], "table");
    load(&project, 3, &["2,1,c,,"]);
    assert_eq!(project.actions()["events"], "merge");
    assert_eq!(content(&project), "1|a|false\n2|c|true");
    // And back.
    project.write("models/silver/events.sql", "{{ config(materialized='view') }} select 5 as five");
    project.ok(&["run"]);
    assert_eq!(content(&project), "5");
}

#[test]
fn incremental_schema_change_ignore_keeps_the_columns() {
    let project = events("unique_key='id'", "id, name");
    load(&project, 1, &["1,1,a,1.00,"]);
    model(&project, "unique_key='id'", "amount, name, id");
    load(&project, 2, &["2,1,b,2.00,"]);
    assert_eq!(content(&project), "1|a\n2|b");
    // Another type is cast to the table's.
    model(&project, "unique_key='id'", "cast(id as varchar) as id, name");
    load(&project, 3, &["3,1,c,,"]);
    assert_eq!(content(&project), "1|a\n2|b\n3|c");
    // A column that the query lost cannot be ignored.
    model(&project, "unique_key='id'", "id, name as nmae");
    batch(&project, 4, &["4,1,d,,"]);
    let refused = project.run(&["run"]);
    assert_ne!(refused.code, Some(0));
    assert_snapshot!(project.complaints(&refused), @"
    error[schema-change]: the query of `events` no longer has the column `name` of its table
     --> models/silver/events.sql:1:1
      |
    1 | {{ config(materialized='incremental', unique_key='id') }}
      | ^
      |
      = note: the query has a new column `nmae`
      = hint: set `on_schema_change` to `append_new_columns` or `sync_all_columns`, or run with `--full-refresh`
    ");
}

#[test]
fn incremental_schema_change_fail_says_what_changed() {
    let project = events("unique_key='id', on_schema_change='fail'", "id, part, name");
    load(&project, 1, &["1,1,a,1.00,"]);
    model(&project, "unique_key='id', on_schema_change='fail'", "id, cast(part as varchar) as part, amount");
    batch(&project, 2, &["2,1,b,2.00,"]);
    let refused = project.run(&["run"]);
    assert_ne!(refused.code, Some(0));
    assert_snapshot!(project.complaints(&refused), @"
    error[schema-change]: the columns of `events` have changed and `on_schema_change` is `fail`
     --> models/silver/events.sql:1:1
      |
    1 | {{ config(materialized='incremental', unique_key='id', on_schema_change='fail') }}
      | ^
      |
      = note: new in the query: `amount`
      = note: gone from the query: `name`
      = note: `part` was bigint and is varchar
      = hint: run with `--full-refresh` to rebuild the table with the new columns
    ");
    assert_eq!(project.entries("dev"), [1]);
    project.ok(&["run", "--full-refresh"]);
    assert_eq!(content(&project), "1|1|1.0\n2|1|2.0");
}

#[test]
fn incremental_schema_change_append_adds_columns() {
    let config = "unique_key='id', on_schema_change='append_new_columns'";
    let project = events(config, "id, part, name");
    load(&project, 1, &["1,1,a,1.00,", "2,1,b,2.00,"]);
    // `part` is gone and `amount` is new: the one stays, the other comes behind.
    model(&project, config, "id, amount, name");
    load(&project, 2, &["2,1,b2,2.50,", "3,1,c,3.00,"]);
    assert_snapshot!(project.text("select id, part, name, amount from silver.events order by 1"), @"
    1|1|a|null
    2|1|b2|2.5
    3|null|c|3.0
    ");
    assert_eq!(project.rows("select * from silver.events where id = 1"), ["1|1|a|null"]);
}

#[test]
fn incremental_merge_keeps_values_of_a_column_that_the_query_lost() {
    for update in ["", ", merge_update_columns=['name', 'part']", ", merge_exclude_columns=['id']"] {
        let config = format!("unique_key='id', on_schema_change='append_new_columns'{update}");
        let project = events(&config, "id, part, name");
        load(&project, 1, &["1,7,a,,", "2,8,b,,"]);
        model(&project, &config, "id, name");
        load(&project, 2, &["2,9,b2,,", "3,9,c,,"]);
        assert_eq!(content(&project), "1|7|a\n2|8|b2\n3|null|c", "{update}");
        assert_eq!(project.counts("events"), "+1 ~1 -0 =3", "{update}");
    }
}

#[test]
fn incremental_schema_change_sync_keeps_values_of_a_column_whose_name_changes_in_case() {
    let config = "unique_key='id', on_schema_change='sync_all_columns'";
    let project = events(config, "id, name");
    load(&project, 1, &["1,1,a,1.00,", "2,1,b,2.00,"]);
    model(&project, config, "id, name as \"NAME\", amount");
    load(&project, 2, &["2,1,b2,2.50,"]);
    assert_eq!(content(&project), "1|a|null\n2|b2|2.5");
}

#[test]
fn incremental_schema_change_sync_follows_the_query() {
    let config = "unique_key='id', on_schema_change='sync_all_columns'";
    let project = events(config, "id, part, name");
    load(&project, 1, &["1,1,a,1.00,", "2,1,b,2.00,"]);
    model(&project, config, "id, name, amount");
    load(&project, 2, &["2,1,b2,2.50,"]);
    assert_snapshot!(content(&project), @"
    1|a|null
    2|b2|2.5
    ");
    // A column that was dropped comes back empty, not with its old values.
    model(&project, config, "id, name, amount, part");
    load(&project, 3, &["3,7,c,3.00,"]);
    assert_snapshot!(content(&project), @"
    1|a|null|null
    2|b2|2.5|null
    3|c|3.0|7
    ");
    // Another type converts the rows that are there.
    model(&project, config, "id, name, cast(amount as varchar) as amount, part");
    load(&project, 4, &["4,7,d,4.00,"]);
    assert_snapshot!(project.exact("select id, amount, arrow_typeof(amount) as type from silver.events order by 1"), @r#"
    {"id": 1, "amount": null, "type": "Utf8"}
    {"id": 2, "amount": "2.50", "type": "Utf8"}
    {"id": 3, "amount": "3.00", "type": "Utf8"}
    {"id": 4, "amount": "4.00", "type": "Utf8"}
    "#);
    // Unless they do not fit.
    model(&project, config, "id, cast(1 as bigint) as name, amount, part");
    batch(&project, 5, &["5,7,e,5.00,"]);
    let refused = project.run(&["run"]).expect_code(1);
    // Which of the rows is met first is left to the threads.
    let complaints = project.complaints(&refused);
    let named = ["`a`", "`b2`", "`c`", "`d`"].into_iter().find(|name| complaints.contains(name)).unwrap();
    assert_snapshot!(complaints.replace(named, "`…`"), @"
    error[bad-value]: `silver.events`: `…` is not a valid bigint
     --> models/silver/events.sql:1:1
      |
    1 | {{ config(materialized='incremental', unique_key='id', on_schema_change='sync_all_columns') }}
      | ^
      |
      = hint: use `try_cast` to read such values as null, or mend them before
    ");
    assert_eq!(project.rows("select count(*) from silver.events"), ["4"]);
}

#[test]
fn a_strategy_that_nobody_knows_is_told_by_what_builds_the_model() {
    let project = Project::new(&[
        ("models/odd.sql", "{{ config(materialized='incremental', incremental_strategy='upsert') }} select 1 as x"),
        ("models/other.sql", "select 1 as x"),
        ("seeds/s.csv", "id\n1\n"),
    ]);
    project.ok(&["parse"]);
    project.ok(&["seed"]);
    project.ok(&["run", "--select", "other"]);
    let run = project.run(&["run"]).expect_code(1);
    run.expect_message(&["error[bad-value]: `incremental_strategy` can't be `upsert`", "models/odd.sql:1:39"]);
}
