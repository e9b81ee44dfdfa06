//! Versions of models: what the properties of a versioned model say of each version, and which file holds it.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::diagnostic::{Diagnostic, Diagnostics};
use crate::files::properties::{ConfigEntry, NodeProperties};
use crate::files::properties_function::FunctionProperties;
use crate::files::properties_model::{ModelProperties, VersionProperties};
use crate::files::yaml::{Yaml, YamlNode};
use crate::files::{LoadedProject, Package};
use crate::manifest::node::ResourceType;
use crate::manifest::version::ModelVersion;
use crate::parse::builder::{Patch, PatchKey};
use crate::parse::config::keys::canonical;
use crate::parse::nodes::folders_and_stem;

/// A version of a model as its properties describe it.
#[derive(Debug, Clone)]
pub(super) struct Described {
    /// Name of the model.
    pub model: String,
    /// The version.
    pub version: ModelVersion,
    /// Names of the files that may hold it, without their ending, the first that is there wins.
    files: Vec<String>,
}

/// The properties of each version of a model; of a model without versions its own.
pub(super) fn of_each_version(properties: NodeProperties) -> Vec<(NodeProperties, Option<Described>)> {
    if properties.model.versions.is_empty() {
        return vec![(properties, None)];
    }
    let newest = properties.model.versions.iter().map(|one| &one.version.value).max_by(|one, other| one.compare(other));
    let stated = properties.model.latest_version.as_ref().map(|latest| &latest.value);
    let Some(latest) = stated.or(newest).cloned() else { return Vec::new() };
    let described = |version: &VersionProperties| {
        let own = version.version.value.clone();
        let name = &properties.name.value;
        let mut files = match &version.defined_in {
            Some(file) => vec![file.value.clone()],
            None => vec![format!("{name}_{}", own.label()), format!("{name}.{}", own.label())],
        };
        if own == latest {
            files.push(name.clone());
        }
        let version = ModelVersion { own, latest: latest.clone() };
        Described { model: name.clone(), version, files }
    };
    properties.model.versions.iter().map(|one| (of_version(&properties, one), Some(described(one)))).collect()
}

/// The model's properties with the version's over them, by dbt's rules.
fn of_version(model: &NodeProperties, version: &VersionProperties) -> NodeProperties {
    // A column of the version stands for the model's of the same name, as the later of two descriptions does; the tests
    // of both hold.
    let inherited = model.columns.iter().filter(|column| version.inherited.has(&column.name.value));
    let columns = inherited.chain(&version.columns).cloned().collect();
    let constraints = if version.constraints.is_empty() { &model.model.constraints } else { &version.constraints };
    NodeProperties {
        name: crate::files::yaml::Spanned::new(model.name.value.clone(), version.version.location.clone()),
        description: version.description.clone().or_else(|| model.description.clone()),
        config: merged(&model.config, &version.config),
        columns,
        tests: version.tests.clone().unwrap_or_else(|| model.tests.clone()),
        relation: None,
        function: FunctionProperties::default(),
        model: ModelProperties {
            versions: Vec::new(),
            latest_version: None,
            deprecation_date: version.deprecation_date.clone(),
            constraints: constraints.clone(),
            semantics: None,
            time_spine: model.model.time_spine.clone(),
        },
    }
}

/// The configuration of a version over that of its model: mappings merge at all depths, lists add up with the version's
/// items first, and anything else stands for what the model says.
fn merged(model: &[ConfigEntry], version: &[ConfigEntry]) -> Vec<ConfigEntry> {
    let mut all = model.to_vec();
    for (key, value) in version {
        let is_same = |(other, _): &ConfigEntry| canonical(&other.value) == canonical(&key.value);
        match (all.iter_mut().rev().find(|entry| is_same(entry)), &value.node) {
            (Some((_, known)), YamlNode::Mapping(_) | YamlNode::Sequence(_)) => *known = merged_value(known, value),
            _ => {
                all.retain(|entry| !is_same(entry));
                all.push((key.clone(), value.clone()));
            }
        }
    }
    all
}

fn merged_value(old: &Yaml, new: &Yaml) -> Yaml {
    let node = match (&old.node, &new.node) {
        (YamlNode::Mapping(old), YamlNode::Mapping(new)) => YamlNode::Mapping(merged(old, new)),
        (YamlNode::Sequence(old), YamlNode::Sequence(new)) => {
            YamlNode::Sequence(new.iter().chain(old).cloned().collect())
        }
        (_, new) => new.clone(),
    };
    Yaml { node, location: new.location.clone() }
}

/// Which version each file holds, by package and name of the file without its ending.
pub(super) type Files = BTreeMap<(String, String), Described>;

/// Finds the file of each version; a version without one is reported.
pub(super) fn find_files(
    project: &LoadedProject,
    patches: &mut BTreeMap<PatchKey, Patch>,
    diagnostics: &mut Diagnostics,
) -> Files {
    let mut files = Files::new();
    let stems: BTreeMap<&str, BTreeSet<&str>> =
        project.packages.iter().map(|package| (package.name(), stems(package))).collect();
    for ((package, kind, _), patch) in patches.iter_mut() {
        let Some(described) = patch.version.as_ref().filter(|_| *kind == ResourceType::Model) else { continue };
        let there = stems.get(package.as_str());
        let file = described.files.iter().find(|file| there.is_some_and(|stems| stems.contains(file.as_str())));
        let place = patch.properties.name.location.clone();
        let what = format!("version `{}` of model `{}`", described.version.own.as_str(), described.model);
        let Some(file) = file else {
            patch.used = true;
            let names: Vec<String> = described.files.iter().map(|file| format!("`{file}.sql`")).collect();
            diagnostics.push(
                Diagnostic::warning("unmatched-properties", format!("there is no file of {what}"))
                    .at(place, "described here")
                    .with_hint(format!("write it in {}, or name another file with `defined_in`", names.join(" or "))),
            );
            continue;
        };
        let key = (package.clone(), file.clone());
        if let Some(other) = files.get(&key) {
            let message = format!(
                "{what} and version `{}` of model `{}` are both defined in `{file}.sql`",
                other.version.own.as_str(),
                other.model
            );
            diagnostics
                .push(Diagnostic::error("bad-version", message).at(place, "").with_hint("give each a file of its own"));
            patch.used = true;
            continue;
        }
        files.insert(key, described.clone());
    }
    files
}

fn stems(package: &Package) -> BTreeSet<&str> {
    package.models.iter().map(|file| folders_and_stem(&file.relative).1).collect()
}
