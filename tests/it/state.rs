//! `--state` through the real binary: what counts as modified, what is read in place of what is not built, and what a
//! job does that builds only what changed.

#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::Value as Json;

use crate::support::{Project, Run};

const PROFILES: &str = "shop:
  target: prod
  outputs:
    prod: {type: karat, path: warehouse}
    ci: {type: karat, path: warehouse-ci}
";

const PROJECT: &str = "name: shop
version: '1.0'
profile: shop
vars: {least: 1}
models:
  shop:
    gold: {+materialized: \"{{ 'table' if target.name == 'prod' else 'view' }}\"}
";

const PROPERTIES: &str = "models:
  - name: raw
    columns: [{name: n, data_tests: [not_null]}]
  - name: orders
    description: what was ordered
    config: {tags: [early]}
  - name: promised
    config: {materialized: table, contract: {enforced: true}}
    columns: [{name: n, data_type: bigint}]
sources:
  - name: outside
    schema: bronze
    tables: [{name: raw, loaded_at_field: n}]
exposures:
  - {name: board, type: dashboard, owner: {name: us}, depends_on: [ref('total')]}
unit_tests:
  - name: adds
    model: total
    given: [{input: ref('orders'), rows: [{n: 1}, {n: 2}]}]
    expect: {rows: [{n: 3}]}
";

fn project() -> Project {
    Project::new(&[
        ("project.yml", PROJECT),
        ("profiles.yml", PROFILES),
        ("seeds/codes.csv", "code\n1\n2\n"),
        ("macros/numbers.sql", "{% macro numbers() %}{{ inner_numbers() }}{% endmacro %}"),
        (
            "macros/inner.sql",
            "{% macro inner_numbers() %}{% if execute %}{% endif %}select column1 as n from (values (1), (2), (3)){% endmacro %}",
        ),
        ("models/bronze/raw.sql", "{{ numbers() }}"),
        ("models/silver/orders.sql", "select n from {{ ref('raw') }} where n >= {{ var('least') }}"),
        ("models/silver/promised.sql", "select cast(n as bigint) as n from {{ ref('orders') }}"),
        ("models/gold/between.sql", "{{ config(materialized='ephemeral') }} select n from {{ ref('orders') }}"),
        ("models/gold/total.sql", "select cast(sum(n) as bigint) as n from {{ ref('orders') }}"),
        ("models/gold/coded.sql", "select count(*) as n from {{ ref('codes') }} join {{ ref('between') }} on code = n"),
        ("models/models.yml", PROPERTIES),
    ])
}

/// Keeps the artifacts of the last command.
fn keep(project: &Project, folder: &str) {
    for name in ["manifest.json", "run_results.json"] {
        project.write(&format!("{folder}/{name}"), &project.read(&format!("target/{name}")));
    }
}

/// The project, built in production, with its artifacts in `state`.
fn built() -> Project {
    let project = project();
    project.ok(&["build"]);
    keep(&project, "state");
    project
}

/// The names that a selection lists.
#[track_caller]
fn listed(project: &Project, select: &[&str]) -> Vec<String> {
    let arguments =
        [&["ls", "--indirect-selection", "empty", "--output", "name", "--state", "state", "--select"], select].concat();
    project.ok(&arguments).stdout.lines().map(str::to_owned).collect()
}

#[track_caller]
fn changed(project: &Project, edit: &[(&str, &str)], select: &[&str]) -> Vec<String> {
    let project = project.copy();
    for (path, text) in edit {
        project.write(path, text);
    }
    listed(&project, select)
}

const ALL: [&str; 11] = [
    "adds",
    "between",
    "board",
    "coded",
    "codes",
    "not_null_raw_n",
    "orders",
    "outside.raw",
    "promised",
    "raw",
    "total",
];

#[test]
fn nothing_is_modified_that_nobody_changed() {
    let project = built();
    assert!(listed(&project, &["state:modified"]).is_empty());
    assert!(listed(&project, &["state:new"]).is_empty());
    let mut old = listed(&project, &["state:old"]);
    old.sort();
    assert_eq!(old, ALL);
    assert_eq!(listed(&project, &["state:unmodified"]).len(), ALL.len());
    // Another target, another variable: what Jinja makes of a configuration is no change of it.
    let arguments = ["ls", "--select", "state:modified", "--state", "state", "--target", "ci", "--vars", "{least: 2}"];
    assert_eq!(project.ok(&arguments).stdout, "");
}

#[test]
fn each_change_is_seen_by_its_sub_selector() {
    let project = built();
    let orders = "models/silver/orders.sql";
    let kinds = ["body", "configs", "relation", "persisted_descriptions", "macros", "contract"];
    let seen = |edit: &[(&str, &str)]| {
        let found = kinds.map(|kind| (kind, changed(&project, edit, &[&format!("state:modified.{kind}")])));
        let found = found.into_iter().filter(|(_, names)| !names.is_empty());
        let found: Vec<String> = found.map(|(kind, names)| format!("{kind}: {}", names.join(" "))).collect();
        (found, changed(&project, edit, &["state:modified"]))
    };
    let check = |edit: &[(&str, &str)], found: &[&str], modified: &[&str]| {
        let (by_kind, all) = seen(edit);
        assert_eq!(
            (by_kind, all),
            (
                found.iter().map(|text| (*text).to_owned()).collect(),
                modified.iter().map(|name| (*name).to_owned()).collect()
            ),
            "{edit:?}"
        );
    };
    check(&[(orders, "select n from {{ ref('raw') }}")], &["body: orders"], &["orders"]);
    let base = project.read(orders);
    let configured = |config: &str| format!("{{{{ config({config}) }}}}\n{base}");
    check(&[(orders, &configured("materialized='view'"))], &["body: orders", "configs: orders"], &["orders"]);
    check(&[(orders, &configured("alias='x' ~ target.name"))], &["body: orders", "relation: orders"], &["orders"]);
    let properties = |from: &str, to: &str| {
        assert!(PROPERTIES.contains(from), "{from}");
        PROPERTIES.replace(from, to)
    };
    let yml = "models/models.yml";
    // Tags are for people and selectors.
    check(&[(yml, &properties("tags: [early]", "tags: [late]"))], &[], &[]);
    check(&[(yml, &properties("tags: [early]", "meta: {k: 1}"))], &["configs: orders"], &["orders"]);
    check(&[(yml, &properties("what was ordered", "what was sold"))], &[], &[]);
    check(
        &[("macros/inner.sql", "{% macro inner_numbers() %}select 1 as n{% endmacro %}")],
        &["macros: raw"],
        &["raw"],
    );
    check(&[("macros/other.sql", "{% macro nobody() %}{% endmacro %}")], &[], &[]);
    check(
        &[(yml, &properties("data_type: bigint", "data_type: bigint, constraints: [{type: not_null}]"))],
        &["contract: promised"],
        &["promised"],
    );
    check(&[("seeds/codes.csv", "code\n1\n3\n")], &["body: codes"], &["codes"]);
    check(
        &[(yml, &properties("data_tests: [not_null]", "data_tests: [not_null: {config: {severity: warn}}]"))],
        &["body: not_null_raw_n", "configs: not_null_raw_n"],
        &["not_null_raw_n"],
    );
    check(&[(yml, &properties("rows: [{n: 3}]", "rows: [{n: 4}]"))], &[], &["adds"]);
    check(&[(yml, &properties("owner: {name: us}", "owner: {name: them}"))], &[], &["board"]);
    check(
        &[(yml, &properties("{name: raw, loaded", "{name: raw, identifier: other, loaded"))],
        &["relation: outside.raw"],
        &["outside.raw"],
    );
    check(
        &[("models/silver/fresh.sql", "select 1 as n")],
        &["body: fresh", "configs: fresh", "relation: fresh", "persisted_descriptions: fresh", "contract: fresh"],
        &["fresh"],
    );
    let names = changed(&project, &[("models/silver/fresh.sql", "select 1 as n")], &["state:new"]);
    assert_eq!(names, ["fresh"]);
}

#[test]
fn stored_descriptions_count() {
    let project = project();
    project.write("project.yml", &PROJECT.replace("  shop:\n", "  shop:\n    +persist_docs: {relation: true}\n"));
    project.ok(&["parse"]);
    project.write("state/manifest.json", &project.read("target/manifest.json"));
    let edit = [("models/models.yml", &*PROPERTIES.replace("what was ordered", "what was sold"))];
    assert_eq!(changed(&project, &edit, &["state:modified.persisted_descriptions"]), ["orders"]);
    assert_eq!(changed(&project, &edit, &["state:modified"]), ["orders"]);
}

#[test]
fn a_contract_that_is_broken_is_told() {
    let project = built();
    project.write("models/models.yml", &PROPERTIES.replace("data_type: bigint", "data_type: varchar"));
    let run = project.ok(&["ls", "--select", "state:modified", "--state", "state"]);
    assert!(run.stderr.contains("warning[broken-contract]"), "{}", run.stderr);
    assert!(run.stderr.contains("the column `n` was bigint and is varchar"), "{}", run.stderr);
    project.remove("models/silver/promised.sql");
    project.write("models/models.yml", &PROPERTIES.replace("  - name: promised\n    config: {materialized: table, contract: {enforced: true}}\n    columns: [{name: n, data_type: bigint}]\n", ""));
    let run = project.ok(&["ls", "--select", "state:modified.contract", "--state", "state"]);
    assert!(run.stderr.contains("the model is gone"), "{}", run.stderr);
    project.run(&["ls", "--select", "state:modified", "--state", "state", "--warn-error"]).expect_code(2);
}

#[test]
fn graph_operators_and_files_of_selectors_work_with_states() {
    let project = built();
    project.write("models/silver/orders.sql", "select n from {{ ref('raw') }}");
    let mut below = listed(&project, &["state:modified+"]);
    below.sort();
    assert_eq!(below, ["adds", "between", "board", "coded", "orders", "promised", "total"]);
    assert_eq!(listed(&project, &["1+state:modified.body,resource_type:model"]), ["orders", "raw"]);
    assert_eq!(listed(&project, &["state:modified+1,config.materialized:ephemeral"]), ["between"]);
    assert_eq!(listed(&project, &["@state:modified,resource_type:seed"]), ["codes"]);
    let rest = project.ok(&[
        "ls",
        "--resource-type",
        "model",
        "--output",
        "name",
        "--exclude",
        "state:modified+",
        "--state",
        "state",
    ]);
    assert_eq!(rest.stdout.trim(), "raw");
    project.write(
        "selectors.yml",
        "selectors:\n  - name: slim\n    definition: {method: state, value: modified, children: true}\n",
    );
    let slim =
        project.ok(&["ls", "--selector", "slim", "--resource-type", "model", "--output", "name", "--state", "state"]);
    assert_eq!(slim.stdout, "between\ncoded\norders\npromised\ntotal\n");
}

#[test]
fn results_and_the_freshness_of_sources_are_compared() {
    let project = built();
    project
        .write("models/gold/total.sql", "select cast(1 / (sum(n) - sum(n)) as bigint) as n from {{ ref('orders') }}");
    project.run(&["run"]).expect_code(1);
    keep(&project, "state");
    assert_eq!(listed(&project, &["result:error"]), ["total"]);
    assert_eq!(listed(&project, &["result:success", "result:pass"]).len(), 4);
    assert_eq!(listed(&project, &["result:error+"]), ["adds", "board", "total"]);
    let sources = |time: &str| {
        format!(
            "{{\"metadata\": {{\"dbt_schema_version\": \"https://schemas.getdbt.com/dbt/sources/v3.json\"}}, \"results\": [{{\"unique_id\": \"source.shop.outside.raw\", \"status\": \"pass\", \"max_loaded_at\": \"{time}\"}}]}}"
        )
    };
    project.write("state/sources.json", &sources("2024-05-01T06:00:00Z"));
    project.write("target/sources.json", &sources("2024-05-01T06:00:00.000000Z"));
    assert!(listed(&project, &["source_status:fresher"]).is_empty());
    project.write("target/sources.json", &sources("2024-05-01T08:30:00+02:00"));
    assert_eq!(listed(&project, &["source_status:fresher"]), ["outside.raw"]);
}

#[test]
fn what_a_state_lacks_is_said() {
    let project = project();
    let refused = |arguments: &[&str], parts: &[&str]| {
        project.run(arguments).expect_code(2).expect_message(parts);
    };
    let none = ["error[no-state]", "--select:1:1", "there is no `--state`"];
    refused(&["ls", "--select", "state:modified"], &none);
    refused(&["ls", "--exclude", "result:error"], &["error[no-state]", "--exclude:1:1"]);
    refused(
        &["ls", "--select", "state:modified", "--state", "nowhere"],
        &["error[no-state]", "there is no folder", "nowhere"],
    );
    refused(&["build", "--defer"], &["error[no-state]", "`--defer`"]);
    project.write("state/other.json", "{}");
    refused(&["ls", "--select", "state:new", "--state", "state"], &["error[no-state]", "there is no `manifest.json`"]);
    refused(&["ls", "--select", "result:error", "--state", "state"], &["there is no `run_results.json`"]);
    refused(&["ls", "--select", "source_status:fresher", "--state", "state"], &["there is no `sources.json`"]);
    refused(&["build", "--defer", "--defer-state", "state"], &["error[no-state]", "there is no `manifest.json`"]);
    refused(&["ls", "--select", "state:odd", "--state", "state"], &["error[bad-selector]", "modified.body"]);
    refused(&["ls", "--select", "state:modifed", "--state", "state"], &["did you mean `modified`?"]);
    project.write("state/manifest.json", "{\"metadata\"");
    refused(&["ls", "--select", "state:new", "--state", "state"], &["error[bad-state]", "manifest.json"]);
    let old = "{\"metadata\": {\"dbt_schema_version\": \"https://schemas.getdbt.com/dbt/manifest/v9.json\"}}";
    project.write("state/manifest.json", old);
    refused(
        &["ls", "--select", "state:new", "--state", "state"],
        &["error[bad-state]", "manifest/v9.json", "expected version v12"],
    );
    // What nobody asks for is not missed.
    project.ok(&["ls", "--state", "nowhere"]);
}

fn ids(run: &Run) -> Vec<String> {
    let document: Json = serde_json::from_str(&run.stdout).unwrap();
    let results = document["results"].as_array().unwrap().iter();
    results.map(|result| result["unique_id"].as_str().unwrap().rsplit('.').next().unwrap().to_owned()).collect()
}

#[test]
fn a_job_builds_what_changed_and_reads_the_rest_where_it_is() {
    let project = built();
    project.write("models/gold/total.sql", "select cast(sum(n) * 10 as bigint) as n from {{ ref('orders') }}");
    project.write("models/models.yml", &PROPERTIES.replace("rows: [{n: 3}]", "rows: [{n: 30}]"));
    let job = ["build", "--target", "ci", "--select", "state:modified+", "--state", "state"];
    // Without deferring there is nothing to read.
    project.run(&job).expect_code(2).expect_message(&["error[not-built]"]);
    let run = project.ok(&[&job[..], &["--defer", "--output", "json", "--quiet"]].concat());
    let mut built = ids(&run);
    built.sort();
    assert_eq!(built, ["adds", "total"], "{}", run.stdout);
    // Here a view: it goes on to read production, also when nobody defers any more.
    let here = ["--target", "ci"];
    let rows = |query: &str, arguments: &[&str]| project.query_with(query, arguments)[0]["n"].clone();
    assert_eq!(rows("select n from {{ ref('total') }}", &here), 60);
    assert_eq!(rows("select n from {{ ref('total') }}", &[]), 6);
    assert_eq!(project.files_below("warehouse-ci/silver").len(), 0);
    project.write("models/silver/orders.sql", "select n from {{ ref('raw') }} where n > 1");
    project.ok(&["run", "--select", "raw", "orders"]);
    assert_eq!(rows("select n from {{ ref('total') }}", &here), 50);
}

#[test]
fn deferring_goes_through_views_ephemeral_models_and_tests() {
    let project = built();
    let state = ["--target", "ci", "--state", "state", "--defer"];
    // `coded` reads a seed, and an ephemeral model that reads a table; `raw` is a view in production.
    project.ok(&[&["run", "--select", "coded"][..], &state].concat());
    assert_eq!(project.query_with("select n from {{ ref('coded') }}", &["--target", "ci"])[0]["n"], 2);
    let run = project.ok(&[&["test", "--select", "raw"][..], &state].concat());
    assert!(run.stdout.contains("PASS=1"), "{}", run.stdout);
    project.ok(&[&["run", "--select", "orders"][..], &state].concat());
    assert_eq!(project.query_with("select count(*) as n from {{ ref('orders') }}", &["--target", "ci"])[0]["n"], 3);
    // What is built here is read here, unless the state is favored.
    project.write("models/silver/orders.sql", "select n from {{ ref('raw') }} where n = 3");
    project.ok(&[&["run", "--select", "orders"][..], &state].concat());
    let total = |arguments: &[&str]| {
        project.ok(&[&["run", "--select", "total"][..], &state, arguments].concat());
        project.query_with("select n from {{ ref('total') }}", &["--target", "ci"])[0]["n"].clone()
    };
    assert_eq!(total(&[]), 3);
    assert_eq!(total(&["--favor-state"]), 6);
    assert_eq!(total(&["--favor-state", "--no-favor-state"]), 3);
    let shown = project.query_with("select n from {{ ref('promised') }} order by n", &state);
    assert_eq!(shown.len(), 3);
    let compiled = project.ok(&[&["compile", "--select", "promised"][..], &state].concat());
    assert!(compiled.stdout.contains("orders"), "{}", compiled.stdout);
    project
        .run_with(
            &["run", "--select", "total", "--target", "ci"],
            &[("DBT_STATE", "state"), ("DBT_DEFER", "1"), ("DBT_FAVOR_STATE", "true")],
        )
        .expect_code(0);
    assert_eq!(project.query_with("select n from {{ ref('total') }}", &["--target", "ci"])[0]["n"], 6);
}

#[test]
fn the_check_knows_the_columns_of_what_is_deferred() {
    let project = built();
    project.write("models/gold/total.sql", "select sum(amount) as n from {{ ref('orders') }}");
    let state = ["--target", "ci", "--state", "state", "--defer"];
    let run = project.run(&[&["run", "--select", "total"][..], &state].concat()).expect_code(2);
    assert!(run.stderr.contains("error[unknown-column]") && run.stderr.contains("total.sql"), "{}", run.stderr);
    project.write("models/silver/late.sql", "select 1 as n");
    project.write("models/gold/total.sql", "select n from {{ ref('late') }}");
    project
        .run(&[&["run", "--select", "total"][..], &state].concat())
        .expect_code(2)
        .expect_message(&["error[not-built]"]);
    // The manifest knows it, but nobody built it.
    project.ok(&["parse"]);
    project.write("state/manifest.json", &project.read("target/manifest.json"));
    let run = project.run(&[&["run", "--select", "total"][..], &state].concat()).expect_code(2);
    assert!(run.stderr.contains("error[not-deferrable]") && run.stderr.contains("`prod`"), "{}", run.stderr);
}

#[test]
fn the_manifest_of_a_real_dbt_names_no_environment() {
    // The names differ by target, as they do in a project that comes from dbt; all targets of the profile are searched.
    let files = [
        ("dbt_project.yml", "name: p\nversion: '1.0'\nconfig-version: 2\nprofile: p\n"),
        (
            "profiles.yml",
            "p:\n  target: prod\n  outputs:\n    prod: {type: duckdb, path: p.duckdb, schema: prod}\n    dev: {type: duckdb, path: p.duckdb, schema: dev}\n",
        ),
        ("models/first.sql", "{{ config(materialized='table') }} select 1 as x"),
        ("models/second.sql", "select x + 1 as x from {{ ref('first') }}"),
        ("models/third.sql", "{{ config(materialized='table') }} select x + 1 as x from {{ ref('second') }}"),
    ];
    let project = Project::new(&files);
    project.ok(&["build"]);
    let mut manifest: Json = serde_json::from_str(&project.read("target/manifest.json")).unwrap();
    manifest["macros"]["macro.dbt.generate_schema_name"]["meta"] = serde_json::json!({});
    project.write("state/manifest.json", &manifest.to_string());
    project.ok(&["run", "--target", "dev", "--select", "third", "--defer", "--state", "state"]);
    let compiled = project.read("target/compiled/p/models/third.sql");
    assert!(compiled.contains("\"prod\".\"second\""), "{compiled}");
    assert_eq!(project.query_with("select x from {{ ref('third') }}", &["--target", "dev"])[0]["x"], 3);
}

#[test]
fn retry_reads_the_results_of_a_state() {
    let project = project();
    project.write(
        "models/gold/total.sql",
        "select cast(1 / (sum(n) - {{ var('sum', 6) }}) as bigint) as n from {{ ref('orders') }}",
    );
    project.ok(&["seed"]);
    project.run(&["run"]).expect_code(1);
    keep(&project, "failed");
    project.ok(&["run", "--select", "raw"]);
    project.ok(&["retry", "--state", "failed", "--vars", "{sum: 5}"]);
    assert_eq!(project.statuses().keys().cloned().collect::<Vec<_>>(), ["total"]);
    project.run(&["retry", "--state", "nowhere"]).expect_code(2).expect_message(&["error[nothing-to-retry]"]);
}

#[test]
fn a_retry_defers_as_the_command_did() {
    let project = built();
    let text = "select cast(1 / (sum(n) - {{ var('sum', 6) }}) as bigint) as n from {{ ref('orders') }}";
    project.write("models/gold/total.sql", &format!("{{{{ config(materialized='table') }}}} {text}"));
    let run = ["run", "--target", "ci", "--select", "state:modified", "--state", "state", "--defer"];
    project.run(&run).expect_code(1);
    project.ok(&["retry", "--vars", "{sum: 5}"]);
    assert_eq!(project.query_with("select n from {{ ref('total') }}", &["--target", "ci"])[0]["n"], 1);
}

#[test]
fn a_large_seed_of_a_real_dbt_is_compared_by_its_path() {
    let project = built();
    let mut manifest: Json = serde_json::from_str(&project.read("state/manifest.json")).unwrap();
    let (id, seed) =
        manifest["nodes"].as_object_mut().unwrap().iter_mut().find(|(id, _)| id.starts_with("seed.")).unwrap();
    let id = id.clone();
    seed["checksum"] = serde_json::json!({"name": "path", "checksum": "seeds/codes.csv"});
    project.write("state/manifest.json", &manifest.to_string());
    assert!(listed(&project, &["state:modified"]).is_empty());
    manifest["nodes"][id]["checksum"]["checksum"] = "seeds/elsewhere.csv".into();
    project.write("state/manifest.json", &manifest.to_string());
    assert_eq!(listed(&project, &["state:modified"]), ["codes"]);
}
