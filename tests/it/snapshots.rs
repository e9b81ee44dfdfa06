//! Snapshots through the real binary: what each strategy and each answer to a vanished key writes, and what is
//! refused. Random histories are in `snapshots_random`.

#![expect(clippy::unwrap_used, reason = "tests")]

use insta::assert_snapshot;

use crate::support::{Project, Run};

const PROJECT: &str = "name: shop\nversion: '1.0.0'\nsnapshot-paths: [snapshots]\n";

/// Items as they arrive: one file that each round replaces.
const SOURCES: &str = "
sources:
  - name: landing
    tables:
      - name: items
        external:
          location: landing/items.csv
          columns:
            - {name: id, data_type: bigint}
            - {name: name, data_type: varchar}
            - {name: price, data_type: 'decimal(10,2)'}
            - {name: updated_at, data_type: timestamp with time zone}
";

/// The items without the columns that say where a row is from.
const ITEMS: &str = "select id, name, price, updated_at from {{ source('landing', 'items') }}";

/// The rows of a query, one line each; days of January 2024 are short.
#[track_caller]
fn rows(project: &Project, sql: &str) -> String {
    project.text(sql).replace("2024-01-", "d").replace("T00:00:00Z", "")
}

fn project(snapshots: &str) -> Project {
    Project::new(&[
        ("project.yml", PROJECT),
        ("models/sources.yml", SOURCES),
        ("models/silver/items.sql", &format!("{{{{ config(materialized='view') }}}}\n{ITEMS}")),
        ("snapshots/snapshots.yml", snapshots),
        ("landing/items.csv", "id,name,price,updated_at\n"),
    ])
}

/// Puts new items in place; each is `id,name,price,day`.
fn items(project: &Project, rows: &[&str]) {
    let mut text = "id,name,price,updated_at\n".to_owned();
    for row in rows {
        let (values, day) = row.rsplit_once(',').unwrap();
        let time = if day.is_empty() { String::new() } else { format!("2024-01-{day}T00:00:00Z") };
        text.push_str(&format!("{values},{time}\n"));
    }
    project.write("landing/items.csv", &text);
}

/// Runs the snapshots as on a day of January 2024.
fn on_day(project: &Project, day: u32, verb: &str) -> Run {
    project.run(&[verb, "--now", &format!("2024-01-{day:02}T00:00:00Z")])
}

#[track_caller]
fn snapshot_on(project: &Project, day: u32) {
    on_day(project, day, "snapshot").expect_code(0);
}

