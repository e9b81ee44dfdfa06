//! What the page knows: every node with what is to be said about it, as one JSON document.
//!
//! The document's keys are the page's own; nothing else reads them. Descriptions are in it as HTML that
//! [`markdown`](crate::docs::markdown) made, everything else is text.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value as Json, json};

use crate::base::ident::unquoted;
use crate::docs::lineage::{Group, groups, is_documented};
use crate::docs::markdown::{is_safe_link, summary, to_html};
use crate::manifest::config::{HardDeletes, SnapshotStrategy, TestSeverity};
use crate::manifest::manifest::Manifest;
use crate::manifest::node::{Detail, Exposure, Node, NodeId, ResourceType, SourceTable, TestDetail};
use crate::manifest::semantic::{Element, Metric, SemanticModel, Word};
use crate::manifest::version::ModelVersion;
use crate::record::catalog::CatalogColumn;
use crate::record::instant;
use crate::record::manifest::CompiledSql;

/// What is published of a node.
#[derive(Debug, Clone)]
pub struct Published {
    /// Rows of a table.
    pub rows: Option<u64>,
    /// Bytes of a table's data files.
    pub bytes: Option<u64>,
    /// Delta's version of a table.
    pub version: Option<u64>,
    /// When this content was published.
    pub at: DateTime<Utc>,
}

/// All that is known when the page is made.
#[derive(Debug)]
pub struct Material<'a> {
    /// The project.
    pub manifest: &'a Manifest,
    /// SQL of the nodes that could be compiled.
    pub compiled: &'a CompiledSql,
    /// Columns of the nodes that could be planned or are published.
    pub columns: &'a BTreeMap<NodeId, Vec<CatalogColumn>>,
    /// What is published.
    pub published: &'a BTreeMap<NodeId, Published>,
    /// The newest result of each node, as [`last_results`](crate::record::last_results) has it.
    pub results: &'a Map<String, Json>,
    /// The environment that the last two are of.
    pub environment: &'a str,
    /// When the page is made.
    pub generated_at: DateTime<Utc>,
}

/// The document.
pub fn document(material: &Material<'_>) -> Json {
    let manifest = material.manifest;
    let groups = groups(manifest);
    let mut children: BTreeMap<&NodeId, Vec<&NodeId>> = BTreeMap::new();
    let mut tests: BTreeMap<&NodeId, Vec<&NodeId>> = BTreeMap::new();
    for node in manifest.nodes.values() {
        let is_test = matches!(node.resource_type, ResourceType::Test | ResourceType::UnitTest);
        let attached = node.test().and_then(|test| test.attached_node.as_ref());
        let parents: BTreeSet<&NodeId> = node.depends_on.iter().collect();
        for parent in parents {
            if is_test {
                // A generic test belongs to the node that it is declared on; a singular one to all that it reads.
                if attached.is_none_or(|attached| attached == parent) {
                    tests.entry(parent).or_default().push(&node.id);
                }
            } else if is_documented(node) {
                children.entry(parent).or_default().push(&node.id);
            }
        }
    }
    let mut nodes = Map::new();
    for node in manifest.nodes.values() {
        let is_test = matches!(node.resource_type, ResourceType::Test | ResourceType::UnitTest);
        // A test of something that is not shown has nothing to stand with.
        let about = node.test().and_then(|test| test.attached_node.as_ref()).or_else(|| node.depends_on.first());
        let is_on = is_documented(node) || (is_test && about.is_none_or(|id| is_on_page(material, id)));
        if !is_on {
            continue;
        }
        let group = groups.get(&node.id).copied().unwrap_or(Group::Models);
        let mut entry = node_json(material, node, group);
        for (key, ids) in [("children", children.get(&node.id)), ("tests", tests.get(&node.id))] {
            if let Some(ids) = ids {
                entry.insert(key.to_owned(), json!(strings(ids.iter().copied())));
            }
        }
        nodes.insert(node.id.to_string(), Json::Object(entry));
    }
    let overview = manifest.docs.values().find(|block| {
        // dbt's name for the text of the first page.
        block.name == "__overview__" && block.package == manifest.project_name
    });
    json!({
        "project": manifest.project_name,
        "overview": overview.map(|block| to_html(&block.contents)),
        "environment": material.environment,
        "generated_at": instant(material.generated_at),
        "karat": env!("CARGO_PKG_VERSION"),
        "groups": Group::ALL.map(|group| json!({"id": group.as_str(), "title": group.title()})),
        "nodes": nodes,
    })
}

