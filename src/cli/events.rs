//! What happened, as text for people and as JSON in the shape of dbt's structured log. Pure: nothing is printed here.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use arrow::array::{Array as _, ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::util::display::array_value_to_string;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value as Json, json};

use crate::base::diagnostic::{Diagnostic, Severity};
use crate::base::limits;
use crate::cli::table;
use crate::execute::result::{BatchEvent, NodeResult, RowCounts, RunEvent, Status};
use crate::manifest::node::{Node, ResourceType};
use crate::record::manifest::{checksum, path};
use crate::record::run_results::{message as message_of, statement};

/// The column in which file sources say which file a row is from.
const FILE_COLUMN: &str = "_karat_file";
/// The column in which file sources say which line a row is from.
const LINE_COLUMN: &str = "_karat_line";

pub mod dbt;

/// Style of what went well.
pub const GOOD: Style = AnsiColor::Green.on_default().bold();
/// Style of what deserves a look.
pub const DOUBTFUL: Style = AnsiColor::Yellow.on_default().bold();
/// Style of what went wrong.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// Style of what was not done.
pub const QUIET: Style = AnsiColor::BrightBlack.on_default();

/// A text in a style, if color is wanted.
pub fn paint(text: &str, style: Style, color: bool) -> String {
    if color { format!("{style}{text}{style:#}") } else { text.to_owned() }
}

/// A line with a word in front that says what was done, right-aligned as cargo's.
pub fn word_line(word: &str, style: Style, text: &str, color: bool) -> String {
    // The padding stands outside of the color codes, which would count as characters.
    let padding = " ".repeat(12usize.saturating_sub(word.chars().count()));
    format!("{padding}{} {text}", paint(word, style, color)).trim_end().to_owned()
}

/// The line of a node that ended.
pub fn node_line(result: &NodeResult, color: bool) -> String {
    let node = &result.node;
    let (word, style) = match (result.status, node.resource_type) {
        (Status::Success, _) if result.action == "clone" => ("Cloned", GOOD),
        (Status::Success, _) if result.action == "no-op" => ("Left", QUIET),
        (Status::Success, ResourceType::Snapshot) => ("Snapshot", GOOD),
        (Status::Success, ResourceType::Seed) => ("Loaded", GOOD),
        (Status::Success, ResourceType::Operation) => ("Ran", GOOD),
        (Status::Success, _) => ("Built", GOOD),
        (Status::PartialSuccess, _) => ("PARTLY", BAD),
        (Status::Pass, _) => ("PASS", GOOD),
        (Status::Warn, _) => ("WARN", DOUBTFUL),
        (Status::Fail, _) => ("FAIL", BAD),
        (Status::Error, _) => ("ERROR", BAD),
        (Status::Skipped, _) => ("SKIP", QUIET),
    };
    let name = node.display_name();
    let detail = match result.status {
        Status::PartialSuccess => format!("{:<13} {}", result.action, result.message.as_deref().unwrap_or_default()),
        Status::Success => {
            format!("{:<13} {}", result.action, result.rows.map(|rows| rows_text(result, rows)).unwrap_or_default())
        }
        Status::Pass => String::new(),
        Status::Fail if node.resource_type == ResourceType::UnitTest => "differs".to_owned(),
        Status::Warn | Status::Fail => match result.failures {
            Some(failures) => counted(failures, "row"),
            None => one_line(result.message.as_deref().unwrap_or("")),
        },
        Status::Error | Status::Skipped => one_line(result.message.as_deref().unwrap_or("")),
    };
    let held_back = if result.withheld { "  not published" } else { "" };
    let time = if result.status == Status::Skipped { String::new() } else { seconds(result.execution_time) };
    let detail = detail.trim_end();
    let text = if matches!(node.resource_type, ResourceType::Test | ResourceType::UnitTest) {
        format!("{name:<56} {detail:<12} {time:>7}")
    } else if matches!(result.status, Status::Success | Status::PartialSuccess) {
        format!("{name:<36} {detail:<34} {time:>7}{held_back}")
    } else {
        format!("{name:<36} {detail}  {time}")
    };
    word_line(word, style, &text, color)
}

