//! From nodes to the manifest: `ref()` and `source()` find their targets, and what must be unique is.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::diagnostic::{Diagnostic, Diagnostics, Severity, did_you_mean};
use crate::base::source::Location;
use crate::files::LoadedProject;
use crate::manifest::function::FunctionCall;
use crate::manifest::manifest::Manifest;
use crate::manifest::node::{Node, NodeId, RefCall, ResourceType, SourceCall};
use crate::manifest::relation::RelationKey;
use crate::manifest::unit_test::{Input, UnitTest};
use crate::manifest::version::Version;
use crate::parse::semantic::link::SemanticIndex;

/// Puts all nodes into the manifest, resolved and checked.
pub(super) fn link(nodes: Vec<Node>, project: &LoadedProject, manifest: &mut Manifest, diagnostics: &mut Diagnostics) {
    let nodes = unique(nodes, diagnostics);
    let index = Index::new(&nodes, project, &manifest.project_name);
    let semantics = SemanticIndex::new(&nodes, &manifest.project_name);
    let mut resolved = Vec::with_capacity(nodes.len());
    for node in &nodes {
        let mut foreseen = Vec::new();
        let parents = if node.config.enabled {
            index.parents(node, &semantics, &mut foreseen, diagnostics)
        } else {
            Some(Vec::new())
        };
        resolved.push((parents, foreseen));
    }
    let groups = groups(&nodes);
    for (mut node, (parents, foreseen)) in nodes.into_iter().zip(resolved) {
        node.foreseen.extend(foreseen);
        if let Some(attached) = node.test().and_then(|test| test.attached_node.as_ref()) {
            // As under dbt, a generic test belongs to the group of what it is declared on.
            node.config.group = groups.get(attached).cloned();
        }
        let enabled = node.config.enabled && parents.is_some();
        node.depends_on = parents.unwrap_or_default();
        let node = Arc::new(node);
        if enabled {
            manifest.nodes.insert(node.id.clone(), node);
        } else {
            manifest.disabled.push(node);
        }
    }
    check_relations(manifest, diagnostics);
    check_versions(manifest, diagnostics);
}

/// `ref('orders')` could not mean both a model without versions and the latest version of another one.
fn check_versions(manifest: &Manifest, diagnostics: &mut Diagnostics) {
    let versioned: BTreeMap<(&str, &str), &Node> = manifest
        .nodes
        .values()
        .filter(|node| node.version().is_some())
        .map(|node| ((node.package.as_str(), node.name.as_str()), node.as_ref()))
        .collect();
    for node in manifest.nodes.values().filter(|node| node.resource_type.is_built() && node.version().is_none()) {
        if let Some(other) = versioned.get(&(node.package.as_str(), node.name.as_str())) {
            diagnostics.push(duplicate(node, other));
        }
    }
}

/// The groups of the nodes that are in one.
fn groups(nodes: &[Node]) -> BTreeMap<NodeId, String> {
    nodes.iter().filter_map(|node| Some((node.id.clone(), node.config.group.clone()?))).collect()
}

fn what(node: &Node) -> String {
    if let Some(version) = node.version() {
        return format!("version `{}` of model `{}`", version.own.as_str(), node.name);
    }
    match node.source() {
        Some(table) => format!("source table `{}.{}`", table.source_name, node.name),
        None => format!("{} `{}`", node.resource_type.as_str().replace('_', " "), node.name),
    }
}

fn path_hint(node: &Node) -> String {
    format!("`{}`", node.path)
}

/// Drops nodes whose name is taken, with a report that names both places.
fn unique(nodes: Vec<Node>, diagnostics: &mut Diagnostics) -> Vec<Node> {
    let mut by_id: BTreeMap<NodeId, usize> = BTreeMap::new();
    let mut by_name: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut kept: Vec<Node> = Vec::with_capacity(nodes.len());
    for node in nodes {
        let name_key = (node.package.clone(), node.search_name());
        let same_name = node
            .resource_type
            .is_built()
            .then(|| by_name.get(&name_key).copied())
            .flatten()
            .filter(|_| node.config.enabled);
        let other = by_id.get(&node.id).copied().or(same_name).and_then(|at| kept.get(at));
        // A disabled node may share its name with the one that replaces it.
        let other = other.filter(|other| other.config.enabled == node.config.enabled);
        if let Some(other) = other {
            diagnostics.push(duplicate(&node, other));
            continue;
        }
        if node.config.enabled {
            by_id.insert(node.id.clone(), kept.len());
            if node.resource_type.is_built() {
                by_name.insert(name_key, kept.len());
            }
        }
        kept.push(node);
    }
    kept
}

