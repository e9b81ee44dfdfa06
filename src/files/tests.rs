//! Tests of the module: texts in, trees, typed values and rendered diagnostics out.

use std::path::Path;

use serde_json::json;

use super::*;
use crate::base::diagnostic::Severity;
use crate::base::env::ProcessEnv;
use crate::files::profiles::{TargetChoice, load_target};
use crate::files::properties::{Properties, read_properties};

fn shown(diagnostics: &Diagnostics) -> String {
    diagnostics.0.iter().map(|diagnostic| diagnostic.render(false)).collect::<Vec<_>>().join("\n")
}

fn no_jinja(text: &str, place: &Location) -> Result<serde_json::Value, Box<Diagnostic>> {
    match text {
        "{{ env_var('NAME') }}" => Ok(json!("from_env")),
        _ => Err(Box::new(Diagnostic::error("jinja-error", "no").at(place.clone(), ""))),
    }
}

fn write(root: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        crate::base::fs::write_atomic(&root.join(path), text.as_bytes()).unwrap();
    }
}

#[test]
fn files_yaml_reads_what_dbt_users_write() {
    let cases = [
        ("", json!(null)),
        ("a: yes\nb: 'yes'\nc: off\nd: y\ne: True\n", json!({"a": true, "b": "yes", "c": false, "d": "y", "e": true})),
        (
            "a: 2024-01-31\nb: 00123\nc: 1_000\nd: 1.5\ne: ~\n",
            json!({"a": "2024-01-31", "b": 83, "c": 1000, "d": 1.5, "e": null}),
        ),
        (
            "a: &x {k: 1, l: 2}\nb:\n  <<: *x\n  l: 3\nc: *x\n",
            json!({"a": {"k": 1, "l": 2}, "b": {"k": 1, "l": 3}, "c": {"k": 1, "l": 2}}),
        ),
        ("a: |\n  two\n  lines\nb: >-\n  one\n  line\n", json!({"a": "two\nlines\n", "b": "one line"})),
        ("1: a\ntrue: b\n", json!({"1": "a", "true": "b"})),
        ("- \"{{ ref('x') }}\"\n- [1, -2]\n", json!(["{{ ref('x') }}", [1, -2]])),
    ];
    for (text, expected) in cases {
        let mut diagnostics = Diagnostics::default();
        let tree = yaml::parse(&SourceFile::new("a.yml", text), &mut diagnostics);
        assert_eq!(shown(&diagnostics), "", "{text}");
        // Key order is checked by the text form.
        let found = tree.unwrap().to_json();
        if text.contains("<<") {
            assert_eq!(found, expected, "{text}");
        } else {
            assert_eq!(found.to_string(), expected.to_string(), "{text}");
        }
    }
}

#[test]
fn files_yaml_problems_have_places() {
    let deep = "[".repeat(70) + &"]".repeat(70);
    let cases: [(&str, &str); 4] = [
        ("a: 1\nb:\n  c: 2\n  c: 3\na: 4\n", "duplicates"),
        ("a: {{ x }}\n", "braces"),
        ("a:\n  - b\n c: d\n", "indentation"),
        (&deep, "deep"),
    ];
    let mut all = String::new();
    for (text, name) in cases {
        let mut diagnostics = Diagnostics::default();
        yaml::parse(&SourceFile::new(format!("{name}.yml"), text), &mut diagnostics);
        all.push_str(&shown(&diagnostics));
        all.push('\n');
    }
    insta::assert_snapshot!(all);
}

#[test]
fn files_yaml_takes_honest_large_files() {
    let mut text = String::from("x: &x {a: 1}\nmodels:\n");
    for index in 0..20_000 {
        use std::fmt::Write as _;
        writeln!(text, "  - {{name: m{index}, meta: *x, columns: [{{name: a, data_tests: [unique, not_null]}}]}}")
            .unwrap();
    }
    let mut diagnostics = Diagnostics::default();
    let tree = yaml::parse(&SourceFile::new("big.yml", text), &mut diagnostics).unwrap();
    assert_eq!(shown(&diagnostics), "");
    assert_eq!(tree.get("models").unwrap().items().unwrap().len(), 20_000);
}

