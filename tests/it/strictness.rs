//! Which warnings are errors: `--warn-error`, `--warn-error-options`, the variable and the project's flag.

use crate::support::Project;

/// A project with two warnings: properties of nothing, and a test that warns.
fn project(flags: &str) -> Project {
    Project::new(&[
        ("dbt_project.yml", &format!("name: p\nversion: '1.0'\n{flags}")),
        ("models/m.sql", "select 1 as id union all select 1"),
        (
            "models/s.yml",
            "models:\n  - {name: gone}\n  - {name: m, columns: [{name: id, data_tests: [{unique: {config: {severity: warn}}}]}]}\n",
        ),
    ])
}

#[test]
fn strictness_is_chosen_by_name() {
    let project = project("");
    let build = |options: &str| project.run(&["build", "--warn-error-options", options]);
    project.run(&["build"]).expect_code(0).expect_message(&["warning[unmatched-properties]", "WARN"]);
    build("{error: all}").expect_code(2).expect_message(&["warning[unmatched-properties]"]);
    build("{include: '*', exclude: [NoNodeForYamlKey, LogTestResult]}").expect_code(0);
    build("{error: [unmatched-properties]}").expect_code(2);
    build("{error: [LogTestResult]}").expect_code(1).expect_message(&["FAIL", "warnings are errors"]);
    build("{error: [test-warned], warn: [LogTestResult]}").expect_code(0);
    build("{error: [SomeEventOfDbt, Deprecations]}").expect_code(0);
    let run = build("{silence: [unmatched-properties]}").expect_code(0);
    assert!(!run.stderr.contains("unmatched-properties"), "{}", run.stderr);
    let args = &project.run_results()["args"]["warn_error_options"];
    assert_eq!(args.to_string(), r#"{"error":[],"warn":[],"silence":["unmatched-properties"]}"#);
}

#[test]
fn strictness_has_other_places() {
    let project = project("flags:\n  warn_error_options:\n    error: [NoNodeForYamlKey]\n");
    project.run(&["parse"]).expect_code(2);
    project.run(&["parse", "--warn-error-options", "{warn: []}"]).expect_code(0);
    project.run_with(&["parse"], &[("DBT_WARN_ERROR_OPTIONS", "{error: [LogTestResult]}")]).expect_code(0);
    project.run(&["parse", "--warn-error"]).expect_code(2);
}

#[test]
fn strictness_is_checked() {
    let project = project("");
    let parse = |options: &str| project.run(&["parse", "--warn-error-options", options]).expect_code(2);
    parse("{error: [unmatched-propertys]}").expect_message(&["did you mean `unmatched-properties`?"]);
    parse("{errors: all}").expect_message(&["`error`, `warn` and `silence`"]);
    parse("all").expect_message(&["a YAML mapping"]);
    let both = ["parse", "--warn-error", "--warn-error-options", "{error: all}"];
    project.run(&both).expect_code(2).expect_message(&["cannot be combined"]);
}