fn duplicate(node: &Node, other: &Node) -> Diagnostic {
    if node.resource_type == ResourceType::Test && node.test().is_some_and(|test| test.generic.is_some()) {
        return Diagnostic::error("duplicate-test", format!("the test `{}` is declared twice", node.name))
            .at_maybe(node.location.clone(), "again here")
            .at_maybe(other.location.clone(), "first here")
            .with_hint("give one of them a `name` of its own, or remove it");
    }
    let message = if node.resource_type == other.resource_type {
        let kinds = match node.resource_type {
            ResourceType::SavedQuery => "saved queries".to_owned(),
            kind => format!("{}s", kind.as_str().replace('_', " ")),
        };
        format!("there are two {kinds} `{}`", node.name)
    } else {
        format!("{} and {} have the same name", what(other), what(node))
    };
    let code = if node.resource_type.is_built() { "duplicate-node" } else { "duplicate-name" };
    let hint = if node.resource_type.is_built() {
        "rename one of the files; with `alias` the relation can keep its name"
    } else {
        "rename one of them"
    };
    let diagnostic = Diagnostic::error(code, message)
        .at_maybe(node.location.clone(), "again here")
        .at_maybe(other.location.clone(), "first here")
        .with_hint(hint);
    if node.path == other.path {
        diagnostic
    } else {
        diagnostic.with_note(format!("they are in {} and {}", path_hint(other), path_hint(node)))
    }
}

/// Two nodes may not be stored in one place.
fn check_relations(manifest: &Manifest, diagnostics: &mut Diagnostics) {
    let mut taken: BTreeMap<RelationKey, &Node> = BTreeMap::new();
    for node in manifest.nodes.values() {
        if !node.resource_type.is_built() || node.is_ephemeral() {
            continue;
        }
        let Some(relation) = &node.relation else { continue };
        if let Some(other) = taken.get(&relation.key()) {
            let message = format!("{} and {} are both stored as `{}`", what(other), what(node), relation.short_name());
            diagnostics.push(
                Diagnostic::error("duplicate-relation", message)
                    .at_maybe(node.location.clone(), "this one")
                    .at_maybe(other.location.clone(), "and this one")
                    .with_note("names that differ only in case are the same")
                    .with_hint("give one of them another `schema` or `alias`"),
            );
            continue;
        }
        taken.insert(relation.key(), node);
    }
}

/// What references look among.
struct Index<'a> {
    project: &'a LoadedProject,
    root: &'a str,
    refable: BTreeMap<&'a str, Vec<&'a Node>>,
    tables: BTreeMap<(&'a str, &'a str), Vec<&'a Node>>,
    functions: BTreeMap<&'a str, Vec<&'a Node>>,
}

impl<'a> Index<'a> {
    fn new(nodes: &'a [Node], project: &'a LoadedProject, root: &'a str) -> Self {
        let (refable, tables, functions) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut index = Self { project, root, refable, tables, functions };
        for node in nodes {
            if node.resource_type.is_built() {
                index.refable.entry(&node.name).or_default().push(node);
            } else if let Some(table) = node.source() {
                index.tables.entry((&table.source_name, &node.name)).or_default().push(node);
            } else if node.resource_type == ResourceType::Function {
                index.functions.entry(&node.name).or_default().push(node);
            }
        }
        index
    }

