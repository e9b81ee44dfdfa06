//! What is wrong with one node stops that node and what is made from it, and nothing else, as under dbt.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use crate::support::Project;

const PROJECT: (&str, &str) = ("dbt_project.yml", "name: p\nversion: '1.0'\n");

/// Name and status of each result, sorted.
fn statuses(project: &Project) -> String {
    let results = project.run_results();
    let of = |result: &serde_json::Value| {
        let id = result["unique_id"].as_str().unwrap();
        format!("{}:{}", id.split('.').nth(2).unwrap(), result["status"].as_str().unwrap())
    };
    let mut all: Vec<String> = results["results"].as_array().unwrap().iter().map(of).collect();
    all.sort();
    all.join(" ")
}

/// A project of two good models, and what a case adds.
fn with(files: &[(&str, &str)]) -> Project {
    let good = [PROJECT, ("models/a.sql", "select 1 as id"), ("models/b.sql", "select * from {{ ref('a') }}")];
    Project::new(&[&good, files].concat())
}

/// A fault that only the run of one node meets: `ls` and `parse` go on, `build` ends with 1, and the fault is told
/// before the others are built.
#[track_caller]
fn fails_alone(files: &[(&str, &str)], told: &str, expected: &str) {
    let project = with(files);
    project.ok(&["parse"]);
    project.ok(&["ls"]);
    let run = project.run(&["build"]).expect_code(1).expect_message(&[told]);
    let place = |text: &str| run.stderr.find(text).unwrap_or_else(|| panic!("`{text}` is not in\n{}", run.stderr));
    assert!(place(told) < place("main.a"), "{}", run.stderr);
    assert_eq!(run.stderr.lines().filter(|line| line.starts_with("error[")).count(), 1, "{}", run.stderr);
    assert_eq!(statuses(&project), expected);
}

#[test]
fn a_template_that_cannot_be_executed_stops_its_node() {
    let child = ("models/y.sql", "select * from {{ ref('x') }}");
    fails_alone(
        &[("models/x.sql", "select {{ nomac() }} as id from {{ ref('a') }}"), child],
        "`nomac` is undefined",
        "a:success b:success x:error y:skipped",
    );
    fails_alone(
        &[("models/x.sql", "select '{{ var('QQ') }}' as id"), child],
        "the variable `QQ` is not set",
        "a:success b:success x:error y:skipped",
    );
    fails_alone(
        &[("models/x.sql", "{{ config(pre_hook='select {{ nomac() }}') }}select 1 as id"), child],
        "`nomac` is undefined",
        "a:success b:success x:error y:skipped",
    );
    fails_alone(
        &[("models/x.sql", "{{ config(materialized='ephemeral') }}select {{ nomac() }} as id"), child],
        "`nomac` is undefined",
        "a:success b:success y:skipped",
    );
    fails_alone(
        &[("models/x.sql", "{% if execute %}{{ exceptions.raise_compiler_error('bo') }}{% endif %}select 1 as id")],
        "bo",
        "a:success b:success x:error",
    );
    // What the template asks for behind the mistake is known all the same.
    let project = with(&[("models/x.sql", "select {{ nomac() }} as id from {{ ref('a') }}")]);
    assert_eq!(project.ok(&["ls", "-s", "+x"]).stdout, "p.a\np.x\n");
    // In a macro it is an error while parsing, as under dbt; so is a missing parent of a model or of a hook.
    for files in [
        &[("macros/m.sql", "{% macro m() %}{{ nomac() }}{% endmacro %}"), ("models/x.sql", "select {{ m() }}")][..],
        &[("models/x.sql", "select * from {{ ref('zz') }}")],
        &[("models/x.sql", "{{ config(post_hook=\"select 1 from {{ ref('zz') }}\") }}select 1 as id")],
    ] {
        with(files).run(&["ls"]).expect_code(2);
    }
    // Without its value a template may be right once it is executed.
    let asks = "{% if execute %}{% set found = run_query('select 7 as n') %}{% endif %}select {{ found.columns[0].values()[0] }} as n";
    let project = with(&[("models/x.sql", asks)]);
    project.ok(&["build"]);
    assert_eq!(project.text("select n from main.x"), "7");
}

#[test]
fn a_hook_of_the_run_stops_the_run() {
    for hook in ["on-run-start", "on-run-end"] {
        for (text, told) in [("{{ nomac() }}", "`nomac` is undefined"), ("{{ var('QQ') }}", "`QQ` is not set")] {
            let project =
                with(&[("dbt_project.yml", &format!("name: p\nversion: '1.0'\n{hook}: \"select {text}\"\n"))]);
            project.ok(&["ls"]);
            project.run(&["run"]).expect_code(2).expect_message(&[told, "dbt_project.yml:3:"]);
            assert!(project.files().is_empty());
        }
        let file = format!("name: p\nversion: '1.0'\n{hook}: \"select 1 from {{{{ ref('zz') }}}}\"\n");
        with(&[("dbt_project.yml", &file)]).run(&["ls"]).expect_code(2);
    }
}

#[test]
fn a_configuration_that_cannot_be_stops_its_node() {
    let snapshot = |config: &str| {
        format!("{{% snapshot s %}}{{{{ config(unique_key='id', {config}) }}}} select 1 as id{{% endsnapshot %}}")
    };
    let deletes = snapshot("strategy='check', check_cols='all', hard_deletes='x'");
    fails_alone(&[("snapshots/s.sql", &deletes)], "`hard_deletes` can't be `x`", "a:success b:success s:error");
    let strategy = snapshot("strategy='nope', check_cols='all'");
    fails_alone(&[("snapshots/s.sql", &strategy)], "`strategy` can't be `nope`", "a:success b:success s:error");
    fails_alone(
        &[("models/x.sql", "{{ config(materialized='nope') }} select 1 as id")],
        "`materialized` can't be `nope`",
        "a:success b:success x:error",
    );
    let project = with(&[("snapshots/s.sql", &deletes)]);
    project.ok(&["run"]);
    project.ok(&["compile"]);
}

