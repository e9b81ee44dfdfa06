//! Mistakes of every kind, and what the user is told: the code, the sentence, the file and line. All of a stage at
//! once, and before anything is read or written.

#![expect(clippy::unwrap_used, reason = "tests")]

use insta::assert_snapshot;

use crate::support::Project;

const SOURCES: &str = "sources:
  - name: landing
    tables:
      - name: items
        external: {location: 'landing/*.csv'}
        columns:
          - {name: id, data_type: bigint}
          - {name: name, data_type: varchar}
          - {name: price, data_type: 'decimal(10,2)'}
";

/// A project with a model in each layer, in which all is well.
const SHOP: [(&str, &str); 6] = [
    ("project.yml", "name: shop\nversion: '1.0'\n"),
    ("models/sources.yml", SOURCES),
    ("models/bronze/raw_items.sql", "select id, name, price\nfrom {{ source('landing', 'items') }}\n"),
    (
        "models/silver/stg_items.sql",
        "select\n    id,\n    upper(name) as name,\n    price\nfrom {{ ref('raw_items') }}\n",
    ),
    ("models/gold/totals.sql", "select sum(price) as price\nfrom {{ ref('stg_items') }}\n"),
    ("landing/items.csv", "id,name,price\n1,a,1.00\n2,b,2.00\n"),
];

fn shop(changes: &[(&str, &str)]) -> Project {
    let mut files: Vec<(&str, &str)> = SHOP.to_vec();
    files.retain(|(path, _)| changes.iter().all(|(changed, _)| changed != path));
    files.extend(changes);
    Project::new(&files)
}

/// What `build` complains of; it must not have written anything.
#[track_caller]
fn refused(changes: &[(&str, &str)]) -> String {
    refused_with(changes, &["build"])
}

#[track_caller]
fn refused_with(changes: &[(&str, &str)], arguments: &[&str]) -> String {
    let project = shop(changes);
    let run = project.run(arguments).expect_code(2);
    assert!(project.files().is_empty(), "the warehouse was written to");
    assert_eq!(run.stdout, "");
    project.complaints(&run)
}

#[test]
fn the_shop_builds() {
    let project = shop(&[]);
    project.ok(&["build"]);
    assert_eq!(project.text("select price from gold.totals"), "3.00");
}

#[test]
fn unknown_parents() {
    assert_snapshot!(refused(&[("models/gold/totals.sql", "select 1 as one\nfrom {{ ref('stg_itens') }}\n")]), @"");
    assert_snapshot!(refused(&[("models/gold/totals.sql", "select 1 as one\nfrom {{ ref('warehouse', 'stg_items') }}\n")]), @"");
    assert_snapshot!(refused(&[(
        "models/bronze/raw_items.sql",
        "select *\nfrom {{ source('landing', 'item') }}\nunion all\nselect * from {{ source('landin', 'items') }}\n"
    )]), @"");
    assert_snapshot!(refused(&[
        ("models/gold/a.sql", "{{ config(enabled=false) }} select 1 as a"),
        ("models/gold/b.sql", "select * from {{ ref('a') }}")
    ]), @"");
}

#[test]
fn unknown_columns_in_each_layer() {
    assert_snapshot!(refused(&[(
        "models/bronze/raw_items.sql",
        "select id, nmae, price\nfrom {{ source('landing', 'items') }}\n"
    )]), @"");
    assert_snapshot!(refused(&[(
        "models/silver/stg_items.sql",
        "{% set columns = ['id', 'name'] %}\nselect\n    {{ columns | join(', ') }},\n    i.prise\nfrom {{ ref('raw_items') }} as i\n"
    )]), @"");
    assert_snapshot!(refused(&[(
        "models/gold/totals.sql",
        "with items as (\n    select * from {{ ref('stg_items') }}\n)\nselect sum(items.total) as price\nfrom items\n"
    )]), @"");
    // The last model only reads the renamed column: what breaks is said once, where it is.
    assert_snapshot!(refused(&[(
        "models/silver/stg_items.sql",
        "select id, name, price as amount\nfrom {{ ref('raw_items') }}\n"
    )]), @"");
}

#[test]
fn a_column_that_comes_from_a_macro() {
    assert_snapshot!(refused(&[
        (
            "macros/money.sql",
            "{% macro cents(column) %}\n    cast({{ column }} * 100 as bigint)\n{% endmacro %}\n\n{% macro total_cents() %}\n    \
             sum({{ cents('amount') }})\n{% endmacro %}\n"
        ),
        ("models/gold/totals.sql", "select\n    {{ total_cents() }} as cents\nfrom {{ ref('stg_items') }}\n")
    ]), @"");
}

