//! A node as naming macros see it, while it is not linked yet. How later templates and artifacts see it is said in `record`.

use indexmap::IndexMap;
use serde_json::{Value as Json, json};

use crate::manifest::constraint::Constraint;
use crate::manifest::group::Group;
use crate::manifest::node::{Column, Detail, Node};
use crate::manifest::relation::Layer;
use crate::manifest::version::Version;
use crate::parse::deprecations;

/// A node as the `node` and the `model` of a naming macro.
pub(super) fn node_value(node: &Node) -> Json {
    let mut value = json!({
        "unique_id": node.id.as_str(),
        "resource_type": node.resource_type.as_str(),
        "name": node.name,
        "package_name": node.package,
        "path": node.relative_path,
        "original_file_path": node.path_in_package(&node.path),
        "patch_path": node.patch_path.as_deref().map(|path| format!("{}://{}", node.package, node.path_in_package(path))),
        "fqn": node.fqn,
        "group": node.config.group,
        "layer": node.layer.map(Layer::as_str),
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
            "name": call.name, "package": call.package, "version": call.version.as_ref().map(Version::value),
        })).collect::<Vec<_>>(),
        "sources": node.sources.iter().map(|call| json!([call.source, call.table])).collect::<Vec<_>>(),
        "functions": node.functions.iter().map(|call| json!([call.name])).collect::<Vec<_>>(),
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
    if let Some(code) = &node.code {
        object.insert("raw_code".into(), json!(code.text.trim()));
        object.insert("language".into(), json!("sql"));
    }
    match &node.detail {
        Detail::Model(model) => {
            let constraints: Vec<Json> = model.constraints.iter().map(Constraint::value).collect();
            object.insert("version".into(), json!(node.version().map(|version| version.own.value())));
            object.insert("latest_version".into(), json!(node.version().map(|version| version.latest.value())));
            object.insert("access".into(), json!(node.config.access.as_str()));
            object.insert("constraints".into(), json!(constraints));
            object.insert("contract".into(), json!({"enforced": node.config.contract_enforced, "alias_types": true}));
            object.insert("deprecation_date".into(), json!(model.deprecation_date.as_ref().map(deprecations::shown)));
        }
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

/// A group in dbt's shape.
pub fn group_value(group: &Group) -> Json {
    json!({
        "name": group.name,
        "resource_type": "group",
        "package_name": group.package,
        "path": group.relative_path,
        "original_file_path": group.path,
        "unique_id": group.id,
        "owner": owner_value(&group.owner),
        "description": group.description,
        "config": { "meta": group.meta },
    })
}

fn owner_value(owner: &IndexMap<String, Json>) -> Json {
    let mut value = json!({ "email": null, "name": null });
    if let Some(entries) = value.as_object_mut() {
        entries.extend(owner.iter().map(|(key, value)| (key.clone(), value.clone())));
    }
    value
}

fn config_value(node: &Node) -> Json {
    let mut config: IndexMap<String, Json> = node.config.raw.clone();
    let typed = [
        ("enabled", json!(node.config.enabled)),
        ("materialized", json!(node.materialized())),
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
                "constraints": column.constraints.iter().map(Constraint::value).collect::<Vec<_>>(),
            });
            (name, value)
        })
        .collect();
    json!(values)
}
