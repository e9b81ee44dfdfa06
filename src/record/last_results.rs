//! `results/<environment>.json`: the newest result of every node, of whatever command.
//!
//! `run_results.json` holds the last command only, as dbt's does. Who asks when a model was last built, or whether its
//! tests passed, wants the newest result of each: documentation reads this file. It may be deleted at any time.

use serde_json::{Map, Value as Json, json};

use crate::execute::result::{NodeResult, RunResult};
use crate::manifest::manifest::Manifest;
use crate::manifest::node::{NodeId, ResourceType};
use crate::record::{Invocation, instant};

/// Format of the file; others are taken as if the file were not there.
const FORMAT: u64 = 1;

/// The file of an environment, relative to the target folder.
pub fn file_name(environment: &str) -> String {
    format!("results/{environment}.json")
}

/// The results of a file by node; `None` if the text is not such a file.
pub fn parse(text: &str) -> Option<Map<String, Json>> {
    let document: Json = serde_json::from_str(text).ok()?;
    if document["format"] != json!(FORMAT) {
        return None;
    }
    match document {
        Json::Object(mut entries) => match entries.remove("results") {
            Some(Json::Object(results)) => Some(results),
            _ => None,
        },
        _ => None,
    }
}

/// The file after a run: former results of nodes that are still there, and those of the run.
pub fn artifact(former: Map<String, Json>, run: &RunResult, manifest: &Manifest, invocation: &Invocation) -> Json {
    let mut results = former;
    results.retain(|id, _| manifest.nodes.contains_key(&NodeId::new(id.as_str())));
    for result in run.results.iter().filter(|result| result.node.resource_type != ResourceType::Operation) {
        results.insert(result.node.id.to_string(), result_json(result, invocation));
    }
    results.sort_keys();
    json!({"format": FORMAT, "written_at": instant(invocation.generated_at), "results": results})
}

fn result_json(result: &NodeResult, invocation: &Invocation) -> Json {
    let ended = result.timing.last().map_or(invocation.generated_at, |phase| phase.completed_at);
    json!({
        "status": result.status.as_str(),
        "action": result.action,
        "message": result.message,
        "failures": result.failures,
        "rows": result.rows.map(|rows| json!({
            "inserted": rows.inserted, "updated": rows.updated, "deleted": rows.deleted, "total": rows.total,
        })),
        "bytes_written": result.bytes_written,
        "seconds": result.execution_time.as_secs_f64(),
        "withheld": result.withheld,
        "ended_at": instant(ended),
        "run_started_at": instant(invocation.started_at),
        "invocation_id": invocation.id,
    })
}