#[test]
fn sql_that_is_not_sql() {
    assert_snapshot!(refused(&[("models/gold/totals.sql", "select sum(price as price\nfrom {{ ref('stg_items') }}\n")]), @"");
    assert_snapshot!(refused(&[("models/gold/totals.sql", "select price\nfrm {{ ref('stg_items') }}\nwhere 1 = 1\n")]), @"");
    assert_snapshot!(refused(&[("models/gold/totals.sql", "select 'never closed\nfrom {{ ref('stg_items') }}\n")]), @"");
    assert_snapshot!(refused(&[("models/gold/totals.sql", "create table x as\nselect 1 as a\n")]), @"");
    assert_snapshot!(refused(&[("models/gold/totals.sql", "select 1 as a;\ndrop table y\n")]), @"");
    assert_snapshot!(refused(&[("models/gold/totals.sql", "{% if false %}select 1 as a{% endif %}\n-- nothing\n")]), @"");
    assert_snapshot!(refused(&[("models/gold/totals.sql", "select nofunction(price) as a\nfrom {{ ref('stg_items') }}\n")]), @"");
    assert_snapshot!(refused(&[("models/gold/totals.sql", "select name + 1 as a, sum(name) as b\nfrom {{ ref('stg_items') }}\n")]), @"");
    assert_snapshot!(refused(&[("models/gold/totals.sql", "select a.price, a.price\nfrom {{ ref('stg_items') }} as a\n")]), @"");
    assert_snapshot!(refused(&[("models/gold/totals.sql", "select * from other.place\n")]), @"");
    assert_snapshot!(refused(&[("models/gold/totals.sql", "select * from 'landing/items.csv'\n")]), @"");
}

#[test]
fn sql_without_end() {
    let chain = format!("select {} as a\n", vec!["1"; 20_000].join("+"));
    assert!(chain.len() > 40_000);
    let said = refused(&[("models/gold/totals.sql", &chain)]);
    assert!(said.contains("error[sql-limit]") && said.contains("models/gold/totals.sql:1:"), "{said}");
    let nested = format!("select {}1{} as a\n", "(".repeat(10_000), ")".repeat(10_000));
    let said = refused(&[("models/gold/totals.sql", &nested)]);
    assert!(said.contains("error[sql-limit]") && said.contains("models/gold/totals.sql:1:"), "{said}");
    let said = refused(&[("models/gold/totals.sql", "{% for i in range(100000000) %}select{% endfor %}\n")]);
    assert!(said.contains("error[jinja-"), "{said}");
    let said = refused(&[
        ("macros/again.sql", "{% macro again() %}{{ again() }}{% endmacro %}"),
        ("models/gold/totals.sql", "select {{ again() }}\n"),
    ]);
    assert!(said.contains("error[jinja-") && said.contains("macros/again.sql:1:"), "{said}");
}

#[test]
fn templates_that_are_wrong() {
    assert_snapshot!(refused(&[("models/gold/totals.sql", "select 1 as a\n{% if x %}\nfrom {{ ref('stg_items') }}\n")]), @"");
    assert_snapshot!(refused(&[("models/gold/totals.sql", "select 1 as a\nfrom {{ ref('stg_items' }}\n")]), @"");
    assert_snapshot!(refused(&[("models/gold/totals.sql", "{% set a = {} %}\nselect {{ a.b.c }} as a\n")]), @"");
    assert_snapshot!(refused(&[("models/gold/totals.sql", "select {{ cents('price') }} as a\n")]), @"");
    assert_snapshot!(refused(&[
        ("macros/cents.sql", "{% macro cents(column) %}{{ column }} * 100{% endmacro %}"),
        ("models/gold/totals.sql", "select\n    {{ cent('price') }} as a,\n    {{ cents() }} as b,\n    {{ cents('a', scale=2) }} as c\n")
    ]), @"");
    assert_snapshot!(refused(&[("models/gold/totals.sql", "select '{{ env_var('KARAT_NOWHERE') }}' as a\n")]), @"");
    assert_snapshot!(refused(&[("models/gold/totals.sql", "select '{{ var('start') }}' as a\n")]), @"");
    assert_snapshot!(refused(&[("models/gold/totals.sql", "{{ exceptions.raise_compiler_error('no such luck') }}\nselect 1 as a\n")]), @"");
    assert_snapshot!(refused(&[("macros/broken.sql", "{% macro one() %}\n1\n{% endmacro %}\n{% macro two( %}\n{% endmacro %}\n")]), @"");
}