/// What a node's failure or warning is about: its diagnostics, or one made from its message, with the first failing
/// rows of a test. Empty if there is nothing to explain.
pub fn node_details(result: &NodeResult, color: bool) -> String {
    let mut text = String::new();
    for diagnostic in diagnostics_of(result) {
        text.push_str(&diagnostic.render(color));
        text.push('\n');
    }
    if let Some(rows) = result.failing_rows.as_ref().filter(|rows| rows.num_rows() > 0) {
        let found = rows.num_rows() as u64;
        let shown = rows.slice(0, rows.num_rows().min(limits::SHOWN_FAILURES));
        // Rows that cannot be formatted are not worth a second error beside the one they are to explain.
        if let Ok(rows) = with_origin(&shown)
            && let Ok(table) = table::text_table(rows.schema_ref(), std::slice::from_ref(&rows))
        {
            for line in table.lines() {
                text.push_str("  ");
                text.push_str(line);
                text.push('\n');
            }
            // A unit test is one failure, however many rows differ.
            let all = result.failures.unwrap_or(0).max(found);
            let shown = rows.num_rows() as u64;
            if all > shown {
                let _ = writeln!(text, "  … the first {shown} of {}", counted(all, "row"));
            }
        }
    }
    text
}

/// The diagnostics of a node that needs explaining; one is made where the run gave none.
pub fn diagnostics_of(result: &NodeResult) -> Vec<Diagnostic> {
    let explained = match result.status {
        Status::Fail | Status::Error | Status::PartialSuccess => {
            result.diagnostics.iter().any(|found| found.severity == Severity::Error)
        }
        Status::Warn => !result.diagnostics.is_empty(),
        Status::Success | Status::Pass | Status::Skipped => true,
    };
    let mut diagnostics = result.diagnostics.clone();
    if explained {
        return diagnostics;
    }
    let node = &result.node;
    let message = one_line(result.message.as_deref().unwrap_or("no reason was given"));
    let mut made = match result.status {
        Status::Warn => Diagnostic::warning("test-warned", format!("test `{}` found failing rows", node.name)),
        Status::Fail if node.resource_type == ResourceType::UnitTest => {
            return vec![
                Diagnostic::error("unit-test-failed", format!("unit test `{}` failed", node.display_name()))
                    .at_maybe(node.location.clone(), "actual differs from expected")
                    .with_note("`---` is expected and missing, `+++` is there and not expected")
                    .with_note("`→` marks a row that differs: `expected→actual`"),
            ];
        }
        Status::Fail => Diagnostic::error("test-failed", format!("test `{}` failed", node.name)),
        _ => Diagnostic::error("node-failed", format!("`{}` failed: {message}", node.display_name())),
    };
    if let Some(failures) = result.failures {
        made = made.at_maybe(node.location.clone(), counted(failures, "row")).with_note(message);
    } else {
        made = made.at_maybe(node.location.clone(), "");
    }
    if let Some(relation) = &result.failures_relation {
        made = made.with_note(format!("the failing rows are stored in {relation}"));
    }
    diagnostics.push(made);
    diagnostics
}

/// Failing rows with their file and line in one column `from` where they are known.
fn with_origin(rows: &RecordBatch) -> Result<RecordBatch, arrow::error::ArrowError> {
    let Some(files) = rows.column_by_name(FILE_COLUMN) else { return Ok(rows.clone()) };
    let lines = rows.column_by_name(LINE_COLUMN);
    let mut origins = Vec::with_capacity(rows.num_rows());
    for row in 0..rows.num_rows() {
        let file = if files.is_null(row) { None } else { Some(array_value_to_string(files, row)?) };
        let line = match lines {
            Some(lines) if !lines.is_null(row) => format!(":{}", array_value_to_string(lines, row)?),
            _ => String::new(),
        };
        origins.push(file.map(|file| format!("{file}{line}")));
    }
    let mut fields = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    for (field, column) in rows.schema_ref().fields().iter().zip(rows.columns()) {
        if field.name() != FILE_COLUMN && field.name() != LINE_COLUMN {
            fields.push(Arc::clone(field));
            columns.push(Arc::clone(column));
        }
    }
    fields.push(Arc::new(Field::new("from", DataType::Utf8, true)));
    columns.push(Arc::new(StringArray::from(origins)));
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

/// What a node did to its rows.
fn rows_text(result: &NodeResult, rows: RowCounts) -> String {
    if matches!(result.action, "table" | "seed" | "insert_overwrite") {
        return counted(rows.total, "row");
    }
    let changes: Vec<String> = [('+', rows.inserted), ('~', rows.updated), ('-', rows.deleted)]
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(sign, count)| format!("{sign}{}", thousands(count)))
        .collect();
    if changes.is_empty() { "no change".to_owned() } else { format!("{} rows", changes.join(" ")) }
}

