//! `karat clone` through the real binary: tables and views of a state become relations of another target.

#![expect(clippy::disallowed_methods, reason = "looks at files of the warehouse")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value as Json;

use crate::support::{Project, Run};

const CLONE: [&str; 5] = ["clone", "--target", "ci", "--state", "state"];

fn project() -> Project {
    let project = Project::new(&[
        ("project.yml", "name: shop\nversion: '1.0'\nprofile: shop\n"),
        (
            "profiles.yml",
            "shop:\n  target: prod\n  outputs:\n    prod: {type: karat, path: warehouse}\n    ci: {type: karat, path: warehouse-ci}\n",
        ),
        ("seeds/codes.csv", "code\n1\n2\n"),
        ("models/bronze/raw.sql", "select code as n from {{ ref('codes') }}"),
        (
            "models/silver/log.sql",
            "{{ config(materialized='incremental', unique_key='n', partition_by='day') }}\nselect n, {{ var('day', 1) }} as day from {{ ref('raw') }}\n{% if is_incremental() %} where n > {{ var('from', 1) }}{% endif %}",
        ),
        ("models/gold/between.sql", "{{ config(materialized='ephemeral') }} select n from {{ ref('log') }}"),
        ("models/gold/total.sql", "select sum(n) as n from {{ ref('between') }}"),
        (
            "snapshots/kept.yml",
            "snapshots:\n  - {name: kept, relation: ref('raw'), config: {unique_key: n, strategy: check, check_cols: all}}\n",
        ),
    ]);
    project.ok(&["build"]);
    project.write("state/manifest.json", &project.read("target/manifest.json"));
    project
}

fn here(project: &Project, query: &str) -> Vec<String> {
    crate::support::lines(&project.query_with(query, &["--target", "ci"]))
}

fn actions(run: &Run) -> BTreeMap<String, String> {
    let document: Json = serde_json::from_str(&run.stdout).unwrap();
    let results = document["results"].as_array().unwrap().iter();
    let name = |result: &Json| result["unique_id"].as_str().unwrap().split('.').nth(2).unwrap().to_owned();
    results.map(|result| (name(result), result["message"].as_str().unwrap().to_owned())).collect()
}

fn data_files(project: &Project, folder: &str) -> Vec<PathBuf> {
    let files = project.files_below(folder);
    files.keys().filter(|name| name.ends_with(".parquet")).map(|name| project.path(name)).collect()
}

#[test]
fn tables_are_copied_without_their_bytes_and_views_read_on() {
    let project = project();
    let run = project.ok(&[&CLONE[..], &["--output", "json"]].concat());
    let done = actions(&run);
    let names: Vec<&str> = done.keys().map(String::as_str).collect();
    assert_eq!(names, ["codes", "kept", "log", "raw", "total"]);
    assert!(done.values().all(|message| message == "OK"), "{done:?}");
    assert_eq!(here(&project, "select n, day from {{ ref('log') }} order by n"), ["1|1", "2|1"]);
    assert_eq!(here(&project, "select n from {{ ref('raw') }} order by n"), ["1", "2"]);
    assert_eq!(here(&project, "select count(*) as n from {{ ref('kept') }}"), ["2"]);
    // All at once.
    assert_eq!(std::fs::read_dir(project.path("warehouse-ci/_karat/env/ci")).unwrap().count(), 1);
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let copies = data_files(&project, "warehouse-ci/silver/log");
        assert!(!copies.is_empty());
        assert!(copies.iter().all(|file| std::fs::metadata(file).unwrap().nlink() == 2), "{copies:?}");
    }
    // Neither side notices what becomes of the other.
    project.ok(&["run", "--select", "log", "--full-refresh", "--vars", "{day: 9}"]);
    std::fs::remove_dir_all(project.path("warehouse/silver")).unwrap();
    assert_eq!(here(&project, "select n, day from {{ ref('log') }} order by n"), ["1|1", "2|1"]);
    project.ok(&["run", "--target", "ci", "--select", "log", "--vars", "{day: 2, from: 1}"]);
    assert_eq!(here(&project, "select n, day from {{ ref('log') }} order by n"), ["1|1", "2|2"]);
}

#[test]
fn what_is_there_stays_unless_it_is_refreshed() {
    let project = project();
    project.ok(&[&CLONE[..], &["--select", "log"]].concat());
    let run = project.ok(&[&CLONE[..], &["--select", "log", "codes", "--output", "json"]].concat());
    let done = actions(&run);
    assert_eq!((done["log"].as_str(), done["codes"].as_str()), ("No-op", "OK"));
    project.write("seeds/codes.csv", "code\n1\n2\n3\n");
    project.ok(&["build"]);
    let count = || here(&project, "select count(*) as n from {{ ref('log') }}");
    let entries = || std::fs::read_dir(project.path("warehouse-ci/_karat/env/ci")).unwrap().count();
    let before = entries();
    project.ok(&CLONE);
    assert_eq!(count(), ["2"]);
    project.ok(&[&CLONE[..], &["--full-refresh", "--resource-type", "model"]].concat());
    assert_eq!(count(), ["3"]);
    assert_eq!(entries(), before + 2);
    // A view becomes a table and the other way round.
    project
        .write("models/bronze/raw.sql", "{{ config(materialized='table') }} select code as n from {{ ref('codes') }}");
    project.ok(&["build"]);
    project.ok(&[&CLONE[..], &["--full-refresh", "--select", "raw"]].concat());
    assert!(!data_files(&project, "warehouse-ci/bronze/raw").is_empty());
    let run = project.ok(&["clone", "--state", "state", "--full-refresh", "--select", "raw", "--output", "json"]);
    assert_eq!(actions(&run)["raw"], "No-op");
}

#[test]
fn what_cannot_be_cloned_is_said() {
    let project = project();
    project.run(&["clone", "--target", "ci"]).expect_code(2).expect_message(&["error[no-state]", "`clone`"]);
    project.write("models/gold/young.sql", "select 1 as n");
    let run = project.ok(&[&CLONE[..], &["--select", "young", "--output", "json"]].concat());
    assert_eq!(actions(&run)["young"], "No-op");
    project.ok(&["parse"]);
    project.write("state/manifest.json", &project.read("target/manifest.json"));
    let run = project.run(&[&CLONE[..], &["--select", "young", "codes"]].concat()).expect_code(1);
    assert!(run.stderr.contains("error[not-deferrable]") && run.stderr.contains("gold.young"), "{}", run.stderr);
    assert_eq!(here(&project, "select count(*) as n from {{ ref('codes') }}"), ["2"]);
}
