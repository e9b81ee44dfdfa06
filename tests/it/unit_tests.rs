//! Unit tests through the real binary: formats of rows, overrides, differences, order in a build, selection, mistakes.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use insta::assert_snapshot;

use crate::support::Project;

const PROJECT: &str = "name: p\nversion: '1.0'\nconfig-version: 2\nvars: {rate: 1.0}\n";

const ORDERS: &str = "select * from (values (1, 'a', 10.0, date '2024-01-01'), (2, 'b', 20.0, date '2024-01-02')) as v(id, code, amount, day)";

const PRICED: &str = "select o.id, o.day, upper(o.code) as code, o.amount * r.rate * {{ var('rate') }} as total,\n  \
     {{ label() }} as label, '{{ env_var(\"SHOP\", \"none\") }}' as shop\nfrom {{ ref('orders') }} o join {{ ref('rates') }} r \
     on r.code = o.code";

const INCREMENTAL: &str = "{{ config(materialized='incremental', unique_key='id') }}\nselect id, code, day from {{ \
     ref('orders') }}\n{% if is_incremental() %} where day > (select max(day) from {{ this }}) {% endif %}";

/// A project of four models and a seed with these unit tests.
fn project(unit_tests: &str) -> Project {
    let tests = format!("unit_tests:\n{unit_tests}");
    Project::new(&[
        ("dbt_project.yml", PROJECT),
        ("seeds/rates.csv", "code,rate\na,1.5\nb,2.0\n"),
        ("models/orders.sql", ORDERS),
        ("models/priced.sql", PRICED),
        ("models/incremental.sql", INCREMENTAL),
        ("models/report.sql", "select sum(total) as total from {{ ref('priced') }}"),
        ("macros/label.sql", "{% macro label() %}'prod'{% endmacro %}"),
        ("tests/fixtures/rates_of_2.csv", "code,rate\na,2\n"),
        ("tests/fixtures/one_total.sql", "select 1 as id, 30.0 as total"),
        ("models/unit_tests.yml", &tests),
    ])
}

/// Status of each unit test of the last run by name.
fn verdicts(project: &Project) -> BTreeMap<String, String> {
    let results = project.run_results();
    let verdict = |result: &serde_json::Value| {
        let name = result["unique_id"].as_str().unwrap().strip_prefix("unit_test.")?.rsplit('.').next()?.to_owned();
        Some((name, result["status"].as_str().unwrap().to_owned()))
    };
    results["results"].as_array().unwrap().iter().filter_map(verdict).collect()
}

