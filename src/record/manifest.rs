//! `manifest.json`, version 12: every node with all keys that dbt gives it.
//!
//! Keys of dbt that have no meaning here are written with dbt's default value, so that readers find them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value as Json, json};
use sha2::{Digest as _, Sha256};

use crate::base::ident;
use crate::manifest::config::{HardDeletes, IncrementalStrategy, NodeConfig, SnapshotStrategy, TestSeverity};
use crate::manifest::constraint::Constraint;
use crate::manifest::manifest::{Macro, Manifest};
use crate::manifest::node::{
    Age, Column, Detail, Exposure, Freshness, Node, NodeId, RefCall, ResourceType, SourceTable,
};
use crate::manifest::version::Version;
use crate::record::{Invocation, compiled, model};

mod dbt;
mod function;
mod semantic;
pub mod templates;

pub(in crate::record) use semantic::time_spine;

/// Name of the artifact.
pub const FILE_NAME: &str = "manifest.json";

/// Compiled SQL of nodes.
pub type CompiledSql = BTreeMap<NodeId, String>;

/// The artifact. `target` is the folder for artifacts as the user named it (relative if it was).
pub fn artifact(manifest: &Manifest, sql: &CompiledSql, target: &Path, invocation: &Invocation) -> Json {
    let mut metadata = invocation.metadata("manifest/v12");
    if let Json::Object(entries) = &mut metadata {
        let id = format!("{:x}", md5_of(&manifest.project_name));
        entries.insert("project_name".into(), json!(manifest.project_name));
        entries.insert("project_id".into(), json!(id));
        entries.insert("user_id".into(), Json::Null);
        entries.insert("send_anonymous_usage_stats".into(), json!(false));
        entries.insert("adapter_type".into(), json!("karat"));
        let quoting = json!({"database": true, "schema": true, "identifier": true, "column": null});
        entries.insert("quoting".into(), quoting);
        entries.insert("run_started_at".into(), json!(crate::record::instant(invocation.started_at)));
    }
    let created_at = seconds(invocation.started_at);
    let in_project = Writer { manifest: Some(manifest), sql: Some(sql), target: Some(target), created_at };
    let mut groups: BTreeMap<&str, Map<String, Json>> = BTreeMap::new();
    for node in manifest.nodes.values().filter(|node| node.resource_type != ResourceType::UnitTest) {
        groups.entry(section(node)).or_default().insert(node.id.to_string(), in_project.node(node));
    }
    let mut take = |name: &str| Json::Object(groups.remove(name).unwrap_or_default());
    let (nodes, sources, exposures, functions) = (take("nodes"), take("sources"), take("exposures"), take("functions"));
    let (models, metrics, queries) = (take("semantic_models"), take("metrics"), take("saved_queries"));
    let mut disabled: Map<String, Json> = Map::new();
    for node in &manifest.disabled {
        let entry = disabled.entry(node.id.to_string()).or_insert_with(|| json!([]));
        if let Json::Array(nodes) = entry {
            nodes.push(in_project.node(node));
        }
    }
    let macros: Map<String, Json> =
        manifest.macros.iter().map(|(id, found)| (id.clone(), macro_json(found, created_at))).collect();
    let docs: Map<String, Json> = manifest.docs.iter().map(|(id, block)| (id.clone(), dbt::doc(id, block))).collect();
    let unit_tests: BTreeMap<&str, Json> = manifest
        .of_type(ResourceType::UnitTest)
        .filter_map(|node| Some((node.id.as_str(), unit_test_json(Some(manifest), node, created_at)?)))
        .collect();
    let (parents, children) = families(manifest);
    json!({
        "metadata": metadata,
        "nodes": nodes,
        "sources": sources,
        "macros": macros,
        "docs": docs,
        "exposures": exposures,
        "metrics": metrics,
        "groups": model::groups(manifest),
        "selectors": manifest.selectors,
        "disabled": disabled,
        "parent_map": parents,
        "child_map": children,
        "group_map": model::group_map(manifest),
        "saved_queries": queries,
        "semantic_models": models,
        "unit_tests": unit_tests,
        "functions": functions,
    })
}

