//! Compiled SQL under `target/compiled` and `target/run`, at the paths that dbt gives it.

use std::path::{Component, Path, PathBuf};

use crate::base::fs::{self, FsError};
use crate::manifest::microbatch::Batch;
use crate::manifest::node::{Node, ResourceType};

/// Longest file name in bytes, below what file systems allow.
const FILE_NAME_BYTES: usize = 200;

/// The path of a node's SQL below `target/compiled` or `target/run`: `<package>/<its file>`, and for a node that
/// shares its file with others `<package>/<the file>/<its name>.sql`.
pub fn path(node: &Node) -> PathBuf {
    let mut path = PathBuf::from(&node.package);
    // The path comes from the project, but it becomes a path outside of its sandbox: only plain names are taken over.
    let own = node.path_in_package(&node.path);
    path.extend(Path::new(own).components().filter(|component| matches!(component, Component::Normal(_))));
    if node.resource_type == ResourceType::Operation {
        path.push("hooks");
    }
    let is_sql = Path::new(&node.path).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("sql"));
    let own_file = is_sql && node.resource_type != ResourceType::Snapshot;
    if !own_file && node.resource_type != ResourceType::Seed {
        path.push(file_name(&node.name));
    }
    path
}

/// Writes the SQL that a node's template became.
pub fn write_compiled(target: &Path, node: &Node, sql: &str) -> Result<PathBuf, FsError> {
    write(&target.join("compiled").join(path(node)), sql)
}

/// Writes the SQL that was run for a node.
pub fn write_run(target: &Path, node: &Node, sql: &str) -> Result<PathBuf, FsError> {
    write(&target.join("run").join(path(node)), sql)
}

/// Writes the SQL of a batch, both that it was compiled to and that was run, into a folder of its model as dbt does:
/// `events/events_2024-01-31.sql`.
pub fn write_batch(target: &Path, node: &Node, batch: &Batch, sql: &str) -> Result<(), FsError> {
    let path = path(node).with_extension("");
    let stem = path.file_name().map_or_else(|| node.name.clone(), |name| name.to_string_lossy().into_owned());
    for kind in ["compiled", "run"] {
        write(&target.join(kind).join(&path).join(format!("{stem}_{batch}.sql")), sql)?;
    }
    Ok(())
}

fn write(path: &Path, sql: &str) -> Result<PathBuf, FsError> {
    fs::write_atomic(path, sql.as_bytes())?;
    Ok(path.to_path_buf())
}

/// A node's name as a file name. Names of tests hold whatever their arguments do: a character that is not plain
/// becomes `_`, and a name that is too long keeps its beginning and gets a hash.
fn file_name(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '$') { c } else { '_' })
        .collect();
    let plain = plain.trim_start_matches('.');
    if plain.len() <= FILE_NAME_BYTES {
        return format!("{plain}.sql");
    }
    let hash = blake3::hash(name.as_bytes()).to_hex();
    let (beginning, _) = plain.split_at(FILE_NAME_BYTES - 17);
    format!("{beginning}_{}.sql", hash.get(..16).unwrap_or_default())
}
