//! More than one database: `database` of nodes and sources, folders of the warehouse, statements, states, and what
//! happens when the target's own database gets another name.

use serde_json::json;

use crate::support::Project;

const PROFILES: &str = "shop:
  target: dev
  outputs:
    dev: {type: karat, database: main_db, schema: main}
    prod: {type: karat, database: prod_db, schema: main}
";

/// One table of the same name in two databases, and things made of both.
fn two() -> Project {
    Project::new(&[
        (
            "dbt_project.yml",
            "name: shop\nversion: '1.0'\nprofile: shop\nmodels:\n  shop:\n    old: {+database: Archive}\n",
        ),
        ("profiles.yml", PROFILES),
        ("seeds/raw.csv", "id,amount\n1,10\n2,20\n"),
        ("seeds/old_raw.csv", "id,amount\n3,30\n"),
        ("seeds/properties.yml", "seeds:\n  - name: old_raw\n    config: {database: archive, alias: raw}\n"),
        ("models/orders.sql", "{{ config(materialized='table') }}\nselect * from {{ ref('raw') }}"),
        (
            "models/old/old_orders.sql",
            "{{ config(materialized='incremental', alias='orders', unique_key='id') }}\nselect * from {{ ref('old_raw') }}",
        ),
        (
            "models/old/all_orders.sql",
            "select 'new' as age, * from {{ ref('orders') }} union all select 'old', * from {{ ref('old_orders') }}",
        ),
        ("models/read.sql", "{{ config(materialized='table') }}\nselect * from {{ source('kept', 'raw') }}"),
        (
            "models/properties.yml",
            "sources:\n  - name: kept\n    database: ARCHIVE\n    schema: main\n    tables: [{name: raw}]\n\
             models:\n  - name: old_orders\n    columns: [{name: id, data_tests: [unique, not_null]}]\n  \
             - name: all_orders\n    columns:\n      - name: id\n        data_tests: [{unique: {config: \
             {store_failures: true, database: audit}}}]\n",
        ),
        (
            "snapshots/s.yml",
            "snapshots:\n  - name: kept_orders\n    relation: ref('orders')\n    \
             config: {unique_key: id, strategy: check, check_cols: all, database: archive, schema: history}\n",
        ),
    ])
}

#[test]
fn databases_are_folders_of_the_warehouse() {
    let project = two();
    project.ok(&["seed"]);
    project.ok(&["build"]);
    let tables: Vec<String> = project
        .files_below("warehouse")
        .into_keys()
        .filter_map(|file| {
            Some(file.strip_prefix("warehouse/")?.split_once("/_delta_log/00000000000000000000.json")?.0.to_owned())
        })
        .collect();
    assert_eq!(
        tables,
        [
            "archive.db/main/orders",
            "archive.db/main/raw",
            "archive.db/main_history/kept_orders",
            "audit.db/main_dbt_test__audit/unique_all_orders_id",
            "main/orders",
            "main/raw",
            "main/read"
        ]
    );
    assert_eq!(project.rows("select * from main.orders order by id"), ["1|10", "2|20"]);
    assert_eq!(project.rows("select * from archive.main.orders"), ["3|30"]);
    assert_eq!(project.rows("select * from \"Archive\".main.orders"), ["3|30"]);
    assert_eq!(project.rows("select age, id from archive.main.all_orders order by id"), ["new|1", "new|2", "old|3"]);
    assert_eq!(project.rows("select id from main_db.main.\"read\""), ["3"]);
    assert_eq!(project.rows("select count(*) from archive.main_history.kept_orders"), ["2"]);
    // What changes in one database changes nothing in the other.
    project.write("seeds/old_raw.csv", "id,amount\n3,31\n4,40\n");
    project.ok(&["build"]);
    assert_eq!(project.rows("select * from archive.main.orders order by id"), ["3|31", "4|40"]);
    assert_eq!(project.commits("archive.db/main/orders"), [0, 1]);
    assert_eq!(project.rows("select * from main.orders order by id"), ["1|10", "2|20"]);
    let manifest: serde_json::Value = serde_json::from_str(&project.read("target/manifest.json")).unwrap();
    let node = &manifest["nodes"]["model.shop.old_orders"];
    assert_eq!(
        (&node["database"], &node["relation_name"]),
        (&json!("Archive"), &json!("\"Archive\".\"main\".\"orders\""))
    );
    assert_eq!(manifest["sources"]["source.shop.kept.raw"]["database"], "ARCHIVE");
    assert_eq!(manifest["nodes"]["model.shop.orders"]["database"], "main_db");
    let catalog = project.ok(&["docs", "generate"]);
    assert_eq!(catalog.code, Some(0));
    let catalog: serde_json::Value = serde_json::from_str(&project.read("target/catalog.json")).unwrap();
    assert_eq!(catalog["nodes"]["model.shop.old_orders"]["metadata"]["database"], "Archive");
    assert_eq!(catalog["nodes"]["model.shop.old_orders"]["stats"]["num_rows"]["value"], 2);
    // A relation that is nowhere is named with its database.
    project
        .run(&["show", "--inline", "select * from archive.main.nothing"])
        .expect_code(2)
        .expect_message(&["unknown-relation", "archive.main.nothing"]);
}

