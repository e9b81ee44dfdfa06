//! Versions of models through the real binary: files, names, references, tests, selection, artifacts, deprecation.

#![expect(clippy::unwrap_used, reason = "tests")]

use insta::assert_snapshot;
use serde_json::Value as Json;

use crate::support::Project;

const PROJECT: &str = "name: p\nversion: '1.0'\nconfig-version: 2\n";

const PROPERTIES: &str = "models:
  - name: orders
    description: Orders
    latest_version: 2
    config: {tags: [a], meta: {x: 1}}
    columns:
      - name: id
        data_tests: [unique, not_null]
      - name: total
        data_tests: [{accepted_values: {arguments: {values: [10, 20, 30], quote: false}}}]
      - name: code
    data_tests: [any_rows]
    versions:
      - v: 1
        deprecation_date: 2024-01-01
        config: {tags: [b], meta: {y: 2}, alias: old_orders}
      - v: 2
        description: Second
        columns:
          - include: all
            exclude: [code]
          - name: extra
            data_tests: [not_null]
        data_tests: []
      - v: 3
        defined_in: next
        deprecation_date: 2035-05-05 10:00:00
        columns:
          - include: [id]
          - {name: what, data_type: varchar}
  - name: report
    columns:
      - name: id
        data_tests: [{relationships: {arguments: {to: \"ref('orders', v=1)\", field: id}}}]
unit_tests:
  - name: u
    model: orders
    versions: {exclude: [3]}
    given: []
    expect: {rows: [{id: 1}]}
  - name: w
    model: orders
    given: []
    expect: {rows: [{id: 1}]}
exposures:
  - {name: board, type: dashboard, owner: {name: us}, depends_on: [\"ref('orders', version=3)\", ref('report')]}
";

fn project() -> Project {
    Project::new(&[
        ("dbt_project.yml", PROJECT),
        ("models/orders_v1.sql", "select 1 as id, 10 as total, 'a' as code"),
        ("models/orders.sql", "{{ config(materialized='table') }} select 1 as id, 20 as total, 'x' as extra"),
        ("models/next.sql", "select 1 as id, '{{ model.version }} {{ this.identifier }}' as what"),
        (
            "models/report.sql",
            "select o.id, o.total, p.code from {{ ref('orders') }} o join {{ ref('orders', v=1) }} p using (id)",
        ),
        ("models/e.sql", "{{ config(materialized='ephemeral') }} select * from {{ ref('orders', version='3') }}"),
        ("models/ee.sql", "select * from {{ ref('e') }}"),
        ("macros/t.sql", "{% test any_rows(model) %} select * from {{ model }} where false {% endtest %}"),
        ("models/s.yml", PROPERTIES),
    ])
}

fn listed(project: &Project, arguments: &[&str]) -> String {
    project.ok(&[&["ls", "--quiet"], arguments].concat()).stdout.trim_end().to_owned()
}

fn manifest(project: &Project) -> Json {
    serde_json::from_str(&project.read("target/manifest.json")).unwrap()
}

#[test]
fn versions_are_models_of_their_own() {
    let project = project();
    project.ok(&["build"]);
    // What dbt 1.12 lists for the same project; it puts models before tests.
    assert_snapshot!(listed(&project, &[]), @r"
    exposure:p.board
    p.accepted_values_orders_v1_total__False__10__20__30
    p.accepted_values_orders_v2_total__False__10__20__30
    p.any_rows_orders_v1_
    p.any_rows_orders_v3_
    p.e
    p.ee
    p.not_null_orders_v1_id
    p.not_null_orders_v2_extra
    p.not_null_orders_v2_id
    p.not_null_orders_v3_id
    p.orders.v1
    p.orders.v2
    p.orders.v3
    p.relationships_report_id__id__ref_orders_v_1_
    p.report
    p.unique_orders_v1_id
    p.unique_orders_v2_id
    p.unique_orders_v3_id
    unit_test:p.u_v1
    unit_test:p.u_v2
    unit_test:p.w_v1
    unit_test:p.w_v2
    unit_test:p.w_v3
    ");
    assert_eq!(project.rows("select * from main.report"), ["1|20|a"]);
    assert_eq!(project.rows("select * from main.ee"), ["1|3 orders_v3"]);
    assert_eq!(project.rows("select * from main.old_orders"), ["1|10|a"]);
    assert_eq!(project.rows("select * from {{ ref('orders', v=2) }}"), ["1|20|x"]);
}

#[test]
fn versions_in_the_manifest_are_those_of_dbt() {
    let project = project();
    project.ok(&["parse"]);
    let manifest = manifest(&project);
    let mut text = String::new();
    for (id, node) in manifest["nodes"].as_object().unwrap() {
        let keys = ["alias", "version", "latest_version", "deprecation_date", "description", "refs"];
        let shown: Vec<String> = keys.iter().map(|key| node[key].to_string()).collect();
        let columns: Vec<&String> = node["columns"].as_object().unwrap().keys().collect();
        text.push_str(&format!(
            "{id} {} {} {columns:?} {}\n",
            node["fqn"],
            shown.join(" "),
            node["depends_on"]["nodes"]
        ));
    }
    for (id, node) in manifest["unit_tests"].as_object().unwrap() {
        text.push_str(&format!("{id} {} {} {}\n", node["version"], node["versions"], node["depends_on"]["nodes"]));
    }
    assert_snapshot!(text, @r#"
    model.p.e ["p","e"] "e" null null null "" [{"name":"orders","package":null,"version":"3"}] [] ["model.p.orders.v3"]
    model.p.ee ["p","ee"] "ee" null null null "" [{"name":"e","package":null,"version":null}] [] ["model.p.e"]
    model.p.orders.v1 ["p","orders","v1"] "old_orders" 1 2 "2024-01-01T00:00:00+00:00" "Orders" [] ["id", "total", "code"] []
    model.p.orders.v2 ["p","orders","v2"] "orders_v2" 2 2 null "Second" [] ["id", "total", "extra"] []
    model.p.orders.v3 ["p","orders","v3"] "orders_v3" 3 2 "2035-05-05T10:00:00+00:00" "Orders" [] ["id", "what"] []
    model.p.report ["p","report"] "report" null null null "" [{"name":"orders","package":null,"version":null},{"name":"orders","package":null,"version":1}] ["id"] ["model.p.orders.v2","model.p.orders.v1"]
    test.p.accepted_values_orders_v1_total__False__10__20__30.c2b4b15b42 ["p","accepted_values_orders_v1_total__False__10__20__30"] "accepted_values_orders_v1_total__False__10__20__30" null null null "" [{"name":"orders","package":null,"version":1}] [] ["model.p.orders.v1"]
    test.p.accepted_values_orders_v2_total__False__10__20__30.48379d26b9 ["p","accepted_values_orders_v2_total__False__10__20__30"] "accepted_values_orders_v2_total__False__10__20__30" null null null "" [{"name":"orders","package":null,"version":2}] [] ["model.p.orders.v2"]
    test.p.any_rows_orders_v1_.e87615d768 ["p","any_rows_orders_v1_"] "any_rows_orders_v1_" null null null "" [{"name":"orders","package":null,"version":1}] [] ["model.p.orders.v1"]
    test.p.any_rows_orders_v3_.7766913d9b ["p","any_rows_orders_v3_"] "any_rows_orders_v3_" null null null "" [{"name":"orders","package":null,"version":3}] [] ["model.p.orders.v3"]
    test.p.not_null_orders_v1_id.769f7287fe ["p","not_null_orders_v1_id"] "not_null_orders_v1_id" null null null "" [{"name":"orders","package":null,"version":1}] [] ["model.p.orders.v1"]
    test.p.not_null_orders_v2_extra.166683f830 ["p","not_null_orders_v2_extra"] "not_null_orders_v2_extra" null null null "" [{"name":"orders","package":null,"version":2}] [] ["model.p.orders.v2"]
    test.p.not_null_orders_v2_id.468337f0ff ["p","not_null_orders_v2_id"] "not_null_orders_v2_id" null null null "" [{"name":"orders","package":null,"version":2}] [] ["model.p.orders.v2"]
    test.p.not_null_orders_v3_id.aa43fdd664 ["p","not_null_orders_v3_id"] "not_null_orders_v3_id" null null null "" [{"name":"orders","package":null,"version":3}] [] ["model.p.orders.v3"]
    test.p.relationships_report_id__id__ref_orders_v_1_.52dfa1fe4b ["p","relationships_report_id__id__ref_orders_v_1_"] "relationships_report_id__id__ref_orders_v_1_" null null null "" [{"name":"orders","package":null,"version":1},{"name":"report","package":null,"version":null}] [] ["model.p.orders.v1","model.p.report"]
    test.p.unique_orders_v1_id.4f8f74f68f ["p","unique_orders_v1_id"] "unique_orders_v1_id" null null null "" [{"name":"orders","package":null,"version":1}] [] ["model.p.orders.v1"]
    test.p.unique_orders_v2_id.677958d3ed ["p","unique_orders_v2_id"] "unique_orders_v2_id" null null null "" [{"name":"orders","package":null,"version":2}] [] ["model.p.orders.v2"]
    test.p.unique_orders_v3_id.20b1fa3e76 ["p","unique_orders_v3_id"] "unique_orders_v3_id" null null null "" [{"name":"orders","package":null,"version":3}] [] ["model.p.orders.v3"]
    unit_test.p.orders.u_v1 1 {"include":null,"exclude":[3]} ["model.p.orders.v1"]
    unit_test.p.orders.u_v2 2 {"include":null,"exclude":[3]} ["model.p.orders.v2"]
    unit_test.p.orders.w_v1 1 null ["model.p.orders.v1"]
    unit_test.p.orders.w_v2 2 null ["model.p.orders.v2"]
    unit_test.p.orders.w_v3 3 null ["model.p.orders.v3"]
    "#);
    let first = &manifest["nodes"]["model.p.orders.v1"];
    assert_eq!(first["config"]["meta"], serde_json::json!({"x": 1, "y": 2}));
    assert_eq!(first["patch_path"], "p://models/s.yml");
    assert_eq!(first["primary_key"], serde_json::json!(["id"]));
}

#[test]
fn versions_are_selected_together_and_alone() {
    let project = project();
    let models = |words: &[&str]| {
        let arguments = [&["--resource-type", "model", "--output", "name", "--select"], words].concat();
        listed(&project, &arguments).replace('\n', " ")
    };
    assert_eq!(models(&["orders"]), "orders.v1 orders.v2 orders.v3");
    assert_eq!(models(&["orders.v2"]), "orders.v2");
    assert_eq!(models(&["orders_v1"]), "orders.v1");
    assert_eq!(models(&["orders_v1.sql"]), "orders.v1");
    assert_eq!(models(&["version:latest"]), "orders.v2");
    assert_eq!(models(&["version:old"]), "orders.v1");
    assert_eq!(models(&["version:prerelease"]), "orders.v3");
    assert_eq!(models(&["version:none"]), "e ee report");
    assert_eq!(models(&["orders.v1+"]), "orders.v1 report");
    let tests = listed(&project, &["--resource-type", "unit_test", "--select", "unit_test:u_v1", "orders.v3"]);
    assert_eq!(tests, "unit_test:p.u_v1\nunit_test:p.w_v3");
}

#[test]
fn versions_past_their_date_are_told() {
    let project = project();
    let run = project.ok(&["parse", "--now", "2024-05-01"]);
    assert_snapshot!(project.complaints(&run), @r"
    warning[upcoming-deprecation]: model `e` refers to version `3` of model `orders`, which will be deprecated on 2035-05-05T10:00:00+00:00
     --> models/e.sql:1:57
      |
    1 | {{ config(materialized='ephemeral') }} select * from {{ ref('orders', version='3') }}
      |                                                         ^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = hint: the latest version is `ref('orders', v=2)`
    warning[deprecated-model]: version `1` of model `orders` is past its deprecation date, 2024-01-01T00:00:00+00:00
     --> models/orders_v1.sql:1:1
      |
    1 | select 1 as id, 10 as total, 'a' as code
      | ^
    warning[deprecated-ref]: model `report` refers to version `1` of model `orders`, which was deprecated on 2024-01-01T00:00:00+00:00
     --> models/report.sql:1:65
      |
    1 | select o.id, o.total, p.code from {{ ref('orders') }} o join {{ ref('orders', v=1) }} p using (id)
      |                                                                 ^^^^^^^^^^^^^^^^^^
      |
      = hint: the latest version is `ref('orders', v=2)`
          Parsed 6 models, 12 tests, 5 unit tests, 1 exposures
    ");
    // Before the date there is only the announcement.
    let run = project.ok(&["parse", "--now", "2023-05-01"]);
    let text = project.complaints(&run);
    assert!(!text.contains("deprecated-model") && text.contains("warning[upcoming-deprecation]"), "{text}");
    project.run(&["parse", "--warn-error"]).expect_code(2);
}

#[test]
fn versions_that_are_wrong() {
    let case = |properties: &str, model: &str| {
        let project = Project::new(&[
            ("dbt_project.yml", PROJECT),
            ("models/orders_v1.sql", "select 1 as id"),
            ("models/orders_v2.sql", "select 1 as id"),
            ("models/m.sql", model),
            ("models/s.yml", properties),
        ]);
        let run = project.run(&["parse"]);
        format!("{:?}\n{}", run.code.unwrap(), project.complaints(&run))
    };
    let two = "models: [{name: orders, versions: [{v: 1}, {v: 2}]}]\n";
    assert_snapshot!(case(two, "select * from {{ ref('orders', v=3) }}"), @r"
    2
    error[unknown-version]: model `orders` has no version `3`
     --> models/m.sql:1:18
      |
    1 | select * from {{ ref('orders', v=3) }}
      |                  ^^^^^^^^^^^^^^^^^^
      |
      = note: its versions are `1`, `2`
    ");
    assert_snapshot!(case(two, "select * from {{ ref('m2', v=3) }}"), @r"
    2
    error[unknown-ref]: there is no model, seed or snapshot `m2`
     --> models/m.sql:1:18
      |
    1 | select * from {{ ref('m2', v=3) }}
      |                  ^^^^^^^^^^^^^^
      |
      = hint: did you mean `m`?
    ");
    assert_snapshot!(case("models: [{name: orders, versions: [{v: 1}, {v: 1}]}]\n", "select 1 as a"), @r"
    2
    error[bad-version]: model `orders` has the version `1` twice
     --> models/s.yml:1:48
      |
    1 | models: [{name: orders, versions: [{v: 1}, {v: 1}]}]
      |                                        -       ^ again here
      |                                        |
      |                                        first here
    ");
    assert_snapshot!(case("models: [{name: orders, latest_version: 5, versions: [{v: 1}, {v: 2}]}]\n", "select 1 as a"), @r"
    2
    error[bad-version]: `latest_version` of model `orders` is `5`, which is none of its versions
     --> models/s.yml:1:41
      |
    1 | models: [{name: orders, latest_version: 5, versions: [{v: 1}, {v: 2}]}]
      |                                         ^
      |
      = note: its versions are `1`, `2`
    ");
    assert_snapshot!(case("models: [{name: orders, versions: [{v: 1}, {v: 2}, {v: 9}]}]\n", "select * from {{ ref('orders') }}"), @r"
    2
    warning[unmatched-properties]: there is no file of version `9` of model `orders`
     --> models/s.yml:1:56
      |
    1 | models: [{name: orders, versions: [{v: 1}, {v: 2}, {v: 9}]}]
      |                                                        ^ described here
      |
      = hint: write it in `orders_v9.sql` or `orders.v9.sql` or `orders.sql`, or name another file with `defined_in`
    error[unknown-version]: the latest version of model `orders` is not there
     --> models/m.sql:1:18
      |
    1 | select * from {{ ref('orders') }}
      |                  ^^^^^^^^^^^^^
      |
      = note: its versions are `1`, `2`
    ");
    assert_snapshot!(case("models: [{name: orders, deprecation_date: soon}, {name: m, versions: [{v: 1, defined_in: orders_v1}]}]\n", "select 1 as a"), @r"
    2
    warning[unmatched-properties]: there is no model `orders`
     --> models/s.yml:1:17
      |
    1 | models: [{name: orders, deprecation_date: soon}, {name: m, versions: [{v: 1, defined_in: orders_v1}]}]
      |                 ^^^^^^ described here
    error[duplicate-node]: there are two models `m`
     --> models/m.sql:1:1
      |
    1 | select 1 as a
      | ^ again here
      |
     ::: models/orders_v1.sql:1:1
      |
    1 | select 1 as id
      | - first here
      |
      = note: they are in `models/orders_v1.sql` and `models/m.sql`
      = hint: rename one of the files; with `alias` the relation can keep its name
    ");
}

#[test]
fn versions_take_tests_and_configuration_of_the_model_as_under_dbt() {
    let properties = "models:
  - name: dim
    config: {pre_hook: 'select 1', post_hook: ['select 11'], tags: [a], meta: {n: {x: 1}, l: [1]}}
    columns: [{name: id, description: base, data_type: int, data_tests: [unique]}]
    versions:
      - {v: 1, columns: [{include: all}, {name: id, data_tests: [not_null]}]}
      - v: 2
        columns: [{name: id, description: x}]
        config: {pre-hook: 'select 2', post_hook: ['select 22'], tags: [b], meta: {n: {y: 2}, l: [2]}}
      - {v: 3, config: {tags: c}}
";
    let project = Project::new(&[
        ("dbt_project.yml", PROJECT),
        ("models/dim_v1.sql", "select 1 as id"),
        ("models/dim_v2.sql", "select 1 as id"),
        ("models/dim_v3.sql", "select 1 as id"),
        ("models/s.yml", properties),
    ]);
    assert_eq!(
        listed(&project, &["--resource-type", "test"]).replace('\n', " "),
        "p.not_null_dim_v1_id p.unique_dim_v1_id p.unique_dim_v2_id p.unique_dim_v3_id"
    );
    project.ok(&["parse"]);
    let manifest = manifest(&project);
    let told: Vec<String> = ["v1", "v2", "v3"]
        .into_iter()
        .map(|version| {
            let node = &manifest["nodes"][format!("model.p.dim.{version}")];
            let config = &node["config"];
            let sql = |key: &str| {
                let hooks = config[key].as_array().unwrap().iter();
                hooks.map(|hook| hook["sql"].as_str().unwrap()).collect::<Vec<_>>().join(", ")
            };
            let id = &node["columns"]["id"];
            format!(
                "{} | {} | {} | {} | {} {}",
                sql("pre-hook"),
                sql("post-hook"),
                node["tags"],
                config["meta"],
                id["description"],
                id["data_type"]
            )
        })
        .collect();
    // What dbt 1.12 has in its manifest for the same project.
    assert_snapshot!(told.join("\n"), @r#"
    select 1 | select 11 | ["a"] | {"n":{"x":1},"l":[1]} | "" null
    select 2 | select 22, select 11 | ["b","a"] | {"n":{"x":1,"y":2},"l":[2,1]} | "x" null
    select 1 | select 11 | ["c"] | {"n":{"x":1},"l":[1]} | "base" "int"
    "#);
}

#[test]
fn versions_have_the_keys_that_dbt_takes() {
    let project = Project::new(&[
        ("dbt_project.yml", PROJECT),
        ("models/dim_v1.sql", "select 1 as id"),
        ("models/s.yml", "models: [{name: dim, versions: [{v: 1, meta: {a: 1}}]}]\n"),
    ]);
    let parsed = project.run(&["parse"]).expect_code(2);
    assert_snapshot!(project.complaints(&parsed), @r"
    error[unknown-key]: version `1` of model `dim` has no key `meta`
     --> models/s.yml:1:40
      |
    1 | models: [{name: dim, versions: [{v: 1, meta: {a: 1}}]}]
      |                                        ^^^^
      |
      = hint: known are `v`, `defined_in`, `description`, `docs`, `access`, `config`, `columns`, `data_tests`, `tests`, `deprecation_date`, `constraints`
    ");
    project.write(
        "models/s.yml",
        "models: [{name: dim, versions: [{v: 1, columns: [{include: [id], exclude: [id]}]}]}]\n",
    );
    let parsed = project.run(&["parse"]).expect_code(2);
    assert_snapshot!(project.complaints(&parsed), @r"
    error[bad-version]: `exclude` beside a list of columns to `include` has nothing to leave out
     --> models/s.yml:1:76
      |
    1 | models: [{name: dim, versions: [{v: 1, columns: [{include: [id], exclude: [id]}]}]}]
      |                                                                            ^^
      |
      = hint: say `include: all` beside `exclude`, or leave the names out of `include`
    ");
}

#[test]
fn versions_that_failed_can_be_run_again_as_told() {
    let project = project();
    project.write("models/orders_v1.sql", "select cast(null as int) as id, 10 as total, 'a' as code");
    let failed = project.run(&["build", "--select", "orders", "--indirect-selection", "cautious"]).expect_code(1);
    failed.expect_message(&["karat build --select orders.v1+"]);
    assert!(listed(&project, &["--select", "orders.v1+"]).contains("p.orders.v1"));
    project.write(
        "models/orders_v1.sql",
        "{{ config(materialized='table') }} select 1 / (select count(*) from (select 1) where false) as id",
    );
    project.run(&["run", "--select", "orders"]).expect_code(1).expect_message(&["karat run --select orders.v1+"]);
}

/// A view of the latest version under a name without version, made and held back with it.
#[test]
fn versions_may_have_a_view_of_the_latest() {
    let properties = |extra: &str| {
        format!(
            "models:\n  - name: dim\n    latest_version: 2\n    config: {{materialized: table, latest_version_pointer: {{enabled: true{extra}}}}}\n    \
             versions: [{{v: 1}}, {{v: 2, columns: [{{include: all}}, {{name: id, data_tests: [unique]}}]}}]\n"
        )
    };
    let project = Project::new(&[
        ("dbt_project.yml", PROJECT),
        ("models/dim_v1.sql", "select 1 as id"),
        ("models/dim_v2.sql", "select 2 as id"),
        ("models/s.yml", &properties("")),
    ]);
    project.ok(&["build"]);
    assert_eq!(project.rows("select id from main.dim"), ["2"]);
    project.write("models/dim_v2.sql", "select 3 as id union all select 3");
    project.run(&["build"]).expect_code(1);
    assert_eq!(project.rows("select id from main.dim"), ["2"]);
    project.write("models/dim_v2.sql", "select 3 as id");
    project.write("models/s.yml", &properties(", alias: dimension"));
    project.ok(&["run", "--select", "dim"]);
    assert_eq!(project.rows("select id from main.dimension"), ["3"]);
    project.write("models/s.yml", &properties(", alias: [a]"));
    project.run(&["parse"]).expect_code(2).expect_message(&["latest_version_pointer"]);
}
