//! Tests of the module above.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use indexmap::IndexMap;

use super::*;
use crate::base::clock::parse_now;
use crate::base::ident::Identifier;
use crate::base::source::{Location, SourceFile};
use crate::cli::list;
use crate::cli::options::{ListFormat, ListOptions, SelectionOptions};
use crate::execute::result::{NodeResult, Publication, RowCounts};
use crate::manifest::config::NodeConfig;
use crate::manifest::node::{Detail, Node, NodeId, ResourceType, TestDetail};
use crate::manifest::relation::{Database, Relation};

/// A stream that can be looked at afterwards.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    /// The text, with the times of lines left out: a test does not know how long it takes.
    fn text(&self) -> String {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let times = regex::Regex::new(r"(?m)^2024-01-31T06:\d\d:\d\dZ").unwrap();
        times.replace_all(&text, "[time]").into_owned()
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A stream whose reader has gone away.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn appearance() -> Appearance {
    Appearance { format: LogFormat::Text, level: LogLevel::Info, print: true, color: false, terminal: false }
}

fn scrubber() -> Scrubber {
    let env = [("DBT_ENV_SECRET_TOKEN".to_owned(), "hunter2".to_owned())];
    Scrubber::new(&ProcessEnv(env.into_iter().collect()))
}

fn printer(appearance: Appearance) -> (Printer, Shared, Shared) {
    let (output, messages) = (Shared::default(), Shared::default());
    let clock = Clock::new(Some(parse_now("2024-01-31T06:00:00Z").unwrap()));
    let streams: (Box<Shared>, Box<Shared>) = (Box::new(output.clone()), Box::new(messages.clone()));
    (Printer::with_streams(appearance, clock, "run-1".into(), scrubber(), streams.0, streams.1), output, messages)
}

fn node(id: &str, schema: &str, detail: Detail) -> Arc<Node> {
    let name = id.split('.').nth(2).unwrap();
    let text = "models:\n  - name: stg_items\n    data_tests:\n      - no_negatives\n";
    let file = SourceFile::new("models/silver/silver.yml", text);
    let range = file.line_range(4);
    let identifier = |text: &str| Identifier::new(text).unwrap();
    Arc::new(Node {
        id: NodeId::new(id),
        resource_type: ResourceType::parse(id.split('.').next().unwrap()).unwrap(),
        name: name.to_owned(),
        package: "shop".into(),
        package_folder: String::new(),
        path: "models/silver/silver.yml".into(),
        relative_path: "silver/silver.yml".into(),
        patch_path: None,
        fqn: vec!["shop".into(), name.to_owned()],
        layer: None,
        code: None,
        location: Some(Location::new(&file, range.start + 2..range.end)),
        config: NodeConfig::default(),
        relation: Some(Relation {
            database: Database::home(identifier("dev")),
            schema: identifier(schema),
            identifier: identifier(name),
        }),
        description: String::new(),
        columns: IndexMap::new(),
        refs: Vec::new(),
        sources: Vec::new(),
        functions: Vec::new(),
        depends_on: Vec::new(),
        macros: Vec::new(),
        own_macros: Vec::new(),
        doc_blocks: Vec::new(),
        introspective: false,
        foreseen: Vec::new(),
        detail,
    })
}

fn result(node: Arc<Node>, status: Status, action: &'static str) -> NodeResult {
    NodeResult {
        node,
        status,
        message: None,
        action,
        failures: None,
        rows: None,
        bytes_written: 0,
        timing: Vec::new(),
        worker: 1,
        execution_time: Duration::from_millis(80),
        compiled_sql: None,
        ephemeral: Vec::new(),
        diagnostics: Vec::new(),
        failing_rows: None,
        failures_relation: None,
        batches: None,
        withheld: false,
    }
}

/// A run with a model that is held back, a test that fails with rows, and a model that is skipped.
fn run() -> RunResult {
    let merged = NodeResult {
        rows: Some(RowCounts { inserted: 18_197, updated: 412, deleted: 0, total: 99_000 }),
        withheld: true,
        ..result(node("model.shop.stg_items", "silver", Detail::Model(Box::default())), Status::Success, "merge")
    };
    let detail =
        TestDetail { generic: None, attached_node: Some(NodeId::new("model.shop.stg_items")), column_name: None };
    let rows = RecordBatch::try_from_iter([
        ("order_id", Arc::new(StringArray::from(vec![Some("8c1f "), None])) as ArrayRef),
        ("quantity", Arc::new(Int64Array::from(vec![-1, -3])) as ArrayRef),
        ("_karat_file", Arc::new(StringArray::from(vec!["bronze/items/1.csv", "bronze/items/1.csv"])) as ArrayRef),
        ("_karat_line", Arc::new(Int64Array::from(vec![418, 977])) as ArrayRef),
    ])
    .unwrap();
    let failed = NodeResult {
        failures: Some(7),
        message: Some("Got 7 results, configured to fail if != 0".into()),
        failing_rows: Some(rows),
        ..result(node("test.shop.no_negatives_quantity", "silver", Detail::Test(detail)), Status::Fail, "test")
    };
    let skipped = NodeResult {
        message: Some("parent `no_negatives_quantity` failed".into()),
        ..result(node("model.shop.fct_items", "gold", Detail::Model(Box::default())), Status::Skipped, "table")
    };
    RunResult {
        results: vec![merged, failed, skipped],
        publication: None,
        failure: None,
        interrupted: false,
        elapsed: Duration::from_millis(310),
    }
}

/// Prints a run; the times that pass in a test are none of its business.
fn print(appearance: Appearance, output: OutputFormat) -> (String, String) {
    let (printer, results, messages) = printer(appearance);
    let run = run();
    for (at, result) in run.results.iter().enumerate() {
        printer.event(&RunEvent::Started { node: &result.node, index: at + 1, total: 3 });
        printer.event(&RunEvent::Finished { result, index: at + 1, total: 3 });
    }
    let context = Context { verb: "build", flags: vec!["--target prod".into()] };
    printer.summary(&run, &context, output);
    (results.text(), messages.text())
}

#[test]
fn a_failing_build_is_explained_and_the_verdict_is_last() {
    let (output, messages) = print(appearance(), OutputFormat::Text);
    assert_eq!(output, "Done. PASS=1 WARN=0 ERROR=1 SKIP=1 TOTAL=3\n");
    insta::assert_snapshot!(messages, @r"
    [time]        Built silver.stg_items                     merge         +18,197 ~412 rows      0.08s  not published
    [time]         FAIL no_negatives_quantity                                    7 rows         0.08s
    error[test-failed]: test `no_negatives_quantity` failed
     --> models/silver/silver.yml:4:9
      |
    4 |       - no_negatives
      |         ^^^^^^^^^^^^ 7 rows
      |
      = note: Got 7 results, configured to fail if != 0
      | order_id | quantity | from                   |
      | -------- | -------: | ---------------------- |
      | 8c1f·    |       -1 | bronze/items/1.csv:418 |
      | ∅        |       -3 | bronze/items/1.csv:977 |
      … the first 2 of 7 rows
    [time]         SKIP gold.fct_items                       parent `no_negatives_quantity` failed

    What failed:
      no_negatives_quantity (models/silver/silver.yml:4:9) [test-failed]: Got 7 results, configured to fail if != 0

    Not published: silver.stg_items; readers see the last good version.
    To run again after a fix: karat build --target prod --select stg_items+
    To learn more: karat explain test-failed
        Finished build in 0.31s: 2 models, 1 test
    ");
}

#[test]
fn quiet_prints_errors_and_results_only() {
    let quiet = Appearance { level: LogLevel::Error, ..appearance() };
    let (output, messages) = print(quiet, OutputFormat::Json);
    assert_eq!(output, "", "the caller prints the document");
    assert!(messages.contains("FAIL") && messages.contains("What failed:"), "{messages}");
    assert!(!messages.contains("Built") && !messages.contains("Done."), "{messages}");
}

#[test]
fn the_structured_log_has_the_shape_of_dbt() {
    let json = Appearance { format: LogFormat::Json, ..appearance() };
    let (output, messages) = print(json, OutputFormat::Text);
    assert_eq!(messages, "");
    let entries: Vec<serde_json::Value> = output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<&str> = entries.iter().map(|entry| entry["info"]["name"].as_str().unwrap()).collect();
    let expected = [
        "LogStartLine",
        "LogModelResult",
        "LogStartLine",
        "LogTestResult",
        "LogStartLine",
        "SkippingDetails",
        "FinishedRunningStats",
        "EndOfRunSummary",
        "RunResultFailure",
        "RunResultError",
        "StatsLine",
    ];
    assert_eq!(names, expected);
    for entry in &entries {
        let info = entry["info"].as_object().unwrap();
        for key in ["name", "code", "category", "level", "msg", "ts", "invocation_id", "pid", "thread", "extra"] {
            assert!(info.contains_key(key), "{key}");
        }
        assert_eq!(info["invocation_id"], "run-1");
    }
    let test = &entries[3];
    assert_eq!((&test["info"]["level"], &test["info"]["thread"]), (&json!("error"), &json!("Thread-1 (worker)")));
    assert_eq!(test["data"]["num_failures"], 7);
    assert_eq!(test["data"]["node_info"]["node_status"], "fail");
    assert_eq!(test["data"]["diagnostics"][0]["labels"][0]["line"], 4);
    assert_eq!(entries[10]["data"]["stats"]["total"], 3);
}

#[test]
fn other_events_have_their_streams() {
    let (printer, output, messages) = printer(appearance());
    printer.event(&RunEvent::Print("from a template"));
    printer.event(&RunEvent::Message("token is hunter2"));
    printer.event(&RunEvent::Waiting("run 7 on host ci"));
    let publication = Publication { environment: "dev".into(), entry: 42, relations: 6 };
    printer.event(&RunEvent::Published(&publication));
    printer.status("Checked", "24 models in 43 ms");
    printer.debug("not shown");
    for _ in 0..2 {
        printer.diagnostic(&Diagnostic::warning("unmatched-properties", "found at every parent"));
    }
    assert_eq!(output.text(), "from a template\n");
    let expected = "\
[time] token is *****
[time]      Waiting for the lock of the environment, held by run 7 on host ci
[time]    Published dev@42 (6 relations changed)
[time]      Checked 24 models in 43 ms
warning[unmatched-properties]: found at every parent
";
    assert_eq!(messages.text(), expected);
}

#[test]
fn a_closed_pipe_is_not_an_error() {
    let clock = Clock::new(None);
    let messages = Shared::default();
    let streams: (Box<Closed>, Box<Shared>) = (Box::new(Closed), Box::new(messages.clone()));
    let printer = Printer::with_streams(appearance(), clock, "run-1".into(), scrubber(), streams.0, streams.1);
    printer.result("one");
    printer.result("two");
    assert!(printer.output_closed());
    assert_eq!(messages.text(), "");
}

#[test]
fn color_is_only_in_words() {
    let line = events::node_line(&run().results[0], true);
    assert!(line.starts_with("       \u{1b}[1m\u{1b}[32mBuilt\u{1b}[0m silver.stg_items "), "{line:?}");
}

#[test]
fn lists_have_the_four_forms_of_dbt() {
    let node = node("model.shop.stg_items", "silver", Detail::Model(Box::default()));
    let line = |output, keys: &[&str]| {
        let output_keys = keys.iter().map(|&key| key.to_owned()).collect();
        list::line(
            &node,
            &ListOptions { selection: SelectionOptions::default(), output, output_keys, all_kinds: false },
        )
    };
    assert_eq!(line(ListFormat::Selector, &[]), "shop.stg_items");
    assert_eq!(line(ListFormat::Name, &[]), "stg_items");
    assert_eq!(line(ListFormat::Path, &[]), "models/silver/silver.yml");
    assert_eq!(line(ListFormat::Json, &["name", "tags"]), r#"{"name":"stg_items","tags":[]}"#);
    let default: serde_json::Value = serde_json::from_str(&line(ListFormat::Json, &[])).unwrap();
    let mut keys: Vec<&str> = default.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    let expected = [
        "alias",
        "config",
        "depends_on",
        "name",
        "original_file_path",
        "package_name",
        "resource_type",
        "tags",
        "unique_id",
    ];
    assert_eq!(keys, expected);
}