/// A number with a noun, which takes an `s` unless it is one.
pub fn counted(count: u64, noun: &str) -> String {
    let plural = match (noun.strip_suffix("ry"), noun.strip_suffix("is")) {
        (Some(stem), _) => format!("{stem}ries"),
        (_, Some(stem)) => format!("{stem}es"),
        _ => format!("{noun}s"),
    };
    format!("{} {}", thousands(count), if count == 1 { noun } else { &plural })
}

/// A number with commas between its thousands.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A span of time for people.
pub fn seconds(span: Duration) -> String {
    let whole = span.as_secs();
    if whole < 60 {
        format!("{:.2}s", span.as_secs_f64())
    } else if whole < 3_600 {
        format!("{}m {:02}s", whole / 60, whole % 60)
    } else {
        format!("{}h {:02}m", whole / 3_600, whole % 3_600 / 60)
    }
}

/// The first line of a text: a node's line stays one line.
fn one_line(text: &str) -> String {
    text.lines().next().unwrap_or("").to_owned()
}

/// A level of dbt's structured log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For finding mistakes.
    Debug,
    /// Progress.
    Info,
    /// Suspicious.
    Warn,
    /// Wrong.
    Error,
}

impl Level {
    /// dbt's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }

    /// The level of a diagnostic.
    pub fn of(severity: Severity) -> Self {
        match severity {
            Severity::Note => Self::Info,
            Severity::Warning => Self::Warn,
            Severity::Error => Self::Error,
        }
    }
}

/// One entry of the structured log: dbt's name and code where dbt has such an event, ours otherwise.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Name of the event, such as `LogModelResult`.
    pub name: &'static str,
    /// dbt's code of the event; empty for events of ours.
    pub code: &'static str,
    /// Level.
    pub level: Level,
    /// One line for people, without color.
    pub message: String,
    /// `Thread-1 (worker)` or `MainThread`.
    pub thread: String,
    /// What the event is about.
    pub data: Json,
}

impl Entry {
    /// An entry of the main thread.
    pub fn new(name: &'static str, code: &'static str, level: Level, message: impl Into<String>, data: Json) -> Self {
        Self { name, code, level, message: message.into(), thread: "MainThread".into(), data }
    }

    /// The entry as one JSON object.
    pub fn to_json(&self, time: DateTime<Utc>, invocation_id: &str) -> Json {
        json!({
            "info": {
                "name": self.name,
                "code": self.code,
                "category": "",
                "level": self.level.as_str(),
                "msg": self.message,
                "ts": time.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(),
                "invocation_id": invocation_id,
                "pid": std::process::id(),
                "thread": self.thread,
                "extra": {},
            },
            "data": self.data,
        })
    }

    /// The entry of a diagnostic.
    pub fn of_diagnostic(diagnostic: &Diagnostic) -> Self {
        let labels: Vec<Json> = diagnostic
            .labels
            .iter()
            .map(|label| {
                let start = label.location.start();
                json!({
                    "file": label.location.file.path,
                    "line": start.line,
                    "column": start.column,
                    "message": label.message,
                })
            })
            .collect();
        let data = json!({
            "code": diagnostic.code,
            "message": diagnostic.message,
            "labels": labels,
            "notes": diagnostic.notes,
            "hint": diagnostic.hint,
        });
        let phrase = diagnostic.known_as.iter().map(|phrase| format!("\n{phrase}"));
        let message = std::iter::once(diagnostic.to_string()).chain(phrase).collect::<String>();
        Self::new("Diagnostic", "", Level::of(diagnostic.severity), message, data)
    }