#[test]
fn tests_that_cannot_be_run_fail_alone() {
    let yaml = "models: [{name: a, columns: [{name: id, data_tests: [nopetest]}]}]";
    fails_alone(
        &[("models/s.yml", yaml)],
        "there is no generic test `nopetest`",
        "a:success b:skipped nopetest_a_id:error",
    );
    let project = with(&[("models/s.yml", yaml)]);
    project.ok(&["run"]);
    project.run(&["compile"]).expect_code(2).expect_message(&["there is no generic test `nopetest`"]);
    fails_alone(
        &[(
            "models/s.yml",
            "unit_tests: [{name: u, model: b, given: [{input: ref('zz'), rows: []}], expect: {rows: []}}]",
        )],
        "there is no model, seed or snapshot `zz`",
        "a:success b:error b:skipped",
    );
}

/// A test that reads what is not there is no test.
#[test]
fn tests_of_what_is_not_there_are_left_out() {
    for (test, told) in [
        ("select * from {{ ref('zz') }}", "there is no model, seed or snapshot `zz`"),
        ("select * from {{ source('zz', 't') }}", "there is no source `zz`"),
        ("select * from {{ ref('a', v=3) }}", "has no versions"),
    ] {
        let project = with(&[("tests/q.sql", test)]);
        let run = project.ok(&["build"]);
        run.expect_message(&["warning[unknown-", told, "tests/q.sql:1:"]);
        assert_eq!(statuses(&project), "a:success b:success");
        assert_eq!(project.ok(&["ls"]).stdout, "p.a\np.b\n");
        project.run(&["build", "--warn-error"]).expect_code(2);
    }
    let yaml = "models: [{name: a, columns: [{name: id, data_tests: [{relationships: {to: ref('zz'), field: id}}]}]}]";
    with(&[("models/s.yml", yaml)])
        .ok(&["build"])
        .expect_message(&["the test `relationships_a_id__id__ref_zz_` is left out"]);
}

/// Other tools have other words in `external`: whoever reads the table is told.
#[test]
fn files_of_a_source_are_looked_at_by_who_reads_it() {
    let yaml =
        "sources: [{name: so, tables: [{name: c, external: {location: '@stage/x', file_format: '(type = csv)'}}]}]";
    let project = with(&[("models/s.yml", yaml)]);
    project.ok(&["build"]);
    fails_alone(
        &[("models/s.yml", yaml), ("models/x.sql", "select * from {{ source('so', 'c') }}")],
        "source table `so.c` has no `format`",
        "a:success b:success x:error",
    );
    // What a hook has made in its place can be read.
    let project = with(&[
        ("models/s.yml", yaml),
        ("macros/m.sql", "{% macro stage() %}{% do run_query('create table so.c as select 1 as id') %}{% endmacro %}"),
        ("models/x.sql", "select * from {{ source('so', 'c') }}"),
    ]);
    project.ok(&["run-operation", "stage"]);
    project.ok(&["build"]);
}

#[test]
fn a_seed_that_cannot_be_read_stops_no_other() {
    fails_alone(
        &[
            ("seeds/q.csv", "a\nx\n"),
            ("seeds/r.csv", "a\n1\n"),
            ("models/s.yml", "seeds: [{name: q, config: {column_types: {a: integer}}}]"),
            ("models/x.sql", "select * from {{ ref('q') }}"),
        ],
        "`x` is not a valid integer",
        "a:success b:success q:error r:success x:skipped",
    );
    // What is said of a column that the file has not is no fault.
    let project = with(&[
        ("seeds/q.csv", "zip\n1\n"),
        ("models/s.yml", "seeds: [{name: q, config: {column_types: {zipp: integer}}}]"),
    ]);
    project.ok(&["build"]).expect_message(&[
        "warning[unknown-config]",
        "names the column `zipp`",
        "did you mean `zip`?",
    ]);
}

/// What dbt refuses while it reads a project is refused.
#[test]
fn what_dbt_refuses_is_refused() {
    for (file, text, told) in [
        ("selectors.yml", "selectors: [{name: q, definition: {method: nope, value: x}}]", "nope"),
        ("selectors.yml", "selectors: [{name: q, definition: {uni: []}}]", "uni"),
        ("models/s.yml", "exposures: [{name: e, type: dashboard}]", "has no `owner`"),
        (
            "models/s.yml",
            "models: [{name: a, columns: [{name: id, tests: [unique], data_tests: [not_null]}]}]",
            "`data_tests` and `tests` are one list under two names",
        ),
        (
            "models/s.yml",
            "models: [{name: a, config: {enabled: \"{{ 'true' | as_bool }}\"}}]",
            "neither true nor false",
        ),
    ] {
        for verb in ["ls", "build"] {
            with(&[(file, text)]).run(&[verb]).expect_code(2).expect_message(&[told, file]);
        }
    }
    // A selector that compares with a state is one, though there is no state now.
    let state = "selectors: [{name: q, definition: {method: state, value: modified}}]";
    with(&[("selectors.yml", state)]).ok(&["build"]);
}
