//! `run_results.json`, version 6: what became of each node.

use std::path::Path;

use chrono::{DateTime, Utc};
use indexmap::IndexMap;
use serde_json::{Map, Value as Json, json};

use crate::execute::result::{NOT_RUN, NodeResult, RunResult, STOPPED_EARLY, Status};
use crate::manifest::manifest::Manifest;
use crate::manifest::microbatch::{Outcomes, Window};
use crate::manifest::node::{Detail, Node, ResourceType};
use crate::record::manifest::templates;
use crate::record::{Invocation, instant, wording};

/// Name of the artifact.
pub const FILE_NAME: &str = "run_results.json";

/// Key in `args`, of ours: what readers see since. Other places are checked strictly by readers of dbt's artifacts.
pub const PUBLISHED: &str = "published";

/// The artifact; `args` are the options of the invocation as dbt names them (`which`, `select`, `vars` and so on).
pub fn artifact(run: &RunResult, args: &IndexMap<String, Json>, invocation: &Invocation) -> Json {
    let results: Vec<Json> = run.results.iter().map(result_json).collect();
    let mut args = args.clone();
    if let Some(publication) = &run.publication {
        args.insert(PUBLISHED.to_owned(), json!(format!("{}@{}", publication.environment, publication.entry)));
    }
    json!({
        "metadata": invocation.metadata("run-results/v6"),
        "results": results,
        "elapsed_time": run.elapsed.as_secs_f64(),
        "args": args,
    })
}

fn result_json(result: &NodeResult) -> Json {
    let node = &result.node;
    let timing: Vec<Json> = result
        .timing
        .iter()
        .map(|phase| {
            json!({
                "name": phase.name, "started_at": instant(phase.started_at),
                "completed_at": instant(phase.completed_at),
            })
        })
        .collect();
    // As under dbt, seeds have none here.
    let has_relation = match node.resource_type {
        ResourceType::Test => result.failures_relation.is_some() || node.config.store_failures == Some(true),
        ResourceType::Seed => false,
        kind => kind.is_built() && !node.is_ephemeral(),
    };
    let relation_name = node.relation.as_ref().filter(|_| has_relation).map(ToString::to_string);
    let is_compiled = result.compiled_sql.is_some();
    json!({
        "status": result.status.as_str(),
        "timing": timing,
        "thread_id": if result.worker == 0 { "MainThread".into() } else { format!("Thread-{} (worker)", result.worker) },
        "execution_time": result.execution_time.as_secs_f64(),
        "adapter_response": adapter_response(result),
        "message": message(result),
        "failures": failures(result),
        "unique_id": node.id.as_str(),
        "compiled": is_compiled,
        "compiled_code": result.compiled_sql,
        "relation_name": relation_name,
        "batch_results": result.batches.as_ref().map(|batches| batch_results(&batches.outcomes)),
        "overload_results": null,
    })
}

/// A result as hooks of the end see it: that of the artifact, with its node.
pub fn template_value(result: &NodeResult, manifest: &Manifest, target: &Path, started_at: DateTime<Utc>) -> Json {
    let mut value = result_json(result);
    let sql = result.compiled_sql.as_deref();
    value["node"] = templates::result_node(manifest, &result.node, sql, target, started_at);
    value["agate_table"] = Json::Null;
    value
}

/// What dbt says of a node that went well; of others what went wrong.
pub fn message(result: &NodeResult) -> Option<String> {
    let usual = || match result.node.resource_type {
        ResourceType::Model if result.batches.is_some() => Some("SUCCESS".to_owned()),
        ResourceType::Model | ResourceType::Snapshot => Some("OK".to_owned()),
        ResourceType::Seed => Some(format!("INSERT {}", result.rows.map_or(0, |rows| rows.inserted))),
        ResourceType::Operation => statement(&result.node).map(|statement| format!("{statement} passed")),
        _ => None,
    };
    let well = result.status == Status::Success;
    if result.status == Status::Skipped {
        return skipped(result);
    }
    wording::failure(result).or_else(|| result.message.clone()).or_else(|| if well { usual() } else { None })
}

/// dbt says why a node was skipped only where `--fail-fast` did it.
fn skipped(result: &NodeResult) -> Option<String> {
    match (&result.node.detail, result.message.as_deref()) {
        (Detail::Operation { .. }, _) => statement(&result.node).map(|statement| format!("{statement} skipped")),
        (_, Some(STOPPED_EARLY)) => Some("Skipping due to fail_fast".to_owned()),
        (_, Some(NOT_RUN)) => result.message.clone(),
        // A part of it that has no result of its own.
        (_, Some(message)) if message.starts_with("Compilation Error in ") => Some(message.to_owned()),
        _ => None,
    }
}

/// Failing rows of a test; a hook that failed is one, and a microbatch model says none in any case.
fn failures(result: &NodeResult) -> Option<u64> {
    match result.node.resource_type {
        ResourceType::Test | ResourceType::UnitTest => result.failures,
        ResourceType::Operation => Some(u64::from(result.status == Status::Error)),
        _ => result.batches.as_ref().map(|_| 0),
    }
}

/// dbt's name of a hook, such as `shop.on-run-start.0`.
pub fn statement(node: &Node) -> Option<String> {
    match &node.detail {
        Detail::Operation { event, index } => Some(format!("{}.{event}.{index}", node.package)),
        _ => None,
    }
}

/// The windows of a microbatch model: each its start and end.
fn batch_results(outcomes: &Outcomes) -> Json {
    json!({"successful": pairs(&outcomes.successful), "failed": pairs(&outcomes.failed)})
}

fn pairs(windows: &[Window]) -> Json {
    let mut windows = windows.to_vec();
    windows.sort();
    let pair = |window: &Window| json!([window.start.to_rfc3339(), window.end.to_rfc3339()]);
    Json::Array(windows.iter().map(pair).collect())
}

/// What dbt's adapters report: for us, what was done and how many rows changed.
pub fn adapter_response(result: &NodeResult) -> Json {
    if matches!(result.status, Status::Skipped | Status::Error) {
        return json!({});
    }
    let mut response = Map::new();
    response.insert("_message".into(), json!("OK"));
    response.insert("code".into(), json!(result.action));
    if let Some(rows) = result.rows {
        let affected = rows.inserted + rows.updated + rows.deleted;
        response.insert("_message".into(), json!(format!("OK {affected}")));
        response.insert("rows_affected".into(), json!(affected));
        response.insert("rows_inserted".into(), json!(rows.inserted));
        response.insert("rows_updated".into(), json!(rows.updated));
        response.insert("rows_deleted".into(), json!(rows.deleted));
        response.insert("rows_total".into(), json!(rows.total));
        response.insert("bytes_written".into(), json!(result.bytes_written));
    }
    if let Some(batches) = &result.batches {
        // With what an earlier command has made, `batch_results` has more.
        response.insert("batches".into(), pairs(&batches.made));
    }
    if result.withheld {
        // The result is kept from readers because a test or a parent failed.
        response.insert("withheld".into(), json!(true));
    }
    Json::Object(response)
}
