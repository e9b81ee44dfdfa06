//! What has changed since a state: dbt's rules for `state:`, `result:` and `source_status:`.
//!
//! Both sides are manifests in the artifact's shape, so that what counts is what artifacts say. The rules are those of
//! dbt 1.12 (`same_contents` of each kind of node), its oddities included: a new source or exposure is no modification.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value as Json};

use crate::base::diagnostic::{Diagnostic, Diagnostics};
use crate::state::artifacts::{Column, Manifest, Node};
use crate::state::{Freshness, Previous};

/// Keys of a test's configuration that count.
const TEST_KEYS: [&str; 9] = [
    "severity",
    "where",
    "limit",
    "fail_calc",
    "warn_if",
    "error_if",
    "store_failures",
    "store_failures_as",
    "sql_header",
];

/// Keys of other nodes' configuration that do not count: names count as the relation, the others are for people.
const FREE_KEYS: [&str; 5] = ["alias", "schema", "database", "tags", "group"];

/// The macros that karat brings along; those of a dbt have the same names and other texts.
const BUILT_IN_PACKAGE: &str = "dbt";

/// A question of the method `state:`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// Not in the state.
    New,
    /// In the state.
    Old,
    /// Changed in whatever way.
    Modified,
    /// Not changed.
    Unmodified,
    /// The text, or a seed's file.
    Body,
    /// The configuration, but for names.
    Configs,
    /// Descriptions that are stored with the relation.
    PersistedDescriptions,
    /// Database, schema or alias.
    Relation,
    /// A macro that it uses, directly or not.
    Macros,
    /// The contract.
    Contract,
}

impl Check {
    /// All, with dbt's names.
    pub const ALL: [(&'static str, Self); 10] = [
        ("new", Self::New),
        ("old", Self::Old),
        ("modified", Self::Modified),
        ("unmodified", Self::Unmodified),
        ("modified.body", Self::Body),
        ("modified.configs", Self::Configs),
        ("modified.persisted_descriptions", Self::PersistedDescriptions),
        ("modified.relation", Self::Relation),
        ("modified.macros", Self::Macros),
        ("modified.contract", Self::Contract),
    ];

    /// The question of a name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(name, _)| *name == text).map(|(_, check)| check)
    }

    /// Whether contracts are looked at.
    pub fn is_about_contracts(self) -> bool {
        matches!(self, Self::Modified | Self::Unmodified | Self::Contract)
    }
}

/// The state and the present, side by side.
#[derive(Debug, Default)]
pub struct Comparison {
    /// The state.
    pub previous: Arc<Previous>,
    /// The present manifest.
    pub current: Manifest,
    /// Freshness of the present.
    pub sources_current: Option<Freshness>,
    /// The run's time.
    pub now: DateTime<Utc>,
    modified_macros: OnceLock<BTreeSet<String>>,
}

impl Comparison {
    /// A comparison of a state with the present.
    pub fn new(
        previous: Arc<Previous>,
        current: Manifest,
        sources_current: Option<Freshness>,
        now: DateTime<Utc>,
    ) -> Self {
        Self { previous, current, sources_current, now, modified_macros: OnceLock::new() }
    }

    /// Whether a node of the present answers a question.
    pub fn holds(&self, check: Check, id: &str) -> bool {
        let Some(new) = self.current.any(id) else { return false };
        let old = self.previous.manifest.as_ref().and_then(|manifest| manifest.any(id));
        let differs = |same: fn(&Node, &Node) -> bool| old.is_none_or(|old| !same(new, old));
        let kind = new.resource_type.as_str();
        let is_parsed = !matches!(kind, "source" | "exposure" | "unit_test") && !is_semantic(kind);
        match check {
            Check::New => old.is_none(),
            Check::Old => old.is_some(),
            Check::Modified => self.is_modified(new, old),
            Check::Unmodified => !self.is_modified(new, old),
            Check::Body => is_parsed && differs(same_body),
            Check::Configs => kind != "unit_test" && differs(same_config),
            Check::PersistedDescriptions => is_parsed && differs(same_persisted_description),
            Check::Relation => (is_parsed || kind == "source") && differs(same_relation),
            Check::Macros => self.uses_modified_macro(new),
            Check::Contract => is_parsed && differs(same_contract),
        }
    }

