//! The trees of the project file: which of their values hold for a node.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde_json::Value as Json;

use crate::base::diagnostic::{Diagnostic, Diagnostics};
use crate::files::project::ProjectConfig;
use crate::files::yaml::{Spanned, Yaml, YamlNode};
use crate::files::{Renderer, render_strings};
use crate::manifest::node::ResourceType;
use crate::parse::config::{RawConfig, keys};

/// The rendered trees of one project file.
#[derive(Debug)]
pub struct Trees {
    rendered: BTreeMap<&'static str, Yaml>,
    /// The same as written, for [`unrendered`](Self::unrendered).
    written: BTreeMap<&'static str, Yaml>,
    /// Start offsets of the folders' keys that held for some node, to find those that hold for none.
    used: BTreeMap<&'static str, Vec<usize>>,
}

impl Trees {
    /// Renders the trees of a project file; hooks keep their Jinja until they run.
    pub fn new(config: &ProjectConfig, renderer: &Renderer<'_>, diagnostics: &mut Diagnostics) -> Self {
        let rendered =
            config.configs.iter().map(|(key, tree)| (*key, render_tree(tree, renderer, diagnostics))).collect();
        Self { rendered, written: config.configs.clone(), used: BTreeMap::new() }
    }

    /// Puts the values for a node over `config`, the less specific first.
    pub fn apply(&mut self, kind: ResourceType, fqn: &[String], config: &mut RawConfig) {
        let Some(name) = tree_name(kind) else { return };
        let Some(mut level) = self.rendered.get(name) else { return };
        let used = self.used.entry(name).or_default();
        let mut parts = fqn.iter();
        loop {
            let entries = level.entries().unwrap_or_default();
            for (key, value) in entries {
                match key.value.strip_prefix('+') {
                    Some(plain) => config.apply_yaml(plain.trim(), value),
                    // A key without `+` is a configuration unless it could be a folder.
                    None if value.entries().is_none() => config.apply_yaml(&key.value, value),
                    None => {}
                }
            }
            let Some(part) = parts.next() else { return };
            let Some((key, next)) = entries.iter().find(|(key, value)| key.value == *part && value.entries().is_some())
            else {
                return;
            };
            if !used.contains(&key.location.range.start) {
                used.push(key.location.range.start);
            }
            level = next;
        }
    }

    /// Puts the values for a node over `config` as they are written, the less specific first.
    pub fn unrendered(&self, kind: ResourceType, fqn: &[String], config: &mut IndexMap<String, Json>) {
        // dbt looks for trees with a hyphen by another spelling, and so finds none here.
        let name = tree_name(kind).filter(|name| !name.contains('-'));
        let Some(mut level) = name.and_then(|name| self.written.get(name)) else { return };
        let mut parts = fqn.iter();
        loop {
            let entries = level.entries().unwrap_or_default();
            for (key, value) in entries {
                let plain = key.value.strip_prefix('+').map(str::trim);
                if plain.is_some() || value.entries().is_none() {
                    config.insert(plain.unwrap_or(&key.value).to_owned(), value.to_json());
                }
            }
            let next = parts
                .next()
                .and_then(|part| entries.iter().find(|(key, value)| key.value == *part && value.entries().is_some()));
            let Some((_, next)) = next else { return };
            level = next;
        }
    }

    /// Warns of folders in the trees that hold for no node.
    pub fn report_unused(&self, diagnostics: &mut Diagnostics) {
        for (name, tree) in &self.rendered {
            // The others hold for what has no place in them, or for nothing here.
            if matches!(*name, "unit_tests" | "analyses" | "macros" | "operations") {
                continue;
            }
            let used = self.used.get(name).map(Vec::as_slice).unwrap_or_default();
            report_unused(name, tree, used, &mut Vec::new(), diagnostics);
        }
    }
}

fn report_unused(tree: &str, level: &Yaml, used: &[usize], path: &mut Vec<String>, diagnostics: &mut Diagnostics) {
    for (key, value) in level.entries().unwrap_or_default() {
        if key.value.starts_with('+') || value.entries().is_none() {
            continue;
        }
        path.push(key.value.clone());
        if used.contains(&key.location.range.start) {
            report_unused(tree, value, used, path, diagnostics);
        } else {
            diagnostics.push(unused(tree, key, path));
        }
        path.pop();
    }
}

fn unused(tree: &str, key: &Spanned<String>, path: &[String]) -> Diagnostic {
    let message = format!("the configuration of `{tree}: {}` holds for nothing", path.join("."));
    let diagnostic = Diagnostic::warning("unused-config", message).at(key.location.clone(), "");
    if keys::is_known(&key.value) {
        diagnostic.with_hint(format!("write `+{}` to set it; without `+` it is the name of a folder", key.value))
    } else {
        diagnostic.with_note("there is no package, folder or node of this name")
    }
}

fn tree_name(kind: ResourceType) -> Option<&'static str> {
    Some(match kind {
        ResourceType::Model => "models",
        ResourceType::Seed => "seeds",
        ResourceType::Snapshot => "snapshots",
        ResourceType::Source => "sources",
        ResourceType::Test => "data_tests",
        ResourceType::UnitTest => "unit_tests",
        ResourceType::Exposure => "exposures",
        ResourceType::SemanticModel => "semantic-models",
        ResourceType::Metric => "metrics",
        ResourceType::SavedQuery => "saved-queries",
        ResourceType::Analysis => "analyses",
        ResourceType::Function => "functions",
        ResourceType::Operation => return None,
    })
}

/// Whether a key holds statements, whose Jinja is rendered when they run.
pub fn is_hook(key: &str) -> bool {
    matches!(keys::canonical(key.trim_start_matches('+').trim()), "pre-hook" | "post-hook")
}

fn render_tree(tree: &Yaml, renderer: &Renderer<'_>, diagnostics: &mut Diagnostics) -> Yaml {
    let YamlNode::Mapping(entries) = &tree.node else { return render_strings(tree, renderer, diagnostics) };
    let entries = entries
        .iter()
        .map(|(key, value)| {
            let value = if is_hook(&key.value) { value.clone() } else { render_tree(value, renderer, diagnostics) };
            (key.clone(), value)
        })
        .collect();
    Yaml { node: YamlNode::Mapping(entries), location: tree.location.clone() }
}