/// A unit test in dbt's shape; `None` for other nodes.
fn unit_test_json(manifest: Option<&Manifest>, node: &Node, created_at: f64) -> Option<Json> {
    let test = node.unit_test()?;
    let (given, expect) = (test.given_value(), test.expect.value());
    let overrides = &test.overrides;
    let none = overrides.macros.is_empty() && overrides.vars.is_empty() && overrides.env_vars.is_empty();
    let overrides = json!({ "macros": overrides.macros, "vars": overrides.vars, "env_vars": overrides.env_vars });
    let overrides = if none { Json::Null } else { overrides };
    let model = node.depends_on.first().and_then(|id| manifest?.get(id));
    let schema = model.and_then(|model| model.relation.as_ref()).map(|relation| relation.schema.as_str());
    let checksum = Sha256::digest(json!([test.model, given, expect, overrides]).to_string());
    let path = node.path_in_package(&node.path);
    let config = &node.config;
    Some(json!({
        "model": test.model,
        "given": given,
        "expect": expect,
        "name": node.name,
        "resource_type": node.resource_type.as_str(),
        "package_name": node.package,
        "path": slashes(&node.relative_path),
        "original_file_path": slashes(path),
        "unique_id": node.id.as_str(),
        "fqn": node.fqn,
        "description": node.description,
        "overrides": overrides,
        "depends_on": { "macros": [], "nodes": node.depends_on.iter().map(NodeId::as_str).collect::<Vec<_>>() },
        "config": { "tags": config.tags, "meta": config.meta, "enabled": config.enabled, "static_analysis": null },
        "checksum": format!("{checksum:x}"),
        "schema": schema,
        "created_at": created_at,
        "versions": test.versions,
        "version": test.version.as_ref().map(Version::value),
    }))
}

/// One node with all its keys, as far as they are known without the rest of the project.
pub fn node_json(node: &Node) -> Json {
    if let Some(test) = unit_test_json(None, node, 0.0) {
        return test;
    }
    Writer { manifest: None, sql: None, target: None, created_at: 0.0 }.node(node)
}

/// One node with all its keys, but for those that only a command knows.
pub fn node_in(manifest: &Manifest, node: &Node) -> Json {
    Writer { manifest: Some(manifest), sql: None, target: None, created_at: 0.0 }.node(node)
}

/// The hash of a node's text, or nothing if it has none of its own.
pub fn checksum(node: &Node) -> String {
    dbt::checksum(node)["checksum"].as_str().unwrap_or_default().to_owned()
}

/// The path of a node below the folder of its kind, as dbt gives it.
pub fn path(node: &Node) -> String {
    dbt::path(node)
}

/// The section of the artifact that holds a node.
fn section(node: &Node) -> &'static str {
    match node.resource_type {
        ResourceType::Source => "sources",
        ResourceType::Exposure => "exposures",
        ResourceType::Function => "functions",
        ResourceType::SemanticModel => "semantic_models",
        ResourceType::Metric => "metrics",
        ResourceType::SavedQuery => "saved_queries",
        _ => "nodes",
    }
}

/// Parents and children of every node.
fn families(manifest: &Manifest) -> (Json, Json) {
    let mut parents: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut children: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for node in manifest.nodes.values() {
        children.entry(node.id.as_str()).or_default();
        let mut of_node: Vec<&str> = node.depends_on.iter().map(NodeId::as_str).collect();
        of_node.sort_unstable();
        for parent in &of_node {
            children.entry(parent).or_default().insert(node.id.as_str());
        }
        parents.insert(node.id.as_str(), of_node);
    }
    (json!(parents), json!(children))
}

/// What nodes are written with.
struct Writer<'a> {
    manifest: Option<&'a Manifest>,
    sql: Option<&'a CompiledSql>,
    target: Option<&'a Path>,
    created_at: f64,
}