    /// The entry of an event of a run; `time` is the present.
    pub fn of_event(event: &RunEvent<'_>, time: DateTime<Utc>) -> Self {
        match event {
            RunEvent::Started { node, index, total } if node.resource_type == ResourceType::Operation => {
                let statement = statement(node).unwrap_or_default();
                let node_info = node_info(node, "started", Some(time), None);
                let data = json!({"statement": statement, "index": index, "total": total, "node_info": node_info});
                Self::new(
                    "LogHookStartLine",
                    "Q032",
                    Level::Info,
                    format!("{index} of {total} START hook: {statement}"),
                    data,
                )
            }
            RunEvent::Started { node, index, total } => {
                let description = description(node);
                let message = format!("{index} of {total} START {description}");
                let node_info = node_info(node, "started", Some(time), None);
                let data = json!({
                    "description": description, "index": index, "total": total, "node_info": node_info,
                });
                Self::new("LogStartLine", "Q011", Level::Info, message, data)
            }
            RunEvent::Finished { result, index, total } => Self::of_result(result, *index, *total),
            RunEvent::BatchStarted { batch } => {
                let description = batch_description(batch);
                let message = format!("Batch {} of {} START {description}", batch.index, batch.total);
                let data = json!({
                    "description": description, "batch_index": batch.index, "total_batches": batch.total,
                    "node_info": node_info(batch.node, "started", Some(time), None),
                });
                Self::new("LogStartBatch", "Q045", Level::Info, message, data)
            }
            RunEvent::BatchFinished { batch, status, rows, seconds } => {
                let description = batch_description(batch);
                let word = status.as_str().to_ascii_uppercase();
                let message = format!("Batch {} of {} {word} {description}", batch.index, batch.total);
                let data = json!({
                    "description": description, "status": status.as_str(), "batch_index": batch.index,
                    "total_batches": batch.total, "execution_time": seconds, "rows": rows,
                    "node_info": node_info(batch.node, "started", Some(time), None),
                });
                let level = if *status == Status::Error { Level::Error } else { Level::Info };
                Self::new("LogBatchResult", "Q046", level, message, data)
            }
            RunEvent::Query { node, sql } => {
                let info = node_info(node, "started", Some(time), None);
                let data = json!({"conn_name": node.id.as_str(), "sql": sql, "node_info": info});
                Self::new("SQLQuery", "E016", Level::Debug, format!("On {}: {sql}", node.id), data)
            }
            RunEvent::Print(text) => Self::new("PrintEvent", "Z052", Level::Info, *text, json!({"msg": text})),
            RunEvent::Message(text) => Self::new("JinjaLogInfo", "I062", Level::Info, *text, json!({"msg": text})),
            RunEvent::Diagnostic(diagnostic) => Self::of_diagnostic(diagnostic),
            RunEvent::Waiting(holder) => {
                let message = format!("waiting for the lock of the environment, held by {holder}");
                Self::new("WaitingForLock", "", Level::Info, message, json!({"holder": holder}))
            }
            RunEvent::Published(publication) => {
                let message = format!("published {}@{}", publication.environment, publication.entry);
                let data = json!({
                    "environment": publication.environment,
                    "entry": publication.entry,
                    "relations": publication.relations,
                });
                Self::new("Published", "", Level::Info, message, data)
            }
        }
    }