    fn is_modified(&self, new: &Node, old: Option<&Node>) -> bool {
        let same = match (new.resource_type.as_str(), old) {
            // Under dbt what was not there before is no modification of these.
            ("source" | "exposure" | "semantic_model" | "metric" | "saved_query", None) => true,
            (_, None) => false,
            ("source", Some(old)) => same_source(new, old),
            ("exposure", Some(old)) => same_exposure(new, old),
            ("semantic_model", Some(old)) => same_semantic_model(new, old),
            ("metric", Some(old)) => same_metric(new, old),
            ("saved_query", Some(old)) => same_saved_query(new, old),
            ("unit_test", Some(old)) => same_unit_test(new, old),
            ("test", Some(old)) if !new.test_metadata.is_null() => same_config(new, old) && new.fqn == old.fqn,
            ("model", Some(old)) => same_node(new, old) && same_contract(new, old) && same_to_refs(new, old),
            ("function", Some(old)) => same_node(new, old) && same_signature(new, old),
            (_, Some(old)) => same_node(new, old),
        };
        !same || self.uses_modified_macro(new)
    }

    fn uses_modified_macro(&self, node: &Node) -> bool {
        let modified = self.modified_macros.get_or_init(|| self.find_modified_macros());
        if modified.is_empty() {
            return false;
        }
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut open: Vec<&str> = node.depends_on.macros.iter().map(String::as_str).collect();
        while let Some(id) = open.pop() {
            if !seen.insert(id) {
                continue;
            }
            if modified.contains(id) {
                return true;
            }
            if let Some(found) = self.current.macros.get(id) {
                open.extend(found.depends_on.macros.iter().map(String::as_str));
            }
        }
        false
    }

    fn find_modified_macros(&self) -> BTreeSet<String> {
        let Some(previous) = &self.previous.manifest else { return BTreeSet::new() };
        let is_built_in = |id: &String| id.strip_prefix("macro.").is_some_and(|rest| rest.starts_with("dbt."));
        // States of karat may also be older than the names of its macros.
        let same_program = previous.is_of_karat() && previous.macros.keys().any(is_built_in);
        let is_modified =
            |id: &str, text: &str| previous.macros.get(id).is_none_or(|old| old.text.trim() != text.trim());
        self.current
            .macros
            .iter()
            .filter(|(_, found)| same_program || found.package_name != BUILT_IN_PACKAGE)
            .filter(|(id, found)| is_modified(id, &found.text))
            .map(|(id, _)| id.clone())
            .collect()
    }

    /// The ids whose last result had a status.
    pub fn has_result(&self, id: &str, status: &str) -> bool {
        self.previous.results.as_ref().and_then(|results| results.get(id)).is_some_and(|found| found == status)
    }

    /// Whether a source table has newer rows than it had.
    pub fn is_fresher(&self, id: &str) -> bool {
        let newest = |sources: Option<&Freshness>| sources.and_then(|sources| sources.get(id)).cloned().flatten();
        let Some(now) = newest(self.sources_current.as_ref()) else { return false };
        newest(self.previous.sources.as_ref()).is_none_or(|before| is_later(&now, &before))
    }

