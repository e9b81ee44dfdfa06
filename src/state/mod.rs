//! Layer 2: what an earlier command left in a folder of artifacts (`--state`), whether karat wrote it or dbt.
//!
//! [`Previous`] reads the folder, [`Comparison`] tells what has changed since. Nothing here knows how a selection is
//! written (`select`), nor how a relation of the state is read (`engine::view`).

mod artifacts;
mod compare;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::base::diagnostic::Diagnostic;
use crate::base::fs;
use crate::base::limits;

pub use artifacts::{ENVIRONMENT, Manifest, Node, OWNER};
pub use compare::{Check, Comparison};

/// The artifacts of a folder; each may be missing.
#[derive(Debug, Clone, Default)]
pub struct Previous {
    /// The folder as it was looked for.
    pub folder: PathBuf,
    /// `manifest.json`.
    pub manifest: Option<Manifest>,
    /// Status by node, of `run_results.json`.
    pub results: Option<BTreeMap<String, String>>,
    /// Time of the newest row by source table, of `sources.json`; `None` where it could not be told.
    pub sources: Option<Freshness>,
}

/// Time of the newest row by source table; `None` where it could not be told.
pub type Freshness = BTreeMap<String, Option<String>>;

impl Previous {
    /// Reads a folder. A file that is not there is none; a file that is no such artifact is refused.
    pub fn read(folder: &Path) -> Result<Self, Box<Diagnostic>> {
        let manifest: Option<Manifest> = read(folder, "manifest.json", "manifest")?;
        let results: Option<artifacts::RunResults> = read(folder, "run_results.json", "run-results")?;
        Ok(Self {
            folder: folder.to_path_buf(),
            manifest,
            results: results.map(artifacts::RunResults::statuses),
            sources: freshness(folder)?,
        })
    }

    /// Says that an artifact is needed that is not there.
    pub fn missing(&self, file: &str, why: &str) -> Diagnostic {
        let folder = self.folder.display();
        let message = if fs::is_dir(&self.folder) {
            format!("{why}, but there is no `{file}` in `{folder}`")
        } else {
            format!("{why}, but there is no folder `{folder}`")
        };
        Diagnostic::error("no-state", message)
            .with_hint("`--state` and `--defer-state` name a folder, relative to the project, that holds the artifacts of an earlier command")
    }
}

/// `sources.json` of a folder; `None` if it is not there.
pub fn freshness(folder: &Path) -> Result<Option<Freshness>, Box<Diagnostic>> {
    let sources: Option<artifacts::Sources> = read(folder, "sources.json", "sources")?;
    Ok(sources.map(artifacts::Sources::newest))
}

fn read<T: DeserializeOwned>(folder: &Path, name: &str, schema: &str) -> Result<Option<T>, Box<Diagnostic>> {
    let path = folder.join(name);
    let bad = |problem: String| {
        let message = format!("`{}` is not an artifact that can be compared with: {problem}", path.display());
        Box::new(
            Diagnostic::error("bad-state", message)
                .with_hint(format!("it must be the `{name}` of karat, or of a dbt that writes the same version")),
        )
    };
    let text = match fs::read_text(&path, limits::STATE_FILE_BYTES) {
        Ok(text) => text,
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(bad(error.to_string())),
    };
    let header: artifacts::Header = serde_json::from_str(&text).map_err(|error| bad(error.to_string()))?;
    let known = artifacts::versions(schema);
    let found = header.metadata.dbt_schema_version.unwrap_or_default();
    if !known.iter().any(|version| found.ends_with(&format!("/{schema}/{version}.json"))) {
        let found = if found.is_empty() { "none".to_owned() } else { format!("`{found}`") };
        let expected = known.join(" or ");
        return Err(bad(format!("its schema is {found}, expected version {expected} of `{schema}`")));
    }
    serde_json::from_str(&text).map(Some).map_err(|error| bad(error.to_string()))
}

impl Manifest {
    /// The manifest of an artifact that was just made.
    pub fn from_artifact(artifact: Json) -> Result<Self, String> {
        serde_json::from_value(artifact).map_err(|error| error.to_string())
    }
}