impl Writer<'_> {
    fn node(&self, node: &Node) -> Json {
        if let Some(own) = semantic::node(self.manifest, node, self.created_at) {
            return own;
        }
        let mut keys = Map::new();
        let relation = node.relation.as_ref();
        let name = relation.map(|relation| &relation.identifier);
        let home = |of: fn(&Manifest) -> &String| self.manifest.map(|all| of(all).as_str());
        put(
            &mut keys,
            [
                // What has no relation stands where the target does: readers want a text.
                ("database", json!(relation.map(|relation| relation.database.as_str()).or(home(|all| &all.database)))),
                ("schema", json!(relation.map(|relation| relation.schema.as_str()).or(home(|all| &all.schema)))),
                ("name", json!(node.name)),
                ("resource_type", json!(node.resource_type.as_str())),
                ("package_name", json!(node.package)),
                ("path", json!(dbt::path(node))),
                ("original_file_path", json!(dbt::original_path(node))),
                ("unique_id", json!(node.id.as_str())),
                ("fqn", json!(node.fqn)),
            ],
        );
        match &node.detail {
            Detail::Source(table) => self.source(&mut keys, node, table),
            Detail::Exposure(exposure) => self.exposure(&mut keys, node, exposure),
            _ => self.executable(&mut keys, node, name.map_or(node.name.as_str(), |name| name.as_str())),
        }
        if let (Some(layer), Some(Json::Object(config))) = (node.layer, keys.get_mut("config")) {
            // Ours: what the reader of a medallion warehouse asks first.
            config.insert("layer".into(), json!(layer.as_str()));
        }
        Json::Object(keys)
    }

    fn executable(&self, keys: &mut Map<String, Json>, node: &Node, alias: &str) {
        let sql = self.sql.and_then(|sql| sql.get(&node.id));
        let is_seed = node.resource_type == ResourceType::Seed;
        let path = |kind: &str| self.target.map(|target| slashes_of(&target.join(kind).join(compiled::path(node))));
        let has_relation =
            node.resource_type.is_built() && !node.is_ephemeral() || node.resource_type == ResourceType::Function;
        let stored = node.config.store_failures == Some(true) && node.resource_type == ResourceType::Test;
        let relation_name = node.relation.as_ref().filter(|_| has_relation || stored).map(ToString::to_string);
        put(
            keys,
            [
                ("alias", json!(alias)),
                ("checksum", dbt::checksum(node)),
                ("config", config_json(node)),
                ("tags", json!(node.config.tags)),
                ("description", json!(node.description)),
                ("columns", columns_json(node)),
                ("meta", json!(node.config.meta)),
                ("group", json!(node.config.group)),
                ("docs", model::docs(node)),
                ("patch_path", json!(patch_path(node))),
                ("build_path", if sql.is_some() { json!(path("run")) } else { Json::Null }),
                ("unrendered_config", json!(node.config.unrendered)),
                ("created_at", json!(self.created_at)),
                ("relation_name", json!(relation_name)),
                ("raw_code", json!(dbt::raw_code(node))),
                ("doc_blocks", json!(node.doc_blocks)),
            ],
        );
        if is_seed {
            put(keys, [("root_path", Json::Null), ("depends_on", json!({"macros": node.own_macros}))]);
            return;
        }
        put(
            keys,
            [
                ("language", json!("sql")),
                ("refs", refs_json(node)),
                ("sources", sources_json(node)),
                ("metrics", json!([])),
                ("functions", json!(node.functions.iter().map(function::call).collect::<Vec<_>>())),
                ("depends_on", depends_on(node)),
                ("compiled_path", if sql.is_some() { json!(path("compiled")) } else { Json::Null }),
                ("compiled", json!(sql.is_some())),
                ("compiled_code", json!(sql)),
                ("extra_ctes_injected", json!(sql.is_some())),
                ("extra_ctes", self.extra_ctes(node, sql.is_some())),
                ("contract", model::contract(node)),
            ],
        );
        match &node.detail {
            Detail::Model(detail) => put(keys, model::keys(self.manifest, node, detail)),
            Detail::Function(function) => put(keys, function::keys(function)),
            Detail::Operation { index, .. } => put(keys, [("index", json!(index))]),
            Detail::Test(test) => {
                if let Some(call) = &test.generic {
                    let attached = test.attached_node.as_ref();
                    let mut arguments = Map::new();
                    if let Some(column) = &test.column_name {
                        arguments.insert("column_name".into(), json!(column));
                    }
                    arguments.extend(call.arguments.iter().map(|(name, value)| (name.clone(), value.clone())));
                    arguments.insert("model".into(), json!(attached.map(tested_model)));
                    put(
                        keys,
                        [
                            ("column_name", json!(test.column_name)),
                            ("file_key_name", json!(attached.map(file_key))),
                            // Under dbt a test of a source is attached to nothing.
                            (
                                "attached_node",
                                json!(attached.map(NodeId::as_str).filter(|id| !id.starts_with("source."))),
                            ),
                            (
                                "test_metadata",
                                json!({
                                    "name": call.name, "kwargs": arguments, "namespace": call.namespace,
                                }),
                            ),
                        ],
                    );
                }
            }
            _ => {}
        }
    }

    /// The ephemeral models that the compiled SQL begins with, parents first; each without those before it.
    fn extra_ctes(&self, node: &Node, is_compiled: bool) -> Json {
        let parents = if is_compiled { self.ephemeral(node) } else { Vec::new() };
        let mut own: BTreeMap<&NodeId, String> = BTreeMap::new();
        for parent in &parents {
            let sql = self.own_sql(parent, &own);
            own.extend(sql.map(|sql| (&parent.id, sql)));
        }
        let cte = |parent: &Node| Some(format!(" __dbt__cte__{} as (\n{}\n)", parent.alias(), own.get(&parent.id)?));
        parents.iter().map(|parent| json!({"id": parent.id.as_str(), "sql": cte(parent)})).collect()
    }

    fn ephemeral(&self, node: &Node) -> Vec<&Node> {
        let mut order: Vec<&Node> = Vec::new();
        let Some(manifest) = self.manifest else { return order };
        let mut seen: BTreeSet<&NodeId> = BTreeSet::new();
        // Each entry is looked at twice: first its parents are put above it, then it is taken.
        let mut stack: Vec<(NodeId, bool)> = node.depends_on.iter().rev().map(|id| (id.clone(), false)).collect();
        while let Some((id, parents_done)) = stack.pop() {
            let Some(parent) = manifest.get(&id).filter(|parent| parent.is_ephemeral()) else { continue };
            if parents_done {
                order.push(parent);
            } else if seen.insert(&parent.id) {
                stack.push((id, true));
                stack.extend(parent.depends_on.iter().rev().map(|id| (id.clone(), false)));
            }
        }
        order
    }

    /// The compiled SQL of an ephemeral model without the expressions that were put before it, of those that it uses.
    fn own_sql(&self, node: &Node, known: &BTreeMap<&NodeId, String>) -> Option<String> {
        let sql = self.sql.and_then(|sql| sql.get(&node.id))?;
        let expressions = self.ephemeral(node).into_iter().map(|parent| {
            let name = ident::quote(&format!("__dbt__cte__{}", parent.alias()));
            Some(format!(" {name} as (\n{}\n)", known.get(&parent.id)?))
        });
        let expressions: Option<Vec<String>> = expressions.collect();
        let expressions = expressions.filter(|expressions| !expressions.is_empty()).map(|found| found.join(","));
        let split = expressions.and_then(|text| sql.split_once(text.as_str()));
        Some(match split {
            Some((before, after)) => match (before.strip_suffix("with"), after.strip_prefix('\n')) {
                (Some(before), Some(after)) => format!("{before}{after}"),
                _ => format!("{before}{}", after.strip_prefix(", ").unwrap_or(after)),
            },
            None => sql.clone(),
        })
    }

    fn source(&self, keys: &mut Map<String, Json>, node: &Node, table: &SourceTable) {
        let identifier = node.relation.as_ref().map_or(node.name.as_str(), |relation| relation.identifier.as_str());
        let external = table.external.as_ref().map(|external| {
            json!({
                "location": external.location, "file_format": external.format.as_str(),
                "row_format": null, "tbl_properties": null, "partitions": null,
            })
        });
        let freshness = table.freshness.as_ref().map(freshness_json);
        let mut config: Map<String, Json> =
            node.config.raw.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        dbt::put_unused(&mut config, node.resource_type);
        put(
            &mut config,
            [
                ("enabled", json!(node.config.enabled)),
                ("event_time", json!(node.config.event_time)),
                ("freshness", json!(freshness)),
                ("loaded_at_field", json!(table.loaded_at_field)),
                ("loaded_at_query", json!(table.loaded_at_query)),
                ("meta", json!(node.config.meta)),
                ("tags", json!(node.config.tags)),
            ],
        );
        put(
            keys,
            [
                // dbt writes the whole path here for sources.
                ("path", json!(slashes(node.path_in_package(&node.path)))),
                ("source_name", json!(table.source_name)),
                ("source_description", json!(table.source_description)),
                ("loader", json!(table.loader)),
                ("identifier", json!(identifier)),
                ("quoting", json!({"database": null, "schema": null, "identifier": null, "column": null})),
                ("loaded_at_field", json!(table.loaded_at_field)),
                ("loaded_at_query", json!(table.loaded_at_query)),
                ("freshness", json!(freshness)),
                ("external", json!(external)),
                ("description", json!(node.description)),
                ("columns", columns_json(node)),
                ("meta", json!(node.config.meta)),
                ("source_meta", json!({})),
                ("tags", json!(node.config.tags)),
                ("config", Json::Object(config)),
                ("patch_path", Json::Null),
                ("unrendered_config", json!(node.config.unrendered)),
                ("relation_name", json!(node.relation.as_ref().map(ToString::to_string))),
                ("created_at", json!(self.created_at)),
                ("unrendered_database", json!(table.unrendered_database)),
                ("unrendered_schema", json!(table.unrendered_schema)),
                ("doc_blocks", json!(node.doc_blocks)),
            ],
        );
    }

    fn exposure(&self, keys: &mut Map<String, Json>, node: &Node, exposure: &Exposure) {
        keys.shift_remove("database");
        keys.shift_remove("schema");
        let mut owner = Map::new();
        put(&mut owner, [("email", Json::Null), ("name", Json::Null)]);
        owner.extend(exposure.owner.iter().map(|(key, value)| (key.clone(), value.clone())));
        put(
            keys,
            [
                ("type", json!(exposure.kind)),
                ("owner", Json::Object(owner)),
                ("description", json!(node.description)),
                ("label", json!(exposure.label)),
                ("maturity", json!(exposure.maturity)),
                ("meta", json!(node.config.meta)),
                ("tags", json!(node.config.tags)),
                (
                    "config",
                    json!({
                        "enabled": node.config.enabled, "tags": node.config.tags, "meta": node.config.meta,
                    }),
                ),
                ("unrendered_config", json!(node.config.unrendered)),
                ("url", json!(exposure.url)),
                ("depends_on", depends_on(node)),
                ("refs", refs_json(node)),
                ("sources", sources_json(node)),
                ("metrics", exposure.metrics.iter().map(semantic::call).collect()),
                ("created_at", json!(self.created_at)),
            ],
        );
    }
}