    /// Breaking changes of contracts: a warning, and an error where the model has versions.
    pub fn broken_contracts(&self) -> Diagnostics {
        let mut diagnostics = Diagnostics::default();
        let Some(previous) = &self.previous.manifest else { return diagnostics };
        for (id, old) in previous.nodes.iter().filter(|(_, old)| old.resource_type == "model" && old.contract.enforced)
        {
            let (changes, version) = match (self.current.nodes.get(id), self.current.disabled.get(id)) {
                (Some(new), _) => (breaking_changes(new, old), &new.version),
                (None, _) if is_past(&old.deprecation_date, self.now) => continue,
                (None, Some(_)) => (vec!["the model is disabled".to_owned()], &old.version),
                (None, None) => (vec!["the model is gone".to_owned()], &old.version),
            };
            if changes.is_empty() {
                continue;
            }
            let message = format!("the contract of model `{}` is broken by what changed since the state", old.name);
            let mut diagnostic = if version.is_null() {
                Diagnostic::warning("broken-contract", message)
            } else {
                Diagnostic::error("broken-contract", message)
            };
            diagnostic.notes = changes;
            diagnostics.push(diagnostic.with_hint("a new version of the model keeps those whole that read it"));
        }
        diagnostics
    }
}

fn is_later(one: &str, other: &str) -> bool {
    match (DateTime::parse_from_rfc3339(one), DateTime::parse_from_rfc3339(other)) {
        (Ok(one), Ok(other)) => one > other,
        _ => one > other,
    }
}

fn is_past(date: &Json, now: DateTime<Utc>) -> bool {
    let date = date.as_str().and_then(|text| DateTime::parse_from_rfc3339(text).ok());
    date.is_some_and(|date| date < now)
}

fn same_node(new: &Node, old: &Node) -> bool {
    same_body(new, old)
        && same_config(new, old)
        && same_persisted_description(new, old)
        && new.fqn == old.fqn
        && same_relation(new, old)
}

/// What a function takes and gives, in all its forms.
fn same_signature(new: &Node, old: &Node) -> bool {
    new.arguments == old.arguments && new.returns == old.returns && new.overloads == old.overloads
}

/// The text; of a seed its file. A generic test's text is made from what is compared here.
fn same_body(new: &Node, old: &Node) -> bool {
    if new.resource_type == "seed" {
        // Of a large seed dbt keeps the path alone, and takes it for unchanged.
        let by_path = old.checksum["name"] == "path" && old.checksum["checksum"] == new.original_file_path;
        return by_path || new.checksum == old.checksum;
    }
    if !new.test_metadata.is_null() {
        return new.test_metadata == old.test_metadata && new.unrendered_config == old.unrendered_config;
    }
    new.raw_code.trim() == old.raw_code.trim()
}

/// The configuration as written: what Jinja makes of it differs between targets.
fn same_config(new: &Node, old: &Node) -> bool {
    let (mine, others) = (&new.unrendered_config, &old.unrendered_config);
    let same = |key: &String| mine.get(key) == others.get(key);
    match new.resource_type.as_str() {
        "test" => TEST_KEYS.iter().all(|key| mine.get(*key) == others.get(*key)),
        // What dbt copies into a source's configuration is compared itself.
        "source" => {
            let is_copy = |key: &str| matches!(key, "freshness" | "loaded_at_field" | "loaded_at_query");
            same_freshness(new, old) && mine.keys().chain(others.keys()).filter(|key| !is_copy(key)).all(same)
        }
        // Only the group is free.
        "metric" => mine.keys().chain(others.keys()).filter(|key| *key != "group").all(same),
        // Facts for people stand beside the configuration or in it.
        "exposure" => mine.keys().chain(others.keys()).filter(|key| !matches!(key.as_str(), "meta" | "tags")).all(same),
        _ => mine.keys().chain(others.keys()).filter(|key| !FREE_KEYS.contains(&key.as_str())).all(same),
    }
}

fn same_persisted_description(new: &Node, old: &Node) -> bool {
    let persists = |what: &str| new.config.persist_docs.get(what).and_then(Json::as_bool).unwrap_or(false);
    let described = |node: &Node| -> BTreeMap<String, String> {
        node.columns.iter().map(|(name, column)| (name.clone(), column.description.clone())).collect()
    };
    (!persists("relation") || new.description == old.description)
        && (!persists("columns") || described(new) == described(old))
}

