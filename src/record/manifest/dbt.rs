//! Texts and paths of nodes as dbt writes them, so that a manifest can be compared with one of dbt.

use indexmap::IndexMap;
use serde_json::{Map, Value as Json, json};
use sha2::{Digest as _, Sha256};

use super::slashes;
use crate::manifest::config::NodeConfig;
use crate::manifest::manifest::DocBlock;
use crate::manifest::node::{Detail, Node, ResourceType};
use crate::parse::generic_tests::python_repr;

/// `path`: below the folder of its kind; an analysis and a snapshot of a properties file have paths of their own.
pub(super) fn path(node: &Node) -> String {
    let relative = slashes(&node.relative_path);
    match node.resource_type {
        ResourceType::Analysis => format!("analysis/{relative}"),
        ResourceType::Snapshot => match relative.rsplit_once('/') {
            Some((file, own)) if has_ending(file, &["yml", "yaml"]) => {
                let folder = file.rsplit_once('/').map(|(folder, _)| format!("{folder}/")).unwrap_or_default();
                format!("{folder}{own}")
            }
            _ => relative,
        },
        _ => relative,
    }
}

fn has_ending(file: &str, endings: &[&str]) -> bool {
    file.rsplit_once('.').is_some_and(|(_, ending)| endings.contains(&ending))
}

/// `original_file_path`.
pub(super) fn original_path(node: &Node) -> String {
    let path = slashes(node.path_in_package(&node.path));
    if node.resource_type == ResourceType::Operation { format!("./{path}") } else { path }
}

/// `raw_code`: without the blanks around it; a generic test is the call that dbt makes of it.
pub(super) fn raw_code(node: &Node) -> String {
    let call = node.test().and_then(|test| test.generic.as_ref());
    match (call, &node.code) {
        (Some(call), _) => {
            let package = call.namespace.as_ref().map(|package| format!("{package}.")).unwrap_or_default();
            format!("{{{{ {package}test_{}(**_dbt_generic_test_kwargs) }}}}{}", call.name, config_call(&call.config))
        }
        // What stands between the tags of a snapshot is kept as it is.
        (None, Some(code)) if node.resource_type == ResourceType::Snapshot && code.offset.is_some() => {
            code.text.to_string()
        }
        (None, Some(code)) => code.text.trim().to_owned(),
        (None, None) => String::new(),
    }
}

/// The `config()` that dbt writes behind the call of a generic test.
fn config_call(config: &IndexMap<String, Json>) -> String {
    // In this order, whatever the order in the file.
    const KEYS: [&str; 15] = [
        "severity",
        "tags",
        "enabled",
        "where",
        "limit",
        "warn_if",
        "error_if",
        "fail_calc",
        "store_failures",
        "store_failures_as",
        "sql_header",
        "meta",
        "database",
        "schema",
        "alias",
    ];
    let first = KEYS.iter().filter_map(|key| config.get_key_value(*key));
    let rest = config.iter().filter(|(key, _)| !KEYS.contains(&key.as_str()));
    let written = first.chain(rest).filter(|(_, value)| !value.is_null()).map(|(key, value)| match value {
        Json::String(text) => format!("{key}=\"{}\"", text.replace('"', "\\\"")),
        value => format!("{key}={}", python_repr(value)),
    });
    let written: Vec<String> = written.collect();
    if written.is_empty() { String::new() } else { format!("{{{{ config({}) }}}}", written.join(",")) }
}

/// `checksum`: of a text whose blanks count as one each; generic tests have no text of their own.
pub(super) fn checksum(node: &Node) -> Json {
    match (&node.detail, &node.code) {
        (Detail::Seed { checksum, .. }, _) => json!({"name": "sha256", "checksum": checksum}),
        (_, Some(code)) if code.offset.is_some() => {
            // A file may have several snapshots: each has the checksum of the file.
            let is_part = node.resource_type == ResourceType::Snapshot;
            let text: &str = if is_part { code.file.text.as_str() } else { &code.text };
            let words: Vec<&str> = text.split_whitespace().collect();
            json!({"name": "sha256", "checksum": format!("{:x}", Sha256::digest(words.join(" ").as_bytes()))})
        }
        _ => json!({"name": "none", "checksum": ""}),
    }
}

/// Keys of dbt's `config` that mean nothing here.
pub(super) fn put_unused(keys: &mut Map<String, Json>, kind: ResourceType) {
    keys.insert("static_analysis".to_owned(), Json::Null);
    match kind {
        ResourceType::Model => {
            keys.insert("latest_version_pointer".to_owned(), json!({"enabled": null, "alias": null}));
            keys.insert("on_error".to_owned(), Json::Null);
        }
        ResourceType::Test => {
            keys.insert("sql_header".to_owned(), Json::Null);
        }
        _ => {}
    }
}

/// `snapshot_meta_column_names`: those that were configured.
pub(super) fn snapshot_names(config: &NodeConfig) -> Json {
    let written = config.raw.get("snapshot_meta_column_names");
    let names = ["dbt_valid_to", "dbt_valid_from", "dbt_scd_id", "dbt_updated_at", "dbt_is_deleted"];
    let name = |name: &str| written.and_then(|written| written.get(name)).cloned().unwrap_or(Json::Null);
    Json::Object(names.into_iter().map(|key| (key.to_owned(), name(key))).collect())
}

/// `patch_path` of a macro: its package, and the file as the package itself would write it.
pub(super) fn patch_path(package: &str, path: &str) -> String {
    let path = slashes(path);
    format!("{package}://{}", path.strip_prefix(&format!("dbt_packages/{package}/")).unwrap_or(&path))
}

/// A docs block.
pub(super) fn doc(id: &str, block: &DocBlock) -> Json {
    let original = slashes(&block.path);
    let installed = format!("dbt_packages/{}/", block.package);
    let original = original.strip_prefix(&installed).unwrap_or(&original);
    json!({
        "name": block.name,
        "resource_type": "doc",
        "package_name": block.package,
        // Below the folder that it was found in.
        "path": original.split_once('/').map_or(original, |(_, path)| path),
        "original_file_path": original,
        "unique_id": id,
        "block_contents": block.contents.trim(),
    })
}
