//! The same projects through karat and through real dbt (dbt-core 1.12 with dbt-duckdb): the same nodes, verdicts, SQL
//! and rows.
//!
//! The projects are the folders of `tests/collection`. In each, `case.json` says what is listed (`ls`), what is done in
//! which order (`steps`: a command line, or files that are written), which other databases there are (`attach`), and what has to have the same rows (`tables`,
//! `queries`); `apart`, where karat is meant to differ, and why. `dbt.json` is what real dbt did: karat is held to it by each run of the tests. Whether dbt still does
//! that is asked by tests that are ignored where there is none:
//! `python3 -m venv v && v/bin/pip install dbt-core dbt-duckdb`, then
//! `KARAT_DBT=$PWD/v/bin/dbt cargo test collection -- --ignored`; with `KARAT_UPDATE=1` it is recorded anew.

#![expect(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use regex::Regex;
use serde_json::{Value as Json, json};

use crate::support::{Project, folders_in, plain};

/// What of a listed node has to be the same.
const KEYS: [&str; 9] = [
    "name",
    "resource_type",
    "package_name",
    "original_file_path",
    "unique_id",
    "alias",
    "tags",
    "depends_on",
    "config",
];

/// What of a listed node's configuration has to be the same.
const CONFIG: [&str; 6] = ["enabled", "materialized", "alias", "schema", "severity", "unique_key"];

/// One of the two programs.
enum Program {
    Karat,
    /// The executable of dbt.
    Dbt(PathBuf),
}

/// A project of the collection in a folder of its own, and the program that works on it.
struct Trial {
    case: Json,
    project: Project,
    program: Program,
}

impl Trial {
    fn new(name: &str, program: Program) -> Self {
        let project = Project::empty();
        project.take(&folder_of(name), "");
        let case: Json =
            serde_json::from_str(&project.read("case.json")).unwrap_or_else(|error| panic!("{name}: {error}"));
        let other = |name: &Json| format!("{{path: {0}.duckdb, alias: {0}}}", name.as_str().unwrap());
        let attached: Vec<String> = case["attach"].as_array().into_iter().flatten().map(other).collect();
        let profiles = format!(
            "p:\n  target: dev\n  outputs:\n    dev: {{type: duckdb, path: {name}.duckdb, schema: main, threads: 1, \
             attach: [{}]}}\n",
            attached.join(", ")
        );
        project.write("profiles.yml", &profiles);
        Self { case, project, program }
    }

