//! Groups and access through the real binary: who may refer to whom, selection, artifacts.

use insta::assert_snapshot;
use serde_json::{Value as Json, json};

use crate::support::Project;

const GROUPS: &str = "groups:
  - name: sales
    owner: {name: Ann, email: ann@example.com}
    description: All sales
    config: {meta: {cost: 1}}
  - name: stock
    owner: {email: stock@example.com}
";

fn project(models: &str) -> Project {
    let properties = format!("{GROUPS}{models}");
    Project::new(&[
        ("dbt_project.yml", "name: p\nversion: '1.0'\nmodels: {p: {sales: {+group: sales, +access: private}}}\n"),
        ("models/sales/raw.sql", "select 1 as id"),
        ("models/sales/inner.sql", "select * from {{ ref('raw') }}"),
        ("models/sales/outer.sql", "{{ config(access='public') }} select * from {{ ref('inner') }}"),
        ("models/other.sql", "select * from {{ ref('outer') }}"),
        ("models/s.yml", &properties),
    ])
}

#[test]
fn groups_are_selected_and_in_the_manifest() {
    let project = project("models: [{name: raw, columns: [{name: id, data_tests: [not_null]}]}]\n");
    project.ok(&["build"]);
    let manifest: Json = serde_json::from_str(&project.read("target/manifest.json")).unwrap();
    assert_eq!(
        manifest["groups"]["group.p.sales"],
        json!({
            "name": "sales", "resource_type": "group", "package_name": "p", "path": "s.yml",
            "original_file_path": "models/s.yml", "unique_id": "group.p.sales",
            "owner": {"email": "ann@example.com", "name": "Ann"}, "description": "All sales",
            "config": {"meta": {"cost": 1}},
        })
    );
    let members = &manifest["group_map"]["sales"];
    assert_eq!(manifest["group_map"]["stock"], json!([]));
    assert_eq!(members.as_array().unwrap().len(), 4, "{members}");
    assert_eq!(manifest["nodes"]["model.p.outer"]["access"], "public");
    assert_eq!(manifest["nodes"]["model.p.raw"]["access"], "private");
    assert_eq!(manifest["nodes"]["model.p.raw"]["config"]["group"], "sales");
    let ls = |words: &[&str]| {
        let arguments =
            [&["ls", "--quiet", "--resource-type", "model", "--output", "name", "--select"], words].concat();
        project.ok(&arguments).stdout.trim_end().replace('\n', " ")
    };
    assert_eq!(ls(&["group:sales"]), "inner outer raw");
    let tests = project.ok(&["ls", "--quiet", "--select", "group:sales", "--resource-type", "test"]).stdout;
    assert_eq!(tests, "p.not_null_raw_id\n");
    assert_eq!(ls(&["access:private"]), "inner raw");
    assert_eq!(ls(&["access:protected"]), "other");
    // A question from outside of all nodes may look at anything.
    assert_eq!(project.rows("select * from {{ ref('raw') }}"), ["1"]);
}