/// The names as configured, not as they come out: those differ between targets.
fn same_relation(new: &Node, old: &Node) -> bool {
    if new.resource_type == "source" {
        return new.unrendered_database == old.unrendered_database
            && new.unrendered_schema == old.unrendered_schema
            && new.identifier == old.identifier;
    }
    let name = |config: &Map<String, Json>, key: &str| config.get(key).cloned().unwrap_or_default();
    ["database", "schema", "alias"]
        .into_iter()
        .all(|key| name(&new.unrendered_config, key) == name(&old.unrendered_config, key))
}

/// What may break references to a model.
fn same_to_refs(new: &Node, old: &Node) -> bool {
    new.latest_version == old.latest_version && new.access == old.access && new.deprecation_date == old.deprecation_date
}

fn same_source(new: &Node, old: &Node) -> bool {
    same_relation(new, old)
        && new.fqn == old.fqn
        && same_config(new, old)
        && bare(&new.quoting) == bare(&old.quoting)
        && bare(&new.external) == bare(&old.external)
}

fn same_freshness(new: &Node, old: &Node) -> bool {
    bare(&new.freshness) == bare(&old.freshness)
        && new.loaded_at_field == old.loaded_at_field
        && new.loaded_at_query == old.loaded_at_query
}

fn same_exposure(new: &Node, old: &Node) -> bool {
    let parents = |node: &Node| -> BTreeSet<String> { node.depends_on.nodes.iter().cloned().collect() };
    new.fqn == old.fqn
        && new.kind == old.kind
        && new.owner == old.owner
        && new.maturity == old.maturity
        && new.url == old.url
        && new.description == old.description
        && new.label == old.label
        && parents(new) == parents(old)
        && same_config(new, old)
}

fn is_semantic(kind: &str) -> bool {
    matches!(kind, "semantic_model" | "metric" | "saved_query")
}

/// dbt compares the configuration of these as it comes out, and that of metrics as it is written.
fn same_rendered(new: &Node, old: &Node) -> bool {
    new.config.enabled == old.config.enabled && new.config.rest == old.config.rest && new.group == old.group
}

fn same_semantic_model(new: &Node, old: &Node) -> bool {
    let sets = |node: &Node| [node.entities.clone(), node.dimensions.clone(), node.measures.clone()];
    new.model == old.model
        && new.description == old.description
        && new.defaults == old.defaults
        && new.primary_entity == old.primary_entity
        && sets(new) == sets(old)
        && same_rendered(new, old)
}

/// What a metric is made from does not count, nor does its filter, as under dbt.
fn same_metric(new: &Node, old: &Node) -> bool {
    new.kind == old.kind && new.description == old.description && new.label == old.label && same_config(new, old)
}

fn same_saved_query(new: &Node, old: &Node) -> bool {
    let of_query = |node: &Node, key: &str| node.query_params.get(key).cloned().unwrap_or_default();
    let same_query = ["metrics", "group_by", "where"].into_iter().all(|key| of_query(new, key) == of_query(old, key));
    let same_exports = new.exports.len() == old.exports.len()
        && new.exports.iter().zip(&old.exports).all(|(new, old)| new.is_same(old));
    same_query
        && same_exports
        && new.description == old.description
        && new.label == old.label
        && new.tags == old.tags
        && same_rendered(new, old)
}

/// dbt compares a checksum of these; it is computed in another way here, so they are compared themselves.
fn same_unit_test(new: &Node, old: &Node) -> bool {
    new.model == old.model
        && new.versions == old.versions
        && new.given == old.given
        && new.expect == old.expect
        && bare(&new.overrides) == bare(&old.overrides)
}

fn enforces_constraints(node: &Node) -> bool {
    matches!(node.config.materialized.as_deref(), Some("table" | "incremental"))
}