fn put<const N: usize>(keys: &mut Map<String, Json>, values: [(&str, Json); N]) {
    for (key, value) in values {
        keys.insert(key.to_owned(), value);
    }
}

/// The merged configuration with dbt's keys: every raw key, and those that dbt always writes.
fn config_json(node: &Node) -> Json {
    let config = &node.config;
    let mut keys = Map::new();
    dbt::put_unused(&mut keys, node.resource_type);
    let is_test = node.resource_type == ResourceType::Test;
    put(
        &mut keys,
        [
            ("enabled", json!(config.enabled)),
            ("alias", json!(config.alias)),
            ("schema", json!(config.schema.as_deref().or(is_test.then_some("dbt_test__audit")))),
            ("database", json!(config.database)),
            ("tags", json!(config.tags)),
            ("meta", json!(config.meta)),
            ("group", json!(config.raw.get("group"))),
            ("materialized", json!(node.materialized())),
        ],
    );
    if node.resource_type == ResourceType::Function {
        keys.extend(function::config_keys(config));
    }
    if is_test {
        put(&mut keys, test_config(config));
    } else {
        let hooks = |hooks: &[crate::manifest::config::Hook]| {
            let list =
                hooks.iter().map(|hook| json!({"sql": hook.sql, "transaction": hook.transaction, "index": null}));
            Json::Array(list.collect())
        };
        let unique_key = match config.unique_key.as_slice() {
            [] => Json::Null,
            [one] => json!(one),
            several => json!(several),
        };
        put(
            &mut keys,
            [
                ("incremental_strategy", json!(config.incremental_strategy.map(IncrementalStrategy::as_str))),
                ("batch_size", Json::Null),
                ("lookback", config.raw.get("lookback").cloned().unwrap_or(json!(1))),
                (
                    "begin",
                    json!(
                        config.microbatch.as_ref().map(|batches| batches.begin.format("%Y-%m-%dT%H:%M:%S").to_string())
                    ),
                ),
                ("persist_docs", json!({})),
                ("post-hook", hooks(&config.post_hook)),
                ("pre-hook", hooks(&config.pre_hook)),
                ("quoting", json!({})),
                ("column_types", json!(config.column_types)),
                ("full_refresh", json!(config.full_refresh)),
                ("unique_key", unique_key),
                ("on_schema_change", json!(config.on_schema_change.as_str())),
                ("on_configuration_change", json!("apply")),
                ("grants", json!({})),
                ("packages", json!([])),
                ("docs", model::docs(node)),
                ("contract", json!({"enforced": config.contract_enforced, "alias_types": true})),
                ("event_time", Json::Null),
                ("concurrent_batches", Json::Null),
            ],
        );
        match node.resource_type {
            ResourceType::Model => {
                put(&mut keys, [("access", json!(config.access.as_str())), ("freshness", Json::Null)]);
            }
            ResourceType::Seed => put(
                &mut keys,
                [
                    ("delimiter", json!(config.delimiter.to_string())),
                    ("quote_columns", json!(config.raw.get("quote_columns"))),
                ],
            ),
            ResourceType::Snapshot => put(&mut keys, snapshot_config(config)),
            _ => {}
        }
    }
    for (key, value) in &config.raw {
        // Typed keys were written above in dbt's spelling; every other key is kept as it was merged.
        let is_blank = keys.get(key).is_none_or(|written| written.is_null() || *written == json!({}));
        if is_blank && !matches!(key.as_str(), "pre_hook" | "post_hook" | "data_tests" | "tests") {
            keys.insert(key.clone(), value.clone());
        }
    }
    Json::Object(keys)
}