fn strings<'a>(ids: impl Iterator<Item = &'a NodeId>) -> Vec<&'a str> {
    ids.map(NodeId::as_str).collect()
}

fn node_json(material: &Material<'_>, node: &Node, group: Group) -> Map<String, Json> {
    let mut entry = Map::new();
    let mut put = |key: &str, value: Json| {
        // What is not known is left out: a page of a large project holds this for thousands of nodes.
        let is_nothing = matches!(&value, Json::Null | Json::Bool(false))
            || value.as_str().is_some_and(str::is_empty)
            || value.as_array().is_some_and(Vec::is_empty);
        if !is_nothing {
            entry.insert(key.to_owned(), value);
        }
    };
    let parents: BTreeSet<&NodeId> = node.depends_on.iter().collect();
    put("kind", json!(node.resource_type.as_str()));
    put("name", json!(node.name));
    put("label", json!(node.display_name()));
    put("group", json!(group.as_str()));
    put("package", json!((node.package != material.manifest.project_name).then_some(&node.package)));
    put("path", json!(node.path));
    put("documented_in", json!(node.patch_path));
    put("summary", json!(summary(&node.description)));
    put(
        "description",
        json!(if node.description.trim().is_empty() { String::new() } else { to_html(&node.description) }),
    );
    put("tags", json!(node.config.tags));
    put("parents", json!(strings(parents.into_iter().filter(|id| is_on_page(material, id)))));
    put("columns", columns_json(material, node));
    put("facts", json!(facts(material, node)));
    put("raw", json!(node.code.as_ref().map(|code| code.text.trim_end())));
    put("compiled", json!(material.compiled.get(&node.id).map(|sql| sql.trim_end())));
    put("result", material.results.get(node.id.as_str()).cloned().unwrap_or(Json::Null));
    if let Some(published) = material.published.get(&node.id) {
        put("rows", json!(published.rows));
        put("bytes", json!(published.bytes));
        put("published_at", json!(instant(published.at)));
    }
    match &node.detail {
        Detail::Test(test) => {
            put("column", json!(test.column_name.as_ref().map(|name| unquoted(name).unwrap_or_else(|| name.clone()))));
            put("attached", json!(test.attached_node.as_ref().map(NodeId::as_str)));
            put("check", json!(test_title(node, test)));
            put("warns", json!(node.config.severity == TestSeverity::Warn));
        }
        Detail::Exposure(exposure) => {
            put("label", json!(exposure.label.as_deref().unwrap_or(&node.name)));
            put("url", json!(exposure.url.as_deref().filter(|url| is_safe_link(url))));
        }
        _ => {}
    }
    entry
}

/// What a test asks, in short: `not_null`, or the test's name and its arguments.
fn test_title(node: &Node, test: &TestDetail) -> String {
    let Some(call) = &test.generic else { return node.name.clone() };
    let name = call.namespace.as_ref().map_or_else(|| call.name.clone(), |space| format!("{space}.{}", call.name));
    let arguments: Vec<String> = call.arguments.iter().map(|(key, value)| format!("{key}: {}", plain(value))).collect();
    if arguments.is_empty() { name } else { format!("{name} ({})", arguments.join(", ")) }
}

