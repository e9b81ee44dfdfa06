//! What templates see of nodes, target and graph, as plain values in dbt's shapes.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde_json::{Value as Json, json};

use crate::manifest::manifest::Manifest;
use crate::manifest::node::{Column, Detail, Node, ResourceType};

/// A node as `model` and as an entry of `graph.nodes` show it.
pub fn node_value(node: &Node) -> Json {
    let mut value = json!({
        "unique_id": node.id.as_str(),
        "resource_type": node.resource_type.as_str(),
        "name": node.name,
        "package_name": node.package,
        "path": node.relative_path,
        "original_file_path": node.path,
        "patch_path": node.patch_path,
        "fqn": node.fqn,
        "description": node.description,
        "tags": node.config.tags,
        "meta": node.config.meta,
        "config": config_value(node),
        "columns": columns_value(&node.columns),
        "depends_on": {
            "nodes": node.depends_on.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "macros": node.macros,
        },
        "refs": node.refs.iter().map(|call| json!({
            "name": call.name, "package": call.package, "version": call.version,
        })).collect::<Vec<_>>(),
        "sources": node.sources.iter().map(|call| json!([call.source, call.table])).collect::<Vec<_>>(),
    });
    let Some(object) = value.as_object_mut() else { return value };
    if let Some(relation) = &node.relation {
        object.insert("database".into(), json!(relation.database.as_str()));
        object.insert("schema".into(), json!(relation.schema.as_str()));
        object.insert("alias".into(), json!(relation.identifier.as_str()));
        object.insert("identifier".into(), json!(relation.identifier.as_str()));
        let name = if node.is_ephemeral() { Json::Null } else { json!(relation.to_sql()) };
        object.insert("relation_name".into(), name);
    }
    if let Some(layer) = node.layer {
        object.insert("layer".into(), json!(layer.as_str()));
    }
    if let Some(code) = &node.code {
        object.insert("raw_code".into(), json!(code.text.as_ref()));
        object.insert("language".into(), json!("sql"));
    }
    match &node.detail {
        Detail::Source(table) => {
            object.insert("source_name".into(), json!(table.source_name));
            object.insert("source_description".into(), json!(table.source_description));
            object.insert("loader".into(), json!(table.loader));
            object.insert("loaded_at_field".into(), json!(table.loaded_at_field));
        }
        Detail::Test(test) => {
            object.insert("column_name".into(), json!(test.column_name));
            object.insert("attached_node".into(), json!(test.attached_node.as_ref().map(ToString::to_string)));
            if let Some(call) = &test.generic {
                object.insert(
                    "test_metadata".into(),
                    json!({ "name": call.name, "namespace": call.namespace, "kwargs": call.arguments }),
                );
            }
        }
        _ => {}
    }
    value
}

fn config_value(node: &Node) -> Json {
    let mut config: IndexMap<String, Json> = node.config.raw.clone();
    let typed = [
        ("enabled", json!(node.config.enabled)),
        ("materialized", json!(materialized(node))),
        ("tags", json!(node.config.tags)),
        ("meta", json!(node.config.meta)),
        ("schema", json!(node.config.schema)),
        ("database", json!(node.config.database)),
        ("alias", json!(node.config.alias)),
    ];
    for (name, value) in typed {
        config.insert(name.to_owned(), value);
    }
    json!(config)
}

/// dbt's `materialized` of any kind of node.
pub fn materialized(node: &Node) -> &'static str {
    match node.resource_type {
        ResourceType::Seed => "seed",
        ResourceType::Snapshot => "snapshot",
        ResourceType::Test => "test",
        _ => node.config.materialized.as_str(),
    }
}

fn columns_value(columns: &IndexMap<String, Column>) -> Json {
    let values: IndexMap<&String, Json> = columns
        .iter()
        .map(|(name, column)| {
            let value = json!({
                "name": column.name,
                "description": column.description,
                "data_type": column.data_type,
                "meta": column.meta,
                "tags": column.tags,
                "quote": column.quote,
                "constraints": column.constraints,
            });
            (name, value)
        })
        .collect();
    json!(values)
}

/// The `graph` of templates.
pub fn graph_value(manifest: &Manifest) -> Json {
    let mut groups: BTreeMap<&str, serde_json::Map<String, Json>> = BTreeMap::new();
    for node in manifest.nodes.values() {
        let group = match node.resource_type {
            ResourceType::Source => "sources",
            ResourceType::Exposure => "exposures",
            _ => "nodes",
        };
        groups.entry(group).or_default().insert(node.id.to_string(), node_value(node));
    }
    let mut graph = serde_json::Map::new();
    for group in ["nodes", "sources", "exposures", "metrics", "groups", "semantic_models"] {
        graph.insert(group.to_owned(), Json::Object(groups.remove(group).unwrap_or_default()));
    }
    Json::Object(graph)
}