const GOOD: &str = "  - name: dict_rows
    model: priced
    given:
      - input: ref('orders')
        rows:
          - {id: 1, code: a, amount: 2, day: 2024-05-01}
          - {ID: 2, code: b, amount: 3}
      - input: ref('rates')
    expect:
      rows:
        - {id: 2, code: B, total: 6, day: null}
        - {code: A, id: 1, total: 3, day: 2024-05-01}
  - name: other_formats
    model: priced
    overrides:
      macros: {label: \"'test'\"}
      vars: {rate: 10}
      env_vars: {SHOP: north}
    given:
      - input: ref('orders')
        format: csv
        rows: |
          id,code,amount
          1,a,2
          2,,3
      - input: ref('rates')
        format: sql
        rows: select 'a' as code, {{ var('rate') }} as rate
    expect:
      format: csv
      rows: |
        id,total,label,shop,day
        1,200,test,north,
  - name: files
    model: priced
    config: {tags: [quick], meta: {owner: us}}
    given:
      - {input: ref('orders'), rows: [{id: 1, code: a, amount: 15}]}
      - {input: ref('rates'), format: csv, fixture: rates_of_2}
    expect: {format: csv, rows: \"id,total\\n1,30\\n\"}
  - name: incremental_form
    model: incremental
    overrides: {macros: {is_incremental: true}}
    given:
      - input: ref('orders')
        rows: [{id: 1, day: 2024-01-01}, {id: 2, day: 2024-01-05}]
      - input: this
        rows: [{id: 1, day: 2024-01-03}]
    expect: {rows: [{id: 2}]}
  - name: first_form
    model: incremental
    overrides: {macros: {is_incremental: false}}
    given: [{input: ref('orders'), rows: [{id: 1, day: 2024-01-01}, {id: 2}]}]
    expect: {rows: [{id: 2}, {id: 1}]}
  - name: no_rows
    model: priced
    given: [{input: ref('orders'), rows: []}, {input: ref('rates')}]
    expect: {rows: []}
";

#[test]
fn the_rows_of_a_unit_test_are_there_under_empty() {
    let project = Project::new(&[
        ("models/a.sql", "select 1 as x"),
        ("models/b.sql", "{{ config(materialized='table') }} select x + 1 as y from {{ ref('a') }}"),
        (
            "models/u.yml",
            "unit_tests: [{name: adds, model: b, given: [{input: ref('a'), rows: [{x: 1}]}], expect: {rows: [{y: 2}]}}]",
        ),
    ]);
    project.ok(&["build", "--empty"]);
    assert_eq!(project.rows("select count(*) as n from {{ ref('b') }}"), ["0"]);
}

#[test]
fn unit_tests_of_all_formats_pass_before_their_models_are_built() {
    let project = project(GOOD);
    let run = project.ok(&["build", "--threads", "1"]);
    let verdicts = verdicts(&project);
    assert_eq!(verdicts.len(), 6);
    assert!(verdicts.values().all(|status| status == "pass"), "{verdicts:?}");
    let place = |text: &str| run.stderr.find(text).unwrap_or_else(|| panic!("{text}: {}", run.stderr));
    for test in ["dict_rows", "other_formats", "files", "no_rows"] {
        assert!(place(&format!("priced::{test}")) < place("main.priced"), "{}", run.stderr);
    }
    assert!(place("main.orders") < place("priced::dict_rows"));
    // Nothing of the rows is in the warehouse, and the tests need nothing of their own model there.
    assert_eq!(project.rows("select count(*) from {{ ref('priced') }}"), ["2"]);
    project.ok(&["test"]);
    let counted = project.run_results()["results"].as_array().unwrap().len();
    assert_eq!(counted, 6);
    let manifest: serde_json::Value = serde_json::from_str(&project.read("target/manifest.json")).unwrap();
    let test = &manifest["unit_tests"]["unit_test.p.priced.files"];
    assert_eq!(test["depends_on"]["nodes"][0], "model.p.priced");
    assert_eq!(test["given"][1]["fixture"], "rates_of_2");
    assert_eq!(test["config"]["tags"][0], "quick");
    assert_eq!(test["fqn"].to_string(), r#"["p","priced","files"]"#);
    assert!(manifest["nodes"].as_object().unwrap().keys().all(|id| !id.starts_with("unit_test.")));
}

#[test]
fn unit_tests_are_selected_by_name_kind_tag_and_model() {
    let project = project(GOOD);
    let listed = |arguments: &[&str]| {
        let run = project.ok(&[&["ls"], arguments].concat());
        run.stdout.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(listed(&["--select", "unit_test:files"]), ["unit_test:p.files"]);
    assert_eq!(listed(&["--select", "tag:quick"]), ["unit_test:p.files"]);
    assert_eq!(listed(&["--select", "test_type:unit,incremental"]).len(), 2);
    assert_eq!(listed(&["--resource-type", "unit_test"]).len(), 6);
    assert_eq!(listed(&["--select", "incremental", "--exclude", "test_type:unit"]), ["p.incremental"]);
    project.ok(&["build", "--exclude-resource-type", "unit_test"]);
    assert!(verdicts(&project).is_empty());
    // Sources of their columns are there now; the tested model itself is not looked at.
    project.ok(&["test", "--select", "first_form"]);
    assert_eq!(verdicts(&project).len(), 1);
}

#[test]
fn a_unit_test_that_fails_keeps_its_model_and_what_is_made_from_it_from_being_built() {
    let project = project(
        "  - name: totals
    model: priced
    given:
      - {input: ref('orders'), rows: [{id: 1, code: a, amount: 2}, {id: 2, code: a, amount: 0}]}
      - {input: ref('rates'), format: csv, fixture: rates_of_2}
    expect:
      rows:
        - {id: 1, code: 'A ', total: 4}
        - {id: 9, code: null, total: 7}
",
    );
    let run = project.run(&["build", "--threads", "1"]).expect_code(1);
    let shown = run.stderr.split("error[unit-test-failed]").nth(1).unwrap();
    assert_snapshot!(shown.split("\n\n").next().unwrap().lines().filter(|line| !line.starts_with("20")).collect::<Vec<_>>().join("\n"), @r#"
    : unit test `priced::totals` failed
     --> models/unit_tests.yml:2:11
      |
    2 |   - name: totals
      |           ^^^^^^ actual differs from expected
      |
      = note: `---` is expected and missing, `+++` is there and not expected
      = note: `→` marks a row that differs: `expected→actual`
      | @@  | id  | code   | total |
      | --- | --- | ------ | ----- |
      | →   | 1   | "A "→A | 4.0   |
      | --- | 9   | NULL   | 7.0   |
      | +++ | 2   | A      | 0.0   |
    "#);
    let results = project.run_results();
    let result = |id: &str| {
        let all = results["results"].as_array().unwrap();
        all.iter().find(|result| result["unique_id"] == id).unwrap_or_else(|| panic!("{id}")).clone()
    };
    let test = result("unit_test.p.priced.totals");
    assert_eq!((test["status"].as_str(), test["failures"].as_u64()), (Some("fail"), Some(1)));
    assert!(test["message"].as_str().unwrap().contains("@@,id,code,total\n→,1,\"A \"→A,4.0\n"), "{test}");
    for id in ["model.p.priced", "model.p.report"] {
        assert_eq!(result(id)["status"], "skipped");
    }
    assert_eq!(result("model.p.orders")["status"], "success");
    project.run(&["test"]).expect_code(1);
}

#[test]
fn rows_that_are_equal_but_for_their_number_differ() {
    let project = project(
        "  - name: twice
    model: incremental
    overrides: {macros: {is_incremental: false}}
    given: [{input: ref('orders'), rows: [{id: 1}, {id: 1}]}]
    expect: {rows: [{id: 1}]}
  - name: columns_of_a_query_are_all_compared
    model: report
    given: [{input: ref('priced'), format: sql, rows: select 1.5 as total union all select 2}]
    expect: {format: sql, rows: select 3.5 as total}
",
    );
    project.run(&["build"]).expect_code(1);
    let verdicts = verdicts(&project);
    assert_eq!(verdicts["twice"], "fail");
    assert_eq!(verdicts["columns_of_a_query_are_all_compared"], "pass");
}

/// Mistakes, and what is told of them before anything runs.
#[test]
fn mistakes_in_unit_tests_are_told_with_their_place() {
    let given = "given: [{input: ref('orders'), rows: [{id: 1}]}]";
    let cases = [
        (
            "{name: x, model: nope, given: [], expect: {rows: []}}",
            "unknown-ref",
            "there is no model, seed or snapshot `nope`",
        ),
        ("{name: x, model: rates, given: [], expect: {rows: []}}", "bad-unit-test", "which is not a model"),
        ("{name: x, given: [], expect: {rows: []}}", "missing-key", "unit test `x` has no `model`"),
        (
            "{name: x, model: incremental, overrides: {macros: {is_incremental: false}}, given: []}",
            "missing-key",
            "unit test `x` has no `expect`",
        ),
        (
            "{name: x, model: incremental, overrides: {macros: {is_incremental: false}}, given: [], expect: {rows: []}}",
            "missing-input",
            "gives no rows for `ref('orders')`",
        ),
        (
            "{name: x, model: incremental, overrides: {macros: {is_incremental: false}}, given: [{input: ref('orders'), rows: [{idd: 1}]}], expect: {rows: []}}",
            "bad-fixture",
            "did you mean `id`?",
        ),
        (
            "{name: x, model: incremental, overrides: {macros: {is_incremental: false}}, given: [{input: orders, rows: []}], expect: {rows: []}}",
            "bad-unit-test",
            "write `ref('model')`, `source('source', 'table')` or `this`",
        ),
        (
            "{name: x, model: incremental, overrides: {macros: {is_incremental: false}}, given: [{input: ref('orders'), format: csv, fixture: rates_of_3}], expect: {rows: []}}",
            "bad-fixture",
            "did you mean `rates_of_2`?",
        ),
        (
            "{name: x, model: incremental, overrides: {macros: {is_incremental: false}}, given: [{input: ref('orders'), rows: text}], expect: {rows: []}}",
            "bad-fixture",
            "rows of the format `dict` must be a list",
        ),
        (
            "{name: x, model: incremental, overrides: {macros: {is_incremental: false}}, given: [{input: ref('orders'), format: xml, rows: text}], expect: {rows: []}}",
            "bad-value",
            "`format` can't be `xml`",
        ),
        (
            "{name: x, model: incremental, overrides: {macros: {is_incremental: false}}, given: [{input: ref('orders')}], expect: {rows: []}}",
            "bad-fixture",
            "only a seed brings its own",
        ),
    ];
    for (test, code, words) in cases {
        // What shows when the test is compiled fails the test alone, as under dbt.
        let compiles =
            ["gives no rows for `ref('orders')`", "did you mean `id`?", "only a seed brings its own"].contains(&words);
        let run = project(&format!("  - {test}\n")).run(&["build"]).expect_code(if compiles { 1 } else { 2 });
        assert!(run.stderr.contains(&format!("error[{code}]")) && run.stderr.contains(words), "{test}\n{}", run.stderr);
        assert!(run.stderr.contains("models/unit_tests.yml:2:"), "{test}\n{}", run.stderr);
    }
    let unknown = project(&format!(
        "  - {{name: x, model: incremental, overrides: {{macros: {{is_incremental: false}}}}, {given}, expect: {{rows: [{{nope: 1}}]}}}}\n"
    ));
    unknown.run(&["build"]).expect_code(1).expect_message(&["the result of `incremental` has no column `nope`"]);
    // A value of a wrong type shows when the test runs.
    let bad = project(&format!(
        "  - {{name: x, model: incremental, overrides: {{macros: {{is_incremental: false}}}}, {given}, expect: {{rows: [{{id: one}}]}}}}\n"
    ));
    bad.run(&["build"]).expect_code(1).expect_message(&["error[bad-fixture]", "the expected rows of unit test `x`"]);
    // It must not pass for a null that the model gives.
    let test = "{name: x, model: incremental, overrides: {macros: {is_incremental: false}}, given: [{input: ref('orders'), rows: [{id: null}]}], \
                expect: {format: sql, rows: \"select 'one' as id, null as code, null as day\"}}";
    let bad = project(&format!("  - {test}\n"));
    bad.run(&["build"]).expect_code(1).expect_message(&["error[bad-fixture]", "the expected rows of unit test `x`"]);
    // Columns of relations that are not built are not known.
    let test =
        "{name: x, model: report, given: [{input: ref('priced'), rows: [{total: 1}]}], expect: {rows: [{total: 1}]}}";
    let early = project(&format!("  - {test}\n"));
    early.run(&["test"]).expect_code(1).expect_message(&["error[not-built]", "--empty", "format: sql"]);
    early.ok(&["build", "--select", "+priced", "--empty"]);
    early.ok(&["test"]);
}

#[test]
fn a_unit_test_that_cannot_be_read_fails_alone() {
    let project = Project::new(&[
        ("dbt_project.yml", PROJECT),
        ("models/a.sql", "select 1 as id"),
        ("models/b.sql", "select id from {{ ref('a') }}"),
        ("models/c.sql", "select id from {{ ref('a') }}"),
        (
            "models/tests.yml",
            "\
unit_tests:
  - {name: no_column, model: b, given: [{input: ref('a'), rows: [{nope: 1}]}], expect: {rows: [{id: 1}]}}
  - {name: good, model: c, given: [{input: ref('a'), rows: [{id: 1}]}], expect: {rows: [{id: 1}]}}
",
        ),
    ]);
    project.run(&["build"]).expect_code(1).expect_message(&["models/tests.yml:2:", "`nope`"]);
    assert_eq!(
        verdicts(&project),
        BTreeMap::from([("good".into(), "pass".into()), ("no_column".into(), "error".into())])
    );
    let statuses = project.statuses();
    let models: Vec<&str> = ["a", "b", "c"].iter().map(|name| statuses[*name].as_str()).collect();
    assert_eq!(models, ["success", "skipped", "success"]);
}

#[test]
fn sources_ephemeral_models_and_types_of_all_kinds_are_inputs() {
    let types = "select 1 as i, 1.5 as d, true as b, 'x' as t, date '2024-01-01' as day, timestamp '2024-01-01 10:00:00' as at, \
                 cast('2024-01-01T10:00:00Z' as timestamptz) as zoned, make_array(1, 2) as items";
    let project = Project::new(&[
        ("dbt_project.yml", PROJECT),
        ("models/kinds.sql", types),
        ("models/short.sql", "{{ config(materialized='ephemeral') }} select * from {{ ref('kinds') }}"),
        ("models/tested.sql", "select k.*, s.i + e.n as n from {{ ref('kinds') }} k, {{ ref('short') }} s, {{ source('raw', 'events') }} e"),
        ("landing/events.csv", "n\n1\n"),
        (
            "models/models.yml",
            "\
sources:
  - {name: raw, tables: [{name: events, external: {location: landing/events.csv, format: csv}}]}
unit_tests:
  - name: kinds
    model: tested
    given:
      - input: ref('kinds')
        rows:
          - {i: 7, d: 2.25, b: false, t: \"it's\", day: 2024-02-29, at: 2024-02-29 01:02:03, zoned: '2024-02-29T01:02:03Z', items: [3, 4]}
          - {i: null}
      - {input: ref('short'), format: sql, rows: select 10 as i}
      - {input: \"source('raw', 'events')\", rows: [{n: 5}]}
    expect:
      rows:
        - {i: null, n: 15, items: null}
        - {i: 7, d: 2.25, b: false, t: \"it's\", day: 2024-02-29, at: '2024-02-29T01:02:03', zoned: '2024-02-29T02:02:03+01:00', items: '[3, 4]', n: 15}
",
        ),
    ]);
    project.ok(&["build"]);
    assert_eq!(verdicts(&project)["kinds"], "pass");
}

#[test]
fn a_unit_test_says_which_form_of_a_model_it_tests() {
    let test = |overrides: &str| {
        format!(
            "unit_tests:\n  - name: u\n    model: m\n    given: [{{input: \"ref('a')\", rows: [{{id: 1}}]}}]\n    \
             expect: {{rows: [{{id: 1}}]}}\n{overrides}"
        )
    };
    let project = Project::new(&[
        ("models/a.sql", "select 1 as id"),
        (
            "models/m.sql",
            "{{ config(materialized='incremental') }} select id from {{ ref('a') }}\n\
             {% if is_incremental() %}where id > (select max(id) from {{ this }}){% endif %}",
        ),
        ("models/u.yml", &test("")),
    ]);
    let run = project.run(&["parse"]).expect_code(2);
    let message = "the unit test `u` does not say which form of `m` it tests";
    assert!(run.stderr.contains(message) && run.stderr.contains("models/u.yml:2"), "{}", run.stderr);
    project.write("models/u.yml", &test("    overrides: {macros: {is_incremental: 'no'}}\n"));
    project.run(&["parse"]).expect_code(2);
    project.write("models/u.yml", &test("    overrides: {macros: {is_incremental: false}}\n"));
    project.ok(&["build"]);
    // One that never asks need not say it.
    project.write("models/m.sql", "select id from {{ ref('a') }} -- is_incremental\n");
    project.write("models/u.yml", &test(""));
    project.ok(&["build"]);
}