    /// The parents of a node; `None` if the node can't be because a parent is disabled or not there (only tests are
    /// forgiven so). What is wrong for whoever runs the node, and for nobody else, is foreseen.
    fn parents(
        &self,
        node: &Node,
        semantics: &SemanticIndex<'_>,
        foreseen: &mut Vec<Diagnostic>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Vec<NodeId>> {
        let (mut referred, mut parents): (Vec<NodeId>, Vec<NodeId>) = (Vec::new(), Vec::new());
        for call in &node.refs {
            match self.find(node, call) {
                Found::One(id) => referred.push(id),
                Found::Disabled(_) if matches!(node.resource_type, ResourceType::Test | ResourceType::UnitTest) => {
                    return None;
                }
                Found::Disabled(other) => diagnostics.push(disabled(node, call, other)),
                Found::Many(others) => diagnostics.push(ambiguous(node, call, &others)),
                Found::None if node.resource_type == ResourceType::Test => {
                    diagnostics.push(left_out(
                        node,
                        &format!("a node named '{}'", call.name),
                        self.unknown_ref(node, call),
                    ));
                    return None;
                }
                Found::None => diagnostics.push(self.unknown_ref(node, call)),
            }
        }
        for call in &node.sources {
            match self.find_table(node, call) {
                Ok(Some(id)) => parents.push(id),
                Ok(None) if node.resource_type == ResourceType::Test => {
                    let name = format!("a source named '{}.{}'", call.source, call.table);
                    diagnostics.push(left_out(node, &name, self.unknown_source(node, call)));
                    return None;
                }
                Ok(None) => diagnostics.push(self.unknown_source(node, call)),
                Err(_) if node.resource_type == ResourceType::Test => return None,
                Err(other) => {
                    let message = format!("the source table `{}.{}` is disabled", call.source, call.table);
                    let place = call.location.clone().or_else(|| node.location.clone());
                    diagnostics.push(
                        Diagnostic::error("disabled-source", message)
                            .at_maybe(place, format!("used by {}", what(node)))
                            .at_maybe(other.location.clone(), "described here"),
                    );
                }
            }
        }
        // dbt links sources first; a generic test asks for the node that it is declared on last.
        parents.extend(referred);
        for call in &node.functions {
            match self.find_function(node, call) {
                Ok(id) => parents.push(id),
                Err(diagnostic) => diagnostics.push(*diagnostic),
            }
        }
        parents.extend(semantics.parents(node, diagnostics));
        parents.extend(node.test().and_then(|test| test.attached_node.clone()));
        if let Some(test) = node.unit_test() {
            self.check_unit_test(node, test, &parents, foreseen, diagnostics);
        }
        let mut seen: Vec<NodeId> = Vec::with_capacity(parents.len());
        for parent in parents {
            if !seen.contains(&parent) {
                seen.push(parent);
            }
        }
        Some(seen)
    }

    /// A unit test is about a model, and its inputs are relations of the project; as under dbt, one with other inputs
    /// fails when it runs.
    fn check_unit_test(
        &self,
        node: &Node,
        test: &UnitTest,
        tested: &[NodeId],
        foreseen: &mut Vec<Diagnostic>,
        diagnostics: &mut Diagnostics,
    ) {
        if let Some(other) = tested.iter().find(|id| !id.as_str().starts_with("model.")) {
            let message = format!("unit test `{}` is about `{other}`, which is not a model", node.name);
            diagnostics.push(Diagnostic::error("bad-unit-test", message).at_maybe(node.location.clone(), ""));
        }
        for given in &test.given {
            match &given.input {
                Input::Ref(call) => match self.find(node, call) {
                    Found::One(_) => {}
                    Found::Disabled(other) => foreseen.push(disabled(node, call, other)),
                    Found::Many(others) => foreseen.push(ambiguous(node, call, &others)),
                    Found::None => foreseen.push(self.unknown_ref(node, call)),
                },
                Input::Source(call) => {
                    if let Ok(None) = self.find_table(node, call) {
                        foreseen.push(self.unknown_source(node, call));
                    }
                }
                Input::This => {}
            }
        }
    }

    /// The root project first, then the node's own package, then any, unless a flag turns the first two round.
    fn find(&self, node: &Node, call: &RefCall) -> Found<'a> {
        let called = self.refable.get(call.name.as_str()).map(Vec::as_slice).unwrap_or_default();
        let all: Vec<&Node> = called.iter().copied().filter(|node| node.has_version(call.version.as_ref())).collect();
        let of = |package: &str| all.iter().copied().filter(|node| node.package == package).collect::<Vec<_>>();
        let levels = match call.package.as_deref() {
            Some(package) => vec![of(package)],
            None => {
                let [first, second] = self.project.search_order(&node.package);
                vec![of(first), of(second), all.clone()]
            }
        };
        for level in &levels {
            let enabled: Vec<&Node> = level.iter().copied().filter(|node| node.config.enabled).collect();
            match enabled.as_slice() {
                [] => {}
                [one] => return Found::One(one.id.clone()),
                _ => return Found::Many(enabled),
            }
        }
        levels.into_iter().flatten().next().map_or(Found::None, Found::Disabled)
    }

