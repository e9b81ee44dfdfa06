//! Groups of properties files, and who may refer to whom.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::base::diagnostic::{Diagnostic, Diagnostics, did_you_mean};
use crate::files::TextFile;
use crate::files::properties_model::GroupProperties;
use crate::files::yaml::Yaml;
use crate::manifest::config::Materialization;
use crate::manifest::group::{Access, Group};
use crate::manifest::manifest::Manifest;
use crate::manifest::node::{Node, ResourceType};
use crate::parse::builder::Builder;

impl Builder<'_> {
    /// All groups by id.
    pub fn groups(&mut self, written: &[(usize, TextFile, GroupProperties)]) -> BTreeMap<String, Arc<Group>> {
        let mut groups: BTreeMap<String, Arc<Group>> = BTreeMap::new();
        for (index, file, group) in written {
            let Some(package) = self.project.packages.get(*index) else { continue };
            let id = format!("group.{}.{}", package.name(), group.name.value);
            if let Some(first) = groups.get(&id) {
                let message = format!("there are two groups `{}`", group.name.value);
                self.diagnostics.push(
                    Diagnostic::error("duplicate-name", message)
                        .at(group.name.location.clone(), "again here")
                        .at(first.location.clone(), "first here")
                        .with_hint("rename one of them"),
                );
                continue;
            }
            let mut meta = indexmap::IndexMap::new();
            for (_, value) in group.config.iter().filter(|(key, _)| key.value == "meta") {
                let entries = value.entries().unwrap_or_default();
                meta.extend(entries.iter().map(|(key, value)| (key.value.clone(), value.to_json())));
            }
            let root = &package.config.root;
            let below = file.source.path.strip_prefix(root.as_str()).and_then(|rest| rest.strip_prefix('/'));
            let made = Group {
                id: id.clone(),
                name: group.name.value.clone(),
                package: package.name().to_owned(),
                path: below.filter(|_| !root.is_empty()).unwrap_or(&file.source.path).to_owned(),
                relative_path: file.relative.clone(),
                description: group.description.as_ref().map(|text| text.value.clone()),
                owner: group.owner.iter().map(|(key, value)| (key.value.clone(), Yaml::to_json(value))).collect(),
                meta,
                location: group.name.location.clone(),
            };
            groups.insert(id, Arc::new(made));
        }
        groups
    }
}

/// Reports groups that there are not, and references that their targets do not allow. `restricted` are the packages
/// whose protected models only they themselves may use.
pub(super) fn check_access(manifest: &Manifest, restricted: &BTreeSet<String>, diagnostics: &mut Diagnostics) {
    for node in manifest.nodes.values() {
        check_group(manifest, node, diagnostics);
        if node.config.access == Access::Public
            && node.config.materialized == Materialization::Ephemeral
            && node.model().is_some()
        {
            let message = format!("model `{}` is ephemeral and public, but nobody outside could read it", node.name);
            let diagnostic = Diagnostic::error("bad-config", message).at_maybe(node.location.clone(), "");
            diagnostics.push(diagnostic.with_hint("make it a view or a table, or take `access: public` away"));
        }
        // A unit test asks for nothing of its inputs, and hooks are outside of all groups.
        if matches!(node.resource_type, ResourceType::UnitTest | ResourceType::Operation) {
            continue;
        }
        for parent in node.depends_on.iter().filter_map(|id| manifest.get(id)) {
            if let Some(problem) = forbidden(node, parent, restricted) {
                diagnostics.push(problem);
            }
        }
    }
}

fn check_group(manifest: &Manifest, node: &Node, diagnostics: &mut Diagnostics) {
    let Some(name) = &node.config.group else { return };
    // A generic test is in the group of its node, which is told.
    if node.test().is_some_and(|test| test.attached_node.is_some()) {
        return;
    }
    if manifest.groups.values().any(|group| group.name == *name) {
        return;
    }
    let kind = node.resource_type.as_str().replace('_', " ");
    let message = format!("{kind} `{}` is in the group `{name}`, which there is not", node.name);
    let diagnostic = Diagnostic::error("unknown-group", message).at_maybe(node.location.clone(), "");
    let known = manifest.groups.values().map(|group| group.name.as_str());
    diagnostics.push(match did_you_mean(name, known) {
        Some(near) => diagnostic.with_hint(format!("did you mean `{near}`?")),
        None => diagnostic.with_hint("describe it below `groups:` in a properties file, with its `name` and `owner`"),
    });
}

/// Why a node may not refer to another one.
fn forbidden(node: &Node, parent: &Node, restricted: &BTreeSet<String>) -> Option<Diagnostic> {
    parent.model()?;
    let foreign = node.package != parent.package && restricted.contains(&parent.package);
    let own = node.config.group.as_deref();
    let (code, why, hint) = match parent.config.access {
        Access::Private if own.is_none() || own != parent.config.group.as_deref() || foreign => {
            let why = match &parent.config.group {
                Some(group) => format!("private to the group `{group}`"),
                None => "private, and in no group".to_owned(),
            };
            ("private-ref", why, "refer to a public model of the group, or make both of one group")
        }
        Access::Protected if foreign => {
            let why = format!("protected in the package `{}`", parent.package);
            ("protected-ref", why, "refer to a public model of the package")
        }
        _ => return None,
    };
    let call = node.refs.iter().find(|call| call.name == parent.name).and_then(|call| call.location.clone());
    let place = call.or_else(|| node.location.clone());
    let kind = node.resource_type.as_str().replace('_', " ");
    let message = format!("{kind} `{}` may not refer to model `{}`, which is {why}", node.name, parent.name);
    Some(Diagnostic::error(code, message).at_maybe(place, "").with_hint(hint))
}
