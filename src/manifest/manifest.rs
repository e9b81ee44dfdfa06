//! All nodes of a project, by id and by name.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

use indexmap::IndexMap;
use serde_json::Value;

use crate::base::source::{Location, SourceFile};
use crate::manifest::group::Group;
use crate::manifest::node::{Node, NodeId, ResourceType};
use crate::manifest::version::Version;

/// A macro of the project, of a package, or built in.
#[derive(Debug, Clone)]
pub struct Macro {
    /// `macro.shop.cents`.
    pub id: String,
    /// Name as called; a generic test `x` is the macro `test_x`.
    pub name: String,
    /// Package; built-in ones have the package `karat`.
    pub package: String,
    /// Path of the defining file.
    pub path: String,
    /// The macro's own text, from its opening to its closing tag.
    pub sql: String,
    /// Description with `doc()` resolved.
    pub description: String,
    /// Its arguments: those of a properties file, or else the parameters of its text.
    pub arguments: Vec<MacroArgument>,
    /// Free metadata.
    pub meta: IndexMap<String, Value>,
    /// Whether documentation shows it.
    pub shown: bool,
    /// Path of the properties file that describes it.
    pub patch_path: Option<String>,
    /// Ids of the macros that its text calls.
    pub depends_on: Vec<String>,
    /// Where it is defined.
    pub location: Option<Location>,
}

/// An argument of a macro.
#[derive(Debug, Clone, Default)]
pub struct MacroArgument {
    /// Name.
    pub name: String,
    /// Type as written.
    pub data_type: Option<String>,
    /// Description with `doc()` resolved.
    pub description: String,
}

/// A docs block.
#[derive(Debug, Clone)]
pub struct DocBlock {
    /// Name.
    pub name: String,
    /// Package.
    pub package: String,
    /// Path of the defining file.
    pub path: String,
    /// Text as written.
    pub contents: String,
}

/// Everything that a project defines.
#[derive(Debug, Clone, Default)]
pub struct Manifest {
    /// Name of the root package.
    pub project_name: String,
    /// The target's database.
    pub database: String,
    /// The target's schema.
    pub schema: String,
    /// Enabled nodes by id.
    pub nodes: BTreeMap<NodeId, Arc<Node>>,
    /// Disabled nodes.
    pub disabled: Vec<Arc<Node>>,
    /// Macros by id.
    pub macros: BTreeMap<String, Arc<Macro>>,
    /// Groups by id (`group.shop.finance`).
    pub groups: BTreeMap<String, Arc<Group>>,
    /// Docs blocks by id (`doc.shop.orders`).
    pub docs: BTreeMap<String, Arc<DocBlock>>,
    /// Definitions of `selectors.yml` as written, by name.
    pub selectors: IndexMap<String, Value>,
    /// The file of the selectors, for messages.
    pub selectors_file: Option<Arc<SourceFile>>,
    /// Made when first asked for.
    pub(crate) index: OnceLock<Index>,
}

impl Manifest {
    /// The node with an id.
    pub fn get(&self, id: &NodeId) -> Option<&Arc<Node>> {
        self.nodes.get(id)
    }

    /// All nodes of a kind, by id.
    pub fn of_type(&self, kind: ResourceType) -> impl Iterator<Item = &Arc<Node>> {
        self.nodes.values().filter(move |node| node.resource_type == kind)
    }

    /// The models, seeds and snapshots called `name`, in all packages or in one: what `ref()` looks among. Of a model
    /// with versions, only the latest.
    pub fn find_refable(&self, package: Option<&str>, name: &str) -> Vec<&Arc<Node>> {
        self.find_version(package, name, None)
    }

    /// The same for a `ref()` that may name a version.
    pub fn find_version(&self, package: Option<&str>, name: &str, version: Option<&Version>) -> Vec<&Arc<Node>> {
        let called = self.index().refable.get(name).map_or(&[] as &[NodeId], Vec::as_slice);
        let nodes = called.iter().filter_map(|id| self.get(id));
        nodes
            .filter(|node| package.is_none_or(|package| node.package == package) && node.has_version(version))
            .collect()
    }

    /// The source table of a `source()` call.
    pub fn find_source(&self, source: &str, table: &str) -> Option<&Arc<Node>> {
        let tables = self.index().sources.get(table)?;
        let is_of_source = |node: &&Arc<Node>| node.source().is_some_and(|detail| detail.source_name == source);
        tables.iter().filter_map(|id| self.get(id)).find(is_of_source)
    }

    /// The tests that were declared on a node.
    pub fn tests_of(&self, id: &NodeId) -> impl Iterator<Item = &Arc<Node>> {
        self.index().tests.get(id).into_iter().flatten().filter_map(|id| self.get(id))
    }

    /// Without it a question about each of ten thousand nodes would look at all of them each time. It is made when it
    /// is first asked for: after parsing, when the nodes no longer change.
    fn index(&self) -> &Index {
        self.index.get_or_init(|| {
            let mut index = Index::default();
            for node in self.nodes.values() {
                let id = node.id.clone();
                if node.resource_type.is_built() {
                    index.refable.entry(node.name.clone()).or_default().push(id);
                } else if node.resource_type == ResourceType::Source {
                    index.sources.entry(node.name.clone()).or_default().push(id);
                } else if let Some(attached) = node.test().and_then(|test| test.attached_node.as_ref()) {
                    index.tests.entry(attached.clone()).or_default().push(id);
                }
            }
            index
        })
    }
}

/// Nodes by what they are looked up by, each list in the order of ids.
#[derive(Debug, Clone, Default)]
pub(crate) struct Index {
    /// Models, seeds and snapshots by name.
    refable: HashMap<String, Vec<NodeId>>,
    /// Source tables by name.
    sources: HashMap<String, Vec<NodeId>>,
    /// Tests by the node that they are declared on.
    tests: HashMap<NodeId, Vec<NodeId>>,
}
