//! What `manifest.json` says of models alone, and of groups.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Map, Value as Json, json};
use sha2::{Digest as _, Sha256};

use crate::manifest::config::Materialization;
use crate::manifest::constraint::{Constraint, ConstraintKind};
use crate::manifest::manifest::Manifest;
use crate::manifest::node::{ModelDetail, Node, NodeId};
use crate::parse::{group_value, python_text, shown_date};
use crate::record::manifest::time_spine;

/// The keys of a model beside those of all nodes with SQL.
pub(super) fn keys(manifest: Option<&Manifest>, node: &Node, detail: &ModelDetail) -> [(&'static str, Json); 7] {
    let version = detail.version.as_ref();
    let constraints: Vec<Json> = detail.constraints.iter().map(Constraint::value).collect();
    [
        ("access", json!(node.config.access.as_str())),
        ("constraints", json!(constraints)),
        ("version", json!(version.map(|version| version.own.value()))),
        ("latest_version", json!(version.map(|version| version.latest.value()))),
        ("deprecation_date", json!(detail.deprecation_date.as_ref().map(shown_date))),
        ("primary_key", json!(primary_key(manifest, node, detail))),
        ("time_spine", json!(detail.time_spine.as_ref().map(time_spine))),
    ]
}

/// `docs`: what is configured over dbt's defaults.
pub(super) fn docs(node: &Node) -> Json {
    let mut docs = Map::new();
    docs.insert("show".into(), json!(true));
    docs.insert("node_color".into(), Json::Null);
    if let Some(Json::Object(own)) = node.config.raw.get("docs") {
        docs.extend(own.iter().map(|(key, value)| (key.clone(), value.clone())));
    }
    Json::Object(docs)
}

/// All groups by id.
pub(super) fn groups(manifest: &Manifest) -> Json {
    Json::Object(manifest.groups.iter().map(|(id, group)| (id.clone(), group_value(group))).collect())
}

/// The ids of the nodes of each group.
pub(super) fn group_map(manifest: &Manifest) -> Json {
    let mut map: BTreeMap<&str, Vec<&str>> =
        manifest.groups.values().map(|group| (group.name.as_str(), Vec::new())).collect();
    for node in manifest.nodes.values() {
        if let Some(members) = node.config.group.as_deref().and_then(|group| map.get_mut(group)) {
            members.push(node.id.as_str());
        }
    }
    json!(map)
}

/// The contract, with a hash of what it promises: dbt compares it to find changes.
pub(super) fn contract(node: &Node) -> Json {
    let enforced = node.config.contract_enforced;
    let checksum = node.model().filter(|_| enforced).map(|model| {
        let mut text = String::new();
        let mut columns: Vec<_> = node.columns.values().collect();
        columns.sort_by(|one, other| one.name.cmp(&other.name));
        for column in columns {
            let data_type = column.data_type.as_deref().unwrap_or("None");
            // Writing to a string cannot fail.
            let _ = write!(text, "|{}{data_type}{}", column.name, list_text(&column.constraints));
        }
        let materialized = node.config.materialized;
        if matches!(materialized, Materialization::Table | Materialization::Incremental) {
            text.push_str(materialized.as_str());
            text.push_str(&list_text(&model.constraints));
        }
        format!("{:x}", Sha256::digest(text.as_bytes()))
    });
    json!({ "enforced": enforced, "alias_types": alias_types(node), "checksum": checksum })
}

/// `alias_types` of a contract, true unless it says otherwise.
fn alias_types(node: &Node) -> bool {
    let contract = node.config.raw.get("contract");
    contract.and_then(|contract| contract.get("alias_types")).and_then(Json::as_bool).unwrap_or(true)
}

/// Constraints as Python writes a list of them: part of the text that dbt hashes.
fn list_text(constraints: &[Constraint]) -> String {
    let one = |constraint: &Constraint| {
        let kind = constraint.kind.as_str();
        let optional = |text: &Option<String>| text.as_ref().map_or(Json::Null, |text| json!(text));
        let flag = |flag: bool| if flag { "True" } else { "False" };
        let fields = format!(
            "type=<ConstraintType.{kind}: '{kind}'>, name={}, expression={}, warn_unenforced={}, warn_unsupported={}, \
             to={}, to_columns={}",
            python_text(&optional(&constraint.name)),
            python_text(&optional(&constraint.expression)),
            flag(constraint.warn_unenforced),
            flag(constraint.warn_unsupported),
            python_text(&optional(&constraint.to)),
            python_text(&json!(constraint.to_columns)),
        );
        if constraint.of_column {
            format!("ColumnLevelConstraint({fields})")
        } else {
            format!("ModelLevelConstraint({fields}, columns={})", python_text(&json!(constraint.columns)))
        }
    };
    let all: Vec<String> = constraints.iter().map(one).collect();
    format!("[{}]", all.join(", "))
}

/// The primary key as dbt infers it: a constraint, else the columns with tests that say so.
fn primary_key(manifest: Option<&Manifest>, node: &Node, detail: &ModelDetail) -> Vec<String> {
    let is_key = |constraint: &&Constraint| constraint.kind == ConstraintKind::PrimaryKey;
    if let Some(key) = detail.constraints.iter().find(is_key) {
        let mut columns = key.columns.clone();
        columns.sort();
        return columns;
    }
    if let Some(column) = node.columns.values().find(|column| column.constraints.iter().any(|one| is_key(&one))) {
        return vec![column.name.clone()];
    }
    let Some(manifest) = manifest else { return Vec::new() };
    let (mut unique, mut disabled, mut not_null) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let switched_off = manifest.disabled.iter().filter(|test| attached_to(test, &node.id));
    for (test, is_enabled) in
        manifest.tests_of(&node.id).map(|test| (test, true)).chain(switched_off.map(|test| (test, false)))
    {
        let Some((test, call)) = test.test().and_then(|test| Some((test, test.generic.as_ref()?))) else { continue };
        let combination = call.arguments.get("combination_of_columns").and_then(Json::as_array);
        let columns: Vec<String> = match (&test.column_name, combination) {
            (Some(column), _) => vec![column.clone()],
            (None, Some(columns)) => columns.iter().filter_map(Json::as_str).map(str::to_owned).collect(),
            (None, None) => Vec::new(),
        };
        match call.name.as_str() {
            "unique" | "unique_combination_of_columns" if is_enabled => unique.extend(columns),
            "unique" | "unique_combination_of_columns" => disabled.extend(columns),
            "not_null" => not_null.extend(columns),
            _ => {}
        }
    }
    let both: Vec<String> =
        not_null.into_iter().filter(|column| unique.contains(column) || disabled.contains(column)).collect();
    let found = [both, unique.into_iter().collect(), disabled.into_iter().collect()];
    found.into_iter().find(|columns| !columns.is_empty()).unwrap_or_default()
}

fn attached_to(node: &Node, id: &NodeId) -> bool {
    node.test().is_some_and(|test| test.attached_node.as_ref() == Some(id))
}
