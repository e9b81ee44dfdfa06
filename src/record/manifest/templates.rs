//! What templates see of a manifest: `graph`, `model` and the `node` of a result, in the shapes of dbt's dictionaries.
//!
//! They are those of the artifact with a few keys more. `compile` lies below this layer, so whoever makes an invocation
//! hands these functions down.

use std::path::Path;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value as Json, json};

use super::{CompiledSql, Writer, seconds, section, unit_test_json};
use crate::manifest::manifest::Manifest;
use crate::manifest::node::{Node, ResourceType};
use crate::record::model;

/// Mappings that the project writes: what they hold is kept, also null.
const FREE: [&str; 4] = ["meta", "unrendered_config", "kwargs", "owner"];

/// The `graph` of templates.
pub fn graph(manifest: &Manifest, started_at: DateTime<Utc>) -> Json {
    let writer = Writer { manifest: Some(manifest), sql: None, target: None, created_at: seconds(started_at) };
    let mut graph = Map::new();
    for group in [
        "exposures",
        "functions",
        "groups",
        "metrics",
        "nodes",
        "sources",
        "semantic_models",
        "saved_queries",
        "unit_tests",
    ] {
        graph.insert(group.to_owned(), json!({}));
    }
    graph.insert("groups".to_owned(), model::groups(manifest));
    for node in manifest.nodes.values() {
        let group = if node.resource_type == ResourceType::UnitTest { "unit_tests" } else { section(node) };
        if let Some(Json::Object(nodes)) = graph.get_mut(group) {
            nodes.insert(node.id.to_string(), entry(&writer, node));
        }
    }
    Json::Object(graph)
}

/// The `model` of a node's templates: keys without a value are undefined.
pub fn model(manifest: &Manifest, node: &Node, started_at: DateTime<Utc>) -> Json {
    let writer = Writer { manifest: Some(manifest), sql: None, target: None, created_at: seconds(started_at) };
    let mut value = entry(&writer, node);
    drop_nulls(&mut value);
    value
}

/// The `node` of a result, with the SQL that it was made by.
pub fn result_node(
    manifest: &Manifest,
    node: &Node,
    sql: Option<&str>,
    target: &Path,
    started_at: DateTime<Utc>,
) -> Json {
    let sql: CompiledSql = sql.map(|sql| (node.id.clone(), sql.to_owned())).into_iter().collect();
    let created_at = seconds(started_at);
    let writer = Writer { manifest: Some(manifest), sql: Some(&sql), target: Some(target), created_at };
    entry(&writer, node)
}

fn entry(writer: &Writer<'_>, node: &Node) -> Json {
    if let Some(test) = unit_test_json(writer.manifest, node, writer.created_at) {
        return test;
    }
    let mut value = writer.node(node);
    let Json::Object(keys) = &mut value else { return value };
    if matches!(node.resource_type, ResourceType::Source | ResourceType::Exposure) {
        return value;
    }
    if writer.sql.is_none_or(|sql| !sql.contains_key(&node.id)) {
        for key in ["compiled", "compiled_code", "extra_ctes", "extra_ctes_injected"] {
            keys.shift_remove(key);
        }
    }
    if node.resource_type.is_built() {
        keys.insert("defer_relation".to_owned(), Json::Null);
    }
    if node.resource_type == ResourceType::Model {
        keys.insert("batch".to_owned(), Json::Null);
    }
    value
}

/// Takes the keys without a value away, also those within, but not of mappings that the project writes.
fn drop_nulls(value: &mut Json) {
    match value {
        Json::Object(keys) => {
            keys.retain(|_, value| !value.is_null());
            for (key, value) in keys.iter_mut() {
                if !FREE.contains(&key.as_str()) {
                    drop_nulls(value);
                }
            }
        }
        Json::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}