    fn find_table(&self, node: &Node, call: &SourceCall) -> Result<Option<NodeId>, &'a Node> {
        let key = (call.source.as_str(), call.table.as_str());
        let all = self.tables.get(&key).map(Vec::as_slice).unwrap_or_default();
        let ranked = self.project.search_order(&node.package);
        let enabled = |package: Option<&str>| {
            all.iter().find(|table| table.config.enabled && package.is_none_or(|package| table.package == package))
        };
        let found = ranked.into_iter().find_map(|package| enabled(Some(package))).or_else(|| enabled(None));
        match (found, all.first()) {
            (Some(table), _) => Ok(Some(table.id.clone())),
            (None, Some(disabled)) => Err(disabled),
            (None, None) => Ok(None),
        }
    }

    fn unknown_ref(&self, node: &Node, call: &RefCall) -> Diagnostic {
        let place = call.location.clone().or_else(|| node.location.clone());
        let shown = shown_call(call);
        if let Some(package) = &call.package
            && !self.refable.values().flatten().any(|other| other.package == *package)
        {
            return Diagnostic::error("unknown-ref", format!("there is no package `{package}`"))
                .at_maybe(place, format!("`{shown}` of {}", what(node)));
        }
        let of_package = |other: &&&Node| call.package.as_ref().is_none_or(|package| other.package == *package);
        let same_name: Vec<&Node> =
            self.refable.get(call.name.as_str()).into_iter().flatten().filter(of_package).copied().collect();
        if !same_name.is_empty() {
            return unknown_version(node, call, &same_name);
        }
        let message = match &call.package {
            Some(package) => {
                format!("there is no model, seed or snapshot `{}` in the package `{package}`", call.name)
            }
            None => format!("there is no model, seed or snapshot `{}`", call.name),
        };
        let diagnostic =
            Diagnostic::error("unknown-ref", message).at_maybe(place, used_by(node, call.location.as_ref()));
        let names = self.refable.iter().filter(|(_, nodes)| {
            nodes.iter().any(|other| call.package.as_ref().is_none_or(|package| other.package == *package))
        });
        match did_you_mean(&call.name, names.map(|(name, _)| *name)) {
            Some(near) => diagnostic.with_hint(format!("did you mean `{near}`?")),
            None if self.tables.keys().any(|(_, table)| *table == call.name) => {
                diagnostic.with_hint(format!("there is a source table of this name: use `source(…, '{}')`", call.name))
            }
            None => diagnostic
                .with_hint("`ref` takes the name of a model's, seed's or snapshot's file; `karat ls` lists them"),
        }
    }

    /// The node's own package first, then the root project, then any.
    fn find_function(&self, node: &Node, call: &FunctionCall) -> Result<NodeId, Box<Diagnostic>> {
        let named = self.functions.get(call.name.as_str()).map(Vec::as_slice).unwrap_or_default();
        let wanted = |other: &&&Node| call.package.as_ref().is_none_or(|package| other.package == *package);
        let all: Vec<&Node> = named.iter().filter(wanted).copied().collect();
        let from = |package: &str| all.iter().find(|other| other.config.enabled && other.package == package);
        let enabled = || all.iter().find(|other| other.config.enabled);
        if let Some(found) = from(&node.package).or_else(|| from(self.root)).or_else(enabled) {
            return Ok(found.id.clone());
        }
        let place = call.location.clone().or_else(|| node.location.clone());
        let used = used_by(node, call.location.as_ref());
        if let Some(other) = all.first() {
            return Err(Box::new(
                Diagnostic::error("unknown-function", format!("the function `{}` is disabled", call.name))
                    .at_maybe(place, used)
                    .with_note(format!("it is in {}", path_hint(other)))
                    .with_hint("enable it, or do not call it"),
            ));
        }
        let message = format!("there is no function `{}`", call.name);
        let diagnostic = Diagnostic::error("unknown-function", message).at_maybe(place, used);
        Err(Box::new(match did_you_mean(&call.name, self.functions.keys().copied()) {
            Some(near) => diagnostic.with_hint(format!("did you mean `{near}`?")),
            None => {
                diagnostic.with_hint("functions are files in `functions/`; SQL's own are called by their names alone")
            }
        }))
    }

    fn unknown_source(&self, node: &Node, call: &SourceCall) -> Diagnostic {
        let place = call.location.clone().or_else(|| node.location.clone());
        let used = used_by(node, call.location.as_ref());
        let mut tables =
            self.tables.keys().filter(|(source, _)| *source == call.source).map(|(_, table)| *table).peekable();
        if tables.peek().is_none() {
            let diagnostic = Diagnostic::error("unknown-source", format!("there is no source `{}`", call.source))
                .at_maybe(place, used);
            return match did_you_mean(&call.source, self.tables.keys().map(|(source, _)| *source)) {
                Some(near) => diagnostic.with_hint(format!("did you mean `{near}`?")),
                None => diagnostic.with_hint("sources are described under `sources:` in a `.yml` file"),
            };
        }
        let message = format!("the source `{}` has no table `{}`", call.source, call.table);
        let diagnostic = Diagnostic::error("unknown-source", message).at_maybe(place, used);
        match did_you_mean(&call.table, tables) {
            Some(near) => diagnostic.with_hint(format!("did you mean `{near}`?")),
            None => diagnostic,
        }
    }
}

