//! Output and environment through the real binary: flags before and after the verb, quiet, JSON, color, targets,
//! dbt's project form, and the artifacts' shapes.

#![expect(clippy::unwrap_used, reason = "tests")]

use insta::assert_snapshot;
use serde_json::Value as Json;

use crate::support::Project;

fn shop() -> Project {
    Project::new(&[
        ("models/bronze/numbers.sql", "select column1 as n from (values (1), (2), (-3))\n"),
        ("models/silver/positive.sql", "select n from {{ ref('numbers') }} where n > 0\n"),
        ("models/gold/total.sql", "select sum(n) as total from {{ ref('positive') }}\n"),
        (
            "models/models.yml",
            "models:\n  - name: numbers\n    description: Some numbers.\n    columns:\n      - name: n\n        description: A number.\n        \
             data_tests:\n          - no_negatives: {config: {severity: warn}}\n",
        ),
    ])
}

fn json(text: &str) -> Json {
    serde_json::from_str(text).unwrap()
}

#[test]
fn flags_stand_before_or_after_the_verb() {
    let project = shop();
    let expected = project.ok(&["ls", "--select", "total", "--output", "name"]).stdout;
    assert_eq!(expected, "total\n");
    let folder = project.path("");
    let folder = folder.to_str().unwrap();
    for arguments in [
        &["--project-dir", folder, "--quiet", "ls", "--select", "total", "--output", "name"][..],
        &["ls", "--select", "total", "--output", "name", "--project-dir", folder, "--no-use-colors"],
        &["--vars", "{a: 1}", "--threads", "2", "list", "-m", "total", "--output", "name", "--target", "dev"],
        &["ls", "--models", "total", "--output=name", "--no-partial-parse", "--log-level", "none"],
    ] {
        assert_eq!(project.ok(arguments).stdout, expected, "{arguments:?}");
    }
    // The variables of the environment are dbt's and ours; a flag wins.
    let run = project.run_with(&["ls", "--output", "name", "-s", "total"], &[("DBT_TARGET", "prod")]).expect_code(2);
    run.expect_message(&["unknown-target", "prod"]);
    project.run_with(&["ls", "--target", "dev"], &[("KARAT_TARGET", "prod")]).expect_code(0);
}

#[test]
fn what_is_no_flag_is_refused() {
    let project = shop();
    project.run(&["build", "--no-such-flag"]).expect_code(2).expect_message(&["--no-such-flag"]);
    project.run(&["build", "--selct", "x"]).expect_code(2).expect_message(&["--select"]);
}

