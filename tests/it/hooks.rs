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
    // Hooks are not among the results.
    assert_eq!(printed.len(), 6, "{}", run.stdout);
}

#[test]
fn hooks_of_the_end_see_what_was_built_and_no_hooks() {
    let config = "on-run-start: [\"select cast(v as int) from (values ('x')) as t(v)\", 'select 2']\n\
                  on-run-end: [\"{{ report(results) }}\", \"{{ report(results) }}{% do print(results | length ~ schemas | string) %}\"]\n";
    let ran = |config: &str| {
        let project = project(config, "select 1 as x");
        project.remove("models/gold/broken.sql");
        let late = "{{ config(schema='late', materialized='table') }} select 1 / (select count(*) - 1 from {{ ref('sums') }}) as x";
        project.write("models/other/late.sql", late);
        let run = project.run(&["run"]).expect_code(1);
        (run.stdout, project.run_results())
    };
    let (printed, _) = ran(&config.replace("'x'", "'7'"));
    assert!(printed.starts_with("sums success\nlate error\nsums success\nlate error\n2['gold']\n"), "{printed}");
    // Nothing is a result when a hook of the start has failed.
    let (printed, results) = ran(config);
    assert!(printed.starts_with("0[]\n"), "{printed}");
    let messages: Vec<Option<&str>> =
        results["results"].as_array().into_iter().flatten().map(|one| one["message"].as_str()).collect();
    assert_eq!(messages[1..4], [Some("shop.on-run-start.1 skipped"), None, None]);
}

#[test]
fn hooks_of_a_model_run_in_dbt_s_order_and_make_it_depend_on_what_they_read() {
    let project = Project::new(&[
        (
            "project.yml",
            "name: shop\nversion: '1.0'\non-run-start: create table if not exists gold.log (n int, said varchar)\n",
        ),
        (
            "models/gold/a_hooked.sql",
            "{{ config(materialized='table',\n\
             pre_hook=[\"insert into gold.log select 2, 'inside ' || x from {{ ref('z_read') }}\", before_begin(\"insert into gold.log values (1, 'outside')\")],\n\
             post_hook=[{'sql': \"insert into gold.log values (4, '{{ thread_id }}')\", 'transaction': false}, \"insert into gold.log values (3, 'then')\"]) }}\n\
             select 1 as id",
        ),
        ("models/gold/z_read.sql", "{{ config(materialized='table') }} select 'z' as x"),
        (
            "macros/order.sql",
            "{% macro order_of() %}{% for row in run_query('select said from gold.log order by n').rows %}{% do print(row[0]) %}{% endfor %}{% endmacro %}",
        ),
    ]);
    project.ok(&["run", "--threads", "1"]);
    assert_eq!(
        project.rows("select said from gold.log order by n"),
        ["outside", "inside z", "then", "Thread-1 (worker)"]
    );
    assert_eq!(project.ok(&["run-operation", "order_of"]).stdout.trim(), "outside\ninside z\nthen\nThread-1 (worker)");
    assert_eq!(project.ok(&["ls", "--select", "+a_hooked"]).stdout.lines().count(), 2);
    project.write(
        "models/gold/a_hooked.sql",
        "{{ config({'pre_hook': 'select 1', 'pre-hook': 'select 2'}) }} select 1 as id",
    );
    let run = project.run(&["run"]).expect_code(2);
    assert!(run.stderr.contains("`pre_hook` and `pre-hook` are one configuration, given twice"), "{}", run.stderr);
}

#[test]
fn a_hook_of_the_end_that_fails_keeps_the_next_ones_from_running() {
    let project = project(
        "on-run-start: [\"{{ prepare() }}\", \"insert into audit.log values (1)\"]\n\
         on-run-end: [\"insert into audit.log values (2)\", \"select 1 from audit.none\", \"insert into audit.log values (3)\"]\n",
        "{{ config(materialized='table') }} select 1 as x",
    );
    // What a macro makes while it runs is not known before.
    project.write(
        "macros/prepare.sql",
        "{% macro prepare() %}{% if execute %}{% do run_query('create table if not exists audit.log (n int)') %}{% endif %}{% endmacro %}",
    );
    project.run(&["run", "--select", "sums"]).expect_code(1);
    assert_eq!(project.rows("select n from audit.log order by n"), ["1", "2"]);
}