fn project(text: &str, kind: ProjectKind) -> (Option<ProjectConfig>, Diagnostics) {
    let mut diagnostics = Diagnostics::default();
    let file = SourceFile::new(if kind == ProjectKind::Karat { "project.yml" } else { "dbt_project.yml" }, text);
    let config = ProjectConfig::parse(&file, kind, "", &no_jinja, &mut diagnostics);
    (config, diagnostics)
}

#[test]
fn files_project_file_is_read() {
    let text = "name: shop\nversion: 1.0\nprofile: \"{{ env_var('NAME') }}\"\nmodel-paths: [./models/, more]\n\
                vars: {a: \"{{ later }}\"}\non-run-start: \"select {{ later }}\"\ntests:\n  +severity: warn\n\
                dispatch:\n  - macro_namespace: dbt_utils\n    search_order: [shop, dbt_utils]\n";
    let (config, diagnostics) = project(text, ProjectKind::Karat);
    assert_eq!(shown(&diagnostics), "");
    let config = config.unwrap();
    assert_eq!(config.profile.unwrap().value, "from_env");
    assert_eq!(config.version.unwrap(), "1");
    assert_eq!(config.paths.models, ["models", "more"]);
    assert_eq!(config.paths.docs, ["models", "more", "seeds", "snapshots", "tests", "macros", "analyses", "functions"]);
    assert_eq!(config.on_run_start[0].value, "select {{ later }}");
    assert_eq!(config.configs["data_tests"].to_json(), json!({"+severity": "warn"}));
    assert_eq!(config.dispatch["dbt_utils"], ["shop", "dbt_utils"]);
}

#[test]
fn files_project_file_problems() {
    let text = "name: plant-shop\n";
    let mut all = shown(&project(text, ProjectKind::Karat).1);
    let text = "name: shop\nmodel-path: [models]\nseed-paths: [../seeds, /tmp/x]\nclean-targets: {a: 1}\nflags: 3\n\
                models: [1]\nsemantic-models: {}\n";
    all.push('\n');
    all.push_str(&shown(&project(text, ProjectKind::Karat).1));
    all.push('\n');
    all.push_str(&shown(&project("name: shop\nmodell-paths: [models]\n", ProjectKind::Dbt).1));
    all.push('\n');
    all.push_str(&shown(&project("version: 1\n", ProjectKind::Dbt).1));
    insta::assert_snapshot!(all);
}

fn properties(text: &str) -> (Properties, Diagnostics) {
    let mut diagnostics = Diagnostics::default();
    let read = read_properties(&SourceFile::new("models/schema.yml", text), Severity::Error, &mut diagnostics);
    (read, diagnostics)
}

#[test]
fn files_properties_are_read() {
    let text = "
version: 2
models:
  - name: orders
    description: all orders
    meta: {owner: me}
    config: {materialized: table, tags: [a]}
    data_tests:
      - dbt_utils.unique_combination_of_columns:
          arguments: {combination_of_columns: [a, b]}
          config: {severity: warn}
          name: my_test
    columns:
      - name: id
        data_type: bigint
        tags: [pii]
        tests:
          - unique
          - accepted_values: {values: [1, 2], quote: false, where: id > 0}
          - {test_name: not_null, limit: 3}
sources:
  - name: raw
    schema: landing
    external: {location: 'data/{name}/*.csv', options: {delimiter: ';', null_values: ['', NA]}, missing_files: empty}
    freshness: {warn_after: {count: 1, period: day}}
    tables:
      - name: users
        external: {on_type_change: fail, columns: {id: bigint, name: varchar}}
      - name: items
        freshness: null
        meta: {external_location: 'other/*.parquet'}
exposures:
  - {name: board, type: dashboard, owner: {name: me}, depends_on: [ref('orders')]}
macros:
  - name: cents
";
    let (read, diagnostics) = properties(text);
    assert_eq!(shown(&diagnostics), "");
    let model = &read.models[0];
    let keys: Vec<&str> = model.config.iter().map(|(key, _)| key.value.as_str()).collect();
    assert_eq!(keys, ["meta", "materialized", "tags"]);
    assert_eq!(model.tests[0].test.value, "dbt_utils.unique_combination_of_columns");
    assert_eq!(model.tests[0].custom_name.as_ref().unwrap().value, "my_test");
    assert_eq!(model.tests[0].config[0].0.value, "severity");
    let tests = &model.columns[0].tests;
    assert_eq!(
        tests.iter().map(|test| test.test.value.as_str()).collect::<Vec<_>>(),
        ["unique", "accepted_values", "not_null"]
    );
    assert_eq!(tests[1].arguments.len(), 2);
    assert_eq!(tests[1].config[0].0.value, "where");
    let raw = &read.sources[0];
    let merged = properties_source::ExternalProperties::merged(
        raw.defaults.external.as_ref(),
        raw.tables[0].own.external.as_ref(),
    );
    let merged = merged.unwrap();
    assert_eq!(merged.location.unwrap().value, "data/{name}/*.csv");
    assert_eq!(merged.options["null_values"], ",NA");
    assert_eq!(merged.columns[1].0.value, "name");
    assert_eq!(merged.missing_files.unwrap().value, "empty");
    assert_eq!(raw.tables[1].own.external.as_ref().unwrap().location.as_ref().unwrap().value, "other/*.parquet");
    assert_eq!(raw.tables[1].own.freshness, properties_source::FreshnessRule::Off);
    assert_eq!(read.exposures[0].depends_on[0].value, "ref('orders')");
}

