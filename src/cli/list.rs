//! `karat ls`: how each node is written. Which nodes are listed is the selection's business.

use serde_json::{Map, Value as Json};

use crate::cli::options::{ListFormat, ListOptions};
use crate::manifest::node::{Node, ResourceType};
use crate::record::manifest::node_json;

/// The keys that `--output json` prints unless told otherwise, as dbt.
const DEFAULT_KEYS: [&str; 10] = [
    "alias",
    "name",
    "package_name",
    "depends_on",
    "tags",
    "config",
    "resource_type",
    "source_name",
    "original_file_path",
    "unique_id",
];

/// One line on a node.
pub fn line(node: &Node, options: &ListOptions) -> String {
    match options.output {
        ListFormat::Selector => selector(node),
        ListFormat::Name => match node.source() {
            Some(table) => format!("{}.{}", table.source_name, node.name),
            None => node.search_name(),
        },
        ListFormat::Path => node.path_in_package(&node.path).to_owned(),
        ListFormat::Json => {
            let mut chosen = Map::new();
            let value = node_json(node);
            if options.output_keys.is_empty() {
                let all = value.as_object().into_iter().flatten();
                let usual = all.filter(|(key, _)| DEFAULT_KEYS.contains(&key.as_str()));
                chosen.extend(usual.map(|(key, value)| (key.clone(), value.clone())));
            }
            for key in &options.output_keys {
                // As under dbt, a key with points leads inside, and is left out where there is nothing.
                let mut found = key.split('.').try_fold(&value, |value, key| value.get(key));
                if key.contains('.') {
                    found = found.filter(|found| !found.is_null());
                }
                chosen.extend(found.map(|found| (key.clone(), found.clone())));
            }
            Json::Object(chosen).to_string()
        }
    }
}

/// The text that selects exactly this node, as dbt writes it.
pub fn selector(node: &Node) -> String {
    match node.resource_type {
        ResourceType::Source => {
            let source = node.source().map_or("", |table| table.source_name.as_str());
            format!("source:{}.{source}.{}", node.package, node.name)
        }
        ResourceType::UnitTest => format!("unit_test:{}.{}", node.package, node.versioned_name()),
        kind if kind == ResourceType::Exposure || kind.is_semantic() => {
            format!("{}:{}.{}", kind.as_str(), node.package, node.name)
        }
        _ => node.fqn.join("."),
    }
}