#[test]
fn two_nodes_of_one_name_in_one_database_are_refused() {
    let project = two();
    project.write("models/old/again.sql", "{{ config(alias='ORDERS') }}\nselect 1 as id");
    project.run(&["parse"]).expect_code(2).expect_message(&["again", "old_orders"]);
}

#[test]
fn a_macro_of_the_project_names_the_databases() {
    let project = two();
    project.write(
        "macros/names.sql",
        "{% macro generate_database_name(custom_database_name=none, node=none) %}\
         {{ target.database if custom_database_name is none else 'x_' ~ custom_database_name | trim }}{% endmacro %}",
    );
    project.write("models/properties.yml", "models: []\n");
    project.remove("models/read.sql");
    project.ok(&["build"]);
    assert_eq!(project.rows("select * from x_archive.main.orders"), ["3|30"]);
    assert_eq!(project.rows("select id from main_db.main.orders order by 1"), ["1", "2"]);
}

#[test]
fn templates_and_statements_know_databases() {
    let project = two();
    project.write(
        "macros/look.sql",
        "{% macro look() %}\
         {% set r = adapter.get_relation('archive', 'main', 'orders') %}{% do print(r ~ ' ' ~ r.type) %}\
         {% do print(adapter.get_relation('main_db', 'main', 'all_orders') is none) %}\
         {% do print(adapter.get_relation('elsewhere', 'main', 'orders') is none) %}\
         {% do print(adapter.list_relations('archive', 'main') | map(attribute='identifier') | sort | join(',')) %}\
         {% do print(adapter.list_relations(none, 'main') | map(attribute='identifier') | sort | join(',')) %}\
         {% do print(adapter.check_schema_exists('archive', 'main_history')) %}\
         {% do print(adapter.check_schema_exists(target.database, 'main_history')) %}\
         {% do print(adapter.get_columns_in_relation(ref('old_orders')) | map(attribute='name') | join(',')) %}\
         {% endmacro %}\
         {% macro say(sql) %}{% set rows = run_query(sql) %}{% endmacro %}",
    );
    project.ok(&["seed"]);
    project.ok(&["build"]);
    let seen = project.ok(&["run-operation", "look"]);
    assert_eq!(
        seen.stdout.lines().collect::<Vec<_>>(),
        [
            "\"archive\".\"main\".\"orders\" table",
            "True",
            "True",
            "all_orders,orders,raw",
            "orders,raw,read",
            "True",
            "False",
            "id,amount"
        ]
    );
    let catalogs = "select distinct table_catalog, table_schema from archive.information_schema.tables order by 2";
    assert_eq!(project.rows(catalogs), ["archive|main", "archive|main_history"]);
    let catalogs = "select distinct table_catalog from information_schema.tables";
    assert_eq!(project.rows(catalogs), ["main_db"]);

    let say = |sql: &str| {
        let arguments = json!({ "sql": sql }).to_string();
        project.run(&["run-operation", "say", "--args", &arguments])
    };
    let sql = "create schema if not exists archive.side; create table archive.side.t as select 7 as x; \
               update archive.main.orders set amount = 99; alter table archive.side.t rename to u; \
               create view v as select x from archive.side.u";
    say(sql).expect_code(0);
    assert_eq!(project.rows("select x from archive.side.u"), ["7"]);
    assert_eq!(project.rows("select x from main.v"), ["7"]);
    assert_eq!(project.rows("select amount from archive.main.orders"), ["99"]);
    assert_eq!(project.rows("select amount from main.orders order by 1"), ["10", "20"]);
    say("drop schema archive.main cascade").expect_code(0);
    assert_eq!(project.rows("select count(*) from main.orders"), ["2"]);
    project.run(&["show", "--inline", "select * from archive.main.orders"]).expect_code(2);
    say("create table elsewhere.main.t as select 1 as x")
        .expect_code(1)
        .expect_message(&["the database `elsewhere` is not one of this run", "`main_db`, `archive`, `audit`"]);
}