#[test]
fn files_properties_problems() {
    let text = "
models:
  - name: orders
    descripton: x
    versions: []
    columns:
      - name: id
        data_tests:
          - not_null:
            severity: warn
          - [unique]
      - name: id
      - nmae: x
  - orders
sources:
  - name: raw
    external: {locaton: x, format: csv, on_new_column: alow, options: {delimeter: ';'}}
    freshness: {warn_after: {count: many, period: days}}
unit_tests:
  - name: x
exposures:
  - {name: board, type: dashbord}
semantic_model: []
";
    let (_, diagnostics) = properties(text);
    insta::assert_snapshot!(shown(&diagnostics));
}

fn loaded(root: &Path) -> (LoadedProject, Diagnostics) {
    let (project, diagnostics) = load(root, &no_jinja);
    (project.unwrap(), diagnostics)
}

#[test]
fn files_are_discovered_by_kind_and_package() {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        &[
            ("project.yml", "name: shop\nmacro-paths: [macros, models/macros]\n"),
            ("dbt_project.yml", "name: other\n"),
            ("models/silver/a.sql", "select 1"),
            ("models/silver/_a.yml", ""),
            ("models/macros/m.sql", ""),
            ("models/readme.md", ""),
            ("models/.hidden.sql", ""),
            ("seeds/s.csv", "a\n1\n"),
            ("snapshots/snap.sql", ""),
            ("tests/t.sql", ""),
            ("tests/generic/g.sql", ""),
            ("macros/n.sql", ""),
            ("analyses/x.sql", ""),
            ("selectors.yml", ""),
            ("dbt_packages/utils/dbt_project.yml", "name: utils\nunknown: 1\n"),
            ("dbt_packages/utils/macros/u.sql", ""),
            ("dbt_packages/utils/models/b.sql", ""),
            ("target/models/a.sql", ""),
        ],
    );
    crate::base::fs::write_atomic(&folder.path().join("models/bad.sql"), b"select\n'\xff'").unwrap();
    let (project, diagnostics) = loaded(folder.path());
    let text = shown(&diagnostics);
    assert!(text.contains("`project.yml` is the project file; `dbt_project.yml` beside it is not read"), "{text}");
    assert!(text.contains("models/bad.sql:2:2"), "{text}");
    assert_eq!(diagnostics.0.len(), 2, "{text}");
    let paths = |files: &[TextFile]| files.iter().map(|file| file.source.path.clone()).collect::<Vec<_>>();
    let root = project.root().unwrap();
    assert_eq!(paths(&root.models), ["models/silver/a.sql"]);
    assert_eq!(root.models[0].relative, "silver/a.sql");
    assert_eq!(paths(&root.macros), ["macros/n.sql", "models/macros/m.sql", "tests/generic/g.sql"]);
    assert_eq!(paths(&root.tests), ["tests/t.sql"]);
    assert_eq!(paths(&root.docs), ["models/readme.md"]);
    assert_eq!(paths(&root.properties), ["models/silver/_a.yml"]);
    assert_eq!(root.seeds[0].checksum, "4f395a2e9ea1c0680348d384135458270e9e6f5af3576151fec246b7b6de98e6".to_owned());
    assert_eq!(project.packages[1].name(), "utils");
    assert_eq!(paths(&project.packages[1].models), ["dbt_packages/utils/models/b.sql"]);
    assert_eq!(project.packages[1].models[0].relative, "b.sql");
    assert!(project.selectors.is_some());
}