#[test]
fn groups_keep_what_is_private_to_themselves() {
    let project = project("models: [{name: other, access: private, group: stock}]\n");
    project.ok(&["parse"]);
    project.write("models/other.sql", "select * from {{ ref('inner') }}");
    let run = project.run(&["parse"]).expect_code(2);
    assert_snapshot!(project.complaints(&run), @r"
    error[private-ref]: model `other` may not refer to model `inner`, which is private to the group `sales`
     --> models/other.sql:1:18
      |
    1 | select * from {{ ref('inner') }}
      |                  ^^^^^^^^^^^^
      |
      = hint: refer to a public model of the group, or make both of one group
    ");
    project.write("models/other.sql", "{{ config(group='sales') }} select * from {{ ref('inner') }}");
    project.ok(&["parse"]);
    project.write("tests/t.sql", "select * from {{ ref('raw') }} where false");
    let run = project.run(&["parse"]).expect_code(2);
    assert_snapshot!(project.complaints(&run), @r"
    error[private-ref]: test `t` may not refer to model `raw`, which is private to the group `sales`
     --> tests/t.sql:1:18
      |
    1 | select * from {{ ref('raw') }} where false
      |                  ^^^^^^^^^^
      |
      = hint: refer to a public model of the group, or make both of one group
    ");
    project.write("tests/t.sql", "{{ config(group='sales') }} select * from {{ ref('raw') }} where false");
    project.ok(&["parse"]);
}

#[test]
fn groups_and_access_that_are_wrong() {
    let models = "models:
  - {name: other, group: sails}
  - {name: raw, access: secret}
  - {name: inner, access: protected, config: {access: private}}
  - {name: outer, config: {materialized: ephemeral}}
";
    let project = project(models);
    let run = project.run(&["parse"]).expect_code(2);
    assert_snapshot!(project.complaints(&run), @r"
    error[bad-config]: `access` is set twice: in `config` and beside it
      --> models/s.yml:11:19
       |
    11 |   - {name: inner, access: protected, config: {access: private}}
       |                   ^^^^^^ beside it            ------ in `config`
       |
       = hint: keep the one in `config`
    error[bad-value]: `access` can't be `secret`
      --> models/s.yml:10:25
       |
    10 |   - {name: raw, access: secret}
       |                         ^^^^^^
       |
       = note: it can be `private`, `protected`, `public`
    error[unknown-group]: model `other` is in the group `sails`, which there is not
     --> models/other.sql:1:1
      |
    1 | select * from {{ ref('outer') }}
      | ^
      |
      = hint: did you mean `sales`?
    error[bad-config]: model `outer` is ephemeral and public, but nobody outside could read it
     --> models/sales/outer.sql:1:1
      |
    1 | {{ config(access='public') }} select * from {{ ref('inner') }}
      | ^
      |
      = hint: make it a view or a table, or take `access: public` away
    ");
    project.write("models/s.yml", "groups: [{name: sales}, {name: stock, owner: {slack: x}}]\n");
    let run = project.run(&["parse"]).expect_code(2);
    assert_snapshot!(project.complaints(&run), @r"
    error[missing-key]: group `sales` has no owner
     --> models/s.yml:1:17
      |
    1 | groups: [{name: sales}, {name: stock, owner: {slack: x}}]
      |                 ^^^^^
      |
      = hint: say who owns it: `owner: {name: ...}` or `owner: {email: ...}`
    error[missing-key]: group `stock` has no owner
     --> models/s.yml:1:46
      |
    1 | groups: [{name: sales}, {name: stock, owner: {slack: x}}]
      |                                              ^
      |
      = hint: say who owns it: `owner: {name: ...}` or `owner: {email: ...}`
    error[unknown-group]: model `inner` is in the group `sales`, which there is not
     --> models/sales/inner.sql:1:1
      |
    1 | select * from {{ ref('raw') }}
      | ^
      |
      = hint: describe it below `groups:` in a properties file, with its `name` and `owner`
    error[unknown-group]: model `outer` is in the group `sales`, which there is not
     --> models/sales/outer.sql:1:1
      |
    1 | {{ config(access='public') }} select * from {{ ref('inner') }}
      | ^
      |
      = hint: describe it below `groups:` in a properties file, with its `name` and `owner`
    error[unknown-group]: model `raw` is in the group `sales`, which there is not
     --> models/sales/raw.sql:1:1
      |
    1 | select 1 as id
      | ^
      |
      = hint: describe it below `groups:` in a properties file, with its `name` and `owner`
    ");
}

#[test]
fn groups_of_packages_may_keep_to_themselves() {
    let project = Project::new(&[
        ("dbt_project.yml", "name: p\nversion: '1.0'\n"),
        ("packages.yml", "packages: [{local: base}]\n"),
        ("base/dbt_project.yml", "name: base\nversion: '1.0'\nrestrict-access: true\n"),
        ("base/models/inner.sql", "select 1 as id"),
        ("base/models/door.sql", "{{ config(access='public') }} select * from {{ ref('inner') }}"),
        ("models/m.sql", "select * from {{ ref('base', 'door') }}"),
    ]);
    project.ok(&["deps"]);
    project.ok(&["parse"]);
    project.write("models/m.sql", "select * from {{ ref('base', 'inner') }}");
    let run = project.run(&["parse"]).expect_code(2);
    assert_snapshot!(project.complaints(&run), @r"
    error[protected-ref]: model `m` may not refer to model `inner`, which is protected in the package `base`
     --> models/m.sql:1:18
      |
    1 | select * from {{ ref('base', 'inner') }}
      |                  ^^^^^^^^^^^^^^^^^^^^
      |
      = hint: refer to a public model of the package
    ");
    project.write("base/dbt_project.yml", "name: base\nversion: '1.0'\n");
    project.ok(&["deps"]);
    project.ok(&["parse"]);
}