#[test]
fn the_targets_own_database_may_get_another_name() {
    let project = two();
    project.ok(&["seed"]);
    project.ok(&["build"]);
    project.write("models/view.sql", "{{ config(materialized='view') }}\nselect id from {{ ref('orders') }}");
    project.ok(&["build", "--select", "view"]);
    let before = std::fs::read_dir(project.path("warehouse/main")).unwrap().count();
    project.write("profiles.yml", &PROFILES.replace("main_db", "renamed"));
    // Views that were built under the former name read what they have read.
    assert_eq!(project.rows("select id from renamed.main.view order by 1"), ["1", "2"]);
    assert_eq!(project.rows("select count(*) from archive.main.all_orders"), ["3"]);
    project.ok(&["build", "--exclude", "view", "all_orders"]);
    assert_eq!(project.rows("select id from main.view order by 1"), ["1", "2"]);
    let tables = std::fs::read_dir(project.path("warehouse/main")).unwrap().count();
    assert_eq!(tables, before);
}

#[test]
fn states_know_databases() {
    let project = two();
    project.ok(&["seed", "--target", "prod"]);
    project.ok(&["build", "--target", "prod"]);
    project.take(&project.path("target"), "state");
    project.ok(&["build", "--select", "all_orders", "--defer", "--state", "state"]);
    let ages = "select age, id from archive.main.all_orders order by id";
    assert_eq!(project.rows(ages), ["new|1", "new|2", "old|3"]);
    // A table and a view of another database, and one of the target's own.
    project.ok(&["clone", "--state", "state"]);
    assert_eq!(project.rows("select * from archive.main.orders"), ["3|30"]);
    assert_eq!(project.rows("select * from main_db.main.orders order by 1"), ["1|10", "2|20"]);
    assert_eq!(project.rows(ages), ["new|1", "new|2", "old|3"]);
    // What comes from the target is no change; what the project says is one.
    let modified = || {
        let run = project.run(&["ls", "--quiet", "--select", "state:modified", "--state", "state"]);
        run.stdout.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(modified().is_empty());
    project.write(
        "models/orders.sql",
        "{{ config(materialized='table', database='third') }}\nselect * from {{ ref('raw') }}",
    );
    assert!(modified().contains(&"shop.orders".to_owned()));
}

/// As under dbt, the database is that of the connection; nothing else of it is used.
#[test]
fn a_connection_names_the_database() {
    let named = |output: &str| {
        let project = Project::new(&[
            ("dbt_project.yml", "name: shop\nversion: '1.0'\nprofile: shop\n"),
            ("profiles.yml", &format!("shop:\n  target: dev\n  outputs:\n    dev: {output}\n")),
            (
                "models/m.sql",
                "select '{{ target.database }}' as d, '{{ target.dbname }}' as n, '{{ this.database }}' as t",
            ),
        ]);
        project.ok(&["run"]);
        project.text("select d, n, t from main.m")
    };
    assert_eq!(named("{type: postgres, dbname: Sales, schema: main}"), "Sales|Sales|Sales");
    assert_eq!(named("{type: snowflake, database: sales, schema: main}"), "sales|sales|sales");
    assert_eq!(named("{type: databricks, catalog: sales, schema: main}"), "sales||sales");
    assert_eq!(named("{type: duckdb, path: data/my.shop.duckdb, schema: main}"), "my||my");
    assert_eq!(named("{type: duckdb, schema: main}"), "memory||memory");
    assert_eq!(named("{type: duckdb, path: 'md:cloud?x=1', schema: main}"), "cloud||cloud");
    assert_eq!(named("{type: bigquery, project: my.gcp, dataset: main}"), "my_gcp||my_gcp");
    assert_eq!(named("{type: spark, schema: main}"), "shop||shop");
}