/// A value as a reader of YAML would write it.
fn plain(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Array(values) => format!("[{}]", values.iter().map(plain).collect::<Vec<_>>().join(", ")),
        Json::Object(entries) => {
            let entries: Vec<String> = entries.iter().map(|(key, value)| format!("{key}: {}", plain(value))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        other => other.to_string(),
    }
}

/// The columns: those that are there in their order, with what is documented about them, then documented ones that are
/// not there.
fn columns_json(material: &Material<'_>, node: &Node) -> Json {
    let known = material.columns.get(&node.id).map_or(&[] as &[CatalogColumn], Vec::as_slice);
    let documented = |name: &str| node.columns.values().find(|column| column.name.eq_ignore_ascii_case(name));
    let html = |text: &str| if text.trim().is_empty() { Json::Null } else { json!(to_html(text)) };
    let mut columns: Vec<Json> = known
        .iter()
        .map(|column| {
            let description = documented(&column.name).map_or("", |found| found.description.as_str());
            json!({"name": column.name, "type": column.data_type, "description": html(description)})
        })
        .collect();
    for column in node.columns.values() {
        if !known.iter().any(|found| found.name.eq_ignore_ascii_case(&column.name)) {
            let is_missing = !known.is_empty();
            columns.push(json!({
                "name": column.name, "type": column.data_type, "description": html(&column.description),
                "missing": is_missing,
            }));
        }
    }
    json!(columns)
}

/// Whether a parent is among the nodes of the page; one that there is not was never there.
fn is_on_page(material: &Material<'_>, id: &NodeId) -> bool {
    material.manifest.get(id).is_none_or(|node| is_documented(node))
}

/// What a reader wants to know of a node beside its description, in the order of the page.
fn facts(material: &Material<'_>, node: &Node) -> Vec<(&'static str, String)> {
    let mut facts: Vec<(&'static str, String)> = Vec::new();
    let mut put = |label: &'static str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            facts.push((label, value));
        }
    };
    let has_relation = matches!(
        node.resource_type,
        ResourceType::Model | ResourceType::Seed | ResourceType::Snapshot | ResourceType::Source
    ) && !node.is_ephemeral();
    put("Relation", node.relation.as_ref().filter(|_| has_relation).map(ToString::to_string));
    match &node.detail {
        Detail::Model(model) => {
            put("Version", model.version.as_ref().map(version_fact));
            put("Materialized", Some(node.materialized().to_owned()));
            put("Access", Some(node.config.access.as_str().to_owned()).filter(|access| access != "protected"));
            put("Deprecated from", model.deprecation_date.map(|date| date.format("%Y-%m-%d").to_string()));
            model_facts(node, &mut put);
        }
        Detail::Seed { path, .. } => put("File", Some(path.clone())),
        Detail::Snapshot => snapshot_facts(node, &mut put),
        Detail::Source(table) => source_facts(table, &mut put),
        Detail::Test(_) => test_facts(node, &mut put),
        Detail::UnitTest(test) => {
            put("Unit test of", Some(test.model.clone()));
            let given: Vec<&str> = test.given.iter().map(|given| given.written.as_str()).collect();
            put("Given", Some(given.join(", ")));
        }
        Detail::Exposure(exposure) => exposure_facts(exposure, &mut put),
        Detail::SemanticModel(model) => semantic_facts(model, &mut put),
        Detail::Metric(metric) => metric_facts(metric, &mut put),
        Detail::SavedQuery(query) => {
            put("Label", query.label.clone());
            put("Metrics", Some(query.metrics.iter().map(|call| call.name.as_str()).collect::<Vec<_>>().join(", ")));
            put("Grouped by", Some(query.group_by.join(", ")));
            put("Where", query.filter.as_ref().map(|conditions| conditions.join(" and ")));
        }
        Detail::Analysis | Detail::Function(_) | Detail::Operation { .. } => {}
    }
    if let Some(published) = material.published.get(&node.id) {
        let version = published.version.map_or(String::new(), |version| format!(", Delta version {version}"));
        put("Published", Some(format!("{} UTC{version}", published.at.format("%Y-%m-%d %H:%M"))));
    }
    if !matches!(node.detail, Detail::Seed { .. }) {
        put("Defined in", Some(node.path.clone()));
    }
    put("Documented in", node.patch_path.clone().filter(|path| *path != node.path));
    put("Group", node.config.group.clone());
    put("Tags", Some(node.config.tags.join(", ")));
    let meta = node.config.meta.iter().map(|(key, value)| format!("{key}: {}", plain(value))).collect::<Vec<_>>();
    put("Meta", Some(meta.join(", ")));
    facts
}

fn version_fact(version: &ModelVersion) -> String {
    let own = version.own.as_str();
    if version.is_latest() {
        format!("{own} (latest)")
    } else {
        format!("{own} (the latest is {})", version.latest.as_str())
    }
}