    fn of_result(result: &NodeResult, index: usize, total: usize) -> Self {
        let node = &result.node;
        let status = result.status.as_str();
        let level = match result.status {
            Status::Fail | Status::Error | Status::PartialSuccess => Level::Error,
            Status::Warn => Level::Warn,
            Status::Success | Status::Pass | Status::Skipped => Level::Info,
        };
        let started = result.timing.first().map(|timing| timing.started_at);
        let finished = result.timing.last().map(|timing| timing.completed_at);
        let mut data = Map::new();
        let mut put = |key: &str, value: Json| data.insert(key.to_owned(), value);
        put("node_info", node_info(node, status, started, finished));
        put("index", json!(index));
        put("status", json!(status));
        put("execution_time", json!(result.execution_time.as_secs_f64()));
        let (name, code) = match (result.status, node.resource_type) {
            (Status::Skipped, _) => ("SkippingDetails", "Q034"),
            (_, ResourceType::Test | ResourceType::UnitTest) => ("LogTestResult", "Q007"),
            (_, ResourceType::Seed) => ("LogSeedResult", "Q016"),
            (_, ResourceType::Snapshot) => ("LogSnapshotResult", "Q015"),
            (_, ResourceType::Operation) => ("LogHookEndLine", "Q033"),
            _ => ("LogModelResult", "Q012"),
        };
        if name == "LogTestResult" {
            put("name", json!(node.name));
            put("num_models", json!(total));
            put("num_failures", json!(result.failures.unwrap_or(0)));
            if let Some(attached) = node.test().and_then(|test| test.attached_node.as_ref()) {
                put("attached_node", json!(attached.as_str()));
            }
        } else {
            put("total", json!(total));
            put("description", json!(description(node)));
            put("result_message", json!(message_of(result)));
        }
        let schema = node.relation.as_ref().map_or("", |relation| relation.schema.as_str());
        let identifier = node.relation.as_ref().map_or(node.name.as_str(), |relation| relation.identifier.as_str());
        match name {
            "LogHookEndLine" => put("statement", json!(statement(node))),
            "LogSeedResult" => {
                put("schema", json!(schema));
                put("relation", json!(identifier))
            }
            "LogSnapshotResult" => put("cfg", json!(node.config.raw)),
            "SkippingDetails" => {
                put("resource_type", json!(node.resource_type.as_str()));
                put("schema", json!(schema));
                put("node_name", json!(node.name))
            }
            _ => None,
        };
        if let Some(rows) = result.rows {
            let counts = json!({
                "inserted": rows.inserted, "updated": rows.updated, "deleted": rows.deleted, "total": rows.total,
            });
            put("rows", counts);
        }
        put("action", json!(result.action));
        put("withheld", json!(result.withheld));
        let found: Vec<Json> = diagnostics_of(result).iter().map(|found| Self::of_diagnostic(found).data).collect();
        put("diagnostics", Json::Array(found));
        let word = status.to_ascii_uppercase();
        let mut message = format!("{index} of {total} {word} {}", description(node));
        if let Some(text) =
            result.message.as_deref().filter(|_| level > Level::Info || result.status == Status::Skipped)
        {
            message.push_str(": ");
            message.push_str(&one_line(text));
        }
        let thread =
            if result.worker == 0 { "MainThread".into() } else { format!("Thread-{} (worker)", result.worker) };
        Self { thread, ..Self::new(name, code, level, message, Json::Object(data)) }
    }
}

/// The line of a batch that ended.
pub fn batch_line(batch: &BatchEvent<'_>, status: Status, rows: u64, time: f64, color: bool) -> String {
    let name = format!("{} {}", batch.node.display_name(), batch.batch);
    let place = format!("batch {} of {}", batch.index, batch.total);
    let (word, style, detail) = match status {
        Status::Error => ("ERROR", BAD, String::new()),
        Status::Skipped => ("SKIP", QUIET, String::new()),
        _ => ("Batch", QUIET, counted(rows, "row")),
    };
    let text = format!("{name:<36} {place:<18} {detail:<15} {:>7}", seconds(Duration::from_secs_f64(time)));
    word_line(word, style, &text, color)
}

/// dbt's description of a batch, such as `batch 2024-01-31 of silver.events`.
fn batch_description(batch: &BatchEvent<'_>) -> String {
    format!("batch {} of {}", batch.batch, batch.node.display_name())
}

/// dbt's description of a node in its log lines, such as `sql table model silver.stg_orders`.
fn description(node: &Node) -> String {
    match node.resource_type {
        ResourceType::Model => format!("sql {} model {}", node.config.materialized.as_str(), node.display_name()),
        ResourceType::Seed => format!("seed file {}", node.display_name()),
        ResourceType::Operation => format!("hook {}", node.name),
        kind => format!("{} {}", kind.as_str(), node.display_name()),
    }
}

/// dbt's `node_info`.
fn node_info(node: &Node, status: &str, started: Option<DateTime<Utc>>, finished: Option<DateTime<Utc>>) -> Json {
    let instant = |time: Option<DateTime<Utc>>| {
        time.map(|time| time.format("%Y-%m-%dT%H:%M:%S%.6f").to_string()).unwrap_or_default()
    };
    let materialized = match node.resource_type {
        ResourceType::Model => node.config.materialized.as_str(),
        kind => kind.as_str(),
    };
    let relation = node.relation.as_ref();
    json!({
        "materialized": materialized,
        "meta": node.config.meta,
        "node_checksum": checksum(node),
        "node_finished_at": instant(finished),
        "node_name": node.name,
        "node_path": path(node),
        "node_relation": {
            "alias": relation.map_or(node.name.as_str(), |relation| relation.identifier.as_str()),
            "database": relation.map_or("", |relation| relation.database.as_str()),
            "relation_name": relation.map(ToString::to_string).unwrap_or_default(),
            "schema": relation.map_or("", |relation| relation.schema.as_str()),
        },
        "node_started_at": instant(started),
        "node_status": status,
        "resource_type": node.resource_type.as_str(),
        "unique_id": node.id.as_str(),
    })
}
