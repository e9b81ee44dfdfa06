//! Layer 3: which nodes a command works on, in dbt's selection language.
//!
//! `syntax` reads the command line's texts, `definitions` the named selectors of `selectors.yml`; both make the same
//! expressions, which `evaluate` answers on the graph. The language follows dbt's documentation, with two additions:
//! the method `layer:`, and wildcards in a bare name (`stg_*`) find it in any folder.

mod definitions;
mod evaluate;
mod expression;
mod matcher;
mod syntax;
#[cfg(test)]
mod tests;
mod wildcard;

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexSet;

use crate::base::diagnostic::{Diagnostic, Diagnostics};
use crate::graph::Dag;
use crate::manifest::manifest::Manifest;
use crate::manifest::node::{NodeId, ResourceType};
use crate::select::evaluate::Evaluation;
use crate::select::syntax::Reader;
use crate::state::Comparison;

pub use crate::select::definitions::wrong_selectors;

/// Which tests come along with the nodes that they read (`--indirect-selection`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IndirectSelection {
    /// Tests that read any selected node.
    #[default]
    Eager,
    /// Tests all of whose nodes are selected.
    Cautious,
    /// Tests all of whose nodes are selected, ancestors of selected ones, or sources.
    Buildable,
    /// Only tests that are selected themselves.
    Empty,
}

impl IndirectSelection {
    /// All, in the order of the reference page.
    pub const ALL: [Self; 4] = [Self::Eager, Self::Cautious, Self::Buildable, Self::Empty];

    /// dbt's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Eager => "eager",
            Self::Cautious => "cautious",
            Self::Buildable => "buildable",
            Self::Empty => "empty",
        }
    }

    /// The mode of a name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == text)
    }
}

/// What the user asked for.
#[derive(Debug, Clone, Default)]
pub struct SelectArgs {
    /// `--select`; without it, everything.
    pub select: Vec<String>,
    /// `--models`, dbt's older name of `--select`; the two are united.
    pub models: Vec<String>,
    /// `--exclude`.
    pub exclude: Vec<String>,
    /// `--selector`: a named selector of the project.
    pub selector: Option<String>,
    /// `--indirect-selection`.
    pub indirect: IndirectSelection,
    /// `--resource-type`: only these kinds; empty means all kinds.
    pub resource_types: Vec<ResourceType>,
    /// `--exclude-resource-type`: none of these kinds.
    pub exclude_resource_types: Vec<ResourceType>,
    /// Whether nodes whose file is empty are selected: they can be listed, but there is nothing to do with them.
    pub with_empty: bool,
    /// `--state`: what the methods `state:`, `result:` and `source_status:` compare with.
    pub state: Option<Arc<Comparison>>,
}

/// The selected nodes, parents first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// The ids, in the graph's order.
    pub nodes: IndexSet<NodeId>,
}

impl Selection {
    /// The ids, in the graph's order.
    pub fn iter(&self) -> impl Iterator<Item = &NodeId> {
        self.nodes.iter()
    }

    /// Whether a node is selected.
    pub fn contains(&self, id: &NodeId) -> bool {
        self.nodes.contains(id)
    }

    /// Whether nothing is selected.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// How many nodes are selected.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }
}

/// Selects the nodes that a command works on; `kinds` are those that it can do something with.
///
/// With an error among the diagnostics the selection is empty. Texts that match nothing only warn, as under dbt.
pub fn select(manifest: &Manifest, dag: &Dag, args: &SelectArgs, kinds: &[ResourceType]) -> (Selection, Diagnostics) {
    let state = args.state.as_deref();
    let mut reader = Reader::new(manifest, args.indirect, state);
    let expression = reader.arguments(args);
    let diagnostics = reader.diagnostics;
    if diagnostics.has_errors() {
        return (Selection::default(), diagnostics);
    }
    let mut evaluation = Evaluation { manifest, dag, state, diagnostics };
    let found = evaluation.evaluate(&expression).direct;
    let mut diagnostics = evaluation.diagnostics;
    if diagnostics.has_errors() {
        return (Selection::default(), diagnostics);
    }
    let is_wanted = |kind: ResourceType| {
        kinds.contains(&kind)
            && (args.resource_types.is_empty() || args.resource_types.contains(&kind))
            && !args.exclude_resource_types.contains(&kind)
    };
    let nodes: IndexSet<NodeId> = dag
        .order()
        .iter()
        .filter(|id| found.contains(*id))
        .filter(|id| manifest.get(id).is_some_and(|node| is_wanted(node.resource_type)))
        .filter(|id| args.with_empty || !manifest.get(id).is_some_and(|node| node.is_empty()))
        .cloned()
        .collect();
    if nodes.is_empty() {
        let mut others: BTreeMap<ResourceType, usize> = BTreeMap::new();
        for node in found.iter().filter_map(|id| manifest.get(id)) {
            *others.entry(node.resource_type).or_default() += 1;
        }
        let mut warning = Diagnostic::warning("nothing-selected", "nothing is selected, so there is nothing to do");
        if !others.is_empty() {
            let others: Vec<String> =
                others.into_iter().map(|(kind, count)| format!("{count} of kind `{}`", kind.as_str())).collect();
            let wanted: Vec<String> =
                kinds.iter().filter(|kind| is_wanted(**kind)).map(|kind| format!("`{}`", kind.as_str())).collect();
            let works_on = if wanted.is_empty() { "no kind of node".to_owned() } else { wanted.join(", ") };
            let matched = others.join(", ");
            warning =
                warning.with_note(format!("the selection matches {matched}, but this command works on {works_on}"));
        }
        diagnostics.push(warning);
    }
    (Selection { nodes }, diagnostics)
}