fn target(files: &[(&str, &str)], project: &str, choice: TargetChoice<'_>, home: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let home_folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[("project.yml", project)]);
    write(folder.path(), files);
    write(home_folder.path(), home);
    let (project, _) = loaded(folder.path());
    let mut env = ProcessEnv::default();
    env.0.insert("HOME".into(), home_folder.path().display().to_string());
    let config = &project.root().unwrap().config;
    let (target, diagnostics) = load_target(config, project.root_path(), choice, &env, &no_jinja);
    let target = target.map(|target| {
        format!(
            "{}.{} ({}) at {}, {}.{}, {:?} threads, {:?} bytes\n",
            target.profile,
            target.name,
            target.kind,
            target.warehouse.replace(&folder.path().display().to_string(), "<root>"),
            target.database,
            target.schema,
            target.threads,
            target.memory_limit
        )
    });
    target.unwrap_or_default() + &shown(&diagnostics) + "\n"
}

#[test]
fn files_targets() {
    let profiles = "shop:\n  target: dev\n  outputs:\n    dev: {type: karat, schema: dev, threads: 3, memory_limit: 2GB}\n    \
                    prod: {path: 's3://bucket/x/', database: wh, treads: 4}\n    \
                    duck: {type: duckdb, path: x.duckdb, schema: s, threads: 8, extensions: [a]}\n    \
                    same: {path: ./wh}\n    also: {path: wh}\n";
    let in_project = [("profiles.yml", profiles)];
    let choose = |target| TargetChoice { target: Some(target), ..TargetChoice::default() };
    let named = "name: shop\nprofile: shop\n";
    let mut all = String::new();
    all += &target(&[], "name: shop\n", TargetChoice::default(), &[]);
    all += &target(&[], named, TargetChoice::default(), &[(".dbt/profiles.yml", "elsewhere: {outputs: {a: {}}}")]);
    all += &target(&[], named, TargetChoice::default(), &[(".dbt/profiles.yml", profiles)]);
    all += &target(&in_project, named, choose("duck"), &[]);
    all += &target(&in_project, named, choose("prod"), &[]);
    all += &target(&in_project, named, choose("same"), &[]);
    all += &target(&in_project, named, choose("pord"), &[]);
    all += &target(&[], named, choose("prod"), &[]);
    all += &target(&in_project, "name: shop\nprofile: shp\n", TargetChoice::default(), &[]);
    all += &target(&in_project, named, TargetChoice { profile: Some("nope"), ..TargetChoice::default() }, &[]);
    insta::assert_snapshot!(all);
}

#[test]
fn files_flags_are_read_early_and_unknown_ones_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let text = "name: shop\nflags: {fail_fast: true, log_level: warn, partial_parse: false, fale_fast: 1}\n";
    crate::base::fs::write_atomic(&folder.path().join("dbt_project.yml"), text.as_bytes()).unwrap();
    let flags = project::flags_of(folder.path());
    let expected = [("fail_fast", "true"), ("log_level", "warn")].map(|(name, value)| (name.into(), value.into()));
    assert_eq!(flags, std::collections::BTreeMap::from(expected));
    let (_, problems) = project(text, ProjectKind::Dbt);
    assert!(shown(&problems).contains("did you mean `fail_fast`?"), "{}", shown(&problems));
    let (_, problems) = project("name: shop\nflags: {require_x: true}\n", ProjectKind::Dbt);
    assert!(problems.is_empty());
    let (_, problems) = project("name: shop\nflags: {require_x: true}\n", ProjectKind::Karat);
    assert!(problems.has_errors());
}
