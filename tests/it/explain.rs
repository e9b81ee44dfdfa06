//! `karat explain`, the reference page that is made of the same texts, and the way from an error to it.

#![expect(clippy::disallowed_methods, reason = "reads and writes a page of this repository")]

use std::path::Path;

use insta::assert_snapshot;
use karat::cli::explain::reference_page;
use serde_json::Value as Json;

use crate::support::Project;

#[test]
fn a_code_is_explained_without_a_project() {
    let project = Project::empty();
    assert_snapshot!(project.ok(&["explain", "unknown-ref"]).stdout, @r"
    unknown-ref: a `ref` names nothing

    Cause
      No enabled model, seed or snapshot of the project or its packages has this name. The name is that
      of the file, without folder and extension.

    Fix
      Correct the name, or add the model. A table from outside is read with `source`.

    Exit code 2.
    ");
    // As it may be copied from a message.
    let copied = project.ok(&["explain", "error[unknown-ref]:", "UNKNOWN_REF"]);
    assert_eq!(copied.stdout, project.ok(&["explain", "unknown-ref"]).stdout);
    assert_snapshot!(project.ok(&["explain", "unused-config", "--output", "markdown"]).stdout, @r"
    ### unused-config

    A configuration holds for nothing. A remark: the command goes on.

    **Cause.** A path below `models:`, `seeds:` or another tree of the project file names no package, folder or node. Without a leading `+` a key is the name of a folder.

    **Fix.** Correct the name, or write `+` before a configuration key.

    ```
    models:
      shop:
        gold:
          +materialized: table
    ```
    ");
    let printed = project.ok(&["explain", "cycle", "test-failed", "--output", "json"]).stdout;
    let documents: Vec<Json> = serde_json::from_str(&printed).unwrap();
    let codes: Vec<&str> = documents.iter().map(|document| document["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["cycle", "test-failed"]);
    assert_eq!(documents[1]["exit_codes"], serde_json::json!([1]));
    assert!(documents.iter().all(|document| ["title", "cause", "fix"].iter().all(|key| document[key].is_string())));
}

#[test]
fn all_codes_are_listed() {
    let project = Project::empty();
    let list = project.ok(&["explain"]).stdout;
    let documents: Vec<Json> = serde_json::from_str(&project.ok(&["explain", "--output", "json"]).stdout).unwrap();
    assert!(documents.len() > 100, "{}", documents.len());
    for document in &documents {
        let code = document["code"].as_str().unwrap();
        assert!(list.contains(&format!("  {code} ")), "`{code}` is not in\n{list}");
        let text = project.ok(&["explain", code]).stdout;
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    }
    assert_eq!(project.ok(&["explain", "--output", "markdown"]).stdout, reference_page());
}

#[test]
fn an_unknown_code_is_an_error_with_near_names() {
    let project = Project::empty();
    let run = project.run(&["explain", "unkown-column", "cycle", "yaml", "nothing-like-it"]).expect_code(2);
    assert_eq!(run.stdout, "");
    assert_snapshot!(project.redacted(&run.stderr), @r"
    error[unknown-code]: there is no diagnostic code `unkown-column`
     |
     = hint: did you mean `unknown-column`?
    error[unknown-code]: there is no diagnostic code `yaml`
     |
     = hint: codes with this word are `bad-yaml`, `duplicate-yaml-key`, `not-in-yaml`, `yaml-too-large`
    error[unknown-code]: there is no diagnostic code `nothing-like-it`
     |
     = hint: `karat explain` lists all codes
    ");
    project.run(&["explain", "cycle", "--output", "sql"]).expect_code(2);
}

#[test]
fn errors_point_to_their_explanation_once() {
    let files = [("models/a.sql", "select * from {{ ref('b') }}"), ("models/c.sql", "select {{ d() }} as f")];
    let project = Project::new(&files);
    let run = project.run(&["build"]).expect_code(2);
    let pointers = |text: &str| -> Vec<String> {
        text.lines().filter(|line| line.contains("karat explain ")).map(str::to_owned).collect()
    };
    assert_eq!(pointers(&run.stderr), ["To learn more: karat explain unknown-ref jinja-undefined"]);
    assert!(run.stderr.trim_end().ends_with("unknown-ref jinja-undefined"), "{}", run.stderr);
    // Who wants errors alone gets errors alone, and so does a program.
    assert_eq!(pointers(&project.run(&["build", "--quiet"]).stderr), [""; 0]);
    assert_eq!(pointers(&project.run(&["build", "--log-format", "json"]).stdout), [""; 0]);
    let run = project.run(&["build", "--vars", "x"]).expect_code(2);
    assert_eq!(pointers(&run.stderr), ["To learn more: karat explain invalid-argument"]);
    // What fails while it runs is pointed at above the verdict.
    let project = Project::new(&[(
        "models/a.sql",
        "{{ config(materialized='table') }}\nselect 1 / (n - 1) as x from (values (1)) as t(n)",
    )]);
    let run = project.run(&["build"]).expect_code(1);
    assert_eq!(pointers(&run.stderr), ["To learn more: karat explain division-by-zero"]);
    assert!(run.stderr.trim_end().lines().last().unwrap().contains("Finished build"), "{}", run.stderr);
    assert_eq!(pointers(&Project::new(&[("models/a.sql", "select 1 as x")]).ok(&["build"]).stderr), [""; 0]);
}

/// `KARAT_UPDATE=1` writes the page anew.
#[test]
fn the_reference_page_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/diagnostics.md");
    let page = reference_page();
    if std::env::var_os("KARAT_UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "docs/reference/diagnostics.md is out of date: run this test with KARAT_UPDATE=1");
}
