//! `persist_docs` through the real binary: descriptions in Delta's own metadata, where other readers look for them.

#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::Value as Json;

use crate::support::Project;

const PROJECT: &str = "name: p\nversion: '1.0'\nconfig-version: 2\n";

const PROPERTIES: &str = "models:
  - name: m
    description: 'All \"things\"'
    config: {persist_docs: {relation: true, columns: true}}
    columns:
      - {name: ID, description: The key}
      - {name: plain}
      - {name: gone, description: Not in the table}
seeds:
  - name: s
    description: A seed
    config: {persist_docs: {relation: true}}
    columns: [{name: a, description: A column}]
";

/// Number of the newest commit with metadata, the description of the table, and the comments of its columns.
fn docs(project: &Project, table: &str) -> String {
    let mut found = String::new();
    for number in project.commits(table) {
        let log = project.read(&format!("warehouse/{table}/_delta_log/{number:020}.json"));
        for line in log.lines().map(|line| serde_json::from_str::<Json>(line).unwrap()) {
            let Some(metadata) = line.get("metaData") else { continue };
            let schema: Json = serde_json::from_str(metadata["schemaString"].as_str().unwrap()).unwrap();
            let comments = schema["fields"]
                .as_array()
                .unwrap()
                .iter()
                .map(|field| format!("{}: {}", field["name"].as_str().unwrap(), field["metadata"]["comment"]));
            let comments: Vec<String> = comments.collect();
            found = format!("{number}: {}; {}", metadata["description"], comments.join(", "));
        }
    }
    found
}

fn project(model: &str) -> Project {
    Project::new(&[
        ("dbt_project.yml", PROJECT),
        ("models/m.sql", model),
        ("models/s.yml", PROPERTIES),
        ("seeds/s.csv", "a\n1\n"),
    ])
}

#[test]
fn persist_docs_of_a_table_and_of_a_seed() {
    let project = project("{{ config(materialized='table') }} select 1 as id, 2 as plain");
    let run = project.ok(&["build"]);
    run.expect_message(&[
        "warning[unmatched-properties]: `main.m` does not have all columns that are documented: `gone`",
    ]);
    assert_eq!(docs(&project, "main/m"), r#"0: "All \"things\""; id: "The key", plain: null"#);
    assert_eq!(docs(&project, "main/s"), r#"0: "A seed"; a: null"#);
    project.ok(&["docs", "generate"]);
    let catalog: Json = serde_json::from_str(&project.read("target/catalog.json")).unwrap();
    let comments = |id: &str, column: &str| {
        let node = &catalog["nodes"][id];
        format!("{} {}", node["metadata"]["comment"], node["columns"][column]["comment"])
    };
    assert_eq!(comments("model.p.m", "id"), r#""All \"things\"" "The key""#);
    assert_eq!(comments("seed.p.s", "a"), r#""A seed" null"#);
    // The same descriptions again are no change of the metadata.
    project.ok(&["build"]);
    assert!(docs(&project, "main/m").starts_with("0: "), "{}", docs(&project, "main/m"));
    assert_eq!(project.rows("select * from main.m"), ["1|2"]);
    project
        .write("models/s.yml", &PROPERTIES.replace("The key", "Its key").replace("relation: true, columns", "columns"));
    project.ok(&["build"]);
    // What is no longer kept up to date stays as it is.
    assert_eq!(docs(&project, "main/m"), r#"2: "All \"things\""; id: "Its key", plain: null"#);
}

#[test]
fn persist_docs_change_without_rewriting_rows() {
    let model = "{{ config(materialized='incremental', unique_key='id') }} select 1 as id, 2 as plain \
                 {% if is_incremental() %} where false {% endif %}";
    let project = project(model);
    project.ok(&["build"]);
    let data = |project: &Project| {
        let files = project.files().into_keys();
        files.filter(|path| path.contains("/main/m/") && path.ends_with(".parquet")).collect::<Vec<_>>()
    };
    let before = data(&project);
    project.write("models/s.yml", &PROPERTIES.replace("The key", "Its key"));
    project.ok(&["build"]);
    assert_eq!(data(&project), before);
    assert_eq!(docs(&project, "main/m"), r#"1: "All \"things\""; id: "Its key", plain: null"#);
    // Nothing new, nothing written.
    project.ok(&["build"]);
    assert_eq!(project.commits("main/m"), [0, 1]);
    assert_eq!(project.rows("select * from main.m"), ["1|2"]);
    project.write("models/s.yml", &PROPERTIES.replace("{relation: true, columns: true}", "yes"));
    project.run(&["parse"]).expect_code(2).expect_message(&["`persist_docs` of model `m` must be a mapping"]);
}

/// A quoted column is described only if it is spelled so.
#[test]
fn a_description_of_a_quoted_column_is_not_given_to_another_spelling() {
    let project = Project::new(&[
        (
            "dbt_project.yml",
            "name: p\nversion: '1.0'\nmodels: {+persist_docs: {columns: true}, +materialized: table}\n",
        ),
        ("models/m.sql", "select 1 as \"MyCol\", 2 as other"),
        (
            "models/s.yml",
            "models: [{name: m, columns: [{name: mycol, quote: true, description: Not it}, {name: OTHER, description: It}]}]\n",
        ),
    ]);
    project.ok(&["run"]);
    project.ok(&["docs", "generate"]);
    assert_eq!(docs(&project, "main/m"), r#"0: null; MyCol: null, other: "It""#);
    let catalog: Json = serde_json::from_str(&project.read("target/catalog.json")).unwrap();
    let columns = &catalog["nodes"]["model.p.m"]["columns"];
    assert_eq!((&columns["MyCol"]["comment"], &columns["other"]["comment"]), (&Json::Null, &Json::from("It")));
}
