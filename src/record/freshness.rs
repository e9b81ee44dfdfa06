//! `sources.json`, version 3: how old the data of sources is.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value as Json, json};

use crate::execute::result::Timing;
use crate::manifest::node::{Age, Freshness, NodeId};
use crate::record::{Invocation, instant};

/// Name of the artifact.
pub const FILE_NAME: &str = "sources.json";

/// What became of the look at one source.
#[derive(Debug, Clone)]
pub struct FreshnessResult {
    /// The source table.
    pub id: NodeId,
    /// What was found, or the sentence why nothing could be.
    pub outcome: Result<FreshnessFound, String>,
}

/// The age of a source.
#[derive(Debug, Clone)]
pub struct FreshnessFound {
    /// Time of the newest row.
    pub max_loaded_at: DateTime<Utc>,
    /// When it was looked at.
    pub snapshotted_at: DateTime<Utc>,
    /// The verdict.
    pub status: FreshnessStatus,
    /// What was asked for.
    pub criteria: Freshness,
    /// Phases.
    pub timing: Vec<Timing>,
    /// Number of the worker, from 1.
    pub worker: usize,
    /// Time from start to end.
    pub execution_time: Duration,
}

/// The verdict on the age of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FreshnessStatus {
    /// Young enough.
    Pass,
    /// Older than `warn_after`.
    Warn,
    /// Older than `error_after`.
    Error,
}

impl FreshnessStatus {
    /// The verdict on an age.
    pub fn of(age: chrono::TimeDelta, criteria: &Freshness) -> Self {
        let older = |limit: &Option<Age>| limit.as_ref().is_some_and(|limit| age > span(limit));
        if older(&criteria.error_after) {
            Self::Error
        } else if older(&criteria.warn_after) {
            Self::Warn
        } else {
            Self::Pass
        }
    }

    /// dbt's text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// The artifact.
pub fn artifact(results: &[FreshnessResult], elapsed: Duration, invocation: &Invocation) -> Json {
    let results: Vec<Json> = results.iter().map(result_json).collect();
    json!({
        "metadata": invocation.metadata("sources/v3"),
        "results": results,
        "elapsed_time": elapsed.as_secs_f64(),
    })
}

fn result_json(result: &FreshnessResult) -> Json {
    let found = match &result.outcome {
        Ok(found) => found,
        Err(error) => return json!({"unique_id": result.id.as_str(), "error": error, "status": "runtime error"}),
    };
    let timing: Vec<Json> = found
        .timing
        .iter()
        .map(|phase| {
            json!({
                "name": phase.name, "started_at": instant(phase.started_at),
                "completed_at": instant(phase.completed_at),
            })
        })
        .collect();
    let age = found.snapshotted_at - found.max_loaded_at;
    #[expect(clippy::cast_precision_loss, reason = "an age in seconds, to the millisecond")]
    let seconds = age.num_milliseconds() as f64 / 1_000.0;
    let limit = |limit: &Option<Age>| match limit {
        Some(limit) => json!({"count": limit.count, "period": limit.period}),
        None => json!({"count": null, "period": null}),
    };
    json!({
        "unique_id": result.id.as_str(),
        "max_loaded_at": instant(found.max_loaded_at),
        "snapshotted_at": instant(found.snapshotted_at),
        "max_loaded_at_time_ago_in_s": seconds,
        "status": found.status.as_str(),
        "criteria": {
            "warn_after": limit(&found.criteria.warn_after),
            "error_after": limit(&found.criteria.error_after),
            "filter": found.criteria.filter,
        },
        "adapter_response": {},
        "timing": timing,
        "thread_id": format!("Thread-{} (worker)", found.worker.max(1)),
        "execution_time": found.execution_time.as_secs_f64(),
    })
}

/// An age as a span of time; one that is too long to count is as good as none.
fn span(age: &Age) -> chrono::TimeDelta {
    let minutes: u64 = match age.period.as_str() {
        "minute" => 1,
        "hour" => 60,
        _ => 24 * 60,
    };
    i64::try_from(age.count.saturating_mul(minutes))
        .ok()
        .and_then(chrono::TimeDelta::try_minutes)
        .unwrap_or(chrono::TimeDelta::MAX)
}