fn model_facts(node: &Node, put: &mut dyn FnMut(&'static str, Option<String>)) {
    let config = &node.config;
    if node.materialized() == "incremental" {
        let strategy = config.incremental_strategy.map(|strategy| strategy.as_str().to_owned());
        let usual = if config.unique_key.is_empty() { "append" } else { "merge" };
        put("Strategy", Some(strategy.unwrap_or_else(|| usual.to_owned())));
        put("Unique key", Some(config.unique_key.join(", ")));
        put("When columns change", Some(config.on_schema_change.as_str().to_owned()));
        put("Deletes when", config.delete_when.clone());
    }
    put("Partitioned by", Some(config.partition_by.join(", ")));
    put("Sorted by", Some(config.sort_by.join(", ")));
    put("Contract", config.contract_enforced.then(|| "enforced".to_owned()));
}

fn snapshot_facts(node: &Node, put: &mut dyn FnMut(&'static str, Option<String>)) {
    let config = &node.config;
    let strategy = config.snapshot_strategy.as_ref().map(|strategy| match strategy {
        SnapshotStrategy::Timestamp { updated_at } => format!("timestamp on {updated_at}"),
        SnapshotStrategy::Check { columns: Some(columns), .. } => format!("check of {}", columns.join(", ")),
        SnapshotStrategy::Check { columns: None, .. } => "check of all columns".to_owned(),
    });
    put("Strategy", strategy);
    put("Unique key", Some(config.unique_key.join(", ")));
    let deletes = match config.hard_deletes {
        HardDeletes::Ignore => "their version stays open",
        HardDeletes::Invalidate => "their version is closed",
        HardDeletes::NewRecord => "a version marked as deleted opens",
    };
    put("Keys that are gone", Some(deletes.to_owned()));
}

fn source_facts(table: &SourceTable, put: &mut dyn FnMut(&'static str, Option<String>)) {
    put("Source", Some(table.source_name.clone()));
    put("Loader", Some(table.loader.clone()));
    if let Some(external) = &table.external {
        put("Files", Some(external.location.clone()));
        put("Format", Some(external.format.as_str().to_owned()));
    }
    put("Loaded at", table.loaded_at_field.clone().or_else(|| table.loaded_at_query.clone()));
    let limit = |age: &Option<crate::manifest::node::Age>| {
        age.as_ref().map(|age| format!("{} {}{}", age.count, age.period, if age.count == 1 { "" } else { "s" }))
    };
    if let Some(freshness) = &table.freshness {
        put("Warns when older than", limit(&freshness.warn_after));
        put("Fails when older than", limit(&freshness.error_after));
    }
}

fn test_facts(node: &Node, put: &mut dyn FnMut(&'static str, Option<String>)) {
    let config = &node.config;
    put("Severity", Some(if config.severity == TestSeverity::Warn { "warn" } else { "error" }.to_owned()));
    put("Fails if", Some(config.error_if.clone()).filter(|rule| rule != "!= 0"));
    put("Warns if", Some(config.warn_if.clone()).filter(|rule| rule != "!= 0"));
    put("Looks at rows where", config.where_clause.clone());
    put(
        "Stores failures in",
        node.relation.as_ref().filter(|_| config.store_failures == Some(true)).map(ToString::to_string),
    );
}

fn exposure_facts(exposure: &Exposure, put: &mut dyn FnMut(&'static str, Option<String>)) {
    put("Type", Some(exposure.kind.clone()));
    put("Maturity", exposure.maturity.clone());
    let owner: Vec<String> = exposure.owner.values().map(plain).filter(|text| text != "null").collect();
    put("Owner", Some(owner.join(", ")));
    put("Address", exposure.url.clone());
}

fn semantic_facts(model: &SemanticModel, put: &mut dyn FnMut(&'static str, Option<String>)) {
    fn names<'a>(elements: impl Iterator<Item = &'a Element>) -> String {
        elements.map(|element| element.name.as_str()).collect::<Vec<_>>().join(", ")
    }
    put("Label", model.label.clone());
    put("Entities", Some(names(model.entities.iter().map(|entity| &entity.element))));
    put("Dimensions", Some(names(model.dimensions.iter().map(|dimension| &dimension.element))));
    put("Measures", Some(names(model.measures.iter().map(|measure| &measure.element))));
}

fn metric_facts(metric: &Metric, put: &mut dyn FnMut(&'static str, Option<String>)) {
    put("Label", Some(metric.label.clone()));
    put("Type", Some(metric.kind.as_str().to_owned()));
    put("Measures", Some(metric.measures().iter().map(|input| input.name.as_str()).collect::<Vec<_>>().join(", ")));
    put("Aggregated as", metric.params.aggregation.as_ref().map(|own| own.aggregation.as_str().to_owned()));
    put("Expression", metric.params.expr.clone());
    put("Where", metric.filter.as_ref().map(|conditions| conditions.join(" and ")));
}