fn test_config(config: &NodeConfig) -> [(&'static str, Json); 8] {
    // As it was written; dbt's own default is in capitals.
    let severity = config.raw.get("severity").cloned().unwrap_or_else(|| match config.severity {
        TestSeverity::Error => json!("ERROR"),
        TestSeverity::Warn => json!("WARN"),
    });
    [
        ("severity", json!(severity)),
        ("store_failures", json!(config.store_failures)),
        (
            "store_failures_as",
            json!(config.store_failures.map(|stored| match (stored, config.store_failures_as_view) {
                (false, _) => "ephemeral",
                (true, false) => "table",
                (true, true) => "view",
            })),
        ),
        ("where", json!(config.where_clause)),
        ("limit", json!(config.limit)),
        ("fail_calc", json!(config.fail_calc)),
        ("warn_if", json!(config.warn_if)),
        ("error_if", json!(config.error_if)),
    ]
}

fn snapshot_config(config: &NodeConfig) -> [(&'static str, Json); 8] {
    let (strategy, updated_at, check_cols) = match &config.snapshot_strategy {
        Some(SnapshotStrategy::Timestamp { updated_at }) => (Some("timestamp"), Some(updated_at), Json::Null),
        Some(SnapshotStrategy::Check { columns, updated_at }) => {
            (Some("check"), updated_at.as_ref(), columns.as_ref().map_or(json!("all"), |columns| json!(columns)))
        }
        None => (None, None, Json::Null),
    };
    let hard_deletes = match config.hard_deletes {
        HardDeletes::Ignore => "ignore",
        HardDeletes::Invalidate => "invalidate",
        HardDeletes::NewRecord => "new_record",
    };
    [
        ("strategy", json!(strategy)),
        ("target_schema", Json::Null),
        ("target_database", Json::Null),
        ("updated_at", json!(updated_at)),
        ("check_cols", check_cols),
        ("snapshot_meta_column_names", dbt::snapshot_names(config)),
        ("dbt_valid_to_current", json!(config.dbt_valid_to_current)),
        ("hard_deletes", json!(hard_deletes)),
    ]
}

fn columns_json(node: &Node) -> Json {
    let column = |column: &Column| {
        let mut keys = json!({
            "name": column.name,
            "description": column.description,
            "meta": column.meta,
            "data_type": column.data_type,
            "constraints": column.constraints.iter().map(Constraint::value).collect::<Vec<_>>(),
            "quote": column.quote,
            "config": {"meta": column.meta, "tags": column.tags},
            "tags": column.tags,
            "doc_blocks": column.doc_blocks,
        });
        if let Json::Object(keys) = &mut keys {
            put(keys, semantic::column(column));
        }
        keys
    };
    Json::Object(node.columns.values().map(|found| (found.name.clone(), column(found))).collect())
}

fn refs_json(node: &Node) -> Json {
    let version = |call: &RefCall| call.version.as_ref().map(|version| version.value().clone());
    node.refs.iter().map(|call| json!({"name": call.name, "package": call.package, "version": version(call)})).collect()
}

fn sources_json(node: &Node) -> Json {
    node.sources.iter().map(|call| json!([call.source, call.table])).collect()
}

fn depends_on(node: &Node) -> Json {
    let nodes: Vec<&str> = node.depends_on.iter().map(NodeId::as_str).collect();
    json!({"macros": node.own_macros, "nodes": nodes})
}

fn patch_path(node: &Node) -> Option<String> {
    let path = node.patch_path.as_ref().filter(|_| node.resource_type != ResourceType::Test)?;
    Some(format!("{}://{}", node.package, slashes(node.path_in_package(path))))
}

fn freshness_json(freshness: &Freshness) -> Json {
    let age = |age: &Option<Age>| match age {
        Some(age) => json!({"count": age.count, "period": age.period}),
        None => json!({"count": null, "period": null}),
    };
    json!({
        "warn_after": age(&freshness.warn_after),
        "error_after": age(&freshness.error_after),
        "filter": freshness.filter,
    })
}

/// dbt's text for the relation that a generic test looks at.
fn tested_model(id: &NodeId) -> String {
    let mut parts = id.as_str().splitn(3, '.');
    let (kind, _, name) = (parts.next(), parts.next(), parts.next().unwrap_or_default());
    let call = match (kind, name.split_once('.')) {
        (Some("source"), Some((source, table))) => format!("source('{source}', '{table}')"),
        // The id of a model with versions ends in one, such as `.v2`.
        (Some("model"), Some((name, version))) => {
            format!("ref('{name}', version='{}')", version.strip_prefix('v').unwrap_or(version))
        }
        _ => format!("ref('{name}')"),
    };
    format!("{{{{ get_where_subquery({call}) }}}}")
}

/// dbt's key of the properties that declared a test, such as `models.fct_orders`.
fn file_key(id: &NodeId) -> String {
    let mut parts = id.as_str().splitn(3, '.');
    let (kind, _, name) = (parts.next().unwrap_or_default(), parts.next(), parts.next().unwrap_or_default());
    format!("{kind}s.{}", name.split('.').next().unwrap_or_default())
}

fn macro_json(found: &Macro, created_at: f64) -> Json {
    let docs = json!({"show": found.shown, "node_color": null});
    let arguments = found.arguments.iter().map(
        |argument| json!({"name": argument.name, "type": argument.data_type, "description": argument.description}),
    );
    json!({
        "name": found.name,
        "resource_type": "macro",
        "package_name": found.package,
        "path": slashes(&found.path),
        "original_file_path": slashes(&found.path),
        "unique_id": found.id,
        "macro_sql": found.sql,
        "depends_on": {"macros": found.depends_on},
        "description": found.description,
        "meta": found.meta,
        "config": {"meta": found.meta, "docs": docs},
        "docs": docs,
        "patch_path": found.patch_path.as_ref().map(|path| dbt::patch_path(&found.package, path)),
        "arguments": arguments.collect::<Vec<_>>(),
        "created_at": created_at,
        "supported_languages": null,
    })
}

/// Artifacts have the same paths on every system.
fn slashes(path: &str) -> String {
    path.replace('\\', "/")
}

fn slashes_of(path: &Path) -> String {
    slashes(&path.display().to_string())
}

/// An instant as dbt's `created_at`: seconds with a fraction.
fn seconds(time: DateTime<Utc>) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "microseconds since 1970 are below 2^53 until the year 2255")]
    let micros = time.timestamp_micros() as f64;
    micros / 1_000_000.0
}

fn md5_of(text: &str) -> md5::digest::Output<md5::Md5> {
    md5::Md5::digest(text.as_bytes())
}