#[test]
fn graphs_that_are_none() {
    assert_snapshot!(refused(&[
        ("models/gold/a.sql", "select * from {{ ref('c') }}"),
        ("models/gold/b.sql", "select *\nfrom {{ ref('a') }}"),
        ("models/gold/c.sql", "select * from {{ ref('b') }}"),
        ("models/gold/own.sql", "select * from {{ ref('own') }}")
    ]), @"");
    assert_snapshot!(refused(&[("models/silver/totals.sql", "select 1 as a")]), @"");
    assert_snapshot!(refused(&[("models/gold/sums.sql", "{{ config(alias='TOTALS') }}\nselect 1 as a")]), @"");
    assert_snapshot!(refused(&[("seeds/stg_items.csv", "id\n1\n")]), @"");
}

#[test]
fn yaml_that_is_wrong() {
    assert_snapshot!(refused(&[("models/models.yml", "models:\n  - name: totals\n   description: x\n")]), @"");
    assert_snapshot!(refused(&[("models/models.yml", "models:\n  - name: totals\n    description: x\n    description: y\n")]), @"");
    assert_snapshot!(refused(&[("models/models.yml", "models:\n  - name: totals\n    descripton: x\n")]), @"");
    assert_snapshot!(refused(&[("models/models.yml", "modles:\n  - name: totals\n")]), @"");
    assert_snapshot!(refused(&[("models/models.yml", "models:\n  - description: x\n")]), @"");
    assert_snapshot!(refused(&[("models/models.yml", "models: totals\n")]), @"");
    assert_snapshot!(refused(&[("models/models.yml", "models:\n  - name: totals\n  - name: totals\n")]), @"");
    assert_snapshot!(refused(&[(
        "models/models.yml",
        "models:\n  - name: totals\n    columns:\n      - name: price\n        data_tests:\n          - no_negative\n          - frobs: {a: 1}\n"
    )]), @"");
    assert_snapshot!(refused(&[("models/models.yml", "models:\n  - name: totals\n    description: \"{{ doc('nowhere') }}\"\n")]), @"");
    assert_snapshot!(refused(&[("project.yml", "name: shop\nmodel-path: [models]\n")]), @"");
    assert_snapshot!(refused(&[("project.yml", "version: 1\n")]), @"");
    assert_snapshot!(refused(&[("project.yml", "name: my-shop\nmodel-paths: [../models]\n")]), @"");
}

#[test]
fn configurations_that_are_wrong() {
    assert_snapshot!(refused(&[("models/gold/totals.sql", "{{ config(materialized='tabel') }}\nselect 1 as a\n")]), @"");
    assert_snapshot!(refused(&[(
        "models/gold/totals.sql",
        "{{ config(materialized='incremental', incremental_strategy='merge', on_schema_change='explode') }}\nselect 1 as a\n"
    )]), @"");
    assert_snapshot!(refused(&[("models/gold/totals.sql", "{{ config(enabled='maybe', tags={'a': 1}) }}\nselect 1 as a\n")]), @"");
    // A key of a package that karat does not know may be anything; one that is nearly a key of ours is pointed out.
    let project =
        shop(&[("models/gold/totals.sql", "{{ config(materialised='view', my_team='x') }}\nselect 1 as a\n")]);
    let run = project.ok(&["parse"]);
    assert_snapshot!(project.complaints(&run), @"");
    project.run(&["parse", "--warn-error"]).expect_code(2);
    let project = shop(&[(
        "project.yml",
        "name: shop\nmodels:\n  shop:\n    materialized: view\n    golden:\n      +materialized: view\n",
    )]);
    let run = project.ok(&["parse"]);
    assert_snapshot!(project.complaints(&run), @"");
}

#[test]
fn files_that_cannot_be_read_as_declared() {
    let told = |changes: &[(&str, &str)]| {
        let project = shop(changes);
        let run = project.run(&["build"]);
        assert!(matches!(run.code, Some(1 | 2)), "{run:?}");
        assert_eq!(project.entries("dev"), Vec::<u64>::new());
        format!("exit code {}\n{}", run.code.unwrap(), project.complaints(&run))
    };
    assert_snapshot!(told(&[("landing/items.csv", "id,name,price\n1,a,1.00\n2,b\n")]), @"");
    assert_snapshot!(told(&[("landing/items.csv", "id,name,price\n1,a,1.00\n2,b,2.00,more\n")]), @"");
    assert_snapshot!(told(&[("landing/items.csv", "id,name,price\n1,a,1.00\ntwo,b,2.00\n")]), @"");
    assert_snapshot!(told(&[("landing/items.csv", "id,name,price\n1,a,1.00\n2,\"b,2.00\n")]), @"");
    assert_snapshot!(told(&[("landing/items.csv", "")]), @"");
    assert_snapshot!(told(&[("seeds/codes.csv", "code,name\n1,a\n2\n")]), @"");
    let project = shop(&[]);
    project.remove("landing/items.csv");
    let run = project.run(&["build"]).expect_code(2);
    assert_snapshot!(project.complaints(&run), @"");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "writes bytes that are not text")]
