//! What fails although the project is right: a damaged warehouse, places that cannot be written, a full disk. Exit code
//! 3, with the path, what was found there and what to do; what is published stays as it is.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "damages files")]

use std::fs;
use std::path::PathBuf;

use insta::assert_snapshot;

use crate::errors_complete::tree;
use crate::support::{Project, Run};

/// A project with a merged table, built, of which only that table is built again.
fn built() -> Project {
    let project = Project::new(&[
        ("seeds/codes.csv", "id,name\n1,a\n2,b\n"),
        (
            "models/gold/merged.sql",
            "{{ config(materialized='incremental', incremental_strategy='merge', unique_key='id') }}\nselect id, name from {{ ref('codes') }}\n",
        ),
    ]);
    project.ok(&["build"]);
    project
}

/// The only file below a folder of the warehouse with an extension.
fn only(project: &Project, folder: &str, extension: &str) -> PathBuf {
    let files = project.files_below(&format!("warehouse/{folder}"));
    let path = files.keys().find(|path| path.ends_with(extension)).unwrap();
    project.path(path)
}

/// What a run of a damaged project says, without the lines of progress; nothing may change.
#[track_caller]
fn refused(project: &Project, arguments: &[&str]) -> String {
    let before = tree(project);
    let run = project.run(arguments).expect_code(3);
    let mut after = tree(project);
    // What the run did not publish is no part of a table.
    after.retain(|path, _| before.contains_key(path));
    assert_eq!(after, before, "something that was there has changed");
    told(project, &run)
}

fn told(project: &Project, run: &Run) -> String {
    for dump in ["panicked", "DataFusion", "Arrow error", "Parquet error", "parquet error", "os error", "Some("] {
        assert!(!run.stderr.contains(dump), "`{dump}` is in\n{}", run.stderr);
    }
    let told = project.complaints(run);
    let file = regex::Regex::new(r"part-[0-9a-zA-Z<>-]+\.parquet").unwrap();
    file.replace_all(&told, "<file>").into_owned()
}

const RUN: [&str; 3] = ["run", "--select", "merged"];
const SHOW: [&str; 3] = ["show", "--inline", "select id from gold.merged"];

#[test]
fn a_damaged_delta_log() {
    let project = built();
    let log = only(&project, "gold/merged/_delta_log", ".json");
    fs::write(&log, "{\"commitInfo\": nothing").unwrap();
    assert_snapshot!(refused(&project, &RUN), @r"
    error[damaged-warehouse]: `gold.merged`: `gold/merged/_delta_log/00000000000000000000.json` is damaged: no JSON at line 1, column 17: expected ident
     --> models/gold/merged.sql:1:1
      |
    1 | {{ config(materialized='incremental', incremental_strategy='merge', unique_key='id') }}
      | ^
      |
      = hint: restore it from a copy, or move the table's folder away and make it anew with `karat build --full-refresh`
    ");
    assert_snapshot!(refused(&project, &SHOW), @r"
    error[damaged-warehouse]: `gold/merged/_delta_log/00000000000000000000.json` is damaged: no JSON at line 1, column 17: expected ident
     |
     = hint: restore it from a copy, or move the table's folder away and make it anew with `karat build --full-refresh`
    ");
    fs::write(&log, "").unwrap();
    assert_snapshot!(refused(&project, &RUN), @r"
    error[damaged-warehouse]: `gold.merged`: `gold/merged/_delta_log/00000000000000000000.json` is damaged: it is empty
     --> models/gold/merged.sql:1:1
      |
    1 | {{ config(materialized='incremental', incremental_strategy='merge', unique_key='id') }}
      | ^
      |
      = hint: restore it from a copy, or move the table's folder away and make it anew with `karat build --full-refresh`
    ");
    // The way out that the hint names.
    fs::remove_dir_all(project.path("warehouse/gold/merged")).unwrap();
    project.ok(&["build", "--full-refresh"]);
    assert_eq!(project.rows("select count(*) as n from gold.merged"), ["2"]);
    let project = built();
    let entry = only(&project, "_karat/env/dev", ".json");
    fs::write(&entry, "{\"entry\": ").unwrap();
    assert_snapshot!(refused(&project, &RUN), @r"
    error[damaged-warehouse]: `_karat/env/dev/00000000000000000001.json` is damaged: EOF while parsing a value at line 1 column 10
     |
     = hint: restore it from a copy: it says which versions of the tables are published
    ");
}

#[test]
fn a_damaged_data_file() {
    let project = built();
    let file = only(&project, "gold/merged", ".parquet");
    let whole = fs::read(&file).unwrap();
    fs::write(&file, b"no parquet").unwrap();
    assert_snapshot!(refused(&project, &RUN), @r"
    error[damaged-file]: `gold.merged`: the data file `<project>/warehouse/gold/merged/<file>` is damaged
     --> models/gold/merged.sql:1:1
      |
    1 | {{ config(materialized='incremental', incremental_strategy='merge', unique_key='id') }}
      | ^
      |
      = hint: restore the file from a copy, or make its table anew with `karat build --full-refresh`
    ");
    assert_snapshot!(refused(&project, &SHOW), @r"
    error[damaged-file]: the data file `<project>/warehouse/gold/merged/<file>` is damaged
     |
     = hint: restore the file from a copy, or make its table anew with `karat build --full-refresh`
    ");
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    assert!(refused(&project, &RUN).starts_with("error[damaged-file]: "));
    fs::remove_file(&file).unwrap();
    assert_snapshot!(refused(&project, &SHOW), @r"
    error[damaged-file]: the data file `<project>/warehouse/gold/merged/<file>` is missing
     |
     = hint: restore the file from a copy, or make its table anew with `karat build --full-refresh`
    ");
    // The way out that the hint names.
    project.ok(&["build", "--full-refresh"]);
    assert_eq!(project.rows("select count(*) as n from gold.merged"), ["2"]);
}

#[test]
fn folders_that_are_files() {
    let project = built();
    fs::rename(project.path("warehouse"), project.path("moved")).unwrap();
    fs::write(project.path("warehouse"), "no folder").unwrap();
    assert_snapshot!(refused(&project, &RUN), @r"
    error[storage-failed]: cannot open the lock `<project>/warehouse/_karat/env/dev.lock`: Not a directory
     |
     = hint: look at this path: whether it is there, a folder where one is needed, and on a disk that answers
    ");
    let project = built();
    fs::remove_dir_all(project.path("target")).unwrap();
    fs::write(project.path("target"), "no folder").unwrap();
    let run = project.run(&RUN).expect_code(3);
    assert_snapshot!(told(&project, &run), @r"
    warning[no-log]: cannot create the folder `<project>/target/logs`: Not a directory
    error[storage-failed]: cannot create the folder `<project>/target/spill`: Not a directory
     |
     = hint: look at this path: whether it is there, a folder where one is needed, and on a disk that answers
    ");
}