/// Whether the contract is the same; only models have one. What is different but breaks nothing still is a change.
fn same_contract(new: &Node, old: &Node) -> bool {
    match (old.contract.enforced, new.contract.enforced) {
        (false, false) => true,
        (true, true) => contract(new) == contract(old),
        _ => false,
    }
}

/// What a contract is: names, types and constraints of columns, and of tables the constraints of the model.
fn contract(node: &Node) -> Json {
    let mut columns: Vec<&Column> = node.columns.values().collect();
    columns.sort_by(|left, right| left.name.cmp(&right.name));
    let columns: Vec<Json> = columns
        .into_iter()
        .map(|column| serde_json::json!([column.name, column.data_type, bare_all(&column.constraints)]))
        .collect();
    if enforces_constraints(node) {
        serde_json::json!([columns, node.config.materialized, bare_all(&node.constraints)])
    } else {
        serde_json::json!([columns])
    }
}

fn bare_all(constraints: &[Json]) -> Vec<Json> {
    constraints.iter().map(bare).collect()
}

/// A value without the keys that say what would hold anyway; a mapping of nothing else is null.
fn bare(value: &Json) -> Json {
    let Json::Object(entries) = value else { return value.clone() };
    let is_default = |key: &str, value: &Json| match value {
        Json::Null => true,
        Json::Array(items) => items.is_empty(),
        Json::Bool(flag) => *flag && key.starts_with("warn_un"),
        _ => false,
    };
    let kept: Map<String, Json> = entries
        .iter()
        .map(|(key, value)| (key.clone(), bare(value)))
        .filter(|(key, value)| !is_default(key, value))
        .collect();
    if kept.is_empty() { Json::Null } else { Json::Object(kept) }
}

/// What those who read the model can no longer rely on.
fn breaking_changes(new: &Node, old: &Node) -> Vec<String> {
    let mut changes = Vec::new();
    if !new.contract.enforced {
        changes.push("the contract is no longer enforced".to_owned());
    }
    let mut had_constraints = !old.constraints.is_empty();
    for (key, before) in &old.columns {
        had_constraints |= !before.constraints.is_empty();
        let Some(now) = new.columns.get(key) else {
            changes.push(format!("the column `{}` is gone", before.name));
            continue;
        };
        if base_type(before.data_type.as_deref()) != base_type(now.data_type.as_deref()) {
            let shown = |data_type: &Option<String>| data_type.clone().unwrap_or_else(|| "no type".to_owned());
            let (from, to) = (shown(&before.data_type), shown(&now.data_type));
            changes.push(format!("the column `{}` was {from} and is {to}", before.name));
        }
        if enforces_constraints(old) {
            let now = bare_all(&now.constraints);
            for gone in bare_all(&before.constraints).iter().filter(|constraint| !now.contains(constraint)) {
                changes.extend(enforced(gone).map(|kind| format!("`{kind}` of the column `{key}` is gone")));
            }
        }
    }
    if enforces_constraints(old) {
        let now = bare_all(&new.constraints);
        for gone in bare_all(&old.constraints).iter().filter(|constraint| !now.contains(constraint)) {
            changes.extend(enforced(gone).map(|kind| format!("the constraint `{kind}` is gone")));
        }
        if !enforces_constraints(new) && had_constraints {
            let shown = |node: &Node| node.config.materialized.clone().unwrap_or_default();
            changes.push(format!("a {} enforced constraints, a {} does not", shown(old), shown(new)));
        }
    }
    changes
}

/// The kind of a constraint that is enforced when rows are written.
fn enforced(constraint: &Json) -> Option<&str> {
    constraint.get("type").and_then(Json::as_str).filter(|kind| matches!(*kind, "not_null" | "check"))
}

/// A type without its size, which may change.
fn base_type(data_type: Option<&str>) -> Option<String> {
    data_type.map(|text| text.split('(').next().unwrap_or_default().trim().to_lowercase())
}