fn bytes_that_are_not_text() {
    let project = shop(&[]);
    std::fs::write(project.path("landing/items.csv"), b"id,name,price\n1,a,1.00\n2,\xff\xfe,2.00\n").unwrap();
    let run = project.run(&["build"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert_snapshot!(project.complaints(&run), @"");
    let project = shop(&[]);
    std::fs::write(project.path("models/gold/totals.sql"), b"select 1 as a\n-- \xff\n").unwrap();
    let run = project.run(&["build"]).expect_code(2);
    assert_snapshot!(project.complaints(&run), @"");
}

#[test]
fn command_lines_that_are_wrong() {
    assert_snapshot!(refused_with(&[], &["build", "--vars", "{landing: "]), @"");
    assert_snapshot!(refused_with(&[], &["build", "--vars", "landing"]), @"");
    assert_snapshot!(refused_with(&[], &["build", "--select", "colour:red"]), @"");
    assert_snapshot!(refused_with(&[], &["build", "--select", "totals+x@"]), @"");
    assert_snapshot!(refused_with(&[], &["build", "--selector", "nightly"]), @"");
    assert_snapshot!(refused_with(&[], &["build", "--now", "yesterday"]), @"");
    assert_snapshot!(refused_with(&[], &["build", "--threads", "0", "--memory", "lots", "--resource-type", "modell"]), @"");
    assert_snapshot!(refused_with(&[], &["build", "--target", "prod"]), @"");
    assert_snapshot!(refused_with(&[], &["build", "--project-dir", "nowhere"]), @"");
    assert_snapshot!(refused_with(&[], &["run-operation", "cents"]), @"");
    assert_snapshot!(refused_with(&[], &["show", "--inline", "select nothing from {{ ref('nowhere') }}"]), @"");
    // A selection without a match is a warning, as under dbt: there may be nothing to do today.
    let project = shop(&[]);
    let run = project.ok(&["build", "--select", "totally"]);
    assert_snapshot!(project.complaints(&run), @"");
    assert!(project.files().is_empty());
}

/// Everything that is wrong is said in one go, in the order of the files.
#[test]
fn all_problems_at_once() {
    assert_snapshot!(refused(&[
        ("models/bronze/raw_items.sql", "select id, nmae, price\nfrom {{ source('landing', 'items') }}\n"),
        ("models/gold/a.sql", "select nothing from (values (1)) as t(a)\n"),
        ("models/gold/b.sql", "select 1 as a;\nselect 2 as a\n"),
        ("models/gold/c.sql", "select {{ exceptions.raise_compiler_error('no') if execute else 1 }} as a\n")
    ]), @"");
    assert_snapshot!(refused(&[
        ("models/models.yml", "models:\n  - name: totals\n    descripton: x\n    data_tests: [nothing]\n"),
        ("models/gold/a.sql", "select * from {{ ref('nowhere') }}\n"),
        ("models/gold/b.sql", "select * from {{ source('no', 'where') }}\n"),
        ("models/gold/c.sql", "{% if %}\n"),
        ("models/gold/d.sql", "{{ config(materialized='cube') }} select 1 as a\n")
    ]), @"");
}

/// What breaks only while it runs: the node fails, its children are skipped, the rest is built and published.
#[test]
fn a_failure_of_one_model_is_its_own() {
    let project = shop(&[
        (
            "models/silver/stg_items.sql",
            "select\n    id,\n    cast(name as bigint) as number,\n    price\nfrom {{ ref('raw_items') }}\n",
        ),
        ("models/gold/others.sql", "select count(*) as n from {{ ref('raw_items') }}"),
    ]);
    let run = project.run(&["build", "--threads", "1"]).expect_code(1);
    assert_snapshot!(project.redacted(&run.stderr), @"");
    assert_eq!(project.text("select n from gold.others"), "2");
}