#[test]
fn progress_and_results_go_to_their_streams() {
    let project = shop();
    let run = project.ok(&["build", "--threads", "1"]);
    assert_snapshot!(project.redacted(&run.stderr), @r"
           Built bronze.numbers                       view <duration>
            WARN no_negatives_numbers_n                                   1 row <duration>
    warning[test-warned]: test `no_negatives_numbers_n` found failing rows
     --> models/models.yml:8:13
      |
    8 |           - no_negatives: {config: {severity: warn}}
      |             ^^^^^^^^^^^^ 1 row
      |
      = note: Got 1 result, configured to warn if != 0
      |   n |
      | --: |
      |  -3 |
           Built silver.positive                      table         2 rows <duration>
           Built gold.total                           table         1 row <duration>
       Published dev@1 (3 relations changed)

    What warned:
      no_negatives_numbers_n (models/models.yml:8:13) [test-warned]: Got 1 result, configured to warn if != 0
        Finished build in <duration>: 3 models, 1 test
    ");
    assert_snapshot!(run.stdout, @"Done. PASS=3 WARN=1 ERROR=0 SKIP=0 TOTAL=4");
    let run = project.ok(&["--quiet", "build"]);
    assert_snapshot!(project.redacted(&run.stderr), @"");
    assert_snapshot!(run.stdout, @"Done. PASS=3 WARN=1 ERROR=0 SKIP=0 TOTAL=4");
    let run = project.ok(&["build", "--output", "json"]);
    let document = json(&run.stdout);
    assert!(document.is_object() || document.is_array());
    project.ok(&["build", "--no-write-json"]);
}

#[test]
fn structured_logs_are_json_line_by_line() {
    let project = shop();
    project.write("models/gold/broken.sql", "select cast('x' || n as bigint) as n from {{ ref('numbers') }}\n");
    let run = project.run(&["build", "--log-format", "json"]).expect_code(1);
    let mut names: Vec<String> = Vec::new();
    for line in run.stdout.lines() {
        let entry = json(line);
        for key in ["name", "level", "msg", "ts", "invocation_id", "thread"] {
            assert!(entry["info"][key].is_string(), "{key}: {line}");
        }
        assert!(entry["data"].is_object(), "{line}");
        let name = entry["info"]["name"].as_str().unwrap().to_owned();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.sort();
    assert_snapshot!(names.join(" "), @"ConcurrencyLine EndOfRunSummary FinishedRunningStats FoundStats LogModelResult LogStartLine LogTestResult MainReportVersion Published RunResultError RunResultFailure RunResultWarning RunResultWarningMessage StatsLine");
    // What is wrong with the project is said in the same form.
    project.write("models/gold/broken.sql", "select * from {{ ref('nowhere') }}\n");
    let run = project.run(&["build", "--log-format", "json"]).expect_code(2);
    let entries: Vec<Json> = run.stdout.lines().map(json).collect();
    let diagnostic = entries.iter().find(|entry| entry["info"]["name"] == "Diagnostic").unwrap();
    assert_eq!(diagnostic["data"]["code"], "unknown-ref");
    assert_eq!(diagnostic["data"]["labels"][0]["file"], "models/gold/broken.sql");
    assert_eq!(diagnostic["data"]["labels"][0]["line"], 1);
    // The file always has all of it.
    let log = project.read("target/logs/karat.log");
    assert!(log.contains("unknown-ref"), "{log}");
}

#[test]
fn color_is_off_unless_wanted() {
    let project = shop();
    assert!(!project.ok(&["build"]).stderr.contains('\u{1b}'));
    assert!(project.ok(&["build", "--color", "always"]).stderr.contains('\u{1b}'));
    assert!(project.ok(&["build", "--use-colors"]).stderr.contains('\u{1b}'));
    let mut command = project.command(&["build"]);
    command.env_remove("NO_COLOR").env("CLICOLOR_FORCE", "1");
    let output = command.output().unwrap();
    assert!(String::from_utf8(output.stderr).unwrap().contains('\u{1b}'));
    let mut command = project.command(&["build", "--no-color"]);
    command.env_remove("NO_COLOR").env("CLICOLOR_FORCE", "1");
    assert!(!String::from_utf8(command.output().unwrap().stderr).unwrap().contains('\u{1b}'));
}

#[test]
fn empty_builds_the_structure_only() {
    let project = shop();
    project.ok(&["build", "--empty"]);
    assert_eq!(project.text("select count(*) as n from {{ ref('positive') }}"), "0");
    assert_eq!(project.text("select total from {{ ref('total') }}"), "null");
    // A seed keeps its columns, and no row.
    project.write("seeds/names.csv", "id,name\n1,a\n");
    for verb in ["build", "seed"] {
        project.ok(&[verb, "--empty"]);
        assert_eq!(project.text("select count(name) as n from {{ ref('names') }} where id > 0"), "0", "{verb}");
    }
    project.ok(&["seed"]);
    assert_eq!(project.text("select name from {{ ref('names') }}"), "a");
    project.ok(&["build"]);
    assert_eq!(project.text("select total from {{ ref('total') }}"), "3");
}

#[test]
fn a_profile_names_targets() {
    let project = shop();
    project.write(
        "profiles.yml",
        "shop:\n  target: dev\n  outputs:\n    dev: {type: karat, schema: main, threads: 2}\n    prod: {type: karat, path: \
         elsewhere/prod, schema: main, memory_limit: 512MB}\n    duck: {type: duckdb, path: x.duckdb, schema: analytics, threads: 4}\n",
    );
    project.ok(&["build", "--target", "prod"]);
    assert!(project.path("elsewhere/prod/gold/total/_delta_log").is_dir());
    assert!(project.files().is_empty());
    assert_eq!(project.query_with("select total from {{ ref('total') }}", &["--target", "prod"])[0]["total"], 3);
    let run = project.ok(&["build", "-t", "duck"]);
    let note: Vec<&str> = run.stderr.lines().take_while(|line| !line.trim().is_empty()).take(9).collect();
    assert_snapshot!(project.redacted(&note.join("\n")), @r"
    note[connection-replaced]: the target `duck` has type `duckdb`; its connection is not used
     --> profiles.yml:6:5
      |
    6 |     duck: {type: duckdb, path: x.duckdb, schema: analytics, threads: 4}
      |     ^^^^
      |
      = note: its name, schema and threads are; the data goes to karat's own warehouse
           Built bronze.numbers                       view <duration>
            WARN no_negatives_numbers_n                                   1 row <duration>
    ");
    assert!(project.path("warehouse-duck/gold/total/_delta_log").is_dir());
    assert_eq!(
        project.query_with("select '{{ target.schema }}' as s, {{ target.threads }} as n", &["-t", "duck"])[0]["s"],
        "analytics"
    );
    project.run(&["build", "-t", "prd"]).expect_code(2).expect_message(&["unknown-target", "did you mean `prod`?"]);
    project
        .run(&["build", "--profile", "shp"])
        .expect_code(2)
        .expect_message(&["unknown-profile", "did you mean `shop`?"]);
    project
        .run(&["build", "--profiles-dir", "nowhere", "--profile", "shop"])
        .expect_code(2)
        .expect_message(&["no-profiles"]);
}

/// The same folder as a dbt project: layers are mere folders, schemas and materializations are dbt's.
#[test]
fn a_dbt_project_behaves_as_under_dbt() {
    let project = Project::new(&[
        (
            "dbt_project.yml",
            "name: shop\nversion: '1.0.0'\nconfig-version: 2\nprofile: duck\nmodels:\n  shop:\n    silver:\n      +schema: cleaned\n      \
             +materialized: table\n  +unknown_thing: 1\nseeds:\n  +schema: raw\nsome_unknown_key: 1\n",
        ),
        (
            "profiles.yml",
            "duck:\n  target: dev\n  outputs:\n    dev: {type: duckdb, path: x.duckdb, schema: analytics}\n",
        ),
        ("models/bronze/numbers.sql", "select code as n from {{ ref('codes') }}\n"),
        ("models/silver/positive.sql", "select n from {{ ref('numbers') }} where n > 0\n"),
        ("seeds/codes.csv", "code\n1\n2\n"),
        (
            "snapshots/history.sql",
            "{% snapshot history %}{{ config(target_schema='kept', strategy='check', unique_key='code', check_cols='all') }}\
             select * from {{ ref('codes') }}{% endsnapshot %}",
        ),
    ]);
    let run = project.ok(&["build"]);
    run.expect_message(&["some_unknown_key", "connection-replaced"]);
    let found = project.text(
        "select table_schema || '.' || table_name || ' ' || table_type as t from information_schema.tables \
         where table_schema not in ('information_schema') order by 1",
    );
    assert_snapshot!(found, @r"
    analytics.numbers VIEW
    analytics_cleaned.positive BASE TABLE
    analytics_raw.codes BASE TABLE
    kept.history BASE TABLE
    ");
}

#[test]
fn artifacts_have_dbts_shapes() {
    let project = shop();
    project.ok(&["build", "--select", "numbers", "positive"]);
    let read = |name: &str| json(&project.read(&format!("target/{name}")));
    let keys = |value: &Json| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");

    let manifest = read("manifest.json");
    assert_eq!(manifest["metadata"]["dbt_schema_version"], "https://schemas.getdbt.com/dbt/manifest/v12.json");
    assert_snapshot!(keys(&manifest), @"metadata nodes sources macros docs exposures metrics groups selectors disabled parent_map child_map group_map saved_queries semantic_models unit_tests functions");
    let node = &manifest["nodes"]["model.shop.numbers"];
    assert_snapshot!(keys(node), @"database schema name resource_type package_name path original_file_path unique_id fqn alias checksum config tags description columns meta group docs patch_path build_path unrendered_config created_at relation_name raw_code doc_blocks language refs sources metrics functions depends_on compiled_path compiled compiled_code extra_ctes_injected extra_ctes contract access constraints version latest_version deprecation_date primary_key time_spine");
    assert_eq!(node["relation_name"].as_str().unwrap(), "\"shop\".\"bronze\".\"numbers\"");
    assert_eq!(node["columns"]["n"]["description"], "A number.");
    assert_eq!(node["checksum"]["name"], "sha256");
    assert_eq!(node["fqn"], serde_json::json!(["shop", "bronze", "numbers"]));
    assert_eq!(node["compiled"], true);
    assert_eq!(node["config"]["materialized"], "view");
    assert_eq!(manifest["child_map"]["model.shop.numbers"][0], "model.shop.positive");
    assert_eq!(manifest["parent_map"]["model.shop.total"], serde_json::json!(["model.shop.positive"]));
    let test = manifest["nodes"].as_object().unwrap().values().find(|node| node["resource_type"] == "test").unwrap();
    assert_eq!(test["test_metadata"]["name"], "no_negatives");
    assert_eq!(test["attached_node"], "model.shop.numbers");
    assert_eq!(test["column_name"], "n");

    let results = read("run_results.json");
    assert_eq!(results["metadata"]["dbt_schema_version"], "https://schemas.getdbt.com/dbt/run-results/v6.json");
    assert_snapshot!(keys(&results), @"metadata results elapsed_time args");
    assert_eq!(results["args"]["which"], "build");
    assert_eq!(results["args"]["select"], serde_json::json!(["numbers", "positive"]));
    let result = results["results"]
        .as_array()
        .unwrap()
        .iter()
        .find(|result| result["unique_id"] == "model.shop.positive")
        .unwrap();
    assert_snapshot!(keys(result), @"status timing thread_id execution_time adapter_response message failures unique_id compiled compiled_code relation_name batch_results overload_results");
    assert_eq!(result["adapter_response"]["rows_affected"], 2);
    assert!(result["compiled_code"].as_str().unwrap().contains("\"bronze\".\"numbers\""));
    let names: Vec<&str> =
        result["timing"].as_array().unwrap().iter().map(|phase| phase["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["compile", "execute"]);

    // As under dbt, it is the documentation's.
    assert!(!project.path("target/catalog.json").exists());
    project.ok(&["docs", "generate"]);
    let catalog = read("catalog.json");
    assert_eq!(catalog["metadata"]["dbt_schema_version"], "https://schemas.getdbt.com/dbt/catalog/v1.json");
    let relation = &catalog["nodes"]["model.shop.positive"];
    assert_eq!(relation["metadata"]["type"], "BASE TABLE");
    assert_eq!(relation["columns"]["n"]["type"], "bigint");
    assert_eq!(relation["stats"]["num_rows"]["value"], 2);
    assert!(project.path("target/run/shop/models/silver/positive.sql").is_file());
    // Another folder for all of it.
    project.ok(&["build", "--target-path", "out/here"]);
    assert!(project.path("out/here/manifest.json").is_file() && project.path("out/here/compiled/shop").is_dir());
}
