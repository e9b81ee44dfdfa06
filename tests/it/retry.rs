//! `karat retry` through the real binary: what it does again, with which flags, and what it says when there is nothing.

use crate::support::Project;

const RISKY: &str = "{{ config(materialized='table') }} select 1 / (select count(*) from {{ ref('good') }} where x = {{ var('x', 0) }}) as y";

fn project() -> Project {
    Project::new(&[
        ("dbt_project.yml", "name: p\nversion: '1.0'\nconfig-version: 2\n"),
        ("models/good.sql", "{{ config(materialized='table') }} select 1 as x"),
        ("models/risky.sql", RISKY),
        ("models/after.sql", "select y from {{ ref('risky') }}"),
        ("models/beside.sql", "select x from {{ ref('good') }}"),
        ("models/models.yml", "models:\n  - {name: beside, columns: [{name: x, data_tests: [not_null]}]}\n"),
    ])
}

fn statuses(project: &Project) -> Vec<String> {
    project.statuses().into_iter().map(|(id, status)| format!("{id} {status}")).collect()
}

#[test]
fn retry_does_again_what_failed_and_what_waited_for_it() {
    let project = project();
    project.run(&["run", "--threads", "1"]).expect_code(1);
    // The same flags, the same failure, and nothing that went well.
    project.run(&["retry"]).expect_code(1);
    assert_eq!(statuses(&project), ["after skipped", "risky error"]);
    // A flag of the retry stands for that of the command; a retry can be retried.
    let run = project.ok(&["retry", "--vars", "{x: 1}"]);
    assert!(run.stderr.contains("2 nodes of the last `karat run`"), "{}", run.stderr);
    assert_eq!(statuses(&project), ["after success", "risky success"]);
    assert_eq!(project.rows("select y from {{ ref('after') }}"), ["1"]);
    let entries = project.entries("dev").len();
    let run = project.ok(&["retry"]);
    assert!(run.stderr.contains("nothing to retry"), "{}", run.stderr);
    assert_eq!(project.entries("dev").len(), entries);
}

#[test]
fn retry_keeps_to_the_selection_and_flags_of_the_command() {
    let project = project();
    let (select, vars) = (["build", "--select", "risky", "good"], ["--vars", "{x: 2}"]);
    project.run(&[&select[..], &vars[..]].concat()).expect_code(1);
    project.write("models/risky.sql", "select {{ var('x', 0) }} as y");
    project.ok(&["retry"]);
    assert_eq!(statuses(&project), ["risky success"]);
    assert_eq!(project.rows("select y from {{ ref('risky') }}"), ["2"]);
}

#[test]
fn retry_of_a_build_makes_again_what_a_test_held_back_and_tests_it() {
    let project = project();
    project.write("models/risky.sql", "select 1 as y");
    project.write("models/beside.sql", "select cast(null as int) as x from {{ ref('good') }}");
    project.run(&["build"]).expect_code(1);
    project.write("models/beside.sql", "select x from {{ ref('good') }}");
    project.ok(&["retry"]);
    let done = statuses(&project);
    assert_eq!(done.len(), 2, "{done:?}");
    assert_eq!(done[0], "beside success");
    assert!(done[1].starts_with("not_null_beside_x") && done[1].ends_with("pass"), "{done:?}");
    assert_eq!(project.rows("select x from {{ ref('beside') }}"), ["1"]);
}

#[test]
fn retry_goes_by_the_results_whatever_the_selection_selects_now() {
    let project = project();
    project.write("models/risky.sql", &RISKY.replace("config(", "config(tags='nightly', "));
    project.run(&["run", "--select", "tag:nightly+", "good"]).expect_code(1);
    // The fix takes away what selected the node.
    project.write("models/risky.sql", "select 2 as y");
    project.ok(&["retry"]);
    assert_eq!(statuses(&project), ["after success", "risky success"]);

    // What is gone cannot be done again, and nothing is.
    project.write("models/risky.sql", RISKY);
    project.write("models/beside.sql", &RISKY.replace("as y", "as x"));
    project.run(&["run"]).expect_code(1);
    let entries = project.entries("dev").len();
    project.remove("models/after.sql");
    project.run(&["retry"]).expect_code(2).expect_message(&["error[not-retriable]", "`model.p.after`"]);
    assert_eq!(project.entries("dev").len(), entries);
}

#[test]
fn retry_of_a_build_runs_the_tests_that_were_part_of_it_alone() {
    let project = project();
    project.write("models/models.yml", "models:\n  - {name: risky, columns: [{name: y, data_tests: [not_null]}]}\n");
    project.run(&["build", "--exclude-resource-type", "test"]).expect_code(1);
    project.write("models/risky.sql", "select 2 as y");
    project.ok(&["retry"]);
    assert_eq!(statuses(&project), ["after success", "risky success"]);
}

#[test]
fn retry_stays_in_the_target_of_the_command() {
    let project = project();
    project.write(
        "profiles.yml",
        "p: {target: dev, outputs: {dev: {type: karat, schema: main}, ci: {type: karat, schema: ci}}}",
    );
    project.run(&["run", "--target", "ci"]).expect_code(1);
    project
        .run(&["retry", "--target", "dev"])
        .expect_code(2)
        .expect_message(&["error[invalid-argument]", "`--target`"]);
    project.ok(&["retry", "--target", "ci", "--vars", "{x: 1}"]);
    assert!(project.entries("dev").is_empty());
}

#[test]
fn retry_says_what_it_misses() {
    let project = project();
    project.run(&["retry"]).expect_code(2).expect_message(&["error[nothing-to-retry]", "run_results.json"]);
    project.write("target/run_results.json", "{\"results\": []}");
    project.run(&["retry"]).expect_code(2).expect_message(&["error[nothing-to-retry]", "which command"]);
    project.write("target/run_results.json", "no JSON");
    project.run(&["retry"]).expect_code(2).expect_message(&["error[nothing-to-retry]"]);
}