#[test]
fn timestamp_takes_later_times_only() {
    let project = project(
        "
snapshots:
  - name: items_snapshot
    relation: source('landing', 'items')
    config: {strategy: timestamp, unique_key: id, updated_at: updated_at}
",
    );
    items(&project, &["1,a,1.00,01", "2,b,2.00,01", "3,c,3.00,01"]);
    snapshot_on(&project, 10);
    // 1 changes (and changed twice in between); 2 has another name at the same time, which nobody can know; 3 is older
    // than before; 4 is new.
    items(&project, &["1,a3,1.50,05", "2,b2,2.00,01", "3,c0,3.00,", "4,d,4.00,04"]);
    items(&project, &["1,a3,1.50,05", "2,b2,2.00,01", "4,d,4.00,04"]);
    snapshot_on(&project, 11);
    // The same again changes nothing; 3 comes back as it was and is still open.
    items(&project, &["1,a3,1.50,05", "2,b2,2.00,01", "3,c,3.00,01", "4,d,4.00,04"]);
    snapshot_on(&project, 12);
    let found = rows(
        &project,
        "select id, name, price, updated_at, dbt_updated_at, dbt_valid_from, dbt_valid_to from snapshots.items_snapshot \
         order by id, dbt_valid_from",
    );
    assert_snapshot!(found, @r"
    1|a|1.0|d01|d01|d01|d05
    1|a3|1.5|d05|d05|d05|null
    2|b|2.0|d01|d01|d01|null
    3|c|3.0|d01|d01|d01|null
    4|d|4.0|d04|d04|d04|null
    ");
    let found = rows(
        &project,
        "select count(*) as n, count(distinct dbt_scd_id) as d, min(length(dbt_scd_id)) as l from snapshots.items_snapshot",
    );
    assert_eq!(found, "5|5|32");
}

#[test]
fn a_vanished_key_is_kept_closed_or_recorded() {
    let one = |name: &str, hard_deletes: &str, strategy: &str| {
        format!(
            "  - name: {name}\n    relation: ref('items')\n    config: {{unique_key: id, hard_deletes: {hard_deletes}, {strategy}}}\n"
        )
    };
    let by_time = "strategy: timestamp, updated_at: updated_at";
    let by_value = "strategy: check, check_cols: [name, price]";
    let project = project(&format!(
        "snapshots:\n{}{}{}{}",
        one("kept", "ignore", by_time),
        one("closed", "invalidate", by_time),
        one("recorded", "new_record", by_time),
        one("recorded_by_value", "new_record", by_value),
    ));
    items(&project, &["1,a,1.00,01", "2,b,,01"]);
    on_day(&project, 10, "build").expect_code(0);
    items(&project, &["1,a,1.00,01"]);
    snapshot_on(&project, 11);
    // Still gone: nothing is written a second time.
    snapshot_on(&project, 12);
    // 2 comes back, changed; 3 is new.
    items(&project, &["1,a,1.00,01", "2,b2,,13", "3,c,3.00,13"]);
    snapshot_on(&project, 14);
    snapshot_on(&project, 15);
    let history = |name: &str, more: &str| {
        rows(
            &project,
            &format!(
                "select id, name, price, dbt_valid_from, dbt_valid_to{more} from snapshots.{name} order by id, dbt_valid_from, \
             dbt_valid_to"
            ),
        )
    };
    assert_snapshot!(history("kept", ""), @r"
    1|a|1.0|d01|null
    2|b|null|d01|d13
    2|b2|null|d13|null
    3|c|3.0|d13|null
    ");
    assert_snapshot!(history("closed", ""), @r"
    1|a|1.0|d01|null
    2|b|null|d01|d11
    2|b2|null|d13|null
    3|c|3.0|d13|null
    ");
    assert_snapshot!(history("recorded", ", dbt_is_deleted"), @r"
    1|a|1.0|d01|null|False
    2|b|null|d01|d11|False
    2|b|null|d11|d13|True
    2|b2|null|d13|null|False
    3|c|3.0|d13|null|False
    ");
    assert_snapshot!(history("recorded_by_value", ", dbt_is_deleted"), @r"
    1|a|1.0|d10|null|False
    2|b|null|d10|d11|False
    2|b|null|d11|d14|True
    2|b2|null|d14|null|False
    3|c|3.0|d14|null|False
    ");
}

#[test]
fn check_compares_columns_null_safe() {
    let project = project(
        "
snapshots:
  - name: by_name
    relation: ref('items')
    config: {strategy: check, unique_key: id, check_cols: [NAME]}
  - name: by_all
    relation: source('landing', 'items')
    config: {strategy: check, unique_key: id, check_cols: all}
  - name: by_change_time
    relation: ref('items')
    config: {strategy: check, unique_key: id, check_cols: [name], updated_at: updated_at}
  - name: by_two_keys
    relation: ref('items')
    config: {strategy: check, unique_key: [id, name], check_cols: [price]}
  - name: by_expression
    relation: ref('items')
    config: {strategy: check, unique_key: \"id || '-' || name\", check_cols: [price]}
",
    );
    items(&project, &["1,a,1.00,01", "2,,2.00,01", "3,c,,01"]);
    // Keys may not be null, so the item without a name gets one for the two snapshots that have it in their key.
    project.write(
        "models/silver/items.sql",
        &format!("{{{{ config(materialized='view') }}}}\nselect id, coalesce(name, 'none') as name, price, updated_at from ({ITEMS}) as t"),
    );
    on_day(&project, 10, "build").expect_code(0);
    // The order of the rows is another one, which is no change; 1 has another price, 2 a name, 3 another time.
    items(&project, &["3,c,,03", "2,b,2.00,01", "1,a,1.10,01"]);
    snapshot_on(&project, 11);
    items(&project, &["3,c,,03", "2,b,2.00,01", "1,a,1.10,01"]);
    snapshot_on(&project, 12);
    let history = |name: &str| {
        rows(
            &project,
            &format!(
                "select id, name, price, updated_at, dbt_updated_at, dbt_valid_from, dbt_valid_to from snapshots.{name} \
             order by id, dbt_valid_from, name"
            ),
        )
    };
    assert_snapshot!(history("by_name"), @r"
    1|a|1.0|d01|d10|d10|null
    2|none|2.0|d01|d10|d10|d11
    2|b|2.0|d01|d11|d11|null
    3|c|null|d01|d10|d10|null
    ");
    assert_snapshot!(history("by_all"), @r"
    1|a|1.0|d01|d10|d10|d11
    1|a|1.1|d01|d11|d11|null
    2|null|2.0|d01|d10|d10|d11
    2|b|2.0|d01|d11|d11|null
    3|c|null|d01|d10|d10|d11
    3|c|null|d03|d11|d11|null
    ");
    assert_snapshot!(history("by_change_time"), @r"
    1|a|1.0|d01|d01|d01|null
    2|b|2.0|d01|d01|d01|null
    2|none|2.0|d01|d01|d01|d01
    3|c|null|d01|d01|d01|null
    ");
    assert_snapshot!(history("by_two_keys"), @r"
    1|a|1.0|d01|d10|d10|d11
    1|a|1.1|d01|d11|d11|null
    2|none|2.0|d01|d10|d10|null
    2|b|2.0|d01|d11|d11|null
    3|c|null|d01|d10|d10|null
    ");
    assert_snapshot!(history("by_expression"), @r"
    1|a|1.0|d01|d10|d10|d11
    1|a|1.1|d01|d11|d11|null
    2|none|2.0|d01|d10|d10|null
    2|b|2.0|d01|d11|d11|null
    3|c|null|d01|d10|d10|null
    ");
}

#[test]
fn names_and_the_end_of_current_rows_can_be_chosen() {
    let project = project(
        "
snapshots:
  - name: named
    relation: ref('items')
    config:
      strategy: timestamp
      unique_key: id
      updated_at: updated_at
      hard_deletes: new_record
      dbt_valid_to_current: to_date('9999-12-31')
      snapshot_meta_column_names:
        dbt_valid_from: valid_from
        dbt_valid_to: valid_to
        dbt_scd_id: version_id
        dbt_updated_at: changed_at
        dbt_is_deleted: is_deleted
",
    );
    items(&project, &["1,a,1.00,01", "2,b,2.00,01"]);
    on_day(&project, 10, "build").expect_code(0);
    items(&project, &["1,a2,1.00,05"]);
    snapshot_on(&project, 11);
    items(&project, &["1,a2,1.00,05", "2,b2,2.00,12"]);
    snapshot_on(&project, 13);
    let found = rows(
        &project,
        "select id, name, changed_at, valid_from, valid_to, is_deleted from snapshots.named order by id, valid_from, valid_to",
    );
    assert_snapshot!(found, @r"
    1|a|d01|d01|d05|False
    1|a2|d05|d05|9999-12-31|False
    2|b|d01|d01|d11|False
    2|b|d11|d11|d12|True
    2|b2|d12|d12|9999-12-31|False
    ");
    let columns = rows(
        &project,
        "select string_agg(column_name, ',' order by ordinal_position) as c from information_schema.columns \
         where table_schema = 'snapshots' and table_name = 'named'",
    );
    assert_eq!(columns, "id,name,price,updated_at,version_id,changed_at,valid_from,valid_to,is_deleted");
}

#[test]
fn the_block_form_and_every_kind_of_parent() {
    let project = Project::new(&[
        ("project.yml", PROJECT),
        ("models/sources.yml", SOURCES),
        ("seeds/colors.csv", "code,color\n1,red\n2,blue\n"),
        ("models/silver/items.sql", ITEMS),
        (
            "snapshots/blocks.sql",
            "{% snapshot of_a_model %}\n{{ config(strategy='check', unique_key='id', check_cols=['name']) }}\n\
             select id, name from {{ ref('items') }} where id < 10\n{% endsnapshot %}\n\n\
             {% snapshot of_a_seed %}\n{{ config(target_schema='history', strategy='check', unique_key='code', \
             check_cols='all') }}\nselect * from {{ ref('colors') }}\n{% endsnapshot %}\n",
        ),
        (
            "snapshots/yaml.yml",
            "snapshots:\n  - name: of_a_source\n    relation: source('landing', 'items')\n    config: {strategy: timestamp, \
             unique_key: id, updated_at: updated_at, alias: renamed, schema: kept}\n  \
             - name: of_a_snapshot\n    relation: ref('of_a_model')\n    config: {strategy: check, unique_key: \
             dbt_scd_id, check_cols: [name], snapshot_meta_column_names: {dbt_valid_from: seen_from, dbt_valid_to: seen_to, \
             dbt_scd_id: seen_id, dbt_updated_at: seen_at}}\n",
        ),
        ("landing/items.csv", "id,name,price,updated_at\n"),
    ]);
    items(&project, &["1,a,1.00,01", "20,b,2.00,01"]);
    on_day(&project, 10, "build").expect_code(0);
    items(&project, &["1,a2,1.00,05", "20,b,2.00,01"]);
    on_day(&project, 11, "build").expect_code(0);
    let history = |sql: &str| rows(&project, sql);
    assert_snapshot!(
        history("select id, name, dbt_valid_from, dbt_valid_to from snapshots.of_a_model order by dbt_valid_from"), @r"
    1|a|d10|d11
    1|a2|d11|null
    ");
    assert_snapshot!(
        history("select code, color, dbt_valid_from, dbt_valid_to from history.of_a_seed order by code"), @r"
    1|red|d10|null
    2|blue|d10|null
    ");
    assert_snapshot!(
        history("select id, name, dbt_valid_from, dbt_valid_to from main_kept.renamed order by id, dbt_valid_from"), @r"
    1|a|d01|d05
    1|a2|d05|null
    20|b|d01|null
    ");
    assert_snapshot!(
        history("select id, name, seen_from, seen_to from snapshots.of_a_snapshot order by name, seen_from"), @r"
    1|a|d10|null
    1|a2|d11|null
    ");
}

#[test]
fn columns_may_come_and_go() {
    let project = project(
        "
snapshots:
  - name: history
    relation: ref('items')
    config: {strategy: check, unique_key: id, check_cols: all, hard_deletes: new_record}
",
    );
    items(&project, &["1,a,1.00,01", "2,b,2.00,01", "3,c,3.00,01"]);
    let view = |columns: &str| {
        let text = format!(
            "{{{{ config(materialized='view') }}}}\nselect {columns} from {{{{ source('landing', 'items') }}}}"
        );
        project.write("models/silver/items.sql", &text);
    };
    view("id, name");
    let build = |day| {
        on_day(&project, day, "build").expect_code(0);
    };
    build(10);
    // A new column: rows for which it is null have not changed.
    view("id, name, case when id <> 2 then price end as price");
    build(11);
    // A column is gone: those that are left are compared; what vanishes has no value there either, as under dbt.
    items(&project, &["1,a,1.00,01", "2,b2,2.00,01"]);
    view("id, name");
    build(12);
    // It is back.
    view("id, name, case when id <> 2 then price end as price");
    items(&project, &["1,a,1.00,01", "2,b2,2.00,01", "3,c,3.00,01"]);
    build(13);
    let found = rows(
        &project,
        "select id, name, price, dbt_valid_from, dbt_valid_to, dbt_is_deleted from snapshots.history order by id, dbt_valid_from, \
         dbt_valid_to",
    );
    assert_snapshot!(found, @r"
    1|a|null|d10|d11|False
    1|a|1.0|d11|null|False
    2|b|null|d10|d12|False
    2|b2|null|d12|null|False
    3|c|null|d10|d11|False
    3|c|3.0|d11|d12|False
    3|c|null|d12|d13|True
    3|c|3.0|d13|null|False
    ");
}

#[test]
fn nested_values_are_kept_and_compared() {
    let project = project(
        "
snapshots:
  - name: history
    relation: ref('nested')
    config: {strategy: check, unique_key: id, check_cols: all, hard_deletes: new_record, max_delete_fraction: 1.0}
",
    );
    let nested = "{{ config(materialized='view') }}\nselect id, named_struct('name', name, 'price', price) as item, \
                  make_array(name, 'x') as names, map(['k'], [name]) as by_name from {{ ref('items') }}";
    project.write("models/silver/nested.sql", nested);
    items(&project, &["1,a,1.00,01", "2,b,,01"]);
    on_day(&project, 10, "build").expect_code(0);
    items(&project, &["1,a,1.00,01"]);
    snapshot_on(&project, 11);
    items(&project, &["1,a2,1.00,01", "2,b,,01"]);
    snapshot_on(&project, 12);
    items(&project, &[]);
    snapshot_on(&project, 13);
    let found = rows(
        &project,
        "select id, item, names, by_name, dbt_valid_from, dbt_valid_to, dbt_is_deleted from snapshots.history \
         order by id, dbt_valid_from",
    );
    assert_snapshot!(found, @r#"
    1|{"name":"a","price":1.0}|["a","x"]|{"k":"a"}|d10|d12|False
    1|{"name":"a2","price":1.0}|["a2","x"]|{"k":"a2"}|d12|d13|False
    1|{"name":"a2","price":1.0}|["a2","x"]|{"k":"a2"}|d13|null|True
    2|{"name":"b","price":null}|["b","x"]|{"k":"b"}|d10|d11|False
    2|{"name":"b","price":null}|["b","x"]|{"k":"b"}|d11|d12|True
    2|{"name":"b","price":null}|["b","x"]|{"k":"b"}|d12|d13|False
    2|{"name":"b","price":null}|["b","x"]|{"k":"b"}|d13|null|True
    "#);
}

/// A source that cannot be right is refused: the run fails, and readers see the history as it was.
#[test]
fn broken_sources_are_refused() {
    let project = project(
        "
snapshots:
  - name: history
    relation: ref('items')
    config: {strategy: timestamp, unique_key: [id, name], updated_at: updated_at, hard_deletes: invalidate}
",
    );
    let history = || rows(&project, "select id, name, dbt_valid_from, dbt_valid_to from snapshots.history order by id");
    let refused = |rows: &[&str]| {
        items(&project, rows);
        project.complaints(&on_day(&project, 20, "snapshot").expect_code(1))
    };
    items(&project, &["1,a,1.00,01", "2,b,2.00,01"]);
    on_day(&project, 10, "build").expect_code(0);
    let before = history();

    assert_snapshot!(refused(&["1,a,1.00,02", "1,a,1.50,03", "2,b,2.00,01", "2,b,2.00,01", "1,b,1.00,01"]), @r"
    error[duplicate-key]: the query of `snapshots.history` gives several rows with the same `unique_key`
     --> snapshots/snapshots.yml:3:11
      |
    3 |   - name: history
      |           ^^^^^^^
      |
      = note: id = 1, name = a: 2 rows
      = note: id = 2, name = b: 2 rows
      = hint: make the key unique in the query, for example with `qualify row_number() over (partition by ...) = 1`
    ");
    assert_snapshot!(refused(&["1,a,1.00,02", ",b,2.00,01", "2,,2.00,01"]), @r"
    error[null-key]: the source of the snapshot `history` has rows without a key or without a time of change
     --> snapshots/snapshots.yml:3:11
      |
    3 |   - name: history
      |           ^^^^^^^
      |
      = note: id = null, name = b
      = note: id = 2, name = null
      = hint: a version needs a key and a time; leave such rows out in the snapshot's query
    ");
    assert_snapshot!(refused(&["1,a,1.00,02", "2,b,2.00,"]), @r"
    error[null-key]: the source of the snapshot `history` has rows without a key or without a time of change
     --> snapshots/snapshots.yml:3:11
      |
    3 |   - name: history
      |           ^^^^^^^
      |
      = note: id = 2, name = b
      = hint: a version needs a key and a time; leave such rows out in the snapshot's query
    ");
    assert_snapshot!(refused(&[]), @r"
    error[mass-deletion]: the snapshot `history` would close 2 of 2 current rows because their keys are gone; the source has 0 rows
     --> snapshots/snapshots.yml:3:11
      |
    3 |   - name: history
      |           ^^^^^^^
      |
      = hint: if this is intended, set the config `max_delete_fraction: 1.0` (a share of the current rows) for this run
    ");
    assert_eq!(history(), before);

    // A share that is allowed, one that is not, and all.
    let allow = |share: &str| {
        let text = format!(
            "snapshots:\n  - name: history\n    relation: ref('items')\n    config: {{strategy: timestamp, unique_key: [id, \
             name], updated_at: updated_at, hard_deletes: invalidate, max_delete_fraction: {share}}}\n"
        );
        project.write("snapshots/snapshots.yml", &text);
    };
    allow("0.4");
    assert_snapshot!(refused(&["1,a,1.00,01"]), @r"
    error[mass-deletion]: the snapshot `history` would close 1 of 2 current rows because their keys are gone; the source has 1 rows
     --> snapshots/snapshots.yml:2:11
      |
    2 |   - name: history
      |           ^^^^^^^
      |
      = hint: if this is intended, set the config `max_delete_fraction: 1.0` (a share of the current rows) for this run
    ");
    assert_eq!(history(), before);
    allow("0.5");
    snapshot_on(&project, 21);
    allow("1.0");
    items(&project, &[]);
    snapshot_on(&project, 22);
    assert_snapshot!(history(), @r"
    1|a|d01|d22
    2|b|d01|d21
    ");
}

/// With `hard_deletes: ignore` an empty source closes nothing, so there is nothing to refuse.
#[test]
fn an_empty_source_is_fine_where_nothing_closes() {
    let project = project(
        "
snapshots:
  - name: history
    relation: ref('items')
    config: {strategy: check, unique_key: id, check_cols: all}
",
    );
    on_day(&project, 10, "build").expect_code(0);
    items(&project, &["1,a,1.00,01"]);
    snapshot_on(&project, 11);
    items(&project, &[]);
    snapshot_on(&project, 12);
    let found = rows(&project, "select id, name, dbt_valid_from, dbt_valid_to from snapshots.history");
    assert_eq!(found, "1|a|d11|null");
}

/// What a configuration lacks is said before anything is read, at the snapshot's name.
#[test]
fn incomplete_configurations_are_refused() {
    let project = project(
        "
snapshots:
  - name: no_strategy
    relation: ref('items')
    config: {unique_key: id}
  - name: no_key
    relation: ref('items')
    config: {strategy: check, check_cols: all}
  - name: no_time
    relation: ref('items')
    config: {strategy: timestamp, unique_key: id}
  - name: no_columns
    relation: ref('items')
    config: {strategy: check, unique_key: id}
  - name: bad_word
    relation: ref('items')
    config: {strategy: chekc, unique_key: id, hard_deletes: invalid}
",
    );
    let run = project.run(&["parse"]).expect_code(2);
    let errors: Vec<&str> =
        run.stderr.lines().filter(|line| line.starts_with("error[") || line.contains("-->")).collect();
    assert_snapshot!(errors.join("\n"), @r"
    error[missing-config]: snapshot `no_columns` has no `check_cols`, which a snapshot needs
      --> snapshots/snapshots.yml:12:11
    error[missing-config]: snapshot `no_key` has no `unique_key`, which a snapshot needs
     --> snapshots/snapshots.yml:6:11
    error[missing-config]: snapshot `no_strategy` has no `strategy`, which a snapshot needs
     --> snapshots/snapshots.yml:3:11
    error[missing-config]: snapshot `no_time` has no `updated_at`, which a snapshot needs
     --> snapshots/snapshots.yml:9:11
    error[bad-value]: `strategy` can't be `chekc`
      --> snapshots/snapshots.yml:17:24
    error[bad-value]: `hard_deletes` can't be `invalid`
      --> snapshots/snapshots.yml:17:61
    ");
}

#[test]
fn a_failing_test_holds_the_new_versions_back() {
    let project = project(
        "
snapshots:
  - name: history
    relation: ref('items')
    config: {strategy: check, unique_key: id, check_cols: all}
    columns:
      - name: price
        data_tests: [no_negatives]
",
    );
    items(&project, &["1,a,1.00,01"]);
    on_day(&project, 10, "build").expect_code(0);
    items(&project, &["1,a,-1.00,02"]);
    on_day(&project, 11, "build").expect_code(1);
    let history = || rows(&project, "select price, dbt_valid_from, dbt_valid_to from snapshots.history order by 2");
    assert_eq!(history(), "1.0|d10|null");
    // `snapshot` publishes without tests, as dbt does.
    snapshot_on(&project, 12);
    assert_eq!(history(), "1.0|d10|d12\n-1.0|d12|null");
}

/// The time of change may be a date, a timestamp without zone, a text or an expression; a full refresh keeps history.
#[test]
fn times_of_every_type() {
    let one = |name: &str, expression: &str| {
        format!(
            "  - name: {name}\n    relation: ref('items')\n    config: {{strategy: timestamp, unique_key: id, hard_deletes: new_record, \
             updated_at: \"{expression}\"}}\n"
        )
    };
    let project = project(&format!(
        "snapshots:\n{}{}{}{}",
        one("by_date", "cast(updated_at as date)"),
        one("without_zone", "cast(updated_at as timestamp)"),
        one("by_text", "cast(updated_at as varchar)"),
        one("by_column", "UPDATED_AT"),
    ));
    items(&project, &["1,a,1.00,01", "2,b,2.00,01", "3,c,3.00,01"]);
    on_day(&project, 10, "build").expect_code(0);
    items(&project, &["1,a2,1.00,05", "3,c,3.00,01"]);
    project.ok(&["build", "--full-refresh", "--now", "2024-01-11T00:00:00Z"]);
    let history = |name: &str| {
        let sql = format!(
            "select id, name, dbt_valid_from, dbt_valid_to, dbt_is_deleted from snapshots.{name} order by id, dbt_valid_from, name"
        );
        rows(&project, &sql)
    };
    assert_snapshot!(history("by_date"), @r"
    1|a|d01|d05|False
    1|a2|d05|null|False
    2|b|d01|d11|False
    2|b|d11|null|True
    3|c|d01|null|False
    ");
    assert_snapshot!(history("without_zone"), @r"
    1|a|d01T00:00:00|d05T00:00:00|False
    1|a2|d05T00:00:00|null|False
    2|b|d01T00:00:00|d11T00:00:00|False
    2|b|d11T00:00:00|null|True
    3|c|d01T00:00:00|null|False
    ");
    assert_snapshot!(history("by_text"), @r"
    1|a|d01 00:00:00+00|d05 00:00:00+00|False
    1|a2|d05 00:00:00+00|null|False
    2|b|d01 00:00:00+00|d11 00:00:00+00|False
    2|b|d11 00:00:00+00|null|True
    3|c|d01 00:00:00+00|null|False
    ");
    assert_snapshot!(history("by_column"), @r"
    1|a|d01|d05|False
    1|a2|d05|null|False
    2|b|d01|d11|False
    2|b|d11|null|True
    3|c|d01|null|False
    ");
}

#[test]
fn names_of_added_columns_are_found_without_quotes_unless_they_have_some() {
    let project = Project::new(&[
        ("project.yml", PROJECT),
        ("seeds/items.csv", "id,name\n1,a\n"),
        (
            "snapshots/named.yml",
            "snapshots:\n  - name: named\n    relation: ref('items')\n    config: {strategy: check, unique_key: id, check_cols: all, \
             snapshot_meta_column_names: {dbt_valid_from: VALID_FROM, dbt_valid_to: '\"Valid To\"'}}\n",
        ),
        ("models/gold/read.sql", "select id, valid_from is null as a, \"Valid To\" as b from {{ ref('named') }}"),
    ]);
    project.ok(&["build"]);
    project.write("seeds/items.csv", "id,name\n1,b\n");
    project.ok(&["build"]);
    assert_eq!(
        project.rows("select a, b is null as b from {{ ref('read') }} order by b"),
        ["false|false", "false|true"]
    );
}
