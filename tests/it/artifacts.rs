//! Artifacts and the structured log, by the keys that the tools around dbt read.
//!
//! The ignored tests need the real ones: `KARAT_DBT=…/bin/dbt` compares the keys of the artifacts with dbt's, and
//! `KARAT_ARTIFACTS_PYTHON=…/bin/python`, with `dbt-artifacts-parser` installed, reads them.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value as Json, json};

use crate::support::{Project, Run};

const MODELS: &str = "
models:
  - name: stg_orders
    description: '{{ doc(\"orders\") }}'
    columns:
      - {name: order_id, description: The id, data_type: int, data_tests: [unique, not_null], meta: {pk: true}, tags: [key]}
      - name: customer_id
        data_tests: [{relationships: {arguments: {to: ref('customers'), field: customer_id}, config: {severity: warn}}}]
  - name: customer_orders
    columns: [{name: customer_id, data_tests: [not_null, {unique: {config: {store_failures: true}}}]}]
unit_tests:
  - name: counts
    model: customer_orders
    given: [{input: ref('stg_orders'), rows: [{order_id: 1, customer_id: 7}]}]
    expect: {rows: [{customer_id: 7, orders: 1}]}
  - name: from_seed
    model: stg_orders
    given: [{input: ref('orders')}]
    expect: {format: csv, rows: \"order_id\\n1\\n2\\n\"}
exposures:
  - {name: board, type: dashboard, owner: {name: us, email: a@b.c}, depends_on: [ref('customer_orders')], label: B, url: 'http://x'}
sources:
  - name: raw
    schema: main
    config: {freshness: {warn_after: {count: 1, period: day}}, loaded_at_field: cast(ordered_on as timestamp)}
    tables:
      - {name: orders, columns: [{name: order_id}], config: {meta: {a: 1}, tags: [x]}}
";

/// A project with a node of each kind.
fn project() -> Project {
    Project::new(&[
        (
            "dbt_project.yml",
            "name: p\nversion: '1.0'\nconfig-version: 2\nprofile: p\nmodels:\n  p:\n    staging: {+tags: [early]}\n    marts: {+materialized: table, +meta: {owner: us}}\non-run-start: ['select 1']\non-run-end: ['select 2']\n",
        ),
        ("profiles.yml", "p:\n  target: dev\n  outputs:\n    dev: {type: duckdb, path: p.duckdb, threads: 1}\n"),
        ("seeds/customers.csv", "customer_id,name\n1,Ann\n2,Bob\n"),
        ("seeds/orders.csv", "order_id,customer_id,cents,ordered_on\n1,1,1050,2024-01-01\n2,1,300,2024-01-02\n"),
        ("seeds/seeds.yml", "seeds: [{name: orders, config: {event_time: ordered_on}}]\n"),
        ("macros/money.sql", "{% macro money(column) %}{{ column }} / 100.0{% endmacro %}"),
        (
            "models/staging/stg_orders.sql",
            "\nselect order_id, customer_id,\n  {{ money('cents') }} as amount, ordered_on\nfrom {{ ref('orders') }}\n",
        ),
        ("models/staging/recent.sql", "{{ config(materialized='ephemeral') }} select * from {{ ref('stg_orders') }}"),
        ("models/marts/late.sql", "select order_id from {{ ref('recent') }}"),
        (
            "models/marts/customer_orders.sql",
            "{{ config(materialized='incremental', unique_key='customer_id', post_hook='select 1') }}\nselect customer_id, count(*) as orders from {{ ref('stg_orders') }} group by 1",
        ),
        (
            "models/marts/years.sql",
            "{{ config(materialized='incremental', incremental_strategy='microbatch', event_time='ordered_on', batch_size='year', begin='2023-01-01', lookback=2) }}\nselect order_id, ordered_on from {{ ref('orders') }}",
        ),
        ("models/marts/off.sql", "{{ config(enabled=false) }} select 1 as x"),
        ("models/models.yml", MODELS),
        ("models/docs.md", "{% docs orders %}\nOrders, *all*\n{% enddocs %}\n"),
        ("tests/no_negative.sql", "select * from {{ ref('stg_orders') }} where amount < 0\n"),
        ("analyses/top.sql", "select * from {{ ref('customer_orders') }}"),
        (
            "snapshots/kept.yml",
            "snapshots:\n  - {name: kept, relation: ref('customers'), config: {unique_key: customer_id, strategy: check, check_cols: [name]}}\n",
        ),
        ("selectors.yml", "selectors: [{name: early, definition: {method: tag, value: early}}]\n"),
    ])
}

const BUILD: [&str; 5] = ["build", "--event-time-start", "2024-01-01", "--event-time-end", "2025-01-01"];

fn artifact(project: &Project, name: &str) -> Json {
    serde_json::from_str(&project.read(&format!("target/{name}"))).unwrap()
}

fn events(run: &Run) -> Vec<Json> {
    run.stdout.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

fn names(events: &[Json]) -> Vec<&str> {
    events.iter().filter_map(|event| event["info"]["name"].as_str()).collect()
}

#[test]
fn run_results_have_the_flags_of_the_command() {
    let project = project();
    project.ok(&[&BUILD[..], &["--vars", "{a: 1}", "--exclude", "late", "--threads", "2"]].concat());
    let args = &project.run_results()["args"];
    let expected = json!({
        "which": "build", "select": [], "exclude": ["late"], "vars": {"a": 1}, "threads": 2,
        "resource_types": [], "exclude_resource_types": [], "indirect_selection": "eager",
        "empty": false, "event_time_start": "2024-01-01T00:00:00",
        "event_time_end": "2025-01-01T00:00:00", "log_format": "default", "log_level": "info", "quiet": false,
        "print": true, "write_json": true, "defer": false, "introspect": true, "version_check": true,
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(args[name], *value, "{name}");
    }
    // As under dbt: what has no value, and some that are not set, are not there.
    for name in ["selector", "state", "full_refresh", "store_failures", "fail_fast", "debug"] {
        assert_eq!(args.get(name), None, "{name}");
    }
    assert!(args["project_dir"].as_str().unwrap().ends_with("project"), "{args}");
    // Templates see the same.
    let seen = "{{ flags.WHICH }} {{ flags.THREADS }} {{ invocation_args_dict['log_format'] }} {{ invocation_args_dict.get('vars') }}";
    let sql = format!("select '{seen}' as seen");
    let shown = project.ok(&["show", "--inline", &sql, "--output", "json", "--threads", "3"]);
    let shown: Json = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(shown["show"][0]["seen"], "show 3 default {}");
}

#[test]
fn a_query_of_the_command_line_has_a_this() {
    let project = project();
    let this = project.ok(&["compile", "--inline", "select * from {{ this }}"]).stdout;
    assert!(this.contains("from \"p\".\"main\".\"inline_query\""), "{this}");
    project.ok(&["show", "--inline", "select '{{ this.name }}' as name"]);
}

#[test]
fn skipped_nodes_say_what_dbt_says() {
    let project = Project::new(&[
        ("dbt_project.yml", "name: p\nversion: '1.0'\n"),
        ("seeds/sd.csv", "id\n1\n"),
        (
            "models/a.sql",
            "{{ config(materialized='table') }} select 1 / (select count(*) - 1 from {{ ref('sd') }}) as id",
        ),
        ("models/b.sql", "select id from {{ ref('a') }}"),
    ]);
    let message = |id: &str| {
        let results = project.run_results();
        let all = results["results"].as_array().unwrap();
        all.iter().find(|result| result["unique_id"] == id).unwrap()["message"].clone()
    };
    project.ok(&["seed"]);
    assert_eq!(message("seed.p.sd"), "INSERT 1");
    project.ok(&["seed", "--full-refresh"]);
    assert_eq!(message("seed.p.sd"), "CREATE 1");
    project.run(&["run"]).expect_code(1).expect_message(&["skipped because main.a failed"]);
    assert_eq!(message("model.p.b"), Json::Null);
    project.run(&["run", "--fail-fast"]).expect_code(1);
    assert_eq!(message("model.p.b"), "Skipping due to fail_fast");
}

#[test]
fn results_have_dbts_keys() {
    let project = project();
    project.ok(&BUILD);
    let results = project.run_results();
    let result = |name: &str| {
        let all = results["results"].as_array().unwrap();
        all.iter().find(|result| result["unique_id"].as_str().unwrap().contains(name)).unwrap().clone()
    };
    let keys: BTreeSet<String> = result("model.p.late").as_object().unwrap().keys().cloned().collect();
    let expected = "adapter_response batch_results compiled compiled_code execution_time failures message overload_results relation_name status thread_id timing unique_id";
    assert_eq!(keys.into_iter().collect::<Vec<_>>().join(" "), expected);
    let told = |name: &str| {
        let result = result(name);
        format!("{} {} {} {}", result["status"], result["message"], result["failures"], result["compiled"])
    };
    assert_eq!(told("model.p.late"), r#""success" "OK" null true"#);
    assert_eq!(told("seed.p.orders"), r#""success" "INSERT 2" null false"#);
    assert_eq!(told("snapshot.p.kept"), r#""success" "OK" null true"#);
    assert_eq!(told("model.p.years"), r#""success" "SUCCESS" 0 false"#);
    assert_eq!(told("on-run-start"), r#""success" "p.on-run-start.0 passed" 0 true"#);
    assert_eq!(told("not_null_stg_orders"), r#""pass" null 0 true"#);
    assert_eq!(
        result("model.p.years")["batch_results"],
        json!({"successful": [["2024-01-01T00:00:00+00:00", "2025-01-01T00:00:00+00:00"]], "failed": []})
    );
    assert!(results["metadata"]["invocation_started_at"].is_string());
}

#[test]
fn the_manifest_has_dbts_texts_and_paths() {
    let project = project();
    project.ok(&["parse"]);
    let manifest = artifact(&project, "manifest.json");
    let nodes = &manifest["nodes"];
    let orders = &nodes["model.p.stg_orders"];
    // Blanks count as one each, so that another layout is no other model.
    let normal = "select order_id, customer_id, {{ money('cents') }} as amount, ordered_on from {{ ref('orders') }}";
    let hash = |text: &str| json!({"name": "sha256", "checksum": sha256(text)});
    assert_eq!(orders["checksum"], hash(normal));
    assert_eq!(orders["raw_code"].as_str().unwrap().trim(), orders["raw_code"].as_str().unwrap());
    assert_eq!(nodes["seed.p.customers"]["checksum"], hash("customer_id,name\n1,Ann\n2,Bob"));
    assert_eq!(nodes["snapshot.p.kept"]["path"], "kept.sql");
    assert_eq!(nodes["analysis.p.top"]["path"], "analysis/top.sql");
    assert_eq!(nodes["operation.p.p-on-run-start-0"]["original_file_path"], "./dbt_project.yml");
    // Readers want a text, though neither has a relation.
    for id in ["analysis.p.top", "operation.p.p-on-run-end-0"] {
        assert_eq!((&nodes[id]["schema"], nodes[id]["database"].is_string()), (&json!("main"), true), "{id}");
    }
    assert_eq!(manifest["docs"]["doc.p.orders"]["path"], "docs.md");
    assert_eq!(manifest["docs"]["doc.p.orders"]["block_contents"], "Orders, *all*");
    assert_eq!(nodes["model.p.years"]["config"]["begin"], "2023-01-01T00:00:00");
    assert_eq!(nodes["model.p.years"]["config"]["lookback"], 2);
    let unrendered = json!({"materialized": "incremental", "unique_key": "customer_id", "meta": {"owner": "us"}});
    for (key, value) in unrendered.as_object().unwrap() {
        assert_eq!(nodes["model.p.customer_orders"]["unrendered_config"][key], *value, "{key}");
    }
    let given = &manifest["unit_tests"]["unit_test.p.stg_orders.from_seed"]["given"][0];
    assert_eq!(
        given["rows"][1],
        json!({"order_id": "2", "customer_id": "1", "cents": "300", "ordered_on": "2024-01-02"})
    );
    assert_eq!(artifact(&project, "semantic_manifest.json")["semantic_models"], json!([]));
}

fn sha256(text: &str) -> String {
    use sha2::Digest as _;
    format!("{:x}", sha2::Sha256::digest(text.as_bytes()))
}

#[test]
fn the_structured_log_has_dbts_events() {
    let project = project();
    let run = project.ok(&[&BUILD[..], &["--log-format", "json", "--log-level", "debug"]].concat());
    let events = events(&run);
    let names = names(&events);
    for name in [
        "MainReportVersion",
        "FoundStats",
        "ConcurrencyLine",
        "LogHookStartLine",
        "LogHookEndLine",
        "LogStartLine",
        "NodeStart",
        "NodeFinished",
        "LogSeedResult",
        "LogModelResult",
        "LogTestResult",
        "LogSnapshotResult",
        "LogStartBatch",
        "LogBatchResult",
        "FinishedRunningStats",
        "EndOfRunSummary",
        "StatsLine",
        "CommandCompleted",
    ] {
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
    assert_eq!(names.first(), Some(&"MainReportVersion"));
    assert_eq!(names.last(), Some(&"CommandCompleted"));
    let of = |name: &str| events.iter().find(|event| event["info"]["name"] == name).unwrap();
    let keys = |value: &Json| {
        let keys: BTreeSet<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
        keys.into_iter().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        keys(&of("MainReportVersion")["info"]),
        "category code extra invocation_id level msg name pid thread ts"
    );
    let info = &of("LogModelResult")["data"]["node_info"];
    assert_eq!(
        keys(info),
        "materialized meta node_checksum node_finished_at node_name node_path node_relation node_started_at node_status \
         resource_type unique_id"
    );
    assert_eq!(keys(&info["node_relation"]), "alias database relation_name schema");
    let seed = &of("LogSeedResult")["data"];
    assert_eq!((&seed["schema"], &seed["relation"]), (&json!("main"), &json!("customers")));
    assert_eq!(of("LogHookEndLine")["data"]["statement"], "p.on-run-start.0");
    let finished = &of("NodeFinished")["data"]["run_result"];
    assert_eq!(keys(finished), "adapter_response execution_time message num_failures status thread timing_info");
    assert_eq!(of("CommandCompleted")["data"]["success"], true);
    let stats = &of("StatsLine")["data"]["stats"];
    assert_eq!((&stats["error"], &stats["noop"], &stats["reused"]), (&json!(0), &json!(0), &json!(0)));
}

#[test]
fn the_structured_log_says_what_failed_and_what_was_skipped() {
    let project = Project::new(&[
        (
            "models/bad.sql",
            "{{ config(materialized='table') }} select 1 / (select count(*) from {{ ref('none') }}) as x",
        ),
        ("models/none.sql", "select 1 as x where false"),
        ("models/after.sql", "select * from {{ ref('bad') }}"),
    ]);
    let run = project.run(&["run", "--log-format", "json"]).expect_code(1);
    let events = events(&run);
    let of = |name: &str| &events.iter().find(|event| event["info"]["name"] == name).unwrap()["data"];
    let skipped = of("SkippingDetails");
    assert_eq!(
        (&skipped["resource_type"], &skipped["schema"], &skipped["node_name"]),
        (&json!("model"), &json!("main"), &json!("after"))
    );
    assert_eq!(of("RunResultFailure")["path"], "models/bad.sql");
    assert!(of("RunResultError")["msg"].as_str().unwrap().contains("division by zero"));
    assert_eq!(of("RunResultError")["node_info"]["unique_id"], "model.shop.bad");
    assert_eq!(of("EndOfRunSummary")["num_errors"], 1);
    assert!(!names(&events).contains(&"NodeStart"), "debug events are asked for");
}

#[test]
fn flags_of_dbt_that_tune_nothing_here_are_accepted_everywhere() {
    let project = Project::new(&[("models/one.sql", "select 1 as x")]);
    let flags = [
        "--no-partial-parse",
        "--partial-parse",
        "--cache-selected-only",
        "--no-populate-cache",
        "--no-static-parser",
        "--introspect",
        "--no-version-check",
        "--no-send-anonymous-usage-stats",
        "--show-all-deprecations",
        "--log-cache-events",
        "--no-use-colors-file",
        "--use-experimental-parser",
        "--hints-enabled",
        "--macro-debugging",
        "--no-use-fast-test-edges",
        "--no-upload-to-artifacts-ingest-api",
        "--no-inject-ephemeral-ctes",
        "--export-saved-queries",
        "--no-show-resource-report",
        "--single-threaded",
        "--no-use-v2-parser",
    ];
    let valued = [
        "--printer-width",
        "100",
        "--log-file-max-bytes",
        "0",
        "--log-format-file",
        "debug",
        "-r",
        "timing.txt",
        "--maximum-seed-size-mib",
        "5",
        "--partial-parse-file-path",
        "p.msgpack",
        "--sqlparse",
        "{}",
    ];
    // Before and after the verb.
    project.ok(&[&flags[..], &["run"], &valued[..]].concat());
    project.ok(&[&valued[..], &["compile", "-m", "one"], &flags[..]].concat());
    for verb in [&["parse"][..], &["ls"], &["debug"], &["test"], &["seed"], &["snapshot"], &["deps"], &["clean"]] {
        project.ok(&[verb, &flags[..], &valued[..]].concat());
    }
    project.ok(&["debug", "--connection"]);
    project.ok(&["run", "--models", "one", "--no-empty"]);
    project.ok(&["compile", "--model", "one", "--no-empty"]);
}

#[test]
fn variables_of_dbt_stand_for_flags() {
    let project = Project::new(&[("models/one.sql", "select 1 as x"), ("seeds/s.csv", "x\n1\n")]);
    let listed =
        |variables: &[(&str, &str)]| project.run_with(&["ls", "--output", "name"], variables).expect_code(0).stdout;
    assert_eq!(listed(&[("DBT_RESOURCE_TYPES", "seed")]), "s\n");
    assert_eq!(listed(&[("DBT_ENGINE_EXCLUDE_RESOURCE_TYPES", "seed")]), "one\n");
    project.run_with(&["run"], &[("DBT_EMPTY", "1"), ("DBT_SINGLE_THREADED", "true")]).expect_code(0);
    let args = project.run_results()["args"].clone();
    assert_eq!((&args["empty"], &args["threads"]), (&json!(true), &json!(1)));
    project.run_with(&["run"], &[("DBT_ENGINE_LOG_FORMAT", "json")]).expect_code(0).expect_message(&["\"StatsLine\""]);
}

#[test]
fn a_retry_may_be_a_full_refresh() {
    let project = Project::new(&[(
        "models/kept.sql",
        "{{ config(materialized='incremental') }} select {{ 1 if is_incremental() else 0 }} as again, 1 / {{ var('by', 1) }} as x",
    )]);
    project.ok(&["run"]);
    project.run(&["run", "--vars", "{by: 0}"]).expect_code(1);
    project.ok(&["retry", "--full-refresh", "--vars", "{by: 1}"]);
    assert_eq!(project.rows("select again from {{ ref('kept') }}"), ["0"]);
}

/// Keys that dbt has and karat lacks, by the kind of node; what depends on the machine or the engine is not compared.
fn lacking(path: &str, dbt: &Json, own: &Json, found: &mut BTreeSet<String>) {
    if let (Json::Object(dbt), Json::Object(own)) = (dbt, own) {
        for (key, value) in dbt {
            let place = format!("{path}.{key}");
            match own.get(key) {
                None => drop(found.insert(place)),
                // What was configured has other keys in each project; the macros are those of the adapter.
                Some(_) if matches!(key.as_str(), "unrendered_config" | "macros") => {}
                Some(own) => lacking(&place, value, own, found),
            }
        }
    }
}

#[test]
#[ignore = "needs dbt: KARAT_DBT"]
fn artifacts_have_all_keys_of_dbts() {
    let dbt = PathBuf::from(std::env::var_os("KARAT_DBT").expect("KARAT_DBT names the dbt to compare with"));
    let (theirs, own) = (project(), project());
    let run = |arguments: &[&str]| {
        let mut command = Command::new(&dbt);
        command.args(arguments).current_dir(theirs.path("")).env("DBT_SEND_ANONYMOUS_USAGE_STATS", "false");
        command.output().unwrap()
    };
    // `docs generate` of dbt writes other results over those of the build.
    for arguments in [&["docs", "generate"][..], &BUILD] {
        run(arguments);
        own.run(arguments);
    }
    for name in ["manifest.json", "catalog.json", "run_results.json", "semantic_manifest.json"] {
        let (dbt, karat) = (artifact(&theirs, name), artifact(&own, name));
        let mut found = BTreeSet::new();
        for (section, value) in dbt.as_object().unwrap() {
            let (Json::Object(nodes), true) = (value, section != "args" && section != "metadata") else {
                lacking(section, value, &karat[section], &mut found);
                continue;
            };
            // Only the project's own macros and docs.
            for (id, node) in nodes.iter().filter(|(id, _)| id.split('.').nth(1) == Some("p")) {
                let kind = id.split('.').next().unwrap();
                lacking(&format!("{section}[{kind}]"), node, &karat[section][id], &mut found);
            }
        }
        found.retain(|place| !place.starts_with("args.require_") && !UNUSED_FLAGS.contains(&place.as_str()));
        assert_eq!(found, BTreeSet::new(), "{name}");
    }
}

/// Flags that only tune dbt's own parser and behaviors.
const UNUSED_FLAGS: [&str; 15] = [
    "args.allow_jinja_file_extensions",
    "args.enable_grouped_warn_error_parser_logs",
    "args.hints_enabled",
    "args.latest_version_pointer_enabled_by_default",
    "args.maximum_seed_size_mib",
    "args.skip_nodes_if_on_run_start_fails",
    "args.source_freshness_run_project_hooks",
    "args.sqlparse",
    "args.state_modified_compare_more_unrendered_values",
    "args.state_modified_compare_vars",
    "args.support_custom_ref_kwargs",
    "args.use_catalogs_v2",
    "args.use_v2_parser",
    "args.v2_parser",
    "args.validate_macro_args",
];

#[test]
#[ignore = "needs Python with dbt-artifacts-parser: KARAT_ARTIFACTS_PYTHON"]
fn artifacts_are_read_by_dbt_artifacts_parser() {
    let python = std::env::var_os("KARAT_ARTIFACTS_PYTHON").expect("KARAT_ARTIFACTS_PYTHON names a Python");
    let failing = Project::new(&[
        (
            "models/bad.sql",
            "{{ config(materialized='table') }} select 1 / (select count(*) from {{ ref('none') }}) as x",
        ),
        ("models/none.sql", "select 1 as x where false"),
    ]);
    for project in [project(), failing] {
        project.run(&BUILD);
        project.run(&["source", "freshness"]);
        let run_results = project.read("target/run_results.json");
        project.run(&["docs", "generate"]);
        project.write("target/run_results.json", &run_results);
        let script = "import json, sys\nfrom dbt_artifacts_parser import parser\nload = lambda name: json.load(open(sys.argv[1] + '/' + name))\nparser.parse_manifest(manifest=load('manifest.json'))\nparser.parse_run_results(run_results=load('run_results.json'))\nparser.parse_catalog(catalog=load('catalog.json'))\nparser.parse_sources(sources=load('sources.json'))\n";
        let read = Command::new(&python).args(["-c", script]).arg(project.path("target")).output().unwrap();
        assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    }
}

/// A run that the check stops leaves its own artifacts, not those of the command before it.
#[test]
fn a_run_that_the_check_stops_is_in_the_artifacts() {
    let project = Project::new(&[
        ("dbt_project.yml", "name: p\nversion: '1.0'\n"),
        ("models/ok.sql", "select 1 as id"),
        ("models/bad.sql", "select nocol from {{ ref('ok') }}"),
    ]);
    project.run(&["run"]).expect_code(2);
    let results = project.run_results();
    let found: Vec<String> = results["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| format!("{} {} {}", result["unique_id"], result["status"], result["message"]))
        .collect();
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.iter().any(|line| line.contains("model.p.bad\" \"error\"") && line.contains("nocol")), "{found:?}");
    assert!(found.iter().any(|line| line.contains("model.p.ok\" \"skipped\"")), "{found:?}");
    assert!(project.read("target/manifest.json").contains("select nocol from"));
    project.write("models/bad.sql", "select id from {{ ref('ok') }}");
    project.ok(&["retry"]).expect_message(&["2 models"]);
    assert_eq!(project.rows("select id from main.bad"), ["1"]);
}

/// Readers of artifacts and logs search for dbt's first line: class, kind, name, file.
#[test]
fn failures_are_told_in_dbts_form() {
    let project = Project::new(&[
        (
            "dbt_project.yml",
            "name: p\nversion: '1.0'\non-run-end: [\"drop table {{ results[-1].message.splitlines()[0] | tojson }}\"]\n",
        ),
        ("models/text.sql", "{{ config(materialized='table') }} select 'x' as a"),
        ("models/late.sql", "select cast(a as int) as b from {{ ref('text') }}"),
        ("models/told.sql", "{{ config(materialized='table') }} select b from {{ ref('late') }}"),
        ("models/raised.sql", "{% if execute %}{{ exceptions.raise_compiler_error('no') }}{% endif %} select 1 as id"),
        (
            "models/s.yml",
            "models:\n  - name: promised\n    config: {contract: {enforced: true}}\n    columns: [{name: a, data_type: integer}]\n",
        ),
        ("models/promised.sql", "select 'x' as a"),
        ("macros/op.sql", "{% macro op() %}{{ exceptions.raise_compiler_error('never') }}{% endmacro %}"),
    ]);
    let messages = |project: &Project| {
        let results = project.run_results();
        let results = results["results"].as_array().unwrap().clone();
        let failed = results.into_iter().filter(|result| result["status"] == "error");
        failed.map(|result| result["message"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    project.run(&["run", "-s", "+told"]).expect_code(1);
    let found = messages(&project);
    assert!(found[0].starts_with("Database Error in model told (models/told.sql)\n  "), "{found:?}");
    // Hooks of the end see the same text, and have a form of their own.
    assert!(found[1].starts_with("p.on-run-end.0 failed, error:\n "), "{found:?}");
    assert!(found[1].contains("Database Error in model told (models/told.sql)"), "{found:?}");

    let run = project.run(&["--log-format", "json", "run", "-s", "raised", "promised"]).expect_code(2);
    let found = messages(&project);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.iter().any(|text| text.starts_with("Compilation Error in model raised (models/raised.sql)\n  no")));
    let contract = found.iter().find(|text| text.contains("promised")).unwrap();
    assert!(contract.starts_with("Compilation Error in model promised (models/promised.sql)\n"), "{contract}");
    assert!(contract.contains("data type mismatch"), "{contract}");
    run.expect_message(&[
        r#""name":"RunResultError""#,
        r"  Compilation Error in model raised (models/raised.sql)\n  no",
    ]);

    project.run(&["run-operation", "op"]).expect_code(1);
    let found = messages(&project);
    assert!(found[0].starts_with("Compilation Error in macro op (macros/op.sql)\n  never"), "{found:?}");
}

/// Phrases that tools search for are in artifacts and the log; people read karat's own words.
#[test]
fn phrases_that_tools_search_for_are_in_artifacts_and_the_log() {
    let project = Project::new(&[
        ("dbt_project.yml", "name: p\nversion: '1.0'\nmodels: {+persist_docs: {columns: true}}\n"),
        ("models/m.sql", "select 1 as id"),
        ("models/bad.sql", "{{ config(materialized='incremental', incremental_strategy='own') }} select 1 as id"),
        ("tests/kept.sql", "{{ config(store_failures_as='file') }} select id from {{ ref('m') }}"),
        (
            "models/s.yml",
            "models: [{name: m, columns: [{name: gone}]}]\nunit_tests:\n  - name: u\n    model: n\n    given: [{input: ref('m'), rows: [{other: 1}]}]\n    expect: {rows: [{id: 1}]}\n",
        ),
        ("models/n.sql", "select id from {{ ref('m') }}"),
    ]);
    let message = |project: &Project| {
        let results = project.run_results();
        let failed = results["results"].as_array().unwrap().iter().find(|result| result["status"] == "error").cloned();
        failed.unwrap()["message"].as_str().unwrap().to_owned()
    };
    let run = project.ok(&["run", "-s", "m", "n"]);
    let missing = "The following columns are specified in the schema but are not present in the database: gone";
    assert!(project.read("target/logs/karat.log").contains(missing));
    assert!(!run.stderr.contains(missing), "{}", run.stderr);
    for (command, code, told) in [
        (&["test", "-s", "u"][..], 1, "Invalid column name: 'other' in unit test fixture for 'm'."),
        (
            &["test", "-s", "kept"],
            1,
            "'file' is not a valid value. Accepted values are: ['ephemeral', 'table', 'view']",
        ),
        (&["run", "-s", "bad"], 1, "incremental strategy macro with the name \"get_incremental_own_sql\""),
    ] {
        project.run(command).expect_code(code);
        let found = message(&project);
        assert!(found.starts_with("Compilation Error in ") && found.contains(told), "{found}");
    }
    project.run(&["clone"]).expect_code(2);
    project.ok(&["clone", "--state", "target", "--full-refresh", "-s", "m"]);
    let log = project.read("target/logs/karat.log");
    for told in [
        "--state or --defer-state are required for deferral, but neither was provided",
        "The state and target directories are the same: 'target'",
        "skipping clone for relation: ",
    ] {
        assert!(log.contains(told), "{told} is not in\n{log}");
    }
}

/// The project's comment stands at what is run, before it or behind it.
#[test]
fn the_query_comment_stands_at_the_sql_in_the_log() {
    let project = Project::new(&[
        ("dbt_project.yml", "name: p\nversion: '1.0'\n"),
        ("models/m.sql", "{{ config(pre_hook='select 2 as inner_id') }}select 1 as outer_id"),
        ("macros/c.sql", "{% macro said(node) %}{{ return(tojson({'node': node.unique_id})) }}{% endmacro %}"),
    ]);
    let queries = |comment: &str| {
        project.write("dbt_project.yml", &format!("name: p\nversion: '1.0'\n{comment}\n"));
        let run = project.ok(&["--debug", "--log-format", "json", "run"]);
        let events = run.stdout.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
        let queries = events.filter(|event| event["info"]["name"] == "SQLQuery");
        queries.map(|event| event["data"]["sql"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let found = queries("");
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("/* {\"app\":\"dbt\"") && found[0].ends_with("*/\nselect 2 as inner_id"), "{found:?}");
    for nothing in ["query-comment:", "query-comment: ''", "query-comment: {comment: null}"] {
        assert_eq!(queries(nothing), ["select 2 as inner_id", "select 1 as outer_id"]);
    }
    assert_eq!(queries("query-comment: of {{ target.name }}")[1], "/* of dev */\nselect 1 as outer_id");
    assert_eq!(
        queries("query-comment: {comment: \"{{ return(said(node)) }}\", append: true, job-label: true}")[1],
        "select 1 as outer_id\n/* {\"node\": \"model.p.m\"} */"
    );
    for (wrong, told) in [
        ("query-comment: '{{ nobody() }}'", "error[jinja-undefined]"),
        ("query-comment: 'ends */'", "error[bad-config]: the query comment has `*/`"),
        ("query-comment: [1]", "error[wrong-type]: `query-comment` must be a text or a mapping"),
    ] {
        project.write("dbt_project.yml", &format!("name: p\nversion: '1.0'\n{wrong}\n"));
        project.run(&["run"]).expect_code(2).expect_message(&[told]);
    }
}

/// Values that dbt writes: of macros, docs blocks, expressions of ephemeral models, tests, snapshots and seeds.
#[test]
fn a_manifest_has_dbts_values() {
    let project = Project::new(&[
        ("dbt_project.yml", "name: p\nversion: '1.0'\ndocs-paths: [docs]\n"),
        ("seeds/sd.csv", "v\n1\n"),
        ("models/m.sql", "select {{ outer() }} as id from {{ ref('sd') }}"),
        ("models/e.sql", "{{ config(materialized='ephemeral') }}select * from {{ ref('m') }}"),
        (
            "models/e2.sql",
            "{{ config(materialized='ephemeral') }}with x as (select * from {{ ref('e') }}) select * from x",
        ),
        ("models/t.sql", "select * from {{ ref('e2') }}"),
        ("macros/c.sql", "{% macro outer(a, b=2) %}{{ inner() }}{% endmacro %}{% macro inner() %}1{% endmacro %}"),
        ("docs/d.md", "{% docs md %}The text.{% enddocs %}"),
        (
            "snapshots/s.sql",
            "{% snapshot s %}\n{{ config(unique_key='id', strategy='check', check_cols='all') }} select * from {{ ref('m') }}\n{% endsnapshot %}",
        ),
        (
            "models/s.yml",
            r#"
models:
  - name: m
    description: "{{ doc('md') }}"
    columns:
      - name: id
        description: "Is {{ doc('p', 'md') }}"
        data_tests: [{not_null: {config: {limit: 3, severity: warn, meta: {k: [1, x]}, where: '"id" > 0'}}}]
macros:
  - name: outer
    description: "{{ doc('md') }}"
    docs: {show: false}
    meta: {owner: me}
    arguments: [{name: a, type: string, description: "{{ doc('md') }}"}, {name: b}]
"#,
        ),
    ]);
    project.ok(&["build"]);
    let manifest: Json = serde_json::from_str(&project.read("target/manifest.json")).unwrap();
    let nodes = &manifest["nodes"];
    assert_eq!(nodes["model.p.m"]["depends_on"]["macros"], serde_json::json!(["macro.p.outer"]));
    assert_eq!(nodes["model.p.m"]["doc_blocks"], serde_json::json!(["doc.p.md"]));
    assert_eq!(nodes["model.p.m"]["columns"]["id"]["doc_blocks"], serde_json::json!(["doc.p.md"]));
    let expressions: Vec<&str> =
        nodes["model.p.t"]["extra_ctes"].as_array().unwrap().iter().map(|cte| cte["sql"].as_str().unwrap()).collect();
    assert_eq!(
        expressions,
        [
            " __dbt__cte__e as (\nselect * from \"p\".\"main\".\"m\"\n)",
            " __dbt__cte__e2 as (\nwith x as (select * from \"__dbt__cte__e\") select * from x\n)",
        ]
    );
    let test = nodes.as_object().unwrap().iter().find(|(id, _)| id.starts_with("test.p.not_null")).unwrap().1;
    assert_eq!(
        test["raw_code"],
        r#"{{ test_not_null(**_dbt_generic_test_kwargs) }}{{ config(severity="warn",where="\"id\" > 0",limit=3,meta={'k': [1, 'x']}) }}"#
    );
    let called = serde_json::json!(["macro.dbt.test_not_null", "macro.dbt.get_where_subquery"]);
    assert_eq!(test["depends_on"]["macros"], called);
    let snapshot = &nodes["snapshot.p.s"];
    assert_eq!(
        snapshot["raw_code"],
        "\n{{ config(unique_key='id', strategy='check', check_cols='all') }} select * from {{ ref('m') }}\n"
    );
    assert_eq!(nodes["seed.p.sd"]["root_path"], project.path("").display().to_string().trim_end_matches('/'));
    let outer = &manifest["macros"]["macro.p.outer"];
    assert_eq!(
        serde_json::json!([
            outer["description"],
            outer["docs"]["show"],
            outer["meta"],
            outer["patch_path"],
            outer["arguments"]
        ]),
        serde_json::json!([
            "The text.", false, {"owner": "me"}, "p://models/s.yml",
            [{"name": "a", "type": "string", "description": "The text."}, {"name": "b", "type": null, "description": ""}]
        ])
    );
    let inner = &manifest["macros"]["macro.p.inner"];
    assert_eq!(inner["arguments"], serde_json::json!([]));
}

/// As under dbt, what `adapter` has not is told of who uses it, and not of others.
#[test]
fn an_unknown_function_of_the_adapter_is_its_nodes_problem() {
    let project = Project::new(&[
        ("dbt_project.yml", "name: p\nversion: '1.0'\n"),
        ("models/m.sql", "select 1 as id"),
        ("models/e.sql", "{{ config(materialized='ephemeral') }} {{ adapter.dispach('x') }} select 1 as id"),
        ("models/t.sql", "select * from {{ ref('e') }}"),
    ]);
    project.ok(&["run", "-s", "m"]);
    project.run(&["run", "-s", "t"]).expect_code(1).expect_message(&["models/e.sql:1:43", "did you mean `dispatch`?"]);
    project.run(&["run"]).expect_code(1);
    let results = project.run_results();
    let results = results["results"].as_array().unwrap();
    let of = |id: &str| results.iter().find(|result| result["unique_id"] == id).unwrap().clone();
    assert_eq!(of("model.p.m")["status"], "success");
    let message = of("model.p.t")["message"].as_str().unwrap().to_owned();
    assert_eq!(message, "Compilation Error in model.p.e, an ephemeral model of model.p.t");
}

#[test]
fn a_catalog_has_sources_and_artifacts_the_facts_of_the_environment() {
    let project = Project::new(&[
        ("dbt_project.yml", "name: p\nversion: '1.0'\n"),
        ("seeds/sd.csv", "id,name\n1,a\n"),
        ("data/f.csv", "x\n1\n"),
        (
            "models/m.sql",
            "select * from {{ source('raw', 'sd') }}, {{ source('files', 'f') }} -- {{ dbt_metadata_envs }}",
        ),
        (
            "models/s.yml",
            "sources:\n  - {name: raw, schema: main, tables: [{name: sd}]}\n  \
             - {name: files, tables: [{name: f, external: {location: data/f.csv}, columns: [{name: x, data_type: int}]}]}\n",
        ),
    ]);
    let variables = [("DBT_ENV_CUSTOM_ENV_team", "data")];
    project.run_with(&["seed"], &variables).expect_code(0);
    project.run_with(&["docs", "generate"], &variables).expect_code(0);
    let catalog: Json = serde_json::from_str(&project.read("target/catalog.json")).unwrap();
    let sources: Vec<&String> = catalog["sources"].as_object().unwrap().keys().collect();
    assert_eq!(sources, ["source.p.files.f", "source.p.raw.sd"]);
    assert_eq!(catalog["sources"]["source.p.raw.sd"]["columns"]["name"]["index"], 2);
    let manifest: Json = serde_json::from_str(&project.read("target/manifest.json")).unwrap();
    for artifact in [&catalog, &manifest, &project.run_results()] {
        assert_eq!(artifact["metadata"]["env"], serde_json::json!({"team": "data"}));
    }
}
