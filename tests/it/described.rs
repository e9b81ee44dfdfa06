//! What properties files say of sources and of the documentation, through the real binary.

#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value as Json, json};

use crate::support::Project;

const PROJECT: &str = "name: p\nversion: '1.0'\nconfig-version: 2\n";

fn manifest(project: &Project) -> Json {
    serde_json::from_str(&project.read("target/manifest.json")).unwrap()
}

#[test]
fn described_sources_of_a_package_are_overridden() {
    let base = "sources:
  - name: raw
    description: As the package has it
    schema: landing
    freshness: {warn_after: {count: 1, period: day}, error_after: {count: 2, period: day}}
    tables:
      - name: orders
        description: Orders
        loaded_at_field: at
        columns: [{name: id, data_tests: [not_null]}]
      - {name: users, freshness: null}
";
    let own = "sources:
  - name: raw
    overrides: base
    schema: here
    description: As we have it
    tables:
      - name: orders
        identifier: orders_2
        columns: [{name: key, data_tests: [unique]}]
      - {name: nothing}
  - {name: rawe, overrides: base}
";
    let project = Project::new(&[
        ("dbt_project.yml", PROJECT),
        ("packages.yml", "packages: [{local: base}]\n"),
        ("base/dbt_project.yml", "name: base\nversion: '1.0'\n"),
        ("base/models/s.yml", base),
        ("models/s.yml", own),
        ("models/m.sql", "select 1 as x"),
    ]);
    project.ok(&["deps"]);
    let run = project.ok(&["parse"]);
    run.expect_message(&[
        "warning[unmatched-properties]: the source `raw` has no table `nothing`",
        "warning[unmatched-properties]: there is no source `rawe` in the package `base`",
        "hint: did you mean `raw`?",
    ]);
    let manifest = manifest(&project);
    let orders = &manifest["sources"]["source.base.raw.orders"];
    let shown =
        ["schema", "identifier", "description", "source_description", "loaded_at_field"].map(|key| &orders[key]);
    assert_eq!(json!(shown), json!(["here", "orders_2", "Orders", "As we have it", "at"]));
    let tests: Vec<&str> = manifest["nodes"].as_object().unwrap().keys().map(String::as_str).collect();
    assert!(tests.iter().any(|id| id.starts_with("test.base.source_unique_raw_orders_key.")), "{tests:?}");
    assert!(!tests.iter().any(|id| id.contains("not_null")), "{tests:?}");
    assert_eq!(manifest["sources"].as_object().unwrap().len(), 2);
}

#[test]
fn described_freshness_of_a_table_takes_what_it_does_not_say_from_its_source() {
    let properties = "sources:
  - name: raw
    freshness: {warn_after: {count: 1, period: day}, error_after: {count: 2, period: day}, filter: x > 1}
    tables:
      - {name: both, freshness: {warn_after: {count: 6, period: hour}}}
      - {name: neither, freshness: null}
";
    let project = Project::new(&[("dbt_project.yml", PROJECT), ("models/s.yml", properties)]);
    project.ok(&["parse"]);
    let sources = &manifest(&project)["sources"];
    assert_eq!(
        sources["source.p.raw.both"]["freshness"],
        json!({
            "warn_after": {"count": 6, "period": "hour"}, "error_after": {"count": 2, "period": "day"}, "filter": "x > 1",
        })
    );
    assert_eq!(sources["source.p.raw.neither"]["freshness"], Json::Null);
}

#[test]
fn described_nodes_may_be_kept_out_of_the_documentation() {
    let project = Project::new(&[
        ("dbt_project.yml", PROJECT),
        ("models/a.sql", "select 1 as id"),
        ("models/hidden.sql", "select * from {{ ref('a') }}"),
        ("models/z.sql", "select * from {{ ref('hidden') }}"),
        (
            "models/s.yml",
            "models:\n  - {name: hidden, docs: {show: false, node_color: red}, columns: [{name: id, data_tests: [unique]}]}\n  - {name: z, config: {docs: {node_color: '#fff'}}}\n",
        ),
    ]);
    project.ok(&["docs", "generate"]);
    let page = project.read("target/index.html");
    assert!(page.contains("model.p.a") && page.contains("model.p.z"));
    assert!(!page.contains("model.p.hidden") && !page.contains("unique_hidden_id"), "the page shows what is hidden");
    let lineage = project.ok(&["docs", "lineage", "--output", "mermaid"]).stdout;
    assert!(lineage.contains("main.z") && !lineage.contains("hidden"), "{lineage}");
    let nodes = &manifest(&project)["nodes"];
    assert_eq!(nodes["model.p.hidden"]["docs"], json!({"show": false, "node_color": "red"}));
    assert_eq!(nodes["model.p.z"]["docs"], json!({"show": true, "node_color": "#fff"}));
}

#[test]
fn a_column_that_is_described_twice_is_told_and_taken() {
    let project = Project::new(&[
        ("models/a.sql", "select 1 as x, 2 as y"),
        (
            "models/a.yml",
            "models:\n  - name: a\n    columns:\n      - {name: x, description: one, data_tests: [unique]}\n      - {name: y}\n      - {name: x, description: two, data_tests: [not_null]}\n",
        ),
    ]);
    let built = project.ok(&["build"]);
    built.expect_message(&["warning[duplicate-column]: the column `x` is described twice", "models/a.yml:6:16"]);
    let manifest: serde_json::Value = serde_json::from_str(&project.read("target/manifest.json")).unwrap();
    let columns = &manifest["nodes"]["model.shop.a"]["columns"];
    assert_eq!(columns.as_object().unwrap().keys().collect::<Vec<_>>(), ["x", "y"]);
    assert_eq!(columns["x"]["description"], "two");
    let tests: Vec<String> = project.statuses().into_keys().collect();
    assert_eq!(tests, ["a", "not_null_a_x", "unique_a_x"]);
}

#[test]
fn tests_of_a_seed_that_is_described_as_a_model_are_made() {
    let project = Project::new(&[
        ("seeds/base.csv", "id\n1\n"),
        ("models/a.sql", "select id from {{ ref('base') }}"),
        ("models/s.yml", "models: [{name: base, description: x, columns: [{name: id, data_tests: [unique]}]}]\n"),
        ("seeds/s.yml", "seeds: [{name: a, columns: [{name: id, data_tests: [not_null]}]}]\n"),
    ]);
    let built = project.ok(&["build"]);
    built.expect_message(&[
        "warning[unmatched-properties]: `base` is a seed, but it is described as a model",
        "describe it below `seeds:`",
        "warning[unmatched-properties]: `a` is a model, but it is described as a seed",
    ]);
    let all: Vec<String> = project.statuses().into_keys().collect();
    assert_eq!(all, ["a", "base", "not_null_a_id", "unique_base_id"]);
    // As under dbt, nothing else of it is taken.
    assert_eq!(manifest(&project)["nodes"]["seed.shop.base"]["description"], "");
}
