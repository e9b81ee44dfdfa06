//! Layer 7: artifacts, the JSON files whose shape we promise: dbt's, so that the tools around dbt read them.
//!
//! Everything here is a function of its arguments that makes a JSON value; [`write()`] puts it on disk as a whole.
//! The nouns of `manifest` do not know how they are written: that is only said here.

pub mod catalog;
pub mod compiled;
pub mod freshness;
pub mod last_results;
pub mod manifest;
mod model;
pub mod run_results;
pub mod semantic;
pub mod wording;

use std::collections::BTreeMap;
use std::path::Path;

use chrono::{DateTime, Utc};
use serde_json::{Value as Json, json};

use crate::base::fs::{self, FsError};
use crate::parse::DBT_VERSION;

/// What the artifacts of one invocation say about it.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Id of the invocation.
    pub id: String,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When the artifact was made.
    pub generated_at: DateTime<Utc>,
    /// What the environment adds to the facts: see [`ProcessEnv::custom`](crate::base::env::ProcessEnv::custom).
    pub env: BTreeMap<String, String>,
}

impl Invocation {
    /// dbt's `metadata` of an artifact, for a schema such as `manifest/v12`.
    pub fn metadata(&self, schema: &str) -> Json {
        // Readers check the keys strictly, and expect nothing but these facts among those of the environment.
        json!({
            "dbt_schema_version": format!("https://schemas.getdbt.com/dbt/{schema}.json"),
            "dbt_version": DBT_VERSION,
            "generated_at": instant(self.generated_at),
            "invocation_id": self.id,
            "invocation_started_at": instant(self.started_at),
            "env": self.env,
        })
    }
}

/// An instant as artifacts write it: microseconds and `Z`.
pub fn instant(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

/// Writes an artifact so that a reader sees the old one or the new one, never a part.
pub fn write(folder: &Path, name: &str, artifact: &Json) -> Result<(), FsError> {
    fs::write_atomic(&folder.join(name), artifact.to_string().as_bytes())
}

#[cfg(test)]
mod tests;
