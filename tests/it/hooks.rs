//! Hooks: when they run, what they see, what a failing one does.

use crate::support::Project;

fn project(extra: &str, model: &str) -> Project {
    let config = format!("name: shop\nversion: '1.0'\n{extra}");
    Project::new(&[
        ("project.yml", config.as_str()),
        ("models/gold/sums.sql", model),
        ("models/gold/broken.sql", "select 1 / (select count(*) - 1 from {{ ref('sums') }}) as x"),
        (
            "macros/report.sql",
            "{% macro report(results) %}{% for r in results %}{% do print(r.node.name ~ ' ' ~ r.status) %}{% endfor %}{% endmacro %}",
        ),
    ])
}

#[test]
fn hooks_run_around_nodes_and_runs() {
    let project = project(
        "on-run-start: [\"{% do print('start') %}\"]\non-run-end:\n  - \"{{ report(results) }}\"\n  - \"{% do print(schemas | join(',')) %}\"\n",
        "{{ config(materialized='table', pre_hook=\"{% do print('before ' ~ this.identifier) %}\", \
         post_hook=\"{% do print('after') %}\") }}\nselect 1 as x",
    );
    let run = project.run(&["run"]);
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    let printed: Vec<&str> = run.stdout.lines().filter(|line| !line.starts_with("Done.")).collect();
    // The model that fails has ended as well when the hooks of the end run.
    assert_eq!(printed[..3], ["start", "before sums", "after"], "{}", run.stdout);
    assert!(printed.contains(&"sums success") && printed.contains(&"broken error"), "{}", run.stdout);
    assert_eq!(printed.last(), Some(&"gold"), "{}", run.stdout);
}

#[test]
fn a_failing_hook_fails_its_node_and_publishes_nothing_of_it() {
    let project =
        project("", "{{ config(materialized='table', post_hook=\"delete from {{ this }}\") }}\nselect 1 as x");
    let run = project.run(&["run", "--select", "sums"]);
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert!(run.stderr.contains("not-a-query"), "{}", run.stderr);
    assert!(project.entries("dev").is_empty(), "nothing was published");
}
