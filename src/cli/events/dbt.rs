//! Events of dbt's structured log that people do not need to see: they are in the log file, and among the messages with
//! `--log-format json`, where the tools around dbt read them.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value as Json, json};

use super::{Entry, Level, counted, diagnostics_of, node_info};
use crate::execute::result::{NodeResult, RunResult, Status};
use crate::manifest::config::Materialization;
use crate::manifest::manifest::Manifest;
use crate::manifest::node::{Node, ResourceType};
use crate::parse::DBT_VERSION;
use crate::record::instant;
use crate::record::run_results::message;

/// The first line of a command.
pub fn main_report() -> Entry {
    let message = format!("Running with karat={} (as dbt={DBT_VERSION})", env!("CARGO_PKG_VERSION"));
    let data = json!({"version": format!("={DBT_VERSION}"), "log_version": 3});
    Entry::new("MainReportVersion", "A001", Level::Info, message, data)
}

/// What the project consists of.
pub fn found(manifest: &Manifest) -> Entry {
    let names = [
        (ResourceType::Model, "model"),
        (ResourceType::Analysis, "analysis"),
        (ResourceType::Test, "data test"),
        (ResourceType::Seed, "seed"),
        (ResourceType::Operation, "operation"),
        (ResourceType::Snapshot, "snapshot"),
        (ResourceType::Source, "source"),
        (ResourceType::Exposure, "exposure"),
        (ResourceType::Metric, "metric"),
        (ResourceType::UnitTest, "unit test"),
        (ResourceType::Function, "function"),
        (ResourceType::SemanticModel, "semantic model"),
        (ResourceType::SavedQuery, "saved query"),
    ];
    let mut parts: Vec<String> = names
        .into_iter()
        .map(|(kind, name)| (manifest.of_type(kind).count() as u64, name))
        .filter(|(count, _)| *count > 0)
        .map(|(count, name)| counted(count, name))
        .collect();
    parts.push(counted(manifest.macros.len() as u64, "macro"));
    let line = parts.join(", ");
    Entry::new("FoundStats", "W006", Level::Info, format!("Found {line}"), json!({"stat_line": line}))
}

/// The state is the folder that the command writes into. It is read before, so that nobody else need know.
pub fn state_is_target(folder: &Path) -> Entry {
    let path = folder.display().to_string();
    let message = format!("The state and target directories are the same: '{path}'");
    Entry::new("WarnStateTargetEqual", "I072", Level::Warn, message, json!({"state_path": path}))
}

/// How many nodes run at once.
pub fn concurrency(threads: usize, target: &str, nodes: usize) -> Entry {
    let message = format!("Concurrency: {threads} threads (target='{target}')");
    let data = json!({"num_threads": threads, "target_name": target, "node_count": nodes});
    Entry::new("ConcurrencyLine", "Q027", Level::Info, message, data)
}

/// A node was begun.
pub fn node_started(node: &Node, time: DateTime<Utc>) -> Entry {
    let data = json!({"node_info": node_info(node, "started", Some(time), None)});
    Entry::new("NodeStart", "Q024", Level::Debug, format!("Began running node {}", node.id), data)
}

/// A node ended, with its result.
pub fn node_finished(result: &NodeResult, response: &Json) -> Entry {
    let node = &result.node;
    let started = result.timing.first().map(|timing| timing.started_at);
    let finished = result.timing.last().map(|timing| timing.completed_at);
    let timing: Vec<Json> = result
        .timing
        .iter()
        .map(|phase| {
            let (started, completed) = (instant(phase.started_at), instant(phase.completed_at));
            json!({"name": phase.name, "started_at": started, "completed_at": completed})
        })
        .collect();
    let data = json!({
        "node_info": node_info(node, result.status.as_str(), started, finished),
        "run_result": {
            "status": result.status.as_str(),
            "message": message(result).unwrap_or_default(),
            "timing_info": timing,
            "thread": format!("Thread-{} (worker)", result.worker),
            "execution_time": result.execution_time.as_secs_f64(),
            "adapter_response": response,
            "num_failures": result.failures.unwrap_or(0),
        },
    });
    Entry::new("NodeFinished", "Q025", Level::Debug, format!("Finished running node {}", node.id), data)
}

/// What was run, and how long it took.
pub fn finished_running(run: &RunResult) -> Entry {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for result in &run.results {
        *counts.entry(kind_of(&result.node)).or_default() += 1;
    }
    let line = counts.into_iter().map(|(kind, count)| counted(count, &kind)).collect::<Vec<_>>().join(", ");
    let seconds = run.elapsed.as_secs_f64();
    let execution = format!(
        " in {} hours {} minutes and {:.2} seconds",
        run.elapsed.as_secs() / 3600,
        run.elapsed.as_secs() / 60 % 60,
        seconds % 60.0
    );
    let message = format!("Finished running {line}{execution} ({seconds:.2}s).");
    let data = json!({"stat_line": line, "execution": execution, "execution_time": seconds});
    Entry::new("FinishedRunningStats", "E047", Level::Info, message, data)
}

fn kind_of(node: &Node) -> String {
    match node.resource_type {
        ResourceType::Model if node.config.materialized == Materialization::Incremental => "incremental model".into(),
        ResourceType::Model => format!("{} model", node.config.materialized.as_str()),
        ResourceType::Operation => "project hook".into(),
        ResourceType::Test => "data test".into(),
        kind => kind.as_str().replace('_', " "),
    }
}

/// What went wrong, each failure as a line that names the node and one that says why.
pub fn failures(run: &RunResult) -> Vec<Entry> {
    let mut entries = Vec::new();
    for result in &run.results {
        let (names, level) = match result.status {
            Status::Error | Status::Fail => ([("RunResultFailure", "Z022"), ("RunResultError", "Z024")], Level::Error),
            Status::Warn => ([("RunResultWarning", "Z021"), ("RunResultWarningMessage", "Z049")], Level::Warn),
            _ => continue,
        };
        let node = &result.node;
        let (kind, path) = (node.resource_type.as_str(), node.path_in_package(&node.path));
        let info = node_info(node, result.status.as_str(), None, None);
        let [(head, head_code), (line, line_code)] = names;
        let data = json!({"resource_type": kind, "node_name": node.name, "path": path, "node_info": info});
        entries.push(Entry::new(head, head_code, level, format!("in {kind} {} ({path})", node.name), data));
        let found = diagnostics_of(result);
        let told = message(result).or_else(|| found.first().map(|found| found.message.clone()));
        let message = told.unwrap_or_default();
        let data = json!({"msg": message, "node_info": info});
        entries.push(Entry::new(line, line_code, level, format!("  {message}"), data));
    }
    entries
}

/// The last line of a command.
pub fn command_completed(command: &str, success: bool, time: DateTime<Utc>, elapsed: Duration) -> Entry {
    let (word, seconds) = (if success { "succeeded" } else { "failed" }, elapsed.as_secs_f64());
    let message = format!("Command `{command}` {word} at {} after {seconds:.2} seconds", time.format("%H:%M:%S%.6f"));
    let data = json!({"command": command, "success": success, "completed_at": instant(time), "elapsed": seconds});
    Entry::new("CommandCompleted", "Q039", Level::Debug, message, data)
}
