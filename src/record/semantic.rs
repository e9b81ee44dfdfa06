//! `semantic_manifest.json`: what the tools of dbt's semantic layer read. It says nothing that is not in
//! `manifest.json`.

use serde_json::{Map, Value as Json, json};

use crate::manifest::manifest::Manifest;
use crate::manifest::node::{Node, ResourceType};
use crate::manifest::semantic::Word;
use crate::parse::OLD_TIME_SPINE;
use crate::record::manifest::node_in;

/// Name of the artifact.
pub const FILE_NAME: &str = "semantic_manifest.json";

/// Keys of a part of a semantic model, the own ones of its kind left out.
const ELEMENT: [&str; 6] = ["name", "description", "type", "expr", "metadata", "label"];

/// The artifact.
pub fn artifact(manifest: &Manifest) -> Json {
    let of = |kind, shape: fn(&Json) -> Json| -> Vec<Json> {
        manifest.of_type(kind).map(|node| shape(&node_in(manifest, node))).collect()
    };
    let spines: Vec<Json> = manifest.of_type(ResourceType::Model).filter_map(|node| time_spine(node)).collect();
    json!({
        "semantic_models": of(ResourceType::SemanticModel, semantic_model),
        "metrics": of(ResourceType::Metric, metric),
        "project_configuration": {
            "time_spine_table_configurations": old_time_spines(manifest),
            "metadata": null,
            "dsi_package_version": {"major_version": "0", "minor_version": "213", "patch_version": "0"},
            "time_spines": spines,
        },
        "saved_queries": of(ResourceType::SavedQuery, saved_query),
    })
}

/// Some keys of a mapping; those that it has not are null.
fn pick(value: &Json, keys: &[&str]) -> Map<String, Json> {
    keys.iter().map(|key| ((*key).to_owned(), value.get(key).cloned().unwrap_or(Json::Null))).collect()
}

/// The same with the part of the configuration that is said here.
fn described(value: &Json, keys: &[&str]) -> Map<String, Json> {
    let mut picked = pick(value, keys);
    picked.insert("config".to_owned(), json!({"meta": value["config"]["meta"]}));
    picked
}

fn list(value: &Json, key: &str, shape: impl Fn(&Json) -> Map<String, Json>) -> Json {
    value[key].as_array().into_iter().flatten().map(|item| Json::Object(shape(item))).collect()
}

fn semantic_model(model: &Json) -> Json {
    let keys = ["name", "defaults", "description", "node_relation", "primary_entity", "label", "metadata"];
    let mut picked = described(model, &keys);
    let element = |own: &'static [&'static str]| move |item: &Json| described(item, &[&ELEMENT[..], own].concat());
    picked.insert("entities".to_owned(), list(model, "entities", element(&["role"])));
    let measure = |item: &Json| {
        let keys = ["create_metric", "agg_params", "non_additive_dimension", "agg_time_dimension", "agg"];
        let mut picked = element(&[])(item);
        picked.shift_remove("type");
        picked.extend(pick(item, &keys));
        picked
    };
    picked.insert("measures".to_owned(), list(model, "measures", measure));
    let own = ["datatype", "is_partition", "type_params"];
    let dimension = |item: &Json| described(item, &[&ELEMENT[..], &own].concat());
    picked.insert("dimensions".to_owned(), list(model, "dimensions", dimension));
    Json::Object(picked)
}

fn metric(metric: &Json) -> Json {
    let keys =
        ["name", "description", "type", "datatype", "type_params", "filter", "metadata", "label", "time_granularity"];
    Json::Object(described(metric, &keys))
}

fn saved_query(query: &Json) -> Json {
    let mut picked = pick(query, &["name", "query_params", "description", "metadata", "label", "tags"]);
    let export = |item: &Json| {
        let mut picked = pick(item, &["name"]);
        let config = pick(&item["config"], &["export_as", "schema_name", "alias"]);
        picked.insert("config".to_owned(), Json::Object(config));
        picked
    };
    picked.insert("exports".to_owned(), list(query, "exports", export));
    Json::Object(picked)
}

/// A table of times, with the column that tells them.
fn time_spine(node: &Node) -> Option<Json> {
    let spine = node.model()?.time_spine.as_ref()?;
    let granularity = node.columns.get(&spine.column.name)?.meaning.granularity?;
    let relation = node.relation.as_ref()?;
    let custom = spine.custom.iter().map(|(name, column)| json!({"name": name.name, "column_name": column}));
    Some(json!({
        "node_relation": {
            "alias": relation.identifier.as_str(),
            "schema_name": relation.schema.as_str(),
            "database": relation.database.as_str(),
            "relation_name": relation.to_string(),
        },
        "primary_column": {"name": spine.column.name, "time_granularity": granularity.as_str()},
        "custom_granularities": custom.collect::<Vec<_>>(),
    }))
}

/// The table of all days that is known by its name alone.
fn old_time_spines(manifest: &Manifest) -> Vec<Json> {
    let mut found = manifest.find_refable(None, OLD_TIME_SPINE);
    found.truncate(1);
    found.retain(|node| node.model().is_some_and(|model| model.time_spine.is_none()));
    if manifest.of_type(ResourceType::SemanticModel).next().is_none() {
        found.clear();
    }
    let spine = |relation: String| json!({"location": relation, "column_name": "date_day", "grain": "day"});
    found.into_iter().filter_map(|node| node.relation.as_ref()).map(|relation| spine(relation.to_string())).collect()
}