    /// Exit code, standard output, and all that was written.
    fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        match &self.program {
            Program::Karat => {
                let run = self.project.run(arguments);
                let all = format!("{}{}", run.stdout, run.stderr);
                (run.code, run.stdout, all)
            }
            Program::Dbt(dbt) => {
                let mut command = Command::new(dbt);
                command.current_dir(self.project.path("")).args(arguments).env("DBT_PROFILES_DIR", ".");
                let output = command.env("DBT_SEND_ANONYMOUS_USAGE_STATS", "false").output().unwrap();
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
                let all = format!("{stdout}{stderr}");
                (output.status.code(), stdout, all)
            }
        }
    }

    fn rows(&self, query: &str) -> Vec<String> {
        if matches!(self.program, Program::Karat) {
            return plain(&self.project.query(query));
        }
        let (_, text, all) = self.run(&["--quiet", "show", "--output", "json", "--limit", "-1", "--inline", query]);
        let shown: Json = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{query}: {all}"));
        plain(shown["show"].as_array().unwrap())
    }

    /// The nodes that a list of selectors chooses, and what is said of them.
    fn listed(&self, arguments: &[String]) -> Json {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let names = [&["--quiet", "ls"], arguments.as_slice()].concat();
        let (code, names_listed, _) = self.run(&names);
        let json = [names.as_slice(), &["--output", "json", "--output-keys"], &KEYS].concat();
        let nodes = described(&self.run(&json).1);
        json!({"arguments": arguments, "code": code, "names": sorted(&names_listed), "nodes": nodes})
    }

    /// What becomes of one command: exit code, status and failures of each node, and the SQL that was run.
    fn step(&self, arguments: &[String]) -> (Json, String) {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (code, _, all) = self.run(&arguments);
        let mut step = json!({"arguments": arguments, "code": code});
        // These leave the results of the command before them; `compile` of dbt does not, but there is nothing in it.
        let keeps = ["compile", "deps", "run-operation"].contains(&arguments[0]);
        if !keeps && self.project.path("target/run_results.json").exists() {
            step["results"] = json!(verdicts(&self.project));
            step["sql"] = json!(compiled(&self.project));
        }
        (step, all)
    }

    /// All that is compared, and what the commands wrote.
    fn observed(&self) -> (Json, String) {
        if self.project.path("packages.yml").exists() {
            let (code, _, all) = self.run(&["deps"]);
            assert_eq!(code, Some(0), "{all}");
        }
        let lists = std::iter::once(Vec::new()).chain(self.case["ls"].as_array().unwrap().iter().map(words));
        let lists: Vec<Json> = lists.map(|arguments| self.listed(&arguments)).collect();
        let (mut steps, mut written) = (Vec::new(), String::new());
        for what in self.case["steps"].as_array().unwrap() {
            if let Some(files) = what.as_object() {
                for (path, text) in files {
                    self.project.write(path, text.as_str().unwrap());
                }
            } else {
                let (step, all) = self.step(&words(what));
                written.push_str(&all);
                steps.push(step);
            }
        }
        let tables =
            words(&self.case["tables"]).into_iter().map(|name| format!("select * from {{{{ ref('{name}') }}}}"));
        let queries =
            tables.chain(self.case["queries"].as_array().map(|_| words(&self.case["queries"])).unwrap_or_default());
        let rows: BTreeMap<String, Vec<String>> = queries.map(|query| (query.clone(), self.rows(&query))).collect();
        (json!({"ls": lists, "steps": steps, "rows": rows}), written)
    }
}

fn folder_of(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/collection").join(name)
}

fn words(list: &Json) -> Vec<String> {
    list.as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
}

