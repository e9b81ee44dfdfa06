//! `catalog.json`, version 1: the relations that exist, with their columns and sizes.

use serde_json::{Map, Value as Json, json};

use crate::manifest::manifest::Manifest;
use crate::manifest::node::{Node, NodeId, ResourceType};
use crate::record::Invocation;

/// Name of the artifact.
pub const FILE_NAME: &str = "catalog.json";

/// A relation that exists.
#[derive(Debug, Clone)]
pub struct CatalogRow {
    /// The node that it belongs to.
    pub id: NodeId,
    /// `table`, `view` or `external`.
    pub kind: &'static str,
    /// Its columns in order.
    pub columns: Vec<CatalogColumn>,
    /// How many rows it has, if known.
    pub rows: Option<u64>,
    /// Bytes of its data files, if known.
    pub bytes: Option<u64>,
}

/// A column that exists.
#[derive(Debug, Clone)]
pub struct CatalogColumn {
    /// Name.
    pub name: String,
    /// SQL type.
    pub data_type: String,
}

/// The artifact; rows of nodes that the manifest does not know are left out.
pub fn artifact(manifest: &Manifest, rows: &[CatalogRow], invocation: &Invocation) -> Json {
    let mut nodes = Map::new();
    let mut sources = Map::new();
    for row in rows {
        let Some(node) = manifest.get(&row.id) else { continue };
        let section = if node.resource_type == ResourceType::Source { &mut sources } else { &mut nodes };
        section.insert(row.id.to_string(), relation_json(node, row));
    }
    nodes.sort_keys();
    sources.sort_keys();
    json!({
        "metadata": invocation.metadata("catalog/v1"),
        "nodes": nodes,
        "sources": sources,
        "errors": null,
    })
}

fn relation_json(node: &Node, row: &CatalogRow) -> Json {
    let relation = node.relation.as_ref();
    let kind = match row.kind {
        "table" => "BASE TABLE".to_owned(),
        other => other.to_uppercase(),
    };
    // As under dbt, comments are those that the warehouse holds, not all that the project says.
    let comment = |text: &str, held: bool| if held && !text.is_empty() { json!(text) } else { Json::Null };
    let (of_relation, of_columns) = (node.config.persist_relation_docs, node.config.persist_column_docs);
    let columns: Map<String, Json> = row
        .columns
        .iter()
        .enumerate()
        .map(|(index, column)| {
            let documented = node.columns.values().find(|found| found.is_called(&column.name));
            let value = json!({
                "type": column.data_type,
                "index": index + 1,
                "name": column.name,
                "comment": comment(documented.map_or("", |found| &found.description), of_columns),
            });
            (column.name.clone(), value)
        })
        .collect();
    json!({
        "metadata": {
            "type": kind,
            "schema": relation.map_or("", |relation| relation.schema.as_str()),
            "name": relation.map_or(node.name.as_str(), |relation| relation.identifier.as_str()),
            "database": relation.map(|relation| relation.database.as_str()),
            "comment": comment(&node.description, of_relation),
            "owner": null,
        },
        "columns": columns,
        "stats": stats_json(row),
        "unique_id": row.id.as_str(),
    })
}

fn stats_json(row: &CatalogRow) -> Json {
    let mut stats = Map::new();
    let mut add = |id: &str, label: &str, value: Json, include: bool, description: &str| {
        let entry = json!({
            "id": id, "label": label, "value": value, "include": include, "description": description,
        });
        stats.insert(id.to_owned(), entry);
    };
    if let Some(rows) = row.rows {
        add("num_rows", "# Rows", json!(rows), true, "Number of rows");
    }
    if let Some(bytes) = row.bytes {
        add("num_bytes", "Size", json!(bytes), true, "Bytes of the data files");
    }
    let has_stats = row.rows.is_some() || row.bytes.is_some();
    let description = "Indicates whether there are statistics for this table";
    add("has_stats", "Has Stats?", json!(has_stats), false, description);
    Json::Object(stats)
}
