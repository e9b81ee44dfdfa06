//! What templates see of the graph, as plain values in dbt's shapes.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::manifest::manifest::Manifest;
use crate::manifest::node::ResourceType;
use crate::parse::{group_value, node_value};

/// The `graph` of templates.
pub fn graph_value(manifest: &Manifest) -> Json {
    let mut groups: BTreeMap<&str, serde_json::Map<String, Json>> = BTreeMap::new();
    for node in manifest.nodes.values() {
        let group = match node.resource_type {
            ResourceType::Source => "sources",
            ResourceType::Exposure => "exposures",
            ResourceType::Function => "functions",
            ResourceType::UnitTest => continue,
            _ => "nodes",
        };
        groups.entry(group).or_default().insert(node.id.to_string(), node_value(node));
    }
    let mut graph = serde_json::Map::new();
    for group in ["nodes", "sources", "exposures", "metrics", "groups", "semantic_models", "functions"] {
        graph.insert(group.to_owned(), Json::Object(groups.remove(group).unwrap_or_default()));
    }
    let of_projects = manifest.groups.values().map(|group| (group.id.clone(), group_value(group)));
    graph.insert("groups".to_owned(), Json::Object(of_projects.collect()));
    Json::Object(graph)
}