fn sorted(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// Brings a list of texts in order, each once.
fn in_order(list: &mut Json) {
    let texts: BTreeSet<&str> = list.as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    *list = json!(texts);
}

/// The nodes of `ls --output json`, with the keys that are compared.
fn described(lines: &str) -> BTreeMap<String, Json> {
    let node = |line: &str| {
        let mut node: Json = serde_json::from_str(line).ok()?;
        let config = node["config"].as_object_mut()?;
        config.retain(|key, value| CONFIG.contains(&key.as_str()) && !value.is_null());
        if let Some(needed) = node["depends_on"].as_object_mut() {
            // Macros of karat's own have names of their own.
            needed.retain(|key, _| key == "nodes");
            needed.values_mut().for_each(in_order);
        }
        in_order(&mut node["tags"]);
        Some((node["unique_id"].as_str()?.to_owned(), node))
    };
    lines.lines().filter_map(node).collect()
}

/// dbt counts exposures of a `build` and hooks as results; for karat they are no work of their own.
fn is_work(id: &str) -> bool {
    !id.starts_with("exposure.") && !id.starts_with("operation.")
}

/// Status and failures of each node of the last command.
fn verdicts(project: &Project) -> BTreeMap<String, String> {
    let results = project.run_results();
    let verdict = |result: &Json| {
        let text = format!("{} {}", result["status"].as_str().unwrap(), result["failures"]);
        (result["unique_id"].as_str().unwrap().to_owned(), text)
    };
    results["results"].as_array().unwrap().iter().map(verdict).filter(|(id, _)| is_work(id)).collect()
}

/// The SQL of the nodes of the last command that the project has written, without the white space. That of generic
/// tests is karat's own, and that of unit tests is made of rows.
fn compiled(project: &Project) -> BTreeMap<String, String> {
    let results = project.run_results();
    let ephemeral = Regex::new(r#""(__dbt__cte__\w+)""#).unwrap();
    let sql = |result: &Json| {
        let id = result["unique_id"].as_str()?;
        let kind = id.split('.').next()?;
        let is_singular = kind == "test" && id.split('.').count() == 3;
        let written = ["model", "snapshot", "analysis"].contains(&kind) || is_singular;
        let sql = result["compiled_code"].as_str().filter(|_| written)?;
        let words: Vec<&str> = sql.split_whitespace().collect();
        // karat quotes the names of ephemeral models.
        let sql = ephemeral.replace_all(&words.join(""), "$1").into_owned();
        Some((id.to_owned(), sql))
    };
    results["results"].as_array().unwrap().iter().filter_map(sql).collect()
}

/// What differs between what dbt did and what karat does, as lines of the two forms.
fn differences(dbt: &Json, karat: &Json, path: &str, found: &mut Vec<String>) {
    match (dbt, karat) {
        (Json::Object(one), Json::Object(other)) => {
            for key in one.keys().chain(other.keys().filter(|key| !one.contains_key(*key))) {
                differences(&dbt[key], &karat[key], &format!("{path}/{key}"), found);
            }
        }
        (Json::Array(one), Json::Array(other)) if one.len() == other.len() => {
            for (index, (one, other)) in one.iter().zip(other).enumerate() {
                differences(one, other, &format!("{path}/{index}"), found);
            }
        }
        (one, other) if one == other => {}
        (one, other) => found.push(format!("{path}\n    dbt   {one}\n    karat {other}")),
    }
}

/// karat does what dbt did when the project's recording was made.
fn follow(name: &str) {
    let recorded = Project::empty();
    recorded.take(&folder_of(name).join("dbt.json"), "dbt.json");
    let recorded: Json = serde_json::from_str(&recorded.read("dbt.json")).unwrap();
    let trial = Trial::new(name, Program::Karat);
    let (observed, written) = trial.observed();
    let mut found = Vec::new();
    differences(&recorded, &observed, "", &mut found);
    // Where karat is meant to differ, and why; docs/dbt-compatibility.md tells of each.
    for (place, why) in trial.case["apart"].as_object().into_iter().flatten() {
        let all = found.len();
        found.retain(|difference| !difference.starts_with(place.as_str()));
        assert!(found.len() < all, "{name}: {place} does not differ any more: {why}");
    }
    assert!(found.is_empty(), "{name} differs from dbt:\n{}\n{written}", found.join("\n"));
}

/// dbt does what is recorded. `KARAT_UPDATE=1` records it.
fn record(name: &str) {
    let dbt = std::env::var_os("KARAT_DBT").expect("KARAT_DBT names the executable of dbt");
    let (observed, _) = Trial::new(name, Program::Dbt(dbt.into())).observed();
    let text = format!("{}\n", serde_json::to_string_pretty(&observed).unwrap());
    crate::support::golden(&folder_of(name).join("dbt.json"), &text);
}

macro_rules! collection {
    ($($name:ident),* $(,)?) => {
        $(
            mod $name {
                #[test]
                fn karat_does_what_dbt_does() {
                    super::follow(stringify!($name));
                }

                #[test]
                #[ignore = "asks the dbt that KARAT_DBT names"]
                fn dbt_does_what_is_recorded() {
                    super::record(stringify!($name));
                }
            }
        )*

        const COLLECTION: &[&str] = &[$(stringify!($name)),*];
    };
}

collection!(
    checked, databases, described, failures, growing, history, hooks, made, named, packed, passing, shop, snaps
);

#[test]
fn each_project_of_the_collection_is_compared() {
    let folders: Vec<String> = folders_in(&folder_of("")).into_iter().collect();
    assert_eq!(folders, COLLECTION);
}