enum Found<'a> {
    One(NodeId),
    Many(Vec<&'a Node>),
    Disabled(&'a Node),
    None,
}

fn shown_call(call: &RefCall) -> String {
    let package = call.package.as_ref().map(|package| format!("'{package}', ")).unwrap_or_default();
    let version = call.version.as_ref().map(|version| format!(", v={}", version.as_str())).unwrap_or_default();
    format!("ref({package}'{}'{version})", call.name)
}

/// A `ref` to a model that is there, but not in the version that is wanted.
fn unknown_version(node: &Node, call: &RefCall, same_name: &[&Node]) -> Diagnostic {
    let place = call.location.clone().or_else(|| node.location.clone());
    let kind = same_name.first().map_or("model", |other| other.resource_type.as_str());
    let mut versions: Vec<&Version> = same_name.iter().filter_map(|other| Some(&other.version()?.own)).collect();
    versions.sort_by(|one, other| one.compare(other));
    let message = match &call.version {
        Some(version) if versions.is_empty() => {
            format!("{kind} `{}` has no versions, but `{}` is asked for", call.name, version.as_str())
        }
        Some(version) => format!("{kind} `{}` has no version `{}`", call.name, version.as_str()),
        None => format!("the latest version of {kind} `{}` is not there", call.name),
    };
    let diagnostic =
        Diagnostic::error("unknown-version", message).at_maybe(place, used_by(node, call.location.as_ref()));
    if versions.is_empty() {
        return diagnostic.with_hint(format!("write `ref('{}')`", call.name));
    }
    let all: Vec<String> = versions.iter().map(|version| format!("`{}`", version.as_str())).collect();
    diagnostic.with_note(format!("its versions are {}", all.join(", ")))
}

/// The remark at a call: who calls, unless the place says it.
fn used_by(node: &Node, place: Option<&Location>) -> String {
    let own = place.is_some_and(|place| place.file.path == node.path)
        && node.test().is_none_or(|test| test.generic.is_none());
    if own { String::new() } else { format!("used by {}", what(node)) }
}

/// As under dbt, a test that reads what is not there is no test: it is left out with a warning.
fn left_out(node: &Node, wanted: &str, problem: Diagnostic) -> Diagnostic {
    let phrase = format!("Test '{}' ({}) depends on {wanted} which was not found", node.id, node.path);
    let warning = Diagnostic { severity: Severity::Warning, ..problem };
    warning.with_note(format!("the test `{}` is left out", node.name)).known_as(phrase)
}

fn disabled(node: &Node, call: &RefCall, other: &Node) -> Diagnostic {
    let place = call.location.clone().or_else(|| node.location.clone());
    Diagnostic::error("disabled-ref", format!("{} is disabled", what(other)))
        .at_maybe(place, format!("used by {}", what(node)))
        .with_note(format!("it is in {}", path_hint(other)))
        .with_hint("enable it, or disable what uses it")
}

fn ambiguous(node: &Node, call: &RefCall, others: &[&Node]) -> Diagnostic {
    let place = call.location.clone().or_else(|| node.location.clone());
    let packages: Vec<String> = others.iter().map(|other| format!("`{}`", other.package)).collect();
    let first = others.first().map(|other| other.package.as_str()).unwrap_or_default();
    Diagnostic::error("ambiguous-ref", format!("several packages have a node `{}`", call.name))
        .at_maybe(place, used_by(node, call.location.as_ref()))
        .with_note(format!("the packages {}", packages.join(", ")))
        .with_hint(format!("say which: `ref('{first}', '{}')`", call.name))
}
