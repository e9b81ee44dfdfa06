//! Configuration of nodes: merged from the project file, properties and the template, then read into typed values.

pub mod keys;
pub mod resolve;
pub mod trees;

use indexmap::IndexMap;
use serde_json::{Map, Value as Json};

use crate::base::source::Location;
use crate::files::yaml::Yaml;

/// A value of a configuration and where it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Placed {
    /// The value.
    pub value: Json,
    /// Its place, if it is known.
    pub location: Option<Location>,
}

/// The configuration of one node while it is put together, by key.
#[derive(Debug, Clone, Default)]
pub struct RawConfig {
    /// The merged values.
    pub values: IndexMap<String, Placed>,
}

impl RawConfig {
    /// Puts a more specific value over what is there: tags and hooks add up, `meta` and its like merge by key, all
    /// else replaces; null clears.
    pub fn apply(&mut self, key: &str, value: Json, location: Option<Location>) {
        let key = keys::canonical(key);
        let merged = match (keys::merge_of(key), self.values.shift_remove(key).map(|old| old.value), value) {
            (_, _, Json::Null) => Json::Null,
            (keys::Merge::AddUnique, old, value) => {
                let mut all = listed(old);
                for item in listed(Some(value)) {
                    if !all.contains(&item) {
                        all.push(item);
                    }
                }
                Json::Array(all)
            }
            (keys::Merge::Append, old, value) => {
                let mut all = listed(old);
                all.extend(listed(Some(value)));
                Json::Array(all)
            }
            (keys::Merge::ByKey, old, Json::Object(new)) if key == "grants" => {
                let old = old.and_then(|old| object(&old).cloned()).unwrap_or_default();
                Json::Object(with_grants(old, new))
            }
            (keys::Merge::ByKey, Some(Json::Object(mut old)), Json::Object(new)) => {
                old.extend(new);
                Json::Object(old)
            }
            (_, _, value) => value,
        };
        self.values.insert(key.to_owned(), Placed { value: merged, location });
    }

    /// Puts a mapping of a YAML file over what is there.
    pub fn apply_yaml(&mut self, key: &str, value: &Yaml) {
        self.apply(key, value.to_json(), Some(value.location.clone()));
    }

    /// The value of a key; null counts as absent.
    pub fn get(&self, key: &str) -> Option<&Placed> {
        self.values.get(keys::canonical(key)).filter(|placed| !placed.value.is_null())
    }

    /// The values without their places, those that were cleared left out.
    pub fn to_json(&self) -> IndexMap<String, Json> {
        self.values
            .iter()
            .filter(|(_, placed)| !placed.value.is_null())
            .map(|(key, placed)| (key.clone(), placed.value.clone()))
            .collect()
    }
}

/// A list as its items, nothing as none, anything else as one item.
fn listed(value: Option<Json>) -> Vec<Json> {
    match value {
        None | Some(Json::Null) => Vec::new(),
        Some(Json::Array(items)) => items,
        Some(value) => vec![value],
    }
}

/// The entries of a JSON object.
pub fn object(value: &Json) -> Option<&Map<String, Json>> {
    match value {
        Json::Object(entries) => Some(entries),
        _ => None,
    }
}

/// Rights over those that are there: `+select` adds to who has one, `select` replaces them.
fn with_grants(mut old: Map<String, Json>, new: Map<String, Json>) -> Map<String, Json> {
    for (key, value) in new {
        let (name, mut all) = match key.strip_prefix('+') {
            Some(name) => (name.to_owned(), listed(old.get(name).cloned())),
            None => (key, Vec::new()),
        };
        all.extend(listed(Some(value)));
        old.insert(name, Json::Array(all));
    }
    old
}
